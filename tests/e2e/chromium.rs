//! A real browser, driven by `tests/browser/driver.mjs`, which handles one request at a time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::wait_for;

/// Chromium with one page; closed when dropped.
pub struct Chromium {
    driver: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Chromium {
    /// Opens Chromium.
    pub fn open() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
        let packages = Path::new(folder).join("node_modules");
        assert!(
            packages.exists(),
            "first: npm ci --prefix tests/browser (scripts/test does it)"
        );
        let mut driver = Command::new("node")
            .arg("driver.mjs")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let requests = driver.stdin.take();
        let answers = BufReader::new(driver.stdout.take().expect("piped"));
        Self {
            driver,
            requests,
            answers,
        }
    }

    /// Sends one request and waits for its answer; Playwright gives up after 30 s.
    fn ask(&mut self, request: &Value) -> Value {
        let requests = self.requests.as_mut().expect("open until dropped");
        writeln!(requests, "{request}").expect("the driver runs");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the driver runs");
        let answer: Value = serde_json::from_str(&line).expect("the driver answers in JSON");
        assert!(answer["error"].is_null(), "{request}: {}", answer["error"]);
        answer["value"].clone()
    }

    /// Opens a page.
    pub fn goto(&mut self, url: &str) {
        self.ask(&json!({"do": "goto", "url": url}));
    }

    /// Plays a playlist in a bare page with hls.js.
    pub fn play_bare(&mut self, url: &str) {
        self.ask(&json!({"do": "hls", "url": url}));
    }

    /// Evaluates a JavaScript expression in the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        self.ask(&json!({"do": "eval", "expression": expression}))
    }

    /// Waits until a JavaScript expression is true.
    pub fn wait_until(&mut self, expression: &str, limit: Duration) {
        // When the wait fails, this shows why.
        let mut looks = 0;
        wait_for(expression, limit, || {
            looks += 1;
            if looks % 200 == 0 {
                eprintln!("{expression}: {}", self.eval("JSON.stringify(window.seen)"));
            }
            self.eval(&format!("Boolean({expression})"))
                .as_bool()?
                .then_some(())
        });
    }

    /// Waits until `seconds` more have been played.
    pub fn wait_played(&mut self, seconds: f64, limit: Duration) {
        let played = "(window.weir?.video?.getVideoPlaybackQuality().totalVideoFrames ?? 0)";
        let from = self
            .eval("window.weir?.video?.currentTime ?? 0")
            .as_f64()
            .unwrap_or_default();
        let there = format!(
            "window.weir?.video?.currentTime >= {} && {played} > 0",
            from + seconds
        );
        self.wait_until(&there, limit);
    }

    /// Limits downloads to `bps` bits per second; `None` lifts the limit.
    pub fn limit_network(&mut self, bps: Option<u64>) {
        self.ask(&json!({"do": "network", "bps": bps}));
    }

    /// Saves a picture of the page in `target/screenshots`.
    pub fn screenshot(&mut self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
        std::fs::create_dir_all(&folder).expect("a folder for screenshots");
        let path = folder.join(format!("{name}.png"));
        self.ask(&json!({"do": "screenshot", "path": path}));
    }

    /// Asserts that no script has failed.
    pub fn assert_scripts_healthy(&mut self) {
        let complaints = self.ask(&json!({"do": "complaints"}));
        assert_eq!(complaints, json!([]), "scripts failed");
    }

    /// Asserts that no script has failed and that hls.js has reported no fatal error.
    pub fn assert_healthy(&mut self) {
        self.assert_scripts_healthy();
        assert_eq!(
            self.eval("window.seen.fatal"),
            json!([]),
            "fatal errors of hls.js"
        );
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver closes the browser when its input ends.
        drop(self.requests.take());
        if self.driver.wait().is_err() {
            let _ = self.driver.kill();
        }
    }
}
