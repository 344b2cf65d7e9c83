//! Whole configurations; the wording of reports is in `tests/configs/`.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::load::validate;
use super::settings::{Admin, Encoder, Hls, Limits, Server, Session, Settings, Worker};
use super::*;
use crate::base::cors::Cors;
use crate::base::units::{ByteSize, FrameRate};
use crate::daemon::access::Options;
use crate::model::encoder::Family;
use crate::model::encoder::OnFailure;
use crate::model::passthrough::Policy;
use crate::model::sandbox::Sandbox;
use crate::model::source::{Pull, Source};

fn check(text: &str, env: &[(&str, &str)]) -> Result<Settings, Report> {
    let env = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    validate("config.toml", text, Path::new("/etc/weir"), env)
}

/// Name, height and bits per second of the first stream's rungs.
fn ladder(settings: &Settings) -> Vec<(&str, u32, u64)> {
    let rungs = &settings.streams[0].rungs;
    rungs
        .iter()
        .map(|rung| (rung.name.as_str(), rung.height, rung.bitrate.bps()))
        .collect()
}

#[test]
fn nothing_written_is_all_defaults() {
    let settings = check("", &[]).unwrap();
    let names = settings.ladder.iter().map(|rung| rung.name.as_str());
    assert!(names.eq(["1080p", "720p", "480p", "360p"]));
    let expected = Settings {
        server: Server {
            http: Some("0.0.0.0:8080".parse().unwrap()),
            https: None,
            certificate: None,
            acme: None,
            http_redirect: false,
            rtmps: None,
            rtmp: Some("0.0.0.0:1935".parse().unwrap()),
            data: "/etc/weir/data".into(),
            admin: Some(Admin {
                address: "127.0.0.1:8081".parse().unwrap(),
                is_default: true,
            }),
            admin_hosts: Vec::new(),
            cors: Cors::Any,
            embed: Cors::Any,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
        },
        hls: Hls {
            segment: Duration::from_secs(2),
            part: Duration::from_millis(200),
            hold_back: None,
            window: Duration::from_secs(60),
            memory: ByteSize::from_mib(512),
            ts: true,
        },
        session: Session {
            grace: Duration::from_secs(30),
            linger: Duration::from_secs(30),
        },
        encoder: Encoder {
            order: ENCODER_FAMILIES.map(Family::from).to_vec(),
            on_failure: OnFailure::Fallback,
            rungs_on_demand: false,
            refuse_overload: true,
            passthrough: Policy::Auto,
        },
        worker: Worker {
            sandbox: Sandbox::Auto,
        },
        limits: Limits {
            connections: 2048,
            requests: 2048,
            strangers: 64,
            connections_total: 8192,
        },
        access: Options {
            remember: Duration::from_secs(12 * 3600),
            jwt: None,
            webhook: None,
        },
        edges: Vec::new(),
        ladder: settings.ladder.clone(),
        streams: Vec::new(),
    };
    assert_eq!(settings, expected);
    let settings = check("[[stream]]\nname = \"a\"", &[]).unwrap();
    assert_eq!(settings.streams[0].source, Source::Push);
    assert_eq!(settings.streams[0].publish_key, None);
    let expected = [
        ("1080p", 1080, 5_000_000),
        ("720p", 720, 2_800_000),
        ("480p", 480, 1_400_000),
        ("360p", 360, 800_000),
    ];
    assert_eq!(ladder(&settings), expected);
}

#[test]
fn the_shipped_files_say_what_the_defaults_are() {
    let streams = "[[stream]]\nname = \"demo\"\nsource = \"test:\"\nrungs = [\"720p\", \"360p\"]\n\
                   [[stream]]\nname = \"studio\"\nsource = \"push:\"\n";
    let mut expected = check(streams, &[]).unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = sources.join("config.toml");
    expected.server.data = shipped.with_file_name("data");
    assert_eq!(load(&shipped, std::iter::empty()).unwrap(), expected);
    // The one of the package.
    let shipped = sources.join("deploy/config/config.toml");
    expected.server.data = "/var/lib/weir".into();
    assert_eq!(load(&shipped, std::iter::empty()).unwrap(), expected);
}

#[test]
fn the_shipped_camera_example_is_valid_when_uncommented() {
    let shipped = include_str!("../../../config.toml");
    let at = shipped.find("# [[stream]]").unwrap();
    let example: Vec<&str> = shipped[at..]
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        // The file is not there.
        .filter(|line| !line.starts_with("password_file"))
        .collect();
    let settings = check(&example.join("\n"), &[]).unwrap();
    assert!(matches!(
        &settings.streams[0].source,
        Source::Pull(Pull { user: Some(_), .. })
    ));
}

#[test]
fn any_rung_replaces_the_default_ladder() {
    let text = "[[rung]]\nheight = 2160\nfps = 59.94\n[[rung]]\nheight = 540\nbitrate = \"2M\"\n\
                [[stream]]\nname = \"a\"\nrungs = [\"540p\", \"2160p\"]";
    let settings = check(text, &[]).unwrap();
    // A bitrate that is left out is scaled by area; the order is that of the ladder.
    let expected = [("2160p", 2160, 20_000_000), ("540p", 540, 2_000_000)];
    assert_eq!(ladder(&settings), expected);
    let fps = settings.streams[0].rungs[0].fps_max;
    assert_eq!(fps, FrameRate::new(60_000, 1001).unwrap());
}

#[test]
fn parts_and_hold_back_fit_each_other() {
    for (hls, fits) in [
        ("part = \"0\"", true),
        ("part = \"1s\"\nsegment = \"1s\"", true),
        ("part = \"200ms\"\nhold_back = \"600ms\"", true),
        ("part = \"200ms\"\nhold_back = \"599ms\"", false),
        // Without parts it is HOLD-BACK, which counts in segments.
        ("part = \"0\"\nhold_back = \"5s\"", false),
        ("part = \"0\"\nhold_back = \"6s\"", true),
        ("window = \"6s\"", true),
        ("window = \"6s\"\nhold_back = \"7s\"", false),
        ("segment = \"10s\"\nwindow = \"29s\"", false),
    ] {
        assert_eq!(check(&format!("[hls]\n{hls}"), &[]).is_ok(), fits, "{hls}");
    }
}

#[test]
fn whole_segments_are_bounded() {
    for (hls, bitrate, fits) in [
        ("segment = \"1s\"", "200M", true),
        ("segment = \"10s\"", "20M", true),
        ("segment = \"10s\"", "21M", false),
        ("segment = \"8s\"", "25165k", true),
        ("segment = \"8s\"", "25166k", false),
        // Only parts are sent.
        ("segment = \"10s\"\nts = false", "200M", true),
        ("segment = \"10s\"\nts = false\npart = \"0\"", "200M", false),
    ] {
        let text = format!("[hls]\n{hls}\n[[rung]]\nheight = 720\nbitrate = \"{bitrate}\"");
        assert_eq!(check(&text, &[]).is_ok(), fits, "{hls} {bitrate}");
    }
}

#[test]
fn listeners_may_share_a_port_on_different_addresses() {
    for (http, rtmp, fits) in [
        ("127.0.0.1:80", "127.0.0.2:80", true),
        ("127.0.0.1:80", "127.0.0.1:80", false),
        ("[::]:80", "127.0.0.1:80", false),
        ("0.0.0.0:0", "0.0.0.0:0", true),
        ("", "0.0.0.0:8080", true),
    ] {
        let text = format!("[server]\nhttp = {http:?}\nrtmp = {rtmp:?}");
        assert_eq!(check(&text, &[]).is_ok(), fits, "{http} {rtmp}");
    }
    // The default of the other listener counts.
    assert!(check("[server]\nrtmp = \"0.0.0.0:8080\"", &[]).is_err());
}

#[test]
fn the_environment_overrides_any_key() {
    let text = "[hls]\nsegment = \"nonsense\"\n[[stream]]\nname = \"studio\"\n\
                [[stream]]\nname = \"b__c\"\nsource = \"test:\"";
    let env = [
        ("WEIR__SERVER__HTTP", ""),
        ("WEIR__HLS__SEGMENT", "3s"),
        ("WEIR__HLS__TS", "false"),
        ("WEIR__ENCODER__ORDER", "x264, openh264"),
        ("WEIR__STREAM__studio__PUBLISH_KEY", "QdxB3nLwcZTnUt0m"),
        ("WEIR__STREAM__STUDIO__RUNGS", "720p"),
        ("WEIR__STREAM__b__c__SOURCE", "http://10.0.0.7/"),
        ("WEIR__RUNG__720p__BITRATE", "3M"),
        ("WEIR_LOG", "not ours"),
    ];
    let settings = check(text, &env).unwrap();
    assert_eq!(settings.server.http, None);
    assert_eq!(settings.hls.segment, Duration::from_secs(3));
    assert!(!settings.hls.ts);
    assert_eq!(settings.encoder.order, ["x264", "openh264"]);
    let key = settings.streams[0].publish_key.as_ref();
    assert_eq!(key.unwrap().expose(), "QdxB3nLwcZTnUt0m");
    assert_eq!(ladder(&settings), [("720p", 720, 3_000_000)]);
    assert!(matches!(settings.streams[1].source, Source::Pull(_)));
}

#[test]
fn a_rung_without_a_name_is_overridden_by_its_height() {
    let text = "[[rung]]\nheight = 720\n[[rung]]\nheight = 360\nname = \"low\"\n\
                [[stream]]\nname = \"a\"";
    let env = [
        ("WEIR__RUNG__720p__BITRATE", "3M"),
        ("WEIR__RUNG__720p__HEIGHT", "540"),
        ("WEIR__RUNG__720p__NAME", "high"),
        ("WEIR__RUNG__low__HEIGHT", "240"),
    ];
    let settings = check(text, &env).unwrap();
    let [high, low] = ladder(&settings)[..] else {
        panic!("{settings:?}");
    };
    assert_eq!(high, ("high", 540, 3_000_000));
    assert_eq!((low.0, low.1), ("low", 240));

    let text = "[[rung]]\nheight = 720\n[[rung]]\nheight = 720\nbitrate = \"1M\"";
    let report = check(text, &[("WEIR__RUNG__720p__NAME", "high")]).unwrap_err();
    let report = report.to_string();
    assert!(
        report.contains("more than one rung is named `720p`"),
        "{report}"
    );
}

#[test]
fn lists_of_names_are_bounded() {
    let order = |count| format!("[encoder]\norder = [{}]", "\"x264\",".repeat(count));
    assert_eq!(check(&order(65), &[]).unwrap_err().mistakes(), 1);
    // Repeated names are each a mistake.
    assert_eq!(check(&order(64), &[]).unwrap_err().mistakes(), 63);
}

#[test]
fn a_file_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    for (bytes, said) in [
        ("é".repeat(1 << 20).into_bytes(), "it has more than 1 MiB"),
        // The bound lies within a character.
        (
            [b"#", "é".repeat(1 << 20).as_bytes()].concat(),
            "it has more than 1 MiB",
        ),
        (vec![0xff], "it is not UTF-8 text"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let report = load(&path, std::iter::empty()).unwrap_err().to_string();
        assert!(report.contains(said), "{report}");
    }
}

#[test]
fn a_report_is_bounded() {
    let keys: String = (0..5000).map(|n| format!("k{n} = 1\n")).collect();
    let report = check(&keys, &[]).unwrap_err();
    assert_eq!(report.mistakes(), 5000);
    let text = report.to_string();
    assert!(text.ends_with("config.toml: 5000 mistakes, 4900 of them not shown\n"));
    assert_eq!(text.matches("error: ").count(), 100);
}

/// Lines that come near a configuration.
fn near_toml() -> impl Strategy<Value = String> {
    const KEY: &str = r#"(server|hls|rung|stream|name|source|publish_key|rungs|part|fps|é|"")"#;
    const VALUE: &str = r#"("\PC{0,8}"|-?[0-9]{1,20}|true|\[\]|\{\}|nan|1979-05-27|'''|\PC{0,4})"#;
    let line = prop_oneof![
        (KEY, VALUE).prop_map(|(key, value)| format!("{key} = {value}")),
        KEY.prop_map(|key| format!("[{key}]")),
        KEY.prop_map(|key| format!("[[{key}]]")),
        any::<String>(),
    ];
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in near_toml(), value: String, name in "(WEIR__)?\\PC*") {
        let env = [(name.as_str(), value.as_str()), ("WEIR__STREAM__a__SOURCE", &value)];
        if let Err(report) = check(&text, &env) {
            prop_assert!(report.mistakes() > 0);
            prop_assert!(report.render(true).len() >= report.to_string().len());
        }
    }
}
