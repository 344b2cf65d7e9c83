//! Asks an address of the operator's who may watch.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use url::Url;

use super::client::Client;
use super::policy::Refusal;

/// The address that is asked.
#[derive(Debug)]
pub(super) struct Webhook {
    url: Url,
    client: Arc<Client>,
}

/// The question, as JSON.
#[derive(Debug, Serialize)]
struct Question<'a> {
    stream: &'a str,
    address: IpAddr,
    token: Option<&'a str>,
}

impl Webhook {
    pub(super) fn new(url: Url, client: Arc<Client>) -> Self {
        Self { url, client }
    }

    /// Whether somebody may watch: 2xx is yes, 401, 403 and 404 are no.
    ///
    /// # Errors
    /// [`Refusal::Wrong`], [`Refusal::Missing`] if the no is to nobody's token, or
    /// [`Refusal::Unavailable`] for any other answer and for none.
    pub(super) async fn check(
        &self,
        stream: &str,
        address: IpAddr,
        token: Option<&str>,
    ) -> Result<(), Refusal> {
        let question = Question {
            stream,
            address: address.to_canonical(),
            token,
        };
        let cause = match self.ask(&question).await {
            Ok(status) if status.is_success() => return Ok(()),
            Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
                return Err(token.map_or(Refusal::Missing, |_| Refusal::Wrong));
            }
            Ok(status) => format!("it answers {status}"),
            Err(error) => error,
        };
        tracing::warn!(
            stream,
            cause,
            next = "new viewers are refused, known ones go on for 30 s; see whether [access] webhook \
                    answers",
            "the webhook does not say who may watch"
        );
        Err(Refusal::Unavailable)
    }

    async fn ask(&self, question: &Question<'_>) -> Result<StatusCode, String> {
        let body = serde_json::to_vec(question).map_err(|error| error.to_string())?;
        let request = Request::post(self.url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let answer = self.client.ask(request).await;
        answer
            .map(|answer| answer.status)
            .map_err(|error| error.to_string())
    }
}
