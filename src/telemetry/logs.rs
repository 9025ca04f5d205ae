//! Where log lines go and which ones do. Sets the process's subscriber; nothing else is global.

use thiserror::Error;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// What is logged unless `RUST_LOG` says otherwise: our own steps, and of the libraries what went wrong.
pub const DEFAULT_FILTER: &str = "info";

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object per line, for a log store.
    #[default]
    Json,
    /// For a person at a terminal.
    Text,
}

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum Error {
    /// `RUST_LOG` is set to something that is no filter.
    #[error("RUST_LOG is not a log filter: {0}; write for example RUST_LOG=info,dialplane=debug")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Logging was set up before, which only a second call can have done.
    #[error("logging is set up already")]
    Again(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Sends what this process logs to standard error, filtered by `RUST_LOG`. To be called once, first.
pub fn init(format: Format) -> Result<(), Error> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(filter)?,
        _ => EnvFilter::try_new(DEFAULT_FILTER)?,
    };
    tracing::subscriber::set_global_default(subscriber(format, filter, true, std::io::stderr))?;
    Ok(())
}

/// Whether lines of this origin may be written at all, whatever `RUST_LOG` asks for: a filter chosen to find out what is wrong must
/// not write down what nobody may read.
///
/// kube's client repeats answers that do not decode and headers, on every level: an answer may be a Secret, or a route with a
/// password in its URL. What it warns of it also returns, and we say it without the text. The other libraries tell of errors, and
/// on lower levels of what they send and receive, or may with their next version.
fn may_be_written(line: &Metadata<'_>) -> bool {
    match line.target().split("::").next().unwrap_or_default() {
        "dialplane" => true,
        "kube_client" => false,
        _ => *line.level() <= Level::WARN,
    }
}

/// Writes lines so to `writer`: those that `filter` lets through, and of these none that may hold what was sent or answered. In `colour`
/// only where the environment does not say otherwise.
pub fn subscriber<W>(format: Format, filter: EnvFilter, colour: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_written));
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = if colour { layer } else { layer.with_ansi(false) };
    match format {
        Format::Json => {
            Box::new(lines.with(layer.json().flatten_event(true).with_current_span(true).with_span_list(false)))
        }
        Format::Text => Box::new(lines.with(layer.compact())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct LocalState(Arc<Mutex<Vec<u8>>>);

    impl Write for LocalState {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, log: impl FnOnce()) -> String {
        logged_by(DEFAULT_FILTER, format, log)
    }

    fn logged_by(filter: &str, format: Format, log: impl FnOnce()) -> String {
        let memory = LocalState::default();
        let writer = memory.clone();
        let filter = EnvFilter::try_new(filter).unwrap();
        tracing::subscriber::with_default(subscriber(format, filter, false, move || writer.clone()), log);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_has_its_fields_at_the_top() {
        let line = logged(Format::Json, || tracing::info!(number = "+14155551234", "routed"));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["message"], &line["number"]), (&"routed".into(), &"+14155551234".into()));
    }

    #[test]
    fn libraries_are_heard_only_when_something_is_wrong() {
        let text = logged(Format::Text, || {
            tracing::info!(target: "kube_runtime::watcher", "chatter");
            tracing::warn!(target: "kube_runtime::watcher", "trouble");
        });
        assert!(text.contains("trouble") && !text.contains("chatter"), "{text}");
    }

    #[test]
    fn no_filter_brings_back_what_may_hold_a_secret() {
        for filter in ["trace", "kube_client=trace", "warn,kube_client::client=warn,h2=trace,dialplane=trace"] {
            let text = logged_by(filter, Format::Text, || {
                let span = tracing::trace_span!(target: "h2::codec::framed_write", "FramedWrite", frame = "hunter2");
                span.in_scope(|| {
                    tracing::warn!(target: "kube_client::client", "hunter2, Error(..)");
                    tracing::error!(target: "kube_client", "hunter2");
                    tracing::debug!(target: "kube_runtime::watcher", "hunter2");
                    tracing::trace!(target: "hyper::proto", "hunter2");
                    tracing::info!(target: "dialplane_of_somebody_else", "hunter2");
                    tracing::error!(target: "tower::buffer", "it broke");
                });
                tracing::trace!(target: "dialplane::plan", "ours");
            });
            assert!(!text.contains("hunter2"), "{filter}: {text}");
            assert!(filter != "trace" || text.contains("it broke") && text.contains("ours"), "{text}");
        }
    }
}
