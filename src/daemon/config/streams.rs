//! Reads `[[stream]]`: the streams and their sources.

use std::path::Path;

use url::Url;

use super::document::{Table, Value};
use super::problem::{Place, Problem};
use super::reader::{At, Section, Wrong, nearest};
use super::rungs::{Ladder, title, unique};
use super::secrets::{self, KEY_EXPECTED, secret, short};
use super::sections::PASSTHROUGH;
use super::settings::Stream;
use super::{access, values};
use crate::daemon::access::Policy;
use crate::model::ladder::Rung;
use crate::model::source::{Pull, Source};

pub(super) const KEYS: &[&str] = &[
    "name",
    "source",
    "rungs",
    "rungs_on_demand",
    "passthrough",
    "publish_key",
    "publish_key_file",
    "user",
    "password",
    "password_file",
    "tls_verify",
    "allow_private",
    ON_DEMAND,
    access::ACCESS,
    "viewer_password",
    "viewer_password_file",
];
/// Keys of a pushed stream only.
const PUSH_KEYS: [&str; 2] = ["publish_key", "publish_key_file"];
/// Keys of a pulled stream only.
const PULL_KEYS: [&str; 6] = [
    "user",
    "password",
    "password_file",
    "tls_verify",
    "allow_private",
    ON_DEMAND,
];
const ON_DEMAND: &str = "on_demand";

/// Maximum number of streams in a configuration.
const STREAMS_MAX: usize = 1000;
const SUPPORTED: &str = "supported: push:, test:, http://, https://";
/// Schemes that users may try and that are not supported yet.
const SCHEMES_LATER: [&str; 10] = [
    "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp", "rist", "whip", "file",
];

/// What the key `source` says.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Push,
    Test,
    Pull(Url),
}

/// Reads the streams; `shared` says who may watch those that do not say it. Relative paths start at
/// `base`.
pub(super) fn read(
    tables: Vec<(&Table, Place)>,
    ladder: &Ladder,
    shared: &Policy,
    base: &Path,
    problems: &mut Vec<Problem>,
) -> Vec<Stream> {
    if let Some((_, place)) = tables.get(STREAMS_MAX) {
        let (title, label) = (
            "there are too many streams",
            format!("expected at most {STREAMS_MAX} streams"),
        );
        problems.push(Problem::at(place.clone(), title, label));
    }
    let (names, streams): (Vec<_>, Vec<_>) = tables
        .into_iter()
        .take(STREAMS_MAX)
        .filter_map(|(table, place)| stream(table, place, (ladder, shared), base, problems))
        .unzip();
    unique(names.iter(), "stream", problems);
    streams
}

/// A stream and its name; `None` without a valid name.
fn stream(
    table: &Table,
    place: Place,
    (ladder, shared): (&Ladder, &Policy),
    base: &Path,
    problems: &mut Vec<Problem>,
) -> Option<(At<String>, Stream)> {
    let section = Section::open(table, place, title("stream", table), KEYS, problems);
    let name = section.required("name", "name = \"studio\"", values::name, problems);
    let kind = section.get_or("source", Kind::Push, kind, problems);
    // Only a valid source tells which keys have no use.
    if kind.place.is_some() || section.node("source").is_none() {
        foreign_keys(&section, &kind.value, problems);
    }
    let publish_key = match kind.value {
        Kind::Push => secret(&section, PUSH_KEYS, publish_key, base, problems),
        Kind::Test | Kind::Pull(_) => None,
    };
    let on_demand = match kind.value {
        Kind::Pull(_) => {
            section
                .get_or(ON_DEMAND, false, values::boolean, problems)
                .value
        }
        Kind::Push | Kind::Test => false,
    };
    let source = source(&section, kind.value, base, problems);
    let rungs = rungs(&section, ladder, problems);
    let rungs_on_demand = section.get("rungs_on_demand", values::boolean, problems);
    let passthrough = values::one_of(&PASSTHROUGH);
    let passthrough = section.get("passthrough", passthrough, problems);
    let policy = access::policy(&section, shared, base, problems);
    let name = name?;
    let stream = Stream {
        name: name.value.clone(),
        source,
        publish_key,
        rungs,
        rungs_on_demand: rungs_on_demand.map(|on_demand| on_demand.value),
        passthrough: passthrough.map(|policy| policy.value),
        policy,
        on_demand,
    };
    Some((name, stream))
}

fn kind(value: &Value) -> Result<Kind, Wrong> {
    let text = short(value)?;
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => return Err(no_scheme(&text)),
    };
    match scheme.as_str() {
        "push" | "test" if !rest.is_empty() => {
            let wrong = Wrong::new(format!("expected nothing after `{scheme}:`"));
            Err(wrong.help(Some(format!("write \"{scheme}:\""))))
        }
        "push" => Ok(Kind::Push),
        "test" => Ok(Kind::Test),
        "http" | "https" => address(&text),
        later if SCHEMES_LATER.contains(&later) => Err(Wrong::new(format!(
            "`{later}:` is not supported yet; {SUPPORTED}"
        ))),
        other => {
            let meant = nearest(other, ["push", "test", "http", "https"].into_iter());
            let help = meant.map(|scheme| format!("did you mean `{scheme}:`?"));
            Err(Wrong::new(format!("unknown kind of source; {SUPPORTED}")).help(help))
        }
    }
}

fn no_scheme(text: &str) -> Wrong {
    let help = match text.to_ascii_lowercase().as_str() {
        word @ ("push" | "test") => Some(format!("write \"{word}:\"")),
        _ if text.contains(['.', '/']) => Some("begin it with http:// or https://".to_owned()),
        _ => None,
    };
    Wrong::new(format!("expected a source; {SUPPORTED}")).help(help)
}

fn address(text: &str) -> Result<Kind, Wrong> {
    // The parser also accepts "http:host", without "//".
    let has_authority = text
        .split_once(':')
        .is_some_and(|(_, rest)| rest.starts_with("//"));
    let url = match Url::parse(text) {
        Ok(url) if has_authority => url,
        Ok(_) => {
            return Err(Wrong::new(
                "expected an address such as \"http://10.0.0.7/video\"",
            ));
        }
        Err(error) => return Err(Wrong::new(format!("this is not an address: {error}"))),
    };
    // Logs and pages show the address, so it must not contain credentials.
    if !url.username().is_empty() || url.password().is_some() {
        let help = "take `user:password@` out of the address; put the name into `user` and the \
                    password into a file named by `password_file`";
        return Err(
            Wrong::new("an address must not have a user or password in it")
                .help(Some(help.to_owned())),
        );
    }
    Ok(Kind::Pull(url))
}

/// Reports keys that have no meaning for this kind of source.
fn foreign_keys(section: &Section<'_>, kind: &Kind, problems: &mut Vec<Problem>) {
    let push = (PUSH_KEYS.as_slice(), "push:");
    let pull = (PULL_KEYS.as_slice(), "http:// or https://");
    let foreign = match kind {
        Kind::Push => vec![pull],
        Kind::Pull(_) => vec![push],
        Kind::Test => vec![push, pull],
    };
    for (keys, wants) in foreign {
        for key in keys {
            if let Some(place) = section.key_place(key) {
                let title = format!("`{key}` in {} has no use", section.title);
                let label = format!("only a stream whose source is {wants} has this key");
                let help = (*key == ON_DEMAND).then(|| without_on_demand(kind).to_owned());
                problems.push(Problem::at(place, title, label).help(help));
            }
        }
    }
}

/// What to do about `on_demand` where it has no use.
fn without_on_demand(kind: &Kind) -> &'static str {
    match kind {
        Kind::Push => "remove the line: the stream runs while somebody publishes it",
        _ => "remove the line: the test signal always waits for viewers",
    }
}

fn source(section: &Section<'_>, kind: Kind, base: &Path, problems: &mut Vec<Problem>) -> Source {
    match kind {
        Kind::Test => Source::Test,
        Kind::Push => Source::Push,
        Kind::Pull(url) => {
            let [_, password, password_file, ..] = PULL_KEYS;
            let user = section.get("user", short, problems);
            let keys = [password, password_file];
            let secret = secret(section, keys, password_text, base, problems);
            user_is_there(section, user.as_ref(), problems);
            let tls_verify = section.get_or("tls_verify", true, values::boolean, problems);
            let allow_private = section.get_or("allow_private", false, values::boolean, problems);
            Source::Pull(Pull {
                url,
                user: user.map(|user| user.value),
                password: secret,
                tls_verify: tls_verify.value,
                allow_private: allow_private.value,
            })
        }
    }
}

/// A password needs a user.
fn user_is_there(section: &Section<'_>, user: Option<&At<String>>, problems: &mut Vec<Problem>) {
    let key = ["password", "password_file"]
        .into_iter()
        .find(|key| section.node(key).is_some());
    if let (None, Some(key)) = (user, key)
        && section.node("user").is_none()
        && let Some(place) = section.key_place(key)
    {
        let title = format!("`{key}` in {} has no `user`", section.title);
        let help = Some("add a line such as user = \"viewer\"".to_owned());
        problems.push(Problem::at(place, title, "expected `user` with it").help(help));
    }
}

fn publish_key(text: &str) -> Result<(), Wrong> {
    if secrets::is_placeholder(text) {
        let help = "remove the line: a key is made at first start, and `weir keys` shows it";
        return Err(Wrong::new("this is a placeholder, not a key").help(Some(help.to_owned())));
    }
    if secrets::is_publish_key(text) {
        return Ok(());
    }
    Err(Wrong::new(KEY_EXPECTED))
}

fn password_text(text: &str) -> Result<(), Wrong> {
    match text {
        "" => Err(Wrong::new("expected a password")),
        _ => Ok(()),
    }
}

/// The rungs of a stream, top first; the order in `rungs` does not matter.
fn rungs(section: &Section<'_>, ladder: &Ladder, problems: &mut Vec<Problem>) -> Vec<Rung> {
    let Some(names) = section.names("rungs", "a rung", problems) else {
        return ladder.rungs.clone();
    };
    for (name, place) in &names {
        if !ladder.names.contains(name) {
            let known = || ladder.names.iter().map(String::as_str);
            let label = format!("expected one of: {}", ladder.names.join(", "));
            problems.push(
                Problem::at(place.clone(), format!("there is no rung `{name}`"), label)
                    .help(values::did_you_mean(nearest(name, known()))),
            );
        }
    }
    let wanted = |rung: &&Rung| names.iter().any(|(name, _)| *name == rung.name);
    ladder.rungs.iter().filter(wanted).cloned().collect()
}
