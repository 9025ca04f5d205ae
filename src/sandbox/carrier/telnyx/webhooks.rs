//! Where calls and texts to a number go, what is said there, and the signature on it. No I/O.
//!
//! Texts are told in version 2 of the carrier's format, whatever a profile asks for.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::{Map, Value, json};

use super::{
    super::{
        config::Dialect,
        route::{Place, Route, Seal},
        text::hex32,
        traffic::{Hook, Outcome, Traffic},
        world::{Account, Number, Simulation},
    },
    iso,
    numbers::pending,
    state::Shared,
    uuid, voice,
};

/// The secret half of the key that signs an account's webhooks.
fn secret(world: &Simulation, account: &str) -> [u8; 32] {
    world.secret(&format!("webhooks of {account}"))
}

/// The half that stands in the portal, in base64.
pub(in super::super) fn public_key(world: &Simulation, account: &str) -> Option<String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&secret(world, account)).ok()?;
    Some(STANDARD.encode(pair.public_key()))
}

/// `telnyx-signature-ed25519` of a webhook: over its time, a bar, and its body as it stands.
pub(in super::super) fn sign(secret: &[u8; 32], timestamp: i64, body: &str) -> Option<String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(secret).ok()?;
    Some(STANDARD.encode(pair.sign(format!("{timestamp}|{body}").as_bytes())))
}

/// Whether a webhook really comes from the carrier: by the account's public key, the values of the headers
/// `telnyx-timestamp` and `telnyx-signature-ed25519`, and the body as it came. How old it may be is the reader's to judge.
pub fn verify(public_key: &str, timestamp: &str, body: &[u8], signature: &str) -> bool {
    let (Ok(key), Ok(signature)) = (STANDARD.decode(public_key), STANDARD.decode(signature)) else { return false };
    let signed = [timestamp.as_bytes(), b"|", body].concat();
    UnparsedPublicKey::new(&ED25519, key).verify(&signed, &signature).is_ok()
}

/// The webhooks for traffic to a number: those of the application or profile that it names, if that is switched on.
pub(in super::super) fn route(world: &Simulation, traffic: Traffic, account: &Account, number: &Number) -> Place {
    if traffic == Traffic::Call && voice::is_forwarded(number) {
        return Place::Nowhere(Outcome::Forwarded);
    }
    let (shared, names, switch) = match traffic {
        Traffic::Call => (Shared::TexmlApplication, ["voice_url", "voice_fallback_url"], "active"),
        Traffic::Text => (Shared::MessagingProfile, ["webhook_url", "webhook_failover_url"], "enabled"),
    };
    let mine =
        |object: &&super::state::Object| object.shared == shared && number.get(shared.field()) == Some(&object.id);
    let object = world.telnyx.objects.iter().find(mine).filter(|object| object.fields[switch] == true);
    let Some(object) = object.filter(|_| !pending(number)) else { return Place::Nowhere(Outcome::Nothing) };
    let hook = |url: &str, method: &str| {
        let method = text(&object.fields, method).unwrap_or("post").to_uppercase();
        text(&object.fields, url).map(|url| Hook { url: url.to_owned(), method })
    };
    let Some(primary) = hook(names[0], "voice_method") else { return Place::Nowhere(Outcome::Nothing) };
    let signed = traffic == Traffic::Text || world.switches.telnyx.sign_calls;
    Place::Route(Box::new(Route {
        dialect: Dialect::Telnyx,
        account: account.sid.clone(),
        seal: if signed { Seal::Telnyx(secret(world, &account.sid)) } else { Seal::None },
        via: object.id.clone(),
        service: None,
        primary,
        fallback: hook(names[1], "voice_method"),
        status: hook("status_callback", "status_callback_method"),
    }))
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

/// What a TeXML webhook is told of a call, as a form.
pub(in super::super) fn voice_params(hex: &str, route: &Route, from: &str, to: &str) -> Vec<(String, String)> {
    let sid = format!("v3:{hex}");
    let params = [
        ("AccountSid", route.account.as_str()),
        ("CallSid", &sid),
        ("CallSidLegacy", &sid),
        ("ConnectionId", &route.via),
        ("From", from),
        ("To", to),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
    ];
    params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// What a messaging webhook is told of a text. `attempt` counts from 1.
pub(in super::super) fn text_body(hex: &str, route: &Route, from: &str, to: &str, body: &str, attempt: usize) -> Value {
    let (now, failover) = (iso(jiff::Timestamp::now()), route.fallback.as_ref().map(|hook| &hook.url));
    let end = |number: &str, status: &str| json!({ "phone_number": number, "carrier": "", "line_type": "", "status": status });
    let hook = if attempt == 1 { &route.primary } else { route.fallback.as_ref().unwrap_or(&route.primary) };
    json!({
        "data": {
            "event_type": "message.received",
            "id": uuid(&hex32(&format!("{hex} event"))),
            "occurred_at": now,
            "record_type": "event",
            "payload": {
                "id": uuid(hex),
                "record_type": "message",
                "type": "SMS",
                "direction": "inbound",
                "messaging_profile_id": route.via,
                "organization_id": route.account,
                "from": end(from, "received"),
                "to": [end(to, "webhook_delivered")],
                "cc": [],
                "text": body,
                "subject": null,
                "media": [],
                "parts": 1,
                "encoding": "GSM-7",
                "tags": [],
                "errors": [],
                "cost": null,
                "received_at": now,
                "sent_at": null,
                "completed_at": null,
                "valid_until": null,
                "webhook_url": route.primary.url,
                "webhook_failover_url": failover,
            },
        },
        "meta": { "attempt": attempt, "delivered_to": hook.url },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_its_key_time_and_body_alone() {
        let world = Simulation::new(&Default::default()).unwrap();
        let key = public_key(&world, "a").unwrap();
        let signature = sign(&secret(&world, "a"), 1_700_000_000, "{}").unwrap();
        assert!(verify(&key, "1700000000", b"{}", &signature));
        assert!(!verify(&key, "1700000001", b"{}", &signature) && !verify(&key, "1700000000", b"[]", &signature));
        assert!(!verify(&public_key(&world, "b").unwrap(), "1700000000", b"{}", &signature));
        assert!(!verify(&key, "1700000000", b"{}", "not base64"));
    }
}
