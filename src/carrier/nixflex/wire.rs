//! How Nixflex writes numbers and agents. No I/O.
//!
//! Answers to writes are short or whole rows, with or without an envelope (sections 2.1 and 2.3): all of them are read.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    api::{
        money::Amount,
        number::{Channel, Destination, E164, HOSTED_AGENT, Route},
        phone_number::{Extra, NumberConfig},
    },
    carrier::{Calling, Messaging, NumberId, OwnedNumber, lenient::Scalar, written},
};

/// A number, as the list shows it, and as far as answers to writes do. Nobody looks at what it says of the number's carrier: whose it is,
/// that carrier says.
#[derive(Debug, Deserialize)]
pub(super) struct WireNumber {
    #[serde(deserialize_with = "name")]
    pub phone_number: String,
    /// None where the agent was deleted: the number then reaches nobody (section 3).
    #[serde(default, deserialize_with = "text")]
    pub agent_id: Option<String>,
    // What follows is absent in short answers, which is not the same as unset.
    #[serde(default, deserialize_with = "prose")]
    custom_prompt: Option<Option<String>>,
    #[serde(default, deserialize_with = "prose")]
    sms_prompt: Option<Option<String>>,
    #[serde(default, deserialize_with = "prose")]
    web_prompt: Option<Option<String>>,
    #[serde(default, deserialize_with = "prose")]
    voicemail_message: Option<Option<String>>,
    #[serde(default, deserialize_with = "prose")]
    voice_id: Option<Option<String>>,
    #[serde(default, deserialize_with = "prose")]
    recording_source: Option<Option<String>>,
    #[serde(default, deserialize_with = "some")]
    speaking_rate: Option<Scalar>,
    #[serde(default, deserialize_with = "some")]
    dtmf_enabled: Option<Scalar>,
    #[serde(default, deserialize_with = "some")]
    record_call: Option<Scalar>,
    #[serde(default, deserialize_with = "some")]
    sms_reply_enabled: Option<Scalar>,
    #[serde(default, deserialize_with = "some")]
    voicemail_leave_enabled: Option<Scalar>,
}

impl WireNumber {
    /// Whether it shows everything that is set on the number.
    pub fn is_whole(&self) -> bool {
        let texts = [
            &self.custom_prompt,
            &self.sms_prompt,
            &self.web_prompt,
            &self.voicemail_message,
            &self.voice_id,
            &self.recording_source,
        ];
        let others = [
            &self.speaking_rate,
            &self.dtmf_enabled,
            &self.record_call,
            &self.sms_reply_enabled,
            &self.voicemail_leave_enabled,
        ];
        texts.iter().all(|text| text.is_some()) && others.iter().all(|other| other.is_some())
    }

    /// Whether it says what the prompt is.
    pub fn shows_prompt(&self) -> bool {
        self.custom_prompt.is_some()
    }

    /// What is set on the number. What it takes from its agent is unset.
    pub fn config(&self) -> NumberConfig {
        let text = |text: &Option<Option<String>>| text.clone().flatten();
        let truth = |scalar: &Option<Scalar>| match scalar {
            Some(Scalar::Truth(truth)) => Some(*truth),
            _ => None,
        };
        NumberConfig {
            prompt: text(&self.custom_prompt),
            sms_prompt: text(&self.sms_prompt),
            web_prompt: text(&self.web_prompt),
            voice_id: text(&self.voice_id),
            speaking_rate: self.speaking_rate.as_ref().and_then(written::amount),
            dtmf: truth(&self.dtmf_enabled),
            record_calls: truth(&self.record_call),
            recording_source: text(&self.recording_source),
            sms_replies: truth(&self.sms_reply_enabled),
            voicemail: truth(&self.voicemail_leave_enabled),
            voicemail_message: text(&self.voicemail_message),
            // These two have endpoints of their own.
            monitor: None,
            web_calls: None,
        }
    }

    /// The number that this row shows; nothing for what is no telephone number.
    pub fn owned(self) -> Option<OwnedNumber> {
        let Ok(number) = self.phone_number.parse::<E164>() else {
            tracing::debug!("skipped a row whose number is not in E.164 form");
            return None;
        };
        let config = self.config();
        Some(owned(number, self.agent_id, config))
    }
}

/// A number that an agent answers, or none.
pub(super) fn owned(number: E164, agent: Option<String>, config: NumberConfig) -> OwnedNumber {
    OwnedNumber {
        // There is no other name for it (section 2).
        id: NumberId(number.as_str().to_owned()),
        number,
        route: [(Channel::Voice, Destination::bound(HOSTED_AGENT, agent))].into(),
        features: Vec::new(),
        messaging: Messaging::Unseen,
        calling: Calling::Unseen,
        // There is no field that could bear one (section 2.2).
        marker: None,
        config: Some(config.into()),
    }
}

/// A route as it is compared: the agent that answers calls. Text messages and all else follow the number to that agent.
pub(super) fn canonical(route: Route) -> Route {
    let voice = route.into_iter().filter(|(channel, _)| *channel == Channel::Voice);
    voice.map(|(channel, destination)| (channel, bound(&destination))).collect()
}

fn bound(destination: &Destination) -> Destination {
    let agent = destination.bound_id(HOSTED_AGENT).map(str::trim).filter(|id| !id.is_empty());
    Destination::bound(HOSTED_AGENT, agent.map(str::to_owned))
}

/// What sets just what `config` names (section 2.3): an empty text takes the text away, which null does.
pub(super) fn settings(config: &NumberConfig) -> Value {
    let NumberConfig {
        prompt,
        sms_prompt,
        web_prompt,
        voice_id,
        speaking_rate,
        dtmf,
        record_calls,
        recording_source,
        sms_replies,
        voicemail,
        voicemail_message,
        // These two have endpoints of their own.
        monitor: _,
        web_calls: _,
    } = config;
    let text = |text: &Option<String>| {
        text.as_ref().map(|text| if text.is_empty() { Value::Null } else { Value::from(text.as_str()) })
    };
    let truth = |truth: &Option<bool>| truth.map(Value::from);
    let fields = [
        ("custom_prompt", text(prompt)),
        ("sms_prompt", text(sms_prompt)),
        ("web_prompt", text(web_prompt)),
        ("voice_id", text(voice_id)),
        ("speaking_rate", speaking_rate.map(number)),
        ("dtmf_enabled", truth(dtmf)),
        ("record_call", truth(record_calls)),
        ("recording_source", text(recording_source)),
        ("sms_reply_enabled", truth(sms_replies)),
        ("voicemail_leave_enabled", truth(voicemail)),
        ("voicemail_message", text(voicemail_message)),
    ];
    let named = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(named.collect::<Map<_, _>>())
}

/// An amount as a JSON number.
fn number(amount: Amount) -> Value {
    serde_json::from_str(&amount.to_string()).unwrap_or(Value::Null)
}

/// A row, in an envelope or not.
#[derive(Debug)]
pub(super) struct Written(pub WireNumber);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Envelope {
            phone_number: WireNumber,
        }
        either(from, |Envelope { phone_number }| phone_number).map(Self)
    }
}

/// What was taken off.
#[derive(Debug)]
pub(super) struct Deleted {
    pub phone_number: String,
    /// Whether it says that it was not deleted after all.
    pub stays: bool,
}

#[derive(Debug, Deserialize)]
struct DeletedShown {
    #[serde(deserialize_with = "name")]
    phone_number: String,
    #[serde(default)]
    deleted: Scalar,
}

impl<'de> Deserialize<'de> for Deleted {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Envelope {
            phone_number: DeletedShown,
        }
        let shown: DeletedShown = either(from, |Envelope { phone_number }| phone_number)?;
        Ok(Self { phone_number: shown.phone_number, stays: shown.deleted == Scalar::Truth(false) })
    }
}

/// What an extra of a number was found to be (section 2.5).
#[derive(Debug, Deserialize)]
pub(super) struct ExtraShown {
    #[serde(deserialize_with = "name")]
    phone_number: String,
    #[serde(default)]
    monitor_enabled: Scalar,
    #[serde(default)]
    web_calls_enabled: Scalar,
}

/// Why what came back does not say how an extra is.
pub(super) const NO_EXTRA: &str = "it does not show the setting as it was set";

impl ExtraShown {
    /// Whether this one is on for the number, where that is what it shows.
    pub fn of(&self, number: &E164, extra: Extra) -> Option<bool> {
        let shown = match extra {
            Extra::Monitor => &self.monitor_enabled,
            Extra::WebCalls => &self.web_calls_enabled,
        };
        match shown {
            Scalar::Truth(on) if self.phone_number == number.as_str() => Some(*on),
            _ => None,
        }
    }
}

/// An agent, in an envelope or not.
#[derive(Debug)]
pub(super) struct Agent {
    pub id: String,
    /// Agents are on unless they are switched off.
    pub active: bool,
}

#[derive(Debug, Deserialize)]
struct AgentShown {
    #[serde(deserialize_with = "name")]
    agent_id: String,
    #[serde(default)]
    is_active: Scalar,
}

impl<'de> Deserialize<'de> for Agent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Envelope {
            agent: AgentShown,
        }
        let shown: AgentShown = either(from, |Envelope { agent }| agent)?;
        Ok(Self { id: shown.agent_id, active: shown.is_active != Scalar::Truth(false) })
    }
}

/// An agent among others.
#[derive(Debug, Deserialize)]
pub(super) struct AgentId {
    #[serde(deserialize_with = "name")]
    pub agent_id: String,
}

/// What is in an envelope, or stands without one.
fn either<'de, D, E, T>(from: D, inner: impl FnOnce(E) -> T) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: for<'a> Deserialize<'a>,
    T: for<'a> Deserialize<'a>,
{
    let raw = Box::<RawValue>::deserialize(from)?;
    let enveloped = serde_json::from_str::<E>(raw.get()).map(inner);
    enveloped.or_else(|_| serde_json::from_str(raw.get())).map_err(D::Error::custom)
}

/// An id: unset is null, empty or absent.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Scalar::deserialize(from)? {
        Scalar::Text(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    })
}

/// The name of something: without one it is nothing.
fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from)?.ok_or_else(|| D::Error::custom("it has no name"))
}

/// A text that is there, be it unset. Prompts have up to 20,000 characters, more than a [`Scalar`] holds: one that was taken for
/// unset would be written again for ever.
fn prose<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    let raw = Box::<RawValue>::deserialize(from)?;
    Ok(Some(serde_json::from_str::<String>(raw.get()).ok().filter(|text| !text.is_empty())))
}

/// A value that is there, be it null.
fn some<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Scalar>, D::Error> {
    Scalar::deserialize(from).map(Some)
}

/// The body of an import, as far as it is the same for every carrier (section 2.1). The fields are those of four sources against
/// two: `twilio_account_sid`, which two name, is one that the server would overlook.
pub(super) fn import(number: &E164, agent: &str, config: &NumberConfig) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("phone_number".to_owned(), json!(number.as_str()));
    body.insert("agent_id".to_owned(), json!(agent));
    if let Some(prompt) = config.prompt.as_deref().filter(|prompt| !prompt.is_empty()) {
        body.insert("custom_prompt".to_owned(), json!(prompt));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: Value) -> WireNumber {
        let mut row = json!({ "phone_number": "+14155550001", "agent_id": "agent_1", "provider": "twilio" });
        row.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_str(&row.to_string()).unwrap()
    }

    fn everything() -> Value {
        json!({ "custom_prompt": "p", "sms_prompt": "s", "web_prompt": "w", "voice_id": "Ashley", "speaking_rate": 1.10,
            "dtmf_enabled": true, "record_call": false, "recording_source": "nixflex", "sms_reply_enabled": true,
            "voicemail_leave_enabled": true, "voicemail_message": "m" })
    }

    #[test]
    fn what_is_named_is_what_is_sent_and_what_is_seen() {
        let config = row(everything()).config();
        assert_eq!(config.speaking_rate, Some("1.1".parse().unwrap()));
        assert_eq!(settings(&config), everything());
        assert_eq!(settings(&NumberConfig::default()), json!({}));
        let cleared = NumberConfig {
            prompt: Some(String::new()),
            voicemail_message: Some(String::new()),
            voicemail: Some(false),
            speaking_rate: Some("1".parse().unwrap()),
            ..NumberConfig::default()
        };
        let sent = json!({ "custom_prompt": null, "voicemail_message": null, "voicemail_leave_enabled": false, "speaking_rate": 1 });
        assert_eq!(settings(&cleared), sent);
    }

    #[test]
    fn unset_is_not_absent() {
        let mut all = everything();
        all.as_object_mut().unwrap().values_mut().for_each(|value| *value = Value::Null);
        let unset = row(all.clone());
        assert!(unset.is_whole() && unset.config().is_empty());
        for name in all.as_object().unwrap().keys() {
            let mut short = all.clone();
            short.as_object_mut().unwrap().remove(name);
            assert!(!row(short).is_whole(), "{name}");
        }
        let odd = row(json!({ "custom_prompt": [[1]], "speaking_rate": "fast", "dtmf_enabled": {}, "voice_id": "" }));
        assert!(odd.config().is_empty());
    }

    #[test]
    fn a_prompt_is_read_whole_however_long_it_may_be() {
        let long = "ü".repeat(20_000);
        assert_eq!(row(json!({ "sms_prompt": long })).config().sms_prompt, Some(long));
    }

    #[test]
    fn a_number_is_bound_to_its_agent_or_to_none() {
        let voice = |row: WireNumber| row.owned().unwrap().route.remove(&Channel::Voice).unwrap();
        assert_eq!(voice(row(json!({}))).bound_id(HOSTED_AGENT), Some("agent_1"));
        for orphan in [json!(null), json!(""), json!(7)] {
            assert!(voice(row(json!({ "agent_id": orphan }))).is_empty());
        }
        assert!(row(json!({ "phone_number": "55512" })).owned().is_none());
        let nameless = json!({ "agent_id": "agent_1" });
        assert!(serde_json::from_str::<WireNumber>(&nameless.to_string()).is_err());
    }

    #[test]
    fn an_answer_is_read_with_its_envelope_and_without() {
        let row = json!({ "phone_number": "+14155550001", "agent_id": "agent_1" });
        for answer in [row.clone(), json!({ "phone_number": row })] {
            let Written(row) = serde_json::from_str(&answer.to_string()).unwrap();
            assert_eq!((&*row.phone_number, row.agent_id.as_deref()), ("+14155550001", Some("agent_1")));
            assert!(!row.is_whole() && !row.shows_prompt());
        }
        for (answer, active) in [
            (json!({ "agent_id": "agent_1", "is_active": true }), true),
            (json!({ "agent": { "agent_id": "agent_1" } }), true),
            (json!({ "agent_id": "agent_1", "is_active": false, "name": "x" }), false),
        ] {
            let agent: Agent = serde_json::from_str(&answer.to_string()).unwrap();
            assert_eq!((&*agent.id, agent.active), ("agent_1", active));
        }
        for other in ["{}", "[]", "null", r#"{"phone_number": {}}"#, r#"{"error": {"code": "x"}}"#] {
            assert!(serde_json::from_str::<Written>(other).is_err(), "{other}");
            assert!(serde_json::from_str::<Deleted>(other).is_err(), "{other}");
            assert!(serde_json::from_str::<Agent>(other).is_err(), "{other}");
        }
    }

    #[test]
    fn of_a_route_only_the_agent_is_kept() {
        let url = Destination { url: Some("https://a.example/".into()), ..Destination::default() };
        let agent = Destination::bound(HOSTED_AGENT, Some("agent_1".into()));
        let wanted: Route = [
            (Channel::Voice, Destination { bound_to: agent.bound_to.clone(), ..url.clone() }),
            (Channel::Sms, url.clone()),
            (Channel::Status, url.clone()),
        ]
        .into();
        assert_eq!(canonical(wanted), [(Channel::Voice, agent)].into());
        for nowhere in [url, Destination::bound("connectionId", Some("1".into())), Destination::default()] {
            assert_eq!(
                canonical([(Channel::Voice, nowhere)].into()),
                [(Channel::Voice, Destination::default())].into()
            );
        }
        assert!(canonical(Route::new()).is_empty());
    }
}
