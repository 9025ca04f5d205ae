//! A cluster, a carrier and two replicas, and what events do to them. It decides nothing that the plan decides.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dialplane::{
    api::{
        NumberClaim, PhoneNumber,
        agent::AgentVersionSpec,
        claim::{Holder, NumberClaimSpec},
        meta::{ABANDON, Key, RECONCILE_REQUESTED, Reference},
        number::{Channel, Destination, E164, Route},
        phone_number::{DriftPolicy, Import, Mode, OnDelete, PhoneNumberStatus},
        purchase::Hold,
    },
    carrier::{ErrorClass, Order, OwnedNumber},
    controller::{CarrierWrites, ClusterWrites, act},
    plan::{
        AccountRef, AccountView, AgentRef, BuyNumber, Decision, Effect, Entry, HoldNumber, InFlight, Liveness, Look,
        Mark, Note, Rest, Rival, Seen, ServeHosted, Served, SetBinding, SetRoute, SetSharedRoute, Trouble, claim,
        number,
        takeover::{Taker, may_pass},
    },
};
use futures::FutureExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::events::{Event, Fate};
use crate::plan::scene::{self, destination, now, shown, trouble, unused};

/// How long a request may be on its way, in ticks. A tick is a second of the plan.
const LIFETIME: u64 = 3;

/// The other namespace, where there is one.
const TENANT: &str = "tenant";

/// How the replicas share the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// Whoever leads acts, and knows that somebody led before.
    OneLeads,
    /// Both act, as when a lease is lost and not noticed. Neither knows what the other has in flight: what comes late may
    /// then stay behind.
    BothAct,
}

/// Whose the third PhoneNumber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// The namespace's that the others are in.
    Same,
    /// Another namespace's, on the same account.
    OtherNamespace,
    /// Another namespace's, with an account of its own, which says that it owns every number.
    OtherAccount,
}

impl Tenancy {
    pub const ALL: [Tenancy; 3] = [Tenancy::Same, Tenancy::OtherNamespace, Tenancy::OtherAccount];
}

#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub replicas: Replicas,
    pub tenancy: Tenancy,
    /// A way to break the protocol: the accounts of a claim and of whoever wants it are not compared.
    pub across_accounts: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Agent {
    /// How many versions were ever published: `v1` to this.
    pub published: usize,
    /// The one that serves; 0 for none.
    pub serves: usize,
    pub offline: bool,
    pub refused: bool,
}

/// A request that was sent and has not arrived.
#[derive(Clone, Debug)]
struct Request {
    number: usize,
    route: Route,
    until: u64,
}

/// What a replica sees and remembers.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    pub objects: BTreeMap<usize, PhoneNumber>,
    claims: BTreeMap<usize, NumberClaim>,
    pub agents: Vec<Agent>,
    /// What it last saw of each number at the carrier; nothing after a request without an answer.
    seen: BTreeMap<usize, Route>,
    trouble: BTreeMap<String, (Trouble, u64)>,
    put_backs: BTreeMap<String, u32>,
    /// Until when requests of its own, and those of others before it, may arrive.
    unknown: BTreeMap<usize, u64>,
    predecessor: u64,
}

pub struct System {
    pub replicas: Replicas,
    setup: Setup,
    leader: usize,
    pub replica: Vec<Replica>,
    version: u64,
    pub clock: u64,
    pub objects: BTreeMap<usize, PhoneNumber>,
    pub claims: BTreeMap<usize, NumberClaim>,
    pub agents: Vec<Agent>,
    pub refused: BTreeSet<usize>,
    pub account_open: bool,
    pub carrier: Vec<Route>,
    requests: Vec<Request>,
    foreign: usize,
    /// Whether something of ours was left at the carrier on purpose, or forgotten by force: from then on it is anybody's.
    pub left_behind: BTreeSet<usize>,
    pub told: Vec<String>,
}

pub fn e164(number: usize) -> E164 {
    format!("+1415555000{number}").parse().unwrap()
}

/// The first two PhoneNumbers want the first number; the third wants it too, or the second, by how often it was made.
pub fn wants(object: &PhoneNumber) -> usize {
    usize::from(object.named() == Some(&e164(1)))
}

pub fn is_ours(destination: &Destination) -> bool {
    destination.url.as_deref().is_some_and(|url| url.contains("engine.example.com"))
}

/// The first agent answers calls and messages, and in every third version calls alone.
pub fn route_of(agent: usize, version: usize) -> Route {
    let url = |channel| destination(&format!("https://engine.example.com/a{agent}/v{version}/{channel}"));
    let all = [(Channel::Voice, url("voice")), (Channel::Sms, url("sms"))];
    all.into_iter().filter(|(channel, _)| *channel == Channel::Voice || version % 3 != 2).collect()
}

fn uid(object: &PhoneNumber) -> String {
    object.metadata.uid.clone().unwrap()
}

fn bumped<T>(version: &mut u64, meta: impl FnOnce(&mut T) -> &mut Option<String>, object: &mut T) {
    *version += 1;
    *meta(object) = Some(version.to_string());
}

impl System {
    pub fn new(setup: Setup) -> Self {
        let agents = vec![Agent { published: 1, serves: 1, ..Agent::default() }, Agent::default()];
        let carrier =
            vec![shown([(Channel::Voice, destination("https://f0.example.net/"))].into()), shown(Route::new())];
        let mut system = Self {
            replicas: setup.replicas,
            setup,
            leader: 0,
            replica: vec![Replica::default(), Replica::default()],
            version: 0,
            clock: 0,
            objects: BTreeMap::new(),
            claims: BTreeMap::new(),
            agents,
            refused: BTreeSet::new(),
            account_open: true,
            carrier,
            requests: Vec::new(),
            foreign: 0,
            left_behind: BTreeSet::new(),
            told: Vec::new(),
        };
        system.create(0);
        system.create(1);
        if setup.tenancy != Tenancy::Same {
            system.create(2);
        }
        for replica in 0..2 {
            system.see_all(replica);
        }
        system
    }

    fn tell(&mut self, line: String) {
        self.told.push(line);
    }

    pub fn happen(&mut self, event: &Event) -> Result<(), String> {
        use Event::*;
        match *event {
            Pass { replica, slot, fate } => {
                self.pass(replica, slot, fate)?;
                return Ok(());
            }
            ClaimPass { replica, number, fate } => {
                self.claim_pass(replica, number, fate)?;
                return Ok(());
            }
            Run { replica, slot } => {
                self.see_all(replica);
                for _ in 0..6 {
                    self.pass(replica, slot, Fate::Fine)?;
                }
                return Ok(());
            }
            _ => self.tell(format!("{event:?}")),
        }
        match *event {
            SeeObject { replica, slot } => self.see_object(replica, slot),
            SeeClaim { replica, number } => self.see_claim(replica, number),
            SeeAgents { replica } => self.replica[replica].agents = self.agents.clone(),
            List { replica } => self.list(replica),
            Crash { replica } => {
                let settled = self.clock + LIFETIME;
                self.replica[replica] = Replica { predecessor: settled, ..Replica::default() };
                self.see_all(replica);
            }
            Lead { replica } if self.leader != replica => {
                self.leader = replica;
                self.replica[replica].predecessor = self.clock + LIFETIME;
            }
            Tick => self.tick(),
            Arrive { which } => self.arrive(which),
            Foreign { number, channel, empty } => {
                self.foreign += 1;
                let url = if empty { String::new() } else { format!("https://f{}.example.net/", self.foreign) };
                self.carrier[number].insert(Channel::ALL[channel], destination(&url));
            }
            Account => self.account_open = !self.account_open,
            Publish { agent } => {
                self.agents[agent].published += 1;
                self.agents[agent].serves = self.agents[agent].published;
            }
            RollBack { agent } => self.agents[agent].serves = self.agents[agent].published.min(1),
            Offline { agent } => self.agents[agent].offline ^= true,
            AllowAgent { agent } => self.agents[agent].refused ^= true,
            Create { slot } => self.create(slot),
            Delete { slot } => self.delete(slot),
            Replace { slot } => self.edit(slot, |object| object.metadata.finalizers = None),
            Suspend { slot } => self.edit(slot, |object| object.spec.suspend ^= true),
            Observe { slot } => self.edit(slot, |object| {
                object.spec.mode = if object.spec.mode == Mode::Manage { Mode::Observe } else { Mode::Manage };
            }),
            Report { slot } => self.edit(slot, |object| {
                let enforces = object.spec.drift == DriftPolicy::Enforce;
                object.spec.drift = if enforces { DriftPolicy::Report } else { DriftPolicy::Enforce };
            }),
            Policy { slot, which } => self.edit(slot, |object| {
                object.spec.on_delete = [OnDelete::Clear, OnDelete::Restore, OnDelete::Leave][which];
            }),
            Assign { slot, which } => self.edit(slot, |object| object.spec.agent_ref = agent_ref(which)),
            AllowAccount { slot } => {
                self.refused = &self.refused ^ &BTreeSet::from([slot]);
            }
            Abandon { slot } => self.annotate(slot, ABANDON, "true"),
            Request { slot } => {
                let at = self.version.to_string();
                self.annotate(slot, RECONCILE_REQUESTED, &at);
                for replica in &mut self.replica {
                    replica.put_backs.clear();
                }
            }
            DeleteClaim { number, force } => self.delete_claim(number, force),
            _ => {}
        }
        Ok(())
    }

    // What users do.

    fn create(&mut self, slot: usize) {
        if self.objects.contains_key(&slot) {
            return;
        }
        let is_tenant = slot == 2 && self.setup.tenancy != Tenancy::Same;
        let mut object = scene::phone_number(if is_tenant { TENANT } else { "clinic" }, &format!("p{slot}"));
        object.spec.import =
            Some(Import { number: e164(usize::from(slot == 2 && self.version % 2 == 1)), bring_in: false });
        object.spec.agent_ref = agent_ref(usize::from(slot == 1) + 1);
        bumped(&mut self.version, |o: &mut PhoneNumber| &mut o.metadata.resource_version, &mut object);
        object.metadata.uid = Some(format!("p{slot}-{}", self.version));
        self.objects.insert(slot, object);
    }

    fn edit(&mut self, slot: usize, change: impl FnOnce(&mut PhoneNumber)) {
        let Some(object) = self.objects.get_mut(&slot) else { return };
        let spec = object.spec.clone();
        change(object);
        if object.spec != spec {
            object.metadata.generation = object.metadata.generation.map(|n| n + 1);
        }
        bumped(&mut self.version, |o: &mut PhoneNumber| &mut o.metadata.resource_version, object);
        self.collect(slot);
    }

    fn annotate(&mut self, slot: usize, name: &str, value: &str) {
        self.edit(slot, |object| {
            object.metadata.annotations.get_or_insert_default().insert(name.to_owned(), value.to_owned());
        });
    }

    fn delete(&mut self, slot: usize) {
        self.edit(slot, |object| object.metadata.deletion_timestamp = Some(Time(now())));
    }

    /// An object that is being deleted goes with its last finalizer.
    fn collect(&mut self, slot: usize) {
        let gone = |object: &PhoneNumber| {
            object.metadata.deletion_timestamp.is_some()
                && object.metadata.finalizers.as_ref().is_none_or(|finalizers| finalizers.is_empty())
        };
        if self.objects.get(&slot).is_some_and(gone) {
            self.objects.remove(&slot);
        }
    }

    fn delete_claim(&mut self, number: usize, force: bool) {
        let Some(claim) = self.claims.get_mut(&number) else { return };
        if force {
            // What was sent and never confirmed in a status is forgotten with it.
            self.left_behind.insert(number);
            self.claims.remove(&number);
        } else {
            claim.metadata.deletion_timestamp = Some(Time(now()));
            bumped(&mut self.version, |c: &mut NumberClaim| &mut c.metadata.resource_version, claim);
        }
    }

    // What replicas see.

    fn see_object(&mut self, replica: usize, slot: usize) {
        match self.objects.get(&slot) {
            Some(object) => self.replica[replica].objects.insert(slot, object.clone()),
            None => self.replica[replica].objects.remove(&slot),
        };
    }

    fn see_claim(&mut self, replica: usize, number: usize) {
        match self.claims.get(&number) {
            Some(claim) => self.replica[replica].claims.insert(number, claim.clone()),
            None => self.replica[replica].claims.remove(&number),
        };
    }

    fn list(&mut self, replica: usize) {
        self.replica[replica].seen = self.carrier.iter().cloned().enumerate().collect();
    }

    pub fn see_all(&mut self, replica: usize) {
        self.replica[replica].objects = self.objects.clone();
        self.replica[replica].claims = self.claims.clone();
        self.replica[replica].agents = self.agents.clone();
        self.list(replica);
    }

    pub fn tick(&mut self) {
        self.clock += 1;
        // A request of which nobody decided when it arrives is lost at the end of its life.
        let clock = self.clock;
        self.requests.retain(|request| request.until > clock);
    }

    fn arrive(&mut self, which: usize) {
        if which < self.requests.len() {
            let Request { number, route, .. } = self.requests.remove(which);
            self.carrier[number].extend(route);
        }
    }

    /// From now on nothing goes wrong and nobody changes anything.
    pub fn calm(&mut self) {
        while !self.requests.is_empty() {
            self.arrive(0);
        }
        self.account_open = true;
        for _ in 0..=LIFETIME {
            self.tick();
        }
        for replica in 0..2 {
            self.replica[replica].put_backs.clear();
            self.see_all(replica);
        }
    }

    pub fn leader(&self) -> usize {
        self.leader
    }

    // What replicas do.

    fn acts(&self, replica: usize) -> bool {
        self.replicas == Replicas::BothAct || replica == self.leader
    }

    fn left(&self, until: u64) -> Duration {
        Duration::from_secs(until.saturating_sub(self.clock))
    }

    fn owned(number: usize, route: &Route) -> OwnedNumber {
        scene::owned(&format!("PN{number}"), e164(number), route.clone())
    }

    fn account(&self, refused: bool) -> AccountRef {
        let key = Key::new("clinic", "twilio");
        match refused {
            true => AccountRef::Refused(key),
            false => {
                let open = self.account_open.then(|| "AC1".to_owned());
                AccountRef::Found(AccountView {
                    key,
                    open,
                    opening: false,
                    abandoned: false,
                    binds: false,
                    brings_in: false,
                })
            }
        }
    }

    fn agent(&self, replica: usize, object: &PhoneNumber) -> Option<AgentRef> {
        let name = &object.spec.agent_ref.as_ref()?.name;
        let which = usize::from(name == "a1");
        let agent = &self.replica[replica].agents[which];
        let key = Key::new("clinic", name);
        let serves = match agent.serves {
            0 => Served::Nothing,
            n => Served::Version { name: format!("v{n}"), route: route_of(which, n) },
        };
        Some(if agent.refused {
            AgentRef::Refused(key)
        } else {
            AgentRef::Found { key, offline: agent.offline, serves }
        })
    }

    /// Whether an object is the one of another account.
    pub fn is_elsewhere(&self, object: &PhoneNumber) -> bool {
        self.setup.tenancy == Tenancy::OtherAccount && object.metadata.namespace.as_deref() == Some(TENANT)
    }

    fn account_of(&self, object: &PhoneNumber, refused: bool) -> AccountRef {
        match self.account(refused) {
            AccountRef::Found(view) if self.is_elsewhere(object) => {
                AccountRef::Found(AccountView { key: Key::new(TENANT, "twilio"), open: Some("AC2".to_owned()), ..view })
            }
            account => account,
        }
    }

    /// What a replica knows of the other object that holds a claim.
    fn rival(&self, replica: usize, claim: Option<&NumberClaim>) -> Rival {
        let Some(holder) = claim.and_then(|claim| claim.spec.holder.as_ref()) else { return Rival::STAYS };
        let mut objects = self.replica[replica].objects.iter();
        let known = objects.find(|(_, object)| object.metadata.uid.as_ref() == Some(&holder.uid));
        Rival {
            leaving: known.is_some_and(|(_, object)| object.metadata.deletion_timestamp.is_some()),
            allowed: known.is_none_or(|(slot, _)| !self.refused.contains(slot)),
            hands_over: false,
            gone_for: Duration::from_secs(3600),
        }
    }

    /// Whether a replica sees an object to which the claim may pass, other than the one with this uid.
    fn has_successor(&self, replica: usize, claim: &NumberClaim, but: &str) -> bool {
        self.replica[replica].objects.iter().any(|(slot, object)| {
            let account = if self.is_elsewhere(object) { "AC2" } else { "AC1" };
            let namespace = object.metadata.namespace.as_deref().unwrap();
            let taker = Taker { namespace, account, shared_pool: false };
            uid(object) != but
                && wants(object) == usize::from(claim.spec.number == e164(1))
                && object.metadata.deletion_timestamp.is_none()
                && object.spec.mode == Mode::Manage
                && !object.spec.suspend
                && !self.refused.contains(slot)
                && may_pass(&claim.spec, taker).is_ok()
        })
    }

    fn liveness(&self, holder: &Holder) -> Liveness {
        let alive = self.objects.values().any(|object| object.metadata.uid.as_deref() == Some(&holder.uid));
        if alive { Liveness::Alive } else { Liveness::Gone }
    }

    fn in_flight(&self, replica: usize, number: usize) -> InFlight {
        let memory = &self.replica[replica];
        InFlight {
            unknown: self.left(memory.unknown.get(&number).copied().unwrap_or_default()),
            predecessor: self.left(memory.predecessor),
        }
    }

    fn trouble(&self, replica: usize, of: &str) -> Option<Trouble> {
        let (trouble, due) = self.replica[replica].trouble.get(of)?;
        Some(Trouble { wait: self.left(*due), ..trouble.clone() })
    }

    /// One pass over a PhoneNumber. Says whether anything was done.
    pub fn pass(&mut self, replica: usize, slot: usize, fate: Fate) -> Result<bool, String> {
        let Some(object) = self.replica[replica].objects.get(&slot).cloned().filter(|_| self.acts(replica)) else {
            return Ok(false);
        };
        let wanted = wants(&object);
        let mut claim = self.replica[replica].claims.get(&wanted).cloned();
        if self.setup.across_accounts && self.is_elsewhere(&object) {
            claim.iter_mut().for_each(|claim| claim.spec.account.identity = "AC2".to_owned());
        }
        let rival = self.rival(replica, claim.as_ref());
        let deleting = object.metadata.deletion_timestamp.is_some();
        let successor = deleting && claim.as_ref().is_some_and(|c| self.has_successor(replica, c, &uid(&object)));
        let mut seen = self.replica[replica].seen.get(&wanted).map(|route| Self::owned(wanted, route));
        let (mut fresh, mut holder, mut definition_going) = (false, Liveness::NotRead, None);
        let mut looks = 0;
        let decision = loop {
            let trouble = self.trouble(replica, &uid(&object));
            let world = number::World {
                agent: self.agent(replica, &object),
                claim: claim.as_ref(),
                holder,
                rival,
                successor,
                seen: seen.as_ref().map_or(Seen::Unseen, |number| Seen::Present { number, fresh }),
                trouble: trouble.as_ref(),
                put_backs: self.replica[replica].put_backs.get(&uid(&object)).copied().unwrap_or_default(),
                in_flight: self.in_flight(replica, wanted),
                definition_going,
                ..scene::world(&object, self.account_of(&object, self.refused.contains(&slot)))
            };
            looks += 1;
            if looks > 6 {
                return Err("a pass looks for ever".into());
            }
            match number::next(&world) {
                Decision::Look(Look::Number { .. }) => {
                    if fate == Fate::Lost {
                        self.fail(replica, &uid(&object), ErrorClass::Transient);
                        continue;
                    }
                    fresh = true;
                    seen = Some(Self::owned(wanted, &self.carrier[wanted]));
                    self.replica[replica].seen.insert(wanted, self.carrier[wanted].clone());
                }
                Decision::Look(Look::Holder(of)) => holder = self.liveness(&of),
                Decision::Look(Look::Definition) => definition_going = Some(false),
                Decision::Look(other) => return Err(format!("a number has no use for {other:?}")),
                decision => break decision,
            }
        };
        let said = format!("replica {replica}: {}", object.metadata.name.as_deref().unwrap());
        match decision {
            // What it says that it owns is never believed; what it takes from others would be.
            Decision::Act(Effect::CreateClaim(_)) if self.is_elsewhere(&object) => Ok(false),
            Decision::Act(Effect::WriteClaim(_)) if self.is_elsewhere(&object) => {
                Err("promise 11: a claim is taken over by another account".into())
            }
            Decision::Act(Effect::SetRoute(write)) if successor => {
                Err(format!("promise 5: {:?} is written although another waits for the number", write.route.keys()))
            }
            Decision::Act(effect) => {
                if let Effect::SetRoute(write) = &effect {
                    self.may_write(replica, Some(&object), slot, write, claim.as_ref(), seen.as_ref())?;
                }
                let of = uid(&object);
                let work = Work {
                    replica,
                    object: Some((slot, object)),
                    number: wanted,
                    of,
                    closes: false,
                    fate,
                    said,
                    system: self,
                };
                work.act(effect).map(|()| true)
            }
            Decision::Rest(rest) => Ok(self.rest(replica, slot, &object, rest, &said)),
            Decision::Look(_) => unreachable!(),
        }
    }

    fn rest(
        &mut self,
        replica: usize,
        slot: usize,
        object: &PhoneNumber,
        rest: Rest<PhoneNumberStatus>,
        said: &str,
    ) -> bool {
        let Some(status) = rest.status.filter(|status| Some(status) != object.status.as_ref()) else { return false };
        let ready = crate::plan::scene::reason(&status.conditions, "Ready").unwrap_or("?").to_owned();
        let done = self.compare_and_set(replica, slot, object, |object| object.status = Some(status));
        self.tell(format!("{said} says {ready}{}", if done { "" } else { " (conflict)" }));
        true
    }

    fn compare_and_set(
        &mut self,
        replica: usize,
        slot: usize,
        seen: &PhoneNumber,
        change: impl FnOnce(&mut PhoneNumber),
    ) -> bool {
        let current = self.objects.get(&slot);
        let same = |now: &PhoneNumber| now.metadata.resource_version == seen.metadata.resource_version;
        if !current.is_some_and(same) {
            return false;
        }
        self.edit(slot, change);
        self.see_object(replica, slot);
        true
    }

    /// One pass over a claim. Says whether anything was done.
    pub fn claim_pass(&mut self, replica: usize, number: usize, fate: Fate) -> Result<bool, String> {
        let Some(claim) = self.replica[replica].claims.get(&number).cloned().filter(|_| self.acts(replica)) else {
            return Ok(false);
        };
        let name = format!("claim {number}");
        let mut seen = self.replica[replica].seen.get(&number).map(|route| Self::owned(number, route));
        let (mut fresh, mut holder, mut definition_going) = (false, Liveness::NotRead, None);
        let held_by = claim.spec.holder.as_ref().map_or("", |holder| &holder.uid);
        let successor = self.has_successor(replica, &claim, held_by);
        for _ in 0..6 {
            let trouble = self.trouble(replica, &name);
            let world = claim::World {
                holder,
                allowed: self.rival(replica, Some(&claim)).allowed,
                successor,
                seen: seen.as_ref().map_or(Seen::Unseen, |number| Seen::Present { number, fresh }),
                trouble: trouble.as_ref(),
                in_flight: self.in_flight(replica, number),
                definition_going,
                ..scene::claim_world(&claim, self.account(false))
            };
            match claim::next(&world) {
                Decision::Look(Look::Number { .. }) => {
                    fresh = true;
                    seen = Some(Self::owned(number, &self.carrier[number]));
                }
                Decision::Look(Look::Holder(of)) => holder = self.liveness(&of),
                Decision::Look(_) => definition_going = Some(false),
                Decision::Rest(_) => return Ok(false),
                Decision::Act(effect) => {
                    if let Effect::SetRoute(write) = &effect {
                        self.may_write(replica, None, 0, write, Some(&claim), seen.as_ref())?;
                    }
                    let said = format!("replica {replica}: {name}");
                    let work =
                        Work { replica, object: None, number, of: name, closes: false, fate, said, system: self };
                    return work.act(effect).map(|()| true);
                }
            }
        }
        Err("a pass over a claim looks for ever".into())
    }

    fn fail(&mut self, replica: usize, of: &str, class: ErrorClass) {
        let attempts = self.replica[replica].trouble.get(of).map_or(0, |(trouble, _)| trouble.attempts) + 1;
        let due = self.clock + 1;
        self.replica[replica].trouble.insert(of.to_owned(), (trouble(class, attempts, 0), due));
    }
}

/// A replica at work on a PhoneNumber, or on a claim.
struct Work<'a> {
    system: &'a mut System,
    replica: usize,
    /// The object, if it is one, as the pass saw it.
    object: Option<(usize, PhoneNumber)>,
    number: usize,
    /// Under what its failures are remembered.
    of: String,
    /// Whether it says that nothing of ours is left at the carrier.
    closes: bool,
    fate: Fate,
    said: String,
}

impl Work<'_> {
    /// Does one effect as the operator does: `controller::act` says what it is made of.
    fn act(mut self, effect: Effect) -> Result<(), String> {
        self.closes = matches!(effect, Effect::CloseClaim(..));
        let done = act(&mut self, effect).now_or_never().expect("nothing here is waited for");
        done.or_else(|why| why.map_or(Ok(()), Err))
    }

    /// Whether the claim still is as the pass saw it.
    fn is_live(&self) -> bool {
        let version = |claim: &NumberClaim| claim.metadata.resource_version.clone();
        let seen = self.system.replica[self.replica].claims.get(&self.number);
        self.system.claims.get(&self.number).map(version) == seen.map(version)
    }

    fn tell_of(&mut self, what: &str, done: bool) {
        self.system.tell(format!("{} {what}{}", self.said, if done { "" } else { " (conflict)" }));
    }

    /// What the journal must keep when it is written.
    fn may_replace(&self, old: &NumberClaimSpec, new: &NumberClaimSpec) -> Result<(), String> {
        if old == new {
            return Err("a claim is written that differs in nothing".into());
        }
        super::check::keeps_what_was_before(old, new, &self.system.replica[self.replica].seen[&self.number])?;
        // A replica knows of its own requests alone.
        if !self.closes && self.system.replicas == Replicas::OneLeads {
            let on_their_way = self.system.requests.iter().filter(|request| request.number == self.number);
            let forgotten = |(channel, destination): (&Channel, &Destination)| {
                is_ours(destination) && !new.is_ours(*channel, destination)
            };
            if on_their_way.flat_map(|request| &request.route).any(forgotten) {
                return Err("the journal forgets a route that is on its way".into());
            }
        }
        Ok(())
    }

    fn note_what_is_left(&mut self) {
        let Some((slot, object)) = &self.object else { return };
        let annotations = object.metadata.annotations.as_ref();
        let abandoned = annotations.is_some_and(|annotations| annotations.contains_key(ABANDON));
        let restrained = object.spec.suspend || object.spec.mode == Mode::Observe || self.system.refused.contains(slot);
        if restrained || abandoned || object.spec.on_delete == OnDelete::Leave {
            self.system.left_behind.insert(self.number);
        }
    }
}

/// Why an effect ends early: a promise is broken, or, where there is nothing, the claim has changed.
type Ended = Option<String>;

impl ClusterWrites for Work<'_> {
    type Error = Ended;

    async fn write_claim(&mut self, mut claim: NumberClaim) -> Result<(), Ended> {
        let (live, number) = (self.is_live(), self.number);
        let holder = claim.spec.holder.as_ref().map_or("nobody", |holder| &holder.uid);
        let what = match (&claim.metadata.resource_version, self.closes) {
            (None, _) => "creates the claim".to_owned(),
            (_, false) => format!("writes the claim for {holder}"),
            (_, true) => format!("closes the claim for {holder}"),
        };
        self.tell_of(&what, live);
        if !live {
            return Ok(());
        }
        if let Some(old) = self.system.claims.get(&number) {
            self.may_replace(&old.spec, &claim.spec)?;
            claim.metadata = old.metadata.clone();
        }
        if self.closes {
            self.note_what_is_left();
        }
        self.system.previous_is_not_ours(number, &claim.spec)?;
        bumped(&mut self.system.version, |c: &mut NumberClaim| &mut c.metadata.resource_version, &mut claim);
        self.system.claims.insert(number, claim);
        self.system.see_claim(self.replica, number);
        Ok(())
    }

    async fn set_finalizer(&mut self, name: &'static str, on: bool) -> Result<(), Ended> {
        let (slot, object) = self.object.clone().expect("a claim keeps its finalizer");
        let done = self.system.compare_and_set(self.replica, slot, &object, |object| {
            let finalizers = object.metadata.finalizers.get_or_insert_default();
            finalizers.retain(|finalizer| finalizer != name);
            finalizers.extend(on.then(|| name.to_owned()));
        });
        self.tell_of(if on { "adds the finalizer" } else { "removes the finalizer" }, done);
        Ok(())
    }

    async fn delete(&mut self) -> Result<(), Ended> {
        let live = self.is_live();
        self.tell_of("drops the claim", live);
        if let Some(claim) = live.then(|| self.system.claims.remove(&self.number)).flatten() {
            if claim.spec.on_delete == OnDelete::Leave {
                self.system.left_behind.insert(self.number);
            }
            self.system.see_claim(self.replica, self.number);
        }
        Ok(())
    }

    /// The last thing before a request leaves is a live read of the claim.
    async fn fence_claim(&mut self, _: &E164, _: bool) -> Result<(), Ended> {
        if !self.is_live() {
            self.tell_of("would write, and the claim has changed", true);
            return Err(None);
        }
        Ok(())
    }

    async fn take_claim(&mut self, _: NumberClaim) -> Result<bool, Ended> {
        panic!("nothing is taken from the pool")
    }

    async fn write_journal(&mut self, _: Entry) -> Result<bool, Ended> {
        panic!("nothing is bought")
    }

    fn tell(&mut self, _: &[Note]) {}

    unused! {
        annotate(&'static str, String); create_version(AgentVersionSpec); delete_version(Key);
        fence_object();
    }
}

impl CarrierWrites for Work<'_> {
    async fn set_route(&mut self, write: SetRoute) -> Result<(), Ended> {
        let Work { replica, number, fate, .. } = *self;
        let (system, of) = (&mut *self.system, &*self.of);
        let destinations: Vec<String> = write
            .route
            .iter()
            .map(|(channel, destination)| format!("{channel}={}", destination.url.as_deref().unwrap_or("nothing")))
            .collect();
        system.tell(format!("{} sends {} ({fate:?})", self.said, destinations.join(" ")));
        system.has_claim(number, &write)?;
        if write.put_back {
            *system.replica[replica].put_backs.entry(of.to_owned()).or_default() += 1;
        }
        if matches!(fate, Fate::Fine | Fate::AnswerLost) {
            system.carrier[number].extend(write.route.clone());
        }
        match fate {
            Fate::Fine => {
                system.replica[replica].seen.insert(number, system.carrier[number].clone());
                system.replica[replica].trouble.remove(of);
            }
            Fate::Refused => system.fail(replica, of, ErrorClass::Rejected),
            Fate::Lost | Fate::AnswerLost | Fate::Late => {
                if fate == Fate::Late {
                    system.requests.push(Request { number, route: write.route, until: system.clock + LIFETIME });
                }
                system.replica[replica].unknown.insert(number, system.clock + LIFETIME);
                system.replica[replica].seen.remove(&number);
                system.fail(replica, of, ErrorClass::Transient);
            }
        }
        Ok(())
    }

    async fn hold(&mut self, _: &HoldNumber) -> Result<Option<Hold>, Ended> {
        panic!("nothing is bought")
    }

    async fn let_go(&mut self, _: &Key, _: &Hold) -> Result<(), Ended> {
        panic!("nothing is bought")
    }

    fn try_once(&mut self, _: &str) -> bool {
        panic!("nothing is bought")
    }

    fn lose(&mut self, _: &Key, _: &E164) {}

    fn ask_grant(&mut self) {}

    fn give_back_grant(&mut self) {}

    fn accept_inventory(&mut self) {}

    unused! {
        set_shared_route(SetSharedRoute); set_binding(SetBinding); serve_hosted(ServeHosted); mark(Mark); purchase(BuyNumber);
        bring_in(Key, E164);
        cancel_order(Key, Order);
    }
}

fn agent_ref(which: usize) -> Option<Reference> {
    (which > 0).then(|| Reference { name: format!("a{}", which - 1), namespace: None })
}
