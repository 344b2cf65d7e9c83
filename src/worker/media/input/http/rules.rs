//! What a pull may fetch, and what became of it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use super::auth::{self, Login};
use super::cause::{Cause, Shown};
use super::head;
use super::nearness::Nearness;
use crate::base::secret::Secret;
use crate::model::source::Pull;

/// A cause that is older than this explains no failure.
const CAUSE_AGE_MAX: Duration = Duration::from_secs(30);

/// The rules of one pull, and the newest cause of a failure. All clients of the process share them:
/// a worker has one stream, and GStreamer makes the clients for what a playlist names, without a way
/// to hand them anything but an address.
#[derive(Debug)]
pub struct Rules {
    pull: Pull,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Nearness of the farthest address that the configured host has had.
    configured: Option<Nearness>,
    cause: Option<(Instant, Cause)>,
    /// Content type of the newest answer.
    content_type: String,
}

/// The rules that a new client follows.
static CURRENT: Mutex<Option<Arc<Rules>>> = Mutex::new(None);

/// The rules of this process; `None` before [`Rules::begin`].
pub fn current() -> Option<Arc<Rules>> {
    let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    current.clone()
}

impl Rules {
    /// The rules of `pull`.
    pub fn new(pull: Pull) -> Arc<Self> {
        Arc::new(Self {
            pull,
            state: Mutex::default(),
        })
    }

    /// Begins an attempt: clients that are made from now on follow these rules.
    pub fn begin(self: &Arc<Self>) {
        self.state().cause = None;
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(self.clone());
    }

    /// The configured pull.
    pub fn pull(&self) -> &Pull {
        &self.pull
    }

    /// Whether the address was configured as a playlist.
    pub fn is_playlist(&self) -> bool {
        self.pull.url.path().to_ascii_lowercase().ends_with(".m3u8")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes why a request failed.
    pub fn note(&self, cause: &Cause) {
        let mut state = self.state();
        // What the source must not do explains everything that follows from its refusal.
        let forbidden = |(_, cause): &(Instant, Cause)| cause.is_forbidden();
        if *cause != Cause::Stopped && !state.cause.as_ref().is_some_and(forbidden) {
            state.cause = Some((Instant::now(), cause.clone()));
        }
    }

    /// Notes the content type of an answer.
    pub fn note_content_type(&self, content_type: &str) {
        self.state().content_type = super::cause::word(content_type);
    }

    /// Content type of the newest answer; empty when there is none.
    pub fn content_type(&self) -> String {
        self.state().content_type.clone()
    }

    /// The newest cause, unless it is too old to explain a failure of now.
    pub fn cause(&self) -> Option<Cause> {
        let state = self.state();
        let (at, cause) = state.cause.as_ref()?;
        let fits = cause.is_forbidden() || at.elapsed() <= CAUSE_AGE_MAX;
        fits.then(|| cause.clone())
    }

    /// What the source did although it must not.
    pub fn forbidden(&self) -> Option<Cause> {
        self.cause().filter(Cause::is_forbidden)
    }

    /// Parses an address that a playlist names.
    ///
    /// # Errors
    /// When its scheme is not HTTP, or when it is no address.
    pub fn named(address: &str) -> Result<Url, Cause> {
        let scheme = || address.split(':').next().unwrap_or_default();
        let url = Url::parse(address).map_err(|_| Cause::Scheme(super::cause::word(scheme())))?;
        is_http(&url)
    }

    /// The address that a redirect of `from` leads to.
    ///
    /// # Errors
    /// When it is not HTTP, or leaves TLS although a password is configured.
    pub fn redirected(&self, from: &Url, location: Option<&str>) -> Result<Url, Cause> {
        let location = location.and_then(|location| from.join(location).ok());
        let to = location.ok_or_else(|| Cause::RedirectBroken(Shown::of(from)))?;
        let to = is_http(&to)?;
        let downgrade = from.scheme() == "https" && to.scheme() == "http";
        if downgrade && (self.pull.user.is_some() || self.pull.password.is_some()) {
            return Err(Cause::Downgrade(Shown::of(&to)));
        }
        Ok(to)
    }

    /// Which of `addresses` of the host of `url` may be connected to.
    ///
    /// The configured host counts with the farthest address that it has ever had: a name that was on
    /// the internet cannot be turned onto this machine later (DNS rebinding).
    ///
    /// # Errors
    /// When there is no such address.
    pub fn admit(&self, url: &Url, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Cause> {
        let mut state = self.state();
        if url.host() == self.pull.url.host() {
            let now = Nearness::of_farthest(&addresses);
            state.configured = [state.configured, now].into_iter().flatten().min();
        }
        if self.pull.allow_private {
            return Ok(addresses);
        }
        let configured = state.configured.unwrap_or(Nearness::Public);
        let nearest = addresses.iter().copied().map(Nearness::of).max();
        let mut admitted = addresses;
        admitted.retain(|address| configured.may_name(*address));
        match nearest {
            Some(nearness) if admitted.is_empty() => Err(Cause::Closer {
                at: Shown::of(url),
                nearness,
            }),
            _ => Ok(admitted),
        }
    }

    /// The value of the `Authorization` header that answers the challenges of `url`.
    ///
    /// # Errors
    /// When no password is configured, when `url` is not of the configured origin (scheme, host and
    /// port), and when the challenges cannot be answered.
    pub fn answer<'a>(
        &self,
        url: &Url,
        challenges: impl Iterator<Item = &'a str>,
    ) -> Result<String, Cause> {
        let at = Shown::of(url);
        let password = self.pull.password.as_ref().map(Secret::expose);
        if self.pull.user.is_none() && password.is_none() {
            return Err(Cause::PasswordNeeded(at));
        }
        if url.origin() != self.pull.url.origin() {
            return Err(Cause::PasswordElsewhere(at));
        }
        let random = getrandom::u64().map_err(|_| Cause::AuthenticationUnknown(at.clone()))?;
        let login = Login {
            user: self.pull.user.as_deref().unwrap_or_default(),
            password: password.unwrap_or_default(),
            target: &head::target(url),
            cnonce: &format!("{random:016x}"),
        };
        auth::answer(challenges, login).ok_or(Cause::AuthenticationUnknown(at))
    }
}

fn is_http(url: &Url) -> Result<Url, Cause> {
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url.clone()),
        scheme => Err(Cause::Scheme(super::cause::word(scheme))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(url: &str, allow_private: bool) -> Arc<Rules> {
        Rules::new(Pull {
            url: url.parse().unwrap(),
            user: Some("viewer".to_owned()),
            password: Some(Secret::new("hunter2".to_owned())),
            tls_verify: true,
            allow_private,
        })
    }

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn basic(rules: &Rules, address: &str) -> Result<String, Cause> {
        rules.answer(&url(address), ["Basic realm=\"a\""].into_iter())
    }

    #[test]
    fn a_public_source_names_no_private_address() {
        let rules = rules("http://a.example/x.m3u8", false);
        assert!(
            rules
                .admit(&url("http://a.example/"), ips(&["8.8.8.8"]))
                .is_ok()
        );
        for (host, address) in [
            ("http://internal/", "10.0.0.1"),
            ("http://127.0.0.1/", "127.0.0.1"),
            ("http://metadata/", "169.254.169.254"),
        ] {
            let refused = rules.admit(&url(host), ips(&[address])).unwrap_err();
            assert!(refused.is_forbidden(), "{refused}");
            assert!(refused.to_string().contains("allow_private"), "{refused}");
        }
        let mixed = rules.admit(&url("http://b/"), ips(&["10.0.0.1", "9.9.9.9"]));
        assert_eq!(mixed.unwrap(), ips(&["9.9.9.9"]));
    }

    #[test]
    fn a_private_source_names_its_neighbours_and_nothing_closer() {
        let rules = rules("http://10.0.0.7/", false);
        assert!(
            rules
                .admit(&url("http://10.0.0.7/"), ips(&["10.0.0.7"]))
                .is_ok()
        );
        assert!(
            rules
                .admit(&url("http://10.0.0.8/"), ips(&["10.0.0.8"]))
                .is_ok()
        );
        assert!(
            rules
                .admit(&url("http://127.0.0.1/"), ips(&["127.0.0.1"]))
                .is_err()
        );
    }

    #[test]
    fn a_name_that_was_public_is_not_believed_to_be_private_later() {
        let rules = rules("http://a.example/", false);
        let own = url("http://a.example/");
        assert!(rules.admit(&own, ips(&["127.0.0.1"])).is_ok());
        assert!(rules.admit(&own, ips(&["8.8.8.8", "127.0.0.1"])).is_ok());
        assert!(rules.admit(&own, ips(&["127.0.0.1"])).is_err());
    }

    #[test]
    fn allow_private_admits_every_address() {
        let rules = rules("http://a.example/", true);
        assert!(rules.admit(&url("http://b/"), ips(&["127.0.0.1"])).is_ok());
    }

    #[test]
    fn only_the_configured_origin_gets_the_password() {
        let rules = rules("http://cam:8000/video", false);
        assert!(basic(&rules, "http://cam:8000/other").is_ok());
        for other in ["http://cam/", "https://cam:8000/", "http://cam2:8000/"] {
            let refused = basic(&rules, other).unwrap_err();
            assert!(matches!(refused, Cause::PasswordElsewhere(_)), "{refused}");
        }
    }

    #[test]
    fn a_redirect_leads_to_http_and_not_out_of_tls() {
        let rules = rules("https://cam/video", false);
        let from = url("https://cam/video");
        let to = rules.redirected(&from, Some("/other"));
        assert_eq!(to.unwrap().as_str(), "https://cam/other");
        for location in ["file:///etc/passwd", "ftp://a/", "data:,a", "http://cam/"] {
            let refused = rules.redirected(&from, Some(location)).unwrap_err();
            assert!(refused.is_forbidden(), "{location}: {refused}");
        }
        let nowhere = rules.redirected(&from, None).unwrap_err();
        assert!(matches!(nowhere, Cause::RedirectBroken(_)));
    }

    #[test]
    fn what_a_playlist_names_is_http() {
        assert!(Rules::named("https://a/b").is_ok());
        for address in ["file:///etc/passwd", "ftp://a/b", "a", "data:,a"] {
            let refused = Rules::named(address).unwrap_err();
            assert!(matches!(refused, Cause::Scheme(_)), "{address}: {refused}");
        }
    }

    #[test]
    fn what_is_forbidden_stays_the_cause() {
        let rules = rules("http://a/", false);
        rules.note(&Cause::Scheme("file".to_owned()));
        rules.note(&Cause::UnknownHost("b".to_owned()));
        assert_eq!(rules.forbidden(), Some(Cause::Scheme("file".to_owned())));
        rules.begin();
        assert_eq!(rules.cause(), None);
    }
}
