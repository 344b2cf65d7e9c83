//! One resource: request, challenge, redirects, and the body of the answer.

use std::io::{self, BufReader, Read};

use gio::prelude::CancellableExt;
use url::Url;

use super::body::{Body, Framing};
use super::cause::{Cause, Shown};
use super::connection::Connection;
use super::head::{self, Head, Range};
use super::rules::Rules;

/// Most redirects of one request.
const REDIRECTS_MAX: usize = 5;

/// A successful answer.
pub struct Response {
    /// Address that answered, after redirects.
    pub url: Url,
    /// Value of `Content-Type`.
    pub content_type: String,
    /// Bytes of the body, where the head says them.
    pub length: Option<u64>,
    body: Body<BufReader<Connection>>,
    stop: gio::Cancellable,
}

impl Response {
    /// Reads what has arrived; 0 bytes at the end.
    ///
    /// # Errors
    /// When the connection fails, or ends before the body does.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, Cause> {
        self.body
            .read(into)
            .map_err(|error| failure(&self.url, &error, &self.stop))
    }
}

/// Fetches `url`, or a part of it, until `stop` is cancelled. The cause of a failure is noted in
/// `rules`.
///
/// # Errors
/// Why there is no answer with media.
pub fn get(
    rules: &Rules,
    url: &Url,
    range: Option<Range>,
    stop: &gio::Cancellable,
) -> Result<Response, Cause> {
    let mut url = url.clone();
    let mut authorization: Option<String> = None;
    let mut redirects = 0;
    loop {
        let (head, from) = exchange(rules, &url, range, authorization.as_deref(), stop)?;
        match head.status {
            200 | 206 => return response(rules, url, range, &head, from, stop),
            301 | 302 | 303 | 307 | 308 => {
                url = rules.redirected(&url, head.get("location"))?;
                redirects += 1;
                if redirects > REDIRECTS_MAX {
                    return Err(Cause::Redirects(Shown::of(&url)));
                }
                // The answer was for one address: what is redirected to has to ask for it.
                authorization = None;
            }
            401 if authorization.is_some() => return Err(Cause::PasswordWrong(Shown::of(&url))),
            401 => authorization = Some(rules.answer(&url, head.all("www-authenticate"))?),
            code => {
                let at = Shown::of(&url);
                return Err(Cause::Status { at, code });
            }
        }
    }
}

/// Sends one request and reads the head of its answer.
fn exchange(
    rules: &Rules,
    url: &Url,
    range: Option<Range>,
    authorization: Option<&str>,
    stop: &gio::Cancellable,
) -> Result<(Head, BufReader<Connection>), Cause> {
    let mut connection = Connection::open(rules, url, stop)?;
    let sent = connection.send(head::request(url, range, authorization).as_bytes());
    sent.map_err(|error| failure(url, &error, stop))?;
    let mut from = BufReader::new(connection);
    let head = Head::read(&mut from).map_err(|error| failure(url, &error, stop))?;
    Ok((head, from))
}

fn response(
    rules: &Rules,
    url: Url,
    range: Option<Range>,
    head: &Head,
    from: BufReader<Connection>,
    stop: &gio::Cancellable,
) -> Result<Response, Cause> {
    // "A server MAY ignore the Range header field" (RFC 9110 section 14.2): it answers with 200 then.
    if head.status == 200 && range.is_some() {
        return Err(Cause::NoRanges(Shown::of(&url)));
    }
    let framing = head.framing();
    let framing = framing.ok_or_else(|| Cause::NotHttp(Shown::of(&url)))?;
    let content_type = head.get("content-type").unwrap_or_default().to_owned();
    rules.note_content_type(&content_type);
    let length = match framing {
        Framing::Length(bytes) => Some(bytes),
        _ => None,
    };
    Ok(Response {
        url,
        content_type,
        length,
        body: Body::new(from, framing),
        stop: stop.clone(),
    })
}

fn failure(url: &Url, error: &io::Error, stop: &gio::Cancellable) -> Cause {
    if stop.is_cancelled() {
        return Cause::Stopped;
    }
    Cause::of_io(url, error)
}
