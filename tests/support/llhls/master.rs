//! Rules of the multivariant playlist (section 4.4.6).

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{self, Attributes, attributes};
use super::{Report, Violation};

/// The parts of a multivariant playlist that a player uses.
#[derive(Debug, Default)]
pub struct Master {
    /// URIs of the variants, in order.
    pub variants: Vec<String>,
    /// URIs of the audio renditions.
    pub audio: Vec<String>,
    /// URIs of the I-frame playlists.
    pub iframes: Vec<String>,
}

/// Reads and judges a multivariant playlist.
pub fn master(text: &str) -> (Master, Vec<Violation>) {
    let mut report = Report::default();
    let mut master = Master::default();
    let mut renditions: Vec<Attributes> = Vec::new();
    let mut variants: Vec<Attributes> = Vec::new();
    let mut steering = Vec::new();
    parse::characters(text, &mut report);
    report.rule("4.4.1.1", text.starts_with("#EXTM3U\n"), || {
        "EXTM3U is not the first line".into()
    });
    once(text, &mut report);
    for line in text.lines() {
        if let Some(list) = line.strip_prefix("#EXT-X-MEDIA:") {
            renditions.push(attributes(list, &mut report));
        } else if let Some(list) = line.strip_prefix("#EXT-X-I-FRAME-STREAM-INF:") {
            let list = attributes(list, &mut report);
            iframes(&list, &mut report);
            master.iframes.extend(list.get("URI").cloned());
        } else if let Some(list) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            variants.push(attributes(list, &mut report));
        } else if let Some(list) = line.strip_prefix("#EXT-X-CONTENT-STEERING:") {
            steering.push(attributes(list, &mut report));
        } else if !line.starts_with('#') {
            master.variants.push(line.to_owned());
        } else {
            other(line, &mut report);
        }
    }
    let listed = renditions.iter().filter_map(|list| list.get("URI"));
    master.audio.extend(listed.cloned());
    let groups = groups(&renditions, &mut report);
    let paired = !variants.is_empty() && variants.len() == master.variants.len();
    report.rule("4.4.6.2", paired, || {
        "not every EXT-X-STREAM-INF has an address, or there is none".into()
    });
    for list in &variants {
        variant(list, &groups, &mut report);
    }
    steered(&steering, &variants, &mut report);
    for of_one in by_pathway(&variants).values() {
        let bandwidths: Vec<u64> = of_one
            .iter()
            .filter_map(|v| number(v, "BANDWIDTH"))
            .collect();
        report.rule("house", bandwidths.is_sorted_by(|a, b| a >= b), || {
            "the top rung is not first".into()
        });
    }
    (master, report.0)
}

/// The variants of each pathway; "absence indicates that the Variant Stream belongs to the default Pathway
/// '.'" (section 4.4.6.2).
fn by_pathway(variants: &[Attributes]) -> BTreeMap<&str, Vec<&Attributes>> {
    let mut pathways: BTreeMap<&str, Vec<&Attributes>> = BTreeMap::new();
    for list in variants {
        let pathway = list.get("PATHWAY-ID").map_or(".", String::as_str);
        pathways.entry(pathway).or_default().push(list);
    }
    pathways
}

/// Content Steering (section 4.4.6.6), and that all pathways have the same rungs.
fn steered(steering: &[Attributes], variants: &[Attributes], report: &mut Report) {
    report.rule("4.4.6.6", steering.len() <= 1, || {
        "more than one EXT-X-CONTENT-STEERING".into()
    });
    let pathways = by_pathway(variants);
    for list in steering {
        report.rule("4.4.6.6", list.contains_key("SERVER-URI"), || {
            "EXT-X-CONTENT-STEERING without SERVER-URI".into()
        });
        let known = list
            .get("PATHWAY-ID")
            .is_none_or(|id| pathways.contains_key(id.as_str()));
        report.rule("4.4.6.6", known, || {
            format!("no variant is on the pathway of {list:?}")
        });
    }
    let rungs = |of_one: &Vec<&Attributes>| -> Vec<Option<String>> {
        of_one
            .iter()
            .map(|list| list.get("RESOLUTION").cloned())
            .collect()
    };
    let mut all = pathways.values().map(rungs);
    let first = all.next();
    let alike = all.all(|other| Some(&other) == first.as_ref());
    report.rule("4.4.6.6", alike, || "pathways of different rungs".into());
}

/// Tags that "MUST NOT appear more than once in a Playlist".
fn once(text: &str, report: &mut Report) {
    for (section, tag) in [
        ("4.4.1.2", "#EXT-X-VERSION"),
        ("4.4.2", "#EXT-X-INDEPENDENT-SEGMENTS"),
    ] {
        let count = text.lines().filter(|line| line.starts_with(tag)).count();
        report.rule(section, count <= 1, || format!("{tag} is there twice"));
    }
}

/// "A Media Playlist tag MUST NOT appear in a Multivariant Playlist" (section 4.4.3), nor may a Media
/// Segment tag (section 4.4.4).
fn other(line: &str, report: &mut Report) {
    let known = ["#EXTM3U", "#EXT-X-VERSION", "#EXT-X-INDEPENDENT-SEGMENTS"];
    let name = line.split(':').next().unwrap_or_default();
    report.rule("4.4.3", known.contains(&name), || {
        format!("no tag of a multivariant playlist: {line}")
    });
}

fn number(list: &Attributes, name: &str) -> Option<u64> {
    parse::integer(list.get(name)?)
}

/// Attributes that corresponding members of two groups need not have in common (section 4.4.6.1.1).
const OWN: [&str; 7] = [
    "BIT-DEPTH",
    "CHANNELS",
    "GROUP-ID",
    "INSTREAM-ID",
    "SAMPLE-RATE",
    "STABLE-RENDITION-ID",
    "URI",
];

/// Judges the groups of renditions (section 4.4.6.1.1), all of which must be of one type; returns their
/// names.
fn groups(renditions: &[Attributes], report: &mut Report) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut groups: BTreeMap<String, Vec<Attributes>> = BTreeMap::new();
    for list in renditions {
        media(list, &mut names, report);
        let group = list.get("GROUP-ID").cloned().unwrap_or_default();
        let mut common = list.clone();
        common.retain(|name, _| !OWN.contains(&name.as_str()));
        groups.entry(group).or_default().push(common);
    }
    for (group, members) in &groups {
        let default = |list: &&Attributes| list.get("DEFAULT").is_some_and(|it| it == "YES");
        let count = members.iter().filter(default).count();
        report.rule("4.4.6.1.1", count <= 1, || {
            format!("{count} members of {group} are DEFAULT")
        });
    }
    let alike = groups
        .values()
        .all(|one| Some(one) == groups.values().next());
    report.rule("4.4.6.1.1", alike, || "groups of different members".into());
    groups.into_keys().collect()
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

/// "All attributes defined for the EXT-X-STREAM-INF tag are also defined for the EXT-X-I-FRAME-STREAM-INF
/// tag, except for the FRAME-RATE, AUDIO, SUBTITLES, and CLOSED-CAPTIONS attributes", and `URI` is required
/// (section 4.4.6.3).
fn iframes(list: &Attributes, report: &mut Report) {
    for name in ["BANDWIDTH", "URI", "CODECS", "RESOLUTION"] {
        let there = list.get(name).is_some_and(|value| !value.is_empty());
        report.rule("4.4.6.3", there, || {
            format!("EXT-X-I-FRAME-STREAM-INF without {name}")
        });
    }
    for name in ["FRAME-RATE", "AUDIO", "SUBTITLES", "CLOSED-CAPTIONS"] {
        report.rule("4.4.6.3", !list.contains_key(name), || {
            format!("EXT-X-I-FRAME-STREAM-INF with {name}")
        });
    }
    let codecs = list.get("CODECS").map(String::as_str).unwrap_or_default();
    report.rule("4.4.6.3", !codecs.contains("mp4a"), || {
        "sound among I-frames".into()
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
        report.rule("4.4.6.2", groups.contains(group), || {
            format!("AUDIO group {group} does not exist")
        });
    }
}
