//! How many ladders of the configuration this machine sustains, in words.

use std::fmt;

use serde::Serialize;

use crate::daemon::access;
use crate::daemon::config::settings::{Settings, Stream};
use crate::daemon::session::spec::Spec;
use crate::daemon::supervisor::capacity;
use crate::daemon::supervisor::orders::Orders;
use crate::daemon::supervisor::spawner::{Program, Spawner};
use crate::model::encoder::TemplateName;
use crate::model::ladder::Plan;
use crate::model::passthrough::Policy;
use crate::model::source::Source;

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Sustained {
    /// Its rungs, such as `1080p30+720p30`.
    ladder: String,
    encoder: TemplateName,
    /// Ladders at once.
    ladders: usize,
    /// So many were really made at once.
    proven: bool,
    /// CPU seconds per second of one ladder.
    cores_per_ladder: f64,
    /// Cores of the machine.
    cores: usize,
}

/// Makes the ladder of `settings` with `encoder`, for up to 30 s.
pub(super) fn measure(
    settings: &Settings,
    encoder: &TemplateName,
    orders: &Orders,
) -> Result<Sustained, String> {
    let stream = Stream {
        name: "capacity".to_owned(),
        source: Source::Test,
        publish_key: None,
        rungs: settings.ladder.clone(),
        rungs_on_demand: Some(false),
        passthrough: Some(Policy::Never),
        policy: access::Policy::default(),
        on_demand: false,
    };
    let start = Spec::of(settings, &stream).start(vec![encoder.clone()]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| format!("no threads to run on: {error}"))?;
    let measured = runtime.block_on(async {
        let spawner = Spawner::new(Program::own_worker(orders)).map_err(|e| e.to_string())?;
        let measured = capacity::measure(&spawner, &start).await;
        spawner.reaped().await;
        measured
    })?;
    Ok(Sustained {
        ladder: rungs(&measured.plan),
        encoder: encoder.clone(),
        ladders: measured.ladders,
        proven: measured.is_proven,
        cores_per_ladder: (measured.cores_per_ladder * 100.0).round() / 100.0,
        cores: measured.cores,
    })
}

/// `1080p30+720p30`
fn rungs(plan: &Plan) -> String {
    let rungs = plan.video.iter().zip(plan.rates());
    let rungs = rungs.map(|(video, rate)| {
        let lines = video.width.min(video.height);
        let rate = (rate * 100.0).round() / 100.0;
        format!("{lines}p{rate}")
    });
    rungs.collect::<Vec<_>>().join("+")
}

impl fmt::Display for Sustained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ladder,
            encoder,
            ladders,
            cores_per_ladder,
            cores,
            ..
        } = self;
        let share = format!("{cores_per_ladder:.2} of {cores} cores");
        if *ladders == 0 {
            return write!(
                f,
                "This machine does not sustain one ladder of {ladder} ({encoder}): it left pictures \
                 out, with {share}. Streams make less of it."
            );
        }
        let noun = if *ladders == 1 { "ladder" } else { "ladders" };
        write!(
            f,
            "This machine sustains {ladders} {noun} of {ladder} ({encoder}): {share} each"
        )?;
        match self.proven {
            true => write!(f, ", measured with the test signal."),
            false => write!(
                f,
                " with the test signal. The number follows from the CPU time of one; so many at once \
                 were not tried."
            ),
        }
    }
}
