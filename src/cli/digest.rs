//! `dialplane digest`: the digests of drafts and versions in files, as the operator will see them. It does I/O: the files, and
//! standard output.

use anyhow::ensure;
use kube::ResourceExt as _;
use serde_json::{Number, Value};

use super::plan::manifest::{self, Files, Manifest};

/// What `dialplane digest` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Each line is a digest and its object, in the order of the files. No cluster is needed.")]
pub struct Args {
    #[command(flatten)]
    pub files: Files,
}

/// Prints a line for each Agent that has a draft, and for each AgentVersion.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for object in args.files.objects()? {
        lines.extend(line(object)?);
    }
    ensure!(!lines.is_empty(), "no Agent with a draft and no AgentVersion in {}", args.files);
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn line(object: Value) -> anyhow::Result<Option<String>> {
    Ok(match manifest::read(stored(object), None, "default")? {
        Manifest::Agent(agent) => {
            agent.spec.draft.as_ref().map(|draft| format!("{}  Agent/{}", draft.digest(), agent.name_any()))
        }
        Manifest::Version(version) => {
            Some(format!("{}  AgentVersion/{}", version.spec.draft().digest(), version.name_any()))
        }
        Manifest::Account(_) | Manifest::Number(_) | Manifest::Secret(..) | Manifest::Other(_) => None,
    })
}

/// The value as the API server gives it back: it writes a whole number without a fraction, and keeps none that does not fit 64 bits
/// with a sign but as a float.
fn stored(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(stored_number(number)),
        Value::Array(items) => items.into_iter().map(stored).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, stored(value))).collect(),
        other => other,
    }
}

fn stored_number(number: Number) -> Number {
    if number.is_i64() {
        return number;
    }
    let Some(float) = number.as_f64() else { return number };
    let whole = || serde_json::from_str(&format!("{float:.0}")).ok();
    let stored = match float {
        // A negative zero loses its sign on the way.
        0.0 => Some(Number::from(0)),
        // From here on Go writes an exponent.
        float if float.fract() == 0.0 && float.abs() < 1e21 => whole(),
        float => Number::from_f64(float),
    };
    stored.unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_written_as_the_api_server_writes_them() {
        for (given, wanted) in [
            ("1.0", "1"),
            ("-2.0", "-2"),
            ("0.5", "0.5"),
            ("1e3", "1000"),
            ("1e21", "1e21"),
            ("-0.0", "0"),
            ("9223372036854775807", "9223372036854775807"),
            ("18446744073709551615", "1.8446744073709552e19"),
        ] {
            let value: Value = serde_json::from_str(given).unwrap();
            let wanted: Value = serde_json::from_str(wanted).unwrap();
            assert_eq!(stored(value).to_string(), wanted.to_string(), "{given}");
        }
    }

    #[test]
    fn a_line_names_the_digest_of_a_draft_and_what_has_none_has_no_line() {
        let manifest = |kind: &str, spec: Value| {
            let name = if kind == "Agent" { "a" } else { "a.v1" };
            json!({"apiVersion": "dialplane.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
        };
        let config = json!({"speed": 1.0});
        let of_agent = line(manifest("Agent", json!({"draft": {"config": config}}))).unwrap().unwrap();
        let of_version = manifest("AgentVersion", json!({"agent": "a", "version": "v1", "config": {"speed": 1}}));
        let of_version = line(of_version).unwrap().unwrap();
        assert_eq!(of_agent.replace("Agent/a", "AgentVersion/a.v1"), of_version);
        assert!(of_agent.starts_with("sha256:") && of_agent.ends_with("  Agent/a"), "{of_agent}");
        assert_eq!(line(manifest("Agent", json!({"versions": "Applied"}))).unwrap(), None);
        assert!(line(manifest("Agent", json!({"draft": {"webhoks": {}}}))).is_err());
    }
}
