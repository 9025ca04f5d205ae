//! What numbers share as their route: TeXML applications for calls, messaging profiles for texts. No I/O.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    super::{
        wire::{Effect, Reply, Request},
        world::{Number, Simulation},
    },
    Refusal, bad,
    body::{self, Filters},
    data, iso, not_found, paging, snowflake,
    state::{Object, Shared},
    uuid,
};

/// What values a field takes.
#[derive(Clone, Copy, Debug)]
enum Takes {
    Text,
    /// An absolute URL; empty and null take it away.
    Url,
    /// In small letters only.
    Method,
    Flag,
    Count,
    Texts,
    OneOf(&'static [&'static str]),
    /// An object, whatever is in it, or null.
    Anything,
}

type Fields = &'static [(&'static str, Takes)];

const TEXML: Fields = &[
    ("friendly_name", Takes::Text),
    ("voice_url", Takes::Url),
    ("voice_fallback_url", Takes::Url),
    ("voice_method", Takes::Method),
    ("status_callback", Takes::Url),
    ("status_callback_method", Takes::Method),
    ("active", Takes::Flag),
    ("anchorsite_override", Takes::Text),
    ("call_cost_in_webhooks", Takes::Flag),
    ("dtmf_type", Takes::OneOf(&["RFC 2833", "Inband", "SIP INFO"])),
    ("first_command_timeout", Takes::Flag),
    ("first_command_timeout_secs", Takes::Count),
    ("tags", Takes::Texts),
    ("inbound", Takes::Anything),
    ("outbound", Takes::Anything),
];

const PROFILE: Fields = &[
    ("name", Takes::Text),
    ("whitelisted_destinations", Takes::Texts),
    ("enabled", Takes::Flag),
    ("webhook_url", Takes::Url),
    ("webhook_failover_url", Takes::Url),
    ("webhook_api_version", Takes::OneOf(&["1", "2", "2010-04-01"])),
    ("alpha_sender", Takes::Text),
    ("daily_spend_limit", Takes::Text),
    ("daily_spend_limit_enabled", Takes::Flag),
    ("health_webhook_url", Takes::Url),
    ("mms_fall_back_to_sms", Takes::Flag),
    ("mms_transcoding", Takes::Flag),
    ("mobile_only", Takes::Flag),
    ("smart_encoding", Takes::Flag),
    ("number_pool_settings", Takes::Anything),
    ("url_shortener_settings", Takes::Anything),
    ("features", Takes::Anything),
    ("ai_assistant_id", Takes::Text),
    ("resource_group_id", Takes::Text),
];

impl Shared {
    /// The field by which a number names one.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::TexmlApplication => "connection_id",
            Self::MessagingProfile => "messaging_profile_id",
        }
    }

    fn fields(self) -> Fields {
        match self {
            Self::TexmlApplication => TEXML,
            Self::MessagingProfile => PROFILE,
        }
    }

    fn required(self) -> &'static [&'static str] {
        match self {
            Self::TexmlApplication => &["friendly_name", "voice_url"],
            Self::MessagingProfile => &["name", "whitelisted_destinations"],
        }
    }

    /// What every change has to name.
    fn required_of_a_change(self, world: &Simulation) -> &'static [&'static str] {
        match self {
            Self::TexmlApplication if !world.switches.telnyx.partial_applications => self.required(),
            Self::TexmlApplication | Self::MessagingProfile => &[],
        }
    }

    fn filters(self) -> &'static [&'static str] {
        match self {
            Self::TexmlApplication => &["friendly_name", "outbound_voice_profile_id"],
            Self::MessagingProfile => &["name", "name[eq]", "name[contains]"],
        }
    }

    fn name_field(self) -> &'static str {
        self.required()[0]
    }

    /// What a new one has that the request does not say.
    fn defaults(self, world: &Simulation) -> Value {
        let method = if world.switches.telnyx.default_method_get { "get" } else { "post" };
        match self {
            Self::TexmlApplication => json!({
                "voice_method": method, "voice_fallback_url": null, "status_callback": null,
                "status_callback_method": "post", "active": true, "anchorsite_override": "Latency",
                "call_cost_in_webhooks": false, "dtmf_type": "RFC 2833", "first_command_timeout": true,
                "first_command_timeout_secs": 30, "tags": [],
                "inbound": { "channel_limit": null, "shaken_stir_enabled": false, "sip_subdomain": null,
                    "sip_subdomain_receive_settings": "from_anyone" },
                "outbound": { "channel_limit": null, "outbound_voice_profile_id": null },
            }),
            Self::MessagingProfile => json!({
                "enabled": true, "webhook_url": null, "webhook_failover_url": null, "webhook_api_version": "2",
                "alpha_sender": null, "daily_spend_limit": null, "daily_spend_limit_enabled": false,
                "health_webhook_url": null, "mms_fall_back_to_sms": false, "mms_transcoding": false,
                "mobile_only": false, "smart_encoding": false, "number_pool_settings": null,
                "url_shortener_settings": null, "features": null, "ai_assistant_id": null, "resource_group_id": null,
            }),
        }
    }

    fn find<'a>(self, world: &'a Simulation, id: &str) -> Option<&'a Object> {
        world.telnyx.objects.iter().find(|object| object.shared == self && object.id == id)
    }

    /// Whether the account has one with this id.
    pub(super) fn exists(self, world: &Simulation, account: &str, id: &str) -> bool {
        self.find(world, id).is_some_and(|object| object.account == account)
    }

    /// What one is called.
    pub(super) fn name(self, world: &Simulation, id: &str) -> Option<String> {
        self.find(world, id)?.fields.get(self.name_field())?.as_str().map(str::to_owned)
    }
}

fn shown(object: &Object) -> Value {
    let mut fields = object.fields.clone();
    let fixed = match object.shared {
        Shared::TexmlApplication => json!({ "record_type": "texml_application" }),
        Shared::MessagingProfile => json!({
            "record_type": "messaging_profile",
            "organization_id": object.account,
            // A secret, in every answer.
            "v1_secret": super::super::text::hex32(&object.id),
        }),
    };
    if let Value::Object(fixed) = fixed {
        fields.extend(fixed);
    }
    for (name, value) in
        [("id", object.id.clone()), ("created_at", iso(object.created)), ("updated_at", iso(object.updated))]
    {
        fields.insert(name.to_owned(), value.into());
    }
    Value::Object(fields)
}

/// The value as it is stored. Refuses what the field does not take.
fn stored(name: &str, takes: Takes, given: &Value) -> Result<Value, Refusal> {
    let fine = match (takes, given) {
        (Takes::Url, Value::Null) => true,
        (Takes::Url, Value::String(text)) if text.is_empty() => return Ok(Value::Null),
        (Takes::Url, Value::String(text)) => {
            Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        }
        (Takes::Method, given) => matches!(given.as_str(), Some("get" | "post")),
        (Takes::OneOf(values), given) => given.as_str().is_some_and(|given| values.contains(&given)),
        (Takes::Text, given) => given.is_string() || given.is_null(),
        (Takes::Flag, given) => given.is_boolean(),
        (Takes::Count, given) => given.is_u64(),
        (Takes::Texts, given) => given.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        (Takes::Anything, given) => given.is_object() || given.is_null(),
        _ => false,
    };
    if fine { Ok(given.clone()) } else { bad(&format!("/{name}"), format!("{name} is invalid.")) }
}

/// The fields of a body, checked. `null` for a required one is refused.
fn read(shared: Shared, request: &Request) -> Result<Map<String, Value>, Refusal> {
    let names: Vec<&str> = shared.fields().iter().map(|(name, _)| *name).collect();
    let body = body::object(request, &names)?;
    let mut read = Map::new();
    for (name, takes) in shared.fields() {
        let Some(given) = body.get(*name) else { continue };
        let value = stored(name, *takes, given)?;
        if value.is_null() && shared.required().contains(name) {
            return bad(&format!("/{name}"), format!("{name} cannot be empty."));
        }
        read.insert((*name).to_owned(), value);
    }
    Ok(read)
}

/// A new one, with these fields and defaults.
pub(in super::super) fn found(
    world: &mut Simulation,
    account: &str,
    shared: Shared,
    fields: Map<String, Value>,
) -> String {
    let hex = world.hex("shared route");
    let id = match shared {
        Shared::TexmlApplication => snowflake(&hex),
        Shared::MessagingProfile => uuid(&hex),
    };
    let Value::Object(mut all) = shared.defaults(world) else { return id };
    all.extend(fields);
    let now = Timestamp::now();
    let account = account.to_owned();
    world.telnyx.objects.push(Object { shared, id: id.clone(), account, fields: all, created: now, updated: now });
    id
}

/// Makes one.
pub(super) fn create(
    world: &mut Simulation,
    account: &str,
    shared: Shared,
    request: &Request,
) -> Result<Reply, Refusal> {
    let fields = read(shared, request)?;
    are_there(shared.required(), &fields)?;
    let id = found(world, account, shared, fields);
    let status = if shared == Shared::TexmlApplication { 201 } else { 200 };
    let shown = shared.find(world, &id).map(|object| json!({ "data": shown(object) }));
    Ok(Reply::did(status, shown, Effect::default()))
}

/// One page of an account's, the newest first.
pub(super) fn list(world: &Simulation, account: &str, shared: Shared, request: &Request) -> Result<Reply, Refusal> {
    let parameters: Vec<&str> = paging::PARAMETERS.into_iter().chain(["sort"]).collect();
    let filters = Filters::of(request, shared.filters(), &parameters)?;
    let fits = |object: &&Object| {
        let name = object.fields.get(shared.name_field()).and_then(Value::as_str).unwrap_or_default();
        let contains = |wanted: &str| name.to_lowercase().contains(&wanted.to_lowercase());
        object.shared == shared
            && object.account == account
            && filters.get("friendly_name").is_none_or(contains)
            && filters.get("name").is_none_or(|wanted| name == wanted)
            && filters.get("name[eq]").is_none_or(|wanted| name == wanted)
            && filters.get("name[contains]").is_none_or(contains)
            && filters
                .get("outbound_voice_profile_id")
                .is_none_or(|id| object.fields["outbound"]["outbound_voice_profile_id"] == id)
    };
    let seen = paging::newest_first(world.telnyx.objects.iter(), |object| object.created, &request.views);
    paging::page(seen.into_iter().filter(fits).map(shown).collect(), request)
}

/// One of them.
pub(super) fn fetch(world: &Simulation, account: &str, shared: Shared, id: &str) -> Result<Reply, Refusal> {
    match shared.find(world, id).filter(|object| object.account == account) {
        Some(object) => data(shown(object)),
        None => not_found(),
    }
}

fn are_there(required: &[&str], fields: &Map<String, Value>) -> Result<(), Refusal> {
    match required.iter().find(|name| !fields.contains_key(**name)) {
        Some(missing) => Err(Refusal::new(400, 10004, format!("{missing} is required.")).at(&format!("/{missing}"))),
        None => Ok(()),
    }
}

/// Changes what the request names and leaves the rest.
pub(super) fn update(
    world: &mut Simulation,
    account: &str,
    shared: Shared,
    id: &str,
    request: &Request,
) -> Result<Reply, Refusal> {
    let fields = read(shared, request)?;
    are_there(shared.required_of_a_change(world), &fields)?;
    let mine = |o: &&mut Object| o.shared == shared && o.id == id && o.account == account;
    let Some(object) = world.telnyx.objects.iter_mut().find(mine) else { return not_found() };
    let changed = changed(object, fields);
    Ok(Reply::did(200, Some(json!({ "data": shown(object) })), Effect { changed, ..Effect::default() }))
}

/// Sets fields, and says which of them became different.
fn changed(object: &mut Object, fields: Map<String, Value>) -> Vec<String> {
    let changed = fields.iter().filter(|(name, value)| object.fields.get(*name) != Some(value));
    let changed: Vec<String> = changed.map(|(name, _)| name.clone()).collect();
    object.fields.extend(fields);
    object.updated = Timestamp::now();
    changed
}

/// Removes one. Whether that can be done while numbers use it is a matter of a switch.
pub(super) fn remove(world: &mut Simulation, account: &str, shared: Shared, id: &str) -> Result<Reply, Refusal> {
    let mine = |o: &Object| o.shared == shared && o.id == id && o.account == account;
    let Some(at) = world.telnyx.objects.iter().position(mine) else { return not_found() };
    let users: Vec<String> =
        world.numbers().filter(|n: &&Number| n.get(shared.field()) == Some(id)).map(|n| n.sid.clone()).collect();
    if !users.is_empty() && !world.switches.telnyx.delete_in_use {
        return Err(Refusal::new(422, 10021, "The resource cannot be removed as it is still in use."));
    }
    for user in users {
        world.change(&user, |number| drop(number.settings.remove(shared.field())));
    }
    let gone = world.telnyx.objects.remove(at);
    Ok(Reply::did(200, Some(json!({ "data": shown(&gone) })), Effect::default()))
}

/// One as the carrier's API shows it, whosever it is.
pub(in super::super) fn shown_by_id(world: &Simulation, id: &str) -> Option<Value> {
    world.telnyx.objects.iter().find(|object| object.id == id).map(shown)
}

/// Whether all of these can be set on one.
pub(in super::super) fn are_fields(shared: Shared, fields: &Map<String, Value>) -> bool {
    fields.keys().all(|name| shared.fields().iter().any(|(field, _)| field == name))
}

/// A person changes one in the portal. Says whether there is one, and such fields.
pub(in super::super) fn edit(world: &mut Simulation, id: &str, fields: Map<String, Value>) -> bool {
    let Some(object) = world.telnyx.objects.iter_mut().find(|object| object.id == id) else { return false };
    if !are_fields(object.shared, &fields) {
        return false;
    }
    changed(object, fields);
    true
}
