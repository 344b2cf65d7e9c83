//! OBS without a screen, with a profile and a scene of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::daemon::free_port;
use crate::support::process::Owned;

/// A running OBS; killed when dropped.
pub struct Obs {
    _obs: Owned,
    _screen: Owned,
    _home: TempDir,
}

/// How OBS encodes 640x360.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Pictures per second.
    pub fps: u32,
    /// x264's preset.
    pub preset: &'static str,
    /// Seconds between key frames; `None` leaves it to x264, as OBS does until it is told.
    pub key_frames_s: Option<u32>,
}

/// Little work.
pub const LIGHT: Settings = Settings {
    fps: 10,
    preset: "ultrafast",
    key_frames_s: None,
};

/// Starts OBS, which publishes to `rtmp` with `stream_key`.
pub fn start(rtmp: u16, stream_key: &str, settings: Settings) -> Obs {
    let home = tempfile::tempdir().expect("a temporary folder");
    configure(home.path(), rtmp, stream_key, settings);
    let display = format!(":{}", free_port() % 10_000 + 100);
    let screen = Owned::spawn(
        Command::new("Xvfb")
            .args([&display, "-screen", "0", "1024x768x24"])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let obs = Owned::spawn(
        Command::new("obs")
            .args([
                "--startstreaming",
                "--minimize-to-tray",
                "--multi",
                "--disable-updater",
            ])
            .env("DISPLAY", &display)
            .env("HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path().join("config"))
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("QT_QPA_PLATFORM", "xcb")
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    Obs {
        _obs: obs,
        _screen: screen,
        _home: home,
    }
}

fn configure(home: &Path, rtmp: u16, stream_key: &str, settings: Settings) {
    let root = home.join("config/obs-studio");
    let profile = root.join("basic/profiles/weir");
    let scenes = root.join("basic/scenes");
    let write = |path: &Path, text: &str| std::fs::write(path, text).expect("a file of OBS");
    for folder in [&profile, &scenes] {
        std::fs::create_dir_all(folder).expect("a folder of OBS");
    }
    write(
        &root.join("global.ini"),
        "[General]\nFirstRun=true\nLicenseAccepted=true\nInfoIncrement=100\n\
         [Basic]\nProfile=weir\nProfileDir=weir\nSceneCollection=weir\nSceneCollectionFile=weir\n",
    );
    let (fps, preset) = (settings.fps, settings.preset);
    // Zero is "auto" in OBS.
    let key_frames = settings.key_frames_s.unwrap_or(0);
    let basic = format!(
        "[General]\nName=weir\n[Output]\nMode=Advanced\n\
         [AdvOut]\nEncoder=obs_x264\nTrack1Bitrate=128\n\
         [Video]\nBaseCX=640\nBaseCY=360\nOutputCX=640\nOutputCY=360\nFPSType=1\nFPSInt={fps}\n"
    );
    write(&profile.join("basic.ini"), &basic);
    let encoder = format!(
        "{{\"rate_control\":\"CBR\",\"bitrate\":800,\"preset\":\"{preset}\",\"keyint_sec\":{key_frames}}}"
    );
    write(&profile.join("streamEncoder.json"), &encoder);
    let service = format!(
        "{{\"type\":\"rtmp_custom\",\"settings\":{{\"server\":\"rtmp://127.0.0.1:{rtmp}/live\",\
         \"key\":\"{stream_key}\"}}}}"
    );
    write(&profile.join("service.json"), &service);
    let scene = "{\"name\":\"weir\",\"current_scene\":\"S\",\"current_program_scene\":\"S\",\
                 \"scene_order\":[{\"name\":\"S\"}],\"sources\":[{\"id\":\"scene\",\"name\":\"S\",\
                 \"settings\":{\"items\":[]}}]}";
    write(&scenes.join("weir.json"), scene);
}
