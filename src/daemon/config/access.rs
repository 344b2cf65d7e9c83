//! Reads who may watch: `[access]`, and the keys of `[server]` and `[[stream]]` about it.

use std::path::Path;
use std::time::Duration;

use url::Url;

use super::document::Value;
use super::problem::Problem;
use super::reader::{At, Section, Wrong};
use super::secrets::{self, short};
use super::values;
use crate::base::secret::Secret;
use crate::daemon::access::{Access, Jwt, Options, Password, Policy, PublicKey};

pub(super) const KEYS: &[&str] = &[
    "password",
    "password_file",
    "remember",
    "jwt_key",
    "jwt_key_file",
    "jwks",
    "jwt_issuer",
    "jwt_audience",
    "webhook",
];
const PASSWORD: [&str; 2] = ["password", "password_file"];
const JWT_KEY: [&str; 2] = ["jwt_key", "jwt_key_file"];
/// Keys of a stream that has a password of its own.
pub(super) const VIEWER_PASSWORD: [&str; 2] = ["viewer_password", "viewer_password_file"];
pub(super) const ACCESS: &str = "access";

const CHOICES: [(&str, Access); 3] = [
    ("public", Access::Public),
    ("password", Access::Password),
    ("token", Access::Token),
];
const REMEMBER_MIN: Duration = Duration::from_secs(60);
const REMEMBER_MAX: Duration = Duration::from_secs(90 * 24 * 3600);

/// Reads `access` of `[server]`.
pub(super) fn default_access(section: &Section<'_>, problems: &mut Vec<Problem>) -> Access {
    let access = values::one_of(&CHOICES);
    section
        .get_or(ACCESS, Access::Public, access, problems)
        .value
}

/// Reads `[access]`: what all streams share, and the password of those without their own.
pub(super) fn options(
    section: &Section<'_>,
    base: &Path,
    problems: &mut Vec<Problem>,
) -> (Options, Option<Password>) {
    let password = password(section, PASSWORD, base, problems);
    let remember = values::duration(REMEMBER_MIN..=REMEMBER_MAX);
    let remember = section.get_or("remember", Options::default().remember, remember, problems);
    let webhook = section.get("webhook", address, problems);
    let options = Options {
        remember: remember.value,
        jwt: jwt(section, base, problems),
        webhook: webhook.map(|url| url.value),
    };
    (options, password)
}

fn jwt(section: &Section<'_>, base: &Path, problems: &mut Vec<Problem>) -> Option<Jwt> {
    let before = problems.len();
    let check = |text: &str| match PublicKey::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Wrong::new(error.to_string())),
    };
    let key = secrets::secret(section, JWT_KEY, check, base, problems);
    let key = key.and_then(|key| PublicKey::parse(key.expose()).ok());
    let jwks = section.get("jwks", address, problems);
    let text = |value: &Value| match short(value)? {
        text if text.is_empty() => Err(Wrong::new("expected a text")),
        text => Ok(text),
    };
    let issuer = section.get("jwt_issuer", text, problems);
    let audience = section.get("jwt_audience", text, problems);
    if key.is_none() && jwks.is_none() {
        if problems.len() == before {
            problems.extend(without_key(section, issuer.or(audience)));
        }
        return None;
    }
    Some(Jwt {
        key,
        jwks: jwks.map(|url| url.value),
        issuer: issuer.map(|text| text.value),
        audience: audience.map(|text| text.value),
    })
}

/// Claims are checked of tokens that some key has signed.
fn without_key(section: &Section<'_>, claim: Option<At<String>>) -> Option<Problem> {
    let place = claim?.place?;
    let title = format!("{} takes no JSON Web Tokens", section.title);
    let label = "expected the key that signs them";
    let help = "add jwt_key_file = \"FILE\" or jwks = \"https://…\", or remove this line";
    Some(Problem::at(place, title, label).help(Some(help.to_owned())))
}

/// Reads what a stream says of those who want to watch it; `shared` holds what it leaves out.
pub(super) fn policy(
    section: &Section<'_>,
    shared: &Policy,
    base: &Path,
    problems: &mut Vec<Problem>,
) -> Policy {
    let before = problems.len();
    let access = section.get(ACCESS, values::one_of(&CHOICES), problems);
    let own = password(section, VIEWER_PASSWORD, base, problems);
    let has_own = own.is_some();
    let policy = Policy {
        access: access.as_ref().map_or(shared.access, |access| access.value),
        password: own.or_else(|| shared.password.clone()),
    };
    if problems.len() > before {
        return policy;
    }
    if policy.access == Access::Password && policy.password.is_none() {
        let place = access.and_then(|access| access.place);
        let title = format!("{} has no password", section.title);
        let label = "a password opens this stream, but there is none";
        let help =
            "add viewer_password_file = \"FILE\" (chmod 600) here, or password_file in [access]";
        let place = place.unwrap_or_else(|| section.place.clone());
        problems.push(Problem::at(place, title, label).help(Some(help.to_owned())));
    }
    let key = VIEWER_PASSWORD
        .iter()
        .find(|key| section.node(key).is_some());
    if has_own
        && policy.access != Access::Password
        && let Some(key) = key
        && let Some(place) = section.key_place(key)
    {
        let title = format!("`{key}` in {} has no use", section.title);
        let label = "only a stream with access = \"password\" has this key";
        let help = "write access = \"password\" too, or remove this line".to_owned();
        problems.push(Problem::at(place, title, label).help(Some(help)));
    }
    Policy {
        password: policy
            .password
            .filter(|_| policy.access == Access::Password),
        ..policy
    }
}

fn password(
    section: &Section<'_>,
    keys: [&str; 2],
    base: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Password> {
    let check = |text: &str| match Password::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Wrong::new(error.to_string())),
    };
    let secret: Option<Secret> = secrets::secret(section, keys, check, base, problems);
    Password::parse(secret?.expose()).ok()
}

/// An address that weir asks.
fn address(value: &Value) -> Result<Url, Wrong> {
    let expected = "expected an address such as \"https://example.org/watch\"";
    match Url::parse(&short(value)?) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(_) | Err(_) => Err(Wrong::new(expected)),
    }
}
