//! What a playlist promises: a file that it names can be fetched, at once and for some time after the
//! playlist has ceased to name it.

use std::collections::BTreeMap;
use std::time::Duration;

/// Longest time between two looks at a playlist: files are fetched again so long before their end.
const LOOKS_APART: Duration = Duration::from_millis(500);

/// The simulated worker gives sound up to one AAC frame before its time.
const AAC_FRAME: Duration = Duration::from_millis(23);

struct File {
    /// It was named for the first time.
    first: Duration,
    /// It was named for the last time.
    last: Duration,
    /// It can be fetched so long.
    until: Duration,
}

/// The files of one rendition that can be fetched.
#[derive(Default)]
pub struct Promises {
    files: BTreeMap<String, File>,
    /// Parts that the last playlist listed.
    parts: Vec<String>,
}

/// What one playlist names.
#[derive(Default)]
struct Named {
    target: Duration,
    /// Segments that are no gaps: address, duration, and address of the initialization section.
    segments: Vec<(String, Duration, Option<String>)>,
    parts: Vec<String>,
    /// Duration of all segments.
    length: Duration,
}

impl Promises {
    /// Takes a whole playlist. Returns the files that can be fetched now: those that it names for the
    /// first time, and those whose time is nearly over.
    pub fn take(&mut self, text: &str, now: Duration) -> Vec<String> {
        let named = read(text);
        let mut new = Vec::new();
        let gone = std::mem::replace(&mut self.parts, named.parts.clone());
        for part in gone.iter().chain(&named.parts) {
            // "Clients MUST be able to download the Partial Segment for at least three Target Durations
            // after the EXT-X-PART tag is removed from the Playlist."
            self.promise(part, now, |_| now + named.target * 3, &mut new);
        }
        for (segment, duration, map) in &named.segments {
            // "The Availability Duration of a Media Segment is the duration of the segment plus the
            // duration of the longest-duration Playlist distributed by the server containing that
            // segment"; clients "MUST be able to download the segment until the time at which it first
            // appeared in the Playlist plus the segment's Availability Duration."
            let stays = *duration + named.length;
            let until = self.promise(segment, now, |first| first + stays, &mut new);
            if let Some(map) = map {
                self.promise(map, now, |_| until, &mut new);
            }
        }
        let stays = |file: &File| file.last == now || file.until > now + AAC_FRAME;
        self.files.retain(|_, file| stays(file));
        let ending = self
            .files
            .iter()
            .filter(|(_, file)| file.until <= now + LOOKS_APART);
        new.extend(ending.map(|(name, _)| name.clone()));
        new
    }

    /// Promises `name` until the time that `until` tells from when it was first named, and no less than
    /// before.
    fn promise(
        &mut self,
        name: &str,
        now: Duration,
        until: impl Fn(Duration) -> Duration,
        new: &mut Vec<String>,
    ) -> Duration {
        let file = self.files.entry(name.to_owned()).or_insert_with(|| {
            new.push(name.to_owned());
            File {
                first: now,
                last: now,
                until: now,
            }
        });
        file.last = now;
        file.until = file.until.max(until(file.first));
        file.until
    }
}

fn read(text: &str) -> Named {
    let mut named = Named::default();
    let (mut duration, mut map, mut gap) = (Duration::ZERO, None, false);
    let seconds = |text: &str| Duration::from_secs_f64(text.parse().unwrap());
    for line in text.lines() {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        let address = || value.split("URI=\"").nth(1)?.split('"').next();
        match tag {
            "#EXT-X-TARGETDURATION" => named.target = seconds(value),
            "#EXT-X-MAP" => map = address().map(str::to_owned),
            "#EXT-X-PART" => named.parts.extend(address().map(str::to_owned)),
            "#EXT-X-GAP" => gap = true,
            "#EXTINF" => duration = seconds(value.trim_end_matches(',')),
            _ if line.starts_with('#') => {}
            segment => {
                named.length += duration;
                if !std::mem::take(&mut gap) {
                    let segment = (segment.to_owned(), duration, map.clone());
                    named.segments.push(segment);
                }
            }
        }
    }
    named
}
