//! The house: which file may know of which. The sources are parsed, and what they import is followed to the file that defines it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use kube::CustomResourceExt as _;
use syn::{
    Attribute, Item, UseTree, Visibility,
    visit::{self, Visit},
};

use crate::support::{carriers, rust_files};

/// Each room with those that it may know of: the one direction, from the bottom up.
const ROOMS: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("plan", &["api"]),
    ("carrier", &["api"]),
    ("cluster", &["api"]),
    ("telemetry", &["api", "carrier"]),
    ("controller", &["api", "plan", "carrier", "cluster", "telemetry"]),
    ("sandbox", &["api"]),
    ("cli", &["api", "plan", "carrier", "cluster", "telemetry", "controller", "sandbox"]),
];

/// Where a carrier may be named beside its adapter, and the sandbox and the demo, which play one: the one place that opens all of them, the
/// schema, and what a person is shown of the sandbox.
const NAMED_IN: &[&str] = &["carrier::open", "carrier", "api", "sandbox", "cli::demo", "cli::sandbox"];

type Module = Vec<String>;

/// One file: what it imports, and what it lends under a name of its own.
#[derive(Default)]
struct File {
    imports: Vec<Vec<String>>,
    lends: BTreeMap<String, Vec<String>>,
}

/// Every file of the crate without its tests, by the path of its module.
fn house() -> BTreeMap<Module, File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut house = BTreeMap::new();
    for path in rust_files("src") {
        let name = path.strip_prefix(&root).unwrap().with_extension("");
        let module: Module = name.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module == ["main"] || module.last().is_some_and(|last| last == "tests" || last.ends_with("_tests")) {
            continue;
        }
        let module = if module == ["lib"] { Vec::new() } else { module };
        let mut file = File::default();
        file.visit_file(&syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap());
        house.insert(module, file);
    }
    house
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Meta>().is_ok_and(|meta| meta.path().is_ident("test"))
    })
}

/// Every path that a tree of imports names, with the name that each is given.
fn named(tree: &UseTree, before: &[String], found: &mut Vec<(String, Vec<String>)>) {
    let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => named(&path.tree, &with(&path.ident), found),
        UseTree::Name(name) if name.ident == "self" => {
            found.push((before.last().cloned().unwrap_or_default(), before.to_vec()));
        }
        UseTree::Name(name) => found.push((name.ident.to_string(), with(&name.ident))),
        UseTree::Rename(rename) => found.push((rename.rename.to_string(), with(&rename.ident))),
        UseTree::Glob(_) => found.push(("*".to_owned(), before.to_vec())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| named(tree, before, found)),
    }
}

impl<'a> Visit<'a> for File {
    fn visit_item(&mut self, item: &'a Item) {
        match item {
            Item::Mod(module) if is_test(&module.attrs) => {}
            Item::Use(import) if is_test(&import.attrs) => {}
            Item::Use(import) => {
                let mut found = Vec::new();
                named(&import.tree, &[], &mut found);
                match import.vis {
                    Visibility::Inherited => self.imports.extend(found.into_iter().map(|(_, path)| path)),
                    _ => self.lends.extend(found),
                }
            }
            item => visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 && ["crate", "self", "super"].contains(&&*segments[0]) {
            self.imports.push(segments);
        }
        visit::visit_path(self, path);
    }
}

/// The file that defines what `path` names in `module`; `None` for what is not of this crate.
fn defined_in(house: &BTreeMap<Module, File>, module: &[String], path: &[String], depth: u8) -> Option<Module> {
    let (mut from, mut rest) = (module.to_vec(), path);
    match &*path[0] {
        "crate" => (from, rest) = (Vec::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|first| first == "super") {
                from.pop();
                rest = &rest[1..];
            }
        }
        first if house.contains_key(&[module, &[first.to_owned()]].concat()) => {}
        _ => return None,
    }
    let deepest = (0..=rest.len()).rev().find(|n| house.contains_key(&[&*from, &rest[..*n]].concat()))?;
    let found = [&*from, &rest[..deepest]].concat();
    let lent = rest.get(deepest).and_then(|name| house[&found].lends.get(name)).filter(|_| depth < 5);
    lent.and_then(|path| defined_in(house, &found, path, depth + 1)).or(Some(found))
}

/// Which files each file knows of.
fn known(house: &BTreeMap<Module, File>) -> BTreeMap<&Module, BTreeSet<Module>> {
    let of = |(module, file): (&'_ Module, &File)| {
        let all = file.imports.iter().filter_map(|path| defined_in(house, module, path, 0));
        all.filter(|other| other != module).collect::<BTreeSet<_>>()
    };
    house.iter().map(|(module, file)| (module, of((module, file)))).collect()
}

#[test]
fn no_two_files_know_of_each_other_however_far_around() {
    let house = house();
    let known = known(&house);
    let mut circles = Vec::new();
    for start in house.keys() {
        let (mut reached, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(module) = next.pop() {
            for other in known.get(module).into_iter().flatten() {
                if reached.insert(other) {
                    next.push(other);
                }
            }
        }
        if reached.contains(start) {
            circles.push(start.join("::"));
        }
    }
    assert!(circles.is_empty(), "these files come back to themselves by what they import: {circles:?}");
}

#[test]
fn every_room_knows_only_of_those_below_it() {
    let house = house();
    for (module, others) in known(&house) {
        let Some(room) = module.first() else { continue };
        let (_, below) = ROOMS.iter().find(|(name, _)| name == room).unwrap_or_else(|| panic!("{room} is in no order"));
        for other in others.iter().filter_map(|other| other.first()).filter(|other| *other != room) {
            assert!(below.contains(&&**other), "{} imports from {other}", module.join("::"));
        }
    }
    assert!(house.len() > 100, "the house has moved");
}

#[test]
fn no_carrier_is_named_outside_of_its_adapter() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let carriers = carriers();
    let adapters: Vec<String> = carriers.iter().map(|carrier| format!("carrier::{carrier}")).collect();
    let places: Vec<&str> = NAMED_IN.iter().copied().chain(adapters.iter().map(String::as_str)).collect();
    let house = house();
    let modules = house.keys().filter(|module| module.len() == 2).map(|module| module.join("::"));
    let missing: Vec<_> =
        adapters.iter().filter(|adapter| !modules.clone().any(|module| module == **adapter)).collect();
    assert!(
        carriers.len() >= 4 && missing.is_empty(),
        "docs/carriers has facts, and src/carrier no adapter: {missing:?}"
    );
    for path in rust_files("src") {
        let name = path.strip_prefix(&root).unwrap().with_extension("").display().to_string().replace('/', "::");
        let may = |place: &&str| name == **place || *place != "carrier" && name.starts_with(&format!("{place}::"));
        if places.iter().any(may) || name.ends_with("_tests") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().lines();
        for line in code.filter(|line| !line.trim_start().starts_with("//")) {
            let line = line.to_lowercase();
            let named = carriers.iter().find(|carrier| line.contains(carrier.as_str()));
            assert_eq!(named, None, "{name} names a carrier: {line}");
        }
    }
}

/// An account names exactly one of the carriers, and keeps it.
#[test]
fn every_carrier_is_one_that_an_account_can_name() {
    let spec = serde_json::to_value(dialplane::api::CarrierAccount::crd()).unwrap();
    let spec = &spec["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let rule = |part: &str| {
        let rules = spec["x-kubernetes-validations"].as_array().unwrap().iter();
        rules.map(|rule| rule.to_string()).find(|rule| rule.contains(part)).unwrap()
    };
    let (one, kept) = (rule("name exactly one"), rule("the carrier cannot change"));
    for carrier in carriers() {
        assert!(spec["properties"][&carrier].is_object(), "spec.{carrier} is no field");
        let (counted, shown) = (format!("has(self.{carrier})"), format!("{carrier}: {{"));
        assert!(one.contains(&counted) && one.contains(&shown), "{carrier} does not stand in the rule: {one}");
        let held = format!("has(self.{carrier}) == has(oldSelf.{carrier})");
        assert!(kept.contains(&held), "{carrier} does not stand in the rule: {kept}");
    }
}
