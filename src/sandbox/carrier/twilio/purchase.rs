//! Buying a number: one call, no quote, no hold, no confirmation. No I/O.

use super::{
    super::{
        ledger::Kind,
        stock::{Offer, national, place_of, price},
        wire::{Reply, Request},
        world::Simulation,
    },
    Refusal, numbers, refuse, settings,
};

/// What a number starts with when it is bought without webhooks.
const DEMO_VOICE: &str = "https://demo.twilio.com/welcome/voice/";
const DEMO_SMS: &str = "https://demo.twilio.com/welcome/sms/reply/";

/// Buys the number that the request names, or any of an area. `kind` is the type in the path, if there is one.
pub(super) fn purchase(
    world: &mut Simulation,
    account: &str,
    kind: Option<&str>,
    request: &Request,
) -> Result<Reply, Refusal> {
    let reply = buy(world, account, kind, request)?;
    Ok(Reply { body: reply.body.map(|number| numbers::under(kind, number)), ..reply })
}

fn buy(world: &mut Simulation, account: &str, kind: Option<&str>, request: &Request) -> Result<Reply, Refusal> {
    let given = |name| request.form(name).filter(|value| !value.is_empty());
    let offer = match (given("PhoneNumber"), given("AreaCode")) {
        (Some(number), _) => match world.by_number(number).filter(|n| n.account == account) {
            Some(owned) if !world.switches.refuse_owned_purchase => {
                let (sid, before) = (owned.sid.clone(), owned.settings.clone());
                return overwrite(world, account, &sid, &before, request);
            }
            _ => named(world, account, number)?,
        },
        (None, Some(_)) if kind.is_some() => return refuse(400, 21457, "AreaCode cannot be used here"),
        (None, Some(area)) => in_area(world, account, area)?,
        (None, None) => return refuse(400, 21421, "PhoneNumber or AreaCode is required"),
    };
    if kind.is_some_and(|kind| kind != offer.kind.owned_type()) {
        return refuse(400, 21458, "The number is of another type");
    }
    papers_are_there(&offer, request)?;
    sids_are_whole(world, request)?;
    let settings = settings::merged(world, account, &Default::default(), request)?;
    pay(world, account, &offer)?;
    Ok(bought(world, account, &offer, settings, request))
}

/// The number is ours already: an update in a purchase's clothes.
fn overwrite(
    world: &mut Simulation,
    account: &str,
    sid: &str,
    before: &std::collections::BTreeMap<String, String>,
    request: &Request,
) -> Result<Reply, Refusal> {
    let settings = settings::merged(world, account, before, request)?;
    let changed = world.change(sid, |number| number.settings = settings);
    Ok(numbers::updated(world, sid, changed, 201, Some(Kind::Overwrite)))
}

fn named(world: &Simulation, account: &str, number: &str) -> Result<Offer, Refusal> {
    if number.parse::<crate::api::number::E164>().is_err() {
        return refuse(400, 21421, format!("{number} is not a valid number"));
    }
    let taken = world.by_number(number).is_some() || world.withheld(number, account);
    match world.stock.get(number).filter(|_| !taken) {
        Some(offer) => Ok(offer.clone()),
        None => refuse(400, 21422, format!("{number} is not available")),
    }
}

fn in_area(world: &Simulation, account: &str, area: &str) -> Result<Offer, Refusal> {
    let place = place_of(&format!("+1{area}0000000"));
    if area.len() != 3 || !area.bytes().all(|b| b.is_ascii_digit()) || place.area != area {
        return refuse(400, 21451, format!("{area} is not a valid area code"));
    }
    let ours = |o: &&Offer| o.place.area == area && !world.withheld(&o.number, account);
    match world.stock.offers().find(ours) {
        Some(offer) => Ok(offer.clone()),
        None => refuse(400, 21452, format!("No phone numbers found in area code {area}")),
    }
}

/// The address that a search predicts, and the bundle that none does.
fn papers_are_there(offer: &Offer, request: &Request) -> Result<(), Refusal> {
    let given = |name| request.form(name).is_some_and(|value| !value.is_empty());
    if offer.place.address == "local" && !given("AddressSid") {
        return refuse(400, 21615, "The number needs a local address: AddressSid is missing");
    }
    if offer.place.address != "none" && !given("AddressSid") {
        return refuse(400, 21631, "The number needs an address: AddressSid is missing");
    }
    if offer.place.bundle && !given("BundleSid") {
        return refuse(400, 21649, "Bundle required and not provided");
    }
    Ok(())
}

/// By the official document a SID has 34 characters, if it is there at all.
fn sids_are_whole(world: &Simulation, request: &Request) -> Result<(), Refusal> {
    let is_empty = |(name, value): &&(String, String)| name.ends_with("Sid") && value.is_empty();
    match request.form.iter().find(is_empty).filter(|_| !world.switches.empty_sids) {
        Some((name, _)) => refuse(400, 20001, format!("Invalid sid: {name} is empty")),
        None => Ok(()),
    }
}

/// Takes the price from the balance, which a subaccount shares with its parent.
fn pay(world: &mut Simulation, account: &str, offer: &Offer) -> Result<(), Refusal> {
    match world.pay(account, price(offer.place.country, offer.kind)) {
        true => Ok(()),
        false => refuse(403, 10001, "Account is not active: out of funds"),
    }
}

fn bought(
    world: &mut Simulation,
    account: &str,
    offer: &Offer,
    mut settings: std::collections::BTreeMap<String, String>,
    request: &Request,
) -> Reply {
    // Given on a purchase it has no effect, although it has on an update.
    settings.remove("emergency_address_sid");
    settings.remove("emergency_address_status");
    settings.entry("friendly_name".to_owned()).or_insert_with(|| national(&offer.number));
    let given = |params: [&str; 3]| params.iter().any(|param| request.form(param).is_some());
    if world.switches.demo_urls && !given(["VoiceUrl", "VoiceApplicationSid", "TrunkSid"]) {
        settings.insert("voice_url".to_owned(), DEMO_VOICE.to_owned());
    }
    if world.switches.demo_urls && !given(["SmsUrl", "SmsApplicationSid", ""]) {
        settings.insert("sms_url".to_owned(), DEMO_SMS.to_owned());
    }
    let sid = world.insert(account, offer);
    let changed = world.change(&sid, |number| number.settings = settings);
    numbers::updated(world, &sid, changed, 201, Some(Kind::Purchase))
}
