//! What can go wrong with the local control plane.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// How long a program may take to get ready. It takes 3 seconds on two idle cores; the rest is for busy machines.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// What can go wrong with the local control plane. None of these is normal, and each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `KUBEBUILDER_ASSETS` names a directory that does not hold what is needed.
    #[error("KUBEBUILDER_ASSETS={} lacks {missing}: add it, or unset the variable to build all of them with Go", dir.display())]
    Assets { dir: PathBuf, missing: String },
    /// There are no programs, and no Go to build them with.
    #[error(
        "there is no Kubernetes on this machine and no Go to build it with: install Go 1.26 or newer (https://go.dev/dl), \
         or set KUBEBUILDER_ASSETS to a directory with kube-apiserver, kube-controller-manager and etcd"
    )]
    NoGo,
    /// Neither a cache nor a home directory is known.
    #[error("no directory to keep the built programs in: set DIALPLANE_CACHE or HOME")]
    NoCache,
    /// Go could not build a program.
    #[error("Go could not build {program}. Its last output:\n{log}")]
    Build { program: &'static str, log: String },
    /// A file or directory could not be read or written.
    #[error("{}: {source}: check that it exists, that it belongs to you, and that the disk has space", path.display())]
    File { path: PathBuf, source: io::Error },
    /// A program could not be started at all.
    #[error("could not start {program}: {source}: check that it is a program for this machine")]
    Spawn { program: String, source: io::Error },
    /// No port on 127.0.0.1 could be had.
    #[error("no free port on 127.0.0.1: {0}: check that the loopback interface is up")]
    Port(io::Error),
    /// A program ended when it should have served.
    #[error("{program} ended ({status}). Its last output:\n{log}")]
    Died { program: &'static str, status: ExitStatus, log: String },
    /// A program runs and does not get ready.
    #[error("{program} was not ready after {} seconds. Its last output:\n{log}", PATIENCE.as_secs())]
    NotReady { program: &'static str, log: String },
    /// A key or certificate could not be made.
    #[error("could not make the certificates of the control plane: {0}; this is a bug, please report it")]
    Certificate(#[from] rcgen::Error),
    /// No HTTP client could be made to ask for readiness with.
    #[error("could not set up HTTP: {0}; this is a bug, please report it")]
    Http(#[from] reqwest::Error),
    /// A kubeconfig is not usable.
    #[error("the kubeconfig is not usable: {0}")]
    Kubeconfig(String),
    /// The API server refused or did not answer.
    #[error("the API server did not accept a request: {0}")]
    Kube(#[source] Box<kube::Error>),
}

impl Error {
    /// For `map_err`: names the file that an I/O error is about, because the error itself does not.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(super) fn port_taken(&self) -> bool {
        matches!(self, Self::Died { log, .. } if log.contains("address already in use"))
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}
