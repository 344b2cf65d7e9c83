//! Lets those in who may watch.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::attempts::Attempts;
use super::client::Client;
use super::jwt::Verifier;
use super::policy::{Access, Options, Policy, Refusal};
use super::ticket::{Signer, Ticket};
use super::verdicts::{Verdicts, Whom};
use super::webhook::Webhook;
use crate::base::secret::Secret;

/// Wrong passwords of an address before it has to wait, and for how long.
const PASSWORDS_MAX: u32 = 10;
const PASSWORDS_PERIOD: Duration = Duration::from_secs(600);
/// Wrong tokens of an address, each of which costs a question to others, in a minute.
const TOKENS_MAX: u32 = 60;
const TOKENS_PERIOD: Duration = Duration::from_secs(60);
/// Passwords that are compared at a time, because each may take 19 MiB and 20 ms.
const COMPARED_MAX: usize = 2;
/// How long a password waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(3);

/// Somebody who wants to watch.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// From where.
    pub address: IpAddr,
    /// What was shown: a ticket, or a token of others.
    pub pass: Option<&'a str>,
}

/// The rules of all streams. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: RwLock<Rules>,
    counts: Arc<Counts>,
}

/// What no change of the configuration forgets.
#[derive(Debug)]
struct Counts {
    passwords: Attempts,
    tokens: Attempts,
    compared: Semaphore,
}

#[derive(Debug, Default)]
struct Rules {
    /// The streams that are not public.
    streams: HashMap<String, Arc<Rule>>,
    shared: Option<Arc<Shared>>,
}

/// What all streams that are not public share.
#[derive(Debug)]
struct Shared {
    secret: Secret,
    options: Options,
    period: Duration,
    signer: Signer,
    verifier: Option<Verifier>,
    webhook: Option<Webhook>,
    verdicts: Verdicts,
}

/// The rule of one stream that is not public.
#[derive(Debug)]
pub struct Rule {
    stream: String,
    policy: Policy,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
}

impl Default for Guard {
    /// Every stream is public.
    fn default() -> Self {
        let counts = Counts {
            passwords: Attempts::new(PASSWORDS_MAX, PASSWORDS_PERIOD),
            tokens: Attempts::new(TOKENS_MAX, TOKENS_PERIOD),
            compared: Semaphore::new(COMPARED_MAX),
        };
        Self(Arc::new(Inner {
            rules: RwLock::default(),
            counts: Arc::new(counts),
        }))
    }
}

impl Guard {
    /// The rules from now on. Tickets are signed with `secret`, which may be missing where all are public; what others say is asked again after
    /// `period`. A stream that is not among `policies` any more keeps its rule, because its media stay
    /// for a while.
    ///
    /// # Errors
    /// When others have to be asked, and this machine trusts nobody; or when a stream is not public and
    /// there is no secret. The rules stay as they were.
    pub fn apply(
        &self,
        policies: impl Iterator<Item = (String, Policy)>,
        options: &Options,
        secret: Option<&Secret>,
        period: Duration,
    ) -> io::Result<()> {
        let before = self.0.rules.read().unwrap_or_else(PoisonError::into_inner);
        let (mut streams, before) = (before.streams.clone(), before.shared.clone());
        let shared = match secret {
            Some(secret) => {
                let before = before.filter(|shared| shared.is_of(options, secret, period));
                let made = || Shared::new(options, secret, period).map(Arc::new);
                Some(before.map_or_else(made, Ok)?)
            }
            None => None,
        };
        for (stream, policy) in policies {
            if policy.access == Access::Public {
                streams.remove(&stream);
                continue;
            }
            let shared = shared.clone().ok_or(io::ErrorKind::InvalidInput)?;
            let rule = Rule {
                stream: stream.clone(),
                policy,
                shared,
                counts: self.0.counts.clone(),
            };
            streams.insert(stream, Arc::new(rule));
        }
        let mut rules = self.0.rules.write().unwrap_or_else(PoisonError::into_inner);
        *rules = Rules { streams, shared };
        Ok(())
    }

    /// The rule of a stream; `None` if it is public.
    pub fn rule(&self, stream: &str) -> Option<Arc<Rule>> {
        let rules = self.0.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.streams.get(stream).cloned()
    }
}

impl Shared {
    fn is_of(&self, options: &Options, secret: &Secret, period: Duration) -> bool {
        self.secret == *secret && self.options == *options && self.period == period
    }

    fn new(options: &Options, secret: &Secret, period: Duration) -> io::Result<Self> {
        let asks = options.webhook.is_some() || options.jwt.is_some();
        let client = asks.then(Client::new).transpose()?.map(Arc::new);
        let signer = Signer::new(secret).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self {
            secret: secret.clone(),
            options: options.clone(),
            period,
            signer,
            verifier: match (&options.jwt, &client) {
                (Some(jwt), Some(client)) => Some(Verifier::new(jwt, client)),
                _ => None,
            },
            webhook: match (&options.webhook, &client) {
                (Some(url), Some(client)) => Some(Webhook::new(url.clone(), client.clone())),
                _ => None,
            },
            verdicts: Verdicts::new(period),
        })
    }
}

impl Rule {
    /// What opens the stream.
    pub fn access(&self) -> Access {
        self.policy.access
    }

    /// Whether a visitor may watch.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn admit(&self, visitor: Visitor<'_>, now: SystemTime) -> Result<(), Refusal> {
        match visitor.pass {
            Some(pass) if Signer::is_ticket(pass) => self.check_ticket(pass, visitor.address, now),
            _ if self.policy.access == Access::Token => self.ask(visitor).await,
            Some(_) => Err(Refusal::Wrong),
            None => Err(Refusal::Missing),
        }
    }

    /// Whether a visitor has a ticket. Nobody else is asked, so this takes no time.
    pub fn knows(&self, visitor: Visitor<'_>, now: SystemTime) -> bool {
        let pass = visitor.pass;
        pass.is_some_and(|pass| self.check_ticket(pass, visitor.address, now).is_ok())
    }

    fn check_ticket(&self, pass: &str, address: IpAddr, now: SystemTime) -> Result<(), Refusal> {
        let password = self.policy.password.as_ref();
        let signer = &self.shared.signer;
        signer.check(&self.stream, pass, address, password, now)
    }

    async fn ask(&self, visitor: Visitor<'_>) -> Result<(), Refusal> {
        let Visitor { address, pass } = visitor;
        let shared = &self.shared;
        let token = pass.filter(|pass| Verifier::is_token(pass));
        let (verifier, webhook) = (shared.verifier.as_ref().zip(token), &shared.webhook);
        if verifier.is_none() && webhook.is_none() {
            return Err(pass.map_or(Refusal::Missing, |_| Refusal::Wrong));
        }
        let whom = Whom::new(&self.stream, address, pass);
        if !shared.verdicts.knows(&whom) {
            self.counts.tokens.may_try(address)?;
        }
        let find_out = async {
            let verdict = match (verifier, webhook) {
                (Some((verifier, token)), _) => verifier.check(&self.stream, token).await,
                (None, Some(webhook)) => webhook.check(&self.stream, address, pass).await,
                (None, None) => Err(Refusal::Missing),
            };
            if let Err(Refusal::Wrong) = verdict {
                self.counts.tokens.failed(address);
            }
            verdict
        };
        shared.verdicts.on(whom, find_out).await
    }

    /// A ticket for whoever knows the password; it is good for [`Options::remember`].
    ///
    /// # Errors
    /// [`Refusal`]; [`Refusal::Missing`] where no password opens the stream.
    pub async fn login(
        &self,
        attempt: String,
        address: IpAddr,
        now: SystemTime,
    ) -> Result<String, Refusal> {
        let password = match (self.policy.access, &self.policy.password) {
            (Access::Password, Some(password)) => password.clone(),
            _ => return Err(Refusal::Missing),
        };
        self.counts.passwords.may_try(address)?;
        let turn = timeout(TURN_MAX, self.counts.compared.acquire()).await;
        let _turn = turn.map_err(|_| Refusal::Unavailable)?;
        let comparing = password.clone();
        let compared = tokio::task::spawn_blocking(move || comparing.matches(&attempt)).await;
        if !compared.map_err(|_| Refusal::Unavailable)? {
            self.counts.passwords.failed(address);
            return Err(Refusal::Wrong);
        }
        let ticket = Ticket {
            expires: now + self.shared.options.remember,
            address: None,
        };
        Ok(self
            .shared
            .signer
            .sign(&self.stream, &ticket, Some(&password)))
    }

    /// For how long [`login`](Self::login) opens the stream.
    pub fn remembers(&self) -> Duration {
        self.shared.options.remember
    }
}

#[cfg(test)]
mod tests;
