//! One parser per type of value: it returns a typed, range-checked value, or what was expected.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::document::Value;
use super::reader::{Wrong, nearest};
use crate::base::names::{NAME_CHARS_MAX, fits_name, is_name};
use crate::base::units::{self, FrameRate, UnitError};

/// Any string.
pub(super) fn text(value: &Value) -> Result<String, Wrong> {
    str(value, "a string").map(str::to_owned)
}

fn str<'v>(value: &'v Value, expected: &str) -> Result<&'v str, Wrong> {
    match value {
        Value::String(text) | Value::Variable(text) => Ok(text),
        other => Err(Wrong::new(format!(
            "expected {expected}, found {}",
            other.kind()
        ))),
    }
}

/// `true` or `false`.
pub(super) fn boolean(value: &Value) -> Result<bool, Wrong> {
    let text = match value {
        Value::Boolean(value) => return Ok(*value),
        Value::Variable(text) | Value::String(text) => Some(text.to_ascii_lowercase()),
        _ => None,
    };
    match (value, text.as_deref()) {
        (Value::Variable(_), Some("true")) => Ok(true),
        (Value::Variable(_), Some("false")) => Ok(false),
        (Value::Variable(_), _) => Err(Wrong::new("expected true or false")),
        (_, Some(word @ ("true" | "false"))) => {
            Err(Wrong::new("expected true or false, found a string")
                .help(Some(format!("write {word} without quotes"))))
        }
        _ => Err(Wrong::new(format!(
            "expected true or false, found {}",
            value.kind()
        ))),
    }
}

/// A name in addresses, `[a-z0-9_-]{1,64}`.
pub(super) fn name(value: &Value) -> Result<String, Wrong> {
    let expected = "1 to 64 of the characters a-z, 0-9, _ and -";
    let text = str(value, &format!("a name: {expected}"))?;
    if is_name(text) {
        return Ok(text.to_owned());
    }
    let fixed: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|c| {
            if u8::try_from(c).is_ok_and(fits_name) {
                c
            } else {
                '-'
            }
        })
        .take(NAME_CHARS_MAX)
        .collect();
    let help = (!fixed.trim_matches('-').is_empty()).then(|| format!("write {fixed:?}"));
    Err(Wrong::new(format!("expected {expected}")).help(help))
}

/// The name of a rung. It must not be like the names of audio renditions, `audio-…`, because both
/// become parts of the same addresses.
pub(super) fn rung_name(value: &Value) -> Result<String, Wrong> {
    let text = name(value)?;
    match text.strip_prefix("audio-") {
        None => Ok(text),
        Some(rest) => Err(Wrong::new(
            "expected a name that does not begin with `audio-`, as names of audio renditions do",
        )
        .help((!rest.is_empty()).then(|| format!("write {rest:?}")))),
    }
}

/// The words for a quantity, its parser and its display.
struct Quantity<T> {
    noun: &'static str,
    example: &'static str,
    /// The unit that is suggested for a number without one.
    unit: &'static str,
    parse: fn(&str) -> Result<T, UnitError>,
    show: fn(&T) -> String,
}

/// A duration within `range`.
pub(super) fn duration(
    range: RangeInclusive<Duration>,
) -> impl FnOnce(&Value) -> Result<Duration, Wrong> {
    let quantity = Quantity {
        noun: "a duration",
        example: "\"200ms\", \"2s\" or \"10m\"",
        unit: "s",
        parse: units::parse_duration,
        show: |d| units::duration_text(*d),
    };
    move |value| in_range(value, &quantity, &range)
}

/// A bitrate within `range`.
pub(super) fn bitrate(
    range: RangeInclusive<units::Bitrate>,
) -> impl FnOnce(&Value) -> Result<units::Bitrate, Wrong> {
    let quantity = Quantity {
        noun: "a bitrate",
        example: "\"5M\" or \"800k\"",
        unit: "",
        parse: units::Bitrate::from_str,
        show: units::Bitrate::to_string,
    };
    move |value| in_range(value, &quantity, &range)
}

/// A size within `range`.
pub(super) fn size(
    range: RangeInclusive<units::ByteSize>,
) -> impl FnOnce(&Value) -> Result<units::ByteSize, Wrong> {
    let quantity = Quantity {
        noun: "a size",
        example: "\"512MiB\" or \"2GiB\"",
        unit: "MiB",
        parse: units::ByteSize::from_str,
        show: units::ByteSize::to_string,
    };
    move |value| in_range(value, &quantity, &range)
}

fn in_range<T: PartialOrd>(
    value: &Value,
    quantity: &Quantity<T>,
    range: &RangeInclusive<T>,
) -> Result<T, Wrong> {
    let expected = format!("{} such as {}", quantity.noun, quantity.example);
    let text = str(value, &expected).map_err(|wrong| match value {
        Value::Integer(n) if *n >= 0 => wrong.help(Some(format!("write \"{n}{}\"", quantity.unit))),
        _ => wrong,
    })?;
    let parsed = (quantity.parse)(text).map_err(|error| match error {
        UnitError::NotANumber => Wrong::new(format!("expected {expected}")),
        UnitError::TooLarge => Wrong::new("this is more than can be counted"),
        UnitError::Unit {
            number,
            found,
            known,
        } => {
            let fits = |unit: &&str| {
                (quantity.parse)(&format!("{number}{unit}")).is_ok_and(|v| range.contains(&v))
            };
            let meant = match found.as_str() {
                // A number without a unit: the usual unit if it fits the range, else another one.
                "" => [quantity.unit].into_iter().chain(known).find(fits),
                _ => meant_unit(&found, &known),
            };
            Wrong::new(format!("expected {expected}"))
                .help(meant.map(|unit| format!("write \"{number}{unit}\"")))
        }
    })?;
    if range.contains(&parsed) {
        return Ok(parsed);
    }
    let (min, max) = ((quantity.show)(range.start()), (quantity.show)(range.end()));
    Err(Wrong::new(format!(
        "expected {} from {min} to {max}",
        quantity.noun
    )))
}

/// The known unit that is most like `found`: "s" for "sec", "ms" for "msec", "MiB" for "MB" or "M".
fn meant_unit<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    let begins_with = |text: &str, prefix: &str| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let initial = found.get(..1)?;
    known
        .iter()
        .filter(|unit| begins_with(found, unit))
        .max_by_key(|unit| unit.len())
        .or_else(|| known.iter().find(|unit| begins_with(unit, initial)))
        .copied()
}

/// An even whole number within `range`.
pub(super) fn even(range: RangeInclusive<u32>) -> impl FnOnce(&Value) -> Result<u32, Wrong> {
    move |value| {
        let (min, max) = (range.start(), range.end());
        let expected = format!("expected an even whole number from {min} to {max}");
        let number = match value {
            Value::Integer(number) => Some(*number),
            Value::Variable(text) => text.parse().ok(),
            other => {
                return Err(Wrong::new(format!("{expected}, found {}", other.kind())));
            }
        };
        let number = number
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| range.contains(n));
        match number {
            Some(number) if number.is_multiple_of(2) => Ok(number),
            Some(odd) => Err(Wrong::new(expected).help(Some(format!("write {}", odd - 1)))),
            None => Err(Wrong::new(expected)),
        }
    }
}

/// A whole number within `range`.
pub(super) fn count(range: RangeInclusive<usize>) -> impl FnOnce(&Value) -> Result<usize, Wrong> {
    move |value| {
        let expected = format!(
            "expected a whole number from {} to {}",
            range.start(),
            range.end()
        );
        let number = match value {
            Value::Integer(number) => usize::try_from(*number).ok(),
            Value::Variable(text) => text.parse().ok(),
            other => {
                let wrong = Wrong::new(format!("{expected}, found {}", other.kind()));
                return Err(match other {
                    Value::String(text) if text.parse::<usize>().is_ok() => {
                        wrong.help(Some(format!("write {text} without quotes")))
                    }
                    _ => wrong,
                });
            }
        };
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| Wrong::new(expected))
    }
}

/// An address, or a network of addresses, of somebody who is trusted.
pub(super) fn trusted_network(text: &str) -> Result<IpNet, Wrong> {
    let expected = "expected an address or a network such as \"192.168.1.5\" or \"10.0.0.0/8\"";
    let network = text.parse::<IpAddr>().map(IpNet::from);
    let network = network.or_else(|_| text.parse::<IpNet>());
    let network = network.map_err(|_| Wrong::new(expected))?;
    if network.prefix_len() == 0 {
        let help = "name the addresses of your proxies".to_owned();
        return Err(Wrong::new("this would trust every address").help(Some(help)));
    }
    if let IpAddr::V6(address) = network.addr()
        && let Some(address) = address.to_ipv4_mapped()
    {
        let prefix_bits = network.prefix_len().checked_sub(96);
        let help = prefix_bits.map(|bits| format!("write \"{address}/{bits}\""));
        return Err(Wrong::new("expected an IPv4 network in IPv4 notation").help(help));
    }
    // Either the network or its length is not what was meant.
    if network.trunc() != network {
        let host = IpNet::from(network.addr());
        let help = format!(
            "write \"{}\", or \"{}\" for one host",
            network.trunc(),
            host.addr()
        );
        return Err(Wrong::new("this address is not the start of its network").help(Some(help)));
    }
    Ok(network)
}

/// Frames per second from 1 to 120, whole or decimal.
pub(super) fn frame_rate(value: &Value) -> Result<FrameRate, Wrong> {
    let expected = "expected frames per second from 1 to 120, such as 30, 25 or 29.97";
    let number = match value {
        // An integer that a float cannot hold exactly is out of range anyway.
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Variable(text) => text.parse().ok(),
        other => {
            let wrong = Wrong::new(format!("{expected}; found {}", other.kind()));
            return Err(match other {
                Value::String(text) if text.parse::<f64>().is_ok() => {
                    wrong.help(Some(format!("write {text} without quotes")))
                }
                _ => wrong,
            });
        }
    };
    number
        .filter(|fps| (1.0..=120.0).contains(fps))
        .and_then(FrameRate::from_decimal)
        .ok_or_else(|| Wrong::new(expected))
}

/// An address to listen on; `""` turns the listener off.
pub(super) fn listener(value: &Value) -> Result<Option<SocketAddr>, Wrong> {
    listener_like(value, SocketAddr::from(([0, 0, 0, 0], 8080)))
}

/// The same for a listener that only this machine should reach.
pub(super) fn local_listener(value: &Value) -> Result<Option<SocketAddr>, Wrong> {
    listener_like(value, SocketAddr::from(([127, 0, 0, 1], 8081)))
}

/// The same for a listener that speaks TLS.
pub(super) fn tls_listener(value: &Value) -> Result<Option<SocketAddr>, Wrong> {
    listener_like(value, SocketAddr::from(([0, 0, 0, 0], 8443)))
}

fn listener_like(value: &Value, example: SocketAddr) -> Result<Option<SocketAddr>, Wrong> {
    let host = example.ip();
    let expected = format!("an address and a port such as \"{example}\", or \"\" for none");
    let text = str(value, &expected).map_err(|wrong| match value {
        Value::Integer(port) => wrong.help(Some(format!("write \"{host}:{port}\""))),
        _ => wrong,
    })?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let help = listener_meant(text, host).map(|address| format!("write \"{address}\""));
        Wrong::new(format!("expected {expected}")).help(help)
    })
}

/// The address to suggest for `":8080"`, `"8080"` or `"localhost:8080"`.
fn listener_meant(text: &str, usual: IpAddr) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let host = match host {
        "" => usual.to_string(),
        "*" => "0.0.0.0".to_owned(),
        "localhost" => "127.0.0.1".to_owned(),
        "::" => "[::]".to_owned(),
        host => host.to_owned(),
    };
    format!("{host}:{port}").parse().ok()
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(
    choices: &[(&'static str, T)],
) -> impl FnOnce(&Value) -> Result<T, Wrong> {
    move |value| {
        let words: Vec<String> = choices.iter().map(|(w, _)| format!("{w:?}")).collect();
        let expected = format!("one of {}", words.join(", "));
        let text = str(value, &expected)?;
        choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, choice)| *choice)
            .ok_or_else(|| {
                let meant = nearest(text, choices.iter().map(|(word, _)| *word));
                Wrong::new(format!("expected {expected}")).help(did_you_mean(meant))
            })
    }
}

/// "did you mean …?", if there is a suggestion.
pub(super) fn did_you_mean(meant: Option<impl Display>) -> Option<String> {
    meant.map(|meant| format!("did you mean \"{meant}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::{Bitrate, ByteSize};

    fn string(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn variable(text: &str) -> Value {
        Value::Variable(text.to_owned())
    }

    fn help<T: std::fmt::Debug>(result: Result<T, Wrong>) -> String {
        result.unwrap_err().help.unwrap_or_default()
    }

    #[test]
    fn mistaken_units_are_put_right() {
        let durations = Duration::from_millis(10)..=Duration::from_secs(10);
        for (text, fix) in [
            ("2", "2s"),
            ("2S", "2s"),
            ("2sec", "2s"),
            ("2 seconds", "2s"),
            ("2min", "2m"),
            ("2MS", "2ms"),
            ("2msec", "2ms"),
            ("20", "20ms"),
        ] {
            let got = help(duration(durations.clone())(&string(text)));
            assert_eq!(got, format!("write {fix:?}"), "{text}");
        }
        assert_eq!(help(duration(durations.clone())(&string("2x"))), "");
        let bitrates = Bitrate::from_bps(0)..=Bitrate::from_bps(1);
        for (text, fix) in [("5m", "5M"), ("5K", "5k"), ("5Mbit", "5M"), ("5kbps", "5k")] {
            let got = help(bitrate(bitrates.clone())(&string(text)));
            assert_eq!(got, format!("write {fix:?}"), "{text}");
        }
        let sizes = ByteSize::from_mib(1)..=ByteSize::from_mib(2);
        for (text, fix) in [
            ("1MB", "1MiB"),
            ("1M", "1MiB"),
            ("1gib", "1GiB"),
            ("1", "1MiB"),
        ] {
            let got = help(size(sizes.clone())(&string(text)));
            assert_eq!(got, format!("write {fix:?}"), "{text}");
        }
        assert_eq!(
            help(duration(durations)(&Value::Integer(2))),
            "write \"2s\""
        );
    }

    #[test]
    fn ranges_hold_at_both_ends() {
        let second = Duration::from_secs(1);
        for (text, fits) in [
            ("999ms", false),
            ("1s", true),
            ("2s", true),
            ("2001ms", false),
        ] {
            let got = duration(second..=2 * second)(&string(text));
            assert_eq!(got.is_ok(), fits, "{text}");
        }
        for (number, fits) in [
            (62, false),
            (64, true),
            (65, false),
            (4320, true),
            (4322, false),
        ] {
            assert_eq!(
                even(64..=4320)(&Value::Integer(number)).is_ok(),
                fits,
                "{number}"
            );
        }
        for (fps, fits) in [(0.99, false), (1.0, true), (120.0, true), (120.1, false)] {
            assert_eq!(frame_rate(&Value::Float(fps)).is_ok(), fits, "{fps}");
        }
    }

    #[test]
    fn variables_become_what_their_key_wants() {
        assert_eq!(boolean(&variable("TRUE")), Ok(true));
        assert_eq!(
            boolean(&variable("0")),
            Err(Wrong::new("expected true or false"))
        );
        assert_eq!(even(64..=4320)(&variable("720")), Ok(720));
        assert_eq!(
            frame_rate(&variable("29.97")),
            Ok(FrameRate::new(30_000, 1001).unwrap())
        );
        assert_eq!(listener(&variable("")), Ok(None));
    }

    #[test]
    fn strings_are_no_numbers() {
        assert_eq!(help(boolean(&string("true"))), "write true without quotes");
        assert_eq!(help(frame_rate(&string("30"))), "write 30 without quotes");
        assert!(even(64..=4320)(&string("720")).is_err());
    }

    #[test]
    fn listeners_are_read_and_put_right() {
        for text in ["0.0.0.0:8080", "[::]:80", "127.0.0.1:0"] {
            assert_eq!(listener(&string(text)), Ok(Some(text.parse().unwrap())));
        }
        for (text, fix) in [
            ("8080", "0.0.0.0:8080"),
            (":8080", "0.0.0.0:8080"),
            ("localhost:80", "127.0.0.1:80"),
            (":::80", "[::]:80"),
        ] {
            assert_eq!(
                help(listener(&string(text))),
                format!("write {fix:?}"),
                "{text}"
            );
        }
        for text in ["example.org:80", "1.2.3.4", "0.0.0.0:99999", " "] {
            assert_eq!(listener(&string(text)).unwrap_err().help, None, "{text}");
        }
    }

    #[test]
    fn a_local_listener_is_put_right_with_an_address_of_this_machine() {
        for text in ["8081", ":8081", "localhost:8081"] {
            let written = help(local_listener(&string(text)));
            assert_eq!(written, "write \"127.0.0.1:8081\"", "{text}");
        }
    }

    #[test]
    fn trusted_networks_are_read_and_put_right() {
        for (text, read) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.168.1.5", "192.168.1.5/32"),
            ("::1", "::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(trusted_network(text), Ok(read.parse().unwrap()), "{text}");
        }
        for (text, fix) in [
            (
                "10.0.0.5/8",
                "write \"10.0.0.0/8\", or \"10.0.0.5\" for one host",
            ),
            ("::ffff:10.0.0.0/104", "write \"10.0.0.0/8\""),
            ("0.0.0.0/0", "name the addresses of your proxies"),
            ("::/0", "name the addresses of your proxies"),
        ] {
            assert_eq!(help(trusted_network(text)), fix, "{text}");
        }
        for text in ["", "proxy.example.org", "10.0.0.0/33", "10.0.0.1:80"] {
            assert_eq!(trusted_network(text).unwrap_err().help, None, "{text}");
        }
    }

    #[test]
    fn names_are_checked() {
        let longest = "a".repeat(64);
        for ok in ["a", "front-door_2", longest.as_str()] {
            assert_eq!(name(&string(ok)), Ok(ok.to_owned()));
        }
        let too_long = "a".repeat(65);
        for bad in ["", "Studio", "a b", "ä", "a/b", "..", too_long.as_str()] {
            assert!(name(&string(bad)).is_err(), "{bad}");
        }
        assert_eq!(help(name(&string("My Studio"))), "write \"my-studio\"");
    }
}
