//! The task of one stream: waits for whatever happens next, tells the [`Machine`] and does what
//! the machine says. Only [`Stream::next`] waits.

mod heard;
mod publishing;
mod room;
mod wanted;

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::capacity::Tenancy;
use super::cell::{Cell, Report};
use super::contribution::{Contribution, Publisher, Taken};
use super::distribution::Distribution;
use super::machine::{Action, Event, Limits, Machine, Schedule};
use super::panics::Panics;
use super::spec::Spec;
use super::subscribers::Subscriber;
use crate::base::time::monotonic;
use crate::daemon::config::settings;
use crate::daemon::ingest::MediaEvent;
use crate::daemon::origin::{Origin, RungDemand};
use crate::daemon::supervisor::inbox::WorkerInbox;
use crate::daemon::supervisor::link::{Gone, Link};
use crate::daemon::supervisor::spare::Spares;
use crate::daemon::telemetry::metrics::OneStream;
use crate::model::encoder::{Family, TemplateName};
use crate::model::status::State;
use crate::wire::protocol::{FromWorker, ToWorker};

/// How long an earlier task of the same stream may take to end before this one begins.
const PREDECESSOR_WAIT_MAX: Duration = Duration::from_secs(5);

/// An encoder that passed a test encode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// Its family, as in `encoder.order`.
    pub family: Family,
    /// The template that builds it.
    pub template: TemplateName,
}

/// Encoders that passed a test encode; `None` until they have been tested.
pub type Encoders = watch::Receiver<Option<Arc<[Tested]>>>;

/// What the registry tells a stream's task.
#[derive(Debug)]
pub enum Command {
    /// A publisher was let in.
    Publish(Publisher),
    /// The limits that the configuration sets have changed.
    Session(settings::Session),
}

/// What a stream's task is made from.
pub struct Setup {
    /// The stream's settings.
    pub spec: Spec,
    /// Limits of its waits.
    pub limits: Limits,
    /// Where its sessions can be played.
    pub origin: Origin,
    /// Who else receives what its sessions make.
    pub subscribers: Arc<[Box<dyn Subscriber>]>,
    /// Where its workers come from.
    pub spares: Arc<Spares>,
    /// Encoders that the workers may use.
    pub tested: Encoders,
    /// Its counters.
    pub metrics: OneStream,
    /// Its place among the streams that use this machine.
    pub tenancy: Tenancy,
    /// Its noticeboard.
    pub cell: Arc<Cell>,
    /// Its number among the tasks of this noticeboard.
    pub task: u64,
    /// What the registry tells it.
    pub commands: mpsc::Receiver<Command>,
    /// Cancelled when the stream is removed or the daemon stops.
    pub stop: CancellationToken,
    /// The earlier task of the same stream, from before its settings changed or it was removed.
    /// Viewers may wait for its session; the origin expects one until this task knows better.
    pub predecessor: Option<JoinHandle<()>>,
}

type Hiring = BoxFuture<'static, Result<Link, String>>;

/// The running task.
struct Stream {
    setup: Setup,
    machine: Machine,
    contribution: Contribution,
    distribution: Distribution,
    link: Option<Link>,
    hiring: Option<Hiring>,
    /// What decodes the pictures of the source in the present worker, as the worker says.
    decoder: Option<String>,
    /// Something has changed since the last report.
    news: bool,
    reported: State,
}

enum Input {
    Command(Command),
    Demand,
    RungDemand,
    Media(Option<MediaEvent>),
    Said(Result<FromWorker, Gone>),
    Hired(Result<Link, String>),
    Time,
    Stop,
}

/// Runs a stream until it is stopped and has ended its session.
pub async fn run(mut setup: Setup) {
    let succeeds = setup.predecessor.is_some();
    if let Some(mut task) = setup.predecessor.take()
        && timeout(PREDECESSOR_WAIT_MAX, &mut task).await.is_err()
    {
        task.abort();
        let _ = task.await;
    }
    let mut stream = Stream {
        machine: Machine::new(setup.spec.schedule(), setup.limits),
        contribution: Contribution::new(setup.limits.key_frame_max),
        distribution: Distribution::new(setup.origin.clone(), setup.subscribers.clone()),
        link: None,
        hiring: None,
        decoder: None,
        news: true,
        reported: State::Idle,
        setup,
    };
    stream.begin(succeeds);
    let (mut panics, mut panicked) = (Panics::default(), false);
    loop {
        let began = Instant::now();
        // What a panic leaves half done costs the worker. What outlives it are the publisher, the
        // session and its viewers.
        let work = AssertUnwindSafe(stream.work(panicked)).catch_unwind();
        let Err(panic) = work.await else { return };
        let wait = panics.told(stream.name(), panic.as_ref(), began.elapsed());
        sleep(wait).await;
        panicked = true;
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Stream {
    fn begin(&mut self, succeeds: bool) {
        let begun = self.machine.on_time(now());
        self.perform(begun);
        if succeeds {
            self.keep_viewers();
        }
    }

    /// Runs until the stream has stopped. After a panic another worker takes over the session, so that
    /// the viewers play on.
    async fn work(&mut self, panicked: bool) {
        if panicked {
            self.tell(Event::Lost("the stream's task failed".to_owned()));
        }
        while !self.machine.stopped() {
            self.report();
            let input = self.next().await;
            self.handle(input);
        }
        self.report();
    }

    /// Whatever happens next. Cancel-safe, as each branch is.
    async fn next(&mut self) -> Input {
        let key_by = self.contribution.key_by().map(Instant::into_std);
        // Without a worker there is nobody to tell; the next one is told when it starts.
        let worker = self.link.as_ref();
        let lapses = worker.and_then(|_| self.distribution.lapses());
        let lapses = lapses.map(Instant::into_std);
        let deadlines = [self.machine.deadline(), key_by, lapses];
        let deadline = deadlines.into_iter().flatten().min();
        let demand = self.rung_demand();
        tokio::select! {
            Some(command) = self.setup.commands.recv() => Input::Command(command),
            () = self.setup.cell.demanded.notified() => Input::Demand,
            () = news(demand.as_deref()) => Input::RungDemand,
            event = self.contribution.next() => Input::Media(event),
            said = said(&mut self.link) => Input::Said(said),
            hired = hired(&mut self.hiring) => Input::Hired(hired),
            () = until(deadline) => Input::Time,
            () = stopped(&self.setup.stop, &self.machine) => Input::Stop,
        }
    }

    /// Those who waited for the earlier task's session wait on if one of this task is coming, and
    /// only then.
    fn keep_viewers(&mut self) {
        // Publishers may have come while this task waited for the earlier one.
        while let Ok(command) = self.setup.commands.try_recv() {
            self.handle(Input::Command(command));
        }
        if self.setup.cell.is_demanded(now()) {
            self.tell(Event::Demand);
        }
        if self.machine.state() != State::Starting {
            self.perform(vec![Action::GiveUp]);
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Command(Command::Publish(publisher)) => self.publish(publisher),
            Input::Command(Command::Session(session)) => self.machine.set_session(session),
            Input::Demand => self.tell(Event::Demand),
            Input::RungDemand => self.want(),
            Input::Media(Some(event)) => {
                let inbox = self.link.as_ref().map(Link::inbox);
                let (stream, metrics) = (&self.setup.spec.name, &self.setup.metrics);
                self.contribution.keep_from(self.distribution.lacks_from());
                match self.contribution.take(event, inbox, stream, metrics) {
                    Taken::Passed => {}
                    Taken::Decodable => self.tell(Event::Decodable),
                    Taken::Refused(cause) => self.setup.cell.error(&cause),
                }
            }
            Input::Media(None) => {
                tracing::info!(stream = self.name(), "publisher has gone");
                self.send_away();
                self.tell(Event::PublisherLeft);
            }
            Input::Said(Ok(message)) => self.heard(message),
            Input::Said(Err(gone)) => self.tell(Event::Lost(gone.to_string())),
            Input::Hired(Ok(link)) => self.start(link),
            Input::Hired(Err(cause)) => self.tell(Event::Lost(cause)),
            Input::Time => {
                self.miss_key_frame();
                self.want();
                let actions = self.machine.on_time(now());
                self.perform(actions);
            }
            Input::Stop => {
                self.send_away();
                self.tell(Event::Stop);
            }
        }
    }

    fn name(&self) -> &str {
        &self.setup.spec.name
    }

    fn inbox(&self) -> Option<&WorkerInbox> {
        self.link.as_ref().map(Link::inbox)
    }

    fn tell(&mut self, event: Event) {
        let actions = self.machine.on(event, now());
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.news = true;
            match action {
                Action::TellWatched => self.tell_watched(),
                Action::TellUnwatched => self.tell_unwatched(),
                Action::Hire => self.hiring = Some(self.hire()),
                Action::Replace { cause, again_in } => self.replace(&cause, again_in),
                Action::Finish => {
                    self.distribution.finish();
                    if let Some(inbox) = self.inbox() {
                        inbox.push(ToWorker::Finish);
                    }
                }
                Action::Retire => {
                    self.setup.tenancy.vacate();
                    if let Some(link) = self.link.take() {
                        link.retire();
                    }
                }
                Action::Dismiss => self.dismiss(),
                Action::Expect => self.setup.origin.expect(self.name()),
                Action::GiveUp => {
                    let setup = &self.setup;
                    let give_up = || setup.origin.give_up(&setup.spec.name);
                    setup.cell.give_up(setup.task, give_up);
                }
                Action::EndSession => self.end_session(),
                Action::Abandon(cause) => self.abandoned(&cause),
            }
        }
    }

    /// A worker, once the encoders have been tested. The future borrows nothing from this task and
    /// may be dropped at any time.
    fn hire(&self) -> Hiring {
        let (spares, mut tested) = (self.setup.spares.clone(), self.setup.tested.clone());
        // A publisher or a viewer waits for the others; a camera does not.
        let in_turn = self.setup.spec.schedule() == Schedule::Always;
        Box::pin(async move {
            let known = tested.wait_for(Option::is_some).await.map(|_| ());
            known.map_err(|_| "encoders were never tested".to_owned())?;
            let hired = match in_turn {
                true => spares.hire_in_turn().await,
                false => spares.hire().await,
            };
            hired.map_err(|gone| gone.to_string())
        })
    }

    /// Encoders that may be used, in the configured order: those that passed their test.
    fn encoders(&self) -> Vec<TemplateName> {
        let tested = self.setup.tested.borrow();
        let tested = tested.as_deref().unwrap_or_default();
        let of_family = |family: &Family| {
            let family = family.clone();
            tested
                .iter()
                .filter(move |encoder| encoder.family == family)
        };
        let order = self.setup.spec.order.iter().flat_map(of_family);
        order.map(|encoder| encoder.template.clone()).collect()
    }

    fn start(&mut self, link: Link) {
        self.hiring = None;
        let mut start = self.setup.spec.start(self.encoders());
        if start.encoders.is_empty() {
            drop(link);
            return self.tell(Event::Abandon("no configured encoder works".into()));
        }
        let now = monotonic();
        self.distribution.begin(&mut start, now);
        let resumes = start.resume.is_some();
        if let Some(resume) = &mut start.resume {
            resume.mapping = self
                .contribution
                .mapping(now.saturating_sub(resume.clock.zero));
        }
        let (pid, first_msn) = (link.pid(), start.first_msn);
        tracing::info!(
            stream = self.name(),
            pid,
            first_msn,
            resumes,
            "worker starts"
        );
        link.start(start);
        self.contribution.replay(link.inbox());
        self.link = Some(link);
        if let Some(plan) = self.distribution.plan() {
            let work = self.work_of(plan);
            self.setup.tenancy.begin(work);
        }
        self.tell(Event::Hired);
        self.want();
    }

    fn replace(&mut self, cause: &str, again_in: Duration) {
        self.dismiss();
        self.distribution.lose(again_in);
        self.setup.metrics.worker_restarts.inc();
        let next = if again_in.is_zero() {
            "starting another".to_owned()
        } else {
            format!("starting another in {again_in:?}")
        };
        tracing::warn!(stream = self.name(), cause, next, "worker lost");
        self.setup.cell.error(&format!("{cause}; {next}"));
    }

    fn dismiss(&mut self) {
        self.setup.tenancy.vacate();
        self.link = None;
        self.hiring = None;
        self.decoder = None;
    }

    fn end_session(&mut self) {
        if self.distribution.end() {
            self.setup.cell.ended(now());
        }
    }

    fn abandoned(&mut self, cause: &str) {
        tracing::error!(stream = self.name(), cause, "stream cannot be made");
        self.setup.cell.error(cause);
        self.send_away();
    }

    /// Updates the noticeboard if anything has changed.
    fn report(&mut self) {
        let state = self.machine.state();
        if !std::mem::take(&mut self.news) && state == self.reported {
            return;
        }
        self.reported = state;
        let before = self.setup.cell.report(Report {
            state,
            playable: self.distribution.playable(),
            input: self.distribution.input(),
            passthrough: self.distribution.passthrough_status(),
            rungs: self.distribution.rungs(),
            worker_pid: self.link.as_ref().map(Link::pid),
            worker_cpu: self.link.as_ref().and_then(|link| link.meter().cores()),
            decoder: self.decoder.clone(),
        });
        if before != state {
            tracing::info!(stream = self.name(), from = ?before, to = ?state, "state");
        }
    }
}

async fn said(link: &mut Option<Link>) -> Result<FromWorker, Gone> {
    match link {
        Some(link) => link.next().await,
        None => pending().await,
    }
}

async fn news(demand: Option<&RungDemand>) {
    match demand {
        Some(demand) => demand.news().await,
        None => pending().await,
    }
}

async fn hired(hiring: &mut Option<Hiring>) -> Result<Link, String> {
    match hiring {
        Some(hiring) => hiring.await,
        None => pending().await,
    }
}

async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

/// Completes when the stream is to stop, unless the machine has been told already.
async fn stopped(stop: &CancellationToken, machine: &Machine) {
    if machine.stopping() {
        return pending().await;
    }
    stop.cancelled().await;
}
