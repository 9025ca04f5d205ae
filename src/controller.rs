//! Runs the plan: gathers a world, asks what to do next, and looks, acts or rests. All I/O of the operator starts here.

mod access;
mod buying;
mod caches;
mod carrier_writes;
mod cluster_writes;
mod context;
mod driver;
mod dry_run;
mod effects;
mod ending;
mod error;
mod events;
mod fence;
mod freeze;
mod hosted_agents;
mod hosting;
mod kept;
mod kind;
mod kinds;
mod local_state;
mod moves;
mod offer_cache;
mod open_accounts;
mod past;
mod pool;
mod predecessors;
mod prune;
mod reconcile;
mod secret;
mod serving;
mod sharing;
mod store;
mod takeover;
mod triggers;
mod unreadable;

use std::{collections::HashMap, fmt::Debug, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use crate::cluster::lease::Past;
use crate::{
    api::{
        self, PhoneNumber,
        conditions::{Truth, Type},
        each_kind,
    },
    cluster::{
        cache::{Cache, Change, News},
        objects::Objects,
        queue::{Length, Queue},
        sent::Kept,
        watch::{trouble, watch},
    },
    telemetry::metrics::{Metrics, NumberState},
};
use caches::Cached as _;
pub use context::{Context, Settings};
pub use dry_run::{Check, DryRun, DryRunError, End, Foreseen, Installation, Unmanaged, Verdict, foresee_uninstall};
pub use effects::{CarrierWrites, ClusterWrites, act};
pub use kind::{Kind, Work};
use kinds::Controlled as _;
pub use secret::SecretData;

/// How many objects of one account, or of one other kind, are worked on at once.
const LANE_WIDTH: usize = 32;

/// The operator: caches that follow the cluster, and the work on what they show.
pub struct Controller {
    context: Arc<Context>,
}

impl Controller {
    /// A controller that has not begun to watch.
    pub fn new(client: Client, metrics: Arc<Metrics>, settings: Settings) -> anyhow::Result<Self> {
        Ok(Self { context: Context::new(client, metrics, settings, LANE_WIDTH)? })
    }

    /// Whether every cache has seen a complete list.
    pub fn is_synced(&self) -> bool {
        self.context.caches.synced()
    }

    /// The name of this installation; `None` until the cluster is seen, if it is the cluster's own id.
    pub fn installation(&self) -> Option<&str> {
        self.context.installation()
    }

    /// Follows the cluster until `token` is cancelled. A replica that does not lead follows too, so that it can take over at once.
    pub async fn follow(&self, token: CancellationToken) {
        let mut tasks = JoinSet::new();
        let context = || self.context.clone();
        let caches = &self.context.caches;
        macro_rules! follow_each {
            ($($kind:ident)*) => {
                $(for scope in api::$kind::cache(caches).scopes() {
                    let objects = api::$kind::in_scope(context().client.clone(), &scope);
                    let (cache, changed) = (api::$kind::cache(caches).clone(), api::$kind::changed);
                    tasks.spawn(follow(context(), Kind::$kind, scope, objects, cache, changed, token.clone()));
                })*
            };
        }
        each_kind!(follow_each);
        let (namespaces, objects) = (caches.namespaces.clone(), Objects::all(context().client.clone()));
        let changed = Context::namespace_changed;
        tasks.spawn(follow(context(), Kind::Namespace, String::new(), objects, namespaces, changed, token));
        // A panic in one of them is this one's too: a cache that nobody fills must not be worked on.
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }

    /// Works until `token` is cancelled, and then until what was begun has ended. Call it once this replica leads;
    /// `past` is what is known of whoever led before.
    pub async fn work(&self, past: Past, token: CancellationToken) {
        self.context.begin(past, token.clone());
        while !self.is_synced() {
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
        self.context.tell_of_left_out();
        let context = self.context.clone();
        let queue: Arc<Queue<Work>> = context.queue.clone();
        let pruning = self.context.clone();
        let prune = token.clone().run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(prune::INTERVAL).await;
                pruning.prune();
            }
        });
        tokio::join!(queue.run(token, move |work| driver::work(context.clone(), work)), prune);
    }
}

impl Controller {
    /// What keeps the kinds that are followed from being listed now, in words that say what to do.
    pub async fn trouble(&self) -> Vec<String> {
        let client = || self.context.client.clone();
        let mut all = vec![trouble("", Objects::<Namespace>::all(client())).await];
        macro_rules! trouble_of_each {
            ($($kind:ident)*) => {
                $(for scope in api::$kind::cache(&self.context.caches).scopes() {
                    all.push(trouble(&scope, api::$kind::in_scope(client(), &scope)).await);
                })*
            };
        }
        each_kind!(trouble_of_each);
        let mut said: Vec<String> = Vec::new();
        for trouble in all.into_iter().flatten() {
            // An API server that is away is away for all of them.
            if !said.contains(&trouble) {
                said.push(trouble);
            }
        }
        said
    }

    /// Brings the gauges up to date with what the caches and the queue hold now. To be called before they are shown.
    pub fn measure(&self) {
        let Context { caches, queue, metrics, .. } = &*self.context;
        let lanes = queue.lanes();
        let sum = |of: fn(&Length) -> usize| lanes.iter().map(|(_, length)| of(length)).sum();
        metrics.queued(sum(|length| length.waiting), sum(|length| length.running));
        metrics.cache_reads(caches.reads());
        let mut counts: HashMap<NumberState, usize> = NumberState::ALL.iter().map(|state| (*state, 0)).collect();
        for number in caches.numbers.all() {
            *counts.entry(state_of(&number)).or_default() += 1;
        }
        let left_out = caches.left_out();
        for kind in Kind::ALL {
            metrics.unreadable(kind.as_str(), left_out.iter().filter(|(of, _)| of == kind).count());
        }
        counts.into_iter().for_each(|(state, count)| metrics.numbers(state, count));
    }
}

/// Keeps the cache of one kind as the cluster is in one of its scopes, until `token` is cancelled; `changed` is what to do about a change.
async fn follow<K>(
    context: Arc<Context>,
    kind: Kind,
    scope: String,
    objects: Objects<K>,
    cache: Arc<Cache<K>>,
    changed: fn(&Context, &Change<K>),
    token: CancellationToken,
) where
    K: Kept + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let on_news = |news: News<K>| {
        news.changes.iter().for_each(|change| changed(&context, change));
        news.left_out.iter().for_each(|unreadable| context.left_out(kind, unreadable));
        news.gone.iter().for_each(|unreadable| context.left_out_gone(kind, unreadable));
    };
    watch(&scope, objects, cache, token, on_news).await;
}

/// What a PhoneNumber's conditions say of it. One that says nothing yet is being worked on.
fn state_of(number: &PhoneNumber) -> NumberState {
    let conditions = number.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let is = |of: Type, truth: Truth| conditions.iter().any(|c| c.is(of, truth));
    if is(Type::Ready, Truth::True) {
        NumberState::Ready
    } else if is(Type::Stalled, Truth::True) {
        NumberState::Stalled
    } else if is(Type::Ready, Truth::False) && !is(Type::Reconciling, Truth::True) {
        NumberState::Waiting
    } else {
        NumberState::Reconciling
    }
}
