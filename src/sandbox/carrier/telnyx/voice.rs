//! The voice settings of numbers, of which forwarding is kept: it bypasses the application. No I/O.

use serde_json::{Value, json};

use super::{
    super::{
        wire::{Effect, Reply, Request},
        world::{Number, Simulation},
    },
    Refusal, bad,
    body::{self, Filters},
    data, numbers, paging,
};

const ENABLED: &str = "call_forwarding_enabled";
const TARGET: &str = "forwards_to";
const TYPE: &str = "forwarding_type";

/// Whether no call comes to the application.
pub(super) fn is_forwarded(number: &Number) -> bool {
    numbers::may_forward(number) && number.get(TARGET).is_some() && number.get(TYPE) == Some("always")
}

fn shown(_: &Simulation, number: &Number) -> Value {
    json!({
        "id": number.sid,
        "record_type": "voice_settings",
        "phone_number": number.number,
        "connection_id": number.get("connection_id"),
        "customer_reference": number.get("customer_reference"),
        "tech_prefix_enabled": false,
        "translated_number": "",
        "call_forwarding": {
            "call_forwarding_enabled": numbers::may_forward(number),
            "forwards_to": number.get(TARGET).unwrap_or_default(),
            "forwarding_type": number.get(TYPE),
        },
        "cnam_listing": { "cnam_listing_enabled": false, "cnam_listing_details": "" },
        "emergency": {
            "emergency_enabled": false,
            "emergency_address_id": number.get("emergency_address_id"),
            "emergency_status": "disabled",
        },
        "usage_payment_method": "pay-per-minute",
        "media_features": {
            "rtp_auto_adjust_enabled": true, "accept_any_rtp_packets_enabled": false, "t38_fax_gateway_enabled": false,
        },
        "call_recording": {
            "inbound_call_recording_enabled": false, "inbound_call_recording_format": "wav",
            "inbound_call_recording_channels": "single",
        },
        "inbound_call_screening": "disabled",
    })
}

/// One page of the voice settings of an account's numbers, the newest first.
pub(super) fn list(world: &Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    Filters::of(request, &[], &paging::PARAMETERS)?;
    let numbers = world.seen(&request.views);
    let mine = numbers.values().rev().filter(|number| number.account == account);
    paging::page(mine.map(|number| shown(world, number)).collect(), request)
}

/// How a number is set for calls.
pub(super) fn fetch(world: &Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let number = numbers::owned(world, account, id)?;
    let effect = Effect { number: Some(number.number.clone()), ..Effect::default() };
    Ok(Reply { effect, ..data(shown(world, number))? })
}

/// Sets the forwarding. The other settings are documented and not kept here, so that they are refused.
pub(super) fn update(world: &mut Simulation, account: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    numbers::changeable(world, account, id)?;
    let body = body::object(request, &["call_forwarding"])?;
    let mut changes: Vec<numbers::Change> = Vec::new();
    for (field, value) in body.get("call_forwarding").and_then(Value::as_object).into_iter().flatten() {
        let value = match (field.as_str(), value) {
            (ENABLED, Value::Bool(on)) => (!on).then(|| "false".to_owned()),
            (TARGET, Value::String(to)) if to.is_empty() || to.starts_with('+') => Some(to.clone()),
            (TYPE, Value::String(kind)) if matches!(kind.as_str(), "always" | "on-failure") => Some(kind.clone()),
            (TARGET | TYPE, Value::Null) => None,
            _ => {
                return bad(
                    "/call_forwarding",
                    format!("{field} is not one of call forwarding, or has a wrong value."),
                );
            }
        };
        changes.push((field.clone(), value.filter(|value| !value.is_empty())));
    }
    Ok(numbers::changed(world, id, changes, shown))
}
