//! Logging: one line per event on standard error, as text or JSON.

use std::env::VarError;
use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Environment variable with the filter, such as `info` or `info,weir::daemon::http=debug`.
pub const FILTER_VARIABLE: &str = "WEIR_LOG";
/// Environment variable with the format: `text` or `json`.
pub const FORMAT_VARIABLE: &str = "WEIR_LOG_FORMAT";
/// The filter if the variable is not set.
pub const DEFAULT_FILTER: &str = "info";

/// Format of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Text for people, coloured on a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The format is unknown.
    #[error("the log format `{0}` is unknown: use `text` or `json`")]
    Format(String),
    /// The filter is not valid.
    #[error(
        "the log filter `{filter}` is not valid ({cause}): use one such as \
         `info,weir::daemon::http=debug`"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        cause: tracing_subscriber::filter::ParseError,
    },
    /// Logging has already started.
    #[error("logging was started twice")]
    Twice,
    /// The value of an environment variable is not text.
    #[error("{0} is not valid UTF-8")]
    NotText(&'static str),
}

impl FromStr for Format {
    type Err = InitError;

    fn from_str(text: &str) -> Result<Self, InitError> {
        match text {
            "" | "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(InitError::Format(other.to_owned())),
        }
    }
}

/// Starts logging to standard error for the whole process.
///
/// # Errors
/// When `filter` is not valid or logging has already started.
pub fn init(format: Format, filter: &str) -> Result<(), InitError> {
    let colour = format == Format::Text && std::io::stderr().is_terminal();
    let subscriber = subscriber(format, filter, colour, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| InitError::Twice)
}

/// Starts logging with the filter and format in `WEIR_LOG` and `WEIR_LOG_FORMAT`.
///
/// # Errors
/// When a variable has no valid value or logging has already started.
pub fn init_from_env() -> Result<(), InitError> {
    let format = variable(FORMAT_VARIABLE)?.unwrap_or_default().parse()?;
    let filter = variable(FILTER_VARIABLE)?.filter(|filter| !filter.is_empty());
    init(format, filter.as_deref().unwrap_or(DEFAULT_FILTER))
}

fn variable(name: &'static str) -> Result<Option<String>, InitError> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(InitError::NotText(name)),
    }
}

type Boxed = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber<W>(format: Format, filter: &str, colour: bool, writer: W) -> Result<Boxed, InitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let parsed = EnvFilter::builder()
        .parse(filter)
        .map_err(|cause| InitError::Filter {
            filter: filter.to_owned(),
            cause,
        })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_ansi(colour)
        .with_writer(writer);
    Ok(match format {
        Format::Text => Box::new(builder.finish()),
        Format::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn written(format: Format, filter: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(file.reopen().unwrap());
        let subscriber = subscriber(format, filter, false, writer).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(stream = "demo", "live");
            tracing::debug!("detail");
        });
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn text_is_one_line_an_event_and_filtered() {
        let text = written(Format::Text, "info");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("stream=\"demo\"") && text.contains("live"));
        assert_eq!(written(Format::Text, "debug").lines().count(), 2);
    }

    #[test]
    fn json_has_the_fields_at_the_top() {
        let line = written(Format::Json, "info");
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["stream"], "demo");
        assert_eq!(event["message"], "live");
        assert_eq!(event["level"], "INFO");
    }

    #[test]
    fn mistakes_say_what_to_write_instead() {
        let format = "yaml".parse::<Format>().unwrap_err().to_string();
        assert!(format.contains("`yaml`") && format.contains("`json`"));
        let filter = init(Format::Text, "weir=loud").unwrap_err().to_string();
        assert!(filter.contains("weir=loud") && filter.contains("info"));
    }
}
