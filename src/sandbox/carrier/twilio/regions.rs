//! Which region takes the calls to a number. What a region keeps for a number is not simulated beyond [`HOME`]: in another one nothing is
//! set. Like messaging services this acts on the account whose credentials are used. No I/O.

use serde_json::{Value, json};

use super::{
    super::{
        text::hex32,
        wire::{Effect, Reply, Request},
        world::{Number, Simulation},
    },
    Refusal, iso, not_found, refuse,
};

/// The region whose webhooks `IncomingPhoneNumbers` shows and sets here.
pub(in super::super) const HOME: &str = "us1";
/// Those that a number can be routed to.
const REGIONS: [&str; 3] = [HOME, "ie1", "au1"];

/// The fields of a number that no answer of `IncomingPhoneNumbers` has.
pub(super) const REGION: &str = "voice_region";
const NAME: &str = "voice_region_name";

/// The region that takes the calls to a number.
pub(in super::super) fn of(number: &Number) -> &str {
    number.get(REGION).unwrap_or(HOME)
}

fn shown(number: &Number, base: &str) -> Value {
    json!({
        "phone_number": number.number,
        "url": format!("{base}/v2/PhoneNumbers/{}", number.number),
        "sid": format!("QQ{}", hex32(&number.sid)),
        "account_sid": number.account,
        "friendly_name": number.get(NAME).unwrap_or_default(),
        "voice_region": of(number),
        "date_created": iso(number.created),
        "date_updated": iso(number.updated),
    })
}

/// The route of one number, read or set.
pub(super) fn one(world: &mut Simulation, account: &str, number: &str, request: &Request) -> Result<Reply, Refusal> {
    let Some(found) = world.by_number(number).filter(|found| found.account == account) else {
        return not_found(request);
    };
    let sid = found.sid.clone();
    match request.method.as_str() {
        "GET" => Ok(Reply::ok(shown(found, &request.base))),
        "POST" => {
            let region = request.form("VoiceRegion").filter(|region| !region.is_empty());
            if region.is_some_and(|region| !REGIONS.contains(&region)) {
                return refuse(400, 20001, "VoiceRegion is not a region");
            }
            let name = request.form("FriendlyName");
            if name.is_some_and(|name| name.chars().count() > 64) {
                return refuse(400, 20001, "FriendlyName is too long");
            }
            let changed = world.change(&sid, |number| {
                let given = [(REGION, region), (NAME, name)].into_iter();
                let given = given.filter_map(|(field, value)| Some((field.to_owned(), value?.to_owned())));
                number.settings.extend(given);
            });
            let effect = Effect { number: Some(number.to_owned()), changed, ..Effect::default() };
            Ok(Reply::did(200, world.by_sid(&sid).map(|number| shown(number, &request.base)), effect))
        }
        _ => refuse(405, 20004, "Method not allowed"),
    }
}
