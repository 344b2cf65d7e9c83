//! `weir keys`: shows the publish keys, with what to enter in OBS.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::address::this_machine;
use super::config::Config;
use super::exit::Exit;
use super::terminal::{fail, say};
use crate::base::secret::Secret;
use crate::daemon::config::keys::{Error, publish_keys};
use crate::daemon::config::settings::Settings;

/// `weir keys [NAME]`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only the key of this stream
    name: Option<String>,
}

/// Shows the publish keys, and creates those that do not exist yet.
pub(super) fn run(config: &Config, args: &Args) -> Exit {
    let settings = match config.load() {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let mut keys = match publish_keys(&settings) {
        Ok(keys) => keys,
        Err(error @ Error::Random(_)) => return fail(Exit::Failure, &error.to_string()),
        Err(error) => return fail(Exit::Data, &error.to_string()),
    };
    if let Some(name) = &args.name {
        if !keys.contains_key(name) {
            return fail(Exit::Failure, &no_key(&settings, &keys, name));
        }
        keys.retain(|stream, _| stream == name);
    }
    if keys.is_empty() {
        return say("No stream is published: none has source = \"push:\".\n");
    }
    let server = &settings.server;
    let [rtmp, rtmps] = [server.rtmp, server.rtmps].map(|port| port.map(this_machine));
    say(&text(&keys, rtmp, rtmps))
}

fn no_key(settings: &Settings, keys: &BTreeMap<String, Secret>, name: &str) -> String {
    if settings.streams.iter().any(|stream| stream.name == name) {
        return format!("stream `{name}` is not published: its source is not \"push:\"");
    }
    let known: Vec<&str> = keys.keys().map(String::as_str).collect();
    match known.as_slice() {
        [] => format!("there is no stream `{name}`, and none is published"),
        known => format!(
            "there is no stream `{name}`; published are: {}",
            known.join(", ")
        ),
    }
}

/// The two values that OBS asks for under Settings → Stream → Custom.
fn text(
    keys: &BTreeMap<String, Secret>,
    rtmp: Option<SocketAddr>,
    rtmps: Option<SocketAddr>,
) -> String {
    let server = match (rtmp, rtmps) {
        (None, None) => "(RTMP is off: server.rtmp = \"\")".to_owned(),
        (Some(plain), None) => format!("rtmp://{plain}/live"),
        (None, Some(secured)) => format!("rtmps://{secured}/live"),
        (Some(plain), Some(secured)) => format!("rtmp://{plain}/live or rtmps://{secured}/live"),
    };
    let of_stream = |(stream, key): (&String, &Secret)| {
        format!(
            "{stream}\n  OBS server:     {server}\n  OBS stream key: {stream}?key={}\n",
            key.expose()
        )
    };
    keys.iter().map(of_stream).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_as_obs_asks_for_them() {
        let keys = ["a", "b"].map(|name| (name.to_owned(), Secret::new(format!("{name}-key"))));
        let rtmp = "192.0.2.7:1935".parse().unwrap();
        let expected = "\
a
  OBS server:     rtmp://192.0.2.7:1935/live
  OBS stream key: a?key=a-key

b
  OBS server:     rtmp://192.0.2.7:1935/live
  OBS stream key: b?key=b-key
";
        let keys = keys.into();
        assert_eq!(text(&keys, Some(rtmp), None), expected);
        let rtmps = Some("192.0.2.7:1936".parse().unwrap());
        for (rtmp, server) in [
            (None, "  rtmps://192.0.2.7:1936/live\n"),
            (
                Some(rtmp),
                "  rtmp://192.0.2.7:1935/live or rtmps://192.0.2.7:1936/live\n",
            ),
        ] {
            assert!(text(&keys, rtmp, rtmps).contains(server));
        }
    }
}
