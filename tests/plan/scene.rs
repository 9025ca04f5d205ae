//! One PhoneNumber and everything that can be known about it, to be bent by tests.

use std::time::Duration;

use dialplane::{
    api::{
        NumberClaim, PhoneNumber,
        claim::{Digests, NumberClaimSpec},
        conditions::Condition,
        meta::{Key, RECONCILE_REQUESTED, Reference},
        number::{Channel, Destination, E164, Route},
        offer::Feature,
        phone_number::{Import, PhoneNumberSpec, PhoneNumberStatus},
    },
    carrier::{Calling, CarrierError, ErrorClass, Messaging, NumberId, OwnedNumber},
    plan::{
        AccountRef, AccountView, AgentRef, Decision, Effect, InFlight, Liveness, Look, Note, Rest, Rival, Seen, Served,
        SetRoute, Trouble, claim, number,
    },
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub const NUMBER: &str = "+14155551234";
pub const FOREIGN: &str = "https://old.example.net/x?token=s3cret";
pub const SECOND: Duration = Duration::from_secs(1);

pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub fn e164() -> E164 {
    NUMBER.parse().unwrap()
}

pub fn destination(url: &str) -> Destination {
    Destination { url: (!url.is_empty()).then(|| url.to_owned()), ..Destination::default() }
}

/// The voice and text destinations of a version.
pub fn version_route(version: &str) -> Route {
    let url = |channel| destination(&format!("https://engine.example.com/dental/{version}/{channel}?key=s3cret"));
    [(Channel::Voice, url("voice")), (Channel::Sms, url("sms"))].into()
}

/// A whole route as a carrier shows it: the channels that are not named go nowhere.
pub fn shown(destinations: Route) -> Route {
    Channel::ALL.into_iter().map(|channel| (channel, destinations.get(&channel).cloned().unwrap_or_default())).collect()
}

pub fn digests(route: &Route) -> Digests {
    route
        .iter()
        .filter(|(_, destination)| !destination.is_empty())
        .map(|(channel, destination)| (*channel, destination.digest()))
        .collect()
}

pub fn serves(serves: Served) -> AgentRef {
    AgentRef::Found { key: Key::new("agents", "dental"), offline: false, serves }
}

pub fn version(name: &str) -> AgentRef {
    serves(Served::Version { name: name.to_owned(), route: version_route(name) })
}

pub fn trouble(class: ErrorClass, attempts: u32, wait: u64) -> Trouble {
    let error = CarrierError::new(class, "The carrier says no.");
    Trouble { error, purchase: false, attempts, refused: 0, wait: Duration::from_secs(wait) }
}

pub fn reason<'a>(conditions: &'a [Condition], of: &str) -> Option<&'a str> {
    conditions.iter().find(|condition| condition.type_() == of).map(Condition::reason)
}

/// What the plan of a test has no use for, of all that an effect may write.
macro_rules! unused {
    ($($name:ident($($of:ty),*);)*) => {
        $(async fn $name(&mut self, $(_: $of),*) -> Result<(), Self::Error> {
            panic!("there is no use for {}", stringify!($name))
        })*
    };
}
pub(crate) use unused;

/// What was seen of the number at the carrier; `fresh` says whether in this pass.
#[derive(Clone, Debug)]
pub enum See {
    Unseen,
    Absent,
    Present,
}

#[derive(Clone, Debug)]
pub struct Scene {
    pub number: PhoneNumber,
    pub account: AccountRef,
    pub agent: Option<AgentRef>,
    pub claim: Option<NumberClaim>,
    pub holder: Liveness,
    pub rival: Rival,
    pub successor: bool,
    pub shared_pool: bool,
    pub uncounted: bool,
    /// Whether what is seen was looked at after the object was first seen.
    pub since_met: bool,
    pub marked_by_another: bool,
    pub owned: OwnedNumber,
    pub see: See,
    pub fresh: bool,
    pub trouble: Option<Trouble>,
    pub put_backs: u32,
    pub in_flight: InFlight,
    pub definition_going: Option<bool>,
}

/// A PhoneNumber of this namespace at `twilio` there, without a number, an agent or a uid.
pub fn phone_number(namespace: &str, name: &str) -> PhoneNumber {
    let spec = PhoneNumberSpec {
        account_ref: Reference { name: "twilio".into(), namespace: None },
        import: None,
        purchase: None,
        agent_ref: None,
        config: None,
        mode: Default::default(),
        drift: Default::default(),
        on_delete: Default::default(),
        suspend: false,
    };
    let mut number = PhoneNumber::new(name, spec);
    number.metadata.namespace = Some(namespace.into());
    number.metadata.generation = Some(1);
    number
}

/// An account that is open.
pub fn account(namespace: &str, name: &str, identity: &str) -> AccountRef {
    let (key, open) = (Key::new(namespace, name), Some(identity.into()));
    AccountRef::Found(AccountView { key, open, opening: false, abandoned: false, binds: false, brings_in: false })
}

/// A number of the account that bears no marker.
pub fn owned(id: &str, number: E164, route: Route) -> OwnedNumber {
    OwnedNumber {
        id: NumberId(id.into()),
        number,
        route,
        features: Vec::new(),
        messaging: Messaging::Unseen,
        calling: Calling::Unseen,
        marker: None,
        config: None,
    }
}

/// What is known of a PhoneNumber about which nothing is known yet.
pub fn world(number: &PhoneNumber, account: AccountRef) -> number::World<'_> {
    number::World {
        now: now(),
        number,
        account,
        agent: None,
        target: number.named(),
        buying: None,
        claim: None,
        holder: Liveness::NotRead,
        rival: Rival::STAYS,
        successor: false,
        successor_opening: false,
        uncounted: false,
        shared_pool: false,
        seen_since_met: true,
        seen: Seen::Unseen,
        marked_by_another: false,
        platform: None,
        next_platform: None,
        trouble: None,
        extras_trouble: None,
        put_backs: 0,
        in_flight: InFlight::default(),
        definition_going: None,
    }
}

/// The same of a claim.
pub fn claim_world(claim: &NumberClaim, account: AccountRef) -> claim::World<'_> {
    claim::World {
        claim,
        journal: None,
        holder: Liveness::NotRead,
        allowed: true,
        settled_in: Duration::ZERO,
        successor: false,
        marked_by_another: false,
        account,
        seen: Seen::Unseen,
        orders: Some(&[]),
        platform: None,
        trouble: None,
        in_flight: InFlight::default(),
        definition_going: None,
    }
}

/// A new PhoneNumber for a number that somebody routed by hand, with an agent that serves v1.
pub fn new() -> Scene {
    let mut number = phone_number("clinic", "front-desk");
    number.spec.import = Some(Import { number: e164(), bring_in: false });
    number.spec.agent_ref = Some(Reference { name: "dental".into(), namespace: Some("agents".into()) });
    number.metadata.uid = Some("uid-1".into());
    let route = shown([(Channel::Voice, destination(FOREIGN))].into());
    Scene {
        number,
        account: account("clinic", "twilio", "AC1"),
        agent: Some(version("v1")),
        claim: None,
        holder: Liveness::NotRead,
        rival: Rival::STAYS,
        successor: false,
        shared_pool: false,
        uncounted: false,
        since_met: true,
        marked_by_another: false,
        owned: OwnedNumber { features: vec![Feature::Voice, Feature::Sms], ..owned("PN1", e164(), route) },
        see: See::Present,
        fresh: false,
        trouble: None,
        put_backs: 0,
        in_flight: InFlight::default(),
        definition_going: None,
    }
}

/// A PhoneNumber that reaches v1, after [`new`].
pub fn routed() -> Scene {
    let mut scene = new();
    scene.settle();
    scene
}

/// [`routed`], and now being deleted.
pub fn deleted() -> Scene {
    routed().with(Scene::delete)
}

impl Scene {
    /// The same after `change`.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn next(&self) -> Decision<PhoneNumberStatus> {
        number::next(&self.world())
    }

    pub fn world(&self) -> number::World<'_> {
        let fresh = self.fresh;
        number::World {
            agent: self.agent.clone(),
            claim: self.claim.as_ref(),
            holder: self.holder,
            rival: self.rival,
            successor: self.successor,
            uncounted: self.uncounted,
            shared_pool: self.shared_pool,
            seen_since_met: self.since_met,
            seen: match self.see {
                See::Unseen => Seen::Unseen,
                See::Absent => Seen::Absent { fresh },
                See::Present => Seen::Present { number: &self.owned, fresh },
            },
            marked_by_another: self.marked_by_another,
            trouble: self.trouble.as_ref(),
            put_backs: self.put_backs,
            in_flight: self.in_flight,
            definition_going: self.definition_going,
            ..world(&self.number, self.account.clone())
        }
    }

    /// Does what the plan says until nothing is left to do, and names each thing done.
    pub fn settle(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..30 {
            match self.next() {
                Decision::Look(Look::Number { .. }) => {
                    assert!(!self.fresh, "looked twice in one pass");
                    self.fresh = true;
                    done.push("look".to_owned());
                }
                Decision::Look(Look::Definition) => self.definition_going = Some(false),
                Decision::Look(other) => panic!("{other:?} is for the test to answer"),
                Decision::Act(effect) => {
                    done.push(self.apply(effect));
                    self.fresh = false;
                }
                Decision::Rest(rest) => {
                    let before = self.number.status.clone();
                    if let Some(status) = rest.status.filter(|status| Some(status) != before.as_ref()) {
                        done.push(format!("status {}", reason(&status.conditions, "Ready").unwrap_or("?")));
                        self.number.status = Some(status);
                        continue;
                    }
                    self.fresh = false;
                    return done;
                }
            }
        }
        panic!("does not come to rest: {done:?}");
    }

    /// One effect, or the writing of the status.
    pub fn step(&mut self) {
        match self.next() {
            Decision::Act(effect) => {
                self.apply(effect);
            }
            Decision::Rest(rest) => self.number.status = rest.status.or(self.number.status.take()),
            Decision::Look(look) => panic!("{look:?} is for the test to answer"),
        }
    }

    pub fn apply(&mut self, effect: Effect) -> String {
        match effect {
            Effect::CreateClaim(spec) => {
                assert!(self.claim.is_none());
                self.claim = Some(NumberClaim::new("14155551234", *spec));
                "claim".into()
            }
            Effect::WriteClaim(written) => {
                let claim = self.claim.as_mut().expect("a claim to write");
                assert_ne!(claim.spec, written.spec, "wrote what was there");
                *claim = *written;
                "journal".into()
            }
            Effect::CloseClaim(closed, _) => {
                *self.claim.as_mut().expect("a claim to close") = *closed;
                "close".into()
            }
            Effect::DropClaim(_) => {
                self.claim = None;
                "drop".into()
            }
            Effect::AddFinalizer(name) => {
                self.number.metadata.finalizers.get_or_insert_default().push(name.into());
                "finalizer".into()
            }
            Effect::RemoveFinalizer(name) => {
                self.number.metadata.finalizers.get_or_insert_default().retain(|finalizer| finalizer != name);
                "let go".into()
            }
            Effect::SetRoute(write) => {
                let destinations = write
                    .route
                    .iter()
                    .map(|(c, destination)| format!("{c}={}", destination.shown()))
                    .collect::<Vec<_>>();
                self.owned.route.extend(write.route);
                format!("write {}", destinations.join(" "))
            }
            Effect::BringIn(..) => {
                (self.see, self.owned.route) = (See::Present, shown(Route::new()));
                "bring in".into()
            }
            other => panic!("{other:?} is not for a number"),
        }
    }

    /// The write that the plan decides on.
    pub fn write(&self) -> SetRoute {
        match self.next() {
            Decision::Act(Effect::SetRoute(write)) => *write,
            other => panic!("no write: {other:?}"),
        }
    }

    pub fn rest(&self) -> Rest<PhoneNumberStatus> {
        match self.next() {
            Decision::Rest(rest) => rest,
            other => panic!("no rest: {other:?}"),
        }
    }

    /// The reason of `Ready` that the plan rests with.
    #[track_caller]
    pub fn says(&self) -> String {
        let rest = self.rest();
        let status = rest.status.unwrap_or_else(|| panic!("nothing said"));
        reason(&status.conditions, "Ready").expect("Ready").to_owned()
    }

    /// The message of `Ready` that the plan rests with.
    pub fn message(&self) -> String {
        let conditions = self.rest().status.expect("a status").conditions;
        conditions.into_iter().find(|c| c.type_() == "Ready").expect("Ready").message.into_owned()
    }

    pub fn claim_mut(&mut self) -> &mut NumberClaimSpec {
        &mut self.claim.as_mut().expect("a claim").spec
    }

    pub fn status_mut(&mut self) -> &mut PhoneNumberStatus {
        self.number.status.as_mut().expect("a status")
    }

    pub fn set(&mut self, channel: Channel, url: &str) {
        self.owned.route.insert(channel, destination(url));
    }

    /// Makes another PhoneNumber of this namespace the holder of the claim.
    pub fn held_by_another(&mut self) {
        let holder = self.claim_mut().holder.as_mut().expect("a holder");
        holder.name = "reception".into();
        holder.uid = "uid-2".into();
    }

    /// The same of another namespace.
    pub fn held_elsewhere(&mut self) {
        self.held_by_another();
        self.claim_mut().holder.as_mut().expect("a holder").namespace = "elsewhere".into();
    }

    pub fn request(&mut self, at: &str) {
        self.number.metadata.annotations.get_or_insert_default().insert(RECONCILE_REQUESTED.into(), at.into());
    }

    pub fn annotate(&mut self, name: &str) {
        self.number.metadata.annotations.get_or_insert_default().insert(name.into(), "true".into());
    }

    pub fn delete(&mut self) {
        self.number.metadata.deletion_timestamp = Some(Time(now()));
    }

    pub fn account_closed(&mut self) {
        self.view().open = None;
    }

    pub fn view(&mut self) -> &mut AccountView {
        match &mut self.account {
            AccountRef::Found(view) => view,
            other => panic!("{other:?}"),
        }
    }
}

pub fn texts(notes: &[Note]) -> Vec<String> {
    notes.iter().map(|note| format!("{}: {}", note.reason, note.text)).collect()
}
