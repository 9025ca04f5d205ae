//! Opening an account, and not believing everything it shows.

use std::time::Duration;

use dialplane::{
    api::{
        CarrierAccount,
        account::{AccountNumbers, Calls, CarrierAccountStatus, CredentialsKey, CredentialsStatus, TelnyxAccount},
        meta::{CONFIRM_INVENTORY, IN_USE_FINALIZER, RECONCILE_REQUESTED},
    },
    carrier::{ErrorClass, Identity},
    plan::{
        Decision, Effect, Look, Rest, Trouble,
        account::{self, Credentials, InUse, Inventory, RefusedEndpoint},
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::scene::{now, reason, trouble};

struct Desk {
    account: CarrierAccount,
    installation: Option<&'static str>,
    refused: Option<RefusedEndpoint>,
    credentials: Credentials,
    in_use: Option<(InUse, Duration)>,
    identity: Option<Identity>,
    inventory: Inventory,
    calls: Option<Calls>,
    trouble: Option<Trouble>,
    users: usize,
    going: Option<bool>,
}

/// An account that was opened and listed a moment ago.
fn listed() -> Desk {
    let spec = json!({"twilio": {"accountSid": "AC1"}, "credentialsRef": {"name": "twilio"}});
    let spec = serde_json::from_value(spec).unwrap();
    let mut account = CarrierAccount::new("twilio", spec);
    account.metadata.namespace = Some("clinic".into());
    account.metadata.generation = Some(1);
    account.metadata.finalizers = Some(vec![IN_USE_FINALIZER.into()]);
    let numbers = Some(AccountNumbers { owned: 9, claimed: 3, unclaimed: 6 });
    Desk {
        account,
        installation: Some("prod"),
        refused: None,
        credentials: Credentials::Known,
        in_use: Some((InUse { version: "7".to_owned(), next: false }, Duration::from_secs(30))),
        identity: Some(Identity { account: "AC1".into(), inactive: None }),
        inventory: Inventory {
            numbers,
            due: Duration::from_secs(60),
            fresh: false,
            slow: false,
            doubt: None,
            recount: None,
        },
        calls: None,
        trouble: None,
        users: 0,
        going: None,
    }
}

impl Desk {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn next(&self) -> Decision<CarrierAccountStatus> {
        account::next(&self.world())
    }

    fn is_open(&self) -> bool {
        let listed = self.inventory.numbers.is_some();
        account::open(&self.account, self.identity.as_ref(), listed, self.trouble.as_ref()).is_some()
    }

    fn world(&self) -> account::World<'_> {
        account::World {
            now: now(),
            account: &self.account,
            installation: self.installation,
            refused: self.refused.clone(),
            credentials: self.credentials.clone(),
            in_use: self.in_use.clone(),
            identity: self.identity.as_ref(),
            inventory: self.inventory.clone(),
            balance: None,
            calls: self.calls,
            wishes: Default::default(),
            trouble: self.trouble.as_ref(),
            users: self.users,
            user: None,
            definition_going: self.going,
        }
    }

    fn status(&self) -> CarrierAccountStatus {
        match self.next() {
            Decision::Rest(Rest { status: Some(status), .. }) => status,
            other => panic!("{other:?}"),
        }
    }

    fn says(&self) -> String {
        reason(&self.status().conditions, "Ready").expect("Ready").to_owned()
    }

    fn again(&self) -> Option<Duration> {
        match self.next() {
            Decision::Rest(rest) => rest.again,
            other => panic!("{other:?}"),
        }
    }

    fn annotate(&mut self, name: &str, value: &str) {
        self.account.metadata.annotations.get_or_insert_default().insert(name.into(), value.into());
    }
}

#[test]
fn the_status_names_the_installation_that_looks_after_the_account() {
    assert_eq!(listed().status().installation.as_deref(), Some("prod"));
    let renamed = listed().with(|desk| {
        desk.account.status = Some(CarrierAccountStatus { installation: Some("old".into()), ..Default::default() });
    });
    assert_eq!(renamed.status().installation.as_deref(), Some("prod"));
    let closed = listed().with(|desk| desk.credentials = Credentials::Missing);
    assert_eq!(closed.status().installation.as_deref(), Some("prod"), "also of one that cannot be opened");
}

#[test]
fn an_account_is_held_then_its_secret_its_identity_and_its_numbers_are_looked_at_in_this_order() {
    let mut desk = listed().with(|d| {
        d.account.metadata.finalizers = None;
        d.credentials = Credentials::NotRead;
        d.identity = None;
        d.inventory = Inventory::default();
    });
    assert_eq!(desk.next(), Decision::Act(Effect::AddFinalizer(IN_USE_FINALIZER)));
    desk.account.metadata.finalizers = listed().account.metadata.finalizers;
    assert_eq!(desk.next(), Decision::Look(Look::Credentials));
    desk.credentials = Credentials::Known;
    assert_eq!(desk.next(), Decision::Look(Look::Identity));
    desk.identity = listed().identity;
    assert_eq!(desk.next(), Decision::Look(Look::Inventory));
    desk.inventory = listed().inventory;
    assert_eq!((desk.says().as_str(), desk.again()), ("Connected", Some(Duration::from_secs(30))));
    assert_eq!(desk.status().identity.as_deref(), Some("AC1"), "and it is pinned");
}

#[test]
fn an_account_of_a_carrier_without_ids_is_the_one_that_bears_its_objects_name() {
    let desk = listed().with(|d| {
        (d.account.spec.twilio, d.account.spec.telnyx) = (None, Some(TelnyxAccount {}));
        d.identity.as_mut().unwrap().account = "clinic/twilio".into();
    });
    assert_eq!((desk.says().as_str(), desk.status().identity.as_deref()), ("Connected", Some("clinic/twilio")));
    let other = desk.with(|d| d.identity.as_mut().unwrap().account = "clinic/other".into());
    assert_eq!(other.says(), "WrongAccount");
}

#[test]
fn saying_the_same_again_changes_nothing() {
    let desk = listed().with(|d| d.account.status = Some(d.status()));
    assert_eq!(Some(desk.status()), desk.account.status);
}

#[test]
fn calls_that_were_too_many_are_told_once_for_each_time_that_there_are_more() {
    let calls =
        |rejected| Some(Calls { max_concurrent: 10, peak_this_month: Some(10), rejected_this_month: Some(rejected) });
    let mut desk = listed();
    let mut told = Vec::new();
    for rejected in [0, 2, 2, 5, 0, 1] {
        desk.calls = calls(rejected);
        let status = desk.status();
        assert_eq!(status.calls, calls(rejected));
        let notes = account::notes(desk.account.status.as_ref(), &status);
        told.push(notes.iter().map(|note| (note.warning, note.reason)).collect::<Vec<_>>());
        desk.account.status = Some(status);
        assert_eq!(desk.says(), "Connected", "it stays in use");
    }
    let warned = vec![(true, "CallsRejected")];
    assert_eq!(told, [vec![], warned.clone(), vec![], warned.clone(), vec![], warned]);
    desk.calls = None;
    let status = desk.status();
    assert_eq!(status.calls, calls(1), "what is known stays");
    assert!(status.conditions[0].message.contains("1 call was rejected this month"), "{:?}", status.conditions);
    assert_eq!(account::notes(desk.account.status.as_ref(), &status), []);
}

#[test]
fn each_way_in_which_an_account_is_not_to_be_had_has_its_reason_and_is_looked_at_again() {
    let fails = |class| move |d: &mut Desk| d.trouble = Some(trouble(class, 1, 30));
    type Change = Box<dyn Fn(&mut Desk)>;
    let table: [(&str, Change); 10] = [
        ("SecretNotFound", Box::new(|d| d.credentials = Credentials::Missing)),
        ("SecretReadFailed", Box::new(|d| d.credentials = Credentials::Failed("the API server: no answer".into()))),
        (
            "SecretIncomplete",
            Box::new(|d| d.credentials = Credentials::Incomplete("it lacks the key authToken".into())),
        ),
        ("Unauthorized", Box::new(fails(ErrorClass::Unauthorized))),
        ("Forbidden", Box::new(fails(ErrorClass::Forbidden))),
        ("CarrierUnreachable", Box::new(fails(ErrorClass::Transient))),
        ("Forbidden", Box::new(fails(ErrorClass::NotFound))),
        ("AccountInactive", Box::new(|d| d.identity.as_mut().unwrap().inactive = Some("suspended".into()))),
        ("WrongAccount", Box::new(|d| d.identity.as_mut().unwrap().account = "AC2".into())),
        ("NumbersMissing", Box::new(|d| d.inventory.doubt = Some((8, 9)))),
    ];
    for (reason, change) in table {
        let desk = listed().with(change);
        assert_eq!(desk.says(), reason);
        assert!(desk.again().is_some_and(|wait| !wait.is_zero()), "{reason}");
        assert_eq!(desk.status().identity, None, "{reason}: nothing is pinned");
        assert_eq!(desk.status().numbers, desk.inventory.numbers, "{reason}: what is known stays");
    }
}

#[test]
fn the_identity_that_was_seen_first_holds_and_not_what_the_spec_says() {
    let pinned = |d: &mut Desk| d.account.status = Some(listed().status());
    let changed = |d: &mut Desk| d.identity.as_mut().unwrap().account = "AC2".into();
    let desk = listed().with(pinned).with(changed);
    assert_eq!(desk.says(), "WrongAccount");
    assert_eq!(desk.status().identity.as_deref(), Some("AC1"));
}

#[test]
fn the_credentials_that_work_are_said_and_their_secret_is_read_again_before_anything_else_is_due() {
    let mut desk = listed();
    let first = desk.status().credentials.unwrap();
    assert_eq!(
        (&*first.resource_version, first.key, first.working_since.clone()),
        ("7", CredentialsKey::Current, Time(now()))
    );
    assert_eq!(desk.again(), Some(Duration::from_secs(30)));
    desk.inventory.recount = Some(Duration::from_secs(2));
    assert_eq!(desk.again(), Some(Duration::from_secs(2)), "what may be another count by now is counted");
    desk.inventory.recount = None;

    // They work since they first did, also while others are refused.
    let since = Time("2026-01-01T00:00:00Z".parse().unwrap());
    let first = CredentialsStatus { working_since: since, ..first };
    desk.account.status = Some(CarrierAccountStatus { credentials: Some(first.clone()), ..Default::default() });
    assert_eq!(desk.status().credentials, Some(first.clone()));
    desk.in_use = Some((InUse { version: "8".to_owned(), next: false }, Duration::from_secs(30)));
    let desk = Desk { trouble: Some(trouble(ErrorClass::Unauthorized, 9, 600)), ..desk };
    assert_eq!((desk.says().as_str(), desk.again()), ("Unauthorized", Some(Duration::from_secs(30))));
    assert_eq!(desk.status().credentials, Some(first));
    let desk = Desk { trouble: None, ..desk };
    assert_eq!(desk.status().credentials.unwrap().working_since, Time(now()));
}

#[test]
fn trouble_that_is_due_is_tried_again() {
    let desk = listed().with(|d| d.trouble = Some(trouble(ErrorClass::Unauthorized, 3, 0))).with(|d| d.identity = None);
    assert_eq!(desk.next(), Decision::Look(Look::Identity));
}

#[test]
fn a_doubted_listing_is_believed_when_a_person_confirms_what_is_left() {
    let doubted = |d: &mut Desk| d.inventory.doubt = Some((8, 9));
    assert_eq!(listed().with(doubted).with(|d| d.annotate(CONFIRM_INVENTORY, "2")).says(), "NumbersMissing");
    let confirmed = listed().with(doubted).with(|d| d.annotate(CONFIRM_INVENTORY, "1"));
    assert_eq!(confirmed.next(), Decision::Act(Effect::AcceptInventory));
}

#[test]
fn a_request_takes_one_listing_and_is_then_handled() {
    let desk = listed().with(|d| d.annotate(RECONCILE_REQUESTED, "now"));
    assert_eq!(desk.next(), Decision::Look(Look::Inventory));
    let seen = desk.with(|d| d.inventory.fresh = true);
    assert_eq!(seen.status().last_handled_reconcile_at.as_deref(), Some("now"));
    let handled = seen.with(|d| d.account.status = Some(d.status())).with(|d| d.inventory.fresh = false);
    assert_eq!(handled.says(), "Connected");
}

#[test]
fn a_request_outlasts_trouble() {
    let desk = listed().with(|d| d.annotate(RECONCILE_REQUESTED, "now"));
    let desk = desk.with(|d| d.trouble = Some(trouble(ErrorClass::Transient, 1, 9)));
    assert_eq!(desk.status().last_handled_reconcile_at, None);
    assert_eq!(desk.with(|d| d.trouble = None).next(), Decision::Look(Look::Inventory));
}

#[test]
fn an_account_stays_and_goes_on_working_while_something_refers_to_it() {
    let delete = |d: &mut Desk| d.account.metadata.deletion_timestamp = Some(Time(now()));
    let desk = listed().with(delete).with(|d| d.users = 2);
    assert_eq!(desk.next(), Decision::Look(Look::Definition));
    let desk = desk.with(|d| d.going = Some(false));
    assert_eq!(desk.says(), "InUse");
    let due = |d: &mut Desk| d.inventory.due = Duration::ZERO;
    assert_eq!(
        listed().with(delete).with(|d| d.users = 2).with(|d| d.going = Some(false)).with(due).next(),
        Decision::Look(Look::Inventory)
    );
    let gone = Decision::Act(Effect::RemoveFinalizer(IN_USE_FINALIZER));
    assert_eq!(desk.with(|d| d.users = 0).next(), gone);
    assert_eq!(listed().with(delete).with(|d| d.users = 2).with(|d| d.going = Some(true)).next(), gone);
    assert_eq!(
        listed().with(delete).with(|d| d.account.metadata.finalizers = None).next(),
        Decision::Rest(Rest::NOTHING)
    );
}

#[test]
fn an_endpoint_that_is_not_allowed_comes_before_everything() {
    let elsewhere = || RefusedEndpoint { host: Some("evil.example".into()) };
    let unread = listed().with(|d| {
        d.credentials = Credentials::NotRead;
        d.refused = Some(elsewhere());
    });
    assert_eq!((unread.says().as_str(), unread.again()), ("EndpointNotAllowed", None), "its Secret is not even read");
    let conditions = unread.status().conditions;
    assert_eq!(reason(&conditions, "Stalled"), Some("EndpointNotAllowed"));
    let message = &conditions.iter().find(|c| c.type_() == "Ready").unwrap().message;
    for part in ["evil.example", "--allow-endpoint", "carriers.allowedEndpoints", "Remove spec.endpoint"] {
        assert!(message.contains(part), "{message}");
    }
    let deleted = unread.with(|d| {
        d.account.metadata.deletion_timestamp = Some(Time(now()));
        d.going = Some(false);
    });
    assert_eq!(deleted.next(), Decision::Act(Effect::RemoveFinalizer(IN_USE_FINALIZER)));
}

#[test]
fn a_secret_that_may_not_be_read_is_said_and_closes_nothing_that_is_open() {
    let desk = listed().with(|d| d.credentials = Credentials::Forbidden);
    assert_eq!(desk.says(), "SecretForbidden");
    assert!(desk.again().is_some(), "nobody tells when it may be");
    assert!(desk.is_open(), "as a Secret that is gone");
}
