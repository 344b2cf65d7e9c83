//! Reads manifests as a client does, by nothing but their text.

/// One Representation of one Period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    pub init: String,
    pub timescale: u64,
    pub offset: u64,
    /// Number of the first segment.
    pub first: u64,
    /// Begin and duration of each segment.
    pub times: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MpdPeriod {
    pub id: String,
    pub start_ns: u64,
    pub listed: Vec<Listed>,
}

impl MpdPeriod {
    /// When the last segment of a Representation ends, in nanoseconds.
    pub fn end_ns(&self, name: &str) -> u64 {
        let listed = self.listed.iter().find(|l| l.name == name).unwrap();
        let (begin, duration) = listed.times.last().unwrap();
        let ticks = u128::from(begin + duration - listed.offset) * 1_000_000_000;
        self.start_ns + u64::try_from(ticks / u128::from(listed.timescale)).unwrap()
    }
}

/// All Periods of a manifest.
pub fn periods(text: &str) -> Vec<MpdPeriod> {
    let mut all: Vec<MpdPeriod> = Vec::new();
    for line in text.lines().map(str::trim) {
        let number = |name| attribute(line, name).unwrap().parse::<u64>().unwrap();
        let owned = |name| attribute(line, name).unwrap().to_owned();
        if line.starts_with("<Period ") {
            all.push(MpdPeriod {
                id: owned("id"),
                start_ns: seconds_ns(attribute(line, "start").unwrap()),
                listed: Vec::new(),
            });
        } else if line.starts_with("<Representation ") {
            all.last_mut().unwrap().listed.push(Listed {
                name: owned("id"),
                init: String::new(),
                timescale: 0,
                offset: 0,
                first: 0,
                times: Vec::new(),
            });
        } else if line.starts_with("<SegmentTemplate ") {
            let listed = all.last_mut().unwrap().listed.last_mut().unwrap();
            listed.init = owned("initialization");
            listed.timescale = number("timescale");
            listed.offset = number("presentationTimeOffset");
            listed.first = number("startNumber");
        } else if line.starts_with("<S ") {
            let listed = all.last_mut().unwrap().listed.last_mut().unwrap();
            let repeated = attribute(line, "r").map_or(0, |r| r.parse::<u64>().unwrap());
            let end = listed
                .times
                .last()
                .map(|(begin, duration)| begin + duration);
            let begins = attribute(line, "t").map(|t| t.parse().unwrap());
            let begin = begins.or(end).unwrap();
            let duration = number("d");
            let times = (0..=repeated).map(|n| (begin + n * duration, duration));
            listed.times.extend(times);
        }
    }
    all
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

/// Nanoseconds of an `xs:duration` that has seconds alone.
fn seconds_ns(text: &str) -> u64 {
    let text = text
        .strip_prefix("PT")
        .and_then(|t| t.strip_suffix('S'))
        .unwrap();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction = format!("{fraction:0<9}");
    whole.parse::<u64>().unwrap() * 1_000_000_000 + fraction.parse::<u64>().unwrap()
}
