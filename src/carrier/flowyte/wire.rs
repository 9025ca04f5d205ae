//! How Flowyte writes what it has (sections 1.1 and 2.2). No I/O.
//!
//! Only ids and numbers have to be there: which other fields always are is not documented, and v1 grows (trap 28).

use serde::{Deserialize, Deserializer, de::Error};

use super::listing::Keyed;
use crate::{
    api::number::{Channel, Destination, E164, HOSTED_AGENT, Route},
    carrier::{Calling, CarrierError, ErrorClass, HostedVersion, Messaging, NumberId, OwnedNumber, lenient::Scalar},
};

/// The envelope of one thing.
#[derive(Debug, Deserialize)]
pub(super) struct Data<T> {
    #[serde(default, rename = "success", deserialize_with = "success")]
    _success: (),
    pub data: T,
}

/// The answer to a write, with what it is about if that is shown: in the envelope, an empty one, or none (204). Anything else may be
/// JSON of something on the way.
#[derive(Debug)]
pub(super) struct Shown<T>(pub Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shown<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(bound(deserialize = "T: Deserialize<'de>"))]
        struct Envelope<T> {
            #[serde(default, rename = "success", deserialize_with = "success")]
            _success: (),
            // Which has to be there, be it null.
            #[serde(deserialize_with = "Option::deserialize")]
            data: Option<T>,
        }

        let answer = Option::<Envelope<T>>::deserialize(from)?;
        Ok(Self(answer.and_then(|answer| answer.data)))
    }
}

/// A number of the organization's. It bears no features, no name and no tags (trap 12), and its status is not documented: what is
/// listed is owned.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireNumber {
    #[serde(deserialize_with = "name")]
    pub id: String,
    #[serde(default, deserialize_with = "text")]
    pub e164: Option<String>,
    /// The agent that answers it: null or absent where none does.
    #[serde(default, deserialize_with = "text")]
    pub default_agent_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub organization_id: Option<String>,
}

impl Keyed for WireNumber {
    fn key(&self) -> &str {
        &self.id
    }
}

impl WireNumber {
    pub fn number(&self) -> Option<E164> {
        self.e164.as_deref().and_then(e164)
    }

    /// The number that this row shows; nothing for what is no telephone number.
    pub fn owned(self) -> Option<OwnedNumber> {
        let Some(number) = self.number() else {
            tracing::debug!(id = self.id, "skipped a row whose number is not in E.164 form");
            return None;
        };
        let voice = Destination::bound(HOSTED_AGENT, self.default_agent_id);
        Some(OwnedNumber {
            id: NumberId(self.id),
            number,
            route: [(Channel::Voice, voice)].into(),
            features: Vec::new(),
            // Whether anybody receives them cannot be seen (section 4).
            messaging: Messaging::Unseen,
            calling: Calling::Unseen,
            marker: None,
            config: None,
        })
    }
}

/// An agent, as far as it matters to a number that it answers. Its draft is not read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agent {
    #[serde(deserialize_with = "name")]
    pub id: String,
    #[serde(default, deserialize_with = "text")]
    pub organization_id: Option<String>,
    /// The version that answers; null or absent where none was ever published.
    #[serde(default, deserialize_with = "text")]
    pub published_version_id: Option<String>,
    #[serde(default)]
    is_active: Scalar,
}

impl Keyed for Agent {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Agent {
    /// Whether it answers: what is not said to be off is on (trap 18).
    pub fn is_active(&self) -> bool {
        self.is_active != Scalar::Truth(false)
    }
}

/// A version of an agent. Its `version` is another number than the agent's own (trap 22): which one is later.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    #[serde(deserialize_with = "name")]
    pub id: String,
    #[serde(default, deserialize_with = "text")]
    agent_id: Option<String>,
    #[serde(default)]
    version: Scalar,
    #[serde(default, deserialize_with = "text")]
    note: Option<String>,
    #[serde(default, deserialize_with = "text")]
    published_at: Option<String>,
}

impl Keyed for Version {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Version {
    /// Whether it is a version of this agent, and not the agent itself.
    pub fn is_of(&self, agent: &str) -> bool {
        self.id != agent && self.agent_id.as_deref().is_none_or(|of| of == agent)
    }

    pub fn shown(self) -> HostedVersion {
        HostedVersion { id: self.id, note: self.note }
    }

    fn number(&self) -> Option<u64> {
        self.version.written()?.parse().ok()
    }

    fn at(&self) -> Option<jiff::Timestamp> {
        self.published_at.as_deref()?.parse().ok()
    }
}

/// The versions, the latest first: in what order they are listed is not documented.
pub(super) fn latest_first(mut versions: Vec<Version>) -> Vec<HostedVersion> {
    versions.sort_by_key(|version| std::cmp::Reverse((version.number(), version.at())));
    versions.into_iter().map(Version::shown).collect()
}

/// What a route asks for: an agent that answers, or none.
///
/// # Errors
/// If it asks for something else, or for nothing.
pub(super) fn agent_of(route: &Route) -> Result<Option<&str>, CarrierError> {
    let mut wanted = Err(CarrierError::new(
        ErrorClass::Rejected,
        "the route has no channel that can be set; this is a bug in Dialplane",
    ));
    for (channel, destination) in route {
        let agent = destination.bound_id(HOSTED_AGENT).filter(|id| !id.is_empty());
        let is_plain = *destination == Destination::bound(HOSTED_AGENT, agent.map(str::to_owned));
        match channel {
            Channel::Voice if is_plain => wanted = Ok(agent),
            // There is no such setting, so it is as it should be.
            _ if destination.is_empty() => {}
            _ => {
                let text = "Flowyte numbers take calls only, by an agent hosted at Flowyte; name one in the Agent's hosted instead of \
                            webhooks";
                return Err(CarrierError::new(ErrorClass::Rejected, text));
            }
        }
    }
    wanted
}

/// A route as it will show: who answers calls, and nothing else.
pub(super) fn canonical(route: Route) -> Route {
    let voice = route.into_iter().filter(|(channel, _)| *channel == Channel::Voice);
    let bound = |destination: Destination| {
        let id = destination.bound_id(HOSTED_AGENT).filter(|id| !id.is_empty()).map(str::to_owned);
        Destination::bound(HOSTED_AGENT, id)
    };
    voice.map(|(channel, destination)| (channel, bound(destination))).collect()
}

/// A number in any of the ways in which people write one with its country code (trap 32).
pub(super) fn e164(text: &str) -> Option<E164> {
    let digits: String = text.chars().filter(|c| !" -.()".contains(*c)).collect();
    format!("+{}", digits.strip_prefix('+').unwrap_or(&digits)).parse().ok()
}

/// A text: unset is null, empty or absent; an id may be a number.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Scalar::deserialize(from)? {
        Scalar::Text(text) | Scalar::Number(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    })
}

/// The id of something: without one it is nothing.
pub(super) fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from)?.ok_or_else(|| D::Error::custom("it has no id"))
}

/// An answer may say with a good status that it is none (trap 28).
fn success<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    match Scalar::deserialize(from)? {
        Scalar::Truth(false) => Err(D::Error::custom("no success")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn row(fields: Value) -> WireNumber {
        let mut row = json!({ "id": "n1", "organizationId": "org1", "e164": "+14155550100", "provider": "carrier-1" });
        row.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn a_row_is_a_number_that_an_agent_answers_or_nobody() {
        for unset in
            [json!({}), json!({ "defaultAgentId": null, "status": "available" }), json!({ "defaultAgentId": "" })]
        {
            let owned = row(unset).owned().unwrap();
            assert_eq!(owned.route, [(Channel::Voice, Destination::default())].into());
            assert_eq!((owned.messaging, owned.marker, owned.features.len()), (Messaging::Unseen, None, 0));
        }
        let owned =
            row(json!({ "id": 7, "defaultAgentId": "a1", "status": "of-the-future", "features": ["sms"] })).owned();
        let owned = owned.unwrap();
        assert_eq!((owned.id.0.as_str(), owned.features.len()), ("7", 0), "what is not documented is not believed");
        assert_eq!(owned.route[&Channel::Voice], Destination::bound(HOSTED_AGENT, Some("a1".into())));
        assert!(row(json!({ "e164": "55512" })).owned().is_none(), "a short code");
        assert!(serde_json::from_value::<WireNumber>(json!({ "e164": "+14155550100" })).is_err(), "it has no id");
        assert_eq!(row(json!({ "e164": "1 (415) 555-0100" })).number(), "+14155550100".parse().ok());
    }

    #[test]
    fn an_answer_that_says_that_it_is_none_is_none() {
        let read = |text: &str| serde_json::from_str::<Data<WireNumber>>(text).is_ok();
        assert!(read(r#"{"data": {"id": "1"}}"#) && read(r#"{"success": true, "data": {"id": "1"}}"#));
        assert!(!read(r#"{"success": false, "data": {"id": "1"}}"#) && !read(r#"{"success": true}"#));
        let shown = |text: &str| serde_json::from_str::<Shown<WireNumber>>(text).ok().map(|Shown(row)| row.is_some());
        assert_eq!(shown(r#"{"success": true, "data": {"id": "1"}}"#), Some(true));
        assert_eq!([r#"{"success": true, "data": null}"#, "null"].map(shown), [Some(false); 2]);
        assert_eq!([r#"{"ok": true}"#, "{}", "[]", r#"{"success": false, "data": null}"#].map(shown), [None; 4]);
    }

    #[test]
    fn a_route_names_a_hosted_agent_or_nobody() {
        let url = Destination { url: Some("https://a.example/".into()), ..Destination::default() };
        let agent = Destination::bound(HOSTED_AGENT, Some("a1".into()));
        let of = |legs: &[(Channel, &Destination)]| -> Result<Option<String>, ErrorClass> {
            let route = legs.iter().map(|(channel, destination)| (*channel, (*destination).clone())).collect();
            agent_of(&route).map(|agent| agent.map(str::to_owned)).map_err(|error| error.class)
        };
        let nowhere = Destination::default();
        assert_eq!(of(&[(Channel::Voice, &agent), (Channel::Sms, &nowhere)]), Ok(Some("a1".into())));
        assert_eq!(of(&[(Channel::Voice, &nowhere)]), Ok(None));
        let both = Destination { url: url.url.clone(), ..agent.clone() };
        let other = Destination::bound("connectionId", Some("1".into()));
        for refused in [
            vec![],
            vec![(Channel::Sms, &nowhere)],
            vec![(Channel::Voice, &url)],
            vec![(Channel::Voice, &both)],
            vec![(Channel::Voice, &other)],
            vec![(Channel::Voice, &agent), (Channel::Sms, &agent)],
            vec![(Channel::Voice, &agent), (Channel::Status, &url)],
        ] {
            assert_eq!(of(&refused), Err(ErrorClass::Rejected), "{refused:?}");
        }
        let shown = canonical([(Channel::Voice, both), (Channel::Sms, url.clone())].into());
        assert_eq!(shown, [(Channel::Voice, agent)].into());
        assert_eq!(canonical([(Channel::Voice, url)].into()), [(Channel::Voice, nowhere)].into());
    }

    #[test]
    fn versions_are_told_the_latest_first_in_whatever_order_they_come() {
        let read = |versions: Value| -> Vec<String> {
            let versions = serde_json::from_value(versions).unwrap();
            latest_first(versions).into_iter().map(|version| version.id).collect()
        };
        assert_eq!(
            read(json!([{ "id": "a", "version": 9 }, { "id": "b", "version": 10 }, { "id": "c", "version": 1 }])),
            ["b", "a", "c"]
        );
        let at = |hour: u8| format!("2026-11-30T{hour:02}:00:00Z");
        let dated = json!([{ "id": "a", "publishedAt": at(1) }, { "id": "b", "publishedAt": at(3) }, { "id": "c", "publishedAt": at(2) }]);
        assert_eq!(read(dated), ["b", "c", "a"]);
        assert_eq!(read(json!([{ "id": "a" }, { "id": "b" }])), ["a", "b"]);
    }
}
