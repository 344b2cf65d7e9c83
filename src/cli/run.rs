//! `weir run`: the daemon. Wires listeners, streams and origin together, and takes them apart in
//! order: publishers first, then sessions, then viewers, then processes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Config, Exit, fail, this_machine};
use crate::config::settings::{Secret, Settings};
use crate::config::watch::Watcher;
use crate::config::{self, keys};
use crate::http::{self, Catalog};
use crate::ingest::rtmp;
use crate::origin::{Limits, Origin};
use crate::session::{Deps, Registry, Tested};
use crate::telemetry::{logs, metrics::Metrics};
use crate::worker::probe;
use crate::worker::spawner::{Program, Spawner};

/// How long ended playlists are served to the viewers that are still there.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often ended sessions are swept up and connection counts are read.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Runs the daemon until it is told to stop.
pub(super) fn run(config: &Config) -> Exit {
    let settings = match config.load() {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    if let Err(error) = logs::init_from_env() {
        return fail(Exit::Config, &error.to_string());
    }
    http::raise_open_files_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => match runtime.block_on(serve(config, settings)) {
            Ok(()) => Exit::Ok,
            Err((exit, message)) => fail(exit, &message),
        },
        Err(error) => fail(Exit::Failure, &format!("no threads to run on: {error}")),
    }
}

type Failure = (Exit, String);

async fn serve(config: &Config, settings: Settings) -> Result<(), Failure> {
    let settings = Arc::new(settings);
    let mut signals = Signals::new().map_err(|e| (Exit::Failure, e.to_string()))?;
    let keys = publish_keys(&settings).await?;
    writable(&settings.server.data)?;
    let environment = config::environment();
    let watcher =
        Watcher::spawn(config.path.clone(), environment, settings.clone()).map_err(|e| {
            (
                Exit::Failure,
                format!("the configuration cannot be watched: {e}"),
            )
        })?;

    let mut daemon = Daemon::new(config, &settings)?;
    daemon.listen(&settings).await?;
    daemon.registry.apply(&settings, &keys);
    daemon.probe(&settings);

    let mut changes = watcher.subscribe();
    loop {
        tokio::select! {
            () = signals.stop() => break,
            changed = changes.changed() => {
                if changed.is_err() {
                    break;
                }
                let new = changes.borrow_and_update().clone();
                daemon.reload(&new).await;
            }
        }
    }
    tokio::select! {
        () = daemon.drain() => {}
        () = signals.stop() => tracing::warn!("stopped at once by a second signal"),
    }
    watcher.stop().await;
    Ok(())
}

async fn publish_keys(settings: &Arc<Settings>) -> Result<BTreeMap<String, Secret>, Failure> {
    let settings = settings.clone();
    tokio::task::spawn_blocking(move || keys::publish_keys(&settings))
        .await
        .map_err(|e| (Exit::Failure, e.to_string()))?
        .map_err(|e| (Exit::Data, e.to_string()))
}

fn writable(data: &Path) -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| {
        let message = format!(
            "the data folder {} cannot be written ({error}); make it writable or set server.data",
            data.display()
        );
        (Exit::Data, message)
    };
    std::fs::create_dir_all(data).map_err(unwritable)?;
    let probe = data.join(".writable");
    std::fs::write(&probe, b"").map_err(unwritable)?;
    std::fs::remove_file(&probe).map_err(unwritable)
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Everything that runs.
struct Daemon {
    origin: Origin,
    registry: Registry,
    metrics: Metrics,
    spawner: Arc<Spawner>,
    pipelines: Option<PathBuf>,
    ingest: CancellationToken,
    viewers: CancellationToken,
    tasks: JoinSet<()>,
}

impl Daemon {
    fn new(config: &Config, settings: &Settings) -> Result<Self, Failure> {
        let spawner = Spawner::new(Program::own_worker())
            .map_err(|e| (Exit::Failure, format!("workers cannot be started: {e}")))?;
        let spawner = Arc::new(spawner);
        let origin = Origin::new(Limits {
            window: settings.hls.window,
            memory: settings.hls.memory,
            hold_back: settings.hls.hold_back,
        });
        let metrics = Metrics::new(settings.hls.memory);
        let pipelines = config.pipelines();
        let registry = Registry::new(Deps {
            shelf: origin.clone(),
            launch: spawner.clone(),
            metrics: metrics.streams.clone(),
            pipelines: pipelines.clone(),
        });
        Ok(Self {
            origin,
            registry,
            metrics,
            spawner,
            pipelines,
            ingest: CancellationToken::new(),
            viewers: CancellationToken::new(),
            tasks: JoinSet::new(),
        })
    }

    async fn listen(&mut self, settings: &Settings) -> Result<(), Failure> {
        let mut rtmp_stats = None;
        if let Some(address) = settings.server.rtmp {
            let limits = rtmp::Limits::default();
            let server = rtmp::Server::bind(address, self.registry.clone(), limits)
                .await
                .map_err(|error| (Exit::Unavailable, taken("rtmp", address, &error)))?;
            tracing::info!(address = %this_machine(server.local_addr()), "RTMP is listening");
            rtmp_stats = Some(server.stats());
            self.tasks.spawn(server.run(self.ingest.clone()));
        }
        if let Some(address) = settings.server.http {
            let server = http::Server::bind(address)
                .map_err(|error| (Exit::Unavailable, error.to_string()))?;
            tracing::info!(address = %this_machine(server.address()), "HTTP is listening");
            self.tasks.spawn(server.run(
                self.registry.clone(),
                self.origin.clone(),
                self.metrics.clone(),
                self.viewers.clone(),
            ));
        }
        let housekeeper = housekeeping(
            self.origin.clone(),
            self.metrics.clone(),
            rtmp_stats,
            self.viewers.clone(),
        );
        self.tasks.spawn(housekeeper);
        Ok(())
    }

    /// Finds out, aside, which encoders work; streams wait for the answer.
    fn probe(&mut self, settings: &Settings) {
        let registry = self.registry.clone();
        let (order, pipelines) = (settings.encoder.order.clone(), self.pipelines.clone());
        self.tasks.spawn(async move {
            let probing = move || probe::encoders(&order, pipelines.as_deref());
            let Ok(outcomes) = tokio::task::spawn_blocking(probing).await else {
                return;
            };
            for outcome in &outcomes {
                match &outcome.failure {
                    None => tracing::info!(encoder = %outcome.template, "encoder works"),
                    Some(cause) => {
                        tracing::debug!(encoder = %outcome.template, %cause, "encoder left out");
                    }
                }
            }
            let working = outcomes
                .into_iter()
                .filter(|outcome| outcome.failure.is_none());
            let working: Vec<_> = working
                .map(|outcome| Tested {
                    family: outcome.family,
                    template: outcome.template,
                })
                .collect();
            if working.is_empty() {
                tracing::error!("no encoder works: run `scripts/setup`, then `weir doctor`");
            }
            registry.set_encoders(working);
        });
    }

    async fn reload(&mut self, settings: &Arc<Settings>) {
        match publish_keys(settings).await {
            Ok(keys) => {
                self.registry.apply(settings, &keys);
                self.probe(settings);
            }
            Err((_, cause)) => {
                tracing::error!(
                    %cause, next = "put that right, then send SIGHUP",
                    "the new configuration is left out, the old one stays in force"
                );
            }
        }
    }

    /// Sends publishers away, ends sessions, serves their ends to those who watch, stops.
    async fn drain(mut self) {
        tracing::info!("stopping: live playlists end now");
        self.ingest.cancel();
        let watched = self.registry.list().iter().any(|status| status.viewers > 0);
        self.registry.shutdown().await;
        if watched {
            tokio::time::sleep(FAREWELL).await;
        }
        self.viewers.cancel();
        while self.tasks.join_next().await.is_some() {}
        drop(self.registry);
        self.spawner.reaped().await;
    }
}

fn taken(what: &str, address: SocketAddr, error: &std::io::Error) -> String {
    format!(
        "cannot listen on {address} ({error}); stop what listens there or set server.{what} in \
         the configuration"
    )
}

async fn housekeeping(
    origin: Origin,
    metrics: Metrics,
    rtmp: Option<Arc<rtmp::Stats>>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        origin.purge();
        if let Some(stats) = &rtmp {
            metrics.rtmp.follow(stats);
        }
    }
}
