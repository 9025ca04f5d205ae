//! A real Kubernetes control plane on this machine: etcd, kube-apiserver and kube-controller-manager, thrown away at the
//! end. It does I/O: processes, files in one temporary directory, sockets on 127.0.0.1.
//!
//! There is no kubelet: a Deployment gets its ReplicaSet and its pods, and no pod ever runs. The garbage collector notices
//! a new kind (a CRD just applied) within 30 seconds: that period is fixed in Kubernetes.

mod binaries;
mod certificates;
mod error;
mod flags;
mod guard;
pub mod kubeconfig;

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client, config::Kubeconfig};

pub use self::{
    binaries::{Binaries, KUBERNETES_VERSION, cache_dir},
    error::Error,
};
use self::{
    certificates::{Authority, SigningKey},
    error::PATIENCE,
    flags::Ports,
    guard::{Guard, Program},
};

/// How often readiness is asked for.
const POLL: Duration = Duration::from_millis(50);
/// How often a start is tried again because somebody took a port between our finding it free and the program's using it.
const PORT_TRIES: usize = 3;

/// A running control plane of its own. Dropping it stops it, and so does any death of this process.
///
/// Nothing in it belongs to a tokio runtime: it may be started in one and used in others.
#[derive(Debug)]
pub struct ControlPlane {
    binaries: Binaries,
    dir: PathBuf,
    ports: Ports,
    admin: Kubeconfig,
    api_server: Option<Program>,
    /// Held for their `Drop`, in the order of stopping: with etcd gone first the API server lingers for minutes.
    _controller_manager: Program,
    _etcd: Program,
    processes: Guard,
    _files: Guard,
}

impl ControlPlane {
    /// Starts etcd, the API server and the controllers, and returns once they serve: 3 to 6 seconds on two cores.
    pub async fn start(binaries: &Binaries) -> Result<Self, Error> {
        let mut started = Self::start_once(binaries).await;
        for _ in 1..PORT_TRIES {
            if !started.as_ref().is_err_and(Error::port_taken) {
                break;
            }
            started = Self::start_once(binaries).await;
        }
        started
    }

    async fn start_once(binaries: &Binaries) -> Result<Self, Error> {
        // kube and reqwest both need it; the second and later calls find it installed.
        rustls::crypto::ring::default_provider().install_default().ok();
        let ports = free_ports()?;
        let temp =
            tempfile::Builder::new().prefix("dialplane-").tempdir().map_err(Error::file(std::env::temp_dir()))?;
        let files = Guard::over_directory(temp.path())?;
        let dir = temp.keep();
        let processes = Guard::over_processes(&dir)?;
        let admin = prepare(&dir, &ports)?;

        let mut etcd = Program::start(&processes, &binaries.etcd(), "etcd", &dir, flags::etcd(&dir, &ports))?;
        etcd_ready(&mut etcd, &ports).await?;
        let mut api_server = start_api_server(&processes, binaries, &dir, &ports)?;
        api_server_ready(&mut api_server, &admin).await?;
        let mut controller_manager = Program::start(
            &processes,
            &binaries.controller_manager(),
            "kube-controller-manager",
            &dir,
            flags::controller_manager(&dir),
        )?;
        controllers_ready(&mut controller_manager, &admin).await?;
        // Another etcd that took the port first would have answered in the name of ours, which is dead by now.
        etcd.still_runs()?;
        Ok(Self {
            binaries: binaries.clone(),
            dir,
            ports,
            admin,
            api_server: Some(api_server),
            _controller_manager: controller_manager,
            _etcd: etcd,
            processes,
            _files: files,
        })
    }

    /// A new client for the administrator, on the caller's tokio runtime. It retries nothing.
    pub async fn client(&self) -> Result<Client, Error> {
        kubeconfig::client(&self.admin).await
    }

    /// The administrator's kubeconfig, everything embedded.
    pub fn kubeconfig(&self) -> &Kubeconfig {
        &self.admin
    }

    /// The same in a file, for kubectl and helm.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.dir.join(flags::ADMIN_KUBECONFIG)
    }

    /// The log of every request: one JSON `audit.k8s.io/v1` Event a line, with user, verb, resource and response code, in
    /// order of completion. A watch has two: one when it begins (stage `ResponseStarted`) and one when it ends.
    pub fn audit_log_path(&self) -> PathBuf {
        self.dir.join(flags::AUDIT_LOG)
    }

    /// Everything this control plane keeps on disk, with a `<program>.log` for each program.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Kills the API server, as a crash would; what is stored stays. Nothing happens if it is stopped already.
    pub fn stop_api_server(&mut self) {
        self.api_server = None;
    }

    /// Starts the API server again, where it was: clients and kubeconfigs stay valid. Nothing happens if it runs.
    pub async fn start_api_server(&mut self) -> Result<(), Error> {
        if self.api_server.is_none() {
            let mut program = start_api_server(&self.processes, &self.binaries, &self.dir, &self.ports)?;
            api_server_ready(&mut program, &self.admin).await?;
            self.api_server = Some(program);
        }
        Ok(())
    }

    /// Stops everything and removes its files: a fraction of a second, for which it blocks. The same as dropping it.
    pub fn stop(self) {}
}

/// Two different ports that are free now. Both are held until both are known.
fn free_ports() -> Result<Ports, Error> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Port);
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port()).map_err(Error::Port);
    let (etcd, api_server) = (bind()?, bind()?);
    Ok(Ports { etcd: port(&etcd)?, api_server: port(&api_server)? })
}

/// Writes every file that the programs are started with, and returns the administrator's kubeconfig.
fn prepare(dir: &Path, ports: &Ports) -> Result<Kubeconfig, Error> {
    let authority = Authority::new()?;
    let server = authority.server()?;
    let tokens = SigningKey::new()?;
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).map_err(Error::file(dir.join(name)));
    write(flags::CA, &authority.pem())?;
    write(flags::SERVER_CERTIFICATE, &server.certificate)?;
    write(flags::SERVER_KEY, &server.key)?;
    write(flags::SIGNING_KEY, &tokens.private)?;
    write(flags::SIGNING_KEY_PUBLIC, &tokens.public)?;
    write(flags::AUDIT_POLICY, flags::AUDIT_POLICY_TEXT)?;

    let url = format!("https://127.0.0.1:{}", ports.api_server);
    // Each has its own name, so that the audit log tells them apart.
    let access = |user| -> Result<Kubeconfig, Error> {
        kubeconfig::for_certificate(&url, &authority.pem(), user, &authority.administrator(user)?)
    };
    let admin = access("dialplane-admin")?;
    kubeconfig::write(&admin, &dir.join(flags::ADMIN_KUBECONFIG))?;
    kubeconfig::write(&access("system:kube-controller-manager")?, &dir.join(flags::CONTROLLER_MANAGER_KUBECONFIG))?;
    Ok(admin)
}

fn start_api_server(guard: &Guard, binaries: &Binaries, dir: &Path, ports: &Ports) -> Result<Program, Error> {
    Program::start(guard, &binaries.api_server(), "kube-apiserver", dir, flags::api_server(dir, ports))
}

async fn etcd_ready(program: &mut Program, ports: &Ports) -> Result<(), Error> {
    let url = format!("http://127.0.0.1:{}/health", ports.etcd);
    let http = reqwest::Client::builder().no_proxy().build()?;
    ready(program, || async { http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) }).await
}

async fn api_server_ready(program: &mut Program, admin: &Kubeconfig) -> Result<(), Error> {
    let client = kubeconfig::client(admin).await?;
    ready(program, || async {
        let mut request = axum::http::Request::new(Vec::new());
        *request.uri_mut() = axum::http::Uri::from_static("/readyz");
        client.request_text(request).await.is_ok()
    })
    .await
}

/// The controllers serve no port. They work once the first ServiceAccount is there, which one of them makes.
async fn controllers_ready(program: &mut Program, admin: &Kubeconfig) -> Result<(), Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(kubeconfig::client(admin).await?, "default");
    ready(program, || async { accounts.get("default").await.is_ok() }).await
}

/// Asks until the answer is yes, the program has ended, or patience has.
async fn ready<F: Future<Output = bool>>(program: &mut Program, check: impl Fn() -> F) -> Result<(), Error> {
    let begin = Instant::now();
    loop {
        // A check that hangs (a port that accepts and never answers) must not outlast the deadline.
        if tokio::time::timeout(Duration::from_secs(5), check()).await.unwrap_or(false) {
            return Ok(());
        }
        program.still_runs()?;
        if begin.elapsed() > PATIENCE {
            return Err(Error::NotReady { program: program.name(), log: program.last_words() });
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn a_program_that_fails_is_quoted() {
        let dir = tempfile::tempdir().unwrap();
        // Programs that refuse the flags, each in its own words. Not scripts: one just written may be "busy" when executed.
        for name in ["etcd", "kube-apiserver", "kube-controller-manager"] {
            symlink("/bin/ls", dir.path().join(name)).unwrap();
        }
        let error = ControlPlane::start(&Binaries::of(dir.path()).unwrap()).await.unwrap_err();
        let Error::Died { program, log, .. } = &error else { panic!("{error}") };
        assert_eq!(*program, "etcd");
        assert!(!log.is_empty(), "{error}");
    }
}
