//! What was foreseen, in words. No I/O.

use crate::{
    api::{
        agent::{AgentStatus, SharedRouteStatus},
        conditions::{Condition, Reason, Truth, Type},
        number::{Channel, HOSTED_AGENT, Route},
        offer::Price,
        phone_number::PhoneNumberStatus,
    },
    controller::{End, Foreseen},
    plan::{BindingChange, BuyNumber, Effect, OfferQuery, SetBinding, SetRoute, choose},
};

/// One line about a PhoneNumber. `closed` says why its account could not be opened, where that is so.
pub fn of(foreseen: &Foreseen, closed: Option<&str>) -> String {
    match &foreseen.end {
        End::Effect(Effect::Purchase(buy)) => would_buy(foreseen, buy),
        End::Effect(Effect::Hold(hold)) => {
            let price = choose::shown(&hold.entry.journal.spec.price);
            format!("would hold {}, and ask for approval to buy it for {price}", hold.number)
        }
        End::Effect(Effect::SetRoute(write)) => with(acquires(foreseen), would_set(write)),
        End::Effect(Effect::SetBinding(write)) => with(acquires(foreseen), would_bind(write)),
        End::Effect(Effect::Mark(mark)) => {
            with(acquires(foreseen), format!("would write the marker {} on it", mark.marker.as_str()))
        }
        End::Effect(Effect::BringIn(at, number)) => format!(
            "would have the carrier import {number} into CarrierAccount {at} from the organization's own carrier account, which is not a \
             purchase, and import it"
        ),
        End::Effect(other) => {
            with(acquires(foreseen), format!("would continue with {}", other.name().replace('_', " ")))
        }
        End::Rest(None) => {
            closed.map_or("nothing to do now".to_owned(), |closed| format!("nothing to do now, while {closed}"))
        }
        End::Rest(Some(status)) => match closed {
            Some(why) if is_unseen(foreseen) => format!("unknown: {why}"),
            _ => rests(foreseen, status),
        },
    }
}

/// One line about an Agent, with what stands in the way of its platforms, and one for each platform that would serve it.
pub fn of_agent(status: &AgentStatus) -> String {
    let of = |which: Type| status.conditions.iter().find(|condition| condition.is_of(which));
    let shown = |c: &Condition| format!("{} ({})", c.message, c.reason());
    let Some(published) = of(Type::Published) else { return "nothing is known about it".to_owned() };
    let waits = |c: &&Condition| WAITING.iter().any(|reason| c.has_reason(*reason));
    let stalled = of(Type::Stalled).filter(|stalled| stalled.reason() != published.reason());
    let first = match stalled.or(of(Type::RolledOut).filter(waits)) {
        Some(in_the_way) => format!("{} {}", shown(published), shown(in_the_way)),
        None => shown(published),
    };
    let hosted = status.shared_routes.iter().filter_map(|entry| would_host(entry, status.published_version.as_deref()));
    std::iter::once(first).chain(hosted).collect::<Vec<_>>().join("\n  ")
}

/// What keeps a platform from serving what is published until somebody there, or the owner of the account, does something.
const WAITING: [Reason; 2] = [Reason::HostedAgentInactive, Reason::PlatformNotAllowed];

/// What would become of an agent on a platform.
fn would_host(entry: &SharedRouteStatus, published: Option<&str>) -> Option<String> {
    let agent = entry.bound.get(&Channel::Voice)?.bound_id(HOSTED_AGENT)?;
    let version = entry.version.as_deref().filter(|version| Some(*version) == published)?;
    let at = &entry.account;
    let there = entry.hosted_versions.iter().find(|of| of.version == version);
    Some(match there {
        // The platform has yet to give it an id.
        Some(there) if there.id.starts_with("dialplane ") => {
            format!("the draft of the agent {agent} at CarrierAccount {at} would be published as {version}")
        }
        Some(there) => format!("the agent {agent} at CarrierAccount {at} serves {version}, there {}", there.id),
        None => format!("the agent {agent} at CarrierAccount {at} serves it as it is there"),
    })
}

/// Whether there is nothing left to do for it.
pub fn is_done(foreseen: &Foreseen) -> bool {
    match &foreseen.end {
        End::Effect(_) => false,
        End::Rest(None) => true,
        End::Rest(Some(status)) => ready(status).is_none_or(|ready| ready.is(Type::Ready, Truth::True)),
    }
}

/// Whether a person is asked whether to buy.
pub fn awaits_approval(foreseen: &Foreseen) -> bool {
    let End::Rest(Some(status)) = &foreseen.end else { return false };
    ready(status).is_some_and(|ready| ready.has_reason(Reason::AwaitingApproval))
}

/// Whether what would become of it could not be found out.
pub fn is_unseen(foreseen: &Foreseen) -> bool {
    let End::Rest(Some(status)) = &foreseen.end else { return false };
    let unseen = [
        Reason::AccountNotReady,
        Reason::NumberNotChecked,
        Reason::RouteUnknown,
        Reason::SharedRoutePending,
        Reason::PlatformNotReady,
        Reason::PurchaseFailed,
        Reason::PurchaseOutcomeUnknown,
    ];
    ready(status).is_some_and(|ready| unseen.iter().any(|reason| ready.has_reason(*reason)))
}

fn would_buy(foreseen: &Foreseen, buy: &BuyNumber) -> String {
    let price = choose::shown(&price(foreseen));
    let because = why(foreseen, buy).map(|why| format!(" because {why}")).unwrap_or_default();
    let route = if buy.route.is_empty() { String::new() } else { format!("; it would send {}", shown(&buy.route)) };
    let bought = format!("{} for {price}{because}{route}", buy.number);
    match &foreseen.other {
        None => format!("would buy {bought}"),
        Some((number, identity)) => format!(
            "would buy another number, {bought}; {number} was bought for {} in this namespace: to keep that one, set \
             spec.purchase.identity: {}",
            identity.name, identity.name
        ),
    }
}

/// What a number that would be bought costs, as it is offered now.
pub fn price(foreseen: &Foreseen) -> Price {
    let journalled = foreseen.effects.iter().rev().find_map(|effect| match effect {
        Effect::WriteJournal(entry) => Some(entry.journal.spec.price.clone()),
        Effect::Hold(hold) => Some(hold.entry.journal.spec.price.clone()),
        _ => None,
    });
    journalled.unwrap_or_default()
}

/// Why just this number: what it fits, and what nothing fitted before.
fn why(foreseen: &Foreseen, buy: &BuyNumber) -> Option<String> {
    let purchase = foreseen.number.spec.purchase.as_ref()?;
    let Some(search) = &purchase.search else {
        return Some("it is the number in spec.purchase and it is for sale".to_owned());
    };
    let holds = |offers: &&crate::plan::Offers| {
        offers.found.iter().any(|offer| offer.number == buy.number && offers.asked.fits(offer))
    };
    let fits = foreseen.offers.iter().find(holds).map(|offers| offers.asked.clone())?;
    let wish = OfferQuery::Search(search.clone());
    Some(match fits == wish {
        true => format!("it matches {wish}"),
        false => format!("it matches {fits}, and nothing was found for {wish}"),
    })
}

fn would_set(write: &SetRoute) -> String {
    let how = if write.put_back {
        "would correct the route, which was changed at the carrier"
    } else {
        "would set the route"
    };
    format!("{how}: {}", shown(&write.route))
}

fn would_bind(write: &SetBinding) -> String {
    let (number, at, owner) = (&write.number, &write.platform, &write.account);
    match &write.change {
        BindingChange::Bind { agent, .. } => format!(
            "would have the agent {agent} of CarrierAccount {at} answer {number}, which stays at CarrierAccount {owner}: the platform \
             receives that account's credentials and sets the number's webhooks there"
        ),
        BindingChange::Unbind => format!(
            "would remove {number} from the agent of CarrierAccount {at} that answers it now: calls are not answered until the next step \
             sets the route"
        ),
        BindingChange::Move { agent, .. } => format!(
            "would remove {number} from the agent of CarrierAccount {at} that answers it now, and assign the agent {agent}: calls are not \
             answered until that is done"
        ),
        BindingChange::Configure(config) => {
            let fields = serde_json::to_value(config).unwrap_or_default();
            let names: Vec<&str> = fields.as_object().into_iter().flatten().map(|(name, _)| &**name).collect();
            format!("would change these settings of {number} at CarrierAccount {at}: {}", names.join(", "))
        }
        BindingChange::Switch { extra, on: true } => format!(
            "would switch {} on for {number} at CarrierAccount {at}: its calls are billed at a higher rate from then on",
            extra.as_str()
        ),
        BindingChange::Switch { extra, on: false } => {
            format!("would switch {} off for {number} at CarrierAccount {at}", extra.as_str())
        }
    }
}

/// Where each channel goes; only the host, since the rest of a URL may hold a secret.
fn shown(route: &Route) -> String {
    let destinations: Vec<String> =
        route.iter().map(|(channel, destination)| format!("{channel} to {}", destination.shown())).collect();
    destinations.join(", ")
}

/// How a number would come to be an object's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    Imported,
    /// It was bought for this identity before.
    Adopted,
    FromPool,
}

/// How the number would come to be this object's, if it is not yet. One that would be bought is not there yet.
pub fn acquired(foreseen: &Foreseen) -> Option<Acquired> {
    let claim = foreseen
        .taken
        .as_ref()
        .filter(|_| !matches!(foreseen.end, End::Effect(Effect::Purchase(_) | Effect::Hold(_))))?;
    Some(match claim.identity() {
        _ if foreseen.effects.iter().any(|effect| matches!(effect, Effect::TakeNumber(_))) => Acquired::FromPool,
        Some(_) => Acquired::Adopted,
        None => Acquired::Imported,
    })
}

/// The same in words.
fn acquires(foreseen: &Foreseen) -> Option<String> {
    let claim = foreseen.taken.as_ref()?;
    let (number, identity) = (&claim.number, claim.identity());
    Some(match acquired(foreseen)? {
        Acquired::Imported => format!("imports {number}"),
        Acquired::Adopted => {
            let identity = identity.map(|identity| identity.to_string()).unwrap_or_default();
            format!("adopts {number}, which was bought for {identity},")
        }
        Acquired::FromPool => format!("would reuse {number} from the pool"),
    })
}

fn with(acquires: Option<String>, then: String) -> String {
    acquires.map_or(then.clone(), |acquires| format!("{acquires} and {then}"))
}

fn rests(foreseen: &Foreseen, status: &PhoneNumberStatus) -> String {
    let Some(ready) = ready(status) else { return "nothing to do".to_owned() };
    let message = &ready.message;
    if ready.is(Type::Ready, Truth::True) {
        let inert = status.conditions.iter().find(|c| c.has_reason(Reason::PurchaseChangeIgnored));
        let inert = inert.map(|inert| format!(" {} ({})", inert.message, inert.reason())).unwrap_or_default();
        let message = format!("{message}{inert}");
        return match acquires(foreseen) {
            Some(acquires) => format!("{acquires} and then there is nothing to do: {message}"),
            None => format!("nothing to do: {message}"),
        };
    }
    // `Ready` repeats the condition that is in the way.
    let in_the_way = status.conditions.iter().find(|c| !c.is_summary() && c.reason() == ready.reason());
    let condition = in_the_way.unwrap_or(ready);
    let said = format!("{}={} ({}): {message}", condition.type_(), condition.status(), condition.reason());
    match acquires(foreseen) {
        Some(acquires) => format!("{acquires} and then waits: {said}"),
        None if condition.has_reason(Reason::AwaitingApproval) => format!("waits for approval: {said}"),
        None if condition.status() == Truth::False.as_str() => format!("is refused: {said}"),
        None => format!("waits: {said}"),
    }
}

fn ready(status: &PhoneNumberStatus) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.is_of(Type::Ready))
}
