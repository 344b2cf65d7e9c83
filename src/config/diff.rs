//! What a reload changes.

use super::settings::Settings;

/// The difference between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Streams that are new.
    pub added: Vec<String>,
    /// Streams that are gone.
    pub removed: Vec<String>,
    /// Streams whose own settings (or rungs) differ.
    pub changed: Vec<String>,
    /// Keys that differ and that each stream's next session takes up; a running session keeps
    /// what it began with.
    pub next_session: Vec<&'static str>,
    /// Keys that differ and are only read when the daemon starts.
    pub needs_restart: Vec<&'static str>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What differs from `old` in `new`. Streams are told apart by name.
pub fn diff(old: &Settings, new: &Settings) -> Changes {
    let find =
        |settings: &Settings, name: &str| settings.streams.iter().find(|s| s.name == name).cloned();
    let mut changes = Changes::default();
    for stream in &new.streams {
        match find(old, &stream.name) {
            None => changes.added.push(stream.name.clone()),
            Some(before) if before != *stream => changes.changed.push(stream.name.clone()),
            Some(_) => {}
        }
    }
    let gone = old.streams.iter().filter(|s| find(new, &s.name).is_none());
    changes.removed = gone.map(|s| s.name.clone()).collect();
    changes.next_session = differing([
        ("hls.segment", old.hls.segment != new.hls.segment),
        ("hls.part", old.hls.part != new.hls.part),
        ("hls.hold_back", old.hls.hold_back != new.hls.hold_back),
        ("hls.window", old.hls.window != new.hls.window),
        ("hls.ts", old.hls.ts != new.hls.ts),
        ("session.grace", old.session.grace != new.session.grace),
        ("encoder.order", old.encoder.order != new.encoder.order),
        (
            "encoder.on_failure",
            old.encoder.on_failure != new.encoder.on_failure,
        ),
    ]);
    changes.needs_restart = differing([
        ("server.http", old.server.http != new.server.http),
        ("server.rtmp", old.server.rtmp != new.server.rtmp),
        ("server.data", old.server.data != new.server.data),
        ("hls.memory", old.hls.memory != new.hls.memory),
    ]);
    changes
}

fn differing<const N: usize>(keys: [(&'static str, bool); N]) -> Vec<&'static str> {
    keys.into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::validate;
    use super::*;

    fn settings(text: &str) -> Settings {
        let base = std::path::Path::new("/etc/weir");
        validate("config.toml", text.to_owned(), base, std::iter::empty()).unwrap()
    }

    #[test]
    fn nothing_differs_from_itself() {
        let same = settings("[[stream]]\nname = \"a\"\npublish_key = \"12345678\"");
        assert!(diff(&same, &same).is_empty());
    }

    #[test]
    fn streams_come_go_and_change() {
        let old = settings(
            "[[stream]]\nname = \"a\"\n[[stream]]\nname = \"b\"\n[[stream]]\nname = \"c\"\n\
             publish_key = \"12345678\"",
        );
        let new = settings(
            "[[stream]]\nname = \"d\"\n[[stream]]\nname = \"b\"\n[[stream]]\nname = \"c\"\n\
             publish_key = \"12345679\"",
        );
        let changes = diff(&old, &new);
        assert_eq!(changes.added, ["d"]);
        assert_eq!(changes.removed, ["a"]);
        assert_eq!(changes.changed, ["c"]);
        assert!(changes.next_session.is_empty() && changes.needs_restart.is_empty());
    }

    #[test]
    fn a_changed_rung_changes_its_streams() {
        let with = |bitrate: &str| {
            settings(&format!(
                "[[rung]]\nheight = 720\n[[rung]]\nheight = 360\nbitrate = \"{bitrate}\"\n\
                 [[stream]]\nname = \"all\"\n[[stream]]\nname = \"top\"\nrungs = [\"720p\"]"
            ))
        };
        assert_eq!(diff(&with("800k"), &with("900k")).changed, ["all"]);
    }

    #[test]
    fn keys_say_when_they_take_effect() {
        let (next, restart) = (
            "[hls]\nsegment = \"3s\"\npart = \"0\"\nhold_back = \"9s\"\nwindow = \"2m\"\n\
             ts = false\n[session]\ngrace = \"1s\"\n[encoder]\norder = [\"x264\"]\n\
             on_failure = \"fail\"",
            "[server]\nhttp = \"\"\nrtmp = \"\"\ndata = \"/srv\"\n[hls]\nmemory = \"1GiB\"",
        );
        let changes = diff(&settings(""), &settings(next));
        assert_eq!(changes.next_session.len(), 8, "{changes:?}");
        assert!(changes.needs_restart.is_empty());
        let changes = diff(&settings(""), &settings(restart));
        assert_eq!(changes.needs_restart.len(), 4, "{changes:?}");
        assert!(changes.next_session.is_empty());
    }
}
