//! Reads `[server]`, `[hls]`, `[session]` and `[encoder]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::document::Value;
use super::front_door;
use super::problem::{Place, Problem};
use super::reader::{At, Section, Wrong, nearest};
use super::settings::{Admin, Encoder, Hls, Server, Session, Worker};
use super::{access, acme, tls, values, web};
use crate::base::cors::Cors;
use crate::base::units::{ByteSize, duration_text};
use crate::model::encoder::Family;
use crate::model::encoder::OnFailure;
use crate::model::passthrough::Policy;
use crate::model::sandbox::Sandbox;

pub(super) const SERVER_KEYS: &[&str] = &[
    "http",
    "https",
    "certificate",
    "key",
    "acme",
    "http_redirect",
    "rtmp",
    "rtmps",
    "data",
    "admin",
    "admin_hosts",
    "cors",
    access::ACCESS,
    "embed",
    "trusted_proxies",
    "proxy_protocol",
];
pub(super) const HLS_KEYS: &[&str] = &["segment", "part", "hold_back", "window", "memory", "ts"];
pub(super) const SESSION_KEYS: &[&str] = &["grace", "linger"];
pub(super) const ENCODER_KEYS: &[&str] = &[
    "order",
    "on_failure",
    "rungs_on_demand",
    "refuse_overload",
    "passthrough",
];
pub(super) const WORKER_KEYS: &[&str] = &["sandbox"];

/// All encoder families, in the default order of preference.
pub const ENCODER_FAMILIES: [&str; 6] =
    ["nvidia", "vaapi", "quicksync", "v4l2", "x264", "openh264"];

/// The admin port if none is configured: only this machine reaches it.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

const SEGMENT_MIN: Duration = Duration::from_secs(1);
const SEGMENT_MAX: Duration = Duration::from_secs(10);
const PART_MIN: Duration = Duration::from_millis(100);
const PART_MAX: Duration = Duration::from_secs(1);
const HOLD_BACK_MAX: Duration = Duration::from_secs(60);
const WINDOW_MAX: Duration = Duration::from_secs(24 * 3600);
const GRACE_MAX: Duration = Duration::from_secs(3600);
const LINGER_MIN: Duration = Duration::from_secs(1);
const LINGER_MAX: Duration = Duration::from_secs(3600);
const MEMORY_MIN: ByteSize = ByteSize::from_mib(32);
const MEMORY_MAX: ByteSize = ByteSize::from_mib(1 << 20);

/// Reads `[server]`; relative paths start at `base`.
pub(super) fn server(section: &Section<'_>, base: &Path, problems: &mut Vec<Problem>) -> Server {
    let http = section.get_or("http", any(8080), values::listener, problems);
    let https = section.get_or("https", None, values::tls_listener, problems);
    let rtmp = section.get_or("rtmp", any(1935), values::listener, problems);
    let rtmps = section.get_or("rtmps", None, values::tls_listener, problems);
    let data = section.get_or("data", "data".to_owned(), folder, problems);
    let admin = section.get_or("admin", Some(ADMIN), values::local_listener, problems);
    let mut ports = vec![("http", &http), ("https", &https)];
    ports.extend([("rtmp", &rtmp), ("rtmps", &rtmps)]);
    // Where the default port is taken, weir runs without it, whoever has it.
    ports.extend(admin.place.is_some().then_some(("admin", &admin)));
    for (n, one) in ports.iter().enumerate() {
        let others = ports.iter().skip(n + 1);
        problems.extend(others.filter_map(|other| same_port(*one, *other)));
    }
    let hosts = section.get_or("admin_hosts", Vec::new(), web::host_names, problems);
    let cors = section.get_or("cors", Cors::Any, web::cors, problems);
    let embed = section.get_or("embed", Cors::Any, web::cors, problems);
    let (trusted_proxies, proxy_protocol) = front_door::proxies(section, problems);
    Server {
        http: http.value,
        rtmp: rtmp.value,
        rtmps: rtmps.value,
        certificate: tls::certificate(section, base, problems),
        acme: acme::read(section, base, https.value.is_some(), problems),
        http_redirect: tls::redirect(section, https.value.is_some(), problems),
        https: https.value,
        data: base.join(data.value),
        admin: admin.value.map(|address| Admin {
            address,
            is_default: admin.place.is_none(),
        }),
        admin_hosts: hosts.value,
        cors: cors.value,
        embed: embed.value,
        trusted_proxies,
        proxy_protocol,
    }
}

fn any(port: u16) -> Option<SocketAddr> {
    Some(SocketAddr::from(([0, 0, 0, 0], port)))
}

fn folder(value: &Value) -> Result<String, Wrong> {
    match values::text(value)? {
        path if path.is_empty() => Err(Wrong::new("expected the path of a folder")),
        path => Ok(path),
    }
}

type Listener = At<Option<SocketAddr>>;

/// Two listeners can share a port only if each has an IP address of its own. Port 0 means that the
/// system chooses a port.
fn same_port(
    (one, first): (&str, &Listener),
    (other, second): (&str, &Listener),
) -> Option<Problem> {
    let (a, b) = (first.value?, second.value?);
    let overlap = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    if a.port() != b.port() || a.port() == 0 || !overlap {
        return None;
    }
    let title = format!("`{one}` and `{other}` in [server] have the same port");
    let place = second.place.clone().or_else(|| first.place.clone())?;
    let problem = Problem::at(place.clone(), title, format!("port {} is taken", a.port()));
    Some(match &first.place {
        Some(first) if *first != place => problem.context(first.clone(), "by this listener"),
        _ => problem,
    })
}

/// Reads `[hls]`.
pub(super) fn hls(section: &Section<'_>, problems: &mut Vec<Problem>) -> Hls {
    let before = problems.len();
    let segment = section.get_or(
        "segment",
        Duration::from_secs(2),
        values::duration(SEGMENT_MIN..=SEGMENT_MAX),
        problems,
    );
    let part = section.get_or("part", Duration::from_millis(200), part, problems);
    let hold_back = section.get_or("hold_back", None, hold_back, problems);
    let window = section.get_or(
        "window",
        Duration::from_secs(60),
        values::duration(SEGMENT_MIN..=WINDOW_MAX),
        problems,
    );
    let memory = values::size(MEMORY_MIN..=MEMORY_MAX);
    let memory = section.get_or("memory", ByteSize::from_mib(512), memory, problems);
    let ts = section.get_or("ts", true, values::boolean, problems);
    // Defaults stand in for wrong values; a comparison with them would only confuse.
    if problems.len() == before {
        problems.extend(part_fits(section, &part, &segment));
        problems.extend(window_fits(section, &window, &segment));
        problems.extend(hold_back_fits(
            section, &hold_back, &part, &segment, &window,
        ));
    }
    Hls {
        segment: segment.value,
        part: part.value,
        hold_back: hold_back.value,
        window: window.value,
        memory: memory.value,
        ts: ts.value,
    }
}

fn part(value: &Value) -> Result<Duration, Wrong> {
    match value {
        Value::String(text) | Value::Variable(text) if text == "0" => Ok(Duration::ZERO),
        _ => values::duration(PART_MIN..=PART_MAX)(value).map_err(|wrong| Wrong {
            label: wrong.label + "; or \"0\" for no parts",
            ..wrong
        }),
    }
}

fn hold_back(value: &Value) -> Result<Option<Duration>, Wrong> {
    match value {
        Value::String(text) | Value::Variable(text) if text == "auto" => Ok(None),
        _ => values::duration(PART_MIN..=HOLD_BACK_MAX)(value)
            .map(Some)
            .map_err(|wrong| Wrong {
                label: wrong.label + "; or \"auto\"",
                ..wrong
            }),
    }
}

/// A problem between two values, at the first of them that is not a default.
fn between(
    section: &Section<'_>,
    key: &str,
    places: [&Option<Place>; 2],
    label: String,
    help: String,
) -> Option<Problem> {
    let place = places.into_iter().flatten().next()?.clone();
    let title = format!("`{key}` in {} does not fit", section.title);
    Some(Problem::at(place, title, label).help(Some(help)))
}

fn part_fits(
    section: &Section<'_>,
    part: &At<Duration>,
    segment: &At<Duration>,
) -> Option<Problem> {
    if part.value <= segment.value {
        return None;
    }
    let longest = duration_text(segment.value);
    let label = format!("a part is at most a segment: {longest}");
    let help = format!("write \"{longest}\" or less");
    between(section, "part", [&part.place, &segment.place], label, help)
}

fn window_fits(
    section: &Section<'_>,
    window: &At<Duration>,
    segment: &At<Duration>,
) -> Option<Problem> {
    // RFC 8216bis, section 6.2.2: "The server MUST NOT remove a Media Segment from a Playlist
    // [...] if that would produce a Playlist whose duration is less than three times the Target
    // Duration".
    let least = segment.value * 3;
    if window.value >= least {
        return None;
    }
    let least = duration_text(least);
    let label = format!("a window is at least three segments: {least}");
    let help = format!("write window = \"{least}\" or more");
    between(
        section,
        "window",
        [&window.place, &segment.place],
        label,
        help,
    )
}

fn hold_back_fits(
    section: &Section<'_>,
    hold_back: &At<Option<Duration>>,
    part: &At<Duration>,
    segment: &At<Duration>,
    window: &At<Duration>,
) -> Option<Problem> {
    let value = hold_back.value?;
    // RFC 8216bis, section 4.4.3.8: PART-HOLD-BACK "SHOULD be at least three times the Part
    // Target Duration"; HOLD-BACK "MUST be at least three times the Target Duration".
    let (unit, noun) = match part.value {
        Duration::ZERO => (segment.value, "segments"),
        part => (part, "parts"),
    };
    let least = unit * 3;
    let text = duration_text(least);
    let places = [&hold_back.place, &part.place];
    if value < least {
        let label = format!("this is less than three {noun}: {text}");
        let help = format!("write \"{text}\" or more, or \"auto\"");
        return between(section, "hold_back", places, label, help);
    }
    if value > window.value {
        let text = duration_text(window.value);
        let label = format!("this is more than the window: {text}");
        let help = "make it less, or `window` more".to_owned();
        return between(section, "hold_back", places, label, help);
    }
    None
}

/// Reads `[session]`. `segment` is the duration of a segment, unless it is wrong.
pub(super) fn session(
    section: &Section<'_>,
    segment: Option<&At<Duration>>,
    problems: &mut Vec<Problem>,
) -> Session {
    let grace = values::duration(Duration::ZERO..=GRACE_MAX);
    let grace = section.get_or("grace", Duration::from_secs(30), grace, problems);
    let before = problems.len();
    let linger = values::duration(LINGER_MIN..=LINGER_MAX);
    let linger = section.get_or("linger", Duration::from_secs(30), linger, problems);
    if problems.len() == before {
        problems.extend(segment.and_then(|segment| linger_fits(section, &linger, segment)));
    }
    Session {
        grace: grace.value,
        linger: linger.value,
    }
}

fn linger_fits(
    section: &Section<'_>,
    linger: &At<Duration>,
    segment: &At<Duration>,
) -> Option<Problem> {
    // RFC 8216, section 6.3.4: a client that has found the playlist changed waits for "at least the
    // target duration before attempting to reload the Playlist file again". The second segment is for
    // an answer that comes late.
    let least = segment.value * 2;
    if linger.value >= least {
        return None;
    }
    let least = duration_text(least);
    let label = format!("players ask once per segment, so this is at least two segments: {least}");
    let help = format!("write linger = \"{least}\" or more");
    between(
        section,
        "linger",
        [&linger.place, &segment.place],
        label,
        help,
    )
}

/// What `passthrough` may be.
pub(super) const PASSTHROUGH: [(&str, Policy); 2] =
    [("auto", Policy::Auto), ("never", Policy::Never)];

/// Reads `[encoder]`.
pub(super) fn encoder(section: &Section<'_>, problems: &mut Vec<Problem>) -> Encoder {
    let choices = [
        ("fallback", OnFailure::Fallback),
        ("shed", OnFailure::Shed),
        ("fail", OnFailure::Fail),
    ];
    let on_failure = values::one_of(&choices);
    Encoder {
        order: order(section, problems),
        on_failure: section
            .get_or("on_failure", OnFailure::Fallback, on_failure, problems)
            .value,
        rungs_on_demand: section
            .get_or("rungs_on_demand", false, values::boolean, problems)
            .value,
        refuse_overload: section
            .get_or("refuse_overload", true, values::boolean, problems)
            .value,
        passthrough: section
            .get_or(
                "passthrough",
                Policy::Auto,
                values::one_of(&PASSTHROUGH),
                problems,
            )
            .value,
    }
}

/// Reads `[worker]`.
pub(super) fn worker(section: &Section<'_>, problems: &mut Vec<Problem>) -> Worker {
    let sandbox = values::one_of(&Sandbox::CHOICES);
    Worker {
        sandbox: section
            .get_or("sandbox", Sandbox::Auto, sandbox, problems)
            .value,
    }
}

/// The family to suggest. Users know some families by the names of elements and libraries.
fn family_meant(name: &str) -> Option<&'static str> {
    match name {
        "nvenc" | "cuda" => Some("nvidia"),
        "qsv" | "msdk" => Some("quicksync"),
        "va" => Some("vaapi"),
        "libx264" | "software" => Some("x264"),
        _ => nearest(name, ENCODER_FAMILIES.into_iter()),
    }
}

fn order(section: &Section<'_>, problems: &mut Vec<Problem>) -> Vec<Family> {
    let Some(names) = section.names("order", "an encoder family", problems) else {
        return ENCODER_FAMILIES.map(Family::from).to_vec();
    };
    for (name, place) in &names {
        if !ENCODER_FAMILIES.contains(&name.as_str()) {
            let meant = family_meant(name);
            problems.push(
                Problem::at(
                    place.clone(),
                    format!("there is no encoder family `{name}`"),
                    format!("expected one of: {}", ENCODER_FAMILIES.join(", ")),
                )
                .help(values::did_you_mean(meant)),
            );
        }
    }
    names.into_iter().map(|(name, _)| name.into()).collect()
}
