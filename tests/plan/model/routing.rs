//! What happens where numbers are routed: what people and carriers change, and what replicas see and remember of it.

use std::time::Duration;

use dialplane::{
    api::{
        meta::{ABANDON, Key, RECONCILE_REQUESTED, Reference},
        number::{Channel, Destination, Route},
        phone_number::{DriftPolicy, Import, Mode, OnDelete},
    },
    carrier::ErrorClass,
    plan::{AccountRef, AgentRef, InFlight, Served, Trouble},
};

use super::{
    events::{Change, Edit, Event, Fate},
    kinds::{account_namespace, account_ref, e164},
    pass,
    scenario::Scenario,
    state::{Agent, Identity, Memory, Number, Object, Routing, Sent, Settings, State, Subject, Uid, Whole},
    step::new,
};
use crate::plan::scene::{self, destination, shown, trouble};

/// How long a route may be on its way, in ticks: a tick is a second of the plan.
pub const LIFETIME: u64 = 3;

/// Where a version of an agent has a number lead: calls and messages, and in every third version calls alone.
pub fn route_of(agent: usize, version: u8) -> Route {
    let url = |channel| destination(&format!("https://engine.example.com/a{agent}/v{version}/{channel}"));
    let all = [(Channel::Voice, url("voice")), (Channel::Sms, url("sms"))];
    all.into_iter().filter(|(channel, _)| *channel == Channel::Voice || version % 3 != 2).collect()
}

pub fn is_ours(destination: &Destination) -> bool {
    destination.url.as_deref().is_some_and(|url| url.contains("engine.example.com"))
}

/// The agent that an object names.
pub fn agent_of(settings: &Settings) -> Option<usize> {
    settings.spec.agent_ref.as_ref().map(|agent| usize::from(agent.name == "a1"))
}

fn agent_ref(which: u8) -> Option<Reference> {
    (which > 0).then(|| Reference { name: format!("a{}", which - 1), namespace: None })
}

fn change(agent: &mut Agent, to: Change) {
    match to {
        Change::Publish => {
            agent.published += 1;
            agent.serves = agent.published;
        }
        Change::RollBack => agent.serves = agent.published.min(1),
        Change::Offline => agent.offline ^= true,
        Change::Refuse => agent.refused ^= true,
    }
}

fn edit(settings: &mut Settings, to: Edit) {
    let Settings { spec, annotations, .. } = settings;
    match to {
        Edit::Suspend => spec.suspend ^= true,
        Edit::Observe if spec.mode == Mode::Manage => spec.mode = Mode::Observe,
        Edit::Observe => spec.mode = Mode::Manage,
        Edit::Report if spec.drift == DriftPolicy::Enforce => spec.drift = DriftPolicy::Report,
        Edit::Report => spec.drift = DriftPolicy::Enforce,
        Edit::OnDelete(which) => {
            spec.on_delete = [OnDelete::Clear, OnDelete::Restore, OnDelete::Leave][usize::from(which)];
        }
        Edit::Assign(agent) => spec.agent_ref = agent_ref(agent),
        Edit::Abandon => drop(annotations.insert(ABANDON.to_owned(), "true".to_owned())),
        Edit::Request => {
            let last = annotations.get(RECONCILE_REQUESTED).map_or(0, |last| last.parse().unwrap());
            annotations.insert(RECONCILE_REQUESTED.to_owned(), (last + 1_u32).to_string());
        }
        Edit::Refuse => {}
    }
}

impl Scenario {
    /// An object as a person applies it. The first two want the first number, the third that or the other, by how many came before it.
    pub fn applied(&self, uid: Uid, identity: Identity) -> Object {
        let settings = || {
            let mut spec = scene::phone_number("n", "pn").spec;
            spec.account_ref = account_ref(self, identity);
            spec.import =
                Some(Import { number: e164(u8::from(identity == 2 && uid.is_multiple_of(2))), bring_in: false });
            spec.agent_ref = agent_ref(u8::from(identity == 1) + 1);
            Whole::new(Settings { spec, generation: 1, annotations: Default::default(), status: None })
        };
        Object { settings: self.routes().then(settings), ..new(uid, identity) }
    }

    /// What there is at the beginning: a number that somebody routed by hand, one that leads nowhere, and two agents of which one serves.
    pub fn routed(&self) -> Whole<Routing> {
        if !self.routes() {
            return Whole::default();
        }
        let by_hand = [(Channel::Voice, destination("https://f0.example.net/"))];
        let mut routes = vec![shown(by_hand.into()), shown(Route::new())];
        routes.truncate(self.numbers);
        Whole::new(Routing {
            leader: self.leads.then_some(0),
            agents: vec![Agent { published: 1, serves: 1, ..Agent::default() }, Agent::default()],
            routes,
            ..Routing::default()
        })
    }

    pub fn reroute(&self, s: &mut State, event: Event) -> Option<()> {
        if event.is_edit() {
            s.budget.edits = s.budget.edits.checked_sub(1)?;
        }
        match event {
            Event::Run { replica, slot } => {
                s.see_all(replica.into());
                for _ in 0..6 {
                    pass::over_object(self, s, replica.into(), slot.into(), Fate::Answered);
                }
            }
            Event::SeeAgents { replica } => {
                s.replicas[usize::from(replica)].routing.agents = s.routing.agents.clone();
            }
            Event::List { replica } => s.list(replica.into()),
            Event::Lead { replica } => {
                s.routing.leader = Some(replica);
                s.replicas[usize::from(replica)].routing.predecessor = LIFETIME;
            }
            Event::Tick => s.tick(),
            Event::Foreign { number, channel, empty } => {
                s.routing.foreign += 1;
                let url = if empty { String::new() } else { format!("https://f{}.example.net/", s.routing.foreign) };
                s.routing.routes[usize::from(number)].insert(Channel::ALL[usize::from(channel)], destination(&url));
            }
            Event::Account => s.routing.closed ^= true,
            Event::Change { agent, to } => change(&mut s.routing.agents[usize::from(agent)], to),
            Event::Edit { slot, to: Edit::Refuse } => s.routing.refused ^= 1 << slot,
            Event::Edit { slot, to } => s.set(slot, to)?,
            Event::DeleteClaim { number, force } => s.delete_claim(number, force)?,
            _ => unreachable!("{event:?} is not about routes"),
        }
        Some(())
    }

    /// What the account of an object is seen as. One that is of another account says that it owns every number.
    pub fn account(&self, s: &State, slot: Option<usize>, identity: Identity) -> AccountRef {
        let namespace = account_namespace(self, identity);
        if slot.is_some_and(|slot| s.routing.refused & (1 << slot) != 0) {
            return AccountRef::Refused(Key::new(namespace, "a"));
        }
        let mut account = scene::account(namespace, "a", self.account_id(identity));
        if let AccountRef::Found(view) = &mut account {
            view.open.take_if(|_| s.routing.closed);
        }
        account
    }

    pub fn account_id(&self, identity: Identity) -> &'static str {
        if self.is_elsewhere(identity) { "AC2" } else { "AC1" }
    }
}

impl State {
    pub fn acts(&self, replica: usize) -> bool {
        self.routing.leader.is_none_or(|leader| usize::from(leader) == replica)
    }

    /// A person changes an object.
    fn set(&mut self, slot: u8, to: Edit) -> Option<()> {
        let settings = self.cluster.objects[usize::from(slot)].as_mut()?.settings.as_mut()?;
        let before = settings.spec.clone();
        edit(settings, to);
        settings.generation += i64::from(settings.spec != before);
        if to == Edit::Request {
            self.replicas.iter_mut().for_each(|replica| replica.routing.put_backs.clear());
        }
        Some(())
    }

    fn delete_claim(&mut self, number: Number, force: bool) -> Option<()> {
        let (stamp, claim) = (self.stamp(), &mut self.cluster.claims[usize::from(number)]);
        let deleted = claim.as_mut()?;
        (deleted.deleting, deleted.version) = (true, stamp);
        if force {
            // What was sent and never confirmed in a status is forgotten with it.
            *claim = None;
            self.routing.left_behind |= 1 << number;
        }
        Some(())
    }

    pub fn list(&mut self, replica: usize) {
        let replica = &mut self.replicas[replica];
        replica.routing.seen.clone_from(&self.routing.routes);
        replica.known = (0..self.routing.routes.len()).fold(0, |mask, n| mask | 1 << n);
    }

    pub fn see_all(&mut self, replica: usize) {
        self.replicas[replica].cache = self.cluster.clone();
        self.replicas[replica].routing.agents = self.routing.agents.clone();
        self.list(replica);
    }

    fn tick(&mut self) {
        for replica in &mut self.replicas {
            let Memory { trouble, unknown, predecessor, .. } = &mut *replica.routing;
            let waits = trouble.values_mut().map(|(.., left)| left).chain(unknown.values_mut()).chain([predecessor]);
            waits.for_each(|left| *left = left.saturating_sub(1));
        }
        // A route of which nobody decided when it arrives is lost at the end of its life.
        self.routing.wire.iter_mut().for_each(|sent| sent.left -= 1);
        self.routing.wire.retain(|sent| sent.left > 0);
    }

    pub fn arrive(&mut self, at: usize) {
        let Sent { number, route, .. } = self.routing.wire.remove(at);
        self.routing.routes[usize::from(number)].extend(route);
    }

    /// From now on nothing goes wrong and nobody changes anything.
    pub fn calm(&mut self) {
        while !self.routing.wire.is_empty() {
            self.arrive(0);
        }
        self.routing.closed = false;
        (0..=LIFETIME).for_each(|_| self.tick());
        self.replicas.iter_mut().for_each(|replica| replica.routing.put_backs.clear());
    }

    pub fn in_flight(&self, replica: usize, number: Option<Number>) -> InFlight {
        let Memory { unknown, predecessor, .. } = &*self.replicas[replica].routing;
        let unknown = number.and_then(|number| unknown.get(&number)).copied().unwrap_or_default();
        InFlight { unknown: Duration::from_secs(unknown), predecessor: Duration::from_secs(*predecessor) }
    }

    pub fn trouble(&self, replica: usize, of: Subject) -> Option<Trouble> {
        let (class, attempts, left) = self.replicas[replica].routing.trouble.get(&of)?;
        Some(trouble(*class, *attempts, *left))
    }

    pub fn fail(&mut self, replica: usize, of: Subject, class: ErrorClass) {
        let troubles = &mut self.replicas[replica].routing.trouble;
        let attempts = troubles.get(&of).map_or(0, |(_, attempts, _)| *attempts) + 1;
        troubles.insert(of, (class, attempts, 1));
    }

    /// What a replica sees of the agent that an object names.
    pub fn agent(&self, replica: usize, object: &Object) -> Option<AgentRef> {
        let which = agent_of(object.settings.as_ref()?)?;
        let agent = self.replicas[replica].routing.agents[which];
        let key = Key::new("n", format!("a{which}"));
        if agent.refused {
            return Some(AgentRef::Refused(key));
        }
        let serves = match agent.serves {
            0 => Served::Nothing,
            n => Served::Version { name: format!("v{n}"), route: route_of(which, n) },
        };
        Some(AgentRef::Found { key, offline: agent.offline, serves })
    }

    /// A route is sent to the carrier.
    pub fn send(&mut self, replica: usize, of: Subject, number: Number, route: Route, fate: Fate) {
        let n = usize::from(number);
        match fate {
            Fate::Answered | Fate::AnswerLost => self.routing.routes[n].extend(route),
            Fate::Late => self.routing.wire.push(Sent { number, route, left: LIFETIME }),
            Fate::Lost | Fate::Refused | Fate::Taken => {}
        }
        match fate {
            Fate::Answered => {
                self.replicas[replica].routing.seen[n] = self.routing.routes[n].clone();
                self.replicas[replica].known |= 1 << n;
                self.replicas[replica].routing.trouble.remove(&of);
            }
            Fate::Refused => self.fail(replica, of, ErrorClass::Rejected),
            Fate::Lost | Fate::AnswerLost | Fate::Late | Fate::Taken => {
                self.replicas[replica].routing.unknown.insert(number, LIFETIME);
                self.replicas[replica].known &= !(1 << n);
                self.fail(replica, of, ErrorClass::Transient);
            }
        }
    }
}
