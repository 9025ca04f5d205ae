//! What can be set on a number: the table of its fields, and the rules by which one setting shadows another. No I/O.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::{
    super::{
        config::UnsetAnswer,
        wire::Request,
        world::{Number, Simulation, is_sid},
    },
    Refusal, refuse, regions,
};

/// What values a setting takes.
#[derive(Clone, Copy, Debug)]
enum Takes {
    Url,
    Method,
    /// A sid that begins so.
    Sid(&'static str),
    Name,
    Flag,
    OneOf(&'static [&'static str]),
    /// Anything, and it has no effect.
    Ignored,
}

/// How a setting is answered while it is not set, by the published examples.
#[derive(Clone, Copy, Debug)]
enum Unset {
    Null,
    Empty,
    Is(&'static str),
}

struct Setting {
    param: &'static str,
    field: &'static str,
    takes: Takes,
    unset: Unset,
    /// It decides where traffic goes.
    route: bool,
}

const fn setting(param: &'static str, field: &'static str, takes: Takes, unset: Unset, route: bool) -> Setting {
    Setting { param, field, takes, unset, route }
}

const POST: Unset = Unset::Is("POST");

/// Every setting, the ones that others depend on first.
const SETTINGS: [Setting; 24] = [
    setting("FriendlyName", "friendly_name", Takes::Name, Unset::Empty, false),
    setting("VoiceUrl", "voice_url", Takes::Url, Unset::Null, true),
    setting("VoiceMethod", "voice_method", Takes::Method, POST, true),
    setting("VoiceFallbackUrl", "voice_fallback_url", Takes::Url, Unset::Null, true),
    setting("VoiceFallbackMethod", "voice_fallback_method", Takes::Method, POST, true),
    setting("VoiceApplicationSid", "voice_application_sid", Takes::Sid("AP"), Unset::Empty, true),
    setting("TrunkSid", "trunk_sid", Takes::Sid("TK"), Unset::Null, true),
    setting("SmsUrl", "sms_url", Takes::Url, Unset::Empty, true),
    setting("SmsMethod", "sms_method", Takes::Method, POST, true),
    setting("SmsFallbackUrl", "sms_fallback_url", Takes::Url, Unset::Empty, true),
    setting("SmsFallbackMethod", "sms_fallback_method", Takes::Method, POST, true),
    setting("SmsApplicationSid", "sms_application_sid", Takes::Sid("AP"), Unset::Empty, true),
    setting("StatusCallback", "status_callback", Takes::Url, Unset::Empty, true),
    setting("StatusCallbackMethod", "status_callback_method", Takes::Method, POST, true),
    setting("VoiceCallerIdLookup", "voice_caller_id_lookup", Takes::Flag, Unset::Is("false"), false),
    setting("VoiceReceiveMode", "voice_receive_mode", Takes::OneOf(&["voice", "fax"]), Unset::Is("voice"), true),
    setting("AddressSid", "address_sid", Takes::Sid("AD"), Unset::Null, false),
    setting("BundleSid", "bundle_sid", Takes::Sid("BU"), Unset::Null, false),
    setting("IdentitySid", "identity_sid", Takes::Sid("RI"), Unset::Null, false),
    setting("EmergencyAddressSid", "emergency_address_sid", Takes::Sid("AD"), Unset::Null, false),
    // What is set here has had no effect since 2021; emergency_address_status is the truth.
    setting("EmergencyStatus", "emergency_status", Takes::Ignored, Unset::Is("Inactive"), false),
    setting("", "emergency_address_status", Takes::Ignored, Unset::Is("unregistered"), false),
    setting("ApiVersion", "api_version", Takes::OneOf(&["2010-04-01", "2008-08-01"]), Unset::Is("2010-04-01"), false),
    setting("", "origin", Takes::Ignored, Unset::Is("twilio"), false),
];

/// Whether a request sets anything that decides where traffic goes.
pub(super) fn is_route_write(request: &Request) -> bool {
    request.form.iter().any(|(param, _)| SETTINGS.iter().any(|s| s.route && s.param == param))
}

/// Whether a number has a field of this name that a person could edit.
pub(in super::super) fn is_field(field: &str) -> bool {
    field == regions::REGION || SETTINGS.iter().any(|s| s.field == field)
}

/// A field's value in an answer.
fn shown(number: &Number, setting: &Setting, answer: UnsetAnswer) -> Value {
    let value = match (number.get(setting.field), setting.unset) {
        (Some(value), _) => value,
        (None, Unset::Is(value)) => value,
        (None, unset) => match (answer, unset) {
            (UnsetAnswer::Null, _) | (UnsetAnswer::Mixed, Unset::Null) => return Value::Null,
            _ => "",
        },
    };
    match setting.takes {
        Takes::Flag => Value::from(value == "true"),
        _ => Value::from(value),
    }
}

/// Every setting of a number, as answers show them.
pub(super) fn all_shown(number: &Number, answer: UnsetAnswer) -> impl Iterator<Item = (String, Value)> + '_ {
    SETTINGS.iter().map(move |setting| (setting.field.to_owned(), shown(number, setting, answer)))
}

/// The value as it is stored: `None` clears. Refuses what the setting does not take.
fn stored(setting: &Setting, given: &str) -> Result<Option<String>, Refusal> {
    let Setting { param, takes, .. } = setting;
    if given.is_empty() {
        return Ok(None);
    }
    let bad = |code: i64, what: &str| refuse(400, code, format!("Invalid {what}: {param} is not valid"));
    match takes {
        Takes::Url => match Url::parse(given) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(given.to_owned())),
            _ => refuse(400, 21402, format!("{param} is not a valid URL")),
        },
        Takes::Method => match given.to_ascii_uppercase().as_str() {
            method @ ("GET" | "POST") => Ok(Some(method.to_owned())),
            _ => bad(21403, "method"),
        },
        Takes::Sid(prefix) if is_sid(prefix, given) => Ok(Some(given.to_owned())),
        Takes::Sid("AP") => bad(21420, "application"),
        Takes::Sid(_) => bad(20001, "sid"),
        Takes::Name if given.chars().count() > 64 => bad(20002, "FriendlyName"),
        Takes::Name => Ok(Some(given.to_owned())),
        Takes::Flag => match given.to_ascii_lowercase().as_str() {
            flag @ ("true" | "false") => Ok(Some(flag.to_owned())),
            _ => bad(20001, "flag"),
        },
        Takes::OneOf(values) if values.contains(&given) => Ok(Some(given.to_owned())),
        Takes::OneOf(_) => bad(20001, "value"),
        Takes::Ignored => Ok(None),
    }
}

/// What a number's settings become by a request: nothing is changed if anything is refused.
pub(super) fn merged(
    world: &Simulation,
    account: &str,
    before: &BTreeMap<String, String>,
    request: &Request,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut after = before.clone();
    for setting in &SETTINGS {
        if matches!(setting.takes, Takes::Ignored) || setting.param.is_empty() {
            continue;
        }
        let Some(given) = request.form(setting.param) else { continue };
        match stored(setting, given)? {
            Some(value) => after.insert(setting.field.to_owned(), value),
            None => after.remove(setting.field),
        };
    }
    applications_are_ours(world, account, &after, request)?;
    fallbacks_need_primaries(&after, request)?;
    settle_shadows(world, before, &mut after, request);
    if request.form("EmergencyAddressSid").is_some() {
        let status = if after.contains_key("emergency_address_sid") { "pending-registration" } else { "unregistered" };
        after.insert("emergency_address_status".to_owned(), status.to_owned());
    }
    Ok(after)
}

fn applications_are_ours(
    world: &Simulation,
    account: &str,
    after: &BTreeMap<String, String>,
    request: &Request,
) -> Result<(), Refusal> {
    for (param, field) in
        [("VoiceApplicationSid", "voice_application_sid"), ("SmsApplicationSid", "sms_application_sid")]
    {
        let (Some(sid), Some(_)) = (after.get(field), request.form(param)) else { continue };
        if world.applications.get(sid).is_none_or(|application| application.account != account) {
            return refuse(400, 21420, format!("{param}: application {sid} is not accessible"));
        }
    }
    Ok(())
}

/// A fallback cannot stand alone. Only what the request touches is looked at: older settings are nobody's fault.
fn fallbacks_need_primaries(after: &BTreeMap<String, String>, request: &Request) -> Result<(), Refusal> {
    for (primary, fallback, params, code) in [
        ("voice_url", "voice_fallback_url", ["VoiceUrl", "VoiceFallbackUrl"], 21405),
        ("sms_url", "sms_fallback_url", ["SmsUrl", "SmsFallbackUrl"], 21406),
    ] {
        let touched = params.iter().any(|param| request.form(param).is_some());
        if touched && after.contains_key(fallback) && !after.contains_key(primary) {
            return refuse(400, code, format!("Cannot set {} without setting {}", params[1], params[0]));
        }
    }
    Ok(())
}

/// A trunk and a voice application delete each other. In one request with both, the trunk wins, as it does for calls.
fn settle_shadows(
    world: &Simulation,
    before: &BTreeMap<String, String>,
    after: &mut BTreeMap<String, String>,
    request: &Request,
) {
    let sets = |param| request.form(param).is_some_and(|value| !value.is_empty());
    let waits = world.switches.trunk_waits_for_application
        && before.contains_key("voice_application_sid")
        && request.form("VoiceApplicationSid").is_none();
    if sets("TrunkSid") && waits {
        match before.get("trunk_sid") {
            Some(trunk) => after.insert("trunk_sid".to_owned(), trunk.clone()),
            None => after.remove("trunk_sid"),
        };
    } else if sets("TrunkSid") {
        after.remove("voice_application_sid");
    } else if sets("VoiceApplicationSid") {
        after.remove("trunk_sid");
    }
}
