//! The task that has certificates made and renewed.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::failure::{self, Failure, Kind};
use super::folder::Folder;
use super::order::{self, Job};
use super::schedule::{self, Window};
use super::settings::{Directory, Settings};
use crate::daemon::tls::{About, Certificates, Connector, Origin, Pair, date_text};

/// Longest time for an order.
const ORDER_MAX: Duration = Duration::from_secs(300);
/// How often the clock is looked at, which may be set, or stand still while the machine sleeps.
const LOOKED_EVERY: Duration = Duration::from_secs(3600);
/// How often the authority is asked when it wants a certificate to be renewed (RFC 9773 section 4.3).
const ADVISED_EVERY: Duration = Duration::from_secs(6 * 3600);
/// Longest time for asking that.
const ADVICE_MAX: Duration = Duration::from_secs(60);

/// What is wanted, and where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The certificate, and who is asked for it.
    pub settings: Settings,
    /// The data folder.
    pub data: PathBuf,
}

/// Has certificates made and renewed. Created once; does nothing until it runs.
#[derive(Debug)]
pub struct Renewer {
    certificates: Certificates,
    has_http: bool,
    plan: watch::Receiver<Option<Plan>>,
}

impl Renewer {
    /// A renewer for the plan that `plan` has, if it has one. `has_http` says whether there is a port
    /// without TLS, at which an authority may ask.
    pub fn new(
        certificates: Certificates,
        has_http: bool,
        plan: watch::Receiver<Option<Plan>>,
    ) -> Self {
        Self {
            certificates,
            has_http,
            plan,
        }
    }

    /// Has certificates made and renewed until `shutdown`. When the plan changes, an order that is
    /// under way is given up.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self {
            certificates,
            has_http,
            mut plan,
        } = self;
        loop {
            let current = plan.borrow_and_update().clone();
            let following = async {
                match current {
                    Some(plan) => Following::new(plan, &certificates, has_http).run().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                Ok(()) = plan.changed() => {}
                () = following => {}
            }
        }
    }
}

/// Follows one plan.
struct Following<'a> {
    settings: Settings,
    folder: Folder,
    certificates: &'a Certificates,
    has_http: bool,
    advice: Advice,
}

/// What the authority advised last.
#[derive(Default)]
struct Advice {
    window: Option<Window>,
    asked_again: Option<Instant>,
}

impl<'a> Following<'a> {
    fn new(plan: Plan, certificates: &'a Certificates, has_http: bool) -> Self {
        let origin = match plan.settings.directory {
            Directory::LetsEncryptStaging => Origin::Trial,
            Directory::LetsEncrypt | Directory::Other(_) => Origin::Authority,
        };
        Self {
            folder: Folder::new(plan.settings.folder(&plan.data), origin),
            settings: plan.settings,
            certificates,
            has_http,
            advice: Advice::default(),
        }
    }

    /// Never ends.
    async fn run(mut self) {
        let mut backoff = failure::backoff();
        let mut failures: u32 = 0;
        loop {
            let replaced = self.until_due().await;
            let kind = Kind::of_attempt(failures, self.has_http);
            tracing::info!(
                domains = self.settings.domains.join(", "),
                directory = self.settings.directory.url(),
                challenge = kind.name(),
                "a certificate is ordered"
            );
            let ordered = timeout(ORDER_MAX, self.order(kind, replaced.as_ref())).await;
            let overdue = || Failure::here("the order took too long", "none: weir asks again");
            match ordered.unwrap_or_else(|_| Err(overdue())) {
                Ok(pair) => {
                    self.advice = Advice::default();
                    self.made(&pair);
                    if self.lasts(pair.about()) {
                        backoff.reset();
                        failures = 0;
                    } else {
                        // It would be renewed at once: one order must not follow the other.
                        sleep(backoff.wait()).await;
                    }
                }
                Err(failure) => {
                    failures = failures.saturating_add(1);
                    let wait = failure.wait(&mut backoff);
                    self.failed(&failure, wait);
                    sleep(wait).await;
                }
            }
        }
    }

    fn lasts(&self, about: &About) -> bool {
        has_names(&about.names, &self.settings.domains)
            && schedule::renewal(about) > SystemTime::now()
    }

    fn made(&self, pair: &Pair) {
        let about = pair.about();
        tracing::info!(
            names = about.names.join(", "),
            expires = about.expires_text(),
            renewed = date_text(schedule::renewal(about)),
            fingerprint = about.fingerprint,
            "certificate made by the authority"
        );
        self.certificates.look();
    }

    fn failed(&self, failure: &Failure, wait: Duration) {
        let in_force = self.certificates.in_force();
        tracing::warn!(
            domains = self.settings.domains.join(", "),
            directory = self.settings.directory.url(),
            cause = failure.cause,
            next = failure.next,
            again_in_s = wait.as_secs(),
            in_force_until = in_force.about().expires_text(),
            "no certificate was made; the one in force stays"
        );
    }

    async fn order(&self, kind: Kind, replaced: Option<&Pair>) -> Result<Pair, Failure> {
        let client = self.client().await?;
        let job = Job {
            settings: &self.settings,
            folder: &self.folder,
            challenges: self.certificates.challenges(),
            kind,
            replaced,
        };
        job.carry_out(&client).await
    }

    /// Waits until a certificate is to be ordered; returns the one that it replaces.
    async fn until_due(&mut self) -> Option<Pair> {
        let chance = chance();
        loop {
            let pair = self.folder.certificate().await?;
            let about = pair.about();
            if !has_names(&about.names, &self.settings.domains) {
                return Some(pair);
            }
            self.take_advice(&pair).await;
            let due = schedule::due(about, chance, self.advice.window);
            match due.duration_since(SystemTime::now()) {
                Ok(wait) if !wait.is_zero() => sleep(wait.min(LOOKED_EVERY)).await,
                _ => return Some(pair),
            }
        }
    }

    /// Asks the authority, now and then, when it wants `pair` to be renewed. Most have no special
    /// wish, and those that cannot be asked have none.
    async fn take_advice(&mut self, pair: &Pair) {
        let now = Instant::now();
        if self.advice.asked_again.is_some_and(|again| now < again) {
            return;
        }
        self.advice.asked_again = Some(now + ADVISED_EVERY);
        match timeout(ADVICE_MAX, self.advised(pair)).await {
            Ok(Ok(window)) => self.advice.window = window,
            Ok(Err(failure)) => tracing::debug!(cause = failure.cause, "no advice on renewal"),
            Err(_) => tracing::debug!("no advice on renewal in time"),
        }
    }

    async fn advised(&self, pair: &Pair) -> Result<Option<Window>, Failure> {
        let Some(identifier) = order::identifier(pair) else {
            return Ok(None);
        };
        if self.folder.account().await.is_none() {
            return Ok(None);
        }
        let client = self.client().await?;
        let kind = Kind::Http01;
        let account = order::account(&self.settings, &self.folder, &client, kind).await?;
        let told = account.renewal_info(&identifier).await;
        let (told, _) = told.map_err(|error| Failure::of(&error, kind))?;
        let date = |unix_s: i64| {
            let since_epoch = Duration::from_secs(u64::try_from(unix_s).unwrap_or(0));
            SystemTime::UNIX_EPOCH + since_epoch
        };
        let window = told.suggested_window;
        Ok(Some(Window {
            start: date(window.start.unix_timestamp()),
            end: date(window.end.unix_timestamp()),
        }))
    }

    async fn client(&self) -> Result<Client, Failure> {
        let ca = self.settings.ca.clone();
        let made = tokio::task::spawn_blocking(move || Connector::trusting(ca.as_deref())).await;
        let made = made.map_err(|error| Failure::here(error, "none: weir asks again"))?;
        Ok(Client::new(made?))
    }
}

/// A certificate that lacks a name is replaced at once; a name too many goes with the next one.
fn has_names(has: &[String], wanted: &[String]) -> bool {
    let has_it = |wanted: &String| has.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    wanted.iter().all(has_it)
}

/// From 0 to 1.
fn chance() -> f64 {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(random) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_another_certificate() {
        let names = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        for (has, wanted, same) in [
            ("a b", "b a", true),
            ("A b", "a", true),
            ("a", "a b", false),
            ("c", "a", false),
        ] {
            assert_eq!(
                has_names(&names(has), &names(wanted)),
                same,
                "{has}; {wanted}"
            );
        }
    }
}
