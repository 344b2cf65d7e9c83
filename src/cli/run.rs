//! `weir run`: starts the daemon, applies configuration changes, stops on a signal.

use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::config::Config;
use super::daemon::{Daemon, Listeners};
use super::exit::{Exit, Failure};
use super::heap;
use super::terminal::fail;
use super::walls;
use crate::daemon::config::settings::Settings;
use crate::daemon::config::watch::Watcher;
use crate::daemon::config::{self, keys::Keys};
use crate::daemon::http;
use crate::daemon::supervisor::orders::Orders;
use crate::daemon::telemetry::logs;
use crate::daemon::tls::{self, Certificates, Keeper};

/// Runs the daemon until a signal stops it or a part of it fails.
pub(super) fn run(config: &Config) -> Exit {
    let settings = match config.load() {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    if let Err(error) = logs::init_from_env() {
        return fail(Exit::Config, &error.to_string());
    }
    walls::hide_memory();
    let orders = config.orders(settings.worker.sandbox);
    if let Err((exit, message)) = walls::check(&orders) {
        return fail(exit, &message);
    }
    for warning in config::exposed(&config.path) {
        tracing::warn!("{warning}");
    }
    http::raise_open_files_limit();
    heap::shape();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Failure, &format!("no threads to run on: {error}")),
    };
    let served = runtime.block_on(serve(config, settings, orders));
    // A running encoder test must not delay the exit; its process dies with this one.
    runtime.shutdown_background();
    match served {
        Ok(()) => Exit::Ok,
        Err((exit, message)) => fail(exit, &message),
    }
}

async fn serve(config: &Config, settings: Settings, orders: Orders) -> Result<(), Failure> {
    let settings = Arc::new(settings);
    let mut signals = Signals::new().map_err(|e| (Exit::Failure, e.to_string()))?;
    let keys = keys(&settings).await?;
    writable(&settings.server.data)?;
    let environment = config::environment();
    let watcher =
        Watcher::spawn(config.path.clone(), environment, settings.clone()).map_err(|e| {
            (
                Exit::Failure,
                format!("the configuration cannot be watched: {e}"),
            )
        })?;

    let certificates = certificates(&settings).await?;
    let mut daemon = Daemon::new(&settings, orders, certificates)?;
    // The order matters: a taken port is reported before any camera is contacted, and streams exist
    // before the first publisher is accepted.
    let listeners = Listeners::bind(&settings, &daemon)?;
    daemon.apply(&settings, &keys)?;
    daemon.serve(listeners);

    let ended = follow(&mut daemon, &mut signals, &watcher).await;
    let farewell = async { tokio::join!(daemon.drain(), watcher.stop()) };
    tokio::select! {
        _ = farewell => {}
        () = signals.stop() => tracing::warn!("stopped at once by a second signal"),
    }
    ended
}

/// Applies every change of the configuration, until a stop signal comes or a part of the daemon
/// ends that never should.
async fn follow(
    daemon: &mut Daemon,
    signals: &mut Signals,
    watcher: &Watcher,
) -> Result<(), Failure> {
    let mut changes = watcher.subscribe();
    loop {
        tokio::select! {
            () = signals.stop() => return Ok(()),
            cause = daemon.broken() => return Err((Exit::Failure, cause)),
            changed = changes.changed() => {
                if changed.is_err() {
                    let cause = "the configuration's watcher ended by itself".to_owned();
                    return Err((Exit::Failure, cause));
                }
                let new = changes.borrow_and_update().clone();
                let applied = match keys(&new).await {
                    Ok(keys) => daemon.apply(&new, &keys),
                    Err(failure) => Err(failure),
                };
                match applied {
                    Ok(()) => {}
                    Err((_, cause)) => tracing::error!(
                        %cause,
                        "streams stay as they were: fix the cause, then save the configuration \
                         again"
                    ),
                }
            }
        }
    }
}

async fn keys(settings: &Arc<Settings>) -> Result<Keys, Failure> {
    let settings = settings.clone();
    tokio::task::spawn_blocking(move || Keys::of(&settings))
        .await
        .map_err(|e| (Exit::Failure, e.to_string()))?
        .map_err(|e| (Exit::Data, e.to_string()))
}

/// The certificate of the ports with TLS; `None` where there is no such port.
async fn certificates(settings: &Settings) -> Result<Option<(Certificates, Keeper)>, Failure> {
    let Some(source) = settings.server.certificate_source() else {
        return Ok(None);
    };
    let opened = tokio::task::spawn_blocking(move || Certificates::open(source)).await;
    let failure = |error: &dyn std::fmt::Display| (Exit::Failure, error.to_string());
    let opened = opened.map_err(|error| failure(&error))?;
    match opened.map_err(|error| failure(&error))? {
        Ok(opened) => Ok(Some(opened)),
        Err(missing @ tls::Missing::File { .. }) => Err((Exit::Config, missing.to_string())),
        Err(missing @ tls::Missing::SelfMade(_)) => Err((Exit::Data, missing.to_string())),
    }
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

/// The signals that stop the daemon: SIGTERM and SIGINT.
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
