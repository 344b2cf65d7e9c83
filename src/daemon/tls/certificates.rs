//! The certificate in force, and the task that exchanges it when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::challenges::Challenges;
use super::pair::{About, Files, Origin, Pair, PairError, Part, Texts};
use super::self_made;
use super::store::StoreError;
use crate::daemon::files::Watch;

/// How often files are looked at that nobody said had changed, and ends of certificates.
const CHECKED_EVERY: Duration = Duration::from_secs(3600);
/// A certificate that ends soon is spoken of at most once in this time.
const REMARKED_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Files of the operator.
    Files(Files),
    /// weir makes one and keeps it under this data folder.
    SelfMade(PathBuf),
    /// A certificate authority makes it for weir. Until it has, weir makes one.
    Authority {
        /// The file with the certificate, its chain and its key.
        kept: PathBuf,
        /// No browser trusts this authority by itself.
        is_trial: bool,
        /// The data folder, for the one that weir makes.
        data: PathBuf,
    },
}

/// Why there is no certificate. Displays in one line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// A file of the operator.
    #[error("{}: {error}; {next}", path.display(), next = error.next_step())]
    File {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it.
        error: PairError,
    },
    /// The one that weir makes.
    #[error(transparent)]
    SelfMade(#[from] StoreError),
}

/// The certificate in force. Clones are cheap and hold the same.
#[derive(Debug, Clone)]
pub struct Certificates {
    in_force: Arc<RwLock<Pair>>,
    source: watch::Sender<Source>,
    challenges: Challenges,
}

/// Exchanges the certificate in force. Created by [`Certificates::open`]; does nothing until it runs.
#[derive(Debug)]
pub struct Keeper {
    certificates: Certificates,
    hangup: Signal,
    look: Look,
}

impl Source {
    /// What the certificate says of itself; `None` if weir will make it at its next start. Makes
    /// nothing. Blocks.
    ///
    /// # Errors
    /// [`Missing::File`].
    pub fn examine(&self) -> Result<Option<About>, Missing> {
        let (files, origin) = match self {
            Self::Files(files) => (files.clone(), Origin::Files),
            Self::Authority { kept, is_trial, .. } if kept.exists() => kept_by(kept, *is_trial),
            Self::SelfMade(data) | Self::Authority { data, .. } => {
                (self_made::files(data), Origin::SelfMade)
            }
        };
        if origin == Origin::SelfMade && !files.certificate.exists() {
            return Ok(None);
        }
        let pair = Pair::load(&files, origin).map_err(|error| Missing::file(&files, error))?;
        Ok(Some(pair.about().clone()))
    }
}

/// What an authority has made is in one file, so that certificate and key always fit.
fn kept_by(kept: &Path, is_trial: bool) -> (Files, Origin) {
    let files = Files {
        certificate: kept.to_owned(),
        key: kept.to_owned(),
    };
    let origin = match is_trial {
        true => Origin::Trial,
        false => Origin::Authority,
    };
    (files, origin)
}

impl Missing {
    fn file(files: &Files, error: PairError) -> Self {
        let path = match error.part() {
            Part::Certificate => &files.certificate,
            Part::Key => &files.key,
        };
        Self::File {
            path: path.clone(),
            error,
        }
    }
}

impl Certificates {
    /// Reads the certificate of `source`, or makes it. Blocks. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When there is none, or no handler for SIGHUP can be installed.
    pub fn open(source: Source) -> std::io::Result<Result<(Self, Keeper), Missing>> {
        let hangup = signal(SignalKind::hangup())?;
        let mut look = Look::default();
        let pair = match look.at(&source, SystemTime::now()) {
            // The first look always finds something, because nothing was seen before.
            Ok(pair) => pair,
            Err(missing) => return Ok(Err(missing)),
        };
        let Some(pair) = pair else {
            return Err(std::io::ErrorKind::NotFound.into());
        };
        let certificates = Self {
            in_force: Arc::new(RwLock::new(pair)),
            source: watch::Sender::new(source),
            challenges: Challenges::default(),
        };
        let keeper = Keeper {
            certificates: certificates.clone(),
            hangup,
            look,
        };
        Ok(Ok((certificates, keeper)))
    }

    /// The pair that new connections get.
    pub fn in_force(&self) -> Pair {
        let pair = self.in_force.read();
        pair.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the certificate from elsewhere from now on, as a changed configuration says. Does
    /// nothing if the source is the same.
    pub fn take_from(&self, source: Source) {
        self.source.send_if_modified(|old| {
            let differs = *old != source;
            *old = source;
            differs
        });
    }

    /// Looks at the certificate's files now, although nobody said that they have changed.
    pub fn look(&self) {
        self.source.send_modify(|_| {});
    }

    /// The questions of authorities that handshakes and the HTTP server answer.
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    fn exchange(&self, pair: Pair) {
        let mut in_force = self
            .in_force
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *in_force = pair;
    }
}

impl Keeper {
    /// Exchanges the certificate when its files change, on SIGHUP, when it ends soon and weir made
    /// it, and when it is to be taken from elsewhere; until `shutdown`. Connections that exist keep
    /// theirs. What cannot be used is logged, and the old pair stays.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self {
            certificates,
            mut hangup,
            mut look,
        } = self;
        let mut sources = certificates.source.subscribe();
        let mut ticks = tokio::time::interval(CHECKED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut remarked = None;
        loop {
            let source = sources.borrow_and_update().clone();
            // The watch begins before the look, so that no change falls between them.
            let mut watch = watch_over(&source);
            let looking = tokio::task::spawn_blocking(move || {
                let found = look.at(&source, SystemTime::now());
                (look, source, found)
            });
            let Ok((back, source, found)) = looking.await else {
                tracing::error!("the certificate can no longer be exchanged; restart weir");
                return shutdown.cancelled().await;
            };
            look = back;
            if report(&certificates, &source, found) {
                remarked = None;
            }
            remark(&certificates, &mut remarked);
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
                Some(()) = hangup.recv() => look.again(),
                Ok(()) = sources.changed() => look.again(),
                () = changed(&mut watch) => {}
            }
        }
    }
}

fn watch_over(source: &Source) -> Option<Watch> {
    let Source::Files(files) = source else {
        return None;
    };
    let watch = Watch::beside([files.certificate.as_path(), &files.key]);
    let watch = watch.inspect_err(|error| {
        tracing::warn!(
            file = %files.certificate.display(), %error,
            "the certificate is not watched; send SIGHUP after a change"
        );
    });
    watch.ok()
}

async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Puts what was found in force, or says why not. True if there is a new pair.
fn report(
    certificates: &Certificates,
    source: &Source,
    found: Result<Option<Pair>, Missing>,
) -> bool {
    let pair = match found {
        Ok(Some(pair)) => pair,
        Ok(None) => return false,
        Err(Missing::File { path, error }) => {
            tracing::error!(
                file = %path.display(), cause = %error, next = error.next_step(),
                "certificate not exchanged, the old one stays"
            );
            return false;
        }
        Err(Missing::SelfMade(error)) => {
            tracing::error!(cause = %error, "certificate not exchanged, the old one stays");
            return false;
        }
    };
    if pair.is_same(&certificates.in_force()) {
        return false;
    }
    tracing::info!(
        file = %file_of(source).display(),
        fingerprint = pair.about().fingerprint,
        expires = pair.about().expires_text(),
        "certificate exchanged: new connections get this one"
    );
    certificates.exchange(pair);
    true
}

fn file_of(source: &Source) -> PathBuf {
    match source {
        Source::Files(files) => files.certificate.clone(),
        Source::Authority { kept, .. } if kept.exists() => kept.clone(),
        Source::SelfMade(data) | Source::Authority { data, .. } => {
            self_made::files(data).certificate
        }
    }
}

/// Warns of a certificate that ends soon, once a day.
fn remark(certificates: &Certificates, remarked: &mut Option<Instant>) {
    let due = remarked.is_none_or(|last| last.elapsed() >= REMARKED_EVERY);
    let pair = certificates.in_force();
    if let (true, Some(cause)) = (due, pair.about().remark(SystemTime::now())) {
        *remarked = Some(Instant::now());
        let next = match pair.about().origin {
            Origin::Files | Origin::SelfMade => {
                "renew it and write it to its files: weir takes it without a restart"
            }
            Origin::Authority | Origin::Trial => {
                "lines above say why the authority has made no new one"
            }
        };
        tracing::warn!(fingerprint = pair.about().fingerprint, next, "{cause}");
    }
}

/// What was seen of a source at the last look.
#[derive(Default)]
struct Look {
    seen: Option<Result<Texts, String>>,
}

impl Look {
    /// Forgets what was seen, so that the next look tells it, good or bad.
    fn again(&mut self) {
        self.seen = None;
    }

    /// What there is now; `None` if nothing has changed since the last look. Blocks.
    fn at(&mut self, source: &Source, now: SystemTime) -> Result<Option<Pair>, Missing> {
        let (files, origin) = match source {
            Source::Files(files) => (files.clone(), Origin::Files),
            Source::Authority { kept, is_trial, .. } if kept.exists() => kept_by(kept, *is_trial),
            Source::SelfMade(data) | Source::Authority { data, .. } => {
                return Ok(Some(self_made::present(data, now)?));
            }
        };
        let missing = |error| Missing::file(&files, error);
        let read = files.read();
        let seen = read
            .as_ref()
            .map(Texts::clone)
            .map_err(PairError::to_string);
        if self.seen.as_ref() == Some(&seen) {
            return Ok(None);
        }
        self.seen = Some(seen);
        let pair = read.and_then(|texts| Pair::parse(&texts, origin));
        match (pair, source) {
            (Err(error), Source::Authority { kept, data, .. }) => {
                tracing::warn!(
                    file = %kept.display(), %error,
                    next = "none: the authority is asked for another one",
                    "the kept certificate cannot be used: weir's own stands in for it"
                );
                Ok(Some(self_made::present(data, now)?))
            }
            (pair, _) => pair.map(Some).map_err(missing),
        }
    }
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What was seen has a key in it.
        f.write_str("Look")
    }
}

#[cfg(test)]
mod tests;
