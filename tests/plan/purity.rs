//! The plan decides and does nothing: its sources are read and held to it.

use std::{fs, path::Path};

use crate::support::rust_files;

/// Words that only something impure has a use for, and what may stand in their place.
const FORBIDDEN: &[&str] = &[
    "tokio",
    "reqwest",
    "async",
    ".await",
    "futures",
    "kube::Client",
    "kube::Api",
    "kube::client",
    "kube::runtime",
    "kube::api::Api",
    "std::time::Instant",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "rand::",
    "rand(",
    "getrandom",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "std::io",
    "Mutex",
    "RwLock",
    "OnceLock",
    "LazyLock",
    "Atomic",
    "static ",
    "thread_local",
    "RefCell",
    "tracing::",
    "println!",
    "eprintln!",
    "env!(",
    "unsafe",
    "unwrap()",
    "HashMap",
    "HashSet",
];

fn sources() -> Vec<(String, String)> {
    let mut paths = rust_files("src/plan");
    paths.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan.rs"));
    assert!(paths.len() > 8, "the plan has moved: {paths:?}");
    paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let code = code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n");
            (path.display().to_string(), code)
        })
        .collect()
}

#[test]
fn nothing_in_the_plan_waits_reads_a_clock_rolls_dice_or_does_io() {
    for (path, code) in sources() {
        for word in FORBIDDEN {
            // `'static` is a lifetime and no variable.
            assert!(!code.replace("'static ", "").contains(word), "{path} mentions {word}");
        }
    }
}

#[test]
fn the_plan_knows_nothing_of_the_crate_but_the_api() {
    for (path, code) in sources() {
        for module in ["carrier", "cli", "cluster", "controller", "sandbox", "telemetry"] {
            assert!(!code.contains(&format!("{module}::")), "{path} uses {module}");
        }
    }
}
