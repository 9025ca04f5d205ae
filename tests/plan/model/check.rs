//! The promises, checked at every write and at the end.

use dialplane::{
    api::{
        NumberClaim, PhoneNumber,
        claim::NumberClaimSpec,
        number::{Channel, Destination, Route},
        phone_number::{DriftPolicy, Mode},
    },
    carrier::OwnedNumber,
    plan::SetRoute,
};

use super::{
    events::Fate,
    system::{Replicas, System, is_ours, route_of, wants},
};
use crate::plan::scene::{digests, reason};

/// What was there before us is kept for as long as we set the channel, and never told to another namespace.
pub fn keeps_what_was_before(old: &NumberClaimSpec, new: &NumberClaimSpec, seen: &Route) -> Result<(), String> {
    let set = old.sent.first().cloned().unwrap_or_default();
    let changed = |channel: &&Channel| old.previous.get(channel) != new.previous.get(channel);
    if old.holder == new.holder && set.keys().any(|channel| changed(&channel)) {
        return Err("what was there before is forgotten".into());
    }
    let moved = new.namespace().is_some_and(|namespace| old.namespace() != Some(namespace));
    let told = |(channel, destination): (&Channel, &Destination)| {
        old.previous.get(channel) == Some(destination) && seen.get(channel) != Some(destination)
    };
    if moved && new.previous.iter().any(told) {
        return Err("promise 11: what one namespace had before is told to another".into());
    }
    Ok(())
}

impl System {
    /// What the plan must know to be allowed this write: what its replica could see when it decided.
    pub fn may_write(
        &self,
        replica: usize,
        object: Option<&PhoneNumber>,
        slot: usize,
        write: &SetRoute,
        claim: Option<&NumberClaim>,
        seen: Option<&OwnedNumber>,
    ) -> Result<(), String> {
        let claim = &claim.ok_or("promise 3: a write without a claim")?.spec;
        let seen = &seen.ok_or("a write without a look")?.route;
        if object.is_some_and(|object| object.spec.suspend || object.spec.mode == Mode::Observe) {
            return Err("promise 6: a write for a suspended or observed object".into());
        }
        if object.is_some() && self.refused.contains(&slot) {
            return Err("promise 6: a write through an account that refuses".into());
        }
        let deleting = object.is_none_or(|object| object.metadata.deletion_timestamp.is_some());
        for (channel, destination) in &write.route {
            let there = seen.get(channel).cloned().unwrap_or_default();
            if destination == &there {
                return Err("a channel is written that differs in nothing".into());
            }
            if destination.is_empty() && !is_ours(&there) {
                return Err(format!("promise 5: {channel} is emptied, which is not ours"));
            }
            let restored = claim.previous.get(channel) == Some(destination);
            if !destination.is_empty() && !restored && !self.was_published(replica, *channel, destination) {
                return Err(format!("promise 5: {channel} is sent to what was never published"));
            }
        }
        let ours = write.route.iter().filter(|(channel, destination)| claim.previous.get(channel) != Some(destination));
        let sent = digests(&ours.map(|(channel, destination)| (*channel, destination.clone())).collect());
        let journalled = |(channel, digest)| claim.sent.iter().any(|old| old.get(channel) == Some(digest));
        if !deleting && !sent.iter().all(journalled) {
            return Err("a route is sent that the journal does not name".into());
        }
        match object {
            Some(object) if !claim.is_held_by(object.metadata.uid.as_deref().unwrap()) => {
                Err("promise 3: a write for an object that does not hold the claim".into())
            }
            Some(object) if object.metadata.finalizers.as_ref().is_none_or(Vec::is_empty) => {
                Err("a write without the finalizer".into())
            }
            _ => Ok(()),
        }
    }

    fn was_published(&self, replica: usize, channel: Channel, destination: &Destination) -> bool {
        let agents = self.replica[replica].agents.iter().enumerate();
        agents
            .flat_map(|(which, agent)| (1..=agent.published).map(move |version| route_of(which, version)))
            .any(|route| route.get(&channel) == Some(destination))
    }

    /// When a request leaves, the claim stands in the cluster, and nobody else holds it.
    pub fn has_claim(&self, number: usize, _: &SetRoute) -> Result<(), String> {
        self.claims.get(&number).map(|_| ()).ok_or_else(|| "promise 3: a request leaves without a claim".to_owned())
    }

    /// Whether something of ours may be at the carrier that no claim knows of, as promised.
    fn is_anybodys(&self, number: usize) -> bool {
        self.replicas == Replicas::BothAct || self.left_behind.contains(&number)
    }

    pub fn previous_is_not_ours(&self, number: usize, claim: &NumberClaimSpec) -> Result<(), String> {
        if !self.is_anybodys(number) && claim.previous.values().any(is_ours) {
            return Err("the previous route that is kept is one of ours".into());
        }
        Ok(())
    }

    /// Once nothing goes wrong any more, everything comes to rest, as it should be.
    pub fn converges(&mut self) -> Result<(), String> {
        self.told.push("from here on nothing goes wrong".into());
        self.calm();
        let mut quiet = 0;
        for _ in 0..60 {
            let done = self.round()?;
            quiet = if done { 0 } else { quiet + 1 };
            if quiet == 10 {
                return self.is_as_wanted();
            }
        }
        Err("promise 7: it does not come to rest".into())
    }

    fn round(&mut self) -> Result<bool, String> {
        let mut done = false;
        let leader = self.leader();
        for slot in 0..3 {
            self.see_all(leader);
            done |= self.pass(leader, slot, Fate::Fine)?;
        }
        for number in 0..2 {
            self.see_all(leader);
            done |= self.claim_pass(leader, number, Fate::Fine)?;
        }
        self.tick();
        Ok(done)
    }

    fn is_as_wanted(&self) -> Result<(), String> {
        for object in self.objects.values().filter(|object| object.metadata.deletion_timestamp.is_some()) {
            let conditions = object.status.as_ref().map(|status| &*status.conditions).unwrap_or_default();
            if reason(conditions, "Ready") != Some("CleanupBlocked") {
                return Err("promise 8: a deletion neither ends nor says what blocks it".into());
            }
        }
        for number in 0..2 {
            self.number_is_as_wanted(number)?;
        }
        Ok(())
    }

    fn number_is_as_wanted(&self, number: usize) -> Result<(), String> {
        let holder = self.claims.get(&number).and_then(|claim| claim.spec.holder.as_ref()).map(|holder| &holder.uid);
        let managed = |(slot, object): &(&usize, &PhoneNumber)| {
            object.metadata.deletion_timestamp.is_none()
                && object.spec.mode == Mode::Manage
                && !object.spec.suspend
                && !self.refused.contains(slot)
        };
        let wanting = || {
            let objects = self.objects.iter();
            objects.filter(|(_, object)| wants(object) == number && !self.is_elsewhere(object))
        };
        let Some(holder) = holder else {
            if wanting().any(|entry| managed(&entry)) {
                return Err("promise 7: a number is wanted and nobody holds it".into());
            }
            if !self.is_anybodys(number) && self.carrier[number].values().any(is_ours) {
                return Err("promise 8: nobody holds a number that still has our route".into());
            }
            return Ok(());
        };
        let Some((slot, object)) = wanting().find(|(_, object)| object.metadata.uid.as_ref() == Some(holder)) else {
            return Err("promise 8: a claim is left whose holder is gone".into());
        };
        if self.refused.contains(slot) && wanting().any(|entry| managed(&entry)) {
            return Err("promise 11: a number stays with whoever is no longer allowed to have it".into());
        }
        if !managed(&(slot, object)) {
            return Ok(());
        }
        let seen = &self.carrier[number];
        let conditions = object.status.as_ref().map(|status| &*status.conditions).unwrap_or_default();
        let agent = object.spec.agent_ref.as_ref().map(|agent| usize::from(agent.name == "a1"));
        let nothing_ours = || {
            let ours = seen.values().any(is_ours) && !self.is_anybodys(number);
            if ours { Err("promise 7: a route of ours is there, and none is wanted".to_owned()) } else { Ok(()) }
        };
        let Some(which) = agent else { return nothing_ours() };
        let agent = &self.agents[which];
        if agent.refused {
            return Ok(());
        }
        if agent.offline {
            return nothing_ours();
        }
        let wanted = if agent.serves == 0 { Default::default() } else { route_of(which, agent.serves) };
        let differing: Vec<Channel> = wanted
            .iter()
            .filter(|(c, destination)| seen.get(c) != Some(destination))
            .map(|(channel, _)| *channel)
            .collect();
        let reported = object.spec.drift == DriftPolicy::Report && reason(conditions, "Ready") == Some("Drifted");
        if !differing.is_empty() && !reported {
            return Err(format!("promise 7: {differing:?} is not as wanted"));
        }
        let said = if agent.serves == 0 { "NeverPublished" } else { "Routed" };
        if !reported && reason(conditions, "Ready") != Some(said) {
            return Err(format!("promise 7: it is as wanted and says {:?}", reason(conditions, "Ready")));
        }
        Ok(())
    }
}
