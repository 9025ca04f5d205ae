//! Taking an idle number instead of buying one, step by step.

use dialplane::{
    api::{
        NumberClaim,
        claim::{Holder, NumberClaimSpec},
        offer::Offered,
        phone_number::{DriftPolicy, Reuse},
    },
    plan::Idle,
};

use super::*;

const OTHER: &str = "+14155559999";

fn offered() -> Offered {
    Offered { locality: Some("Oakland".into()), region: Some("CA".into()), ..offer(NUMBER, "1.15").offered() }
}

/// A number that was bought for another identity, whose object is gone.
fn idle(number: &str) -> Idle {
    let last = Holder { namespace: "clinic".into(), name: "old".into(), uid: "uid-old".into() };
    let Offer { number, price, .. } = offer(number, "1.15");
    Idle { number, price, offered: Some(offered()), last: Some(last), wanted: false }
}

/// One that would rather take an idle number, and there is one.
fn pool() -> Deal {
    deal().with(|d| {
        purchase(d).reuse = Reuse::Pool;
        d.idle = Some(vec![idle(NUMBER)]);
    })
}

/// After the entry was written: the number is seen as the other identity's, and its claim rests.
fn entered() -> Deal {
    let mut deal = pool().entered();
    deal.scene.owned.marker = Some(Marker::new("test", "clinic/old"));
    deal.scene.owned.route = shown(Default::default());
    (deal.seen, deal.holder) = (true, Liveness::Gone);
    let mut claim = resting();
    claim.purchase.as_mut().unwrap().identity = "old".into();
    let mut claim = NumberClaim::new("14155551234", claim);
    claim.metadata.resource_version = Some("7".into());
    deal.scene.claim = Some(claim);
    deal
}

fn resting() -> NumberClaimSpec {
    let claim = deal().entered().claimed().scene.claim.unwrap().spec;
    NumberClaimSpec { holder: None, carrier_number_id: "PN1".into(), sent: vec![], ..claim }
}

/// The number that would be taken, and whether it is in the very place that was named.
fn takes(deal: &Deal) -> Option<(String, bool)> {
    let entry = deal.entry();
    let number = entry.journal.spec.number.unwrap().to_string();
    (entry.purpose == Purpose::Take).then_some((number, entry.journal.spec.exact.unwrap()))
}

/// Whether it is looked for what is for sale, and nothing taken.
fn looks_for_offers(deal: &Deal) -> bool {
    deal.next() == Decision::Look(Look::Offers(Box::new(OfferQuery::Search(deal.search()))))
}

impl Deal {
    fn search(&self) -> Search {
        self.scene.number.spec.purchase.as_ref().unwrap().search.clone().unwrap()
    }
}

#[test]
fn an_idle_number_that_fits_is_written_down_before_anything_is_asked_that_buying_needs() {
    let cases: [fn(&mut Deal); 4] = [
        |d| d.seller.grant = Grant::None,
        |d| d.seller.limits.paused = true,
        |d| purchase(d).approval = Approval::Manual,
        |d| d.offers.clear(),
    ];
    for bend in cases {
        let entry = pool().with(bend).entry();
        let spec = entry.journal.spec;
        assert_eq!((entry.purpose, entry.clean, spec.attempt), (Purpose::Take, true, 1));
        assert_eq!((spec.number, spec.offered, spec.exact), (Some(e164()), Some(offered()), Some(true)));
        assert_eq!(spec.price.monthly, "1.15".parse().ok());
    }
    assert_eq!(pool().with(|d| d.idle = None).next(), Decision::Look(Look::Idle));
    assert_eq!(
        pool().with(|d| d.seller.not_before = SECOND).says(),
        "PurchaseOutcomeUnknown",
        "it may have one that it cannot know"
    );
    let bought = pool().with(|d| purchase(d).reuse = Reuse::Never).entry();
    assert_eq!(bought.purpose, Purpose::Send);
    let known = pool().with(|d| d.marked = Some(vec![OTHER.parse().unwrap()])).entry();
    assert_eq!(
        (known.purpose, known.journal.spec.number.unwrap().as_str()),
        (Purpose::Settle, OTHER),
        "its own comes first"
    );
}

#[test]
fn the_claim_is_taken_once_its_last_holder_is_gone_and_this_object_lives_by_live_reads() {
    let last = idle(NUMBER).last.unwrap();
    assert_eq!(entered().with(|d| d.holder = Liveness::NotRead).next(), Decision::Look(Look::Holder(last)));
    assert_eq!(entered().with(|d| d.live = Liveness::NotRead).next(), Decision::Look(Look::Itself));
    let Decision::Act(Effect::TakeNumber(take)) = entered().next() else { panic!("{:?}", entered().next()) };
    assert_eq!((&*take.token, take.claim.metadata.resource_version.as_deref()), ("new", Some("7")));
    let spec = &take.claim.spec;
    let bought = spec.purchase.as_ref().unwrap();
    assert_eq!((&*bought.identity, bought.attempt, bought.offered.clone()), ("front-desk", 1, Some(offered())));
    assert_eq!((spec.is_held_by("uid-1"), &spec.sent[0]), (true, &digests(&version_route("v1"))));

    let Decision::Act(Effect::TakeNumber(made)) = entered().with(|d| d.scene.claim = None).next() else { panic!() };
    assert_eq!((made.claim.metadata.resource_version, made.claim.spec.number), (None, e164()), "one that was deleted");

    let taken = entered().with(|d| {
        d.own.as_mut().unwrap().outcome = Some(SendOutcome::Unknown);
        d.scene.claim = Some(take.claim.clone());
    });
    let marked = |deal: &Deal| matches!(deal.next(), Decision::Act(Effect::Mark(mark)) if mark.marker == marker());
    assert!(marked(&taken));
    assert!(marked(&taken.with(|d| d.scene.number.spec.drift = DriftPolicy::Report)), "it says whose the number is");
}

#[test]
fn what_is_not_idle_any_more_is_lost_at_once_and_the_next_is_taken_or_one_bought() {
    type Bend = fn(&mut Deal);
    let cases: [(&str, Bend); 4] = [
        ("somebody took it", |d| d.idle = Some(vec![])),
        ("its last holder lives after all", |d| d.holder = Liveness::Alive),
        ("another is asked for", |d| purchase(d).max_monthly_price = "1.00".parse().ok()),
        ("nobody wishes it any more", |d| purchase(d).reuse = Reuse::Never),
    ];
    for (why, bend) in cases {
        assert!(matches!(entered().with(bend).next(), Decision::Act(Effect::LoseNumber(..))), "{why}");
    }
    let lost = || {
        let error = trouble(ErrorClass::Unavailable, 1, 600).error;
        let mut lost = entered().tried(SendOutcome::DidNothing(error));
        lost.scene.trouble =
            Some(dialplane::plan::Trouble { purchase: true, ..trouble(ErrorClass::Unavailable, 1, 600) });
        lost
    };
    let next = lost().with(|d| d.idle = Some(vec![idle(NUMBER), idle(OTHER)]));
    assert_eq!(takes(&next), Some((OTHER.into(), true)));
    assert_eq!(next.entry().journal.spec.attempt, 2);
    let lone = lost().with(|d| d.own.as_mut().unwrap().age = Duration::from_secs(5));
    assert_eq!(takes(&lone), Some((NUMBER.into(), true)), "it may have come free since");
    let bought = lost().with(|d| d.offers[0].found = vec![offer(OTHER, "1.15")]).entry();
    assert_eq!(
        (bought.purpose, bought.journal.spec.number.unwrap().as_str()),
        (Purpose::Send, OTHER),
        "whatever the cache shows"
    );
}

#[test]
fn an_entry_that_is_old_is_written_anew_and_one_that_nobody_remembers_is_fenced_off_and_its_claim_read() {
    let late = entered().with(|d| d.own.as_mut().unwrap().may_send = false).entry();
    assert_eq!((late.purpose, late.journal.spec.attempt), (Purpose::Take, 2));
    let unanswered = entered().tried(SendOutcome::Unknown).entry();
    assert_eq!((unanswered.purpose, unanswered.journal.spec.attempt), (Purpose::Settle, 1));
    let forgotten = entered().with(|d| d.own = None);
    assert_eq!(forgotten.entry().purpose, Purpose::Settle);
    let fenced = forgotten.entered().with(|d| d.orders = Some(vec![]));
    assert_eq!(fenced.says(), "PurchaseOutcomeUnknown");
    let settled = fenced.with(|d| d.own.as_mut().unwrap().settled_in = Duration::ZERO);
    let again = settled.entry();
    assert_eq!((again.purpose, again.clean, again.journal.spec.attempt), (Purpose::Take, false, 2));
    assert_eq!(settled.with(|d| d.claim_read = false).next(), Decision::Look(Look::Claim(e164())));
}

#[test]
fn an_idle_number_is_checked_like_an_offer_and_never_by_guess() {
    type Bend = fn(&mut Search, &mut Idle);
    let cases: [(&str, Bend); 7] = [
        ("its type", |_, i| i.offered.as_mut().unwrap().kind = NumberType::Mobile),
        ("its country", |_, i| i.offered.as_mut().unwrap().country = "CA".into()),
        ("what it can do", |s, _| s.features = vec![dialplane::api::offer::Feature::Fax]),
        ("its digits", |s, _| s.ends_with = Some("9".into())),
        ("its place", |s, _| s.locality = Some("Fresno".into())),
        ("nothing of it is known", |_, i| i.offered = None),
        ("another is about to take it", |_, i| i.wanted = true),
    ];
    let with = |bend: Bend| {
        pool().with(|d| {
            let mut search = search();
            bend(&mut search, &mut d.idle.as_mut().unwrap()[0]);
            purchase(d).search = Some(search);
            d.offers.clear();
        })
    };
    for (what, bend) in cases {
        assert!(looks_for_offers(&with(bend)), "{what}");
    }
    let priced = |most: &str, is: &str| {
        pool().with(|d| {
            purchase(d).max_monthly_price = most.parse().ok();
            d.idle.as_mut().unwrap()[0].price.monthly = is.parse().ok();
            d.offers.clear();
        })
    };
    assert_eq!(takes(&priced("1.15", "1.15")), Some((NUMBER.into(), true)));
    assert!(looks_for_offers(&priced("1.14", "1.15")));
    assert!(looks_for_offers(&priced("1.15", "")), "a price that is not known is not within a limit");
    assert_eq!(takes(&priced("", "")), Some((NUMBER.into(), true)));
    let setup = pool().with(|d| purchase(d).max_setup_price = "0".parse().ok());
    assert_eq!(takes(&setup), Some((NUMBER.into(), true)), "what it cost once is spent");
}

#[test]
fn the_place_gives_way_step_by_step_and_a_number_that_is_named_is_taken_whatever_is_known_of_it() {
    let near = |locality: &str, number: &str| {
        let mut idle = idle(number);
        idle.offered.as_mut().unwrap().locality = Some(locality.into());
        idle
    };
    let berkeley = |best_effort: bool| {
        pool().with(|d| {
            let search = Search { locality: Some("Berkeley".into()), best_effort, ..search() };
            purchase(d).search = Some(search);
            d.idle = Some(vec![near("Oakland", NUMBER), near("Berkeley", OTHER)]);
            d.offers.clear();
        })
    };
    assert_eq!(takes(&berkeley(true)), Some((OTHER.into(), true)), "the very place comes first");
    let farther = |best_effort| berkeley(best_effort).with(|d| d.idle.as_mut().unwrap().truncate(1));
    assert_eq!(takes(&farther(true)), Some((NUMBER.into(), false)));
    assert!(looks_for_offers(&farther(false)));

    let named = pool().with(|d| {
        (purchase(d).search, purchase(d).number) = (None, Some(e164()));
        d.idle.as_mut().unwrap()[0].offered = None;
        d.seen = true;
        d.scene.owned.marker = Some(Marker::new("test", "clinic/old"));
    });
    assert_eq!(takes(&named), Some((NUMBER.into(), true)));
    assert_eq!(named.with(|d| d.idle = Some(vec![])).says(), "AlreadyOwned");
}
