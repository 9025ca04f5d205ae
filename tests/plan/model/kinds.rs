//! The state of the model as the API and the carriers have it.

use std::time::Duration;

use dialplane::{
    api::{
        NumberClaim, NumberPurchase, PhoneNumber,
        claim::{ClaimedAccount, ClaimedPurchase, Holder, NumberClaimSpec},
        meta::{APPROVE, BUY_ANOTHER, IN_USE_FINALIZER, NUMBER as SAID, ROUTE_FINALIZER, Reference},
        number::{E164, Route, digest_of},
        offer::{NumberType, Offer, Price, Search},
        phone_number::{Acquisition, Approval, OfferStatus, OnDelete, PhoneNumberStatus, Purchase, Reuse},
        purchase::{Hold, Identity as PurchaseIdentity, Marker, NumberPurchaseSpec},
    },
    carrier::{CarrierError, ErrorClass, Messaging, Order, OwnedNumber},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    scenario::{Keeps, Scenario},
    state::{Claim, Identity, Journal, Line, Number, Object, Settings, State, Uid},
};
use crate::plan::scene::{self, now};

/// The names of identities, or of the namespaces that they are in.
pub const NAMES: [&str; 3] = ["clinic", "office", "store"];
pub const FOREVER: Duration = Duration::from_secs(900);

pub fn e164(number: Number) -> E164 {
    format!("+1415555000{number}").parse().unwrap()
}

pub fn index(number: &E164) -> Number {
    number.as_str().bytes().last().unwrap() - b'0'
}

pub fn holder(m: &Scenario, identity: Identity, uid: Uid) -> Holder {
    Holder { namespace: named(m, identity).namespace, name: "pn".into(), uid: uid.to_string() }
}

pub fn uid(holder: &Holder) -> Uid {
    holder.uid.parse().unwrap()
}

fn account() -> ClaimedAccount {
    ClaimedAccount { namespace: "n".into(), name: "a".into(), identity: "AC1".into() }
}

/// The namespace and the name of an identity.
pub fn named(m: &Scenario, identity: Identity) -> PurchaseIdentity {
    let name = NAMES[usize::from(identity)];
    if m.tenants { PurchaseIdentity::new(name, "desk") } else { PurchaseIdentity::new("n", name) }
}

pub fn marker(m: &Scenario, identity: Identity, moved: bool) -> Marker {
    Marker::new(if moved { "moved" } else { "model" }, &named(m, identity))
}

fn search(wish: Option<Number>) -> Search {
    Search {
        country: "US".into(),
        kind: NumberType::Local,
        area_code: None,
        locality: None,
        region: None,
        features: Vec::new(),
        starts_with: None,
        contains: None,
        ends_with: wish.map(|n| n.to_string()),
        best_effort: false,
    }
}

pub fn account_namespace(m: &Scenario, identity: Identity) -> &'static str {
    if m.is_elsewhere(identity) { NAMES[2] } else { "n" }
}

/// The CarrierAccount of an object.
pub fn account_ref(m: &Scenario, identity: Identity) -> Reference {
    Reference { name: "a".into(), namespace: Some(account_namespace(m, identity).into()) }
}

/// The namespace of an object that imports its number.
pub fn namespace(m: &Scenario, identity: Identity) -> &'static str {
    if m.is_tenant(identity) { NAMES[2] } else { "n" }
}

pub fn object(object: &Object, m: &Scenario) -> PhoneNumber {
    let mut number = match &object.settings {
        Some(settings) => importing(settings, m, object.identity),
        None => buying(object, m),
    };
    number.metadata.uid = Some(object.uid.to_string());
    number.metadata.deletion_timestamp = object.deleting.then(|| Time(now()));
    number.metadata.finalizers = object.finalizer.then(|| vec![ROUTE_FINALIZER.to_owned()]);
    number
}

fn importing(settings: &Settings, m: &Scenario, identity: Identity) -> PhoneNumber {
    let Settings { spec, generation, annotations, status } = settings.clone();
    let mut number = scene::phone_number(namespace(m, identity), NAMES[usize::from(identity)]);
    number.metadata.generation = Some(generation);
    number.metadata.annotations = Some(annotations);
    (number.spec, number.status) = (spec, status);
    number
}

fn buying(object: &Object, m: &Scenario) -> PhoneNumber {
    let purchase = Purchase {
        number: None,
        search: Some(search(object.wish)),
        max_monthly_price: None,
        max_setup_price: None,
        approval: if m.keeps == Keeps::HoldAndAsk { Approval::Manual } else { Approval::Automatic },
        reuse: if m.pool { Reuse::Pool } else { Reuse::Never },
        identity: Some(named(m, object.identity).name),
        regulatory: None,
    };
    let mut number = scene::phone_number(&named(m, object.identity).namespace, "pn");
    number.spec.account_ref = account_ref(m, object.identity);
    number.spec.purchase = Some(purchase.into());
    let annotations = [(APPROVE, object.approve), (SAID, object.said)].into_iter();
    let annotations = annotations.filter_map(|(name, n)| Some((name.to_owned(), e164(n?).to_string())));
    let another = object.another.map(|mask| (BUY_ANOTHER.to_owned(), value(mask)));
    let annotations = annotations.chain(another);
    number.metadata.annotations = Some(annotations.collect());
    let offer =
        |n| OfferStatus { number: e164(n), price: Price::default(), exact: true, approval: None, held_until: None };
    number.status = object.status.or(object.offer).map(|_| PhoneNumberStatus {
        number: object.status.map(e164),
        offer: object.offer.map(offer).map(Box::new),
        ..Default::default()
    });
    number
}

pub fn journal(m: &Scenario, identity: Identity, journal: Journal, lines: &[Line]) -> NumberPurchase {
    let hold = |n: Number| {
        let end = if lines[usize::from(n)].late { now() - FOREVER } else { now() + FOREVER };
        Hold { number: e164(n), id: "hold".into(), until: Some(end.to_string()) }
    };
    let PurchaseIdentity { namespace, name } = named(m, identity);
    let mut shown = NumberPurchase::new(
        "journal",
        NumberPurchaseSpec {
            holder: holder(m, identity, journal.holder),
            namespace,
            identity: name,
            installation: "model".into(),
            account: account(),
            number: journal.number.map(e164),
            attempt: journal.attempt.into(),
            token: journal.token.to_string(),
            price: Price::default(),
            offered: None,
            exact: Some(true),
            hold: journal.hold.map(hold),
        },
    );
    shown.metadata.resource_version = Some(journal.token.to_string());
    shown.metadata.finalizers = Some(vec![IN_USE_FINALIZER.into()]);
    shown
}

pub fn claim(m: &Scenario, number: Number, claim: &Claim) -> NumberClaim {
    let spec = claim.spec.as_deref().cloned().unwrap_or_else(|| bought(m, number, claim));
    let mut shown = NumberClaim::new(e164(number).digits(), spec);
    shown.metadata.resource_version = Some(claim.version.to_string());
    shown.metadata.deletion_timestamp = claim.deleting.then(|| Time(now()));
    shown
}

/// The claim of a number that was bought.
fn bought(m: &Scenario, number: Number, claim: &Claim) -> NumberClaimSpec {
    let PurchaseIdentity { namespace, name } = named(m, claim.identity);
    NumberClaimSpec {
        bound: None,
        number: e164(number),
        holder: claim.holder.map(|uid| holder(m, claim.identity, uid)),
        account: account(),
        carrier_number_id: if claim.confirmed { "PN".into() } else { String::new() },
        acquisition: Acquisition::Purchased,
        purchase: Some(Box::new(ClaimedPurchase {
            namespace,
            identity: name,
            installation: "model".into(),
            attempt: claim.attempt.into(),
            price: Price::default(),
            offered: None,
        })),
        on_delete: OnDelete::Clear,
        previous: Route::new(),
        sent: Vec::new(),
        led_to: Vec::new(),
    }
}

/// A number as a replica sees it.
pub fn owned(m: &Scenario, s: &State, replica: usize, number: Number, marked: Option<Identity>) -> OwnedNumber {
    let (n, moved) = (usize::from(number), s.lines[usize::from(number)].moved);
    let marker = marked.filter(|_| m.carrier.marks()).map(|identity| marker(m, identity, moved));
    let route = s.replicas[replica].routing.seen.get(n).cloned().unwrap_or_default();
    OwnedNumber { messaging: Messaging::Number, marker, ..scene::owned("PN", e164(number), route) }
}

pub fn order(m: &Scenario, number: Number, identity: Identity, pending: bool, moved: bool) -> Order {
    let marker = Some(marker(m, identity, moved));
    Order { id: "order".into(), number: e164(number), marker, pending, lacks_papers: false }
}

pub fn unavailable() -> CarrierError {
    CarrierError::new(ErrorClass::Unavailable, "taken")
}

/// What the message that asks about these numbers wants said.
pub fn value(mask: u8) -> String {
    let asked = in_mask(mask);
    format!("{}-{}", asked.len(), &digest_of(&("AC1", "model", &asked))["sha256:".len()..][..8])
}

pub fn in_mask(mask: u8) -> Vec<E164> {
    (0..8).filter(|n| mask & (1 << n) != 0).map(e164).collect()
}

pub fn offer(number: Number) -> Offer {
    Offer {
        number: e164(number),
        country: "US".into(),
        kind: NumberType::Local,
        locality: None,
        region: None,
        features: Vec::new(),
        price: Price::default(),
        can_hold: true,
    }
}
