//! The promises: what must hold in every state, of every write to a claim or a route, and once everything has come to rest.

use dialplane::{
    api::{
        NumberClaim,
        claim::NumberClaimSpec,
        meta::ABANDON,
        number::{Channel, Destination, Route},
        phone_number::{DriftPolicy, OnDelete},
    },
    plan::{Effect, Seen, SetRoute, number},
};

use super::{
    routing::{agent_of, is_ours, route_of},
    scenario::Scenario,
    state::{Claim, Line, Number, Object, Settings, State, Stock},
    step::STRANGER,
};
use crate::plan::scene::{digests, reason};

/// Whether a promise is kept, or why not.
type Kept = Result<(), &'static str>;

impl Scenario {
    /// What must hold in every state.
    pub fn check(&self, s: &mut State) {
        for identity in 0..self.identities() as u8 {
            let bought = [Stock::Ours(identity), Stock::Ordered(identity)];
            let most = usize::from(s.allowed[usize::from(identity)]);
            if s.lines.iter().filter(|line| bought.contains(&line.stock)).count() > most {
                s.broken = Some("promise 1: two numbers are bought for one identity");
            }
        }
        let bought = s.lines.iter().filter(|line| matches!(line.stock, Stock::Ours(_) | Stock::Ordered(_))).count();
        if self.limit.is_some_and(|limit| bought > usize::from(limit)) {
            s.broken = Some("more is bought than the account allows");
        }
        let holds =
            |claim: &Claim, object: &Object| claim.holder == Some(object.uid) && claim.identity != object.identity;
        let foreign = |claim: &Claim| s.cluster.objects.iter().flatten().any(|object| holds(claim, object));
        if self.tenants && s.cluster.claims.iter().flatten().any(foreign) {
            s.broken = Some("promise 11: an object has what was bought for another namespace");
        }
        let objects: Vec<&Object> = s.cluster.objects.iter().flatten().collect();
        for (at, object) in objects.iter().enumerate() {
            if object.status.is_some() && objects[..at].iter().any(|other| other.status == object.status) {
                s.broken = Some("promise 3: two objects have one number");
            }
            let is_anothers =
                |n: u8| matches!(s.lines[usize::from(n)].stock, Stock::Ours(owner) if owner != object.identity);
            if !self.pool && object.status.is_some_and(is_anothers) {
                s.broken = Some("an object has the number that was bought for another");
            }
            let is_its =
                |number: &usize| s.cluster.claims[*number].as_ref().is_some_and(|c| c.holder == Some(object.uid));
            let is_ours = |number: &usize| matches!(s.lines[*number].stock, Stock::Ours(_));
            if (0..s.lines.len()).filter(is_its).filter(is_ours).count() > 1 {
                s.broken = Some("promise 1: one object has two numbers");
                break;
            }
        }
        let stripped = self.budget.stripped > s.budget.stripped;
        let named = |number: usize| {
            let journals = s.cluster.journals.iter().flatten();
            s.cluster.claims[number].is_some()
                || journals.map(|journal| journal.number).any(|n| n == Some(number as u8))
        };
        // What was bought after the backup is known by its marker alone.
        let restored = self.budget.restores > s.budget.restores;
        let is_ours = |line: &Line| matches!(line.stock, Stock::Ours(_)) && line.stock != Stock::Ours(STRANGER);
        let forgotten = restored || self.bare && s.moved;
        let lost = (0..s.lines.len()).any(|number| is_ours(&s.lines[number]) && !named(number));
        if lost && !forgotten {
            s.broken = Some("a number is bought of which nothing in the cluster knows");
        }
        // A number that is ours never goes in this model.
        let passes = |object: &Object| object.status.is_some_and(|n| !is_ours(&s.lines[usize::from(n)]));
        if s.cluster.objects.iter().flatten().any(passes) {
            s.broken = Some("an object shows a number that was not bought");
        }
        let alive = |uid| s.cluster.objects.iter().flatten().any(|object| object.uid == uid);
        if !restored && !stripped && !s.moved && s.wire.iter().any(|request| !alive(request.uid)) {
            s.broken = Some("promise 8: an object goes while its purchase is on its way");
        }
    }
}

/// What was there before us is kept for as long as we set the channel, and never told to another namespace.
fn keeps_what_was_before(old: &NumberClaimSpec, new: &NumberClaimSpec, seen: &Route) -> Kept {
    let set = old.sent.first().cloned().unwrap_or_default();
    let changed = |channel: &Channel| old.previous.get(channel) != new.previous.get(channel);
    if old.holder == new.holder && set.keys().any(changed) {
        return Err("what was there before is forgotten");
    }
    let moved = new.namespace().is_some_and(|namespace| old.namespace() != Some(namespace));
    let told = |(channel, destination): (&Channel, &Destination)| {
        old.previous.get(channel) == Some(destination) && seen.get(channel) != Some(destination)
    };
    if moved && new.previous.iter().any(told) {
        return Err("promise 11: what one namespace had before is told to another");
    }
    Ok(())
}

impl State {
    /// Whether the plan may decide on this for an object, by what its replica could see.
    pub fn may_act(
        &self,
        m: &Scenario,
        (replica, slot): (usize, usize),
        effect: &Effect,
        world: &number::World<'_>,
    ) -> Kept {
        match effect {
            Effect::WriteClaim(_) if m.is_elsewhere(m.objects[slot]) => {
                Err("promise 11: a claim is taken over by another account")
            }
            Effect::SetRoute(_) if world.successor => {
                Err("promise 5: a route is written although another waits for the number")
            }
            Effect::SetRoute(write) => self.may_write(replica, Some(slot), write, world.claim, world.seen),
            _ => Ok(()),
        }
    }

    /// The same of a route, for the object in this place or for the claim alone.
    pub fn may_write(
        &self,
        replica: usize,
        slot: Option<usize>,
        write: &SetRoute,
        claim: Option<&NumberClaim>,
        seen: Seen<'_>,
    ) -> Kept {
        let claim = &claim.ok_or("promise 3: a write without a claim")?.spec;
        let Seen::Present { number, .. } = seen else { return Err("a write without a look") };
        let object = slot.and_then(|slot| self.replicas[replica].cache.objects[slot].as_ref());
        let is_managed = |object: &Object| object.settings.as_ref().is_some_and(|settings| settings.is_managed());
        if object.is_some_and(|object| !is_managed(object)) {
            return Err("promise 6: a write for a suspended or observed object");
        }
        if slot.is_some_and(|slot| self.routing.refused & (1 << slot) != 0) {
            return Err("promise 6: a write through an account that refuses");
        }
        for (channel, destination) in &write.route {
            let there = number.route.get(channel).cloned().unwrap_or_default();
            if destination == &there {
                return Err("a channel is written that differs in nothing");
            }
            if destination.is_empty() && !is_ours(&there) {
                return Err("promise 5: a channel is emptied which is not ours");
            }
            let restored = claim.previous.get(channel) == Some(destination);
            if !destination.is_empty() && !restored && !self.was_published(replica, *channel, destination) {
                return Err("promise 5: a channel is sent to what was never published");
            }
        }
        let ours = write.route.iter().filter(|(channel, destination)| claim.previous.get(channel) != Some(destination));
        let sent = digests(&ours.map(|(channel, destination)| (*channel, destination.clone())).collect());
        let journalled = |(channel, digest)| claim.sent.iter().any(|old| old.get(channel) == Some(digest));
        if object.is_some_and(|object| !object.deleting) && !sent.iter().all(journalled) {
            return Err("a route is sent that the journal does not name");
        }
        match object {
            Some(object) if !claim.is_held_by(&object.uid.to_string()) => {
                Err("promise 3: a write for an object that does not hold the claim")
            }
            Some(object) if !object.finalizer => Err("a write without the finalizer"),
            _ => Ok(()),
        }
    }

    fn was_published(&self, replica: usize, channel: Channel, destination: &Destination) -> bool {
        let agents = self.replicas[replica].routing.agents.iter().enumerate();
        agents
            .flat_map(|(which, agent)| (1..=agent.published).map(move |version| route_of(which, version)))
            .any(|route| route.get(&channel) == Some(destination))
    }

    /// What the claim of a number must keep when it is written, or closed, which says that nothing of ours is left at the carrier.
    pub fn may_replace(&self, replica: usize, number: Number, new: &NumberClaimSpec, closes: bool) -> Kept {
        let n = usize::from(number);
        if let Some(old) = self.cluster.claims[n].as_ref().and_then(|claim| claim.spec.as_deref()) {
            if old == new {
                return Err("a claim is written that differs in nothing");
            }
            keeps_what_was_before(old, new, &self.replicas[replica].routing.seen[n])?;
            let on_their_way = self.routing.wire.iter().filter(|sent| sent.number == number);
            let is_forgotten = |(channel, destination): (&Channel, &Destination)| {
                is_ours(destination) && !new.is_ours(*channel, destination)
            };
            // A replica knows of its own requests alone.
            let knows_all = !closes && self.routing.leader.is_some();
            if knows_all && on_their_way.flat_map(|sent| &sent.route).any(is_forgotten) {
                return Err("the journal forgets a route that is on its way");
            }
        }
        if !self.is_anybodys(number) && new.previous.values().any(is_ours) {
            return Err("the previous route that is kept is one of ours");
        }
        Ok(())
    }

    /// An object that lets go of its number may leave something there on purpose.
    pub fn note_what_is_left(&mut self, slot: usize, object: &Object, number: Number) {
        let Some(settings) = &object.settings else { return };
        let restrained = !settings.is_managed() || self.routing.refused & (1 << slot) != 0;
        let abandoned = settings.annotations.contains_key(ABANDON);
        if restrained || abandoned || settings.spec.on_delete == OnDelete::Leave {
            self.routing.left_behind |= 1 << number;
        }
    }

    /// Whether something of ours may be at the carrier that no claim knows of, as promised.
    fn is_anybodys(&self, number: Number) -> bool {
        self.routing.leader.is_none() || self.routing.left_behind & (1 << number) != 0
    }

    /// Whether every number is routed as it should be, and every object says so.
    pub fn is_routed(&self, m: &Scenario) -> Kept {
        for object in self.cluster.objects.iter().flatten().filter(|object| object.deleting) {
            if ready(object) != Some("CleanupBlocked") {
                return Err("promise 8: a deletion neither ends nor says what blocks it");
            }
        }
        (0..self.lines.len() as Number).try_for_each(|number| self.is_as_wanted(m, number))
    }

    fn is_as_wanted(&self, m: &Scenario, number: Number) -> Kept {
        let wants = |object: &Object| {
            let named = object.settings.as_ref().and_then(|settings| settings.number()).map(super::kinds::index);
            named == Some(number) && !m.is_elsewhere(object.identity)
        };
        let objects = self.cluster.objects.iter().enumerate();
        let objects = objects.filter_map(|(slot, object)| Some((slot, object.as_ref()?)));
        let wanting: Vec<_> = objects.filter(|(_, object)| wants(object)).collect();
        let is_refused = |slot: usize| self.routing.refused & (1 << slot) != 0;
        let is_managed = |(slot, object): &(usize, &Object)| {
            !object.deleting && !is_refused(*slot) && object.settings.as_ref().is_some_and(|it| it.is_managed())
        };
        let seen = &self.routing.routes[usize::from(number)];
        let leads_to_ours = !self.is_anybodys(number) && seen.values().any(is_ours);
        let Some(holder) = self.cluster.claims[usize::from(number)].as_ref().and_then(|claim| claim.holder) else {
            if wanting.iter().any(is_managed) {
                return Err("promise 7: a number is wanted and nobody holds it");
            }
            let left = "promise 8: nobody holds a number that still has our route";
            return if leads_to_ours { Err(left) } else { Ok(()) };
        };
        let Some(held) = wanting.iter().find(|(_, object)| object.uid == holder) else {
            return Err("promise 8: a claim is left whose holder is gone");
        };
        let (slot, object) = *held;
        if is_refused(slot) && wanting.iter().any(is_managed) {
            return Err("promise 11: a number stays with whoever is no longer allowed to have it");
        }
        let Some(settings) = object.settings.as_ref().filter(|_| is_managed(held)) else { return Ok(()) };
        self.leads_where_it_should(object, settings, seen, leads_to_ours)
    }

    /// Whether a number leads where its object has it lead, and that says so.
    fn leads_where_it_should(&self, object: &Object, settings: &Settings, seen: &Route, leads_to_ours: bool) -> Kept {
        let agent = agent_of(settings).map(|which| (which, self.routing.agents[which]));
        let (which, agent) = match agent {
            Some((_, agent)) if agent.refused => return Ok(()),
            Some((which, agent)) if !agent.offline => (which, agent),
            _ if leads_to_ours => return Err("promise 7: a route of ours is there, and none is wanted"),
            _ => return Ok(()),
        };
        let wanted = if agent.serves == 0 { Route::new() } else { route_of(which, agent.serves) };
        let differs = wanted.iter().any(|(channel, destination)| seen.get(channel) != Some(destination));
        let reported = settings.spec.drift == DriftPolicy::Report && ready(object) == Some("Drifted");
        if differs && !reported {
            return Err("promise 7: a number does not lead where it should");
        }
        let said = if agent.serves == 0 { "NeverPublished" } else { "Routed" };
        if !reported && ready(object) != Some(said) {
            return Err("promise 7: a number leads where it should, and something else is said");
        }
        Ok(())
    }
}

/// The reason of `Ready` that an object shows.
fn ready(object: &Object) -> Option<&str> {
    let status = object.settings.as_ref()?.status.as_ref()?;
    reason(&status.conditions, "Ready")
}
