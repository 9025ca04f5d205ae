//! Numbers that the carrier keeps before they are bought: when it is asked to, what is written then, and when a person is asked.

use std::time::Duration;

use dialplane::{
    api::{
        account::AccountApproval,
        meta::APPROVE,
        phone_number::{Approval, PhoneNumberStatus},
        purchase::Hold,
    },
    carrier::ErrorClass,
    plan::{Decision, Effect, Entry, Grant, HoldNumber, Purpose, SendOutcome, Trouble, policy},
};

use super::{Deal, deal, offer, purchase};
use crate::plan::scene::*;

const OTHER: &str = "+14155559999";

/// A number is for sale that the carrier would keep.
fn holding() -> Deal {
    deal().with(|d| {
        d.seller.holds = true;
        d.offers[0].found[0].can_hold = true;
    })
}

/// The same where a person is asked.
fn asking() -> Deal {
    holding().with(|d| {
        purchase(d).approval = Approval::Manual;
        d.seller.grant = Grant::None;
    })
}

fn approve(number: &'static str) -> impl FnOnce(&mut Deal) {
    move |d| {
        d.scene.number.metadata.annotations.get_or_insert_default().insert(APPROVE.into(), number.into());
    }
}

#[track_caller]
fn keeps(deal: &Deal) -> HoldNumber {
    match deal.next() {
        Decision::Act(Effect::Hold(hold)) => *hold,
        other => panic!("no hold: {other:?}"),
    }
}

#[track_caller]
fn rests(deal: &Deal) -> (PhoneNumberStatus, Duration) {
    match deal.next() {
        Decision::Rest(rest) => (rest.status.unwrap(), rest.again.unwrap()),
        other => panic!("no rest: {other:?}"),
    }
}

fn half_an_hour() -> Duration {
    Duration::from_secs(1800)
}

/// After the carrier has kept the number, and the entry says so.
fn kept(deal: Deal) -> Deal {
    let HoldNumber { number, entry, .. } = keeps(&deal);
    let mut journal = entry.journal;
    journal.spec.hold = Some(Hold { number, id: "hold-1".into(), until: Some((now() + half_an_hour()).to_string()) });
    deal.after(Entry { journal, ..entry })
}

/// After its status was written as the plan wants it.
fn shown(mut deal: Deal) -> Deal {
    deal.scene.number.status = Some(rests(&deal).0);
    deal
}

/// So long after the hold ended by our clock, which this process wrote a while ago.
fn later(past_its_end: i64) -> impl FnOnce(&mut Deal) {
    move |d| {
        let end = now() - jiff::SignedDuration::from_secs(past_its_end);
        d.journal.as_mut().unwrap().spec.hold.as_mut().unwrap().until = Some(end.to_string());
        d.own.as_mut().unwrap().age = half_an_hour();
    }
}

#[test]
fn a_number_is_kept_before_the_entry_that_buys_it_and_the_hold_goes_with_the_purchase() {
    let HoldNumber { number, entry, .. } = keeps(&holding());
    assert_eq!((number, entry.purpose, entry.journal.spec.number), (e164(), Purpose::Send, Some(e164())));
    let buy = kept(holding()).claimed().purchase();
    assert_eq!((buy.number.clone(), buy.hold.map(|hold| hold.number)), (e164(), Some(buy.number)));
}

#[test]
fn a_carrier_that_cannot_keep_it_or_would_not_sells_it_all_the_same() {
    for bend in [
        (|d| d.seller.holds = false) as fn(&mut Deal),
        |d| d.offers[0].found[0].can_hold = false,
        |d| d.seller.unheld = Some(e164()),
    ] {
        assert_eq!(holding().with(bend).claimed_after_entry().purchase().hold, None);
        let asked = asking().with(bend);
        assert_eq!(rests(&asked).0.offer.unwrap().held_until, None);
    }
}

impl Deal {
    fn claimed_after_entry(self) -> Self {
        self.entered().claimed()
    }
}

#[test]
fn a_number_that_is_gone_is_followed_by_another_a_few_times_and_an_unwell_carrier_is_waited_for() {
    let trouble = |class, refused| Trouble { purchase: true, refused, ..trouble(class, 1, 600) };
    let gone = |refused| {
        holding().with(|d| {
            d.offers[0].found = vec![offer(OTHER, "1.15")];
            d.scene.trouble = Some(trouble(ErrorClass::Unavailable, refused));
        })
    };
    assert_eq!(gone(1).entry().journal.spec.number.unwrap().as_str(), OTHER);
    assert_eq!(gone(5).says(), "NumberUnavailable");
    let unwell = holding().with(|d| d.scene.trouble = Some(trouble(ErrorClass::Transient, 0)));
    assert_eq!(unwell.says(), "PurchaseFailed");
    assert!(
        [ErrorClass::Conflict, ErrorClass::Forbidden, ErrorClass::Rejected]
            .into_iter()
            .all(|class| { policy::goes_unheld(&trouble(class, 0).error) })
    );
}

#[test]
fn what_is_kept_is_bought_also_when_the_time_to_send_ran_out_and_never_after_it_was_sent() {
    let late = kept(holding()).with(|d| {
        d.own.as_mut().unwrap().may_send = false;
        d.offers[0].found = vec![offer(OTHER, "1.15")];
    });
    let again = late.entry();
    assert_eq!((again.journal.spec.number, again.journal.spec.attempt), (Some(e164()), 2));
    assert!(again.journal.spec.hold.is_some());
    let tried = |class| SendOutcome::DidNothing(trouble(class, 1, 0).error);
    for class in [ErrorClass::Throttled, ErrorClass::Transient, ErrorClass::Funds] {
        let again = kept(holding()).claimed().tried(tried(class)).entry();
        assert_eq!(
            (again.journal.spec.number, again.clean),
            (Some(e164()), true),
            "{class:?} says nothing of the number"
        );
        assert!(again.journal.spec.hold.is_some(), "{class:?}");
    }
    let refusal = tried(ErrorClass::Unavailable);
    let refused = kept(holding()).claimed().tried(refusal).with(|d| d.offers[0].found = vec![offer(OTHER, "1.15")]);
    let next = refused.entry().journal.spec;
    assert_eq!((next.number.unwrap().as_str(), next.hold), (OTHER, None));
    let unknown = kept(holding()).claimed().tried(SendOutcome::Unknown).entry();
    assert_eq!((unknown.purpose, unknown.journal.spec.number), (Purpose::Settle, Some(e164())));
}

#[test]
fn a_person_is_shown_what_is_kept_and_until_when_and_nothing_counts_against_the_limits() {
    let HoldNumber { entry, .. } = keeps(&asking());
    assert_eq!((entry.purpose, entry.journal.spec.number, entry.journal.spec.attempt), (Purpose::Hold, None, 0));
    let waiting = kept(asking());
    let (status, again) = rests(&waiting);
    let offer = status.offer.unwrap();
    assert_eq!((offer.number, offer.held_until), (e164(), Some((now() + half_an_hour()).to_string())));
    assert_eq!(reason(&status.conditions, "Acquired"), Some("AwaitingApproval"));
    assert!(again > half_an_hour(), "it is looked at again when the hold has ended, and not before");
    let approved = shown(waiting).with(approve(NUMBER));
    assert_eq!(approved.next(), Decision::Act(Effect::AskGrant));
    let entry = approved.with(|d| d.seller.grant = Grant::Given).entry();
    assert_eq!(
        (entry.purpose, entry.journal.spec.number, entry.journal.spec.attempt),
        (Purpose::Send, Some(e164()), 1)
    );
    assert!(entry.journal.spec.hold.is_some());
}

#[test]
fn a_hold_that_ended_is_replaced_and_a_person_asked_again_unless_the_offer_is_the_same() {
    let waiting = || shown(kept(asking())).with(|d| d.seller.grant = Grant::Given);
    let ended = || waiting().with(later(60));
    assert_eq!(keeps(&ended()).entry.purpose, Purpose::Hold);
    assert_eq!(rests(&waiting().with(later(10))).0.offer.unwrap().number, e164(), "clocks differ a little");
    let skewed = waiting().with(later(9000)).with(|d| d.own.as_mut().unwrap().age = SECOND);
    assert_eq!(rests(&skewed).1, policy::POLL - SECOND, "or a lot: it is not asked for again and again");
    let restarted = ended().with(|d| d.own = None);
    assert_eq!(keeps(&restarted).number, e164());

    // Still to be had: the word that was given counts. Not any more, or dearer: it does not.
    let same = ended().with(approve(NUMBER));
    assert_eq!(keeps(&same).entry.purpose, Purpose::Send);
    let gone = ended().with(approve(NUMBER)).with(|d| {
        d.offers[0].found = vec![offer(OTHER, "1.15")];
        d.offers[0].found[0].can_hold = true;
    });
    let HoldNumber { number, entry, .. } = keeps(&gone);
    assert_eq!((number.as_str(), entry.purpose), (OTHER, Purpose::Hold));
    let asked = shown(kept(gone));
    assert_eq!(asked.says(), "AwaitingApproval");
    let dearer = ended().with(approve(NUMBER)).with(|d| d.offers[0].found[0].price.monthly = "1.50".parse().ok());
    assert_eq!(keeps(&dearer).entry.purpose, Purpose::Hold);
}

#[test]
fn what_is_kept_and_no_longer_wanted_is_left_to_lapse() {
    let waiting = || shown(kept(asking())).with(approve(NUMBER)).with(|d| d.seller.grant = Grant::Given);
    let dear = waiting().with(|d| d.seller.limits.max_monthly_price = "1.00".parse().ok());
    assert_eq!((dear.says(), rests(&dear).0.offer), ("TooDear".to_owned(), None), "and not offered any more");
    let named = waiting().with(|d| {
        let wish = purchase(d);
        (wish.search, wish.number) = (None, OTHER.parse().ok());
    });
    assert!(matches!(named.next(), Decision::Look(_)), "another is looked for");
}

#[test]
fn an_object_that_is_deleted_while_a_number_is_only_kept_goes_at_once() {
    let deleted = shown(kept(asking())).with(|d| {
        d.scene.number.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    });
    assert!(matches!(deleted.next(), Decision::Act(Effect::RemoveFinalizer(_))), "{:?}", deleted.next());
}

/// The account lets only those say yes who were given the right to, whatever the object itself wishes.
fn restricted() -> Deal {
    kept(holding().with(|d| {
        d.seller.limits.approval = AccountApproval::Required;
        d.seller.grant = Grant::None;
    }))
}

#[test]
fn where_approving_is_a_right_a_purchase_that_asks_nobody_waits_like_the_others() {
    let HoldNumber { entry, .. } = keeps(&holding().with(|d| {
        d.seller.limits.approval = AccountApproval::Required;
        d.seller.grant = Grant::None;
    }));
    assert_eq!(entry.purpose, Purpose::Hold);
    let (status, _) = rests(&restricted());
    assert_eq!(reason(&status.conditions, "Acquired"), Some("AwaitingApproval"));
    let message = &status.conditions.iter().find(|c| c.type_ == "Acquired").unwrap().message;
    assert!(
        message.contains("CarrierAccount clinic/twilio lets those set it who have the verb approve on it"),
        "{message}"
    );
    assert_eq!(status.offer.unwrap().approval, Some(AccountApproval::Required));
    let approved = shown(restricted()).with(approve(NUMBER));
    assert_eq!(approved.next(), Decision::Act(Effect::AskGrant));
    assert_eq!(rests(&asking_plainly()).0.offer.unwrap().approval, Some(AccountApproval::Optional));
}

fn asking_plainly() -> Deal {
    asking().with(|d| d.seller.holds = false)
}

#[test]
fn a_yes_from_before_the_offer_that_asked_for_the_right_does_not_count_until_it_is_given_anew() {
    // On the object from its beginning, or given while anybody could.
    let early = restricted().with(approve(NUMBER));
    let while_free =
        shown(kept(asking())).with(approve(NUMBER)).with(|d| d.seller.limits.approval = AccountApproval::Required);
    for early in [early, while_free] {
        let (status, _) = rests(&early);
        assert_eq!((reason(&status.conditions, "Acquired"), status.offer), (Some("AwaitingApproval"), None));
        assert!(status.conditions[1].message.contains("take the annotation off"), "{}", status.conditions[1].message);
        let still = shown(early);
        assert_eq!(rests(&still).0.offer, None, "however often it is looked at");
        let offered = shown(still.with(|d| d.scene.number.metadata.annotations = None));
        assert_eq!(offered.with(approve(NUMBER)).next(), Decision::Act(Effect::AskGrant));
    }
}

#[test]
fn a_yes_to_another_price_does_not_come_to_count_by_itself() {
    let asked = shown(asking_plainly()).with(approve(NUMBER));
    assert_eq!(asked.next(), Decision::Act(Effect::AskGrant));
    let dearer = asked.with(|d| d.offers[0].found[0].price.monthly = "1.50".parse().ok());
    let still = shown(shown(dearer));
    assert_eq!(still.says(), "AwaitingApproval");
    let price = |deal: &Deal| rests(deal).0.offer.unwrap().price.monthly.unwrap().to_string();
    assert_eq!(price(&still), "1.15", "the offer that was said yes to");
    let anew = shown(still.with(|d| d.scene.number.metadata.annotations = None));
    assert_eq!(price(&anew), "1.50");
    assert_eq!(anew.with(approve(NUMBER)).next(), Decision::Act(Effect::AskGrant));
}
