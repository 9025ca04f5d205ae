//! Simulated carriers on ports that are known before any of them starts: an operator is told at its start which endpoints accounts
//! may name. It does I/O: sockets.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    ops::Range,
    sync::atomic::{AtomicU16, Ordering},
};

use dialplane::sandbox::carrier::{Sandbox, SandboxConfig};

/// How many carriers a run may start, those included whose port somebody else has.
const MOST: u16 = 800;

/// Starts a carrier where operators of this run let accounts lead to.
pub fn start(config: SandboxConfig) -> Sandbox {
    static USED: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = ports().start + USED.fetch_add(1, Ordering::Relaxed);
        assert!(ports().contains(&port), "no port is left: let a run have more of them");
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        match Sandbox::start(SandboxConfig { listen, ..config.clone() }) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            started => return started.unwrap(),
        }
    }
}

/// The URLs of all that [`start`] may ever start, with and without the paths under which Flowyte and Nixflex lie there.
pub fn urls() -> impl Iterator<Item = String> {
    ports().flat_map(|port| ["", "/flowyte", "/nixflex"].map(|path| format!("http://127.0.0.1:{port}{path}")))
}

/// Below those that systems give out by themselves; others for another run at the same time, as a rule.
fn ports() -> Range<u16> {
    let first = 10_000 + u16::try_from(std::process::id() % 25).unwrap() * MOST;
    first..first + MOST
}
