//! What all handlers share.

use crate::daemon::origin::Origin;
use crate::daemon::telemetry::metrics::Metrics;

use super::assets::Assets;
use super::audience::Audience;
use super::caching::GzipCache;

/// What all handlers share.
#[derive(Debug)]
pub(super) struct App<C> {
    pub(super) audience: Audience,
    pub(super) catalog: C,
    pub(super) origin: Origin,
    pub(super) metrics: Metrics,
    pub(super) assets: &'static Assets,
    pub(super) gzip: GzipCache,
}
