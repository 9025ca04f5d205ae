//! What a vanished PhoneNumber left behind.

use dialplane::plan::{AccountRef, Decision, Effect, InFlight, Liveness, Look, Rest, Seen, claim};
use dialplane::{
    api::{NumberClaim, claim::ClaimedPurchase, meta::Key, number::Channel, offer::Price, phone_number::OnDelete},
    carrier::{Order, OwnedNumber},
};

use super::scene::*;

struct Left {
    claim: NumberClaim,
    owned: OwnedNumber,
    account: AccountRef,
    holder: Liveness,
    successor: bool,
    marked_by_another: bool,
    allowed: bool,
    fresh: bool,
    in_flight: InFlight,
    going: Option<bool>,
}

fn left() -> Left {
    let Scene { claim, owned, account, .. } = routed();
    let (in_flight, going) = (InFlight::default(), Some(false));
    let (holder, successor, marked_by_another, allowed) = (Liveness::Gone, false, false, true);
    Left {
        claim: claim.unwrap(),
        owned,
        account,
        holder,
        successor,
        marked_by_another,
        allowed,
        fresh: true,
        in_flight,
        going,
    }
}

impl Left {
    fn next(&self) -> Decision<()> {
        claim::next(&claim::World {
            holder: self.holder,
            allowed: self.allowed,
            successor: self.successor,
            marked_by_another: self.marked_by_another,
            seen: Seen::Present { number: &self.owned, fresh: self.fresh },
            in_flight: self.in_flight,
            definition_going: self.going,
            ..claim_world(&self.claim, self.account.clone())
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn waits(&self) -> bool {
        matches!(self.next(), Decision::Rest(Rest { again: Some(wait), .. }) if !wait.is_zero())
    }
}

#[test]
fn a_living_holder_is_left_alone_and_an_unknown_one_is_read() {
    assert_eq!(left().with(|l| l.holder = Liveness::Alive).next(), Decision::Rest(Rest::NOTHING));
    assert!(matches!(left().with(|l| l.holder = Liveness::NotRead).next(), Decision::Look(Look::Holder(_))));
    assert_eq!(left().with(|l| l.going = None).next(), Decision::Look(Look::Definition));
}

#[test]
fn what_is_left_is_taken_back_and_then_the_claim_goes() {
    let Decision::Act(Effect::SetRoute(write)) = left().next() else { panic!() };
    assert!(write.route.values().all(|destination| destination.is_empty()));
    let cleared = left().with(|l| l.owned.route = shown([].into()));
    assert_eq!(cleared.next(), Decision::Act(Effect::DropClaim(None)));
    assert!(matches!(left().with(|l| l.fresh = false).next(), Decision::Look(Look::Number { .. })));
    let unsettled = left().with(|l| l.owned.route = shown([].into())).with(|l| l.in_flight.unknown = SECOND);
    assert!(unsettled.waits());
}

#[test]
fn the_policy_that_the_claim_last_heard_of_holds() {
    let restored = left().with(|l| l.claim.spec.on_delete = OnDelete::Restore);
    let Decision::Act(Effect::SetRoute(write)) = restored.next() else { panic!() };
    assert_eq!(write.route[&Channel::Voice], destination(FOREIGN));
    let kept = left().with(|l| l.claim.spec.on_delete = OnDelete::Leave);
    assert!(matches!(kept.next(), Decision::Act(Effect::DropClaim(Some(_)))));
}

#[test]
fn an_heir_takes_it_over_unless_the_claim_is_being_deleted() {
    assert!(left().with(|l| l.successor = true).waits());
    let going = left().with(|l| l.successor = true).with(|l| {
        l.claim.metadata.deletion_timestamp = deleted().number.metadata.deletion_timestamp;
    });
    assert!(matches!(going.next(), Decision::Act(Effect::SetRoute(_))));
}

#[test]
fn a_claim_that_was_closed_goes_without_a_look_and_whatever_became_of_its_account() {
    let closed = left().with(|l| l.claim.spec.sent.clear()).with(|l| l.fresh = false);
    assert_eq!(closed.next(), Decision::Act(Effect::DropClaim(None)));
    let missing = closed.with(|l| l.account = AccountRef::Missing(Key::new("clinic", "twilio")));
    assert_eq!(missing.next(), Decision::Act(Effect::DropClaim(None)));
}

#[test]
fn an_account_that_is_gone_blocks_what_is_left_until_it_is_abandoned_or_the_definition_goes() {
    let missing = || left().with(|l| l.account = AccountRef::Missing(Key::new("clinic", "twilio")));
    assert!(missing().waits());
    assert!(matches!(missing().with(|l| l.going = Some(true)).next(), Decision::Act(Effect::DropClaim(Some(_)))));
    let abandoned = left().with(|l| match &mut l.account {
        AccountRef::Found(view) => view.abandoned = true,
        _ => unreachable!(),
    });
    assert!(matches!(abandoned.next(), Decision::Act(Effect::DropClaim(Some(_)))));
}

#[test]
fn nothing_is_written_to_a_number_that_bears_the_marker_of_another_installation() {
    let left_alone = left().with(|l| l.marked_by_another = true).next();
    assert!(matches!(left_alone, Decision::Act(Effect::DropClaim(Some(_)))), "{left_alone:?}");
}

#[test]
fn a_holder_that_is_no_longer_allowed_keeps_no_claim_that_a_person_deletes() {
    let deleting = |l: &mut Left| {
        l.claim.metadata.deletion_timestamp = deleted().number.metadata.deletion_timestamp;
    };
    let held = left().with(|l| l.holder = Liveness::Alive).with(deleting);
    assert_eq!(held.next(), Decision::Rest(Rest::NOTHING));
    assert!(matches!(held.with(|l| l.allowed = false).next(), Decision::Act(Effect::SetRoute(_))));
}

#[test]
fn one_that_rests_and_is_deleted_goes_whoever_waits_for_the_number() {
    let resting = left().with(|l| {
        l.claim.spec.holder = None;
        l.claim.metadata.deletion_timestamp = deleted().number.metadata.deletion_timestamp;
        l.successor = true;
    });
    assert_eq!(resting.next(), Decision::Act(Effect::DropClaim(None)));
}

#[test]
fn one_of_a_purchase_is_not_dropped_while_an_order_of_its_number_stands() {
    let purchase = ClaimedPurchase {
        namespace: "clinic".into(),
        identity: "front-desk".into(),
        installation: "test".into(),
        attempt: 1,
        price: Price::default(),
        offered: None,
    };
    let bought = left().with(|l| l.claim.spec.purchase = Some(purchase.into()));
    let next = |orders: Option<&[Order]>| {
        let (holder, seen) = (Liveness::Gone, Seen::Absent { fresh: true });
        claim::next(&claim::World { holder, seen, orders, ..claim_world(&bought.claim, bought.account.clone()) })
    };
    let order = |number: &str| Order {
        id: "order-1".into(),
        number: number.parse().unwrap(),
        marker: None,
        pending: true,
        lacks_papers: false,
    };
    assert_eq!(next(None), Decision::Look(Look::Orders));
    assert!(matches!(next(Some(&[order(NUMBER)])), Decision::Rest(Rest { again: Some(_), .. })));
    for other in [&[][..], &[order("+14155559999")]] {
        assert_eq!(next(Some(other)), Decision::Act(Effect::DropClaim(None)));
    }
}

#[test]
fn a_claim_that_comes_to_rest_while_its_number_is_seen_remembers_that_it_was_ours() {
    let bought = left().with(|l| {
        l.claim.spec.carrier_number_id = String::new();
        l.claim.spec.purchase =
            Some(serde_json::from_value(serde_json::json!({"identity": "front-desk", "attempt": 1})).unwrap());
        l.owned.route = shown([].into());
    });
    let Decision::Act(Effect::CloseClaim(claim, _)) = bought.next() else { panic!("{:?}", bought.next()) };
    assert_eq!((claim.spec.holder, claim.spec.carrier_number_id), (None, bought.owned.id.0.clone()));
}
