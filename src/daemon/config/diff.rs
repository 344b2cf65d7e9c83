//! The differences between two configurations, for a reload.

use super::settings::{Settings, Stream};

/// The differences between two configurations, by their effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// New streams: they begin.
    pub added: Vec<String>,
    /// Removed streams: their sessions end.
    pub removed: Vec<String>,
    /// Streams whose own settings or rungs differ: their sessions end, and new ones begin.
    pub changed: Vec<String>,
    /// Streams in which only the publish key differs, or who may watch: a current publisher stays.
    pub new_keys: Vec<String>,
    /// Keys that differ and take effect at once, without a new session.
    pub at_once: Vec<&'static str>,
    /// Keys that differ and that are fixed for a session: the sessions of all streams end, and new
    /// ones begin.
    pub all_sessions: Vec<&'static str>,
    /// Keys that take effect only at the start of the daemon and differ from their values then.
    pub needs_restart: Vec<&'static str>,
}

/// Compares `new` with `old`, the settings in force, and with `started`, the settings at the start
/// of the daemon. Streams with the same name are the same stream.
pub fn diff(started: &Settings, old: &Settings, new: &Settings) -> Changes {
    let find = |settings: &'_ Settings, name: &str| -> Option<Stream> {
        settings.streams.iter().find(|s| s.name == name).cloned()
    };
    let mut changes = Changes::default();
    for stream in &new.streams {
        let names = match find(old, &stream.name) {
            None => &mut changes.added,
            Some(before) if before == *stream => continue,
            Some(before) if differs_in_keys_alone(&before, stream) => &mut changes.new_keys,
            Some(_) => &mut changes.changed,
        };
        names.push(stream.name.clone());
    }
    let gone = old.streams.iter().filter(|s| find(new, &s.name).is_none());
    changes.removed = gone.map(|s| s.name.clone()).collect();
    changes.at_once = differing([
        ("session.grace", old.session.grace != new.session.grace),
        ("session.linger", old.session.linger != new.session.linger),
        (
            "server.certificate",
            old.server.certificate != new.server.certificate,
        ),
        ("server.acme", old.server.acme != new.server.acme),
        ("access", old.access != new.access),
        ("edge", old.edges != new.edges),
        // The data folder has only keys and certificates in it.
        ("server.data", old.server.data != new.server.data),
        (
            "encoder.refuse_overload",
            old.encoder.refuse_overload != new.encoder.refuse_overload,
        ),
    ]);
    // The settings in `session::spec::Spec`.
    changes.all_sessions = differing([
        ("hls.segment", old.hls.segment != new.hls.segment),
        ("hls.part", old.hls.part != new.hls.part),
        ("hls.ts", old.hls.ts != new.hls.ts),
        ("encoder.order", old.encoder.order != new.encoder.order),
        (
            "encoder.on_failure",
            old.encoder.on_failure != new.encoder.on_failure,
        ),
        (
            "encoder.rungs_on_demand",
            old.encoder.rungs_on_demand != new.encoder.rungs_on_demand,
        ),
        (
            "encoder.passthrough",
            old.encoder.passthrough != new.encoder.passthrough,
        ),
    ]);
    changes.needs_restart = needs_restart(started, new);
    changes
}

/// Listeners keep their addresses, proxies and limits, and the origin keeps its limits, until the daemon ends.
fn needs_restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    differing([
        ("server.http", old.server.http != new.server.http),
        ("server.https", old.server.https != new.server.https),
        (
            "server.http_redirect",
            old.server.http_redirect != new.server.http_redirect,
        ),
        ("server.rtmp", old.server.rtmp != new.server.rtmp),
        ("server.rtmps", old.server.rtmps != new.server.rtmps),
        (
            "server.admin",
            // The same address, written or not, is the same port.
            old.server.admin.map(|admin| admin.address)
                != new.server.admin.map(|admin| admin.address),
        ),
        (
            "server.admin_hosts",
            old.server.admin_hosts != new.server.admin_hosts,
        ),
        ("server.cors", old.server.cors != new.server.cors),
        ("server.embed", old.server.embed != new.server.embed),
        (
            "server.trusted_proxies",
            old.server.trusted_proxies != new.server.trusted_proxies,
        ),
        (
            "server.proxy_protocol",
            old.server.proxy_protocol != new.server.proxy_protocol,
        ),
        (
            "limits.connections",
            old.limits.connections != new.limits.connections,
        ),
        (
            "limits.requests",
            old.limits.requests != new.limits.requests,
        ),
        (
            "limits.strangers",
            old.limits.strangers != new.limits.strangers,
        ),
        (
            "limits.connections_total",
            old.limits.connections_total != new.limits.connections_total,
        ),
        ("hls.hold_back", old.hls.hold_back != new.hls.hold_back),
        ("hls.window", old.hls.window != new.hls.window),
        ("hls.memory", old.hls.memory != new.hls.memory),
        ("worker.sandbox", old.worker.sandbox != new.worker.sandbox),
    ])
}

fn differs_in_keys_alone(old: &Stream, new: &Stream) -> bool {
    let with_old_keys = Stream {
        publish_key: old.publish_key.clone(),
        policy: old.policy.clone(),
        ..new.clone()
    };
    *old == with_old_keys
}

fn differing<const N: usize>(keys: [(&'static str, bool); N]) -> Vec<&'static str> {
    keys.into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::load::validate;
    use super::*;
    use crate::daemon::session::machine::Schedule;
    use crate::daemon::session::spec::Spec;

    fn settings(text: &str) -> Settings {
        let base = std::path::Path::new("/etc/weir");
        validate("config.toml", text, base, std::iter::empty()).unwrap()
    }

    fn between(old: &str, new: &str) -> Changes {
        let old = settings(old);
        diff(&old, &old, &settings(new))
    }

    #[test]
    fn nothing_differs_from_itself() {
        let same = "[[stream]]\nname = \"a\"\npublish_key = \"12345678\"";
        assert_eq!(between(same, same), Changes::default());
    }

    #[test]
    fn streams_come_go_and_change() {
        let changes = between(
            "[[stream]]\nname = \"a\"\n[[stream]]\nname = \"b\"\n[[stream]]\nname = \"c\"\n\
             publish_key = \"12345678\"\n[[stream]]\nname = \"e\"",
            "[[stream]]\nname = \"d\"\n[[stream]]\nname = \"b\"\n[[stream]]\nname = \"c\"\n\
             publish_key = \"12345679\"\n[[stream]]\nname = \"e\"\nsource = \"test:\"",
        );
        let expected = Changes {
            added: vec!["d".to_owned()],
            removed: vec!["a".to_owned()],
            changed: vec!["e".to_owned()],
            new_keys: vec!["c".to_owned()],
            ..Changes::default()
        };
        assert_eq!(changes, expected);
    }

    #[test]
    fn a_changed_rung_changes_its_streams() {
        let with = |bitrate: &str| {
            format!(
                "[[rung]]\nheight = 720\n[[rung]]\nheight = 360\nbitrate = \"{bitrate}\"\n\
                 [[stream]]\nname = \"all\"\n[[stream]]\nname = \"top\"\nrungs = [\"720p\"]"
            )
        };
        assert_eq!(between(&with("800k"), &with("900k")).changed, ["all"]);
    }

    /// Every key outside of streams and rungs, with a value that is not its default.
    const KEYS: [(&str, &str, &str); 25] = [
        ("server", "http", "\"\""),
        ("server", "https", "\"0.0.0.0:8443\""),
        ("server", "rtmp", "\"\""),
        ("server", "rtmps", "\"0.0.0.0:1936\""),
        ("server", "data", "\"/srv\""),
        ("server", "admin", "\"\""),
        ("server", "admin_hosts", "[\"weir\"]"),
        ("server", "cors", "[]"),
        ("server", "trusted_proxies", "[\"10.0.0.0/8\"]"),
        ("limits", "connections", "1"),
        ("limits", "requests", "1"),
        ("limits", "strangers", "1"),
        ("limits", "connections_total", "64"),
        ("hls", "segment", "\"3s\""),
        ("hls", "part", "\"0\""),
        ("hls", "hold_back", "\"9s\""),
        ("hls", "window", "\"2m\""),
        ("hls", "memory", "\"1GiB\""),
        ("hls", "ts", "false"),
        ("session", "grace", "\"1s\""),
        ("session", "linger", "\"1m\""),
        ("encoder", "order", "[\"x264\"]"),
        ("encoder", "on_failure", "\"fail\""),
        ("encoder", "rungs_on_demand", "true"),
        ("encoder", "passthrough", "\"never\""),
    ];

    #[test]
    fn keys_say_when_they_take_effect() {
        let stream = "[[stream]]\nname = \"a\"\n";
        let old = settings(stream);
        for (section, key, value) in KEYS {
            let new = settings(&format!("[{section}]\n{key} = {value}\n{stream}"));
            let changes = diff(&old, &old, &new);
            let name = format!("{section}.{key}");
            let told = [
                &changes.at_once,
                &changes.all_sessions,
                &changes.needs_restart,
            ];
            let told: Vec<_> = told.into_iter().flatten().collect();
            assert_eq!(told, [&name], "told once and nothing else");
            let spec = |settings: &Settings| Spec::of(settings, &settings.streams[0]);
            let begins_anew = spec(&old) != spec(&new);
            assert_eq!(begins_anew, !changes.all_sessions.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_stream_may_differ_in_its_rungs_on_demand() {
        let with = |on_demand: &str| {
            format!("[[stream]]\nname = \"a\"\n{on_demand}\n[[stream]]\nname = \"b\"")
        };
        let (off, on) = (with(""), with("rungs_on_demand = true"));
        assert_eq!(between(&off, &on).changed, ["a"]);
        let settings = settings(&on);
        let specs = settings
            .streams
            .iter()
            .map(|stream| Spec::of(&settings, stream));
        let on_demand: Vec<bool> = specs.map(|spec| spec.rungs_on_demand).collect();
        assert_eq!(on_demand, [true, false]);
    }

    #[test]
    fn a_pull_that_runs_on_demand_from_now_on_begins_anew() {
        let with = |on_demand: &str| {
            format!("[[stream]]\nname = \"a\"\nsource = \"http://10.0.0.7/\"\n{on_demand}")
        };
        let (off, on) = (with(""), with("on_demand = true"));
        assert_eq!(between(&off, &on).changed, ["a"]);
        let schedule = |text: &str| {
            let settings = settings(text);
            Spec::of(&settings, &settings.streams[0]).schedule()
        };
        assert_eq!(schedule(&off), Schedule::Always);
        assert_eq!(schedule(&on), Schedule::FetchedWhileWatched);
    }

    #[test]
    fn the_proxy_protocol_waits_for_a_restart() {
        let with = |protocol: bool| {
            format!("[server]\ntrusted_proxies = [\"::1\"]\nproxy_protocol = {protocol}")
        };
        let changes = between(&with(false), &with(true));
        assert_eq!(changes.needs_restart, ["server.proxy_protocol"]);
    }

    #[test]
    fn a_redirect_waits_for_a_restart_and_a_certificate_does_not() {
        let with = |redirect: bool| {
            format!("[server]\nhttps = \"0.0.0.0:8443\"\nhttp_redirect = {redirect}")
        };
        let changes = between(&with(false), &with(true));
        assert_eq!(changes.needs_restart, ["server.http_redirect"]);
        let old = settings("");
        let mut new = old.clone();
        new.server.certificate = Some(crate::daemon::tls::Files {
            certificate: "/a.pem".into(),
            key: "/a.key".into(),
        });
        assert_eq!(diff(&old, &old, &new).at_once, ["server.certificate"]);
        let with =
            |edges: &str| format!("[[edge]]\nname = \"a\"\naddress = \"https://{edges}.example\"");
        let changes = between(&with("a"), &with("b"));
        assert_eq!(changes.at_once, ["edge"]);
        assert!(changes.needs_restart.is_empty() && changes.all_sessions.is_empty());
        let with = |name: &str| {
            format!(
                "[server]\nhttps = \"0.0.0.0:8443\"\n\
                 acme = {{ domains = [\"{name}\"], email = \"ops@example.org\" }}"
            )
        };
        let changes = between(&with("a.example.org"), &with("b.example.org"));
        assert_eq!(changes.at_once, ["server.acme"]);
        assert!(changes.needs_restart.is_empty());
    }

    #[test]
    fn what_waits_for_a_restart_is_told_until_it_is_back() {
        let with = |window: &str| settings(&format!("[hls]\nwindow = \"{window}\""));
        let (started, other) = (with("1m"), with("2m"));
        for (old, new, waits) in [
            (&started, &other, true),
            (&other, &other, true),
            (&other, &started, false),
        ] {
            assert_eq!(!diff(&started, old, new).needs_restart.is_empty(), waits);
        }
    }
}
