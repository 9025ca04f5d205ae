//! Buying, step by step: what is asked, written and sent, in which order, and what stops it. What all the orders of events come
//! to is for the model in `buying`.

mod hold;
mod order;
mod pool;
mod unmarked;

use std::time::Duration;

use dialplane::{
    api::{
        NumberClaim, NumberPurchase,
        account::Purchasing,
        meta::{APPROVE, Key, NUMBER as SAID},
        number::{Channel, E164},
        offer::{NumberType, Offer, Price, Search},
        phone_number::{Approval, Purchase},
        purchase::{Identity, Marker},
    },
    carrier::{ErrorClass, Order},
    plan::{
        AccountRef, BuyNumber, Buying, Crowd, Decision, Effect, Entry, Grant, Idle, Liveness, Look, OfferQuery, Offers,
        OwnEntry, Purpose, Record, Rest, Seen, Seller, SendOutcome, Served, Supply, Traces, number,
    },
};

use super::scene::*;

/// A PhoneNumber that buys, and what can be known about that.
#[derive(Clone)]
struct Deal {
    scene: Scene,
    journal: Option<NumberPurchase>,
    own: Option<OwnEntry>,
    marked: Option<Vec<E164>>,
    orders: Option<Vec<Order>>,
    offers: Vec<Offers>,
    idle: Option<Vec<Idle>>,
    seller: Seller,
    live: Liveness,
    holder: Liveness,
    seen: bool,
    missing: bool,
    claim_read: bool,
    /// The numbers that nothing claims, at a carrier that keeps no marker on them.
    unclaimed: Option<Vec<E164>>,
}

fn search() -> Search {
    serde_json::from_value(serde_json::json!({"country": "US", "areaCode": "415", "bestEffort": false})).unwrap()
}

fn offer(number: &str, monthly: &str) -> Offer {
    Offer {
        number: number.parse().unwrap(),
        country: "US".into(),
        kind: NumberType::Local,
        locality: None,
        region: None,
        features: vec![],
        price: Price { monthly: monthly.parse().ok(), setup: None, currency: Some("USD".into()) },
        can_hold: false,
    }
}

/// Nothing was done yet, and one number is for sale.
fn deal() -> Deal {
    let mut scene = new();
    let purchase: Purchase = serde_json::from_value(serde_json::json!({ "search": search() })).unwrap();
    (scene.number.spec.import, scene.number.spec.purchase) = (None, Some(purchase.into()));
    scene.number.metadata.finalizers = Some(vec!["dialplane.dev/route".into()]);
    scene.owned.marker = Some(marker());
    scene.owned.route = shown(version_route("v1"));
    Deal {
        scene,
        journal: None,
        own: None,
        marked: Some(vec![]),
        orders: None,
        offers: vec![Offers { asked: OfferQuery::Search(search()), crowded: None, found: vec![offer(NUMBER, "1.15")] }],
        idle: Some(vec![]),
        seller: Seller {
            sells: true,
            marks: true,
            holds: false,
            lets_go: false,
            unheld: None,
            asked: None,
            limits: Purchasing::default(),
            grant: Grant::Given,
            no_money: None,
            doubtful: false,
            not_before: Duration::ZERO,
        },
        live: Liveness::Alive,
        holder: Liveness::NotRead,
        seen: false,
        missing: false,
        claim_read: true,
        unclaimed: None,
    }
}

fn marker() -> Marker {
    Marker::new("test", &identity())
}

fn identity() -> Identity {
    Identity::new("clinic", "front-desk")
}

impl Deal {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// What it comes to, once it has given back a right that it does not need.
    fn next(&self) -> Decision<dialplane::api::phone_number::PhoneNumberStatus> {
        match self.decide(&self.seller.grant) {
            Decision::Act(Effect::GiveBackGrant) => self.decide(&Grant::None),
            decision => decision,
        }
    }

    fn gives_back(&self) -> bool {
        self.decide(&self.seller.grant) == Decision::Act(Effect::GiveBackGrant)
    }

    fn decide(&self, grant: &Grant) -> Decision<dialplane::api::phone_number::PhoneNumberStatus> {
        let identity = identity();
        let target = number::number_of(&self.scene.number, self.journal.as_ref());
        number::next(&number::World {
            target,
            claim: self.scene.claim.as_ref().filter(|_| target.is_some()),
            buying: Some(Buying {
                identity: &identity,
                installation: "test",
                token: "new",
                live: self.live,
                record: Record {
                    journal: self.journal.as_ref(),
                    read: true,
                    claim_read: self.claim_read,
                    holder: self.holder,
                    holder_leaving: self.scene.rival.leaving,
                    own: self.own.as_ref(),
                },
                traces: &Traces {
                    marker: marker(),
                    marked: self.marked.clone(),
                    orders: self.orders.clone(),
                    claims: self.scene.claim.iter().cloned().collect(),
                    unclaimed: self.unclaimed.clone().unwrap_or_default(),
                },
                seller: &Seller { marks: self.unclaimed.is_none(), grant: grant.clone(), ..self.seller.clone() },
                supply: Supply { offers: &self.offers, idle: self.idle.as_deref() },
            }),
            holder: self.holder,
            seen: match (self.seen, self.missing) {
                (true, _) => Seen::Present { number: &self.scene.owned, fresh: true },
                (false, true) => Seen::Absent { fresh: true },
                (false, false) => Seen::Unseen,
            },
            definition_going: Some(false),
            ..self.scene.world()
        })
    }

    #[track_caller]
    fn entry(&self) -> Entry {
        match self.next() {
            Decision::Act(Effect::WriteJournal(entry)) => *entry,
            other => panic!("no entry: {other:?}"),
        }
    }

    #[track_caller]
    fn purchase(&self) -> BuyNumber {
        match self.next() {
            Decision::Act(Effect::Purchase(buy)) => *buy,
            other => panic!("no purchase: {other:?}"),
        }
    }

    #[track_caller]
    fn message(&self) -> String {
        let Decision::Rest(rest) = self.next() else { panic!("it does not rest") };
        let conditions = rest.status.expect("a status").conditions;
        conditions.into_iter().find(|c| c.type_() == "Ready").expect("Ready").message.into_owned()
    }

    fn says(&self) -> String {
        match self.next() {
            Decision::Rest(rest) => reason(&rest.status.expect("a status").conditions, "Acquired").unwrap().to_owned(),
            // It says that nothing was bought, and gives its right back.
            Decision::Act(Effect::WriteJournal(entry)) if entry.journal.spec.number.is_none() => {
                self.clone().after(*entry).says()
            }
            other => panic!("no rest: {other:?}"),
        }
    }

    /// After the entry was written by this process.
    fn entered(self) -> Self {
        let entry = self.entry();
        self.after(entry)
    }

    fn after(mut self, entry: Entry) -> Self {
        self.own = Some(OwnEntry {
            purpose: entry.purpose,
            clean: entry.clean,
            outcome: None,
            known_for: Duration::from_secs(60),
            lives: false,
            may_send: true,
            settled_in: Duration::from_secs(900),
            age: Duration::ZERO,
        });
        self.journal = Some(entry.journal);
        self
    }

    /// After the claim was made as well.
    fn claimed(mut self) -> Self {
        match self.next() {
            Decision::Act(Effect::CreateClaim(spec)) => self.scene.claim = Some(NumberClaim::new("14155551234", *spec)),
            other => panic!("no claim: {other:?}"),
        }
        self
    }

    fn tried(mut self, outcome: SendOutcome) -> Self {
        self.own.as_mut().unwrap().outcome = Some(outcome);
        self
    }
}

#[test]
fn the_search_for_our_marker_the_right_to_buy_and_the_offers_come_before_any_entry() {
    assert_eq!(deal().with(|d| d.marked = None).next(), Decision::Look(Look::Inventory));
    assert_eq!(deal().with(|d| d.seller.grant = Grant::None).next(), Decision::Act(Effect::AskGrant));
    let asked = |seconds| deal().with(|d| d.seller.grant = Grant::Asked(Duration::from_secs(seconds)));
    let in_a_moment = Rest { status: None, again: Some(Duration::from_secs(7)) };
    assert_eq!(asked(3).next(), Decision::Rest(in_a_moment));
    assert_eq!(asked(10).says(), "AccountNotReady", "silence is told");
    let unasked = deal().with(|d| d.offers.clear());
    assert_eq!(unasked.next(), Decision::Look(Look::Offers(Box::new(OfferQuery::Search(search())))));
}

#[test]
fn the_entry_names_one_number_then_the_claim_bears_its_attempt_and_then_it_is_sent_with_the_route() {
    let entered = deal().entered();
    let spec = &entered.journal.as_ref().unwrap().spec;
    assert_eq!((spec.number.as_ref(), spec.attempt, &*spec.token), (Some(&e164()), 1, "new"));
    let claimed = entered.claimed();
    let claim = &claimed.scene.claim.as_ref().unwrap().spec;
    assert_eq!(claim.purchase.as_ref().map(|p| (p.attempt, &*p.identity)), Some((1, "front-desk")));
    let buy = claimed.purchase();
    assert_eq!((buy.number, buy.attempt, buy.marker), (e164(), 1, marker()));
    assert!(buy.route[&Channel::Voice].url.as_ref().unwrap().contains("/v1/voice"));
    assert_eq!(claim.sent[0], digests(&buy.route), "what is sent stands in the claim first");
}

#[test]
fn nothing_is_bought_or_sent_while_the_route_that_it_would_share_does_not_stand() {
    for (served, expected) in
        [(Served::Pending, "SharedRoutePending"), (Served::Unshareable("v1".into()), "RouteNotShareable")]
    {
        for deal in [deal(), deal().with(|d| d.seller.grant = Grant::None), deal().entered().claimed()] {
            let waits = deal.with(|d| d.scene.agent = Some(serves(served.clone())));
            let Decision::Rest(rest) = waits.next() else { panic!("{:?}", waits.next()) };
            assert_eq!(reason(&rest.status.unwrap().conditions, "Ready"), Some(expected));
        }
    }
    // What may have been sent is settled before anything else is considered.
    let unknown = deal().entered().claimed().tried(SendOutcome::Unknown);
    assert_eq!(unknown.with(|d| d.scene.agent = Some(serves(Served::Pending))).entry().purpose, Purpose::Settle);
}

#[test]
fn nothing_is_sent_for_an_object_that_a_live_read_shows_going_or_after_its_time() {
    let ready = || deal().entered().claimed();
    assert_eq!(ready().with(|d| d.live = Liveness::NotRead).next(), Decision::Look(Look::Itself));
    assert!(matches!(ready().with(|d| d.live = Liveness::Gone).next(), Decision::Rest(_)));
    // The finalizer stands before the claim, and to have put it there after the entry is a live read.
    let bare = deal().entered().with(|d| d.scene.number.metadata.finalizers = None);
    assert!(matches!(bare.next(), Decision::Act(Effect::AddFinalizer(_))));
    let put = ready().with(|d| (d.live, d.own.as_mut().unwrap().lives) = (Liveness::NotRead, true));
    assert!(matches!(put.next(), Decision::Act(Effect::Purchase(_))), "{:?}", put.next());
    let late = ready().with(|d| d.own.as_mut().unwrap().may_send = false).entry();
    assert_eq!((late.purpose, late.journal.spec.attempt, late.clean), (Purpose::Send, 2, true), "it is written anew");
}

#[test]
fn an_attempt_of_which_nobody_knows_is_fenced_off_and_looked_for_and_nothing_else_is_bought() {
    for unknown in
        [deal().entered().claimed().tried(SendOutcome::Unknown), deal().entered().claimed().with(|d| d.own = None)]
    {
        let fence = unknown.entry();
        assert_eq!((fence.purpose, fence.journal.spec.attempt), (Purpose::Settle, 1));
        assert_eq!(fence.journal.spec.number, Some(e164()));
        let fenced = unknown.entered();
        assert!(matches!(fenced.next(), Decision::Look(Look::Number { .. })));
        let adopted = fenced.with(|d| d.seen = true).next();
        assert!(
            matches!(&adopted, Decision::Rest(rest) if rest.status.as_ref().unwrap().number == Some(e164())),
            "{adopted:?}"
        );
    }
}

#[test]
fn a_sure_refusal_goes_on_to_another_number_a_few_times() {
    let refused = || {
        let error = trouble(ErrorClass::Unavailable, 1, 600).error;
        let mut deal = deal().entered().claimed().tried(SendOutcome::DidNothing(error.clone()));
        deal.offers[0].found.push(offer("+14155559999", "1.15"));
        deal.scene.trouble =
            Some(dialplane::plan::Trouble { purchase: true, ..trouble(ErrorClass::Unavailable, 1, 600) });
        deal
    };
    let next = refused().entry();
    assert_eq!((next.journal.spec.number.unwrap().as_str(), next.journal.spec.attempt), ("+14155559999", 2));
    assert_eq!(refused().with(|d| d.scene.trouble.as_mut().unwrap().refused = 5).says(), "NumberUnavailable");
    for class in [ErrorClass::Throttled, ErrorClass::Transient] {
        let untried =
            refused().tried(SendOutcome::DidNothing(trouble(class, 1, 0).error)).with(|d| d.scene.trouble = None);
        assert_eq!(untried.entry().journal.spec.number, Some(e164()), "{class:?} says nothing of the number");
    }
    let doubtful = refused().with(|d| d.own.as_mut().unwrap().clean = false).entry();
    assert_eq!(
        (doubtful.purpose, doubtful.journal.spec.number),
        (Purpose::Settle, Some(e164())),
        "it may be taken by us"
    );
}

#[test]
fn that_others_take_all_there_is_is_said_once_it_lasts_and_looked_for_again_at_the_pace_of_the_searches() {
    let crowded = |lasts, again| {
        deal().with(|d| {
            let crowd = Crowd { lasts: Duration::from_secs(lasts), again: Duration::from_secs(again) };
            d.offers[0] = Offers { crowded: Some(crowd), found: vec![], ..d.offers[0].clone() };
        })
    };
    let silent = Rest { status: None, again: Some(Duration::from_secs(3)) };
    assert_eq!(crowded(7, 8).next(), Decision::Rest(silent));
    for lasts in [10, 100] {
        let told = crowded(lasts, 16);
        assert_eq!(told.says(), "NoMatchingNumber");
        let Decision::Rest(rest) = told.next() else { panic!("{:?}", told.next()) };
        assert_eq!(rest.again, Some(Duration::from_secs(16)));
        let conditions = rest.status.unwrap().conditions;
        assert!(conditions.iter().any(|c| c.message.contains("by other purchases in this cluster")), "{conditions:?}");
    }
}

#[test]
fn whoever_finds_nothing_to_buy_asks_for_no_right_and_gives_back_the_one_it_has() {
    type Bend = fn(&mut Deal);
    let hopeless: [(&str, Bend); 6] = [
        ("NoMatchingNumber", |d| d.offers[0].found = vec![offer("+12125551234", "1.15")]),
        ("PriceTooHigh", |d| purchase(d).max_monthly_price = "1.14".parse().ok()),
        ("PriceUnknown", |d| purchase(d).max_setup_price = "9".parse().ok()),
        ("AwaitingApproval", |d| purchase(d).approval = Approval::Manual),
        ("NotClaimed", |d| d.scene.number.spec.suspend = true),
        ("PurchasingPaused", |d| d.seller.limits.paused = true),
    ];
    for (expected, bend) in hopeless {
        let has = deal().with(bend);
        assert!(has.gives_back(), "{expected}");
        assert_eq!(has.says(), expected);
        let not = has.with(|d| d.seller.grant = Grant::None);
        assert!(!not.gives_back());
        assert_eq!(not.says(), expected);
    }
    let again = deal().with(|d| d.seller.grant = Grant::Again).with(|d| d.offers.clear());
    assert_eq!(again.next(), Decision::Act(Effect::AskGrant), "nothing is searched by whoever found something before");
}

#[test]
fn a_right_is_given_back_once_the_journal_says_that_nothing_was_bought_by_it_and_not_for_a_moment() {
    let refused = |class, wait| {
        let error = trouble(class, 1, wait).error;
        deal().entered().claimed().tried(SendOutcome::DidNothing(error)).with(|d| {
            d.scene.trouble = Some(dialplane::plan::Trouble { purchase: true, ..trouble(class, 1, wait) });
        })
    };
    for class in [ErrorClass::Rejected, ErrorClass::Regulatory, ErrorClass::Funds, ErrorClass::Forbidden] {
        let entry = refused(class, 600).entry();
        assert_eq!(
            (entry.purpose, &entry.journal.spec.number, entry.journal.spec.attempt),
            (Purpose::Settle, &None, 1)
        );
        let told = refused(class, 600).after(entry);
        assert!(told.gives_back(), "{class:?}");
    }
    assert_eq!(refused(ErrorClass::Throttled, 5).says(), "PurchaseFailed");
    // What may have been bought is no reason to give anything back.
    let unknown = deal().entered().claimed().tried(SendOutcome::Unknown).entered();
    let waits = unknown.with(|d| (d.seen, d.missing, d.orders) = (false, true, Some(vec![])));
    assert_eq!(waits.says(), "PurchaseOutcomeUnknown");
}

#[test]
fn each_refusal_of_the_carrier_has_its_condition() {
    for (class, expected) in [
        (ErrorClass::Funds, "InsufficientFunds"),
        (ErrorClass::Regulatory, "RegulatoryRequired"),
        (ErrorClass::Forbidden, "PurchaseForbidden"),
        (ErrorClass::Rejected, "PurchaseRefused"),
        (ErrorClass::Throttled, "PurchaseFailed"),
    ] {
        let error = trouble(class, 1, 30).error;
        let refused = deal().entered().claimed().tried(SendOutcome::DidNothing(error)).with(|d| {
            d.scene.trouble = Some(dialplane::plan::Trouble { purchase: true, ..trouble(class, 1, 30) });
        });
        assert_eq!(refused.says(), expected);
        assert!(matches!(refused.with(|d| d.scene.trouble = None).next(), Decision::Act(Effect::WriteJournal(_))));
    }
}

#[test]
fn what_bears_our_marker_is_adopted_and_several_are_asked_about() {
    let other: E164 = "+14155559999".parse().unwrap();
    let known = deal().with(|d| d.marked = Some(vec![e164()])).entry();
    assert_eq!((known.purpose, known.journal.spec.number), (Purpose::Settle, Some(e164())));
    let several = || deal().with(|d| d.marked = Some(vec![e164(), other.clone()]));
    assert_eq!(several().says(), "MultipleNumbers");
    let said = several().with(|d| {
        d.scene.number.metadata.annotations.get_or_insert_default().insert(SAID.into(), other.to_string());
    });
    assert_eq!(said.entry().journal.spec.number, Some(other.clone()));
}

#[test]
fn a_journal_that_another_object_holds_is_taken_over_once_that_is_gone() {
    let held = || {
        deal().entered().with(|d| {
            d.journal.as_mut().unwrap().spec.holder.uid = "uid-2".into();
            d.own = None;
        })
    };
    assert!(matches!(held().next(), Decision::Look(Look::Holder(_))));
    assert_eq!(held().with(|d| d.holder = Liveness::Alive).says(), "IdentityInUse");
    let taken = held().with(|d| d.holder = Liveness::Gone).entry();
    assert_eq!((taken.purpose, &*taken.journal.spec.holder.uid), (Purpose::Settle, "uid-1"));
}

#[test]
fn money_that_may_not_be_spent_is_not() {
    type Bend = fn(&mut Deal);
    let refusals: [(&str, Bend); 6] = [
        ("PurchasingPaused", |d| d.seller.limits.paused = true),
        ("PriceTooHigh", |d| d.seller.limits.max_monthly_price = "1.00".parse().ok()),
        ("PriceTooHigh", |d| purchase(d).max_monthly_price = "1.14".parse().ok()),
        ("PriceUnknown", |d| purchase(d).max_setup_price = "9".parse().ok()),
        ("NotClaimed", |d| d.scene.number.spec.suspend = true),
        ("PurchaseOutcomeUnknown", |d| d.seller.not_before = SECOND),
    ];
    for (expected, bend) in refusals {
        assert_eq!(deal().with(bend).says(), expected);
    }
}

fn purchase(deal: &mut Deal) -> &mut Purchase {
    deal.scene.number.spec.purchase.as_mut().unwrap()
}

#[test]
fn with_manual_approval_just_the_number_that_was_shown_is_bought() {
    let approve = |number: &str| {
        let number = number.to_owned();
        move |d: &mut Deal| {
            d.scene.number.metadata.annotations.get_or_insert_default().insert(APPROVE.into(), number);
        }
    };
    let mut asked = deal().with(|d| purchase(d).approval = Approval::Manual);
    let Decision::Rest(rest) = asked.next() else { panic!() };
    assert_eq!(asked.says(), "AwaitingApproval");
    asked.scene.number.status = rest.status;
    let mut other = asked.clone().with(approve("+14155559999"));
    assert_eq!(other.says(), "AwaitingApproval");
    assert!(
        other.message().contains("It is \"+14155559999\" now, which is not exactly that number"),
        "{}",
        other.message()
    );
    for wrong in [NUMBER[1..].to_owned(), "yes".to_owned(), "9".repeat(100_000)] {
        let said = asked.clone().with(approve(&wrong)).message();
        assert!(said.contains("which is not exactly that number") && said.len() < 1000, "{said}");
    }
    other.offers[0].found[0].price.monthly = "1.50".parse().ok();
    let mut dearer = other.with(approve(NUMBER));
    assert_eq!(dearer.says(), "AwaitingApproval", "the price is not the one that was shown");
    dearer.offers[0].found[0].price.monthly = "1.15".parse().ok();
    assert_eq!(dearer.entry().journal.spec.number, Some(e164()));
}

#[test]
fn an_account_that_cannot_be_used_begins_nothing() {
    let closed = deal().with(|d| match &mut d.scene.account {
        AccountRef::Found(view) => view.open = None,
        _ => unreachable!(),
    });
    assert_eq!(closed.says(), "AccountNotReady");
}

/// What a restore into another cluster leaves: the records, whose holder is gone, and the number with the old name on it.
fn restored() -> Deal {
    let mut deal = deal().entered().claimed();
    deal.own = None;
    (deal.seen, deal.scene.marked_by_another, deal.holder) = (true, true, Liveness::Gone);
    deal.scene.owned.marker = Some(Marker::new("old", &identity()));
    deal.scene.claim_mut().holder.as_mut().unwrap().uid = "uid-old".into();
    deal.scene.claim_mut().purchase.as_mut().unwrap().installation = "old".into();
    deal
}

#[test]
fn nothing_is_bought_against_what_another_installation_has_written_down() {
    // The journal's holder is gone; it is taken over, and then the number is there and bears the old name.
    let taken = restored().with(|d| d.journal.as_mut().unwrap().spec.holder.uid = "uid-old".into());
    assert_eq!(taken.entry().journal.spec.number.unwrap().as_str(), NUMBER);
    assert_eq!(restored().says(), "MarkerConflict");
    // The claim alone is enough to remember by, and so is the journal alone.
    assert_eq!(restored().with(|d| d.journal = None).entry().journal.spec.number.unwrap().as_str(), NUMBER);
    assert_eq!(restored().with(|d| d.scene.claim = None).says(), "MarkerConflict");
    // Another identity's is no record of this one.
    let other = restored().with(|d| d.scene.claim = None).with(|d| {
        d.scene.owned.marker = Some(Marker::new("old", &Identity::new("clinic", "another")));
    });
    assert!(matches!(other.next(), Decision::Act(Effect::WriteJournal(_))), "it is settled like any attempt");
    let adopted = restored().with(|d| {
        d.scene.number.metadata.annotations = Some([(SAID.to_owned(), NUMBER.to_owned())].into());
    });
    assert!(matches!(adopted.next(), Decision::Act(Effect::WriteClaim(_))), "{:?}", adopted.next());
}

#[test]
fn whoever_has_the_identity_of_one_that_is_being_deleted_waits_for_it() {
    let held = deal().entered().with(|d| {
        d.journal.as_mut().unwrap().spec.holder.uid = "uid-2".into();
        d.holder = Liveness::Alive;
    });
    assert_eq!(held.says(), "IdentityInUse");
    assert_eq!(held.with(|d| d.scene.rival.leaving = true).says(), "AwaitingHandover");
}

#[test]
fn what_was_bought_and_is_anothers_by_now_holds_no_deletion_up() {
    let deleted = |d: Deal| d.with(|d| d.scene.delete());
    let attempt = || deleted(deal().entered().claimed().with(|d| d.own = None));
    assert!(matches!(attempt().next(), Decision::Act(Effect::WriteJournal(_))), "it is settled first");
    let lets_go = |d: Deal| matches!(d.next(), Decision::Act(Effect::RemoveFinalizer(_)));
    let refused = |d: &mut Deal| d.scene.account = AccountRef::Refused(Key::new("telephony", "twilio"));
    let moved = |d: &mut Deal| d.scene.claim_mut().holder.as_mut().unwrap().uid = "uid-2".into();
    assert!(lets_go(attempt().with(moved).with(refused)), "the owner of the account took it back");
    assert!(lets_go(attempt().with(moved)));
    let missing = |d: &mut Deal| d.scene.account = AccountRef::Missing(Key::new("telephony", "twilio"));
    assert!(lets_go(attempt().with(|d| d.scene.claim = None).with(missing)));
}

#[test]
fn a_number_that_was_handed_to_another_namespace_is_not_this_identitys_though_it_bears_its_marker() {
    let handed = deal().entered().claimed().with(|d| {
        (d.own, d.seen) = (None, true);
        let claim = d.scene.claim_mut();
        claim.holder.as_mut().unwrap().namespace = "elsewhere".into();
        claim.holder.as_mut().unwrap().uid = "uid-2".into();
        claim.purchase.as_mut().unwrap().namespace = "elsewhere".into();
    });
    assert!(matches!(handed.next(), Decision::Act(Effect::WriteJournal(_))), "{:?}", handed.next());
}

#[test]
fn a_number_that_was_bought_and_rested_is_lost_and_not_bought_beside_whatever_its_claim_says_of_it() {
    // Another object of the identity comes, and the carrier does not show the number.
    let gone = |deal: Deal| {
        deal.with(|d| {
            (d.seen, d.missing, d.orders, d.own) = (false, true, Some(vec![]), None);
            d.scene.number.status = None;
        })
    };
    let claim = |change: &dyn Fn(&mut NumberClaim)| {
        gone(deal().entered().claimed()).with(|d| change(d.scene.claim.as_mut().unwrap()))
    };
    for id in ["PN1", ""] {
        let rests = claim(&|claim| (claim.spec.holder, claim.spec.carrier_number_id) = (None, id.into()));
        assert_eq!(rests.says(), "NumberLost", "{id:?}");
    }
    let stranger = |claim: &mut NumberClaim| claim.spec.holder.as_mut().unwrap().uid = "gone".into();
    let left = claim(&|claim| {
        stranger(claim);
        claim.spec.carrier_number_id = "PN1".into();
    });
    assert_eq!(left.says(), "NumberLost", "as where its last holder went without letting go of it");
    // Of what was only sent for, and of an attempt before the last, nobody knows that it was bought.
    assert_eq!(claim(&stranger).entry().purpose, Purpose::Settle);
    let earlier = claim(&|claim| claim.spec.holder = None).with(|d| d.journal.as_mut().unwrap().spec.attempt = 2);
    assert_eq!(earlier.entry().purpose, Purpose::Settle);
}
