//! Reads who may come in and how much of it: `[limits]`, and the proxies in `[server]`.

use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::problem::Problem;
use super::reader::Section;
use super::settings::Limits;
use super::values;

pub(super) const LIMITS_KEYS: &[&str] =
    &["connections", "requests", "strangers", "connections_total"];

/// The upper end is more than one machine serves; the lower end still lets somebody in.
const PER_ADDRESS: RangeInclusive<usize> = 1..=1_000_000;
const TOTAL: RangeInclusive<usize> = 64..=1_000_000;
/// There are 128 places for strangers of all addresses (`ingest::rtmp::Limits`).
const STRANGERS: RangeInclusive<usize> = 1..=128;

/// Reads `trusted_proxies` and `proxy_protocol` of `[server]`.
pub(super) fn proxies(section: &Section<'_>, problems: &mut Vec<Problem>) -> (Vec<IpNet>, bool) {
    let before = problems.len();
    let key = "trusted_proxies";
    let trusted = section.items(key, "addresses", values::trusted_network, problems);
    let protocol = section.get_or("proxy_protocol", false, values::boolean, problems);
    if let (true, true, Some(place)) = (protocol.value, trusted.is_empty(), protocol.place)
        && problems.len() == before
    {
        let title = format!("`proxy_protocol` in {} does not fit", section.title);
        let label = "nobody could connect: `trusted_proxies` names no proxy";
        let help = "name your proxy, such as trusted_proxies = [\"10.0.0.5\"], or write false";
        problems.push(Problem::at(place, title, label).help(Some(help.to_owned())));
    }
    (trusted, protocol.value)
}

/// Reads `[limits]`.
pub(super) fn limits(section: &Section<'_>, problems: &mut Vec<Problem>) -> Limits {
    let mut count = |key, default, range| {
        let at = section.get_or(key, default, values::count(range), problems);
        at.value
    };
    Limits {
        connections: count("connections", 2048, PER_ADDRESS),
        requests: count("requests", 2048, PER_ADDRESS),
        strangers: count("strangers", 64, STRANGERS),
        connections_total: count("connections_total", 8192, TOTAL),
    }
}
