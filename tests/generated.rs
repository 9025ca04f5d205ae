//! What is made from the code and committed is what the code makes.

use std::{collections::BTreeSet, fs, path::Path};

use dialplane::cli::{crds, docs};

/// Files that differ from what is generated, and files of `ending` in `dir` that nothing generates.
fn stale(dir: &str, files: &[(String, String)], ending: Option<&str>) -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let differs = |(name, text): &&(String, String)| fs::read_to_string(dir.join(name)).ok().as_ref() != Some(text);
    let mut stale: Vec<String> = files.iter().filter(differs).map(|(name, _)| name.clone()).collect();
    if let Some(ending) = ending {
        let generated: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        let there = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        stale.extend(there.filter(|name| name.ends_with(ending) && !generated.contains(name.as_str())));
    }
    stale
}

#[test]
fn the_committed_definitions_are_those_of_the_code() {
    let stale = stale("crds", &crds::files().unwrap(), Some(".yaml"));
    assert!(stale.is_empty(), "run `cargo run -- crds --dir crds` and remove what is left over: {stale:?}");
}

#[test]
fn the_committed_reference_pages_are_those_of_the_code() {
    let stale = stale("docs", &docs::files(), None);
    assert!(stale.is_empty(), "run `cargo run -- docs`: {stale:?}");
}

#[test]
fn the_definitions_survive_yaml() {
    for ((name, text), crd) in crds::files().unwrap().iter().zip(dialplane::api::crds()) {
        let read: serde_json::Value = serde_yaml_ng::from_str(text).unwrap();
        assert_eq!(read, serde_json::to_value(crd).unwrap(), "{name}");
    }
}
