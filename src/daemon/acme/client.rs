//! The HTTP client that speaks with a directory: every wait and every length is bounded.

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chrono::DateTime;
use http::header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio::time::timeout;

use crate::daemon::tls::Connector;

/// Longest time for one request, from the look-up of the name to the last byte of the answer.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Longest answer; a certificate with a long chain has some 10 KiB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// The port of an address without one (RFC 9110 section 4.2.2).
const HTTPS_PORT: u16 = 443;

/// Asks a directory. Each request has a connection of its own: there are about 15 in two months.
/// Clones are cheap and hear the same advice.
#[derive(Debug, Clone)]
pub(super) struct Client {
    connector: Connector,
    /// How long a refusal asked to wait.
    retry_after: Arc<Mutex<Option<Duration>>>,
}

impl Client {
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            connector,
            retry_after: Arc::default(),
        }
    }

    /// How long the last refusal asked to wait; told once.
    pub(super) fn advice(&self) -> Option<Duration> {
        let advice = self.retry_after.lock();
        advice.unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let is_get = request.method() == Method::GET;
        let host = request.uri().host().unwrap_or_default().to_owned();
        let exchanged = timeout(REQUEST_MAX, exchange(&self.connector, request)).await;
        let (parts, body) = match exchanged {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(other(format!("{host} cannot be asked: {error}"))),
            Err(_) => return Err(other(format!("{host} did not answer in time"))),
        };
        if !parts.status.is_success() {
            self.heed(&parts.headers);
            // Refusals in ACME are JSON (RFC 8555 section 6.7), and nobody is refused a directory.
            if is_get || serde_json::from_slice::<serde_json::Value>(&body).is_err() {
                return Err(other(format!("{host} answers {}", parts.status)));
            }
        }
        Ok(BytesResponse {
            parts,
            body: Box::new(body),
        })
    }

    fn heed(&self, headers: &HeaderMap) {
        if let Some(wait) = retry_after(headers, SystemTime::now()) {
            let mut advice = self
                .retry_after
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *advice = Some(wait);
        }
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().ask(request))
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn other(text: String) -> Error {
    Error::Other(text.into())
}

async fn exchange(
    connector: &Connector,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<(http::response::Parts, Bytes), Cause> {
    let uri = request.uri().clone();
    if uri.scheme_str() != Some("https") {
        return Err("its address does not begin with https://".into());
    }
    let host = uri.host().ok_or("its address names no host")?;
    let authority = uri.authority().ok_or("its address names no host")?;
    let authority = HeaderValue::from_str(authority.as_str())?;
    request.headers_mut().insert(HOST, authority);
    // A request to a server has the path alone (RFC 9112 section 3.2.1).
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;

    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(HTTPS_PORT);
    let stream = connector.connect(bare, port).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        Ok::<_, Cause>((parts, body.to_bytes()))
    };
    let mut connection = pin!(async {
        // What is wrong with the connection, the request says too.
        let _ = connection.await;
        pending::<()>().await;
    });
    tokio::select! {
        answer = answer => answer,
        () = &mut connection => Err("the connection ended".into()),
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?.timestamp();
    let date = UNIX_EPOCH + Duration::from_secs(u64::try_from(date).ok()?);
    date.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
        for (value, seconds) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", None),
            ("soon", None),
            ("-5", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, now), expected, "{value}");
        }
    }

    #[tokio::test]
    async fn what_is_not_https_is_not_asked() {
        let ca = tempfile::NamedTempFile::new().unwrap();
        let root = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(ca.path(), root.cert.pem()).unwrap();
        let client = Client::new(Connector::trusting(Some(ca.path())).unwrap());
        let request = Request::get("http://127.0.0.1:9/")
            .body(BodyWrapper::default())
            .unwrap();
        let error = client.request(request).await.err().unwrap().to_string();
        assert!(error.contains("does not begin with https://"), "{error}");
        assert_eq!(client.advice(), None);
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        client.heed(&headers);
        assert_eq!(client.advice(), Some(Duration::from_secs(7)));
        assert_eq!(client.advice(), None, "told once");
    }
}
