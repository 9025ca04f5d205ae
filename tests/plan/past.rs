//! An Agent that was made again: under a name that anything remembers, nothing is frozen but what was published under it.

use std::time::Duration;

use dialplane::{
    api::{
        Agent,
        agent::{AgentStatus, PublishedVersion},
        meta::{Key, PUBLISHED},
    },
    plan::{
        Decision, Effect, Look, Rest,
        agent::{World, next},
        past::{Bond, Past, Place, Trace, Unlisted},
        policy,
    },
};

use super::{
    agent::{agent, draft, world},
    scene::{e164, reason},
};

/// What v1 was, and what the draft has become since.
const WAS: &str = "one.example.com";
const IS: &str = "two.example.com";

fn digest(host: &str) -> String {
    draft(host).digest()
}

fn account() -> Key {
    Key::new("agents", "twilio")
}

/// An Agent that wants v1 and of which nothing is known, and what is found of an earlier one.
#[derive(Clone, Debug)]
struct Stage {
    agent: Agent,
    past: Past,
    known_for: Duration,
}

fn made_again() -> Stage {
    Stage { agent: agent(IS), past: Past { listed: true, ..Past::default() }, known_for: Duration::ZERO }
}

impl Stage {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn trace(self, at: Place, digest: Option<String>) -> Self {
        self.with(|s| s.past.traces.push(Trace { at, digest }))
    }

    fn annotated(self, text: &str) -> Self {
        self.with(|s| {
            s.agent.metadata.annotations.get_or_insert_default().insert(PUBLISHED.into(), text.into());
        })
    }

    fn next(&self, past: Option<&Past>) -> Decision<AgentStatus> {
        next(&World { past, known_for: self.known_for, ..world(&self.agent) })
    }

    /// What is frozen, or why nothing is.
    fn comes_to(&self) -> String {
        match self.next(Some(&self.past)) {
            Decision::Act(Effect::CreateVersion(version)) => format!("freeze {}", version.version),
            Decision::Rest(Rest { status: Some(status), .. }) => {
                reason(&status.conditions, "Published").unwrap().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    fn rest(&self) -> (AgentStatus, Option<Duration>) {
        match self.next(Some(&self.past)) {
            Decision::Rest(Rest { status: Some(status), again }) => (status, again),
            other => panic!("{other:?}"),
        }
    }

    fn message(&self) -> String {
        let conditions = self.rest().0.conditions;
        conditions.into_iter().find(|condition| condition.type_() == "Published").unwrap().message.into_owned()
    }
}

fn at_the_carrier(bond: Bond) -> Place {
    Place::Carrier { account: account(), number: e164(), bond }
}

/// Every kind of thing that blocks a name without saying what it stood for.
fn places() -> Vec<Place> {
    vec![
        Place::Claim(e164()),
        Place::Number(Key::new("clinic", "front-desk")),
        at_the_carrier(Bond::Allowed),
        at_the_carrier(Bond::Own),
        Place::Shared(account()),
        Place::Predecessor,
    ]
}

#[test]
fn it_is_asked_who_remembers_a_name_before_a_draft_is_frozen_under_it() {
    let stage = made_again();
    assert_eq!(stage.next(None), Decision::Look(Look::Past("v1".into())));
    assert_eq!(stage.comes_to(), "freeze v1", "nobody does");
}

#[test]
fn a_name_that_anything_remembers_is_not_frozen_and_the_reason_says_how_to_go_on() {
    for place in places() {
        let stage = made_again().trace(place.clone(), None);
        assert_eq!(stage.comes_to(), "VersionNameUsed", "{place:?}");
        let message = stage.message();
        for way in ["create AgentVersion dental.v1", "spec.versionDigest", &digest(IS), "under a new name"] {
            assert!(message.contains(way), "{place:?}: {message}");
        }
    }
}

#[test]
fn what_was_published_under_the_name_is_frozen_again() {
    for place in places() {
        let known = || made_again().trace(Place::Predecessor, Some(digest(WAS))).trace(place.clone(), None);
        assert_eq!(known().comes_to(), "VersionNameUsed", "{place:?}");
        assert!(known().message().contains(&digest(WAS)), "whoever knows more is named first");
        let as_it_was = known().with(|s| s.agent.spec.draft = Some(draft(WAS)));
        assert_eq!(as_it_was.comes_to(), "freeze v1", "{place:?}");
    }
    let at_odds = made_again().trace(Place::Predecessor, Some(digest(WAS))).annotated(&format!("v1={}", digest(IS)));
    assert_eq!(at_odds.comes_to(), "VersionNameUsed", "two that know do not agree");
}

#[test]
fn a_person_who_gives_the_digest_of_the_draft_has_it_frozen_under_a_used_name() {
    for place in places() {
        let stage = made_again().trace(place, None);
        let given = |host| stage.clone().with(|s| s.agent.spec.version_digest = Some(digest(host)));
        assert_eq!((given(IS).comes_to(), given(WAS).comes_to()), ("freeze v1".into(), "DigestMismatch".into()));
    }
}

#[test]
fn what_comes_with_the_object_out_of_a_backup_counts() {
    let noted = |text: &str| made_again().annotated(text).comes_to();
    let was = digest(WAS);
    assert_eq!(noted(&format!("v0=sha256:0,v1={was}")), "VersionNameUsed");
    assert_eq!(noted(&format!("v1={}", digest(IS))), "freeze v1");
    for other in ["", "v1", "v1=", "=", ",,", &format!("v2={was}")] {
        assert_eq!(noted(other), "freeze v1", "{other:?} says nothing of v1");
    }
}

#[test]
fn what_spoke_against_a_name_does_not_free_it_by_going() {
    let stage = made_again().trace(Place::Claim(e164()), None);
    let (status, again) = stage.rest();
    assert_eq!((&*status.used_before, again), (&["v1".to_owned()][..], None));
    let later = stage.with(|s| s.agent.status = Some(status)).with(|s| s.past.traces.clear());
    assert_eq!(later.comes_to(), "VersionNameUsed");
    let (said, _) = later.rest();
    let later = later.with(|s| s.agent.status = Some(said.clone()));
    assert_eq!(later.rest().0, said, "and then nothing more is written");
    assert_eq!(later.with(|s| s.agent.spec.version = Some("v2".into())).comes_to(), "freeze v2");
}

#[test]
fn an_account_with_numbers_of_its_own_is_waited_for_and_others_for_a_while() {
    let unlisted = |bond, known_for| {
        let stage = made_again().with(|s| s.past.unlisted.push(Unlisted { account: account(), bond }));
        stage.with(|s| s.known_for = known_for)
    };
    let day = Duration::from_secs(86400);
    for (bond, until) in [(Bond::Offered, policy::APPLIED_TOGETHER), (Bond::Allowed, policy::LISTED_WITHIN)] {
        let early = unlisted(bond, until - Duration::from_millis(1));
        assert_eq!(
            (early.comes_to(), early.rest().1),
            ("VersionNameNotChecked".into(), Some(Duration::from_millis(1)))
        );
        assert_eq!(unlisted(bond, until).comes_to(), "freeze v1", "{bond:?}");
    }
    assert_eq!(unlisted(Bond::Own, day).comes_to(), "VersionNameNotChecked");
    assert!(unlisted(Bond::Own, day).message().contains("agents/twilio is not listed yet"));
    let given = unlisted(Bond::Own, day).with(|s| s.agent.spec.version_digest = Some(digest(IS)));
    assert_eq!(given.comes_to(), "freeze v1", "a digest publishes at once");
}

#[test]
fn an_agent_that_has_published_waits_for_no_account() {
    let version = PublishedVersion { name: "v0".into(), digest: digest(WAS) };
    let stage = made_again().with(|s| {
        s.agent.status = Some(AgentStatus { versions: vec![version], ..AgentStatus::default() });
        s.past.unlisted.push(Unlisted { account: account(), bond: Bond::Own });
        s.past.listed = false;
    });
    let stage = stage.annotated(&format!("v0={}", digest(WAS)));
    assert_eq!(stage.comes_to(), "freeze v1");
    assert_eq!(stage.trace(Place::Claim(e164()), None).comes_to(), "VersionNameUsed", "but what is known counts");
}

#[test]
fn the_first_version_waits_a_moment_for_what_may_be_applied_along_with_it() {
    let alone = |known_for| made_again().with(|s| (s.past.listed, s.known_for) = (false, known_for));
    assert_eq!(alone(Duration::ZERO).comes_to(), "VersionNameNotChecked");
    assert_eq!(alone(policy::APPLIED_TOGETHER).comes_to(), "freeze v1");
}

#[test]
fn a_neighbours_number_delays_a_name_and_does_not_block_it() {
    let stage = |known_for| made_again().trace(at_the_carrier(Bond::Offered), None).with(|s| s.known_for = known_for);
    assert_eq!(stage(Duration::ZERO).comes_to(), "VersionNameNotChecked");
    assert!(stage(Duration::ZERO).rest().0.used_before.is_empty());
    assert_eq!(stage(policy::NAME_DOUBTED).comes_to(), "freeze v1");
}

#[test]
fn the_names_that_were_published_last_are_noted_on_the_object() {
    let published = |count: usize| {
        let version = |n: usize| PublishedVersion { name: format!("v{n}"), digest: digest(WAS) };
        let versions: Vec<_> = (1..=count).map(version).collect();
        made_again().with(|s| {
            s.agent.spec.version = None;
            s.agent.status = Some(AgentStatus { versions, ..AgentStatus::default() });
        })
    };
    let noted = |stage: &Stage| match stage.next(None) {
        Decision::Act(Effect::Annotate(PUBLISHED, text)) => Some(text),
        _ => None,
    };
    let was = digest(WAS);
    assert_eq!(noted(&published(2)), Some(format!("v1={was},v2={was}")));
    assert_eq!(noted(&published(2).annotated(&format!("v1={was},v2={was}"))), None, "once");
    let before = noted(&published(1).annotated("v0=sha256:0,rubbish")).unwrap();
    assert_eq!(before, format!("v0=sha256:0,v1={was}"), "what came with it stays");
    let many = noted(&published(50).annotated("v0=sha256:0")).unwrap();
    assert!(many.starts_with(&format!("v31={was},")) && many.ends_with(&format!("v50={was}")), "{many}");
    assert_eq!(noted(&published(50).annotated(&many)), None);
}

/// What the plan may be made to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    /// It asks nobody who remembers.
    NobodyIsAsked,
    /// What the object carries along is dropped.
    ObjectForgets,
    /// What was found out once is not noted.
    FoundOutOnce,
}

/// Goes through every way in which an Agent whose v1 was `WAS` can be made again: what remembers, what the draft is by now, what a
/// person says, and that all of it goes afterwards. The error is a way in which a draft is frozen under v1 that nobody published.
fn explore(mutant: Mutant) -> Result<usize, String> {
    let mut memories: Vec<(Option<Place>, bool, bool)> = vec![(None, false, true)];
    for at in places() {
        memories.extend([(Some(at.clone()), false, false), (Some(at.clone()), true, false), (Some(at), true, true)]);
    }
    let mut lives = 0;
    for (at, knows, annotated) in memories {
        for host in [WAS, IS] {
            for given in [None, Some(WAS), Some(IS)] {
                let mut stage = made_again().with(|s| {
                    s.agent.spec.draft = Some(draft(host));
                    s.agent.spec.version_digest = given.map(digest);
                });
                if let Some(at) = at.clone().filter(|_| mutant != Mutant::NobodyIsAsked) {
                    stage = stage.trace(at, knows.then(|| digest(WAS)));
                }
                if annotated && mutant != Mutant::ObjectForgets {
                    stage = stage.annotated(&format!("v1={}", digest(WAS)));
                }
                for _ in 0..3 {
                    lives += 1;
                    match stage.next(Some(&stage.past)) {
                        Decision::Act(Effect::CreateVersion(version)) => {
                            if version.draft().digest() != digest(WAS) && given != Some(host) {
                                return Err(format!("{at:?} remembers v1, and {host} was frozen under it"));
                            }
                            break;
                        }
                        Decision::Rest(Rest { status: Some(mut status), .. }) => {
                            if mutant == Mutant::FoundOutOnce {
                                status.used_before.clear();
                            }
                            stage.agent.status = Some(status);
                            // What spoke against it goes: a number is led elsewhere, the operator starts again.
                            stage.past.traces.clear();
                        }
                        other => return Err(format!("{other:?}")),
                    }
                }
            }
        }
    }
    Ok(lives)
}

#[test]
fn in_no_life_is_a_draft_frozen_under_a_used_name_that_nobody_published() {
    assert!(explore(Mutant::None).unwrap() > 100);
    for mutant in [Mutant::NobodyIsAsked, Mutant::ObjectForgets, Mutant::FoundOutOnce] {
        assert!(explore(mutant).is_err(), "{mutant:?} survives");
    }
}
