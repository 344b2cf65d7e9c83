//! Machines with hardware encoders and decoders that fail: weir gets the plugin of `tests/faulty`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::daemon::{Daemon, Environment};

#[path = "../faulty/fault.rs"]
mod fault;

pub use fault::{Fault, Rule};

/// The element of the family `nvidia`.
pub const NVIDIA: &str = "nvh264enc";
/// The element of the family `vaapi`.
pub const VAAPI: &str = "vah264enc";
/// The element of the family `quicksync`.
pub const QUICKSYNC: &str = "qsvh264enc";

/// The decoder of NVIDIA's cards.
pub const NVIDIA_DECODER: &str = "nvh264dec";

impl Rule {
    /// All instances of `element` have this fault.
    pub fn all(element: &str, fault: Fault) -> Self {
        Self {
            element: element.to_owned(),
            bitrate_kbps: None,
            fault,
        }
    }

    /// The instances of `element` with this bitrate have this fault.
    pub fn at(element: &str, bitrate_kbps: u32, fault: Fault) -> Self {
        Self {
            bitrate_kbps: Some(bitrate_kbps),
            ..Self::all(element, fault)
        }
    }
}

/// Starts weir with `config`, which has no `[server]` and no `[encoder]` table, on a machine whose
/// encoders have these faults. `order` is `encoder.order`.
pub fn start(order: &[&str], rules: &[Rule], config: &str) -> Daemon {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let environment = environment(dir.path(), rules);
    let config = format!("[encoder]\norder = {order:?}\npassthrough = \"never\"\n{config}");
    Daemon::start_in(dir, environment, &config)
}

/// The variables that give a weir the plugin, and its encoders these faults. The plugin and
/// GStreamer's list of plugins are kept in `dir`, so that the machine's own list knows nothing of them.
pub fn environment(dir: &Path, rules: &[Rule]) -> Environment {
    let plugins = dir.join("plugins");
    fs::create_dir_all(&plugins).expect("a folder for the plugin");
    // The folder may have nothing else in it, for GStreamer loads every library there.
    let plugin = plugin();
    let name = plugin.file_name().expect("a file name");
    fs::copy(plugin, plugins.join(name)).expect("the plugin is copied");
    vec![
        ("GST_PLUGIN_PATH", plugins.into()),
        ("GST_REGISTRY", dir.join("plugins.list").into()),
        (fault::VARIABLE, fault::text(rules).into()),
    ]
}

/// Makes the element of the family `nvidia` count as software for a daemon whose folder is `dir`, so that
/// nobody takes its slowness for a fault of a driver.
pub fn as_software(dir: &Path) {
    let folder = dir.join("pipelines");
    fs::create_dir(&folder).expect("a folder of templates");
    fs::write(folder.join("nvidia.toml"), SOFTWARE).expect("a template");
}

/// Gives publishers of a daemon whose folder is `dir` the decoder [`NVIDIA_DECODER`].
pub fn decode_in_hardware(dir: &Path) {
    let folder = dir.join("pipelines");
    fs::create_dir(&folder).expect("a folder of templates");
    fs::write(folder.join("nvidia-decoder.toml"), DECODER).expect("a template");
}

const DECODER: &str = r#"
kind = "decoder"
codec = "h264"
hardware = true
[[element]]
factory = "h264parse"
[[element]]
factory = "nvh264dec"
"#;

const SOFTWARE: &str = r#"
kind = "video-encoder"
family = "nvidia"
[[element]]
factory = "nvh264enc"
[element.bind]
bitrate = "bitrate-kbps"
[element.cheaper]
zerolatency = true
[[element]]
factory = "h264parse"
[[element]]
factory = "capsfilter"
properties = { caps = "video/x-h264,stream-format=avc,alignment=au" }
"#;

/// The plugin's file. `cargo test` builds it together with the tests, but `cargo test --test e2e` does
/// not, so it is made up to date here.
fn plugin() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_weir"));
        let built = built.parent().expect("the folder of a profile");
        let profile = match built.file_name().and_then(|name| name.to_str()) {
            Some("debug") => "dev",
            name => name.expect("the name of a profile"),
        };
        let cargo = Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--locked", "--offline", "--example", "faulty"])
            .args(["--profile", profile])
            .output()
            .expect("cargo");
        let said = String::from_utf8_lossy(&cargo.stderr);
        assert!(cargo.status.success(), "{said}");
        built.join("examples/libfaulty.so")
    })
}
