//! Programs written in Go that tests hold ours against: each is built once on a machine, from modules that are pinned to the last byte.
//! It does I/O: go, which downloads the modules, and files in the cache.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use dialplane::{api::number::digest_of, sandbox::control_plane::cache_dir};
use serde_json::Value;

/// The program of `package`, built by the module in this folder of the tests. The first call on a machine takes as long as `took` says.
pub fn program(folder: &str, package: &str, took: &str) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(source(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let digest = digest_of(&(package, texts)).replace(':', "-");
    let cache = cache_dir().unwrap();
    fs::create_dir_all(&cache).unwrap();
    let program = cache.join(format!("{folder}-{}", &digest[..20]));
    // Until it is dropped, one build of this folder at a time on this machine.
    let lock = File::create(cache.join(format!("{folder}.lock"))).unwrap();
    lock.lock().unwrap();
    if !program.exists() {
        // Not `eprintln!`, which the test runner keeps to itself.
        writeln!(std::io::stderr(), "building {package} of tests/{folder}, once for this machine ({took})").ok();
        // Made beside and then moved, so that a build that is stopped leaves no half of it.
        let new = program.with_extension("new");
        let mut build = Command::new("go");
        build.args(["build", "-mod=readonly", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags=-s -w", "-o"]);
        build.arg(&new).arg(package).current_dir(source(folder)).env("CGO_ENABLED", "0").env("GOGC", "400");
        assert!(build.status().expect("go, as for the control plane").success(), "go build in tests/{folder}");
        fs::rename(&new, &program).unwrap();
    }
    program
}

/// Where the files of a module are: of the version that the module in this folder requires, or of the one that is named (`path@version`).
pub fn files(folder: &str, module: &str) -> PathBuf {
    let mut download = Command::new("go");
    let output = download.args(["mod", "download", "-json", module]).current_dir(source(folder)).output().unwrap();
    assert!(output.status.success(), "go mod download {module}: {}", String::from_utf8_lossy(&output.stdout));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["Dir"].as_str().unwrap().into()
}

fn source(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder)
}
