//! What the platform does at the carriers, with the credentials that it was given: looks a number up, and writes its
//! webhooks. No I/O.

use super::{
    super::{
        config::Dialect,
        telnyx::SharedRoute,
        wire::ByPlatform,
        world::{Account, Number, Simulation},
    },
    answer::{NixflexWebhooks, is_ours},
    refusal::{Refusal, refuse},
    state::{Attached, Credentials},
};

/// The account that accepts the credentials.
fn opened<'a>(world: &'a Simulation, credentials: &Credentials) -> Option<&'a Account> {
    let account = match credentials {
        // The Auth Token itself: a key is none.
        Credentials::Twilio { sid, token } => world.accounts.get(sid).filter(|account| account.token == *token),
        Credentials::Telnyx { api_key, .. } => world.accounts.values().find(|account| {
            account.dialect == Dialect::Telnyx
                && (account.token == *api_key || account.keys.iter().any(|key| key.secret == *api_key))
        }),
    };
    account.filter(|account| account.status == "active")
}

/// Looks a number up in the account of the credentials; answers its id there.
pub(super) fn find(world: &Simulation, credentials: &Credentials, number: &str) -> Result<String, Refusal> {
    let account = opened(world, credentials);
    match (credentials, account) {
        (Credentials::Twilio { .. }, None) => {
            return refuse(401, "twilio_auth_failed", "Twilio refused the credentials (20003)");
        }
        (Credentials::Telnyx { .. }, None) => {
            return refuse(401, "telnyx_auth_failed", "Telnyx refused the API key (10009)");
        }
        (Credentials::Telnyx { connection_id, .. }, Some(account))
            if !is_application(world, account, connection_id) =>
        {
            return refuse(400, "invalid_telnyx_connection", "telnyx_connection_id names no TeXML application");
        }
        _ => {}
    }
    match world.by_number(number).filter(|found| Some(&found.account) == account.map(|account| &account.sid)) {
        Some(found) => Ok(found.sid.clone()),
        None => {
            let provider = credentials.provider();
            refuse(404, &format!("number_not_in_{provider}"), format!("{number} is not in that {provider} account"))
        }
    }
}

fn is_application(world: &Simulation, account: &Account, id: &str) -> bool {
    let mut objects = world.telnyx.objects.iter();
    objects.any(|o| o.id == id && o.account == account.sid && o.shared == SharedRoute::TexmlApplication)
}

fn set(number: &mut Number, field: &str, value: &str) {
    match value {
        "" => drop(number.settings.remove(field)),
        _ => drop(number.settings.insert(field.to_owned(), value.to_owned())),
    }
}

/// Changes a number as the carrier's API would, and says what for the ledger.
fn written(world: &mut Simulation, number_id: &str, change: impl FnOnce(&mut Number)) -> Vec<ByPlatform> {
    let changed = world.change(number_id, change);
    let Some(number) = world.by_sid(number_id) else { return Vec::new() };
    let path = match world.dialect_of(&number.account) {
        Dialect::Twilio => format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers/{number_id}.json", number.account),
        _ => format!("/v2/phone_numbers/{number_id}"),
    };
    vec![ByPlatform { account: number.account.clone(), number: number.number.clone(), path, changed }]
}

/// Has the carrier ask the platform about a number's calls and texts, whatever it asked before.
pub(super) fn point(world: &mut Simulation, credentials: &Credentials, number_id: &str) -> Vec<ByPlatform> {
    let NixflexWebhooks { voice, sms, status, .. } = NixflexWebhooks::default();
    let switches = world.switches.nixflex.clone();
    match credentials {
        Credentials::Telnyx { .. } if !switches.bind_telnyx => Vec::new(),
        Credentials::Telnyx { connection_id, .. } => {
            written(world, number_id, |number| set(number, "connection_id", connection_id))
        }
        Credentials::Twilio { .. } => written(world, number_id, |number| {
            for (url, method, value) in [
                ("voice_url", "voice_method", &voice),
                ("sms_url", "sms_method", &sms),
                ("status_callback", "status_callback_method", &status),
            ] {
                set(number, url, value);
                set(number, method, "POST");
            }
            if switches.clear_applications {
                for field in ["voice_application_sid", "sms_application_sid", "trunk_sid"] {
                    set(number, field, "");
                }
            }
        }),
    }
}

/// Has the carrier ask nobody about a number. Nothing is to be done where it is gone; refused where the credentials are.
pub(super) fn clear(world: &mut Simulation, row: &Attached) -> Result<Vec<ByPlatform>, Refusal> {
    let Some(account) = opened(world, &row.credentials).map(|account| account.sid.clone()) else {
        let provider = row.credentials.provider();
        return refuse(502, "provider_error", format!("{provider} refused the credentials of the import"));
    };
    if world.by_sid(&row.number_id).is_none_or(|number| number.account != account) {
        return Ok(Vec::new());
    }
    let switches = world.switches.nixflex.clone();
    Ok(match &row.credentials {
        Credentials::Telnyx { .. } if !switches.bind_telnyx => Vec::new(),
        Credentials::Telnyx { connection_id, .. } => written(world, &row.number_id, |number| {
            if number.get("connection_id") == Some(connection_id) || !switches.spare_foreign_webhooks {
                set(number, "connection_id", "");
            }
        }),
        Credentials::Twilio { .. } => written(world, &row.number_id, |number| {
            for field in ["voice_url", "sms_url", "status_callback"] {
                if number.get(field).is_some_and(is_ours) || !switches.spare_foreign_webhooks {
                    set(number, field, "");
                }
            }
        }),
    })
}

/// The credentials by which a number's account can be opened now. On Telnyx with the application that it is on.
pub(in super::super) fn credentials_of(world: &Simulation, number: &str) -> Option<Credentials> {
    let number = world.by_number(number)?;
    let account = world.accounts.get(&number.account)?;
    Some(match account.dialect {
        Dialect::Twilio => Credentials::Twilio { sid: account.sid.clone(), token: account.token.clone() },
        _ => Credentials::Telnyx {
            api_key: account.token.clone(),
            connection_id: number.get("connection_id").unwrap_or_default().to_owned(),
        },
    })
}
