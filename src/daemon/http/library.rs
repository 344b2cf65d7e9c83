//! What the web side reads: the origin, or a stub in tests.

use std::future::Future;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::daemon::origin::{Document, Missing, Object, Origin, Packaging, Reload, Usage};

/// The reading end of an [`Origin`], method for method.
pub trait Library: Clone + Send + Sync + 'static {
    /// See [`Origin::master`].
    fn master(
        &self,
        stream: &str,
        packaging: Packaging,
        wait: Duration,
    ) -> impl Future<Output = Result<Document, Missing>> + Send;

    /// See [`Origin::playlist`].
    fn playlist(
        &self,
        stream: &str,
        session: &str,
        rendition: &str,
        packaging: Packaging,
        reload: Reload,
    ) -> impl Future<Output = Result<Document, Missing>> + Send;

    /// See [`Origin::object`].
    fn object(
        &self,
        stream: &str,
        session: &str,
        rendition: &str,
        file: &str,
    ) -> impl Future<Output = Result<Object, Missing>> + Send;

    /// See [`Origin::thumbnail`].
    fn thumbnail(&self, stream: &str) -> Option<(Bytes, SystemTime)>;

    /// See [`Origin::usage`].
    fn usage(&self) -> Usage;
}

impl Library for Origin {
    async fn master(
        &self,
        stream: &str,
        packaging: Packaging,
        wait: Duration,
    ) -> Result<Document, Missing> {
        Origin::master(self, stream, packaging, wait).await
    }

    async fn playlist(
        &self,
        stream: &str,
        session: &str,
        rendition: &str,
        packaging: Packaging,
        reload: Reload,
    ) -> Result<Document, Missing> {
        Origin::playlist(self, stream, session, rendition, packaging, reload).await
    }

    async fn object(
        &self,
        stream: &str,
        session: &str,
        rendition: &str,
        file: &str,
    ) -> Result<Object, Missing> {
        Origin::object(self, stream, session, rendition, file).await
    }

    fn thumbnail(&self, stream: &str) -> Option<(Bytes, SystemTime)> {
        Origin::thumbnail(self, stream)
    }

    fn usage(&self) -> Usage {
        Origin::usage(self)
    }
}
