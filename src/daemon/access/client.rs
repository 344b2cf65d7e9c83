//! Asks other servers, briefly: who may watch, and which keys sign tokens.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client as Hyper, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::daemon::tls;

/// How long an answer may take, from the first byte of the question on.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Questions at a time; further ones wait their turn.
const QUESTIONS_MAX: usize = 64;
/// Connections that wait for the next question.
const IDLE_MAX: usize = 8;

/// Asks over HTTP/1.1, with TLS or without.
#[derive(Debug)]
pub(super) struct Client {
    hyper: Hyper<HttpsConnector<HttpConnector>, Full<Bytes>>,
    turns: Semaphore,
}

/// Why there is no answer. Displays in one line.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("no answer came within 3 s")]
    TooLate,
    #[error("it could not be asked: {0}")]
    Connection(#[from] hyper_util::client::legacy::Error),
    #[error("its answer broke off or has more than 256 KiB: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Client {
    /// A client that trusts whom this machine trusts.
    ///
    /// # Errors
    /// When this machine trusts nobody.
    pub(super) fn new() -> std::io::Result<Self> {
        let hyper = Hyper::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .build(tls::https_connector()?);
        Ok(Self {
            hyper,
            turns: Semaphore::new(QUESTIONS_MAX),
        })
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// [`NoAnswer`]
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
        let answer = async {
            // The semaphore is never closed; without a turn, the time runs out.
            let _turn = self.turns.acquire().await;
            let response = self.hyper.request(request).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            Ok(Answer {
                status: head.status,
                body: body.map_err(NoAnswer::Body)?.to_bytes(),
            })
        };
        timeout(ANSWER_MAX, answer)
            .await
            .unwrap_or(Err(NoAnswer::TooLate))
    }
}
