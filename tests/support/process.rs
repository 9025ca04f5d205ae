//! `dialplane run` as a process of its own. It does I/O.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
};

use super::eventually;

/// A running operator. It is killed when this is dropped.
pub struct Operator {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Operator {
    /// Starts one with this kubeconfig and these further flags; `dir` is for its log.
    pub fn start(kubeconfig: &Path, dir: &Path, name: &str, flags: &[&str]) -> Self {
        Self::start_logging("info,dialplane=debug", kubeconfig, dir, name, flags)
    }

    /// The same, logging what this filter asks for.
    pub fn start_logging(filter: &str, kubeconfig: &Path, dir: &Path, name: &str, flags: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (address, log) = (format!("127.0.0.1:{port}"), dir.join(format!("{name}.log")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
        command.args(["run", "--log-format=text", "--health-address", &address, "--identity", name]).args(flags);
        command
            .env("KUBECONFIG", kubeconfig)
            .env("RUST_LOG", filter)
            .env("NO_COLOR", "1")
            .stderr(File::create(&log).unwrap());
        Self { child: command.spawn().unwrap(), address, log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Status and body of an answer, once it answers.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://{}{path}", self.address)).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    pub async fn ready(&self) {
        let ready = || async { self.get("/readyz").await.filter(|(status, _)| *status == 200) };
        eventually("the operator is ready", ready).await;
    }

    /// Whether the metrics have this line.
    pub async fn shows(&self, line: &str) -> bool {
        self.get("/metrics").await.is_some_and(|(_, page)| page.lines().any(|served| served == line))
    }

    pub async fn leads(&self) {
        eventually("it leads", || async { self.shows("dialplane_leader 1").await.then_some(()) }).await;
    }

    /// SIGTERM, as a kubelet sends it.
    pub fn terminate(&self) {
        // The standard library sends SIGKILL only.
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// SIGKILL, as an out-of-memory killer sends it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = std::sync::Mutex::new(&mut self.child);
        eventually("the operator ends", || async { child.lock().unwrap().try_wait().unwrap() }).await
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("what the operator logged:\n{}", self.log());
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
