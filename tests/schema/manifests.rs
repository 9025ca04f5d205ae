//! A good manifest of every kind, as small as it may be, and how the others are made of it. No I/O.

use serde_json::{Value, json};

pub const SID: &str = "AC0123456789abcdef0123456789abcdef";
pub const KINDS: [&str; 6] =
    ["CarrierAccount", "PhoneNumber", "Agent", "AgentVersion", "NumberClaim", "NumberPurchase"];

/// The smallest manifest of `kind` that is accepted.
pub fn good(kind: &str) -> Value {
    let (name, spec) = match kind {
        "CarrierAccount" => {
            ("twilio-prod", json!({"twilio": {"accountSid": SID}, "credentialsRef": {"name": "twilio-prod"}}))
        }
        "PhoneNumber" => {
            ("front-desk", json!({"accountRef": {"name": "twilio-prod"}, "import": {"number": "+14155551234"}}))
        }
        "Agent" => ("ringback-dental", json!({"draft": {}})),
        "AgentVersion" => ("ringback-dental.v3", json!({"agent": "ringback-dental", "version": "v3"})),
        "NumberClaim" => (
            // No carrier of the tests has numbers with this area code: claims are those of the whole cluster.
            "16505551234",
            json!({
                "number": "+16505551234",
                "holder": {"namespace": "telephony", "name": "front-desk", "uid": "0a1b"},
                "account": {"namespace": "telephony", "name": "twilio-prod", "identity": SID},
                "carrierNumberId": "PN0123456789abcdef0123456789abcdef",
                "acquisition": "Imported",
                "onDelete": "Clear",
            }),
        ),
        "NumberPurchase" => (
            "0123456789abcdef0123456789abcdef01234567",
            json!({
                "identity": "telephony/front-desk",
                "holder": {"namespace": "telephony", "name": "front-desk", "uid": "0a1b"},
                "account": {"namespace": "telephony", "name": "twilio-prod", "identity": SID},
                "attempt": 1,
                "token": "4d5e6f",
            }),
        ),
        _ => panic!("there is no kind {kind}"),
    };
    json!({"apiVersion": "dialplane.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// The smallest PhoneNumber that buys: `purchase`, and nothing else that `good` has not.
pub fn buying(purchase: Value) -> Value {
    with(good("PhoneNumber"), &json!({"spec": {"import": null, "purchase": purchase}}))
}

/// `manifest` with a merge patch: objects are merged, null removes, anything else replaces.
pub fn with(manifest: Value, patch: &Value) -> Value {
    let (Value::Object(mut fields), Value::Object(changes)) = (manifest, patch) else { return patch.clone() };
    for (name, change) in changes {
        let field = fields.remove(name).unwrap_or_default();
        if !change.is_null() {
            fields.insert(name.clone(), with(field, change));
        }
    }
    Value::Object(fields)
}
