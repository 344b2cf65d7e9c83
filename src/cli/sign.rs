//! `weir sign`: signs addresses that open a stream for a time.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::SecondsFormat;

use super::address::this_machine;
use super::config::Config;
use super::exit::Exit;
use super::terminal::{fail, say};
use crate::base::time::rfc3339;
use crate::base::units::parse_duration;
use crate::daemon::access::{Access, Signer, Ticket};
use crate::daemon::config::keys::{Error, KeyStore};
use crate::daemon::config::settings::{Server, Settings, Stream};

/// `weir sign NAME`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The stream
    name: String,
    /// How long the addresses open it, such as 30m, 2h or 168h
    #[arg(long = "for", value_name = "DURATION", default_value = "2h", value_parser = lasting)]
    lasts: Duration,
    /// The only IP address from which they open it
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// How viewers reach weir, such as <https://live.example.org>
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Longest time that an address can be good for: ten years.
const LASTS_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

fn lasting(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(lasts) if (Duration::from_secs(1)..=LASTS_MAX).contains(&lasts) => Ok(lasts),
        Ok(_) => Err("expected 1s to ten years".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Signs the addresses of a stream.
pub(super) fn run(config: &Config, args: &Args) -> Exit {
    let settings = match config.load() {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    if let Err(message) = needs_signing(&settings, &args.name) {
        return fail(Exit::Failure, &message);
    }
    let key = KeyStore::open(&settings.server.data).and_then(|store| store.signing_key());
    let signer = match key {
        Ok(key) => Signer::new(&key),
        Err(error @ Error::Random(_)) => return fail(Exit::Failure, &error.to_string()),
        Err(error) => return fail(Exit::Data, &error.to_string()),
    };
    let Some(signer) = signer else {
        return fail(Exit::Failure, "the secret cannot sign addresses");
    };
    let address = args.address.map(|address| address.to_canonical());
    let ticket = Ticket {
        expires: SystemTime::now() + args.lasts,
        address,
    };
    let signed = signer.sign(&args.name, &ticket, None);
    let base = match &args.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => here(&settings.server),
    };
    say(&text(&base, &args.name, &signed, &ticket))
}

/// The stream must be there, and not be public.
fn needs_signing(settings: &Settings, name: &str) -> Result<(), String> {
    let find = |stream: &&Stream| stream.name == name;
    match settings
        .streams
        .iter()
        .find(find)
        .map(|stream| stream.policy.access)
    {
        Some(Access::Password | Access::Token) => Ok(()),
        Some(Access::Public) => Err(format!(
            "stream `{name}` is public, so its addresses need no signature: give it \
             access = \"token\" in [[stream]]"
        )),
        None => Err(format!("there is no stream `{name}`")),
    }
}

/// How machines of this network reach weir.
fn here(server: &Server) -> String {
    let of = |scheme: &str, port: SocketAddr| format!("{scheme}://{}", this_machine(port));
    match (server.https, server.http) {
        (Some(port), _) => of("https", port),
        (None, Some(port)) => of("http", port),
        (None, None) => "http://HOST".to_owned(),
    }
}

fn text(base: &str, name: &str, signed: &str, ticket: &Ticket) -> String {
    let since_epoch = ticket
        .expires
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let unix_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    let until = rfc3339(unix_ms, SecondsFormat::Secs);
    let from = match ticket.address {
        Some(address) => format!(", from {address} alone"),
        None => String::new(),
    };
    format!(
        "{name}, until {until}{from}\n  \
         page:     {base}/s/{signed}/watch/{name}\n  \
         player:   {base}/s/{signed}/embed/{name}\n  \
         playlist: {base}/s/{signed}/live/{name}/master.m3u8\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_viewers_use_them() {
        let ticket = Ticket {
            expires: UNIX_EPOCH + Duration::from_secs(951_782_400),
            address: Some("192.0.2.7".parse().unwrap()),
        };
        let expected = "\
studio, until 2000-02-29T00:00:00Z, from 192.0.2.7 alone
  page:     https://a.example/s/TICKET/watch/studio
  player:   https://a.example/s/TICKET/embed/studio
  playlist: https://a.example/s/TICKET/live/studio/master.m3u8
";
        assert_eq!(
            text("https://a.example", "studio", "TICKET", &ticket),
            expected
        );
    }

    #[test]
    fn an_address_is_good_for_a_second_to_ten_years() {
        assert_eq!(lasting("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["0", "2", "100000h", "-1h", ""] {
            assert!(lasting(wrong).is_err(), "{wrong}");
        }
    }
}
