//! Where log lines go and which ones do. Sets the process's subscriber; nothing else is global.

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What is logged unless `RUST_LOG` says otherwise: our own steps, and of the libraries what went wrong.
///
/// kube's client warns of an answer that does not decode with all of its text, which may be that of a Secret or of a route
/// with a password in its URL. What it warns of it also returns, and we say it without the text.
pub const DEFAULT_FILTER: &str =
    "info,kube=warn,kube_client::client=error,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,tower=warn";

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
    tracing::subscriber::set_global_default(subscriber(format, filter, std::io::stderr))?;
    Ok(())
}

fn subscriber<W>(format: Format, filter: EnvFilter, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        Format::Json => {
            Box::new(lines.json().flatten_event(true).with_current_span(true).with_span_list(false).finish())
        }
        Format::Text => Box::new(lines.compact().finish()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, log: impl FnOnce()) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let filter = EnvFilter::try_new(DEFAULT_FILTER).unwrap();
        tracing::subscriber::with_default(subscriber(format, filter, move || writer.clone()), log);
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
    fn an_answer_that_does_not_decode_is_not_repeated() {
        let text = logged(Format::Text, || tracing::warn!(target: "kube_client::client", "hunter2, Error(..)"));
        assert_eq!(text, "");
    }
}
