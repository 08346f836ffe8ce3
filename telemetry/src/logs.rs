//! Structured logs on standard error: one line an event, JSON or for people.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// For machines: one JSON object a line, times in UTC.
    Json,
}

/// The text is no log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownFormat;

impl std::fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("must be `pretty` or `json`")
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for LogFormat {
    type Err = UnknownFormat;
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

/// A further receiver of spans and log lines.
pub type Beside = Box<dyn Layer<Registry> + Send + Sync>;

/// Sends log lines to standard error. `filter` is a level or a list of `target=level`, e.g. `info,lapin=warn`.
/// `beside` gets what it wants, whatever the filter. Returns what is wrong with the filter, if it can't be read. A
/// second call in one process changes nothing.
///
/// # Errors
/// The fault of the filter, in words.
pub fn init(format: LogFormat, filter: &str, beside: Option<Beside>) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|e| e.to_string())?;
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Pretty => {
            let fields = fmt::format::debug_fn(for_people).delimited(" ");
            lines.with_target(false).compact().fmt_fields(fields).with_filter(filter).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed(),
    };
    let _already_set = tracing_subscriber::registry().with(beside).with(lines).try_init();
    Ok(())
}

/// A field as a person reads it. Names with a dot are those of OpenTelemetry's conventions, for a collector.
fn for_people(writer: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug) -> std::fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if name.contains('.') => Ok(()),
        name => write!(writer, "{name}={value:?}"),
    }
}
