//! Rules of the multivariant playlist (section 4.4.6).

use std::collections::BTreeSet;

use super::parse::{self, Attributes, attributes};
use super::{Report, Violation};

/// The parts of a multivariant playlist that a player uses.
#[derive(Debug, Default)]
pub struct Master {
    /// URIs of the variants, in order.
    pub variants: Vec<String>,
    /// URIs of the audio renditions.
    pub audio: Vec<String>,
}

/// Reads and judges a multivariant playlist.
pub fn master(text: &str) -> (Master, Vec<Violation>) {
    let mut report = Report::default();
    let mut master = Master::default();
    let mut groups = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut variants: Vec<Attributes> = Vec::new();
    report.rule("4.4.1.1", text.starts_with("#EXTM3U\n"), || {
        "EXTM3U is not the first line".into()
    });
    for line in text.lines() {
        if let Some(list) = line.strip_prefix("#EXT-X-MEDIA:") {
            let list = attributes(list, &mut report);
            media(&list, &mut names, &mut report);
            groups.extend(list.get("GROUP-ID").cloned());
            master.audio.extend(list.get("URI").cloned());
        } else if let Some(list) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            variants.push(attributes(list, &mut report));
        } else if !line.starts_with('#') {
            master.variants.push(line.to_owned());
        }
    }
    let paired = !variants.is_empty() && variants.len() == master.variants.len();
    report.rule("4.4.6.2", paired, || {
        "not every EXT-X-STREAM-INF has an address, or there is none".into()
    });
    for list in &variants {
        variant(list, &groups, &mut report);
    }
    let bandwidths: Vec<u64> = variants
        .iter()
        .filter_map(|v| number(v, "BANDWIDTH"))
        .collect();
    report.rule("house", bandwidths.is_sorted_by(|a, b| a >= b), || {
        "the top rung is not first".into()
    });
    (master, report.0)
}

fn number(list: &Attributes, name: &str) -> Option<u64> {
    parse::integer(list.get(name)?)
}

fn media(list: &Attributes, names: &mut BTreeSet<(String, String)>, report: &mut Report) {
    for name in ["TYPE", "GROUP-ID", "NAME"] {
        report.rule("4.4.6.1", list.contains_key(name), || {
            format!("EXT-X-MEDIA without {name}")
        });
    }
    let get = |name: &str| list.get(name).cloned().unwrap_or_default();
    let unique = names.insert((get("GROUP-ID"), get("NAME")));
    report.rule("4.4.6.1.1", unique, || {
        format!("two renditions named {} in a group", get("NAME"))
    });
    report.rule(
        "4.4.6.1",
        get("DEFAULT") != "YES" || get("AUTOSELECT") == "YES",
        || "a DEFAULT rendition that is not AUTOSELECT".into(),
    );
    report.rule("4.4.6.1", !get("CHANNELS").is_empty(), || {
        "audio without CHANNELS".into()
    });
}

fn variant(list: &Attributes, groups: &BTreeSet<String>, report: &mut Report) {
    let peak = number(list, "BANDWIDTH");
    report.rule("4.4.6.2", peak.is_some(), || {
        "a variant without BANDWIDTH".into()
    });
    let average = number(list, "AVERAGE-BANDWIDTH");
    report.rule("4.4.6.2", average <= peak, || {
        "AVERAGE-BANDWIDTH is above BANDWIDTH".into()
    });
    for name in ["CODECS", "RESOLUTION", "FRAME-RATE"] {
        let there = list.get(name).is_some_and(|value| !value.is_empty());
        report.rule("4.4.6.2", there, || format!("a variant without {name}"));
    }
    let codecs = list.get("CODECS").map(String::as_str).unwrap_or_default();
    report.rule(
        "6.2.4",
        codecs.contains("avc1") && codecs.contains("mp4a"),
        || format!("CODECS {codecs:?} lacks picture or sound"),
    );
    let decimals = list.get("FRAME-RATE").and_then(|rate| rate.split_once('.'));
    let three = decimals.is_some_and(|(_, fraction)| fraction.len() == 3);
    report.rule("4.4.6.2", three, || {
        "FRAME-RATE is not to three decimals".into()
    });
    if let Some(group) = list.get("AUDIO") {
        report.rule("4.4.6.2.1", groups.contains(group), || {
            format!("AUDIO group {group} does not exist")
        });
    }
}
