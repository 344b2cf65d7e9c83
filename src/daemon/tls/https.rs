//! Connections to other servers.

use std::io;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio_rustls::rustls::crypto::ring;

/// Connects to servers of `http://` and `https://` addresses, and trusts the authorities that this machine
/// trusts.
///
/// # Errors
/// When this machine trusts none.
pub fn https_connector() -> io::Result<HttpsConnector<HttpConnector>> {
    let builder =
        HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider())?;
    Ok(builder.https_or_http().enable_http1().build())
}
