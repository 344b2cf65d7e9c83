//! Whether this machine has room for another stream. Pure but for a lock: callers pass the time.
//!
//! What a ladder costs is learned from the workers that run: their CPU time by pixels that they have
//! encoded, for each encoder. So a hardware encoder, which hardly needs the CPU, costs what it was seen
//! to cost. Whatever is not known counts as nothing, because a stream is refused only when it is sure
//! that the streams that run would suffer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::encoder::TemplateName;
use crate::model::status::RungStatus;
use crate::wire::protocol::Shed;

/// How much of the machine all ladders together may need by the estimate: a tenth more than there is,
/// because estimates err, and because a ladder that lacks so little is made nearly whole.
const NEEDED_MAX: f64 = 1.1;
/// Encoders whose cost is known at most; there are fewer templates.
const ENCODERS_MAX: usize = 64;
/// Weight of the newest measurement of a cost.
const NEWEST: f64 = 0.1;
/// Speed of its top rung below which a worker tells nothing of a ladder's cost: most of its CPU time
/// goes into other things.
const SPEED_MIN: f32 = 0.5;

/// Why there is no room, in words for the log and the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this machine has no room for another stream: {0}")]
pub struct NoRoom(String);

/// What one ladder asks of the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Who encodes it.
    pub encoder: TemplateName,
    /// Pixels per second of all its rungs together.
    pub pixel_rate: f64,
}

/// All streams that have a worker, and what they need. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Capacity(Arc<Mutex<Ledger>>);

#[derive(Debug)]
struct Ledger {
    cores: f64,
    refuses: bool,
    /// CPU seconds for a pixel, by encoder.
    costs: BTreeMap<String, f64>,
    tenants: BTreeMap<String, Tenant>,
}

/// A stream with a worker.
#[derive(Debug, Default)]
struct Tenant {
    work: Option<Work>,
    /// CPU seconds per second, as measured.
    used: Option<f64>,
    shed: Shed,
}

/// A stream's place among the tenants; it is vacant once this is dropped.
#[derive(Debug)]
pub struct Tenancy {
    capacity: Capacity,
    stream: String,
}

impl Capacity {
    /// A machine with so many cores, and nobody on it.
    pub fn new(cores: usize) -> Self {
        Self(Arc::new(Mutex::new(Ledger {
            cores: cores as f64,
            refuses: true,
            costs: BTreeMap::new(),
            tenants: BTreeMap::new(),
        })))
    }

    /// The machine that this process runs on.
    pub fn of_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// Whether streams are refused at all.
    pub fn set_refuses(&self, refuses: bool) {
        self.ledger().refuses = refuses;
    }

    /// The place of `stream`, which has no worker yet.
    pub fn tenancy(&self, stream: &str) -> Tenancy {
        Tenancy {
            capacity: self.clone(),
            stream: stream.to_owned(),
        }
    }

    /// Whether `stream`, which does not run, may begin, although nothing is known of its source.
    ///
    /// # Errors
    /// [`NoRoom`] when the streams that run have not even enough for themselves.
    pub fn admits(&self, stream: &str) -> Result<(), NoRoom> {
        self.ledger().admits(stream, None)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tenancy {
    /// Whether the stream, which begins, may do this work.
    ///
    /// # Errors
    /// [`NoRoom`] when the streams that run would suffer.
    pub fn admits(&self, work: &Work) -> Result<(), NoRoom> {
        self.capacity.ledger().admits(&self.stream, Some(work))
    }

    /// The stream begins with this work.
    pub fn begin(&self, work: Work) {
        self.change(|tenant| tenant.work = Some(work));
    }

    /// The stream's worker has encoded these rungs in the last second, and uses so much CPU.
    pub fn measured(&self, rungs: &[RungStatus], used: Option<f64>) {
        let Some(top) = rungs.first() else { return };
        let encoder = &top.encoder;
        let awake = || rungs.iter().filter(|rung| rung.awake);
        let pixels = |rung: &RungStatus| f64::from(rung.width) * f64::from(rung.height) * rung.fps;
        let encoded: f64 = awake()
            .map(|rung| pixels(rung) * f64::from(rung.speed))
            .sum();
        let encodes = top.awake && !top.is_passed_through();
        let tells = encodes && top.speed >= SPEED_MIN && awake().all(|it| it.encoder == *encoder);
        let mut ledger = self.capacity.ledger();
        if let Some(used) = used.filter(|_| tells && encoded > 0.0) {
            ledger.learn(encoder, used / encoded);
        }
        ledger.tenants.entry(self.stream.clone()).or_default().used = used;
    }

    /// The stream's worker gives up so much.
    pub fn shed(&self, shed: Shed) {
        self.change(|tenant| tenant.shed = shed);
    }

    /// The stream has no worker any more.
    pub fn vacate(&self) {
        self.capacity.ledger().tenants.remove(&self.stream);
    }

    fn change(&self, change: impl FnOnce(&mut Tenant)) {
        let mut ledger = self.capacity.ledger();
        change(ledger.tenants.entry(self.stream.clone()).or_default());
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        self.vacate();
    }
}

impl Ledger {
    fn admits(&self, stream: &str, work: Option<&Work>) -> Result<(), NoRoom> {
        let others = || self.tenants.iter().filter(|(name, _)| *name != stream);
        if !self.refuses || others().next().is_none() {
            return Ok(());
        }
        if let Some((name, _)) = others().find(|(_, tenant)| tenant.shed.exhausted) {
            let cause = format!("it is too slow for the lowest rung of stream {name} already");
            return Err(NoRoom(cause));
        }
        let needed: f64 = others().map(|(_, tenant)| self.needed(tenant)).sum();
        let more = match work {
            None => 0.0,
            Some(work) => match self.cost(work) {
                Some(cost) => cost,
                None => return Ok(()),
            },
        };
        let cores = self.cores;
        if needed + more <= cores * NEEDED_MAX {
            return Ok(());
        }
        let running = others().count();
        Err(NoRoom(match work {
            None => format!("{running} streams need {needed:.1} of {cores} cores already"),
            Some(_) => format!(
                "{running} streams need {needed:.1} of {cores} cores, and this one would need \
                 {more:.1} more"
            ),
        }))
    }

    /// Cores that a stream needs for its whole ladder, as far as that is known.
    fn needed(&self, tenant: &Tenant) -> f64 {
        let used = tenant.used.unwrap_or_default();
        // The worker of a stream that has given something up, or has just begun, uses less.
        if tenant.shed.steps == 0 && tenant.used.is_some() {
            return used;
        }
        let work = tenant.work.as_ref();
        let whole = work.and_then(|work| self.cost(work));
        used.max(whole.unwrap_or_default())
    }

    fn cost(&self, work: &Work) -> Option<f64> {
        let cost = self.costs.get(work.encoder.as_str())?;
        Some(cost * work.pixel_rate)
    }

    fn learn(&mut self, encoder: &TemplateName, cost: f64) {
        let is_full = self.costs.len() >= ENCODERS_MAX;
        match self.costs.get_mut(encoder.as_str()) {
            Some(known) => *known += (cost - *known) * NEWEST,
            None if is_full => {}
            None => {
                self.costs.insert(encoder.as_str().to_owned(), cost);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels per second of the rung of [`rung`].
    const RATE: f64 = 1280.0 * 720.0 * 30.0;

    fn rung(speed: f32) -> RungStatus {
        RungStatus {
            name: "720p".into(),
            width: 1280,
            height: 720,
            fps: 30.0,
            bitrate: 2_800_000,
            encoder: "x264".into(),
            filling: String::new(),
            reason: String::new(),
            awake: true,
            wakes: 0,
            encoder_replacements: 0,
            viewers: 0,
            speed,
            dropped: 0,
        }
    }

    fn work(rungs: f64) -> Work {
        Work {
            encoder: "x264".into(),
            pixel_rate: rungs * RATE,
        }
    }

    /// A stream that uses so much for one rung.
    fn runs(capacity: &Capacity, stream: &str, used: f64) -> Tenancy {
        let tenancy = capacity.tenancy(stream);
        tenancy.begin(work(1.0));
        tenancy.measured(&[rung(1.0)], Some(used));
        tenancy
    }

    const EXHAUSTED: Shed = Shed {
        steps: 2,
        exhausted: true,
    };

    #[test]
    fn the_first_stream_and_whatever_is_not_known_is_let_in() {
        let capacity = Capacity::new(2);
        assert_eq!(capacity.admits("a"), Ok(()));
        let a = capacity.tenancy("a");
        assert_eq!(a.admits(&work(1000.0)), Ok(()), "the first one");
        a.begin(work(1000.0));
        let b = capacity.tenancy("b");
        assert_eq!(b.admits(&work(1000.0)), Ok(()), "no cost is known");
        a.measured(&[rung(0.1)], Some(1.9));
        assert_eq!(b.admits(&work(1000.0)), Ok(()), "a slow worker");
        let other = Work {
            encoder: "vaapi".into(),
            ..work(1000.0)
        };
        a.measured(&[rung(1.0)], Some(1.0));
        assert_eq!(b.admits(&other), Ok(()), "another encoder");
        assert!(b.admits(&work(1000.0)).is_err());
        capacity.set_refuses(false);
        assert_eq!(b.admits(&work(1000.0)), Ok(()), "turned off");
    }

    #[test]
    fn a_ladder_must_fit_beside_those_that_run() {
        let capacity = Capacity::new(2);
        let _a = runs(&capacity, "a", 0.8);
        let b = capacity.tenancy("b");
        // 0.8 + 1.2 cores are there; what a tenth more than the machine would need is let in, too.
        assert_eq!(b.admits(&work(1.5)), Ok(()));
        assert_eq!(b.admits(&work(1.7)), Ok(()));
        let refused = b.admits(&work(2.0)).unwrap_err().to_string();
        assert_eq!(
            refused,
            "this machine has no room for another stream: 1 streams need 0.8 of 2 cores, and this \
             one would need 1.6 more"
        );
        assert_eq!(capacity.admits("b"), Ok(()), "its source may be small");
    }

    #[test]
    fn a_stream_that_has_just_begun_counts_with_its_whole_ladder() {
        let capacity = Capacity::new(2);
        let a = runs(&capacity, "a", 0.8);
        let b = capacity.tenancy("b");
        b.begin(work(1.0));
        b.measured(&[], None);
        let c = capacity.tenancy("c");
        assert!(c.admits(&work(1.0)).is_err());
        drop(b);
        assert_eq!(c.admits(&work(1.0)), Ok(()));
        a.vacate();
        assert_eq!(c.admits(&work(100.0)), Ok(()), "nobody else is there");
    }

    #[test]
    fn a_machine_that_is_full_lets_nobody_in_but_a_stream_that_runs() {
        let capacity = Capacity::new(2);
        let a = runs(&capacity, "a", 1.2);
        let b = runs(&capacity, "b", 0.7);
        assert_eq!(capacity.admits("c"), Ok(()));
        // What the workers use now is the half of what they need.
        let steps = Shed {
            steps: 1,
            exhausted: false,
        };
        for stream in [&a, &b] {
            stream.shed(steps);
            stream.measured(&[rung(0.4)], Some(0.6));
        }
        let refused = capacity.admits("c").unwrap_err().to_string();
        assert!(
            refused.ends_with("2 streams need 2.3 of 2 cores already"),
            "{refused}"
        );
        a.shed(Shed::default());
        b.shed(Shed::default());
        assert_eq!(capacity.admits("c"), Ok(()));
    }

    #[test]
    fn a_stream_without_even_its_lowest_rung_is_the_surest_sign() {
        let capacity = Capacity::new(64);
        let a = capacity.tenancy("a");
        a.shed(EXHAUSTED);
        let refused = capacity.admits("b").unwrap_err().to_string();
        assert!(refused.contains("lowest rung of stream a"), "{refused}");
        assert_eq!(capacity.admits("a"), Ok(()), "its own sign");
        a.shed(Shed::default());
        assert_eq!(capacity.admits("b"), Ok(()));
    }
}
