//! Agents that a platform hosts: a draft is published once and found again, and an earlier version serves again.

use dialplane::{
    carrier::{ErrorClass, HostedVersion, Outcome},
    sandbox::carrier::{Fault, KeyScope, Kind, Match, Rule},
};
use serde_json::json;

use super::{
    subject::{Subject, did, did_nothing, unknown},
    wire::refuse,
};
use crate::support::eventually;

const NOTE: &str = "dialplane test: clinic/front-desk v1";
const KEY: &str = "clinic/front-desk v1";

/// Faults after which nobody knows, and which come when it was done.
const DONE: [Fault; 5] = [
    Fault::ServerErrorAfter { status: 502 },
    Fault::AnswerLost,
    Fault::AppliedLate { ms: 50 },
    Fault::TornBody,
    Fault::Rubbish,
];
/// The same where nothing was done.
const NOT_DONE: [Fault; 3] =
    [Fault::ServerErrorBefore { status: 503 }, Fault::RequestLost, Fault::Html { status: 502 }];

/// An agent with a draft that nobody has published.
fn agent(s: &Subject) -> String {
    s.sandbox.add_agent(&s.account(), "night-desk", json!({"greeting": "one"})).unwrap()
}

async fn publish(s: &Subject, agent: &str) -> Outcome<HostedVersion> {
    s.publishing().publish(agent, NOTE, KEY).await
}

/// How many versions there are, by the platform's books.
fn versions(s: &Subject, agent: &str) -> usize {
    s.sandbox.agent_versions(agent).len()
}

/// What the adapter sees: what serves, what bears the note, and whether the draft is another.
async fn seen(s: &Subject, agent: &str) -> (Option<String>, Vec<String>, bool) {
    let published = s.hosted(agent).await.unwrap().expect("it is there").published.expect("it has versions");
    let noted = published.known.into_iter().filter(|version| version.note.as_deref() == Some(NOTE));
    (published.serving, noted.map(|version| version.id).collect(), published.draft_differs)
}

/// One more version, made by a person: its id.
fn by_hand(s: &Subject, agent: &str, greeting: &str) -> String {
    s.sandbox.edit_agent(agent, json!({"greeting": greeting})).unwrap();
    s.sandbox.publish_agent(agent, None).unwrap()
}

pub async fn a_draft_is_published_once_and_found_by_its_note(s: &Subject) {
    let agent = agent(s);
    assert_eq!(seen(s, &agent).await, (None, vec![], true));
    let version = did(publish(s, &agent).await);
    assert_eq!(version.note.as_deref(), Some(NOTE));
    assert_eq!(s.sandbox.published_version(&agent), Some(version.id.clone()));
    assert_eq!(seen(s, &agent).await, (Some(version.id.clone()), vec![version.id.clone()], false));
    s.sandbox.edit_agent(&agent, json!({"greeting": "two"})).unwrap();
    assert_eq!(did(publish(s, &agent).await), version, "the same key does it once");
    assert_eq!((versions(s, &agent), seen(s, &agent).await.2), (1, true));
}

pub async fn a_draft_that_serves_as_it_is_differs_in_nothing(s: &Subject) {
    let agent = agent(s);
    let first = by_hand(s, &agent, "two");
    assert_eq!(seen(s, &agent).await, (Some(first.clone()), vec![], false));
    s.sandbox.edit_agent(&agent, json!({"greeting": "three"})).unwrap();
    assert!(seen(s, &agent).await.2);
    s.sandbox.edit_agent(&agent, json!({"greeting": "two"})).unwrap();
    assert_eq!(seen(s, &agent).await, (Some(first), vec![], false));
    assert_eq!((s.requests(Kind::Publish).len(), versions(s, &agent)), (0, 1), "to look publishes nothing");
}

pub async fn a_publication_is_unknown_where_its_answer_is_and_is_then_found(s: &Subject) {
    for fault in DONE {
        let agent = agent(s);
        s.sandbox.reset_ledger();
        s.inject(Match::publish(), fault.clone());
        let outcome = publish(s, &agent).await;
        // An answer that is no version is looked behind.
        match (&fault, &outcome) {
            (Fault::Rubbish, Outcome::Did(version)) => assert_eq!(version.note.as_deref(), Some(NOTE)),
            _ => assert_eq!(unknown(outcome).class, ErrorClass::Transient, "{fault:?}"),
        }
        assert_eq!(s.requests(Kind::Publish).len(), 1, "{fault:?}: it is sent once");
        let found = eventually("it is found", async || seen(s, &agent).await.1.pop()).await;
        assert_eq!(s.sandbox.published_version(&agent), Some(found.clone()));
        assert_eq!((did(publish(s, &agent).await).id, versions(s, &agent)), (found, 1), "{fault:?}");
    }
}

pub async fn a_publication_that_was_not_made_is_unknown_and_made_by_the_same_key(s: &Subject) {
    for fault in NOT_DONE {
        let agent = agent(s);
        s.inject(Match::publish(), fault.clone());
        unknown(publish(s, &agent).await);
        assert_eq!((seen(s, &agent).await.1, versions(s, &agent)), (vec![], 0), "{fault:?}");
        let version = did(publish(s, &agent).await);
        assert_eq!((seen(s, &agent).await.1, versions(s, &agent)), (vec![version.id], 1), "{fault:?}");
    }
}

pub async fn a_publication_that_is_refused_did_nothing_and_has_the_class_of_it(s: &Subject) {
    let agent = agent(s);
    for (class, status, code) in s.wire.refusals {
        s.sandbox.reset_ledger();
        s.inject(Match::publish(), refuse(*status, code));
        // One that was told to wait would wait.
        let carrier = s.open(s.token());
        let error = did_nothing(carrier.publishing().unwrap().publish(&agent, NOTE, KEY).await);
        assert_eq!((error.class, error.has_code(code)), (*class, true));
        assert_eq!(s.requests(Kind::Publish).len(), 1, "{code}: it is sent once");
    }
    assert_eq!((versions(s, &agent), s.sandbox.published_version(&agent)), (0, None));
}

pub async fn a_draft_that_cannot_be_published_is_said_to_be_so(s: &Subject) {
    let agent = agent(s);
    let first = by_hand(s, &agent, "two");
    s.sandbox.edit_agent(&agent, json!({"greeting": "three"})).unwrap();
    s.sandbox.set_agent_compiles(&agent, false).unwrap();
    assert_eq!(did_nothing(publish(s, &agent).await).class, ErrorClass::Rejected);
    assert_eq!(seen(s, &agent).await, (Some(first), vec![], true), "the last version goes on");
}

pub async fn versions_that_are_not_wholly_seen_are_an_error(s: &Subject) {
    let agent = agent(s);
    for greeting in ["two", "three", "four"] {
        by_hand(s, &agent, greeting);
    }
    let of_versions = || Match { path: Some("*/versions".to_owned()), ..Match::kind(Kind::Look) };
    for fault in [Fault::TornPage, Fault::EmptyPage, Fault::TornBody, Fault::Html { status: 200 }, Fault::NotFound] {
        s.sandbox.inject(Rule::new(of_versions(), fault.clone()).always());
        assert!(s.hosted(&agent).await.is_err(), "{fault:?}");
        s.sandbox.clear_faults();
    }
}

pub async fn an_earlier_version_serves_again_and_the_draft_stays(s: &Subject) {
    let agent = agent(s);
    let first = did(publish(s, &agent).await);
    let second = by_hand(s, &agent, "two");
    assert_eq!(did(s.publishing().point_at(&agent, &first.id).await).id, first.id);
    assert_eq!(seen(s, &agent).await, (Some(first.id.clone()), vec![first.id.clone()], true));
    assert_eq!(did(s.publishing().point_at(&agent, &second).await).id, second);
    assert_eq!(seen(s, &agent).await, (Some(second), vec![first.id], false));
    assert_eq!((versions(s, &agent), s.requests(Kind::Publish).len()), (2, 1), "nothing is published for that");
}

pub async fn a_change_of_what_serves_is_unknown_where_its_answer_is(s: &Subject) {
    let agent = agent(s);
    let (first, second) = (by_hand(s, &agent, "one"), by_hand(s, &agent, "two"));
    for (faults, serves) in [(&NOT_DONE[..], &second), (&DONE[..], &first)] {
        for fault in faults {
            s.sandbox.roll_agent_back(&agent, &second).unwrap();
            s.sandbox.reset_ledger();
            s.inject(Match::kind(Kind::Rollback), fault.clone());
            unknown(s.publishing().point_at(&agent, &first).await);
            assert_eq!(s.requests(Kind::Rollback).len(), 1, "{fault:?}: it is sent once");
            eventually("it is seen", async || (seen(s, &agent).await.0.as_ref() == Some(serves)).then_some(())).await;
        }
    }
}

/// By an error that says so, and not by one that could be anything's.
pub async fn a_version_that_the_agent_does_not_have_is_refused(s: &Subject) {
    let (ours, other) = (agent(s), agent(s));
    let (serving, others) = (by_hand(s, &ours, "two"), by_hand(s, &other, "three"));
    for version in ["nothing-of-the-kind", &others] {
        let error = did_nothing(s.publishing().point_at(&ours, version).await);
        assert!(matches!(error.class, ErrorClass::NotFound | ErrorClass::Rejected), "{error:?}");
        assert!(error.text.contains("version"), "{error}");
    }
    assert_eq!(s.sandbox.published_version(&ours), Some(serving));
    let error = did_nothing(publish(s, "nothing-of-the-kind").await);
    assert_eq!((error.class, s.hosted("nothing-of-the-kind").await), (ErrorClass::NotFound, Ok(None)));
}

pub async fn an_agent_of_another_account_is_not_published(s: &Subject) {
    let agent = agent(s);
    let serving = by_hand(s, &agent, "two");
    let (.., stranger) = s.stranger();
    let (platform, publishing) = (stranger.platform().unwrap(), stranger.publishing().unwrap());
    assert_eq!(platform.agent(&agent).await, Ok(None));
    assert_eq!(did_nothing(publishing.publish(&agent, NOTE, KEY).await).class, ErrorClass::NotFound);
    assert_eq!(did_nothing(publishing.point_at(&agent, &serving).await).class, ErrorClass::NotFound);
    let lists = s.open(s.further_key(KeyScope::Restricted(vec![Kind::List])));
    let publishing = lists.publishing().unwrap();
    assert_eq!(did_nothing(publishing.publish(&agent, NOTE, KEY).await).class, ErrorClass::Forbidden);
    assert_eq!(did_nothing(publishing.point_at(&agent, &serving).await).class, ErrorClass::Forbidden);
    assert_eq!((versions(s, &agent), s.sandbox.published_version(&agent)), (1, Some(serving)));
}
