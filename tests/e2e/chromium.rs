//! A real browser: `tests/browser/driver.mjs`, asked one thing at a time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::wait_for;

/// A Chromium with one page; ends when dropped.
pub struct Chromium {
    driver: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Chromium {
    /// Opens one.
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

    /// One request, one answer; Playwright bounds each by 30 s.
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

    /// Plays a playlist with hls.js and nothing else.
    pub fn play_bare(&mut self, url: &str) {
        self.ask(&json!({"do": "hls", "url": url}));
    }

    /// The value of a JavaScript expression in the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        self.ask(&json!({"do": "eval", "expression": expression}))
    }

    /// Waits until a JavaScript expression is true.
    pub fn wait_until(&mut self, expression: &str, limit: Duration) {
        // What the page has seen helps where the wait fails.
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

    /// Waits until the picture has moved on by `seconds`.
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

    /// Limits downloads to so many bits per second.
    pub fn limit_network(&mut self, bps: Option<u64>) {
        self.ask(&json!({"do": "network", "bps": bps}));
    }

    /// Keeps what is to be seen in `target/screenshots`.
    pub fn screenshot(&mut self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
        std::fs::create_dir_all(&folder).expect("a folder for screenshots");
        let path = folder.join(format!("{name}.png"));
        self.ask(&json!({"do": "screenshot", "path": path}));
    }

    /// No script has failed and hls.js has given up nothing.
    pub fn assert_healthy(&mut self) {
        let complaints = self.ask(&json!({"do": "complaints"}));
        assert_eq!(complaints, json!([]), "scripts failed");
        assert_eq!(
            self.eval("window.seen.fatal"),
            json!([]),
            "fatal errors of hls.js"
        );
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The end of its input tells the driver to close the browser.
        drop(self.requests.take());
        if self.driver.wait().is_err() {
            let _ = self.driver.kill();
        }
    }
}
