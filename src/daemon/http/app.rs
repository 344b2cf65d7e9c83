//! What all handlers share.

use crate::daemon::access::Guard;
use crate::daemon::origin::Origin;
use crate::daemon::telemetry::metrics::Metrics;
use crate::daemon::tls::Certificates;

use super::assets::Assets;
use super::audience::Audience;
use super::edges::Steering;
use super::pages::Policies;
use super::redirect::Redirect;

/// What all handlers share.
#[derive(Debug)]
pub(super) struct App<C> {
    pub(super) audience: Audience,
    /// Where visitors of pages without TLS are sent.
    pub(super) redirect: Option<Redirect>,
    /// Who may watch.
    pub(super) guard: Guard,
    /// Where viewers are sent.
    pub(super) steering: Steering,
    /// What browsers may do with pages.
    pub(super) policies: Policies,
    pub(super) catalog: C,
    pub(super) origin: Origin,
    pub(super) metrics: Metrics,
    /// What the ports with TLS show; `None` where there is none.
    pub(super) certificates: Option<Certificates>,
    pub(super) assets: &'static Assets,
}
