//! What a release is made by: workflows that actionlint accepts, and archives whose checksums and krew manifest agree with them.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::go;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn actionlint_accepts_the_workflows_and_every_action_is_pinned() {
    let program = go::program("actionlint", "github.com/rhysd/actionlint/cmd/actionlint", "half a minute");
    // Without the linters of shells and of Python, which not every machine has.
    let output = Command::new(program).args(["-shellcheck=", "-pyflakes="]).current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    for file in fs::read_dir(Path::new(ROOT).join(".github/workflows")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for used in text.lines().filter_map(|line| line.split_once("uses: ")) {
            let commit = used.1.split_once('@').unwrap().1.split(' ').next().unwrap();
            assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{}", used.1);
        }
    }
}

/// Packs these files as binaries; what it says on standard error, where it fails.
fn pack(dir: &Path, out: &str, binaries: &[(&str, &Path)]) -> Result<(), String> {
    let mut command = Command::new("python3");
    command.arg(Path::new(ROOT).join("release/pack.py")).arg("--out").arg(dir.join(out));
    command.args(binaries.iter().map(|(system, file)| format!("{system}={}", file.display())));
    let output = command.output().unwrap();
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8(output.stderr).unwrap())
}

#[test]
fn archives_checksums_and_the_krew_manifest_are_of_one_piece() {
    let dir = tempfile::tempdir().unwrap();
    let (linux, windows) = (dir.path().join("some"), dir.path().join("other.exe"));
    fs::write(&linux, "for Linux").unwrap();
    fs::write(&windows, "for Windows").unwrap();
    let binaries = [("linux-amd64", &*linux), ("windows-amd64", &*windows)];
    pack(dir.path(), "one", &binaries).unwrap();
    pack(dir.path(), "two", &binaries).unwrap();
    let read = |out: &str, name: &str| fs::read(dir.path().join(out).join(name)).unwrap();

    let sums = String::from_utf8(read("one", "SHA256SUMS")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let names = [format!("dialplane-{version}-linux-amd64.tar.gz"), format!("dialplane-{version}-windows-amd64.zip")];
    let krew: Value = serde_json::from_slice(&read("one", "krew.yaml")).unwrap();
    assert_eq!(krew["spec"]["version"], format!("v{version}"));
    let platforms = krew["spec"]["platforms"].as_array().unwrap();
    for ((name, line), platform) in names.iter().zip(sums.lines()).zip(platforms) {
        let content = read("one", name);
        assert!(content == read("two", name), "{name} is the same again");
        let digest: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(line, format!("{digest}  {name}"));
        assert_eq!(platform["sha256"], digest);
        assert!(platform["uri"].as_str().unwrap().ends_with(&format!("/releases/download/v{version}/{name}")));
    }
    assert_eq!((sums.lines().count(), platforms.len()), (2, 2));
    assert_eq!(platforms[1]["selector"]["matchLabels"], serde_json::json!({"os": "windows", "arch": "amd64"}));

    let tar = |flags: &str| {
        let archive = dir.path().join("one").join(&names[0]);
        Command::new("tar").arg(flags).arg(archive).arg("dialplane").output().unwrap().stdout
    };
    assert_eq!(tar("-xOzf"), b"for Linux");
    assert!(String::from_utf8(tar("-tvzf")).unwrap().starts_with("-rwxr-xr-x"), "it can be run");
    assert!(pack(dir.path(), "three", &[("plan9-amd64", &linux)]).unwrap_err().contains("plan9-amd64 is none of"));
}
