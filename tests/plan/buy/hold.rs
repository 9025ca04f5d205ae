//! Numbers that the carrier keeps before they are bought: when it is asked to, what is written then, and when a person is asked.

use std::time::Duration;

use dialplane::{
    api::{
        account::AccountApproval,
        meta::{ABANDON, APPROVE, Key},
        offer::Price,
        phone_number::{Approval, Mode, PhoneNumberStatus, Reuse},
        purchase::Hold,
    },
    carrier::ErrorClass,
    plan::{
        AccountRef, Decision, Effect, Entry, Grant, HoldNumber, Idle, LetGoHold, Purpose, SendOutcome, Trouble, policy,
    },
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
fn later(past_its_end: i64) -> impl Fn(&mut Deal) {
    move |d| {
        let end = now() - jiff::SignedDuration::from_secs(past_its_end);
        d.journal.as_mut().unwrap().spec.hold.as_mut().unwrap().until = Some(end.to_string());
        d.own.as_mut().unwrap().age = half_an_hour();
    }
}

#[test]
fn a_number_that_may_be_kept_by_now_is_asked_for_again_whatever_else_there_is() {
    let others = ["+14155550001", "+14155550002", "+14155550003", "+14155550004"];
    for asked in others {
        let again = holding().with(|d| {
            d.offers[0].found.extend(others.map(|number| offer(number, "1.15")));
            d.offers[0].found.iter_mut().for_each(|offer| offer.can_hold = true);
            d.seller.asked = asked.parse().ok();
        });
        assert_eq!(keeps(&again).number.as_str(), asked);
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
    assert_eq!((dear.says(), rests(&dear).0.offer), ("PriceTooHigh".to_owned(), None), "and not offered any more");
    let named = waiting().with(|d| {
        let wish = purchase(d);
        (wish.search, wish.number) = (None, OTHER.parse().ok());
    });
    assert!(matches!(named.next(), Decision::Look(_)), "another is looked for");
}

#[test]
fn an_object_that_is_deleted_while_a_number_is_only_kept_goes_at_once() {
    let deleted = shown(kept(asking())).with(|d| d.scene.delete());
    assert!(goes(&deleted), "{:?}", deleted.next());
}

fn goes(deal: &Deal) -> bool {
    matches!(deal.next(), Decision::Act(Effect::RemoveFinalizer(_)))
}

fn lets_go(d: &mut Deal) {
    d.seller.lets_go = true;
}

/// A hold that waits for a person, at a carrier that lets go of holds.
fn waiting() -> Deal {
    shown(kept(asking().with(lets_go)))
}

fn elsewhere(d: &mut Deal) {
    let wish = purchase(d);
    (wish.search, wish.number) = (None, OTHER.parse().ok());
}

#[track_caller]
fn lets(deal: &Deal) -> LetGoHold {
    match deal.next() {
        Decision::Act(Effect::LetGo(let_go)) => *let_go,
        other => panic!("nothing is let go of: {other:?}"),
    }
}

fn lets_nothing_go(deal: &Deal) -> bool {
    !matches!(deal.next(), Decision::Act(Effect::LetGo(_)))
}

#[test]
fn what_is_kept_and_no_longer_wanted_is_let_go_of_once_by_an_entry_that_knows_nothing_of_it() {
    type Bend = fn(&mut Deal);
    let bends: [Bend; 2] = [elsewhere, |d| d.seller.limits.max_monthly_price = "1.00".parse().ok()];
    for bend in bends {
        let unwanted = waiting().with(bend);
        let LetGoHold { account, hold, entry } = lets(&unwanted);
        assert_eq!((account.to_string().as_str(), hold.number, &*hold.id), ("clinic/twilio", e164(), "hold-1"));
        let spec = &entry.journal.spec;
        assert_eq!((entry.purpose, &spec.number, &spec.hold, &*spec.token), (Purpose::Settle, &None, &None, "new"));
        assert!(lets_nothing_go(&unwanted.after(entry)), "and never again");
    }
    assert!(lets_nothing_go(&waiting()), "it is wanted");
}

#[test]
fn what_is_kept_is_let_go_of_before_another_number_is_taken_from_the_pool() {
    let idle =
        Idle { number: OTHER.parse().unwrap(), price: Price::default(), offered: None, last: None, wanted: false };
    let taken = waiting().with(|d| (d.idle, purchase(d).reuse) = (Some(vec![idle]), Reuse::Pool)).with(elsewhere);
    let entry = lets(&taken).entry;
    assert_eq!(taken.after(entry).entry().purpose, Purpose::Take);
}

#[test]
fn a_hold_is_not_let_go_of_where_that_cannot_be_done_or_a_purchase_by_it_may_be_under_way() {
    type Bend = fn(&mut Deal);
    let bends: [(&str, Bend); 6] = [
        ("the carrier cannot", |d| d.seller.lets_go = false),
        ("it has ended", |d| later(60)(d)),
        ("what was bought before this process began is not known", |d| d.seller.not_before = SECOND),
        ("it is suspended", |d| d.scene.number.spec.suspend = true),
        ("it is only observed", |d| d.scene.number.spec.mode = Mode::Observe),
        ("it is another object's", |d| d.journal.as_mut().unwrap().spec.holder.uid = "uid-2".into()),
    ];
    for (why, bend) in bends {
        assert!(lets_nothing_go(&waiting().with(elsewhere).with(bend)), "{why}");
        assert!(goes(&waiting().with(|d| d.scene.delete()).with(bend)), "{why}");
    }
    let sent = || kept(holding().with(lets_go)).claimed().with(elsewhere);
    let unknown = sent().tried(SendOutcome::Unknown);
    assert_eq!(unknown.entry().purpose, Purpose::Settle);
    assert!(lets_nothing_go(&unknown.entered()), "it is waited for");
    assert_eq!(sent().with(|d| d.own = None).entry().purpose, Purpose::Settle, "nobody knows what was sent");
    assert_eq!(sent().purchase().hold.unwrap().number, e164(), "it is just about to be sent");
}

#[test]
fn an_attempt_that_surely_bought_nothing_leaves_a_hold_that_is_let_go_of_when_another_is_wanted() {
    let sent = || kept(holding().with(lets_go)).claimed().with(elsewhere);
    let late = sent().with(|d| d.own.as_mut().unwrap().may_send = false);
    let refused = sent().tried(SendOutcome::DidNothing(trouble(ErrorClass::Funds, 1, 0).error));
    for open in [late, refused] {
        let LetGoHold { hold, entry, .. } = lets(&open);
        assert_eq!((hold.number, entry.journal.spec.number, entry.journal.spec.attempt), (e164(), None, 1));
    }
}

#[test]
fn the_finalizer_stands_before_a_hold_that_waits_for_a_person_where_it_can_be_let_go_of() {
    let bare = |deal: Deal| deal.with(|d| d.scene.number.metadata.finalizers = None);
    assert!(matches!(bare(asking().with(lets_go)).next(), Decision::Act(Effect::AddFinalizer(_))));
    assert_eq!(keeps(&bare(asking())).number, e164());
    assert_eq!(keeps(&bare(holding().with(lets_go))).number, e164(), "nobody is waited for");
}

#[test]
fn an_object_that_is_deleted_lets_go_of_what_is_kept_for_it_and_then_goes_whatever_came_of_it() {
    let deleted = || waiting().with(|d| d.scene.delete());
    let entry = lets(&deleted()).entry;
    assert_eq!((entry.purpose, &entry.journal.spec.number), (Purpose::Settle, &None));
    assert!(goes(&deleted().after(entry)));
    let closed = |d: &mut Deal| match &mut d.scene.account {
        AccountRef::Found(view) => view.open = None,
        _ => unreachable!(),
    };
    let abandoned = |d: &mut Deal| match &mut d.scene.account {
        AccountRef::Found(view) => view.abandoned = true,
        _ => unreachable!(),
    };
    let missing = |d: &mut Deal| d.scene.account = AccountRef::Missing(Key::new("clinic", "twilio"));
    let refused = |d: &mut Deal| d.scene.account = AccountRef::Refused(Key::new("clinic", "twilio"));
    let let_go = |d: &mut Deal| d.scene.annotate(ABANDON);
    for bend in [closed as fn(&mut Deal), abandoned, missing, refused, let_go] {
        assert!(goes(&deleted().with(bend)), "{:?}", deleted().with(bend).next());
    }
}

#[test]
fn an_object_that_is_deleted_in_the_middle_lets_go_once_it_is_sure_that_nothing_was_bought() {
    let sent = |outcome| kept(holding().with(lets_go)).claimed().tried(outcome).with(|d| d.scene.delete());
    let refused = sent(SendOutcome::DidNothing(trouble(ErrorClass::Rejected, 1, 0).error));
    let LetGoHold { hold, entry, .. } = lets(&refused);
    assert_eq!((hold.number, entry.journal.spec.number), (e164(), None));
    let settling = sent(SendOutcome::Unknown).entered();
    assert!(lets_nothing_go(&settling), "it may have been bought");
    let settled = settling.with(|d| {
        (d.own.as_mut().unwrap().settled_in, d.missing, d.orders) = (Duration::ZERO, true, Some(vec![]));
    });
    assert_eq!(lets(&settled).hold.number, e164());
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
    let message = &status.conditions.iter().find(|c| c.type_() == "Acquired").unwrap().message;
    assert!(message.contains("This needs the verb approve on CarrierAccount clinic/twilio"), "{message}");
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
        assert!(status.conditions[1].message.contains("Remove the annotation"), "{}", status.conditions[1].message);
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
