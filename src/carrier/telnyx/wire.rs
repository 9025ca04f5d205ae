//! How Telnyx writes numbers, and how a number's route is bound to what it shares with others. No I/O.
//!
//! Fields that are not needed are not read; `external_pin` of a number, a secret, in particular is never decoded.

use super::listing::Keyed;
use crate::{
    api::{
        number::{Channel, Destination, E164, Method, Route},
        offer::Feature,
        purchase::Marker,
    },
    carrier::{
        Calling, CarrierError, ErrorClass, Messaging, NumberId, OwnedNumber,
        lenient::{Rows, Scalar},
        written,
    },
};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The kinds of what a number is bound to, as [`BoundTo`] names them.
pub(super) const CONNECTION: &str = "connectionId";
pub(super) const PROFILE: &str = "messagingProfileId";
/// What a messaging profile's webhook is told in, where that is not the version that agents are told to expect.
pub(super) const VERSION: &str = "webhookApiVersion";

/// What stands in the place of a messaging profile while the service that knows it does not answer (section 6.1).
const UNAVAILABLE: &str = "UNAVAILABLE";

/// The envelope of one thing.
#[derive(Debug, Deserialize)]
pub(super) struct Data<T> {
    pub data: T,
}

/// A number, as its list and its own page show it. Unset values come as null, empty or not at all.
#[derive(Debug, Deserialize)]
pub(super) struct WireNumber {
    #[serde(deserialize_with = "name")]
    pub id: String,
    #[serde(default, deserialize_with = "text")]
    pub phone_number: Option<String>,
    #[serde(default, deserialize_with = "text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub connection_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub messaging_profile_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub customer_reference: Option<String>,
    /// Whether calls may be forwarded; they are where a target is set too (section 6.4).
    #[serde(default)]
    call_forwarding_enabled: Scalar,
    #[serde(default, deserialize_with = "tags")]
    pub tags: Vec<String>,
    #[serde(default, deserialize_with = "features")]
    features: Vec<Feature>,
}

impl Keyed for WireNumber {
    fn key(&self) -> &str {
        &self.id
    }
}

impl WireNumber {
    /// Whether the number is the account's: it works here, be it not for everything or not for long. The words that say
    /// otherwise are documented; one that nobody knows yet does not make a number that is listed look lost.
    pub fn is_owned(&self) -> bool {
        let not_yet = ["purchase-pending", "purchase-failed", "port-pending", "port-failed", "provision-pending"];
        let gone = ["deleted", "ported-out"];
        let status = self.status.as_deref().unwrap_or("active").to_ascii_lowercase().replace('_', "-");
        let other = not_yet.iter().chain(&gone).any(|word| *word == status);
        !other && !status.starts_with("requirement-info")
    }

    /// The number that this row shows; nothing for what is not the account's or no telephone number, such as a short code.
    ///
    /// # Errors
    /// If it is not known which messaging profile it has: to take it for none would look as if somebody had taken it away.
    pub fn owned(self) -> Result<Option<OwnedNumber>, CarrierError> {
        if !self.is_owned() {
            return Ok(None);
        }
        let Some(number) = self.phone_number.as_deref().and_then(|text| text.parse::<E164>().ok()) else {
            tracing::debug!(id = self.id, "skipped a row whose number is not in E.164 form");
            return Ok(None);
        };
        if self.messaging_profile_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(UNAVAILABLE)) {
            let text = "Telnyx cannot report the messaging profiles of its numbers now; the operator retries";
            return Err(CarrierError::new(ErrorClass::Transient, text));
        }
        let marker = self.marker();
        let mut features = self.features;
        features.sort_unstable();
        features.dedup();
        let route = [
            (Channel::Voice, Destination::bound(CONNECTION, self.connection_id)),
            (Channel::Sms, Destination::bound(PROFILE, self.messaging_profile_id)),
        ];
        Ok(Some(OwnedNumber {
            id: NumberId(self.id),
            number,
            route: route.into(),
            features,
            messaging: Messaging::Number,
            calling: match self.call_forwarding_enabled {
                Scalar::Truth(false) => Calling::Number,
                _ => Calling::Unseen,
            },
            marker,
            config: None,
        }))
    }

    /// The reference is the marker, which a purchase sets; a tag says it where somebody overwrote that.
    fn marker(&self) -> Option<Marker> {
        let reference = self.customer_reference.as_deref().and_then(Marker::read);
        reference.or_else(|| self.tags.iter().find_map(|tag| Marker::read(tag)))
    }
}

/// The tags that a number should have: everybody else's, and `marker` in the place of one that this installation wrote before.
pub(super) fn tagged(tags: &[String], marker: &Marker) -> Vec<String> {
    let installation = |text: &str| text.rsplit_once(':').map(|(installation, _)| installation.to_owned());
    let ours = |tag: &&String| Marker::read(tag).is_some() && installation(tag) == installation(marker.as_str());
    let others = tags.iter().filter(|tag| !ours(tag)).cloned();
    others.chain([marker.as_str().to_owned()]).collect()
}

/// What a number is to be bound to: a channel that is not named stays as it is, one without an id is unbound.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Bindings {
    pub connection: Option<Option<String>>,
    pub profile: Option<Option<String>>,
}

impl Bindings {
    /// What a route says.
    ///
    /// # Errors
    /// If it names a URL: those live on what numbers are bound to (section 7).
    pub fn of(route: &Route) -> Result<Self, CarrierError> {
        let mut bindings = Self::default();
        for (channel, destination) in route {
            let (slot, name) = match channel {
                Channel::Voice => (&mut bindings.connection, CONNECTION),
                Channel::Sms => (&mut bindings.profile, PROFILE),
                // A number has no such setting of its own.
                Channel::Status if destination.is_empty() => continue,
                Channel::Status => return Err(unbindable()),
            };
            let id = destination.bound_id(name).filter(|id| !id.is_empty()).map(str::to_owned);
            if *destination != Destination::bound(name, id.clone()) {
                return Err(unbindable());
            }
            *slot = Some(id);
        }
        Ok(bindings)
    }
}

fn unbindable() -> CarrierError {
    let text = "a number at Telnyx has no webhooks of its own: it is bound to the application and the messaging profile of its \
                agent; the operator creates those first";
    CarrierError::new(ErrorClass::Rejected, text)
}

/// A route as it is compared, whether seen or wanted.
///
/// A destination that is bound to something has nothing else: whatever URLs stand beside are not the number's. Any other destination is one of
/// a shared route, and what an application or profile cannot hold is written as it will show: one method for a voice URL and its
/// fallback, always POST for messages, no fallback for status callbacks, and those only beside a voice URL.
pub(super) fn canonical(route: Route) -> Route {
    let calls = route
        .get(&Channel::Voice)
        .is_some_and(|destination| destination.url.as_deref().is_some_and(|url| !url.trim().is_empty()));
    let one = |(channel, destination): (Channel, Destination)| {
        let destination = if channel == Channel::Status && !calls {
            Destination::default()
        } else {
            canonical_destination(channel, destination)
        };
        (channel, destination)
    };
    route.into_iter().map(one).collect()
}

fn canonical_destination(channel: Channel, destination: Destination) -> Destination {
    let Destination { url, method, fallback_url, bound_to, .. } = destination;
    let (binds, keeps) = match channel {
        Channel::Voice => (CONNECTION, ""),
        Channel::Sms => (PROFILE, VERSION),
        Channel::Status => ("", ""),
    };
    let bound_to = bound_to.filter(|bound| [binds, keeps].contains(&&*bound.kind) && !bound.id.is_empty());
    if bound_to.as_ref().is_some_and(|bound| bound.kind == binds) {
        return Destination { bound_to, ..Destination::default() };
    }
    let Some(url) = url.and_then(written::url) else { return Destination::default() };
    let method = if channel == Channel::Sms { Method::Post } else { method };
    let fallback_url = fallback_url.filter(|_| channel != Channel::Status).and_then(written::url);
    let fallback_method = if fallback_url.is_some() { method } else { Method::default() };
    Destination { url: Some(url), method, fallback_url, fallback_method, bound_to }
}

/// An id or another text: unset is null, empty or absent, and an id may be written as a number. Those are larger than what a
/// floating-point number holds (section 1), so they never become one.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Scalar::deserialize(from)? {
        Scalar::Text(text) if !text.trim().is_empty() => Some(text),
        Scalar::Number(number) if number.bytes().all(|b| b.is_ascii_digit() || b == b'-') => Some(number),
        _ => None,
    })
}

/// The id of something: without one it is nothing.
pub(super) fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from)?.ok_or_else(|| serde::de::Error::custom("it has no id"))
}

fn tags<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(from)?.unwrap_or_default())
}

/// What a number can do: a list of names, or of objects that have one.
pub(super) fn features<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Feature>, D::Error> {
    let named = |item: Box<RawValue>| {
        let plain = || serde_json::from_str::<String>(item.get()).ok();
        let name = serde_json::from_str::<Named>(item.get()).map_or_else(|_| plain(), |named| Some(named.name))?;
        Feature::ALL.into_iter().find(|feature| feature.as_str().eq_ignore_ascii_case(&name))
    };
    // What is no list names nothing.
    let Rows(items) = serde_json::from_str(Box::<RawValue>::deserialize(from)?.get()).unwrap_or_default();
    Ok(items.into_iter().filter_map(named).collect())
}

/// Something that has a name.
#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn row(fields: Value) -> WireNumber {
        let mut row = json!({ "id": "1293384261075731499", "phone_number": "+14155550001", "external_pin": "s3cret" });
        row.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn a_row_is_read_however_it_writes_what_is_not_set() {
        for unset in [json!({}), json!({ "connection_id": null, "messaging_profile_id": "", "tags": null })] {
            let owned = row(unset).owned().unwrap().unwrap();
            assert_eq!(
                owned.route,
                [(Channel::Voice, Destination::default()), (Channel::Sms, Destination::default())].into()
            );
            assert_eq!((owned.marker, owned.features.len(), owned.messaging), (None, 0, Messaging::Number));
        }
        let set = row(json!({ "id": 1293384261075731499_i64, "connection_id": 1293384261075731500_i64,
            "messaging_profile_id": "3fa8", "features": [{ "name": "sms" }, { "name": "voice" }, { "name": "sms" }, { "name": "hd_voice" }] }));
        let owned = set.owned().unwrap().unwrap();
        assert_eq!(owned.id.0, "1293384261075731499");
        assert_eq!(owned.route[&Channel::Voice], Destination::bound(CONNECTION, Some("1293384261075731500".into())));
        assert_eq!(owned.route[&Channel::Sms], Destination::bound(PROFILE, Some("3fa8".into())));
        assert_eq!(owned.features, [Feature::Voice, Feature::Sms]);
        assert!(!format!("{:?}", row(json!({}))).contains("s3cret"));
        assert!(row(json!({ "phone_number": "55512" })).owned().unwrap().is_none(), "a short code");
        assert!(row(json!({ "messaging_profile_id": "UNAVAILABLE" })).owned().is_err(), "unseen is not unset");
        assert!(
            serde_json::from_value::<WireNumber>(json!({ "phone_number": "+14155550001" })).is_err(),
            "it has no id"
        );
    }

    #[test]
    fn a_number_is_owned_unless_its_status_says_otherwise() {
        for (status, owned) in [
            ("active", true),
            ("emergency-only", true),
            ("port-out-pending", true),
            ("a-word-of-the-future", true),
            ("", true),
            ("purchase-pending", false),
            ("purchase_failed", false),
            ("provision-pending", false),
            ("requirement-info-under-review", false),
            ("port-pending", false),
            ("ported-out", false),
            ("deleted", false),
        ] {
            assert_eq!(row(json!({ "status": status })).is_owned(), owned, "{status}");
        }
    }

    #[test]
    fn the_marker_is_the_reference_or_else_a_tag() {
        let marker = |fields| row(fields).owned().unwrap().unwrap().marker.map(|marker| marker.as_str().to_owned());
        assert_eq!(marker(json!({ "customer_reference": "dp1:a:b", "tags": ["dp1:a:c"] })).as_deref(), Some("dp1:a:b"));
        assert_eq!(
            marker(json!({ "customer_reference": "Order 7", "tags": ["x", "dp1:a:c"] })).as_deref(),
            Some("dp1:a:c")
        );
        assert_eq!(marker(json!({ "customer_reference": "Order 7", "tags": ["x"] })), None);
        let tags = ["theirs", "dp1:prod:old", "dp1:other:one"].map(str::to_owned);
        let marker = Marker::read("dp1:prod:new").unwrap();
        assert_eq!(tagged(&tags, &marker), ["theirs", "dp1:other:one", "dp1:prod:new"]);
    }

    #[test]
    fn a_route_binds_and_holds_no_urls() {
        let of = |route: Vec<(Channel, Destination)>| Bindings::of(&route.into_iter().collect());
        let url = Destination { url: Some("https://a.example/".into()), ..Destination::default() };
        let both = of(vec![
            (Channel::Voice, Destination::bound(CONNECTION, Some("1".into()))),
            (Channel::Sms, Destination::default()),
        ]);
        assert_eq!(both, Ok(Bindings { connection: Some(Some("1".into())), profile: Some(None) }));
        assert_eq!(of(vec![(Channel::Status, Destination::default())]), Ok(Bindings::default()));
        for refused in [
            (Channel::Voice, url.clone()),
            (Channel::Status, url.clone()),
            (Channel::Voice, Destination::bound(PROFILE, Some("1".into()))),
            (Channel::Sms, Destination { url: url.url.clone(), ..Destination::bound(PROFILE, Some("1".into())) }),
        ] {
            assert!(of(vec![refused]).is_err());
        }
    }

    #[test]
    fn a_leg_is_written_as_it_will_show() {
        let get = |url: &str, fallback: Option<&str>| Destination {
            url: Some(url.into()),
            method: Method::Get,
            fallback_url: fallback.map(str::to_owned),
            fallback_method: Method::Post,
            ..Destination::default()
        };
        let wanted: Route = [
            (Channel::Voice, get("https://A.example:443", Some("https://b.example/f"))),
            (Channel::Sms, get("https://a.example/s", Some(""))),
            (Channel::Status, get("https://a.example/c", Some("https://b.example/c"))),
        ]
        .into();
        let shown = canonical(wanted.clone());
        let voice = &shown[&Channel::Voice];
        assert_eq!((voice.url.as_deref(), voice.fallback_method), (Some("https://A.example:443"), Method::Get));
        assert_eq!((shown[&Channel::Sms].method, shown[&Channel::Sms].fallback_url.as_deref()), (Method::Post, None));
        assert_eq!((shown[&Channel::Status].method, &shown[&Channel::Status].fallback_url), (Method::Get, &None));
        assert_eq!(canonical(shown.clone()), shown);
        let alone = canonical(wanted.into_iter().filter(|(channel, _)| *channel == Channel::Status).collect());
        assert!(alone[&Channel::Status].is_empty(), "there is no application without a voice URL");
        let beside = Destination {
            bound_to: Destination::bound(CONNECTION, Some("1".into())).bound_to,
            ..get("https://a.example/", None)
        };
        let seen = canonical([(Channel::Voice, beside)].into());
        assert_eq!(seen[&Channel::Voice], Destination::bound(CONNECTION, Some("1".into())));
    }
}
