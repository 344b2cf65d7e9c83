//! A plain HTTP client. Every status is an answer, not an error.

use std::time::Duration;

use ureq::Agent;

/// Longest time for one request; the server holds none that long.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Largest body that is read.
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A response.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers; their names are in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// Value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(header, _): &&(String, String)| header.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .find(named)
            .map(|(_, value)| value.as_str())
    }
}

/// A client that keeps its connections open.
#[derive(Debug, Clone)]
pub struct Client(Agent);

impl Client {
    /// Creates a client.
    pub fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        Self(config.into())
    }

    /// Sends `GET url`; `Err` when there was no answer.
    pub fn get(&self, url: &str) -> Result<Answer, ureq::Error> {
        Self::answer(self.0.get(url).call()?)
    }

    /// Sends `GET url` as a page of the site `origin` does.
    pub fn get_from(&self, url: &str, origin: &str) -> Result<Answer, ureq::Error> {
        self.get_with(url, "Origin", origin)
    }

    /// Sends `GET url` with a header.
    pub fn get_with(&self, url: &str, name: &str, value: &str) -> Result<Answer, ureq::Error> {
        Self::answer(self.0.get(url).header(name, value).call()?)
    }

    fn answer(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
        let text = |value: &ureq::http::HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        let headers = response
            .headers()
            .iter()
            .map(|(k, v)| (k.to_string(), text(v)));
        let headers = headers.collect();
        Ok(Answer {
            status: response.status().as_u16(),
            headers,
            body: response
                .body_mut()
                .with_config()
                .limit(BODY_BYTES_MAX)
                .read_to_vec()?,
        })
    }
}
