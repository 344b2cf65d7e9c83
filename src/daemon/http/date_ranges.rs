//! `/api/v1/streams/NAME/dateranges` on the admin port: what operators mark in the playlists, such as
//! breaks and titles (RFC 8216bis section 4.4.5.1).

use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, StatusCode};

use super::api::json;
use super::app::App;
use super::ask::Ask;
use super::content::Response;
use super::errors::Problem;
use super::names::{Name, Token};
use crate::base::text::printable;
use crate::daemon::origin::{DateRange, RangeError};
use crate::daemon::session::Catalog;

/// Longest JSON.
pub(super) const BODY_BYTES_MAX: usize = 16 << 10;
/// Longest cause of an error.
const CAUSE_CHARS_MAX: usize = 300;

const FIELDS: &str = "fields are id, class, start, end, duration, planned_duration, end_on_next, cue, scte35_cmd, \
                      scte35_out, scte35_in and attributes; docs/DATERANGES.md says what they mean";

/// All date ranges of a stream; a `POST` adds one, or adds to one.
pub(super) fn all<C: Catalog>(app: &App<C>, ask: &Ask, name: &Name) -> Result<Response, Problem> {
    let stream = configured(app, name)?;
    if *ask.method() != Method::POST {
        return json(&app.origin.date_ranges(stream)?);
    }
    let (range, is_new) = app.origin.set_date_range(stream, sent(ask)?)?;
    let id = range.id.clone().unwrap_or_default();
    tracing::info!(stream, id, is_new, "date range set");
    let mut response = json(&range)?;
    if is_new {
        *response.status_mut() = StatusCode::CREATED;
        let place = format!("/api/v1/streams/{stream}/dateranges/{id}");
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(LOCATION, place);
        }
    }
    Ok(response)
}

/// One date range; a `DELETE` ends or removes it.
pub(super) fn one<C: Catalog>(
    app: &App<C>,
    ask: &Ask,
    name: &Name,
    id: &Token,
) -> Result<Response, Problem> {
    let (stream, id) = (configured(app, name)?, id.as_str());
    if *ask.method() != Method::DELETE {
        let ranges = app.origin.date_ranges(stream)?;
        let found = ranges.iter().find(|range| range.id.as_deref() == Some(id));
        return json(found.ok_or(RangeError::Unknown)?);
    }
    let ended = app.origin.end_date_range(stream, id)?;
    let was_removed = ended.is_none();
    tracing::info!(stream, id, was_removed, "date range ended");
    json(&ended)
}

fn configured<'a, C: Catalog>(app: &App<C>, name: &'a Name) -> Result<&'a str, Problem> {
    let status = app.catalog.status(name.as_str());
    status.ok_or(Problem::no_stream())?;
    Ok(name.as_str())
}

/// What a program sends.
///
/// A page of another site can have a browser send a text or a form to this port without asking, but for
/// JSON the browser asks before ("CORS-preflight request" in the Fetch standard), and gets no leave here.
fn sent(ask: &Ask) -> Result<DateRange, Problem> {
    let kind = ask.header(CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this takes JSON",
            "send it with Content-Type: application/json",
        ));
    }
    if ask.body().is_empty() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "there is no body, or one of more than 16 KiB",
            FIELDS,
        ));
    }
    // A list would be taken for the fields in their order.
    if ask.body().trim_ascii_start().first() != Some(&b'{') {
        let cause = "the body is no JSON object";
        return Err(Problem::new(StatusCode::BAD_REQUEST, cause, FIELDS));
    }
    serde_json::from_slice(ask.body()).map_err(|error| {
        let cause = printable(&error.to_string(), CAUSE_CHARS_MAX);
        Problem::found(StatusCode::BAD_REQUEST, cause, FIELDS)
    })
}

impl From<RangeError> for Problem {
    fn from(error: RangeError) -> Self {
        let cause = printable(&error.to_string(), CAUSE_CHARS_MAX);
        let (status, hint) = match error {
            RangeError::Invalid(_) => (StatusCode::BAD_REQUEST, FIELDS),
            RangeError::Conflict(_) => (
                StatusCode::CONFLICT,
                "attributes can be added, but what viewers have read cannot change (RFC 8216bis section \
                 4.4.5.1); use another id",
            ),
            RangeError::Unknown => (
                StatusCode::NOT_FOUND,
                "GET /api/v1/streams/NAME/dateranges lists those that are in the playlists",
            ),
            RangeError::NotLive => return Self::nothing_to_show().not_kept(),
        };
        Self::found(status, cause, hint).not_kept()
    }
}
