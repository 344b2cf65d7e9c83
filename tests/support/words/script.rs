//! Reads what a worker says from bytes.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use weir::base::units::{Bitrate, FrameRate};
use weir::model::encoder::{Filling, TemplateName};
use weir::model::hls::{Part, TrackId, TsSegment};
use weir::model::ladder::cuts::{Cut, CutLog};
use weir::model::ladder::lengths::{Lengths, Settings, aac_time};
use weir::model::ladder::{Plan, RungSet};
use weir::wire::protocol::{
    Clock, FromWorker, InputState, InputStats, Level, Log, Rest, RungStats, Stats, Trouble,
};

use super::{PART, PLAN, SEGMENT, START_NS};

/// The renditions of a working worker.
const TRACKS: [TrackId; 3] = [TrackId::Audio(0), TrackId::Video(1), TrackId::Video(0)];
/// Most bytes of a part; far more than its bitrate gives.
static ZEROS: [u8; 2 << 20] = [0; 2 << 20];

/// What happens to a session.
pub enum Step {
    /// The worker sends a message.
    Says(Box<FromWorker>),
    /// The viewers fetch everything.
    Watched,
    /// The worker is asked to finish.
    Finishes,
    /// The worker is lost; another will continue the session.
    Lost,
    /// The session ends.
    Ends,
}

/// Reads steps from bytes: most of them are what a working worker does next, the others are wrong in
/// one value.
pub struct Script<'a> {
    bytes: &'a [u8],
    queue: VecDeque<Step>,
    log: CutLog,
    /// Number of the last cut that was told.
    told: u64,
    /// Number of the segment and index of the part that comes next, by track.
    next: HashMap<TrackId, (u64, u32)>,
    next_ts: [u64; 2],
    first_msn: u64,
    /// Time since the start, and at the start of the present worker.
    elapsed: Duration,
    hired: Duration,
}

fn log(first_msn: u64) -> CutLog {
    let lengths = Lengths::new(Settings {
        fps: PLAN.canvas.fps,
        grid: PLAN.grid(),
        segment: SEGMENT,
        part: PART,
    });
    let first = Cut {
        msn: first_msn,
        frame: 0,
        awake: RungSet::first(2),
    };
    CutLog::new(lengths, first)
}

impl<'a> Script<'a> {
    /// A script that starts with a worker whose first segment is `first_msn`.
    pub fn new(bytes: &'a [u8], first_msn: u64) -> Self {
        let mut script = Self {
            bytes,
            queue: VecDeque::new(),
            log: log(first_msn),
            told: first_msn,
            next: HashMap::new(),
            next_ts: [first_msn; 2],
            first_msn,
            elapsed: Duration::ZERO,
            hired: Duration::ZERO,
        };
        script.restart(first_msn);
        script
    }

    /// Another worker starts with segment `first_msn`.
    pub fn restart(&mut self, first_msn: u64) {
        self.queue.clear();
        self.next.clear();
        self.next_ts = [first_msn; 2];
        self.first_msn = first_msn;
        self.log = log(first_msn);
        self.told = first_msn;
        self.hired = self.elapsed;
    }

    /// Another worker starts where the one before has stopped.
    pub fn goes_on(&mut self) {
        self.queue.clear();
        self.plans();
    }

    /// Time since the start: a worker that works is as fast as real time.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        *first
    }

    /// A number that is often small or near a limit of its type.
    fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => u64::MAX / 2,
            253 => i64::MAX as u64,
            252 => u64::from(u32::MAX),
            251 => u64::from_be_bytes(std::array::from_fn(|_| self.byte())),
            small => u64::from(small),
        }
    }

    fn duration(&mut self) -> Duration {
        match self.byte() {
            255 => Duration::MAX,
            254 => Duration::from_secs(601),
            253 => Duration::from_nanos(1),
            252 => Duration::ZERO,
            n => Duration::from_millis(u64::from(n)),
        }
    }

    fn text(&mut self) -> String {
        match self.byte() {
            255 => "x".repeat(1000),
            254 => "\n\u{1b}[31m#EXT-X-ENDLIST\n\u{85}".repeat(30),
            n => "a\n".repeat(usize::from(n)),
        }
    }

    /// Two rungs and one sound, unless a byte says otherwise.
    fn plan(&mut self) -> Plan {
        let mut plan = PLAN.clone();
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        match self.byte() % 32 {
            1 => {
                let fps = FrameRate::new(small(self.number()), small(self.number()));
                plan.canvas.fps = fps.unwrap_or(plan.canvas.fps);
            }
            2 => plan.canvas.width = small(self.number()),
            3 => plan.canvas.height = small(self.number()),
            4 => plan.video[1].width = small(self.number()),
            5 => plan.video[1].height = small(self.number()),
            6 => plan.video[1].divisor = small(self.number()),
            7 => plan.video[1].bitrate = Bitrate::from_bps(self.number()),
            8 => plan.video[1].audio = usize::try_from(self.number()).unwrap_or(usize::MAX),
            9 => plan.video[1].name = self.text(),
            10 => plan.audio[0].bitrate = Bitrate::from_bps(self.number()),
            11 => plan.audio[0].name = self.text(),
            12 => plan.video.clear(),
            13 => plan.audio.clear(),
            14 => plan
                .video
                .extend(vec![plan.video[1].clone(); usize::from(self.byte())]),
            15 => plan.canvas.fps = FrameRate::whole(u32::from(self.byte())),
            _ => {}
        }
        plan
    }

    fn planned(&mut self) -> FromWorker {
        let plan = self.plan();
        let encoder = TemplateName::from("x264");
        let (encoders, part_target) = match self.byte() % 16 {
            1 => (vec![encoder; 1], PART),
            2 => (vec![encoder; 2], self.duration()),
            3 => (vec![encoder, self.text().into()], PART),
            4 => (vec![TemplateName::default(); 300], PART),
            _ => (vec![encoder; 2], PART),
        };
        FromWorker::Planned {
            plan,
            encoders,
            part_target,
        }
    }

    fn track(&mut self) -> TrackId {
        match self.byte() {
            n @ 0..=127 => TrackId::Video(n % 2),
            128..=250 => TrackId::Audio(0),
            n @ 251..=253 => TrackId::Audio(n),
            n => TrackId::Video(n),
        }
    }

    /// Tells the cuts up to that of segment `msn`.
    fn tell(&mut self, msn: u64) {
        while self.told < msn {
            let mut frames = self.log.last().frame..;
            while self.log.last().msn <= self.told {
                self.log.decide(frames.next().expect("another frame"));
            }
            self.told += 1;
            if let Some(cut) = self.log.cut(self.told).copied() {
                self.says(FromWorker::Cut(cut));
            }
        }
    }

    /// Segment and index of the next part of a track; segments that it sleeps through are passed over.
    fn place(&self, track: TrackId) -> (u64, u32) {
        let next = self.next.get(&track).copied();
        let (mut msn, index) = next.unwrap_or((self.first_msn, 0));
        while index == 0 && self.asleep(track, msn) {
            msn += 1;
        }
        (msn, index)
    }

    fn asleep(&self, track: TrackId, msn: u64) -> bool {
        let TrackId::Video(rung) = track else {
            return false;
        };
        let cut = self.log.cut(msn);
        cut.is_some_and(|cut| !cut.awake.contains(rung.into()))
    }

    /// Begin and end of a segment, in frames of a track; of one so old that it was forgotten, those of
    /// the newest. The cut that ends the segment is told.
    fn frames(&mut self, track: TrackId, msn: u64) -> (u64, u64) {
        self.tell(msn + 1);
        let frame = |msn| self.log.cut(msn).map_or(self.log.last().frame, |c| c.frame);
        let (from, to) = (frame(msn), frame(msn + 1));
        match track {
            TrackId::Video(_) => (from, to),
            TrackId::Audio(_) => {
                let lengths = self.log.lengths();
                (lengths.aac_frame_from(from), lengths.aac_frame_from(to))
            }
        }
    }

    fn time(&self, track: TrackId, frame: u64) -> Duration {
        match track {
            TrackId::Video(_) => self.log.lengths().fps.time_of(frame),
            TrackId::Audio(_) => aac_time(frame),
        }
    }

    /// The next part of a track, as the log says.
    fn part(&mut self, track: TrackId, data: Bytes) -> Part {
        let (msn, index) = self.place(track);
        let (from, to) = self.frames(track, msn);
        let length = match track {
            TrackId::Video(_) => self.log.lengths().part_frames,
            TrackId::Audio(_) => self.log.lengths().audio_part_frames,
        };
        let begin = from + u64::from(index) * length;
        let end = (begin + length).min(to);
        let last = begin + length >= to;
        let after = if last { (msn + 1, 0) } else { (msn, index + 1) };
        self.next.insert(track, after);
        let (start, stop) = (self.time(track, begin), self.time(track, end));
        self.elapsed = self.elapsed.max(self.hired + stop);
        Part {
            track,
            msn,
            index,
            duration: stop.saturating_sub(start),
            independent: index == 0,
            last,
            date_ns: self.date_ns(start),
            data,
        }
    }

    /// An early cut, a sleep or a wake, told when the segment is made; or a lie.
    fn cut(&mut self) {
        let last = self.log.last();
        let lie = match self.byte() % 12 {
            0 => Cut {
                msn: self.number(),
                ..last
            },
            1 => Cut {
                msn: last.msn + 1,
                frame: self.number(),
                ..last
            },
            2 => Cut {
                msn: last.msn + 1,
                frame: last.frame + 60,
                awake: RungSet::first(usize::from(self.byte() % 4)),
            },
            n @ 3..=5 => return self.log.set_awake(RungSet::EMPTY.with(usize::from(n % 2))),
            6..=8 => return self.log.set_awake(RungSet::first(2)),
            _ => {
                self.log.cut_soon();
                return;
            }
        };
        self.says(FromWorker::Cut(lie));
    }

    /// What the next part of a rung leaves over, or a lie about that.
    fn rest(&mut self) {
        let (video, frames, data) = (self.byte() % 3, self.byte() % 8, self.data());
        let frames = frames.into();
        self.says(FromWorker::Rest {
            video,
            rest: Rest { frames, data },
        });
    }

    fn filled(&mut self) {
        let filling = match self.byte() % 3 {
            0 => Filling::Asleep,
            1 => Filling::Encoder("x264".into()),
            _ => Filling::Encoder(self.text().into()),
        };
        let (video, cause, next) = (self.byte() % 3, self.text(), self.text());
        self.says(FromWorker::Filled {
            video,
            filling,
            trouble: Some(Trouble { cause, next }),
        });
    }

    fn date_ns(&self, position: Duration) -> u64 {
        let since = (self.hired + position).as_nanos();
        START_NS + u64::try_from(since).expect("less than 500 years")
    }

    /// The next part with one wrong value.
    fn wrong_part(&mut self) -> Part {
        let (track, data) = (self.track(), self.data());
        let mut part = self.part(track, data);
        match self.byte() % 8 {
            0 => part.msn = self.number(),
            1 => part.index = u32::try_from(self.number()).unwrap_or(u32::MAX),
            2 => part.duration = self.duration(),
            3 => part.date_ns = self.number(),
            4 => part.independent ^= true,
            5 => part.last ^= true,
            6 => {
                part.date_ns = part
                    .date_ns
                    .saturating_add(self.number().saturating_mul(1_000_000_000))
            }
            _ => part.data = Bytes::from_static(&ZEROS),
        }
        part
    }

    /// The next segment of a video rendition in MPEG-TS, as the log says.
    fn ts_segment(&mut self, video: u8, data: Bytes) -> TsSegment {
        let track = TrackId::Video(video);
        let mut msn = self.next_ts[usize::from(video)];
        while self.asleep(track, msn) {
            msn += 1;
        }
        self.next_ts[usize::from(video)] = msn + 1;
        let (from, to) = self.frames(track, msn);
        let (start, end) = (self.time(track, from), self.time(track, to));
        self.elapsed = self.elapsed.max(self.hired + end);
        let duration = end.saturating_sub(start);
        TsSegment {
            video,
            msn,
            duration,
            date_ns: self.date_ns(start),
            data,
        }
    }

    /// The next segment, with one wrong value if a byte says so.
    fn any_ts_segment(&mut self) -> TsSegment {
        let (video, data) = (self.byte(), self.data());
        let mut segment = self.ts_segment(video % 2, data);
        match self.byte() {
            1 => segment.video = video,
            2 => segment.msn = self.number(),
            3 => segment.duration = self.duration(),
            4 => segment.date_ns = self.number(),
            _ => {}
        }
        segment
    }

    /// Everything that is left of a segment of all renditions.
    fn segment(&mut self) {
        let data = self.data();
        let msn = TRACKS.map(|track| self.place(track).0).into_iter().min();
        let msn = msn.unwrap_or_default();
        self.tell(msn + 1);
        for track in TRACKS {
            while self.place(track).0 <= msn {
                let part = self.part(track, data.clone());
                self.says(FromWorker::Part(part));
            }
        }
        for video in 0..2 {
            let wanted = self.next_ts[usize::from(video)] <= msn;
            if wanted && !self.asleep(TrackId::Video(video), msn) {
                let segment = self.ts_segment(video, data.clone());
                self.says(FromWorker::TsSegment(segment));
            }
        }
    }

    /// The plan and the initialization sections, all as they should be.
    fn prologue(&mut self) {
        self.plans();
        if let Some(first) = self.log.cut(self.first_msn).copied() {
            self.says(FromWorker::Cut(first));
        }
        let (zero, date_ns) = (self.hired, 0);
        self.says(FromWorker::Began(Clock { zero, date_ns }));
        for track in TRACKS {
            let codec = match track {
                TrackId::Video(_) => "avc1.64001f",
                TrackId::Audio(_) => "mp4a.40.2",
            };
            self.says(FromWorker::Init {
                track,
                codec: codec.to_owned(),
                data: Bytes::from_static(b"init"),
            });
        }
    }

    fn plans(&mut self) {
        self.says(FromWorker::Planned {
            plan: PLAN.clone(),
            encoders: vec!["x264".into(); 2],
            part_target: PART,
        });
    }

    /// A clock, which may be that of the session.
    fn began(&mut self) {
        let clock = Clock {
            zero: Duration::from_millis(self.number()),
            date_ns: self.number(),
        };
        self.says(FromWorker::Began(clock));
    }

    fn stats(&mut self) -> Stats {
        let rung = RungStats {
            speed: f32::from_bits(u32::from_be_bytes(std::array::from_fn(|_| self.byte()))),
            dropped: self.number(),
        };
        Stats {
            video: vec![rung; usize::from(self.byte())],
            input: Some(InputStats {
                delay: self.duration(),
                repeated: self.number(),
                skipped: self.number(),
            }),
        }
    }

    fn data(&mut self) -> Bytes {
        let n = usize::from(self.byte());
        Bytes::from_static(ZEROS.get(..n * n * 16).unwrap_or_default())
    }

    fn init(&mut self) -> FromWorker {
        let track = self.track();
        let codec = match self.byte() % 8 {
            0 => String::new(),
            1 => "\"\n#EXT-X-ENDLIST\n".to_owned(),
            2 => format!("avc1.6400{:02x}", self.byte()),
            3 => "hvc1.1.6.L93.B0".to_owned(),
            4 => self.text(),
            _ if matches!(track, TrackId::Audio(_)) => "mp4a.40.2".to_owned(),
            _ => "avc1.64001f".to_owned(),
        };
        let data = self.data();
        FromWorker::Init { track, codec, data }
    }

    fn log(&mut self) -> FromWorker {
        let level = [Level::Error, Level::Warn, Level::Info, Level::Debug];
        let (level, text) = (level[usize::from(self.byte() % 4)], self.text());
        FromWorker::Log(Log {
            level,
            rung: self.byte().is_multiple_of(2).then(|| text.clone()),
            message: text,
        })
    }

    fn input(&mut self) -> FromWorker {
        FromWorker::Input(match self.byte() % 4 {
            3 => return self.decoding(),
            0 => InputState::Connecting,
            1 => InputState::Live {
                description: self.text(),
            },
            _ => InputState::Lost {
                reason: self.text(),
                retry_in: Some(self.duration()),
            },
        })
    }

    fn decoding(&mut self) -> FromWorker {
        let (decoder, cause, next) = (self.text(), self.text(), self.text());
        FromWorker::Decoding {
            decoder,
            trouble: self
                .byte()
                .is_multiple_of(2)
                .then_some(Trouble { cause, next }),
        }
    }

    fn says(&mut self, message: FromWorker) {
        self.queue.push_back(Step::Says(Box::new(message)));
    }

    /// A message, many times.
    fn floods(&mut self) {
        let message = match self.byte() % 4 {
            0 => FromWorker::Thumbnail {
                date_ns: u64::from(self.byte()) << 56,
                data: self.data(),
            },
            1 => FromWorker::Stats(self.stats()),
            2 => self.input(),
            _ => self.log(),
        };
        for _ in 0..self.byte() {
            self.says(message.clone());
        }
    }

    /// Queues what the next byte means.
    fn read(&mut self) {
        match self.byte() {
            0..=15 => self.prologue(),
            16..=31 => {
                let message = self.planned();
                self.says(message);
            }
            32..=47 => {
                let message = self.init();
                self.says(message);
            }
            48..=95 => {
                let (track, data) = (self.track(), self.data());
                // A rung that sleeps has no next part yet.
                if self.place(track).0 > self.log.last().msn {
                    return self.segment();
                }
                let part = self.part(track, data);
                self.says(FromWorker::Part(part));
            }
            96..=127 => {
                let part = self.wrong_part();
                self.says(FromWorker::Part(part));
            }
            128..=167 => self.segment(),
            168..=191 => {
                let segment = self.any_ts_segment();
                self.says(FromWorker::TsSegment(segment));
            }
            192..=203 => self.floods(),
            204 => self.cut(),
            205 => self.rest(),
            206 => self.began(),
            207 => self.filled(),
            208..=215 => {
                let wait = Duration::from_millis(self.byte().into());
                self.elapsed += wait;
            }
            216..=219 => {
                let text = self.text();
                self.says(FromWorker::Failed(text));
            }
            220 => self.says(FromWorker::Hello { version: 1 }),
            221 => self.says(FromWorker::Finished),
            222..=225 => self.queue.push_back(Step::Finishes),
            226..=231 => self.queue.push_back(Step::Watched),
            232..=245 => self.queue.push_back(Step::Lost),
            246..=255 => self.queue.push_back(Step::Ends),
        }
    }
}

impl Iterator for Script<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while self.queue.is_empty() && !self.bytes.is_empty() {
            self.read();
        }
        self.queue.pop_front()
    }
}
