//! Reloading: on SIGHUP and when the file changes. A configuration with mistakes is reported and
//! the one before it stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::settings::Settings;
use super::{Changes, Report, diff, load_text, read};

/// A change is read when nothing has changed for this long: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// But at the latest after this long.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(2);

/// The task that reloads. Ends when it is told to stop, or dropped.
#[derive(Debug)]
pub struct Watcher {
    settings: watch::Receiver<Arc<Settings>>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Starts to watch the file at `path`, which `initial` was loaded from with the overrides of
    /// `env`. Where files cannot be watched, SIGHUP still works, and the log says so.
    ///
    /// # Errors
    /// When SIGHUP cannot be listened for.
    pub fn spawn(
        path: PathBuf,
        env: Vec<(String, String)>,
        initial: Arc<Settings>,
    ) -> std::io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let (publisher, settings) = watch::channel(initial.clone());
        let cancel = CancellationToken::new();
        // One place is enough: a full queue already says that something has changed.
        let (changed, changes) = mpsc::channel(1);
        let files = match watch_folder(&path, changed) {
            Ok(files) => Some(files),
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
        let task = tokio::spawn(run(reloader, hangup, changes, files, cancel.clone()));
        Ok(Self {
            settings,
            cancel,
            task,
        })
    }

    /// The settings in force, and each that follows.
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

/// Tells `changed` of everything that is written, made, renamed or removed beside the file.
/// The folder is watched, not the file: editors replace files instead of writing to them.
fn watch_folder(path: &Path, changed: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the file makes events too. An error may hide a change.
        let is_change = event.map_or(true, |event| match event.kind {
            EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
            _ => true,
        });
        if is_change {
            // Full means it is known already; closed that nobody wants to know.
            let _ = changed.try_send(());
        }
    })?;
    let absolute = std::path::absolute(path)?;
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

async fn run(
    reloader: Reloader,
    mut hangup: Signal,
    mut changes: mpsc::Receiver<()>,
    // Watches until it is dropped.
    files: Option<RecommendedWatcher>,
    cancel: CancellationToken,
) {
    let mut reloader = reloader;
    // It may have changed between being loaded and being watched.
    let mut cause = Cause::File;
    loop {
        // Files are read here, which may block.
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
            Some(()) = changes.recv() => {
                settle(&mut changes).await;
                Cause::File
            }
        };
    }
    drop(files);
}

/// Waits until no change has come for [`QUIET`], at most [`QUIET_WAIT_MAX`].
async fn settle(changes: &mut mpsc::Receiver<()>) {
    let quiet =
        async { while let Ok(Some(())) = tokio::time::timeout(QUIET, changes.recv()).await {} };
    // Whether it became quiet or time was up, the file is read now.
    let _ = tokio::time::timeout(QUIET_WAIT_MAX, quiet).await;
}

/// Why a reload is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Signal,
    File,
}

/// What came of a reload.
#[derive(Debug)]
enum Outcome {
    /// Something beside the file changed, or the file says what it said.
    Unchanged,
    /// It has mistakes.
    Rejected(Report),
    /// It is in force.
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
            Self::Applied(changes) => {
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
                        "these keys end the session of every stream; others begin with them"
                    );
                }
                if !needs_restart.is_empty() {
                    tracing::warn!(
                        %file, keys = ?needs_restart,
                        "these keys take effect when weir is restarted"
                    );
                }
            }
        }
    }
}

/// Loads the file again and publishes what it says.
#[derive(Debug)]
struct Reloader {
    path: PathBuf,
    env: Vec<(String, String)>,
    /// What the daemon started with.
    started: Arc<Settings>,
    /// What the file said, or why it could not be read, when it was last looked at; `None` before
    /// the first look.
    seen: Option<Result<String, String>>,
    publisher: watch::Sender<Arc<Settings>>,
}

impl Reloader {
    fn reload(&mut self, cause: Cause) -> Outcome {
        let text = read(&self.path);
        // A signal always reloads: key files beside it may have changed.
        if cause == Cause::File && self.seen.as_ref() == Some(&text) {
            return Outcome::Unchanged;
        }
        self.seen = Some(text.clone());
        let settings = match load_text(&self.path, text, self.env.iter().cloned()) {
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
    use super::super::load;
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
