//! The running daemon: connects listeners, streams and origin, and shuts them down in order:
//! publishers first, then sessions, then viewers, then worker processes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::address::this_machine;
use super::exit::{Exit, Failure};
use super::heap;
use super::probing::Probing;
use crate::daemon::access::Guard;
use crate::daemon::acme;
use crate::daemon::config::keys::Keys;
use crate::daemon::config::settings::{self, Settings};
use crate::daemon::http;
use crate::daemon::ingest::rtmp;
use crate::daemon::net::{BindError, Listener, Proxies};
use crate::daemon::origin::{Limits, Origin};
use crate::daemon::session::{Catalog, Deps, Registry};
use crate::daemon::supervisor::orders::Orders;
use crate::daemon::supervisor::spawner::{Program, Spawner};
use crate::daemon::telemetry::metrics::Metrics;
use crate::daemon::tls::{self, About, Acceptor, Application, Certificates, Keeper};

/// How long ended playlists are still served, so that viewers see the end.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often ended sessions are removed.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Every component that runs, and the means to stop it.
pub(super) struct Daemon {
    /// Who may watch.
    guard: Guard,
    /// Where viewers are sent.
    steering: http::Steering,
    origin: Origin,
    registry: Registry,
    metrics: Metrics,
    spawner: Arc<Spawner>,
    orders: Orders,
    /// What the ports with TLS show; `None` where there is none.
    certificates: Option<Certificates>,
    /// What is wanted of a certificate authority.
    acme: watch::Sender<Option<acme::Plan>>,
    ingest: CancellationToken,
    viewers: CancellationToken,
    /// Servers and housekeeping. None of them ends before its token is cancelled.
    tasks: JoinSet<()>,
    probing: Probing,
}

/// The open ports, not served yet.
pub(super) struct Listeners {
    rtmp: Option<rtmp::Server<Registry>>,
    public: Option<http::Server>,
    admin: Option<http::Server>,
}

impl Listeners {
    /// Opens the configured ports.
    pub(super) fn bind(settings: &Settings, daemon: &Daemon) -> Result<Self, Failure> {
        let server = &settings.server;
        let proxies = Proxies::new(server.trusted_proxies.clone(), server.proxy_protocol);
        let certificates = daemon.certificates.as_ref();
        let ports = |plain, secured, application| {
            ports(plain, secured, certificates, application).map(|ports| {
                // Without a port there is nothing to serve.
                (!ports.is_empty()).then_some(ports)
            })
        };
        let rtmp = ports(
            ("rtmp", server.rtmp),
            ("rtmps", server.rtmps),
            Application::Rtmp,
        )?;
        let public = ports(
            ("http", server.http),
            ("https", server.https),
            Application::Http,
        )?;
        let rtmp = rtmp.map(|ports| {
            let (gate, limits) = (daemon.registry.clone(), rtmp_limits(&settings.limits));
            let server = rtmp::Server::of(ports, gate, limits, daemon.metrics.rtmp.clone());
            server.behind(proxies.clone())
        });
        let public = public.map(|ports| {
            let public = http::Server::public(ports, server.cors.clone())
                .guarded(daemon.guard.clone())
                .steered(daemon.steering.clone())
                .embedded_by(server.embed.clone())
                .with_limits(http_limits(&settings.limits))
                .knowing(daemon.certificates.clone())
                .behind(proxies.clone());
            match server.http_redirect {
                true => public.redirecting(),
                false => public,
            }
        });
        Ok(Self {
            rtmp,
            public,
            admin: admin(server)?.map(|admin| admin.knowing(daemon.certificates.clone())),
        })
    }
}

/// A key of `[server]`, and where it says to listen.
type Port = (&'static str, Option<SocketAddr>);

/// Opens the port without TLS and the one with TLS, as far as they are configured.
fn ports(
    plain: Port,
    secured: Port,
    certificates: Option<&Certificates>,
    application: Application,
) -> Result<Vec<Listener>, Failure> {
    let mut ports = Vec::new();
    if let (key, Some(address)) = plain {
        ports.push(Listener::bind(key, address).map_err(unavailable)?);
    }
    if let ((key, Some(address)), Some(certificates)) = (secured, certificates) {
        let acceptor = Acceptor::new(certificates, application)
            .map_err(|error| (Exit::Failure, format!("TLS cannot be spoken: {error}")))?;
        let port = Listener::bind(key, address).map_err(unavailable)?;
        ports.push(port.secured(acceptor));
    }
    Ok(ports)
}

fn unavailable(error: BindError) -> Failure {
    (Exit::Unavailable, error.to_string())
}

/// The open admin port; `None` where it is turned off, or where nobody configured it and another
/// program has its port.
fn admin(server: &settings::Server) -> Result<Option<http::Server>, Failure> {
    let Some(admin) = server.admin else {
        return Ok(None);
    };
    match http::Server::bind_admin(admin.address, server.admin_hosts.clone()) {
        Ok(server) => Ok(Some(server)),
        Err(error) if admin.is_default => {
            tracing::warn!(
                %error,
                next = "set [server] admin to a free port, or to \"\" to do without",
                "no admin port: /metrics, /readyz and the full API are not served"
            );
            Ok(None)
        }
        Err(error) => Err(unavailable(error)),
    }
}

fn http_limits(configured: &settings::Limits) -> http::Limits {
    http::Limits {
        connections_max: configured.connections_total,
        connections_per_address_max: configured.connections,
        requests_per_address_max: configured.requests,
        ..http::Limits::default()
    }
}

fn rtmp_limits(configured: &settings::Limits) -> rtmp::Limits {
    rtmp::Limits {
        strangers_per_address_max: configured.strangers,
        ..rtmp::Limits::default()
    }
}

fn log_ports<'a>(protocol: &str, ports: impl Iterator<Item = &'a Listener>) {
    for port in ports {
        let address = this_machine(port.address());
        let with_tls = if port.is_secured() { "S" } else { "" };
        tracing::info!(%address, "{protocol}{with_tls} is listening");
    }
}

fn log_admin_port(port: &Listener) {
    let address = port.address();
    if !address.ip().to_canonical().is_loopback() {
        tracing::warn!(
            %address,
            next = "let a firewall pass only those who may read metrics and the full API",
            "other machines may reach the admin port, which asks for no password"
        );
    }
    tracing::info!(address = %this_machine(address), "admin port is listening");
}

fn log_certificate(about: &About) {
    let (fingerprint, expires) = (&about.fingerprint, about.expires_text());
    let names = about.names.join(", ");
    match about.origin {
        tls::Origin::Files => tracing::info!(names, expires, fingerprint, "certificate"),
        tls::Origin::SelfMade => tracing::info!(
            names,
            expires,
            fingerprint,
            next = "browsers ask before they accept it: compare the SHA-256 fingerprint; or set acme, \
                    or certificate and key, in [server]",
            "certificate made by weir itself"
        ),
        tls::Origin::Authority => tracing::info!(
            names,
            expires,
            fingerprint,
            renewed = tls::date_text(acme::renewal(about)),
            "certificate made by the authority"
        ),
        tls::Origin::Trial => tracing::info!(
            names,
            expires,
            fingerprint,
            renewed = tls::date_text(acme::renewal(about)),
            next = "no browser trusts it: remove directory = \"staging\" once it works",
            "certificate made by the authority for a trial"
        ),
    }
}

impl Daemon {
    /// A daemon without streams and listeners.
    pub(super) fn new(
        settings: &Settings,
        orders: Orders,
        certificates: Option<(Certificates, Keeper)>,
    ) -> Result<Self, Failure> {
        let spawner = Spawner::new(Program::own_worker(&orders))
            .map_err(|e| (Exit::Failure, format!("workers cannot be started: {e}")))?;
        let spawner = Arc::new(spawner);
        let origin = Origin::new(Limits {
            window: settings.hls.window,
            memory: settings.hls.memory,
            hold_back: settings.hls.hold_back,
        });
        let metrics = Metrics::new(settings.hls.memory);
        let registry = Registry::new(Deps {
            origin: origin.clone(),
            subscribers: Vec::new(),
            launch: spawner.clone(),
            metrics: metrics.streams.clone(),
            window: settings.hls.window,
        });
        let viewers = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let acme = watch::Sender::new(None);
        let certificates = certificates.map(|(certificates, keeper)| {
            tasks.spawn(keeper.run(viewers.clone()));
            let has_http = settings.server.http.is_some();
            let renewer = acme::Renewer::new(certificates.clone(), has_http, acme.subscribe());
            tasks.spawn(renewer.run(viewers.clone()));
            certificates
        });
        Ok(Self {
            guard: Guard::default(),
            steering: http::Steering::default(),
            origin,
            registry,
            metrics,
            spawner,
            orders,
            certificates,
            acme,
            ingest: CancellationToken::new(),
            viewers,
            tasks,
            probing: Probing::default(),
        })
    }

    /// Starts to accept publishers and viewers.
    pub(super) fn serve(&mut self, listeners: Listeners) {
        if let Some(certificates) = &self.certificates {
            log_certificate(certificates.in_force().about());
        }
        if let Some(server) = listeners.rtmp {
            log_ports("RTMP", server.ports());
            self.tasks.spawn(server.run(self.ingest.clone()));
        }
        if let Some(server) = listeners.public {
            log_ports("HTTP", server.ports());
            self.answer(server);
        }
        if let Some(server) = listeners.admin {
            server.ports().for_each(log_admin_port);
            self.answer(server);
        }
        self.tasks
            .spawn(housekeeping(self.origin.clone(), self.viewers.clone()));
        self.tasks.spawn(heap::trimming(self.viewers.clone()));
    }

    fn answer(&mut self, server: http::Server) {
        self.tasks.spawn(server.run(
            self.registry.clone(),
            self.origin.clone(),
            self.metrics.clone(),
            self.viewers.clone(),
        ));
    }

    /// Applies `settings` to the streams. When the encoder order changed, or no encoder works,
    /// encoders are tested in the background and new streams wait for the result.
    ///
    /// # Errors
    /// When it cannot be decided who may watch. Everything stays as it was.
    pub(super) fn apply(&mut self, settings: &Settings, keys: &Keys) -> Result<(), Failure> {
        // First of all: nobody sees a moment of what is not for everybody any more.
        self.guard(settings, keys)?;
        self.steering.set(&settings.edges);
        let order = &settings.encoder.order;
        if self.probing.is_needed(order, &self.registry) {
            self.registry.await_encoders();
            let registry = self.registry.clone();
            self.probing.start(order, self.orders.clone(), registry);
        }
        self.registry.apply(settings, &keys.publish);
        let source = settings.server.certificate_source();
        if let Some((certificates, source)) = self.certificates.as_ref().zip(source) {
            certificates.take_from(source);
        }
        let plan = settings.server.acme_plan();
        self.acme.send_if_modified(|current| {
            let differs = *current != plan;
            *current = plan;
            differs
        });
        Ok(())
    }

    fn guard(&self, settings: &Settings, keys: &Keys) -> Result<(), Failure> {
        let streams = settings.streams.iter();
        let policies = streams.map(|stream| (stream.name.clone(), stream.policy.clone()));
        // Whoever may not watch any more is out within a segment.
        let period = settings.hls.segment;
        let signing = keys.signing.as_ref();
        let applied = self
            .guard
            .apply(policies, &settings.access, signing, period);
        applied.map_err(|error| {
            let message = format!("it cannot be decided who may watch: {error}");
            (Exit::Failure, message)
        })
    }

    /// Waits until a task ends that never should; returns an error message.
    pub(super) async fn broken(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Err(error)) => format!("a task of the daemon failed: {error}"),
            // Never an empty set: housekeeping runs until the end.
            _ => "a task of the daemon ended by itself".to_owned(),
        }
    }

    /// Disconnects publishers, ends sessions, serves the ended playlists for [`FAREWELL`] if
    /// anybody watches, and stops.
    pub(super) async fn drain(mut self) {
        tracing::info!("stopping: live playlists end now");
        self.ingest.cancel();
        self.probing.stop().await;
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

async fn housekeeping(origin: Origin, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        origin.purge();
    }
}
