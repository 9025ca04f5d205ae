//! Where kube-apiserver, kube-controller-manager and etcd come from: found, or built once per machine from Go modules
//! that are pinned to the last byte. It does I/O: files, and a run of `go build` that downloads its modules.

use std::{
    env, fs,
    fs::{File, TryLockError},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

use super::{
    Error,
    guard::{Guard, last_lines},
};

/// The version of the API server that is built, as it calls itself.
pub const KUBERNETES_VERSION: &str = "v1.36.3";

const ETCD: &str = "etcd";
const API_SERVER: &str = "kube-apiserver";
const CONTROLLER_MANAGER: &str = "kube-controller-manager";
const PROGRAMS: [&str; 3] = [API_SERVER, CONTROLLER_MANAGER, ETCD];

/// The pinned modules, in the binary so that an installed `dialplane` can build them too.
const MODULES: [(&str, &str); 4] = [
    ("etcd/go.mod", include_str!("../../../control-plane/etcd/go.mod")),
    ("etcd/go.sum", include_str!("../../../control-plane/etcd/go.sum")),
    ("kube/go.mod", include_str!("../../../control-plane/kube/go.mod")),
    ("kube/go.sum", include_str!("../../../control-plane/kube/go.sum")),
];
/// Neither tables for a debugger nor line numbers of stack traces that nobody reads: a third of the build time.
const COMPILER_FLAGS: &str = "-gcflags=all=-dwarf=false";
/// Exactly these modules, and the same bytes from every directory.
const GOFLAGS: &str = "-mod=readonly -trimpath";
/// Where the tools of controller-runtime are installed by hand.
const KUBEBUILDER: &str = "/usr/local/kubebuilder/bin";
/// How often the wait is told.
const TELL: Duration = Duration::from_secs(5);
/// How often a running build and a held lock are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A directory with the three programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// Looks in `KUBEBUILDER_ASSETS`, `/usr/local/kubebuilder/bin` and the [cache](cache_dir), in this order, and builds
    /// with Go what is not there: about 5 minutes on two cores, once per machine. It blocks; `progress` is told a line
    /// every few seconds while that takes time, and nothing if it does not.
    pub fn find_or_build(progress: impl Fn(&str)) -> Result<Self, Error> {
        let assets = env_path("KUBEBUILDER_ASSETS");
        if let Some(found) = Self::given(assets.as_deref(), Path::new(KUBEBUILDER))? {
            return Ok(found);
        }
        let cache = cache_dir()?.join("control-plane");
        let target = cache.join(cache_key());
        if let Ok(found) = Self::of(&target) {
            return Ok(found);
        }
        fs::create_dir_all(&cache).map_err(Error::file(&cache))?;
        // Held until the end of this function, and let go by the kernel if we are killed.
        let _lock = lock(&cache.join("lock"), &progress)?;
        if let Ok(built_while_we_waited) = Self::of(&target) {
            return Ok(built_while_we_waited);
        }
        build(&target, &progress)?;
        Self::of(&target).map_err(|missing| Error::Build { program: API_SERVER, log: format!("{missing} is missing") })
    }

    /// What the user or the machine provides. A directory that the user names has to be whole: falling back in silence
    /// would test something else than they meant.
    fn given(assets: Option<&Path>, kubebuilder: &Path) -> Result<Option<Self>, Error> {
        match assets {
            Some(dir) => Self::of(dir).map(Some).map_err(|missing| Error::Assets { dir: dir.to_owned(), missing }),
            None => Ok(Self::of(kubebuilder).ok()),
        }
    }

    /// The programs in `dir`, or the names of those that are missing.
    pub(super) fn of(dir: &Path) -> Result<Self, String> {
        let executable = |path: PathBuf| {
            fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        };
        let missing: Vec<&str> = PROGRAMS.into_iter().filter(|name| !executable(dir.join(name))).collect();
        if missing.is_empty() { Ok(Self { dir: dir.to_owned() }) } else { Err(missing.join(", ")) }
    }

    /// The directory, which is also what `KUBEBUILDER_ASSETS` may be set to.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn etcd(&self) -> PathBuf {
        self.dir.join(ETCD)
    }

    pub(super) fn api_server(&self) -> PathBuf {
        self.dir.join(API_SERVER)
    }

    pub(super) fn controller_manager(&self) -> PathBuf {
        self.dir.join(CONTROLLER_MANAGER)
    }
}

/// Where things are kept that are costly to make and may be deleted at any time: `$DIALPLANE_CACHE`, else
/// `$XDG_CACHE_HOME/dialplane`, else `~/.cache/dialplane`. It need not exist.
pub fn cache_dir() -> Result<PathBuf, Error> {
    env_path("DIALPLANE_CACHE")
        .or_else(|| env_path("XDG_CACHE_HOME").map(|dir| dir.join("dialplane")))
        .or_else(|| env_path("HOME").map(|dir| dir.join(".cache/dialplane")))
        .ok_or(Error::NoCache)
}

/// A variable that is set to the empty string is not set: that is what scripts mean by it.
fn env_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Changes whenever the result of the build could.
fn cache_key() -> String {
    let mut hash = Sha256::new();
    for (name, text) in MODULES {
        hash.update(name);
        hash.update(text);
    }
    for text in [COMPILER_FLAGS, GOFLAGS, &kubernetes_linker_flags()] {
        hash.update(text);
    }
    let digest: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{KUBERNETES_VERSION}-{}-{}-{digest}", env::consts::OS, env::consts::ARCH)
}

/// Without these the server calls itself `v0.0.0-master`.
fn kubernetes_linker_flags() -> String {
    let mut numbers = KUBERNETES_VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let mut flags = "-s -w".to_owned();
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        flags += &format!(
            " -X {package}.gitVersion={KUBERNETES_VERSION} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} \
             -X {package}.gitTreeState=clean"
        );
    }
    flags
}

/// Waits until no other process of this machine is building.
fn lock(path: &Path, progress: &dyn Fn(&str)) -> Result<File, Error> {
    let file = File::options().create(true).append(true).open(path).map_err(Error::file(path))?;
    let mut waiting = Waiting::new("waiting for another build of the control plane", progress);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => waiting.wait(),
            Err(TryLockError::Error(error)) => return Err(Error::file(path)(error)),
        }
    }
}

/// Builds into a directory beside `target` and renames it at the end, so that `target` is whole whenever it is there.
fn build(target: &Path, progress: &dyn Fn(&str)) -> Result<(), Error> {
    let cache = target.parent().unwrap_or(target);
    let temp = tempfile::Builder::new().prefix("build-").tempdir_in(cache).map_err(Error::file(cache))?;
    let _files = Guard::over_directory(temp.path())?;
    let work = temp.keep();
    for (name, text) in MODULES {
        let path = work.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&work)).map_err(Error::file(&path))?;
        fs::write(&path, text).map_err(Error::file(&path))?;
    }
    progress(&format!(
        "building Kubernetes {KUBERNETES_VERSION} from source, once for this machine (about 5 minutes on 2 cores), into {}",
        target.display()
    ));
    let begin = Instant::now();
    let output = work.join("bin");
    fs::create_dir(&output).map_err(Error::file(&output))?;
    let etcd = GoBuild {
        what: ETCD,
        module: work.join("etcd"),
        linker_flags: "-s -w",
        output: output.join(ETCD),
        packages: &["go.etcd.io/etcd/server/v3"],
    };
    etcd.run(progress)?;
    let kubernetes = GoBuild {
        what: "kube-apiserver and kube-controller-manager",
        module: work.join("kube"),
        linker_flags: &kubernetes_linker_flags(),
        output: output.clone(),
        packages: &["k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kube-controller-manager"],
    };
    kubernetes.run(progress)?;
    fs::rename(&output, target).map_err(Error::file(target))?;
    progress(&format!("built in {} s", begin.elapsed().as_secs()));
    Ok(())
}

/// One run of `go build`.
struct GoBuild<'a> {
    what: &'static str,
    module: PathBuf,
    linker_flags: &'a str,
    /// A file, or a directory that exists for more than one package.
    output: PathBuf,
    packages: &'a [&'a str],
}

impl GoBuild<'_> {
    fn run(self, progress: &dyn Fn(&str)) -> Result<(), Error> {
        let Self { what, module, linker_flags, output, packages } = self;
        let log = module.join("build.log");
        let errors = File::create(&log).map_err(Error::file(&log))?;
        let mut go = Command::new("go");
        go.arg("build").arg(COMPILER_FLAGS).args(["-ldflags", linker_flags]).arg("-o").arg(output).args(packages);
        go.current_dir(&module).stdout(Stdio::null()).stderr(errors);
        // The user's own module cache and build cache: a second build is quick. GOTOOLCHAIN, so that an old Go says so
        // instead of downloading another one; GOGC, because memory is cheaper here than the collector's time.
        go.env("GOFLAGS", GOFLAGS).env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("GOGC", "400");
        go.env("CGO_ENABLED", "0").env_remove("GOOS").env_remove("GOARCH");
        // A gigabyte of intermediate files, which goes with the directory if the build is killed.
        go.env("GOTMPDIR", &module);

        let guard = Guard::over_processes(&module)?;
        let mut child = guard.spawn(&mut go).map_err(|error| match error {
            Error::Spawn { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Error::NoGo,
            other => other,
        })?;
        let mut waiting = Waiting::new(&format!("building {what}"), progress);
        loop {
            match child.try_wait().map_err(Error::file(&module))? {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return Err(Error::Build { program: what, log: last_lines(&log) }),
                None => waiting.wait(),
            }
        }
    }
}

/// Tells every few seconds what is waited for and how long already.
struct Waiting<'a> {
    what: String,
    progress: &'a dyn Fn(&str),
    begin: Instant,
    told: Instant,
}

impl<'a> Waiting<'a> {
    fn new(what: &str, progress: &'a dyn Fn(&str)) -> Self {
        let begin = Instant::now();
        Self { what: what.to_owned(), progress, begin, told: begin }
    }

    fn wait(&mut self) {
        thread::sleep(LOOK);
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            (self.progress)(&format!("{}: {} s so far", self.what, self.begin.elapsed().as_secs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, name: &str, mode: u32) {
        fs::write(dir.join(name), "").unwrap();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_version_that_is_told_is_the_version_that_is_pinned() {
        let (_, module) = MODULES[2];
        assert!(module.contains(&format!("\tk8s.io/kubernetes {KUBERNETES_VERSION} ")), "{KUBERNETES_VERSION}");
    }

    #[test]
    fn a_directory_that_the_user_names_must_be_whole() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), API_SERVER, 0o755);
        put(dir.path(), ETCD, 0o644);
        let error = Binaries::given(Some(dir.path()), Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("lacks kube-controller-manager, etcd"), "{error}");
        put(dir.path(), CONTROLLER_MANAGER, 0o755);
        put(dir.path(), ETCD, 0o755);
        assert!(Binaries::given(Some(dir.path()), Path::new("/nowhere")).unwrap().is_some());
    }

    #[test]
    fn tools_of_controller_runtime_without_a_controller_manager_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), API_SERVER, 0o755);
        put(dir.path(), ETCD, 0o755);
        assert_eq!(Binaries::given(None, dir.path()).unwrap(), None);
    }
}
