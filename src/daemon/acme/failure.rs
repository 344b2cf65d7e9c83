//! Why there is no new certificate, what to do, and when to ask again.

use std::time::Duration;

use instant_acme::{Error, Problem};

use crate::base::backoff::Backoff;
use crate::base::text::printable;
use crate::daemon::tls::{NoTrust, PairError, StoreError, Unanswerable};

/// Waits between failed orders: authorities allow a few failures per name and hour.
const WAIT_FIRST: Duration = Duration::from_secs(60);
const WAIT_MAX: Duration = Duration::from_secs(12 * 3600);
/// An authority that names a time may make weir wait so long.
const ADVISED_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// One that says "too many" without naming a time makes weir wait at least so long.
const RATE_LIMITED_MIN: Duration = Duration::from_secs(3600);
/// Characters of an authority's own words in a log line.
const CAUSE_CHARS_MAX: usize = 400;
/// Begin of the types of RFC 8555 section 6.7.
const URN: &str = "urn:ietf:params:acme:error:";

/// How an authority finds out whether a name is of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It asks over HTTP, at port 80.
    Http01,
    /// It asks over TLS, at port 443.
    TlsAlpn01,
}

/// Why an order came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    /// One line.
    pub(super) cause: String,
    /// What an operator can do.
    pub(super) next: String,
    /// The authority wants to be left alone for so long.
    pub(super) not_before: Option<Duration>,
    /// The authority does not know the account.
    pub(super) is_unknown_account: bool,
}

impl Failure {
    /// A failure on this machine.
    pub(super) fn here(cause: impl std::fmt::Display, next: &str) -> Self {
        Self {
            cause: printable(&cause.to_string(), CAUSE_CHARS_MAX),
            next: next.to_owned(),
            not_before: None,
            is_unknown_account: false,
        }
    }

    /// What the authority says of the challenge `kind` for `name`.
    pub(super) fn of_challenge(name: &str, kind: Kind, problem: &Problem) -> Self {
        let mut failure = Self::of_problem(problem, kind);
        failure.cause = printable(
            &format!("{name} by {kind}: {problem}", kind = kind.name()),
            CAUSE_CHARS_MAX,
        );
        failure
    }

    /// What the authority says, or why it cannot be asked.
    pub(super) fn of(error: &Error, kind: Kind) -> Self {
        match error {
            Error::Api(problem) => Self::of_problem(problem, kind),
            Error::Timeout(_) => Self::here(
                "the authority did not decide in time",
                "none: weir asks again",
            ),
            Error::Json(error) => Self::here(
                format!("the directory answers with something else than ACME: {error}"),
                "put `directory` of acme in [server] right",
            ),
            error => Self::here(
                error,
                "see that this machine reaches the directory, and that its certificate is trusted: \
                 `ca` of acme in [server] names further roots",
            ),
        }
    }

    fn of_problem(problem: &Problem, kind: Kind) -> Self {
        let class = problem.r#type.as_deref().unwrap_or_default();
        let class = class.strip_prefix(URN).unwrap_or(class);
        let mut failure = Self::here(problem, &next_step(class, kind));
        failure.is_unknown_account = class == "accountDoesNotExist";
        failure.not_before = (class == "rateLimited").then_some(RATE_LIMITED_MIN);
        failure
    }

    /// Takes into account how long the authority asked to wait.
    pub(super) fn advised(mut self, wait: Option<Duration>) -> Self {
        self.not_before = wait.map(|wait| wait.min(ADVISED_MAX)).or(self.not_before);
        self
    }

    /// How long to wait before the next order.
    pub(super) fn wait(&self, backoff: &mut Backoff) -> Duration {
        backoff.wait().max(self.not_before.unwrap_or_default())
    }
}

/// The waits of a fresh start.
pub(super) const fn backoff() -> Backoff {
    Backoff::new(WAIT_FIRST, WAIT_MAX)
}

impl Kind {
    /// The name in RFC 8555 and RFC 8737.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }

    /// The way to be checked after so many failures: over HTTP where there is a port for it, and the
    /// other way at every second attempt.
    pub(super) const fn of_attempt(failures: u32, has_http: bool) -> Self {
        match has_http && failures.is_multiple_of(2) {
            true => Self::Http01,
            false => Self::TlsAlpn01,
        }
    }

    /// The port that authorities come to, and the key of `[server]` whose port it must lead to.
    const fn port(self) -> (u16, &'static str) {
        match self {
            Self::Http01 => (80, "http"),
            Self::TlsAlpn01 => (443, "https"),
        }
    }
}

fn next_step(class: &str, kind: Kind) -> String {
    let (port, key) = kind.port();
    match class {
        "connection" | "tls" => format!(
            "let port {port} of every domain lead to `{key}` of [server]: through firewall and router, \
             for everybody"
        ),
        "unauthorized" | "incorrectResponse" => format!(
            "something else than weir answers at port {port}: see that each domain names this machine, \
             and that port {port} leads to `{key}` of [server]"
        ),
        "dns" => {
            "let A and AAAA records of every domain name this machine, and none another".to_owned()
        }
        "caa" => "let the CAA records of the domains allow this authority".to_owned(),
        "rateLimited" => "none: weir asks again when the authority allows it; for trials set \
                          directory = \"staging\""
            .to_owned(),
        "rejectedIdentifier" | "unsupportedIdentifier" => {
            "put `domains` of acme in [server] right: names in the public DNS".to_owned()
        }
        "invalidContact" | "unsupportedContact" => {
            "put `email` of acme in [server] right".to_owned()
        }
        "externalAccountRequired" => {
            "set another `directory`: this one wants an account that was made \
                                      elsewhere, which weir cannot show"
                .to_owned()
        }
        "accountDoesNotExist" => "none: weir makes a new account".to_owned(),
        _ => "none: weir asks again".to_owned(),
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::here(error, "let weir write to its data folder")
    }
}

impl From<Unanswerable> for Failure {
    fn from(error: Unanswerable) -> Self {
        Self::here(error, "none: weir asks again")
    }
}

impl From<NoTrust> for Failure {
    fn from(error: NoTrust) -> Self {
        Self::here(
            error,
            "let this machine trust the directory: install ca-certificates, or put `ca` of acme in \
             [server] right",
        )
    }
}

impl From<PairError> for Failure {
    fn from(error: PairError) -> Self {
        Self::here(
            format!("what the authority has made cannot be used: {error}"),
            "none: weir asks again",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(class: &str) -> Problem {
        let text = format!(r#"{{"type": "{URN}{class}", "detail": "two\nlines"}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn causes_are_one_line_and_have_a_next_step() {
        for (class, kind, next) in [
            (
                "connection",
                Kind::Http01,
                "port 80 of every domain lead to `http`",
            ),
            (
                "connection",
                Kind::TlsAlpn01,
                "port 443 of every domain lead to `https`",
            ),
            (
                "unauthorized",
                Kind::Http01,
                "something else than weir answers",
            ),
            ("dns", Kind::Http01, "A and AAAA"),
            ("rateLimited", Kind::Http01, "staging"),
            ("rejectedIdentifier", Kind::Http01, "`domains`"),
            ("invalidContact", Kind::Http01, "`email`"),
            ("somethingNew", Kind::Http01, "weir asks again"),
        ] {
            let failure = Failure::of(&Error::Api(problem(class)), kind);
            assert!(failure.next.contains(next), "{class}: {}", failure.next);
            assert!(failure.cause.contains("two lines"), "{}", failure.cause);
        }
    }

    #[test]
    fn waits_double_and_authorities_may_make_them_longer() {
        let mut backoff = backoff();
        let plain = Failure::of(&Error::Api(problem("connection")), Kind::Http01);
        let waits: Vec<u64> = (0..12)
            .map(|_| plain.wait(&mut backoff).as_secs() / 60)
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 720, 720]);
        backoff.reset();
        let limited = || Failure::of(&Error::Api(problem("rateLimited")), Kind::Http01);
        assert_eq!(limited().wait(&mut backoff), RATE_LIMITED_MIN);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let later = limited().advised(Some(hours(5)));
        assert_eq!(later.wait(&mut backoff), hours(5));
        let never = limited().advised(Some(hours(24 * 365)));
        assert_eq!(never.wait(&mut backoff), ADVISED_MAX);
    }

    #[test]
    fn the_ways_to_be_checked_take_turns() {
        let kinds = |has_http| [0, 1, 2].map(|failures| Kind::of_attempt(failures, has_http));
        let (http, tls) = (Kind::Http01, Kind::TlsAlpn01);
        assert_eq!(kinds(true), [http, tls, http]);
        assert_eq!(kinds(false), [tls, tls, tls]);
    }
}
