//! How Twilio writes accounts, numbers, Messaging Services and routes. No I/O.
//!
//! Fields that are not needed are not read; `auth_token` of an account in particular is never decoded.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    listing::{Keyed, Page, Place},
    memberships::Memberships,
};
use crate::{
    api::{
        number::{BoundTo, Channel, Destination, E164, Method, Route},
        offer::Feature,
        purchase::Marker,
    },
    carrier::{Calling, NumberId, OwnedNumber, lenient, lenient::Scalar, written},
};

/// As many capabilities of a number as are looked at.
const MOST_CAPABILITIES: usize = 32;

/// The kinds of what a number is bound to instead of its URLs, as [`BoundTo`] names them.
pub(super) const TRUNK: &str = "trunkSid";
pub(super) const VOICE_APPLICATION: &str = "voiceApplicationSid";
pub(super) const SMS_APPLICATION: &str = "smsApplicationSid";

#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub sid: String,
    pub status: Option<String>,
    /// The parent; an account without one names itself.
    pub owner_account_sid: Option<String>,
}

/// An `IncomingPhoneNumber`. Unset values come as null, empty or not at all (section 1.3).
#[derive(Debug, Deserialize)]
pub(super) struct WireNumber {
    pub sid: String,
    pub account_sid: String,
    pub phone_number: String,
    friendly_name: Option<String>,
    #[serde(default, deserialize_with = "capabilities")]
    capabilities: Vec<Feature>,
    voice_url: Option<String>,
    voice_method: Option<String>,
    voice_fallback_url: Option<String>,
    voice_fallback_method: Option<String>,
    voice_application_sid: Option<String>,
    trunk_sid: Option<String>,
    sms_url: Option<String>,
    sms_method: Option<String>,
    sms_fallback_url: Option<String>,
    sms_fallback_method: Option<String>,
    sms_application_sid: Option<String>,
    status_callback: Option<String>,
    status_callback_method: Option<String>,
}

impl WireNumber {
    /// The number that this row shows; nothing for what is no telephone number, such as a short code.
    pub fn owned(self, memberships: &Memberships) -> Option<OwnedNumber> {
        let Ok(number) = self.phone_number.parse::<E164>() else {
            tracing::debug!(id = self.sid, "skipped a row whose number is not in E.164 form");
            return None;
        };
        // A trunk wins over an application, and setting it removes the application (section 1.3).
        let bound =
            |kind, sid: Option<String>| sid.filter(|sid| !sid.is_empty()).map(|sid| Box::new(BoundTo::new(kind, sid)));
        let voice = Destination {
            url: self.voice_url,
            method: method(self.voice_method),
            fallback_url: self.voice_fallback_url,
            fallback_method: method(self.voice_fallback_method),
            bound_to: bound(TRUNK, self.trunk_sid).or(bound(VOICE_APPLICATION, self.voice_application_sid)),
        };
        let sms = Destination {
            url: self.sms_url,
            method: method(self.sms_method),
            fallback_url: self.sms_fallback_url,
            fallback_method: method(self.sms_fallback_method),
            bound_to: bound(SMS_APPLICATION, self.sms_application_sid),
        };
        let status = Destination {
            url: self.status_callback,
            method: method(self.status_callback_method),
            ..Destination::default()
        };
        let messaging = memberships.of(&self.sid);
        Some(OwnedNumber {
            id: NumberId(self.sid),
            number,
            route: canonical([(Channel::Voice, voice), (Channel::Sms, sms), (Channel::Status, status)].into()),
            features: self.capabilities,
            messaging,
            calling: Calling::Unseen,
            config: None,
            marker: self.friendly_name.as_deref().and_then(Marker::read),
        })
    }
}

impl Keyed for WireNumber {
    fn key(&self) -> &str {
        &self.sid
    }
}

/// Twilio's only other method is GET.
fn method(text: Option<String>) -> Method {
    match text {
        Some(text) if text.trim().eq_ignore_ascii_case("GET") => Method::Get,
        _ => Method::Post,
    }
}

/// The name of a region, if it can be one.
pub(super) fn region(text: &str) -> Option<String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (plain && (1..=16).contains(&text.len())).then(|| text.to_ascii_lowercase())
}

/// What is shown of capabilities, in whatever case.
#[derive(Debug, Default)]
pub(super) struct Switches(pub Vec<(String, bool)>);

impl<'de> Deserialize<'de> for Switches {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Switches;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Switches, A::Error> {
                let mut shown = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    let value: Scalar = map.next_value()?;
                    // There are six, and what else may come is not read.
                    if let Scalar::Truth(on) = value
                        && shown.len() < MOST_CAPABILITIES
                    {
                        shown.push((key, on));
                    }
                }
                Ok(Switches(shown))
            }
        }

        from.deserialize_map(Read)
    }
}

/// The capabilities that are there. Keys have come in lower and in upper case (section 1.5),
/// and examples of the newer APIs show a list.
fn capabilities<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Feature>, D::Error> {
    // What is no object shows none.
    let Switches(shown) = serde_json::from_str(Box::<RawValue>::deserialize(from)?.get()).unwrap_or_default();
    let has = |name: &str| shown.iter().any(|(key, on)| key.eq_ignore_ascii_case(name) && *on);
    Ok([Feature::Voice, Feature::Sms, Feature::Mms, Feature::Fax]
        .into_iter()
        .filter(|feature| has(feature.as_str()))
        .collect())
}

#[derive(Debug, Deserialize)]
pub(super) struct NumberPage {
    #[serde(rename = "incoming_phone_numbers", deserialize_with = "lenient::rows")]
    pub rows: Vec<WireNumber>,
    page: Option<i64>,
    page_size: Option<i64>,
    start: Option<i64>,
    end: Option<i64>,
    next_page_uri: Option<String>,
}

impl Page for NumberPage {
    type WireNumber = WireNumber;

    fn place(&self) -> Place<'_> {
        Place {
            rows: self.rows.len(),
            page: self.page,
            page_size: self.page_size,
            span: self.start.zip(self.end),
            next: self.next_page_uri.as_deref(),
        }
    }

    fn into_rows(self) -> Vec<WireNumber> {
        self.rows
    }
}

/// A Messaging Service.
#[derive(Debug, Deserialize)]
pub(super) struct Service {
    pub sid: String,
    pub account_sid: String,
    /// Whether messages go to the number's own webhook all the same.
    #[serde(default)]
    pub use_inbound_webhook_on_number: bool,
}

impl Keyed for Service {
    fn key(&self) -> &str {
        &self.sid
    }
}

/// A number in a Messaging Service, under the SID that it has everywhere.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    pub sid: String,
}

impl Keyed for Member {
    fn key(&self) -> &str {
        &self.sid
    }
}

/// Where a page of the newer APIs stands.
#[derive(Debug, Deserialize)]
struct Meta {
    page: Option<i64>,
    page_size: Option<i64>,
    next_page_url: Option<String>,
}

impl Meta {
    fn place(&self, rows: usize) -> Place<'_> {
        let Self { page, page_size, next_page_url } = self;
        Place { rows, page: *page, page_size: *page_size, span: None, next: next_page_url.as_deref() }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ServicePage {
    #[serde(deserialize_with = "lenient::rows")]
    services: Vec<Service>,
    meta: Meta,
}

impl Page for ServicePage {
    type WireNumber = Service;

    fn place(&self) -> Place<'_> {
        self.meta.place(self.services.len())
    }

    fn into_rows(self) -> Vec<Service> {
        self.services
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct MemberPage {
    #[serde(deserialize_with = "lenient::rows")]
    phone_numbers: Vec<Member>,
    meta: Meta,
}

impl Page for MemberPage {
    type WireNumber = Member;

    fn place(&self) -> Place<'_> {
        self.meta.place(self.phone_numbers.len())
    }

    fn into_rows(self) -> Vec<Member> {
        self.phone_numbers
    }
}

/// The form that sets a canonical route: every field of every channel that it names, because an update leaves alone
/// what is not sent (section 1.3), and the empty string for what is to be unset.
///
/// A fallback goes with its primary, which it cannot outlive (21405, 21406). What would win over the URLs is cleared with
/// them.
pub(super) fn form(route: &Route) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    for (channel, destination) in route {
        let text = |url: &Option<String>| url.clone().unwrap_or_default();
        let bound = |kind: &str| destination.bound_id(kind).unwrap_or_default().to_owned();
        let (method, fallback_method) =
            (destination.method.as_str().to_owned(), destination.fallback_method.as_str().to_owned());
        match channel {
            Channel::Voice => fields.extend([
                ("VoiceUrl", text(&destination.url)),
                ("VoiceMethod", method),
                ("VoiceFallbackUrl", text(&destination.fallback_url)),
                ("VoiceFallbackMethod", fallback_method),
                ("VoiceApplicationSid", bound(VOICE_APPLICATION)),
                ("TrunkSid", bound(TRUNK)),
            ]),
            Channel::Sms => fields.extend([
                ("SmsUrl", text(&destination.url)),
                ("SmsMethod", method),
                ("SmsFallbackUrl", text(&destination.fallback_url)),
                ("SmsFallbackMethod", fallback_method),
                ("SmsApplicationSid", bound(SMS_APPLICATION)),
            ]),
            Channel::Status => {
                fields.extend([("StatusCallback", text(&destination.url)), ("StatusCallbackMethod", method)]);
            }
        }
    }
    fields
}

/// A route as it is compared, whether seen or wanted: what Twilio cannot hold or may write in two ways is written in
/// one.
pub(super) fn canonical(route: Route) -> Route {
    route.into_iter().map(|(channel, destination)| (channel, canonical_destination(channel, destination))).collect()
}

fn canonical_destination(channel: Channel, destination: Destination) -> Destination {
    let Destination { url, method, fallback_url, fallback_method, bound_to } = destination;
    let binds: &[&str] = match channel {
        Channel::Voice => &[TRUNK, VOICE_APPLICATION],
        Channel::Sms => &[SMS_APPLICATION],
        Channel::Status => &[],
    };
    let bound_to = bound_to.filter(|bound| binds.contains(&&*bound.kind) && !bound.id.is_empty());
    let url = url.and_then(written::url);
    // Twilio refuses a fallback without a primary, and has none at all for status callbacks.
    let has_fallback = url.is_some() && channel != Channel::Status;
    let fallback_url = fallback_url.filter(|_| has_fallback).and_then(written::url);
    Destination {
        method: if url.is_some() { method } else { Method::default() },
        fallback_method: if fallback_url.is_some() { fallback_method } else { Method::default() },
        url,
        fallback_url,
        bound_to,
    }
}
