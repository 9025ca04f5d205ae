//! One pass over one object: gather, plan, then look, act or rest. The same for every kind.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::Instrument as _;

use super::{
    Context, Kind, Work,
    effects::act,
    error::Error,
    kinds::{Controlled, Looked},
    reconcile::Reconcile,
};
use crate::{
    api::{self, each_kind, meta::Key},
    plan::Decision,
    telemetry::metrics::Pass,
};

/// How many looks one pass may take. A plan needs ten at most; more is a plan that goes in circles.
const LOOKS: usize = 16;

/// How long to wait after a pass that the API server did not let through, by how often in a row.
const RETRIES: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
];

/// Works on one object once; answers when to come back.
pub async fn work(context: Arc<Context>, work: Work) -> Option<Duration> {
    let began = Instant::now();
    macro_rules! pass_of_its_kind {
        ($($kind:ident)*) => {
            match work.kind {
                $(Kind::$kind => pass::<api::$kind>(&context, &work.key).await,)*
                Kind::Namespace => Ok(Ended::Rested(None)),
            }
        };
    }
    // Whatever is logged meanwhile, by an adapter too, says for which object.
    let span = tracing::info_span!("pass", kind = work.kind.as_str(), object = %work.key);
    let result = async { each_kind!(pass_of_its_kind) }.instrument(span).await;
    let ended = match &result {
        Ok(Ended::Acted) => Pass::Acted,
        Ok(Ended::Rested(_)) => Pass::Rested,
        Err(_) => Pass::Failed,
    };
    context.metrics.reconciled(work.kind.as_str(), ended, began.elapsed());
    match result {
        Ok(ended) => {
            context.local.pass_succeeded(&work);
            match ended {
                Ended::Acted => Some(Duration::ZERO),
                Ended::Rested(again) => again,
            }
        }
        Err(error) => {
            let failures = context.local.pass_failed(&work);
            let wait = RETRIES[(failures as usize).min(RETRIES.len() - 1)];
            // Losing a compare-and-set is how two writers meet, and no news.
            if error.is_conflict() && failures < 3 {
                tracing::debug!(kind = work.kind.as_str(), object = %work.key, %error, "conflict: retrying with the latest version");
            } else {
                tracing::warn!(kind = work.kind.as_str(), object = %work.key, %error, "reconcile failed: retrying in {wait:?}");
            }
            Some(wait)
        }
    }
}

/// How a pass ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// One thing was done; the next pass begins with a fresh world.
    Acted,
    /// Nothing was left to do, until then.
    Rested(Option<Duration>),
}

/// Gathers and asks the plan, looks, and asks again, until it is decided; then does that.
pub async fn pass<K: Controlled>(context: &Context, key: &Key) -> Result<Ended, Error> {
    let Some(object) = K::cache(&context.caches).get(key) else { return Ok(Ended::Rested(None)) };
    let mut reconcile = Reconcile { context, object: &*object };
    match decide(context, &object).await?.0 {
        Decision::Act(effect) => {
            tracing::debug!(kind = %K::kind(&()), object = %key, effect = effect.name(), "acting");
            act(&mut reconcile, effect).await.map(|()| Ended::Acted)
        }
        Decision::Rest(next) => reconcile.rest(next).await.map(Ended::Rested),
        Decision::Look(_) => Err(Error::Circles),
    }
}

/// What is to be done for an object, and what was looked at for that.
pub async fn decide<K: Controlled>(context: &Context, object: &Arc<K>) -> Result<(Decision<K::Status>, Looked), Error> {
    // Once for the whole pass: what is asked for while it looks is not answered by a look that began before.
    let mut looked = Looked::begin();
    for _ in 0..LOOKS {
        match K::decide(context, object, &looked) {
            Decision::Look(look) => K::look(context, object, look, &mut looked).await?,
            decision => {
                K::decided(context, object, &looked, &decision);
                return Ok((decision, looked));
            }
        }
    }
    Err(Error::Circles)
}
