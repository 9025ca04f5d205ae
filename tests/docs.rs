//! What the code cites of the design and of the carriers' facts is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::support::{carriers, rust_files};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const DESIGN: &str = "docs/design.md";

/// The documents whose sections are cited: the design, and the facts of each carrier.
fn documents() -> Vec<String> {
    let facts = carriers().into_iter().map(|carrier| format!("docs/carriers/{carrier}.md"));
    std::iter::once(DESIGN.to_owned()).chain(facts).collect()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The numbers that follow this word or its plural, as in `rules 2, 4 and 6`.
fn cited(text: &str, word: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for after in text.split(word).skip(1) {
        let mut rest = after.strip_prefix('s').unwrap_or(after);
        while let Some(numbers) = [" ", ", ", " and "]
            .iter()
            .find_map(|between| rest.strip_prefix(between))
            .filter(|numbers| numbers.starts_with(|c: char| c.is_ascii_digit()))
        {
            let end = numbers.find(|c: char| !c.is_ascii_digit()).unwrap_or(numbers.len());
            found.insert(numbers[..end].parse().unwrap());
            rest = &numbers[end..];
        }
    }
    found
}

/// The numbers of a document's sections.
fn sections(document: &str) -> BTreeSet<u32> {
    let headings = document.lines().filter_map(|line| line.strip_prefix("## ")?.split_once('.'));
    headings.filter_map(|(number, _)| number.parse().ok()).collect()
}

/// What stands in one section of a document.
fn section(document: &str, number: u32) -> &str {
    let begin = document.find(&format!("\n## {number}. ")).unwrap();
    let text = &document[begin + 1..];
    &text[..text.find("\n## ").unwrap_or(text.len())]
}

/// The document whose sections a file cites without naming it: the facts of the carrier that it is about, or else the design.
fn document_of(file: &str) -> String {
    let about = carriers().into_iter().find(|carrier| file.contains(carrier.as_str()));
    about.map_or_else(|| DESIGN.to_owned(), |carrier| format!("docs/carriers/{carrier}.md"))
}

#[test]
fn every_event_stands_in_the_table() {
    let named: Vec<&str> = dialplane::api::conditions::EVENTS.iter().map(|(name, _)| *name).collect();
    for file in rust_files("src/plan").into_iter().chain(rust_files("src/controller")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for told in text.split("reason: \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(named.contains(&told), "{}: {told}", file.display());
        }
    }
}

#[test]
fn every_section_rule_and_promise_that_the_code_cites_is_there() {
    let design = read(DESIGN);
    let rules: BTreeSet<u32> =
        section(&design, 4).lines().filter_map(|line| line.split_once(". ")?.0.parse().ok()).collect();
    let promises: BTreeSet<u32> = section(&design, 7)
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" |")?.0.parse().ok())
        .collect();
    assert_eq!((rules.len(), promises.len()), (11, 12));

    let documents = documents();
    let known: BTreeMap<&str, BTreeSet<u32>> =
        documents.iter().map(|name| (name.as_str(), sections(&read(name)))).collect();
    let files = ["src", "tests"].map(rust_files).concat();
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in &files {
        let file = path.strip_prefix(ROOT).unwrap().to_str().unwrap();
        if file == "tests/docs.rs" {
            continue;
        }
        let (text, about) = (read(path), document_of(file));
        let mut check = |line: usize, what: &str, numbers: BTreeSet<u32>, there: &BTreeSet<u32>| {
            seen += numbers.len();
            wrong.extend(numbers.difference(there).map(|number| format!("{file}:{line}: {what} {number}")));
        };
        for (line, text) in text.lines().enumerate() {
            let document = documents.iter().find(|name| text.contains(name.as_str())).unwrap_or(&about).as_str();
            let comment = text.split_once("//").map_or("", |(_, comment)| comment).to_lowercase();
            check(line + 1, document, cited(&comment, "section"), &known[document]);
            check(line + 1, "rule", cited(&comment, "rule"), &rules);
            check(line + 1, "promise", cited(text, "promise"), &promises);
        }
    }
    assert!(wrong.is_empty(), "cited and not there:\n{}", wrong.join("\n"));
    assert!(seen > 50, "{seen} citations were found");
}

#[test]
fn every_file_that_the_documents_name_is_there() {
    let mut documents: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(PathBuf::from).into();
    documents.extend(fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let mut missing = Vec::new();
    for document in documents.iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let text = read(document);
        let folder = Path::new(ROOT).join(document).parent().unwrap().to_owned();
        let links = text.split("](").skip(1).filter_map(|after| after.split([')', '#']).next());
        let links = links.filter(|link| !link.is_empty() && !link.contains("://")).map(|link| folder.join(link));
        let named =
            text.split('`').skip(1).step_by(2).filter(|word| word.starts_with("src/") || word.starts_with("tests/"));
        let named = named.filter(|word| !word.contains(['<', ' ', '*'])).map(|word| Path::new(ROOT).join(word));
        missing.extend(links.chain(named).filter(|path| !path.exists()).map(|path| (document.clone(), path)));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
