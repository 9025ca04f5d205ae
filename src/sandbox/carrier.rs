//! A simulated carrier over real HTTP, for tests, demonstrations and learning.
//!
//! [`Sandbox::start`] serves Twilio's API on one local address: accounts, numbers, searches, purchases, messaging
//! services and prices, down to the traps. The real one's hosts (api, messaging, pricing) are all at [`Sandbox::url`].
//! Below `/v2` it is Telnyx's, with reservations, orders that end later, TeXML applications and messaging profiles; an
//! account speaks one of them ([`AccountSeed::carrier`]), and all sell the same numbers. Below `/flowyte/api/v1` it is Flowyte's,
//! whose numbers are answered by agents that it hosts itself, with drafts and published versions. Below `/nixflex` it is Nixflex's, a
//! platform that has numbers of Twilio and Telnyx answered by agents of its own; its keys are accounts too.
//! Everything the carrier was asked stands in its [`Ledger`]; [`Sandbox::inject`] makes it misbehave;
//! [`Sandbox::call`] places a call that really reaches the number's webhook, signed. Nothing global is touched: a
//! process can have as many as it likes, each on a thread of its own, used from any runtime or none.
//!
//! ```no_run
//! # use dialplane::sandbox::carrier::{Fault, Match, Rule, Sandbox, SandboxConfig};
//! # fn main() -> std::io::Result<()> {
//! let sandbox = Sandbox::start(SandboxConfig::default())?;
//! sandbox.inject(Rule::new(Match::purchase(), Fault::AnswerLost));
//! // … the operator buys through sandbox.url() …
//! assert_eq!(sandbox.ledger().purchases(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! The same can be done from outside through [`admin`]. Does I/O.

pub mod admin;
mod asked;
mod begin;
pub mod call;
pub mod config;
mod dialect;
pub mod faults;
mod flowyte;
mod handle;
pub mod ledger;
mod line;
mod nixflex;
mod number;
mod route;
mod serve;
pub mod signature;
mod stock;
mod telnyx;
mod text;
pub mod traffic;
mod twilio;
mod wire;
mod world;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use axum::{Router, routing::post};
use tokio::sync::oneshot;

pub use self::{
    call::{Attempt, Placed},
    config::{
        AccountSeed, AgentSeed, BestEffort, ConnectionClearing, Dialect, ErrorCodes, ExpiredHold, FlowyteSwitches,
        KeyScope, KeySeed, ListPages, NixflexSwitches, NumberSeed, OrderEnd, OrderFilters, SameAgent, SandboxConfig,
        SecondHold, StaleCredentials, Switches, TelnyxSwitches, UnsetAnswer,
    },
    faults::{Fault, Match, Rule},
    handle::{Credentials, SandboxError, ServiceSeed},
    ledger::{Bodies, Entry, Kind, Ledger, Summary},
    nixflex::NixflexWebhooks,
    signature::{sign, verify_signature},
    telnyx::verify_telnyx_signature,
    traffic::{Hosted, Outcome},
};

/// A running carrier. It stops when this is dropped.
pub struct Sandbox {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server, the admin API and the handle have in common.
pub(crate) struct Shared {
    state: Mutex<serve::State>,
    config: SandboxConfig,
    hosts: Mutex<BTreeMap<String, String>>,
    url: String,
    addr: SocketAddr,
    client: call::Client,
    webhook_timeout_ms: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, serve::State> {
        // A panic in one test's assertion must not hide the state from the rest of it.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle();
        state
    }

    fn hosts(&self) -> BTreeMap<String, String> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sandbox {
    /// Starts a carrier; it accepts requests when this returns.
    ///
    /// # Errors
    /// If the address cannot be listened on, or the configuration contradicts itself.
    pub fn start(config: SandboxConfig) -> io::Result<Self> {
        let world = begin::world(&config).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let listener = std::net::TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(serve::State::new(world)),
            hosts: Mutex::new(config.hosts.clone()),
            url: format!("http://{addr}"),
            addr,
            client: call::client(),
            webhook_timeout_ms: config.webhook_timeout_ms,
            config,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let listener = {
            let _inside = runtime.enter();
            line::Lines(tokio::net::TcpListener::from_std(listener)?)
        };
        let app = router(shared.clone());
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            runtime.block_on(async {
                let serve = axum::serve(listener, app.into_make_service_with_connect_info::<line::Cut>());
                tokio::select! {
                    _ = serve => {}
                    _ = stopped => {}
                }
            });
            // A webhook's name may still be being looked up; nobody waits for that.
            runtime.shutdown_background();
        })?;
        Ok(Self { shared, runtime: handle, stop: Some(stop), thread: Some(thread) })
    }

    /// The base URL of every host of the carrier, and of `/admin`.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.shared.addr
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended by itself; then there is nobody to tell.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .nest("/admin", admin::router())
        .route("/nixflex/{webhook}", post(serve::platform))
        .fallback(serve::carrier)
        .with_state(shared)
}
