//! Structured logs on standard error: one line an event, JSON or for people.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::panic::PanicHookInfo;
use std::str::FromStr;

use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
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
/// `beside` gets what it wants, whatever the filter. A panic is a line, too. Returns what is wrong with the filter, if it
/// can't be read. A second call in one process changes nothing.
///
/// # Errors
/// The fault of the filter, in words.
pub fn init(format: LogFormat, filter: &str, beside: Option<Beside>) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|e| e.to_string())?;
    let lines = lines(format, std::io::stderr, std::io::stderr().is_terminal()).with_filter(filter);
    if tracing_subscriber::registry().with(beside).with(lines).try_init().is_ok() {
        std::panic::set_hook(Box::new(panicked));
    }
    Ok(())
}

/// The lines as they are written.
fn lines<S, W>(format: LogFormat, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(colours);
    match format {
        LogFormat::Pretty => {
            let fields = fmt::format::debug_fn(for_people).delimited(" ");
            lines.with_target(false).compact().fmt_fields(fields).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

/// A field as a person reads it. Names with a dot are those of OpenTelemetry's conventions, for a collector.
fn for_people(writer: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug) -> std::fmt::Result {
    let name = field.name();
    if name.contains('.') {
        return Ok(());
    }
    if name != "message" {
        write!(writer, "{name}=")?;
    }
    write!(OneLine(writer), "{value:?}")
}

/// Text from outside can neither begin a line, nor colour or move what stands there.
struct OneLine<'a, 'w>(&'a mut Writer<'w>);

impl std::fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(moves) {
            let (before, from) = rest.split_at(at);
            let mut chars = from.chars();
            self.0.write_str(before)?;
            chars.next().map_or(Ok(()), |c| write!(self.0, "{}", c.escape_default()))?;
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Control characters, ends of lines and of paragraphs, and what turns the direction of writing.
fn moves(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A bug of ours: somebody has to report it. Where it was tells enough; a text that was made when it happened may hold
/// what was worked on, and is left out.
fn panicked(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let what = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("its text is left out");
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!(at, what, "a panic: please report it");
    } else {
        // Nobody wanted a log; that a process broke has to be seen all the same.
        let _ = writeln!(std::io::stderr(), "a panic at {at}: {what}: please report it");
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of an event.
    fn written(format: LogFormat, event: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = lines(format, move || writer.clone(), false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), event);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    const NASTY: &str = "id-1\n2026-11-22T00:00:00Z ERROR forged\u{1b}[2J\r\u{2028}\u{202e}가";

    #[test]
    fn text_from_outside_stays_in_its_line() {
        for format in [LogFormat::Pretty, LogFormat::Json] {
            let line = written(format, || {
                let span = tracing::info_span!("request", request_id = %NASTY);
                span.in_scope(|| tracing::warn!(id = %NASTY, error = NASTY, "message {NASTY}"));
            });
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(line.ends_with('\n'), "{line}");
            assert!(!line.contains(['\u{1b}', '\r']), "{line:?}");
            assert!(line.contains("가"), "{line}");
        }
        let line = written(LogFormat::Pretty, || tracing::warn!(id = %NASTY, "m"));
        assert!(!line.contains(['\u{2028}', '\u{202e}']), "{line:?}");
        assert!(line.contains("id=id-1\\n2026"), "{line}");
    }

    #[test]
    fn a_line_of_json_says_which_request_and_trace_it_is_about() {
        let line = written(LogFormat::Json, || {
            let caller = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
            let span = crate::traces::request("POST", "/v1/events", caller);
            crate::traces::identified(&span, "r-1");
            span.in_scope(|| tracing::warn!("it happened"));
        });
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["span"]["request_id"], "r-1");
        assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"it happened".into()));
        #[cfg(not(feature = "otlp"))]
        assert_eq!(line["span"]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    }
}
