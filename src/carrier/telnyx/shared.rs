//! What an agent's numbers share: a TeXML application for calls and a messaging profile for texts (section 7). Does I/O.
//!
//! Both bear the shared route's name, and that is how they are found again: all of them are listed and their names compared. Where
//! several have one name, as after a request whose answer was lost, the oldest is meant, by everybody and always.
//!
//! A channel that is no longer wanted is silenced and its holder stays, since numbers may name it still: a profile's webhook is
//! taken away, and an application, which cannot be without a voice URL, is switched off. Both are shown as sending nothing anywhere,
//! and they are still bound to, so that they are found and used again.

use std::collections::HashMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    Telnyx,
    listing::Keyed,
    numbers::is_about_the_value,
    wire::{self, CONNECTION, PROFILE, VERSION},
};
use crate::{
    api::number::{Channel, Destination, Method, Route},
    carrier::{CarrierError, ErrorClass, Outcome, SharedRoute},
};

/// The version of messages that webhooks are told in; the others have other fields.
const WEBHOOKS: &str = "2";

/// An application or a messaging profile.
trait Holder: Keyed + DeserializeOwned + Send {
    const LIST: &'static str;
    const ONE: &'static str;
    /// The channel by which a number is bound to it, and the name of that.
    const CHANNEL: Channel;
    const BINDING: &'static str;
    /// The channels whose webhooks it holds.
    const HOLDS: &'static [Channel];

    fn name(&self) -> Option<&str>;
    fn created(&self) -> Option<&str>;
    /// Where it sends what: canonical, and nothing for what goes nowhere.
    fn webhooks(&self) -> Route;
    /// The fields of a new one.
    fn made(name: &str, wanted: &Route) -> Map<String, Value>;
    /// The fields that make the one of this name that sends to `now` send to `wanted`; `empty` stands for what is to be unset.
    fn change(name: &str, now: &Route, wanted: &Route, empty: &Value) -> Map<String, Value>;

    /// Its part of a shared route.
    fn part(route: &Route) -> Route {
        let mine = |(channel, destination): &(&Channel, &Destination)| {
            Self::HOLDS.contains(channel) && !destination.is_empty()
        };
        route.iter().filter(mine).map(|(channel, destination)| (*channel, destination.clone())).collect()
    }
}

/// A TeXML application; its id is what a number has as its connection.
#[derive(Debug, Deserialize)]
struct Application {
    #[serde(deserialize_with = "wire::name")]
    id: String,
    #[serde(default, deserialize_with = "wire::text")]
    friendly_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    created_at: Option<String>,
    active: Option<bool>,
    #[serde(default, deserialize_with = "wire::text")]
    voice_url: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    voice_method: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    voice_fallback_url: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    status_callback: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    status_callback_method: Option<String>,
}

/// A messaging profile.
#[derive(Debug, Deserialize)]
struct Profile {
    #[serde(deserialize_with = "wire::name")]
    id: String,
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    created_at: Option<String>,
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "wire::text")]
    webhook_url: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    webhook_failover_url: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    webhook_api_version: Option<String>,
}

impl Keyed for Application {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Keyed for Profile {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Holder for Application {
    const LIST: &'static str = "/v2/texml_applications";
    const ONE: &'static str = "/v2/texml_applications/{}";
    const CHANNEL: Channel = Channel::Voice;
    const BINDING: &'static str = CONNECTION;
    const HOLDS: &'static [Channel] = &[Channel::Voice, Channel::Status];

    fn name(&self) -> Option<&str> {
        self.friendly_name.as_deref()
    }

    fn created(&self) -> Option<&str> {
        self.created_at.as_deref()
    }

    fn webhooks(&self) -> Route {
        if self.active == Some(false) {
            return Route::new();
        }
        let voice = Destination {
            url: self.voice_url.clone(),
            method: method(self.voice_method.as_deref()),
            fallback_url: self.voice_fallback_url.clone(),
            ..Destination::default()
        };
        let status = Destination {
            url: self.status_callback.clone(),
            method: method(self.status_callback_method.as_deref()),
            ..Destination::default()
        };
        Self::part(&wire::canonical([(Channel::Voice, voice), (Channel::Status, status)].into()))
    }

    fn made(name: &str, wanted: &Route) -> Map<String, Value> {
        Self::change(name, &Route::new(), wanted, &Value::Null)
    }

    /// The name and the voice URL are required of a change too: one that is switched off keeps the URL that it has. The method is
    /// always said, in small letters: documents differ on what it is otherwise (section 7).
    fn change(name: &str, now: &Route, wanted: &Route, empty: &Value) -> Map<String, Value> {
        let Some(voice) = wanted.get(&Channel::Voice) else {
            let url = now.get(&Channel::Voice).and_then(|destination| destination.url.as_ref());
            return fields([("active", json!(false)), ("friendly_name", json!(name)), ("voice_url", json!(url))]);
        };
        let mut fields = fields([
            ("active", json!(true)),
            ("friendly_name", json!(name)),
            ("voice_url", json!(voice.url)),
            ("voice_method", json!(voice.method.as_str().to_ascii_lowercase())),
        ]);
        let fallback = |route: &Route| route.get(&Channel::Voice)?.fallback_url.clone();
        put(&mut fields, "voice_fallback_url", fallback(now), fallback(wanted), empty);
        let status = |route: &Route| route.get(&Channel::Status)?.url.clone();
        put(&mut fields, "status_callback", status(now), status(wanted), empty);
        if let Some(destination) = wanted.get(&Channel::Status) {
            fields.insert("status_callback_method".to_owned(), json!(destination.method.as_str().to_ascii_lowercase()));
        }
        fields
    }
}

impl Holder for Profile {
    const LIST: &'static str = "/v2/messaging_profiles";
    const ONE: &'static str = "/v2/messaging_profiles/{}";
    const CHANNEL: Channel = Channel::Sms;
    const BINDING: &'static str = PROFILE;
    const HOLDS: &'static [Channel] = &[Channel::Sms];

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn created(&self) -> Option<&str> {
        self.created_at.as_deref()
    }

    fn webhooks(&self) -> Route {
        if self.enabled == Some(false) {
            return Route::new();
        }
        let version = self.webhook_api_version.clone().filter(|version| version != WEBHOOKS);
        let sms = Destination {
            url: self.webhook_url.clone(),
            fallback_url: self.webhook_failover_url.clone(),
            ..Destination::bound(VERSION, version)
        };
        Self::part(&wire::canonical([(Channel::Sms, sms)].into()))
    }

    /// The destinations are required (section 7). They are about sending: all of them are allowed, and what people make of it later
    /// stays.
    fn made(name: &str, wanted: &Route) -> Map<String, Value> {
        let mut fields = Self::change(name, &Route::new(), wanted, &Value::Null);
        fields.insert("name".to_owned(), json!(name));
        fields.insert("whitelisted_destinations".to_owned(), json!(["*"]));
        fields
    }

    /// Nothing is required of a change.
    fn change(_: &str, now: &Route, wanted: &Route, empty: &Value) -> Map<String, Value> {
        let mut fields = Map::new();
        let part = |route: &Route, part: fn(&Destination) -> &Option<String>| part(route.get(&Channel::Sms)?).clone();
        put(
            &mut fields,
            "webhook_url",
            part(now, |destination| &destination.url),
            part(wanted, |destination| &destination.url),
            empty,
        );
        let failover = |route| part(route, |destination| &destination.fallback_url);
        put(&mut fields, "webhook_failover_url", failover(now), failover(wanted), empty);
        if !wanted.is_empty() {
            fields.insert("webhook_api_version".to_owned(), json!(WEBHOOKS));
            fields.insert("enabled".to_owned(), json!(true));
        }
        fields
    }
}

fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A URL that is wanted, or one that is there and is not.
fn put(fields: &mut Map<String, Value>, name: &str, now: Option<String>, wanted: Option<String>, empty: &Value) {
    match (now, wanted) {
        (_, Some(url)) => drop(fields.insert(name.to_owned(), json!(url))),
        (Some(_), None) => drop(fields.insert(name.to_owned(), empty.clone())),
        (None, None) => {}
    }
}

fn method(text: Option<&str>) -> Method {
    match text {
        Some(text) if text.trim().eq_ignore_ascii_case("get") => Method::Get,
        _ => Method::Post,
    }
}

impl Telnyx {
    /// Every shared route, by its name.
    pub(super) async fn shared(&self) -> Result<HashMap<String, SharedRoute>, CarrierError> {
        let mut shared = HashMap::new();
        self.show_all::<Application>(&mut shared).await?;
        self.show_all::<Profile>(&mut shared).await?;
        Ok(shared)
    }

    /// Shows the oldest holder of each name.
    async fn show_all<H: Holder>(&self, shared: &mut HashMap<String, SharedRoute>) -> Result<(), CarrierError> {
        let mut all: Vec<H> = self.pages(H::LIST, "").await?;
        // Ids are numbers of one length or random: they only decide between two of one moment.
        all.sort_by_cached_key(|holder| {
            (holder.created().map(str::to_owned), holder.key().len(), holder.key().to_owned())
        });
        for holder in &all {
            let Some(name) = holder.name() else { continue };
            let route: &mut SharedRoute = shared.entry(name.to_owned()).or_default();
            if !route.bound.contains_key(&H::CHANNEL) {
                show(route, holder);
            }
        }
        Ok(())
    }

    /// Makes the shared route send traffic there: one request for each holder that differs, and a second one only where the first was
    /// refused or without effect. Once one holder was written, a failure of the other leaves a route that is neither this nor that.
    pub(super) async fn share(&self, name: &str, current: &SharedRoute, webhooks: &Route) -> Outcome<SharedRoute> {
        let mut wanted = wire::canonical(webhooks.clone());
        wanted.retain(|_, destination| !destination.is_empty());
        if wanted.values().any(|destination| destination.url.is_none()) {
            let text = "a route that numbers share at Telnyx can have webhooks only; give the Agent webhooks";
            return Outcome::DidNothing(CarrierError::new(ErrorClass::Rejected, text));
        }
        let mut shared = current.clone();
        let mut written = false;
        match self.put::<Application>(name, current, &wanted).await {
            Outcome::Did(None) => {}
            Outcome::Did(Some(application)) => {
                show(&mut shared, &application);
                written = true;
            }
            Outcome::DidNothing(error) => return Outcome::DidNothing(error),
            Outcome::Unknown(error) => return Outcome::Unknown(error),
        }
        match self.put::<Profile>(name, current, &wanted).await {
            Outcome::Did(None) => {}
            Outcome::Did(Some(profile)) => show(&mut shared, &profile),
            Outcome::DidNothing(error) if !written => return Outcome::DidNothing(error),
            Outcome::DidNothing(error) | Outcome::Unknown(error) => return Outcome::Unknown(error),
        }
        Outcome::Did(shared)
    }

    /// Sees to one holder; answers it if it had to be written.
    async fn put<H: Holder>(&self, name: &str, current: &SharedRoute, wanted: &Route) -> Outcome<Option<H>> {
        let id = current.bound.get(&H::CHANNEL).and_then(|destination| destination.bound_id(H::BINDING));
        let (now, wanted) = (H::part(&current.webhooks), H::part(wanted));
        let Some(id) = id else {
            if wanted.is_empty() {
                return Outcome::Did(None);
            }
            let body = Value::Object(H::made(name, &wanted));
            return match self.write::<H>("POST", self.call(H::LIST, &[], ""), &body).await {
                Outcome::Did(made) if made.webhooks() == wanted => Outcome::Did(Some(made)),
                Outcome::Did(_) => Outcome::Unknown(other_webhooks()),
                outcome => outcome.map(Some),
            };
        };
        if now == wanted { Outcome::Did(None) } else { self.change(id, name, &now, &wanted).await.map(Some) }
    }

    /// Changes a holder. How a URL is unset is not documented: the empty text is tried, and then null.
    async fn change<H: Holder>(&self, id: &str, name: &str, now: &Route, wanted: &Route) -> Outcome<H> {
        let mut bodies = [json!(""), Value::Null].map(|empty| H::change(name, now, wanted, &empty)).to_vec();
        bodies.dedup();
        let mut written = false;
        let mut last = other_webhooks();
        for body in bodies {
            match self.write::<H>("PATCH", self.call(H::ONE, &[id], ""), &Value::Object(body)).await {
                Outcome::Did(changed) if changed.key() == id && changed.webhooks() == *wanted => {
                    return Outcome::Did(changed);
                }
                Outcome::Did(_) => (written, last) = (true, other_webhooks()),
                Outcome::DidNothing(error) if is_about_the_value(&error) => {
                    last = if written { other_webhooks() } else { error };
                }
                Outcome::DidNothing(error) if written => return Outcome::Unknown(error),
                outcome => return outcome,
            }
        }
        if written { Outcome::Unknown(last) } else { Outcome::DidNothing(last) }
    }
}

/// Shows a holder in a shared route.
fn show<H: Holder>(shared: &mut SharedRoute, holder: &H) {
    shared.bound.insert(H::CHANNEL, Destination::bound(H::BINDING, Some(holder.key().to_owned())));
    shared.webhooks.retain(|channel, _| !H::HOLDS.contains(channel));
    shared.webhooks.extend(holder.webhooks());
}

fn other_webhooks() -> CarrierError {
    let text = "Telnyx shows other webhooks for the agent than those that were set; check its application and messaging profile in \
                Mission Control";
    CarrierError::new(ErrorClass::Rejected, text)
}
