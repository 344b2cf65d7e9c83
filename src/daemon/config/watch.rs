//! Reloads the configuration on SIGHUP and when its file changes. Mistakes are logged; the settings
//! before them stay in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::diff::{Changes, diff};
use super::load::{load_text, read};
use super::report::Report;
use super::settings::Settings;
use crate::daemon::files::Watch;

/// The task that reloads the configuration. It ends on [`Watcher::stop`] or when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    settings: watch::Receiver<Arc<Settings>>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Starts to watch the file at `path`, from which `initial` was loaded with the overrides of
    /// `env`. If the file cannot be watched, the log says so; SIGHUP still reloads.
    ///
    /// # Errors
    /// No handler for SIGHUP can be installed.
    pub fn spawn(
        path: PathBuf,
        env: Vec<(String, String)>,
        initial: Arc<Settings>,
    ) -> std::io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let (publisher, settings) = watch::channel(initial.clone());
        let cancel = CancellationToken::new();
        let file = match Watch::beside([path.as_path()]) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(
                    file = %path.display(), %error,
                    "configuration file is not watched; send SIGHUP after a change"
                );
                None
            }
        };
        let reloader = Reloader {
            path,
            env,
            started: initial,
            seen: None,
            publisher,
        };
        let task = tokio::spawn(run(reloader, hangup, file, cancel.clone()));
        Ok(Self {
            settings,
            cancel,
            task,
        })
    }

    /// The settings in force, updated by every reload.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.clone()
    }

    /// Ends the task and waits for it.
    pub async fn stop(mut self) {
        self.cancel.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "configuration watcher ended badly");
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn run(
    reloader: Reloader,
    mut hangup: Signal,
    mut file: Option<Watch>,
    cancel: CancellationToken,
) {
    let mut reloader = reloader;
    // The file may have changed after it was loaded and before it was watched.
    let mut cause = Cause::File;
    loop {
        // Reading files may block.
        let reloaded = tokio::task::spawn_blocking(move || {
            let outcome = reloader.reload(cause);
            (reloader, outcome)
        });
        match reloaded.await {
            Ok((back, outcome)) => {
                reloader = back;
                outcome.log(&reloader.path);
            }
            Err(error) => {
                tracing::error!(%error, "configuration can no longer be reloaded; restart weir");
                break;
            }
        }
        cause = tokio::select! {
            () = cancel.cancelled() => break,
            Some(()) = hangup.recv() => Cause::Signal,
            () = changed(&mut file) => Cause::File,
        };
    }
}

async fn changed(file: &mut Option<Watch>) {
    match file {
        Some(file) => file.changed().await,
        None => std::future::pending().await,
    }
}

/// What triggered a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Signal,
    File,
}

/// The result of a reload.
#[derive(Debug)]
enum Outcome {
    /// The configuration is the same as before.
    Unchanged,
    /// The configuration has mistakes.
    Rejected(Report),
    /// The new configuration is in force.
    Applied(Changes),
}

impl Outcome {
    fn log(&self, path: &Path) {
        let file = path.display();
        match self {
            Self::Unchanged => {}
            Self::Rejected(report) => {
                let mistakes = report.mistakes();
                tracing::error!(
                    %file, mistakes,
                    "configuration not reloaded, the old one stays in force:\n{report}"
                );
            }
            Self::Applied(changes) => log_changes(path, changes),
        }
    }
}

fn log_changes(path: &Path, changes: &Changes) {
    let file = path.display();
    let Changes {
        added,
        removed,
        changed,
        new_keys,
        at_once,
        all_sessions,
        needs_restart,
    } = changes;
    tracing::info!(
        %file, ?added, ?removed, ?changed, ?new_keys, ?at_once,
        "configuration reloaded"
    );
    if !all_sessions.is_empty() {
        tracing::warn!(
            %file, keys = ?all_sessions,
            "these keys are fixed for a session: all sessions end, and new ones begin"
        );
    }
    if !needs_restart.is_empty() {
        tracing::warn!(
            %file, keys = ?needs_restart,
            "these keys take effect when weir is restarted"
        );
    }
}

/// Loads the file again and publishes its settings.
#[derive(Debug)]
struct Reloader {
    path: PathBuf,
    env: Vec<(String, String)>,
    /// The settings at the start of the daemon.
    started: Arc<Settings>,
    /// Content of the file at the last read, or why it could not be read; `None` before the first
    /// read.
    seen: Option<Result<String, String>>,
    publisher: watch::Sender<Arc<Settings>>,
}

impl Reloader {
    fn reload(&mut self, cause: Cause) -> Outcome {
        let text = read(&self.path);
        // A signal always reloads: files with secrets may have changed.
        if cause == Cause::File && self.seen.as_ref() == Some(&text) {
            return Outcome::Unchanged;
        }
        let settings = load_text(&self.path, &text, self.env.iter().cloned());
        self.seen = Some(text);
        let settings = match settings {
            Ok(settings) => settings,
            Err(report) => return Outcome::Rejected(report),
        };
        let old = self.publisher.borrow().clone();
        if *old == settings && cause == Cause::File {
            return Outcome::Unchanged;
        }
        let changes = diff(&self.started, &old, &settings);
        self.publisher.send_replace(Arc::new(settings));
        Outcome::Applied(changes)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::load::load;
    use super::*;

    const ONE: &str = "[[stream]]\nname = \"a\"\n";
    const TWO: &str = "[[stream]]\nname = \"a\"\n[[stream]]\nname = \"b\"\n";

    struct Config {
        _folder: tempfile::TempDir,
        path: PathBuf,
        initial: Arc<Settings>,
    }

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let initial = Arc::new(load(&path, std::iter::empty()).unwrap());
        Config {
            _folder: folder,
            path,
            initial,
        }
    }

    fn reloader(config: &Config) -> (Reloader, watch::Receiver<Arc<Settings>>) {
        let (publisher, settings) = watch::channel(config.initial.clone());
        let reloader = Reloader {
            path: config.path.clone(),
            env: Vec::new(),
            started: config.initial.clone(),
            seen: None,
            publisher,
        };
        (reloader, settings)
    }

    #[test]
    fn only_a_valid_change_is_published() {
        let config = config(ONE);
        let (mut reloader, mut settings) = reloader(&config);
        let write = |text: &str| std::fs::write(&config.path, text).unwrap();
        assert!(matches!(reloader.reload(Cause::File), Outcome::Unchanged));

        write("[[stream]]\nname = \"A\"\n");
        assert!(matches!(reloader.reload(Cause::File), Outcome::Rejected(r) if r.mistakes() == 1));
        // It is not reported twice, unless somebody asks.
        assert!(matches!(reloader.reload(Cause::File), Outcome::Unchanged));
        assert!(matches!(
            reloader.reload(Cause::Signal),
            Outcome::Rejected(_)
        ));
        std::fs::remove_file(&config.path).unwrap();
        assert!(matches!(reloader.reload(Cause::File), Outcome::Rejected(_)));
        assert!(!settings.has_changed().unwrap());

        write(TWO);
        let outcome = reloader.reload(Cause::File);
        assert!(matches!(outcome, Outcome::Applied(changes) if changes.added == ["b"]));
        assert_eq!(settings.borrow_and_update().streams.len(), 2);
        write(&format!("# a comment\n{TWO}"));
        assert!(matches!(reloader.reload(Cause::File), Outcome::Unchanged));
    }

    #[test]
    fn order_counts_and_length_is_bounded() {
        let config = config(TWO);
        let (mut reloader, mut settings) = reloader(&config);
        let write = |text: &str| std::fs::write(&config.path, text).unwrap();
        // The list of streams shows it, though nothing else changes.
        write("[[stream]]\nname = \"b\"\n[[stream]]\nname = \"a\"\n");
        let outcome = reloader.reload(Cause::File);
        assert!(matches!(outcome, Outcome::Applied(changes) if changes == Changes::default()));
        assert_eq!(settings.borrow_and_update().streams[0].name, "b");
        write(&"#".repeat(2 << 20));
        let outcome = reloader.reload(Cause::File);
        let said = "it has more than 1 MiB";
        assert!(matches!(outcome, Outcome::Rejected(report) if report.to_string().contains(said)));
    }

    #[tokio::test]
    async fn a_change_before_the_first_look_is_seen() {
        let config = config(ONE);
        std::fs::write(&config.path, TWO).unwrap();
        let watcher = Watcher::spawn(config.path.clone(), Vec::new(), config.initial).unwrap();
        assert_eq!(next(&mut watcher.subscribe()).await, 2);
        watcher.stop().await;
    }

    async fn next(settings: &mut watch::Receiver<Arc<Settings>>) -> usize {
        tokio::time::timeout(Duration::from_secs(20), settings.changed())
            .await
            .expect("no settings were published")
            .unwrap();
        settings.borrow_and_update().streams.len()
    }

    #[tokio::test]
    async fn a_replaced_file_and_a_signal_reload() {
        let config = config(ONE);
        let watcher =
            Watcher::spawn(config.path.clone(), Vec::new(), config.initial.clone()).unwrap();
        let mut settings = watcher.subscribe();
        let replacement = config.path.with_extension("new");
        std::fs::write(&replacement, TWO).unwrap();
        std::fs::rename(&replacement, &config.path).unwrap();
        assert_eq!(next(&mut settings).await, 2);

        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP)
            .unwrap();
        assert_eq!(next(&mut settings).await, 2);
        watcher.stop().await;
        assert!(
            settings.changed().await.is_err(),
            "the task outlived its owner"
        );
    }
}
