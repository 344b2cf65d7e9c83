//! The registry of all configured streams. It lets publishers in, answers the web side and follows
//! the configuration.

mod admission;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::capacity::Capacity;
use super::catalog::{Catalog, Demand};
use super::cell::Cell;
use super::contribution::Publisher;
use super::machine::Limits;
use super::spec::Spec;
use super::stream::{self, Command, Setup, Tested};
use super::subscribers::Subscriber;
use super::viewers::Viewer;
use crate::base::secret::Secret;
use crate::daemon::config::settings::{self, Settings, Stream};
use crate::daemon::ingest::{Gate, LEASE_EVENTS_MAX, Lease, PublishRequest, Refusal, Revoked};
use crate::daemon::origin::Origin;
use crate::daemon::supervisor::spare::Spares;
use crate::daemon::supervisor::spawner::Launch;
use crate::daemon::telemetry::metrics::StreamMetrics;
use crate::model::hls::Packaging;
use crate::model::status::StreamStatus;

/// Commands that may wait for a stream's task.
const COMMANDS_MAX: usize = 16;
/// How long a publisher waits for the stream's task to let it in.
const LET_IN_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long all streams together may take to end.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// What a registry needs.
pub struct Deps {
    /// Where sessions can be played.
    pub origin: Origin,
    /// Who else receives what sessions make, in this order.
    pub subscribers: Vec<Box<dyn Subscriber>>,
    /// Starts workers.
    pub launch: Arc<dyn Launch>,
    /// The streams' counters.
    pub metrics: StreamMetrics,
    /// For how long an ended session can be played.
    pub window: Duration,
}

/// All streams. Cheap to clone; the [`Gate`] of every ingest and the [`Catalog`] of the web side.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    origin: Origin,
    subscribers: Arc<[Box<dyn Subscriber>]>,
    spares: Arc<Spares>,
    metrics: StreamMetrics,
    window: Duration,
    limits: Limits,
    capacity: Capacity,
    tested: watch::Sender<Option<Arc<[Tested]>>>,
    works: AtomicBool,
    closing: AtomicBool,
    streams: RwLock<Streams>,
}

#[derive(Default)]
struct Streams {
    /// Names in the order of the configuration file.
    order: Vec<String>,
    entries: HashMap<String, Entry>,
    /// Removed streams whose tasks are about to end, by name.
    leaving: HashMap<String, Earlier>,
}

/// What is left of a stream that was removed or changed.
struct Earlier {
    cell: Arc<Cell>,
    /// About to end; `None` once a shutdown waits for it.
    task: Option<JoinHandle<()>>,
}

/// One configured stream.
struct Entry {
    spec: Spec,
    key: Option<Secret>,
    session: settings::Session,
    cell: Arc<Cell>,
    commands: mpsc::Sender<Command>,
    /// Stops the task when dropped.
    stop: Option<DropGuard>,
    /// `None` once a shutdown waits for the task.
    task: Option<JoinHandle<()>>,
}

impl Entry {
    /// Tells the stream's task to end.
    fn leave(self) -> Earlier {
        drop(self.stop);
        Earlier {
            cell: self.cell,
            task: self.task,
        }
    }
}

impl Registry {
    /// A registry without streams. It starts a spare worker at once, so it needs a tokio runtime.
    pub fn new(deps: Deps) -> Self {
        Self::with_limits(deps, Limits::default())
    }

    /// The same, with other limits than the usual ones.
    pub fn with_limits(deps: Deps, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            origin: deps.origin,
            subscribers: deps.subscribers.into(),
            spares: Arc::new(Spares::new(deps.launch)),
            metrics: deps.metrics,
            window: deps.window,
            limits,
            capacity: Capacity::of_this_machine(),
            tested: watch::Sender::new(None),
            works: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            streams: RwLock::default(),
        }))
    }

    /// Says which encoders passed a test encode. Streams start no worker before this is known.
    /// Without any encoder the daemon is not [ready](Catalog::ready).
    pub fn set_encoders(&self, tested: Vec<Tested>) {
        self.0.works.store(!tested.is_empty(), Ordering::SeqCst);
        self.0.tested.send_replace(Some(tested.into()));
    }

    /// Encoders are about to be tested again: streams wait for the outcome before they start
    /// another worker.
    pub fn await_encoders(&self) {
        self.0.tested.send_replace(None);
    }

    /// Makes the streams those of `settings`: new ones begin, missing ones end, changed ones end
    /// and begin again. All others go on undisturbed, even with another key, grace period or linger.
    /// `keys` holds the publish keys that are not in the configuration, by stream.
    pub fn apply(&self, settings: &Settings, keys: &BTreeMap<String, Secret>) {
        if self.0.closing.load(Ordering::SeqCst) {
            return;
        }
        self.0
            .capacity
            .set_refuses(settings.encoder.refuse_overload);
        let mut streams = self.write();
        streams
            .leaving
            .retain(|_, left| left.task.as_ref().is_some_and(|task| !task.is_finished()));
        let mut before = std::mem::take(&mut streams.entries);
        for stream in &settings.streams {
            let key = key_of(stream, keys);
            let entry = match before.remove(&stream.name) {
                Some(entry) => self.keep_or_replace(entry, settings, stream, key),
                // It may have been removed a moment ago.
                None => {
                    let earlier = streams.leaving.remove(&stream.name);
                    self.begin(settings, stream, key, earlier)
                }
            };
            streams.entries.insert(stream.name.clone(), entry);
        }
        streams.order = settings.streams.iter().map(|s| s.name.clone()).collect();
        for (name, entry) in before {
            tracing::info!(
                stream = name,
                "stream is not configured any more; ending it"
            );
            self.0.metrics.forget(&name);
            streams.leaving.insert(name, entry.leave());
        }
    }

    fn keep_or_replace(
        &self,
        mut entry: Entry,
        settings: &Settings,
        stream: &Stream,
        key: Option<Secret>,
    ) -> Entry {
        if entry.spec != Spec::of(settings, stream) {
            tracing::info!(
                stream = stream.name,
                "settings changed; a new session begins"
            );
            let earlier = entry.leave();
            return self.begin(settings, stream, key, Some(earlier));
        }
        let session = settings.session;
        if entry.session != session {
            match entry.commands.try_send(Command::Session(session)) {
                Ok(()) => entry.session = session,
                Err(error) => {
                    tracing::warn!(stream = stream.name, %error, "grace and linger not changed");
                }
            }
        }
        entry.key = key;
        entry
    }

    fn begin(
        &self,
        settings: &Settings,
        stream: &Stream,
        key: Option<Secret>,
        earlier: Option<Earlier>,
    ) -> Entry {
        let spec = Spec::of(settings, stream);
        let session = settings.session;
        let source = stream.source.place();
        let (cell, task, predecessor) = match earlier {
            Some(Earlier { cell, task }) => {
                let number = cell.succeed(source, spec.schedule());
                // Viewers may wait for the earlier session; the new task says whether one comes.
                self.0.origin.expect(&spec.name);
                (cell, number, task)
            }
            None => {
                let cell = Cell::new(&spec.name, source, spec.schedule());
                (Arc::new(cell), 0, None)
            }
        };
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let stop = CancellationToken::new();
        let task = tokio::spawn(stream::run(Setup {
            spec: spec.clone(),
            limits: self.0.limits.with_session(session).with_random_pace(),
            origin: self.0.origin.clone(),
            subscribers: self.0.subscribers.clone(),
            spares: self.0.spares.clone(),
            tested: self.0.tested.subscribe(),
            metrics: self.0.metrics.of(&spec.name),
            tenancy: self.0.capacity.tenancy(&spec.name),
            cell: cell.clone(),
            task,
            commands: receiver,
            stop: stop.clone(),
            predecessor,
        }));
        Entry {
            spec,
            key,
            session,
            cell,
            commands,
            stop: Some(stop.drop_guard()),
            task: Some(task),
        }
    }

    /// Sends publishers away, ends every session within 5 s and discards the spare worker. What
    /// was made stays in the origin.
    pub async fn shutdown(&self) {
        self.0.closing.store(true, Ordering::SeqCst);
        let mut tasks = {
            let mut streams = self.write();
            let leaving = std::mem::take(&mut streams.leaving).into_values();
            let mut tasks: Vec<_> = leaving.filter_map(|left| left.task).collect();
            // The entries stay, for viewers still ask how their streams ended.
            for entry in streams.entries.values_mut() {
                entry.stop = None;
                tasks.extend(entry.task.take());
            }
            tasks
        };
        let deadline = tokio::time::Instant::now() + SHUTDOWN_MAX;
        for task in &mut tasks {
            if timeout_at(deadline, &mut *task).await.is_err() {
                tracing::warn!("a stream does not end in time; dropping it");
                task.abort();
                let _ = task.await;
            }
        }
        self.0.spares.close().await;
    }

    fn read(&self) -> RwLockReadGuard<'_, Streams> {
        self.0
            .streams
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Streams> {
        self.0
            .streams
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_of(stream: &Stream, keys: &BTreeMap<String, Secret>) -> Option<Secret> {
    let configured = stream.publish_key.as_ref();
    configured.or_else(|| keys.get(&stream.name)).cloned()
}

impl Gate for Registry {
    async fn publish(&self, request: PublishRequest) -> Result<Lease, Refusal> {
        let (peer, protocol) = (request.peer, request.protocol);
        let commands = self.admit(&request).inspect_err(|refusal| {
            // Log only names known to be streams; anything else may be a mistyped key.
            let stream = (*refusal == Refusal::WrongKey).then_some(request.stream.as_str());
            tracing::debug!(stream, %peer, protocol, cause = %refusal, "publisher refused");
        })?;
        let (media, receiver) = mpsc::channel(LEASE_EVENTS_MAX);
        let revoked = Revoked::default();
        let command = Command::Publish(Publisher {
            media: receiver,
            revoked: revoked.clone(),
            peer,
            protocol,
        });
        match timeout(LET_IN_WAIT_MAX, commands.send(command)).await {
            Ok(Ok(())) => Ok(Lease { media, revoked }),
            // The stream is ending. Another of the same name may begin at once.
            _ => Err(Refusal::ShuttingDown),
        }
    }
}

impl Catalog for Registry {
    fn list(&self) -> Vec<StreamStatus> {
        let (streams, now) = (self.read(), Instant::now());
        let entries = streams
            .order
            .iter()
            .filter_map(|name| streams.entries.get(name));
        entries.map(|entry| entry.cell.status(now)).collect()
    }

    fn status(&self, name: &str) -> Option<StreamStatus> {
        let streams = self.read();
        streams
            .entries
            .get(name)
            .map(|entry| entry.cell.status(Instant::now()))
    }

    fn demand(&self, name: &str, packaging: Packaging, viewer: &Viewer<'_>) -> Demand {
        let streams = self.read();
        let Some(entry) = streams.entries.get(name) else {
            return Demand::Unknown;
        };
        if packaging == Packaging::Ts && !entry.spec.cutting.ts {
            return Demand::Nothing;
        }
        let demand = entry.cell.demand(viewer, self.0.window, Instant::now());
        if self.0.closing.load(Ordering::SeqCst) {
            return Demand::Playable;
        }
        if demand == Demand::Starting && entry.spec.schedule().is_on_demand() {
            // The first viewer waits before the stream's task has woken.
            self.0.origin.expect(name);
        }
        demand
    }

    fn watching(&self, name: &str, viewer: &Viewer<'_>, rung: Option<&str>) -> bool {
        let streams = self.read();
        let entry = streams.entries.get(name);
        if let Some(entry) = entry {
            entry.cell.watching(viewer, rung, Instant::now());
        }
        entry.is_some()
    }

    fn ready(&self) -> bool {
        self.0.works.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests;
