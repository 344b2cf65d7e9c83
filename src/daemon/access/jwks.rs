//! Keys of others, at an address (JSON Web Key Set, RFC 7517 section 5).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use super::client::Client;
use super::policy::Refusal;

/// Keys are fetched again after this time.
const FRESH: Duration = Duration::from_secs(600);
/// They are fetched at most once in this time, whatever tokens name.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// Keys of one set that are used.
const KEYS_MAX: usize = 32;

/// The keys at an address.
#[derive(Debug)]
pub(super) struct Jwks {
    url: Url,
    client: Arc<Client>,
    known: Mutex<Known>,
    /// One of those who need the keys fetches them.
    turn: Semaphore,
}

#[derive(Debug, Default)]
struct Known {
    /// `None` before they were fetched once.
    keys: Option<Arc<[Jwk]>>,
    fetched: Option<Instant>,
    asked: Option<Instant>,
}

impl Known {
    /// The keys of this id, or all of them for a token without one.
    fn of(&self, id: Option<&str>) -> Option<Vec<DecodingKey>> {
        let keys = self.keys.as_ref()?;
        let fit = |key: &&Jwk| id.is_none() || key.common.key_id.as_deref() == id;
        let usable = |key: &Jwk| DecodingKey::from_jwk(key).ok();
        Some(keys.iter().filter(fit).filter_map(usable).collect())
    }

    fn is_within(time: Option<Instant>, period: Duration) -> bool {
        time.is_some_and(|time| time.elapsed() < period)
    }
}

impl Jwks {
    pub(super) fn new(url: Url, client: Arc<Client>) -> Self {
        Self {
            url,
            client,
            known: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }

    /// The keys that a token may be signed with. They are fetched if they are old, or if none has the
    /// id.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when no keys could be fetched yet.
    pub(super) async fn keys(&self, id: Option<&str>) -> Result<Vec<DecodingKey>, Refusal> {
        let (keys, is_fresh) =
            self.known(|known| (known.of(id), Known::is_within(known.fetched, FRESH)));
        match keys {
            Some(keys) if is_fresh && !keys.is_empty() => return Ok(keys),
            _ => self.refresh().await,
        }
        self.known(|known| known.of(id)).ok_or(Refusal::Unavailable)
    }

    async fn refresh(&self) {
        // The semaphore is never closed.
        let _turn = self.turn.acquire().await;
        let is_due = self.known(|known| {
            let is_due = !Known::is_within(known.asked, ASK_EVERY);
            if is_due {
                known.asked = Some(Instant::now());
            }
            is_due
        });
        if !is_due {
            return;
        }
        match self.fetch().await {
            Ok(keys) => self.known(|known| {
                known.keys = Some(keys);
                known.fetched = Some(Instant::now());
            }),
            Err(cause) => tracing::warn!(
                url = self.url.as_str(),
                cause,
                next = "tokens are checked with the keys that are known; see whether [access] jwks \
                        answers",
                "the keys of tokens could not be fetched"
            ),
        }
    }

    async fn fetch(&self) -> Result<Arc<[Jwk]>, String> {
        let request = Request::get(self.url.as_str())
            .header(http::header::ACCEPT, "application/json")
            .body(Full::<Bytes>::default())
            .map_err(|error| error.to_string())?;
        let answer = self
            .client
            .ask(request)
            .await
            .map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("it answers {}", answer.status));
        }
        let set: JwkSet =
            serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        // A secret at a public address is none.
        let public = |key: &Jwk| !matches!(key.algorithm, AlgorithmParameters::OctetKey(_));
        let keys: Vec<Jwk> = set.keys.into_iter().filter(public).take(KEYS_MAX).collect();
        Ok(keys.into())
    }

    fn known<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
