//! Cameras write their multipart bodies in many ways. `tests/sources` judges the cadence of pulls.

use std::time::Duration;

use crate::sources::judge;
use crate::support::camera::{Camera, Dialect, Options};
use crate::support::daemon::Daemon;
use crate::support::turn;
use crate::support::viewer::Viewer;

const LIMIT: Duration = Duration::from_secs(40);
const RUNG: &str = "[[rung]]\nname = \"240p\"\nheight = 240\nbitrate = \"400k\"\naudio = \"64k\"\n";

#[test]
fn motion_jpeg_in_every_dialect() {
    let _turn = turn();
    let start = |dialect| {
        Camera::start(Options {
            dialect,
            ..Options::default()
        })
    };
    let cameras = Dialect::ALL.map(start);
    let streams: String = (0..)
        .zip(&cameras)
        .map(|(n, camera)| {
            format!(
                "[[stream]]\nname = \"cam{n}\"\nsource = \"{}\"\n",
                camera.url()
            )
        })
        .collect();
    let daemon = Daemon::start(&format!("{RUNG}{streams}"));
    for (n, dialect) in Dialect::ALL.iter().enumerate() {
        let viewer = Viewer::open(&daemon, &format!("cam{n}"));
        let uri = &viewer.master.variants[0].uri;
        let playlist = viewer.playlist_with(uri, 2, LIMIT);
        let media = viewer.download(uri, playlist.segment(2));
        let verdict = judge(&media, None, 15.0, 15.0);
        let shown = verdict.pictures - verdict.unreadable;
        assert!(shown >= 15, "{dialect:?}: {verdict:?}");
    }
}
