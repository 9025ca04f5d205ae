//! The world of a NumberPurchase.

use std::sync::Arc;

use super::{Controlled, Looked, without_status};
use crate::{
    api::NumberPurchase,
    cluster::cache::{Change, Index},
    controller::Context,
    plan::{self, Decision, Liveness},
};

impl Controlled for NumberPurchase {
    without_status!();

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<()> {
        let cached = context.caches.lives(&object.spec.holder);
        let holder = if cached { Liveness::Alive } else { looked.holder };
        let identity = object.spec.identity().to_string();
        let caches = &context.caches;
        plan::journal::next(&plan::journal::World {
            journal: object,
            holder,
            needed: caches.numbers.count_by(Index::Identity, &identity) > 0
                || caches.claims.count_by(Index::Identity, &identity) > 0,
            settled_in: context.gone_settles_in(
                &object.spec.account.key(),
                &**object,
                Some(&object.spec.holder),
                holder,
            ),
            definition_going: looked.definition_going,
        })
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.journal_changed(change);
    }
}
