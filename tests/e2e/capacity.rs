//! `weir doctor --capacity`.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::daemon::{Environment, command};
use crate::support::faulty::{self, Fault, NVIDIA, Rule};
use crate::support::{small_ladder, turn};

/// What the help promises for the measurement, and the time to test all encoders on a busy machine.
const LIMIT: Duration = Duration::from_secs(30 + 15);
/// Too long for 30 frames per second.
const FRAME: Duration = Duration::from_millis(60);

/// What it says as JSON and as text, with encoders of `family` only.
fn examine(family: &str, rules: &[Rule]) -> (serde_json::Value, String) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = dir.path().join("config.toml");
    let ladder = small_ladder(&[]);
    fs::write(
        &config,
        format!("[encoder]\norder = [\"{family}\"]\n{ladder}"),
    )
    .expect("a file");
    let environment = match rules {
        [] => Environment::new(),
        rules => {
            faulty::as_software(dir.path());
            faulty::environment(dir.path(), rules)
        }
    };
    let say = |format: &[&str]| {
        let mut doctor = command();
        doctor
            .args(["doctor", "--capacity", "--config"])
            .arg(&config);
        let began = Instant::now();
        let said = doctor
            .args(format)
            .envs(environment.iter().cloned())
            .output();
        let said = said.expect("weir");
        assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
        let errors = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{errors}");
        String::from_utf8(said.stdout).expect("UTF-8")
    };
    let json: serde_json::Value = serde_json::from_str(&say(&["--json"])).expect("JSON");
    (json["capacity"].clone(), say(&[]))
}

#[test]
fn doctor_measures_how_many_ladders_the_machine_sustains() {
    let _turn = turn();
    let (json, text) = examine("x264", &[]);
    assert_eq!(json["ladder"], "240p30+120p30");
    assert_eq!(json["encoder"], "x264");
    let ladders = json["ladders"].as_u64().expect("a number");
    let each = json["cores_per_ladder"].as_f64().expect("a number");
    let cores = json["cores"].as_f64().expect("a number");
    assert!(ladders >= 1 && each > 0.0, "{json}");
    assert!(ladders as f64 * each <= cores * 1.5, "{json}");
    let line = text.lines().last().expect("a line");
    println!("{line}");
    for words in [
        "This machine sustains ",
        " of 240p30+120p30 (x264): ",
        " cores each",
    ] {
        assert!(line.contains(words), "no {words:?} in {line}");
    }
}

#[test]
fn doctor_says_when_not_even_one_ladder_is_sustained() {
    let _turn = turn();
    let (json, text) = examine("nvidia", &[Rule::all(NVIDIA, Fault::Slow(FRAME))]);
    assert_eq!(json["ladders"], 0, "{json}");
    let line = text.lines().last().expect("a line");
    println!("{line}");
    assert!(
        line.contains("does not sustain one ladder of 240p30+120p30 (nvidia)"),
        "{line}"
    );
}
