//! What is made from the code and committed is what the code makes.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use dialplane::cli::{crds, docs};
use kube::ResourceExt as _;
use serde::Deserialize as _;

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
fn the_definitions_in_the_chart_are_those_of_the_code() {
    let stale = stale("charts/dialplane/files/crds", &crds::files().unwrap(), Some(".yaml"));
    assert!(stale.is_empty(), "run `cargo run -- crds --dir charts/dialplane/files/crds`, remove the rest: {stale:?}");
}

#[test]
fn the_committed_json_schemas_are_those_of_the_code() {
    let stale = stale("schemas/dialplane.dev", &crds::json_schemas().unwrap(), Some(".json"));
    assert!(stale.is_empty(), "run `cargo run -- crds --json-schemas schemas` and remove what is left over: {stale:?}");
}

#[test]
fn the_committed_reference_pages_are_those_of_the_code() {
    for (dir, files) in [("docs", docs::files()), ("charts/dialplane", docs::chart_files())] {
        let stale = stale(dir, &files, None);
        assert!(stale.is_empty(), "run `cargo run -- docs`: {stale:?}");
    }
}

#[test]
fn the_definitions_survive_yaml() {
    for ((name, text), crd) in crds::files().unwrap().iter().zip(dialplane::api::crds()) {
        let read: serde_json::Value = serde_yaml_ng::from_str(text).unwrap();
        assert_eq!(read, serde_json::to_value(crd).unwrap(), "{name}");
    }
}

/// What stands under "Words" in CONTRIBUTING.md in the last column: the words that no text for users has.
fn words_to_avoid() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("CONTRIBUTING.md")).unwrap();
    let (_, words) = page.split_once("\n## Words\n").expect("CONTRIBUTING.md has the words");
    let rows = words.lines().filter(|line| line.starts_with("| ")).skip(1);
    let last = rows.filter_map(|row| row.trim_matches(['|', ' ']).rsplit(" | ").next());
    last.flat_map(|cell| cell.split(", ").map(str::to_lowercase)).collect()
}

/// Whether `text` has this word, or these words, and not only as a part of longer ones.
fn says(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '-');
        !part(text[..at].chars().next_back()) && !part(text[at + words.len()..].chars().next())
    })
}

#[test]
fn texts_for_users_are_in_the_words_of_the_field() {
    let avoid = words_to_avoid();
    assert!(avoid.len() > 20 && avoid.iter().all(|words| words.len() > 3), "{avoid:?}");
    assert!(says("the last one is let go of", "let go of") && !says("his interests", "rests"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = listed
        .filter(|path| path.is_file())
        .chain(["README.md", "charts/dialplane/README.md"].map(|page| root.join(page)));
    let pages = pages.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()));
    let mut bad = vec![];
    for (name, text) in pages.chain(crds::files().unwrap()) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        bad.extend(avoid.iter().filter(|words| says(&text, words)).map(|words| format!("{name}: {words}")));
    }
    assert!(bad.is_empty(), "CONTRIBUTING.md says what to write instead: {bad:#?}");
}

fn dialplane(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dialplane")).args(args).output().unwrap()
}

#[test]
fn crds_prints_every_definition_as_one_stream() {
    let output = dialplane(&["crds"]);
    assert!(output.status.success(), "{output:?}");
    let documents = serde_yaml_ng::Deserializer::from_slice(&output.stdout);
    let names: Vec<String> = documents
        .map(|document| serde_json::Value::deserialize(document).unwrap()["metadata"]["name"].as_str().unwrap().into())
        .collect();
    assert_eq!(names, dialplane::api::crds().iter().map(|crd| crd.name_any()).collect::<Vec<_>>());
}

/// Where a file of the chart is, seen from the directory of the pages in the test below.
fn in_chart((name, text): (String, String)) -> (String, String) {
    (format!("../../chart/{name}"), text)
}

#[test]
fn crds_and_docs_write_into_the_directory_that_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let chart = dir.path().join("chart");
    let chart = ["--chart", chart.to_str().unwrap()];
    let pages = [docs::files(), docs::chart_files().into_iter().map(in_chart).collect()].concat();
    for (command, further, files) in [("crds", &[][..], crds::files().unwrap()), ("docs", &chart, pages)] {
        let into = dir.path().join("new").join(command);
        let output = dialplane(&[&[command, "--dir", into.to_str().unwrap()], further].concat());
        assert!(output.status.success(), "{output:?}");
        for (name, text) in files {
            assert_eq!(fs::read_to_string(into.join(&name)).unwrap(), text, "{name}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_named_in_one_line_and_fails() {
    let output = dialplane(&["crds", "--dir", "/dev/null/crds"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("error: cannot make the directory /dev/null/crds: "), "{said}");
}

#[test]
fn every_shell_completes_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = dialplane(&["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("rollback"), "{shell}: {script}");
    }
}
