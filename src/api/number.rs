//! Telephone numbers and the routes they can have, as every carrier sees them. No I/O.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    hash::{Hash, Hasher},
    ops::{Deref, DerefMut},
    str::FromStr,
};

use litemap::LiteMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use tinystr::TinyAsciiStr;

/// A telephone number in [E.164](https://www.itu.int/rec/T-REC-E.164) form: `+`, then 7 to 15 digits, the first not 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct E164(TinyAsciiStr<16>);

/// A text that is not a number in E.164 form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a phone number in E.164 form: write + and 7 to 15 digits without spaces, as in +14155551234")]
pub struct NotE164(String);

impl E164 {
    /// The number as users write it: `+14155551234`.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The number without its `+`: the name of its claim, and what some carriers filter by.
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }

    /// The digits behind the country code. Which of the first digits are that follows from [ITU-T
    /// E.164](https://www.itu.int/rec/T-REC-E.164): zones 1 and 7 have one, some countries two, all others three.
    pub fn national(&self) -> &str {
        let two = [
            "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
            "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84",
            "86", "90", "91", "92", "93", "94", "95", "98",
        ];
        let digits = self.digits();
        match &digits[..2] {
            code if code.starts_with(['1', '7']) => &digits[1..],
            code if two.contains(&code) => &digits[2..],
            _ => &digits[3..],
        }
    }

    /// A number that nobody has, to try a template with.
    pub fn example() -> Self {
        Self(tinystr::tinystr!(16, "+15005550006"))
    }
}

impl JsonSchema for E164 {
    fn schema_name() -> Cow<'static, str> {
        "E164".into()
    }

    // A rule and not a pattern: a rule has a message that says what to write.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            // Longer than a number, so that the rule speaks and not "too long".
            "maxLength": 64,
            "x-kubernetes-validations": [{
                "rule": r"self.matches('^\\+[1-9][0-9]{6,14}$')",
                "message": "not a phone number in E.164 form: write + and 7 to 15 digits without spaces, as in +14155551234",
            }],
        })
    }
}

impl FromStr for E164 {
    type Err = NotE164;

    fn from_str(text: &str) -> Result<Self, NotE164> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let valid =
            (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        match TinyAsciiStr::try_from_str(text) {
            Ok(number) if valid => Ok(Self(number)),
            _ => Err(NotE164(text.chars().take(32).collect())),
        }
    }
}

impl TryFrom<String> for E164 {
    type Error = NotE164;

    fn try_from(text: String) -> Result<Self, NotE164> {
        text.parse()
    }
}

impl From<E164> for String {
    fn from(number: E164) -> Self {
        number.as_str().to_owned()
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a carrier can send somewhere: the three kinds of traffic of a number. Each is routed, owned and cleared by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Channel {
    /// Incoming calls.
    Voice,
    /// Incoming text messages.
    Sms,
    /// Call progress events.
    Status,
}

impl Channel {
    /// Every channel, in the order in which they are shown.
    pub const ALL: [Channel; 3] = [Channel::Voice, Channel::Sms, Channel::Status];
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Channel::Voice => "voice",
            Channel::Sms => "sms",
            Channel::Status => "status",
        })
    }
}

/// How a webhook is requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Post,
    Get,
}

impl Method {
    /// The method as HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Get => "GET",
        }
    }
}

/// Where one channel of a number goes.
// The default destination goes nowhere. Adapters hand out destinations in canonical form, so that two destinations are the same exactly when they
// are equal: a method without its URL is the default one, and unset, null and empty are all `None`. URLs stay as they were written, which is
// how they are sent and signed; only where they are compared does one spelling stand for all.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Destination {
    /// Absolute URL that the carrier requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How `url` is requested: `POST` by default.
    pub method: Method,
    /// Absolute URL that the carrier requests when `url` fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_url: Option<String>,
    /// How `fallbackUrl` is requested: `POST` by default.
    pub fallback_method: Method,
    /// What the number is bound to, which wins over the URLs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<Box<BoundTo>>,
}

/// Something at the carrier that answers for a number, and for others that are bound to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct BoundTo {
    /// The carrier's name for such a thing: a Twilio `trunkSid`, `voiceApplicationSid` or `smsApplicationSid`, a Telnyx `connectionId` or
    /// `messagingProfileId`, the `agentId` of an agent that the carrier hosts.
    pub kind: String,
    /// Which one it is.
    pub id: String,
}

/// The kind of an agent that is hosted at the carrier or platform itself.
pub const HOSTED_AGENT: &str = "agentId";

impl BoundTo {
    /// The one of this kind that has this id.
    pub fn new(kind: &str, id: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), id: id.into() }
    }
}

impl Destination {
    /// One that is bound to the thing of this kind that has this id, or to nothing.
    pub fn bound(kind: &str, id: Option<String>) -> Self {
        Self { bound_to: id.map(|id| Box::new(BoundTo::new(kind, id))), ..Self::default() }
    }

    /// The id of what it is bound to, where that is of this kind.
    pub fn bound_id(&self, kind: &str) -> Option<&str> {
        self.bound_to.as_ref().filter(|bound| bound.kind == kind).map(|bound| &*bound.id)
    }

    /// Whether nothing is set: traffic on this channel goes nowhere.
    pub fn is_empty(&self) -> bool {
        *self == Destination::default()
    }

    /// A fingerprint that tells one destination from another and reveals nothing of its URLs.
    pub fn digest(&self) -> String {
        digest_of(&self.spelled())
    }

    /// The same with the one spelling of its URLs.
    fn spelled(&self) -> Self {
        let spelled = |url: &Option<String>| url.as_deref().map(spelling);
        Self { url: spelled(&self.url), fallback_url: spelled(&self.fallback_url), ..self.clone() }
    }

    /// Where the destination goes, without anything that may be a secret: the host of its URL, or the name of what it is bound to.
    pub fn shown(&self) -> String {
        if let Some(BoundTo { kind, id }) = self.bound_to.as_deref() {
            return format!("{kind} {id}");
        }
        match self.url.as_deref().map(url::Url::parse) {
            Some(Ok(url)) => url.host_str().unwrap_or("a URL without a host").to_owned(),
            Some(Err(_)) => "a malformed URL".to_owned(),
            None => "nothing".to_owned(),
        }
    }
}

impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        let Self { url, method, fallback_url, fallback_method, bound_to } = self;
        (method, fallback_method, bound_to) == (&other.method, &other.fallback_method, &other.bound_to)
            && is_same_url(url.as_deref(), other.url.as_deref())
            && is_same_url(fallback_url.as_deref(), other.fallback_url.as_deref())
    }
}

impl Eq for Destination {}

impl Hash for Destination {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { url, method, fallback_url, fallback_method, bound_to } = self.spelled();
        (url, method, fallback_url, fallback_method, bound_to).hash(state);
    }
}

/// Whether two texts are one URL, however it is spelled.
pub fn is_same_url(one: Option<&str>, other: Option<&str>) -> bool {
    one == other || one.zip(other).is_some_and(|(one, other)| spelling(one) == spelling(other))
}

/// One spelling for a URL, to compare it by: lower-case host, no default port, a slash for an empty path, upper-case escapes. A carrier may
/// show a URL so that was sent otherwise. What is no URL has its own spelling.
fn spelling(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return text.to_owned() };
    if url.cannot_be_a_base() {
        return text.to_owned();
    }
    let path = upper_case_escapes(url.path());
    url.set_path(&path);
    let query = url.query().map(upper_case_escapes);
    url.set_query(query.as_deref());
    url.into()
}

/// `%2b` and `%2B` are one and the same ([RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2.1)).
fn upper_case_escapes(text: &str) -> String {
    let mut left = 0;
    let upper = |c: char| {
        if c == '%' {
            left = 2;
            return c;
        }
        let escaped = left > 0;
        left = if escaped { left - 1 } else { 0 };
        if escaped && c.is_ascii_hexdigit() { c.to_ascii_uppercase() } else { c }
    };
    text.chars().map(upper).collect()
}

/// The whole route of a number, as seen at its carrier or as wanted there. A channel that is absent is not spoken of:
/// in a wanted route it stays as it is.
pub type Route = ByChannel<Destination>;

/// The fingerprints of a route that we set, channel by channel.
pub type Digests = ByChannel<String>;

/// Something for each channel that is spoken of. It is kept for every number, so it takes no more room than it has channels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ByChannel<T>(LiteMap<Channel, T>);

impl<T> ByChannel<T> {
    pub const fn new() -> Self {
        Self(LiteMap::new_vec())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for ByChannel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for ByChannel<T> {
    type Target = LiteMap<Channel, T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for ByChannel<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T> FromIterator<(Channel, T)> for ByChannel<T> {
    fn from_iter<I: IntoIterator<Item = (Channel, T)>>(all: I) -> Self {
        let mut all: Vec<_> = LiteMap::from_iter(all).into_tuple_vec();
        all.shrink_to_fit();
        Self(LiteMap::from_sorted_store_unchecked(all))
    }
}

impl<T, const N: usize> From<[(Channel, T); N]> for ByChannel<T> {
    fn from(all: [(Channel, T); N]) -> Self {
        Self::from_iter(all)
    }
}

impl<T> IntoIterator for ByChannel<T> {
    type Item = (Channel, T);
    type IntoIter = std::vec::IntoIter<(Channel, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a ByChannel<T> {
    type Item = (&'a Channel, &'a T);
    type IntoIter = <&'a LiteMap<Channel, T> as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&self.0).into_iter()
    }
}

// LiteMap's own writes a map without entries as a list.
impl<T: Serialize> Serialize for ByChannel<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByChannel<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::deserialize(from)?.into_iter().collect())
    }
}

impl<T: JsonSchema> JsonSchema for ByChannel<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<Channel, T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<Channel, T>::json_schema(generator)
    }
}

/// `sha256:` and the hex digest of a value's canonical JSON (struct fields in order of declaration, map keys sorted).
pub fn digest_of(value: &impl Serialize) -> String {
    // Through `Value`, whose maps are sorted: two writings of one document have one digest.
    let canonical = serde_json::to_value(value).map(|v| v.to_string()).unwrap_or_default();
    let hex: String = Sha256::digest(canonical.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_by_channel_is_written_as_a_map_also_without_entries() {
        let some: Digests = [(Channel::Voice, "v".to_owned()), (Channel::Sms, "s".to_owned())].into();
        for (map, written) in [(some, r#"{"voice":"v","sms":"s"}"#), (Digests::new(), "{}")] {
            assert_eq!(serde_json::to_string(&map).unwrap(), written);
            assert_eq!(serde_json::from_str::<Digests>(written).unwrap(), map);
        }
    }

    #[test]
    fn two_spellings_of_one_url_are_the_same_destination_and_keep_what_was_written() {
        let to = |url: &str| Destination { url: Some(url.into()), ..Destination::default() };
        for (one, other) in [
            ("https://A.example", "https://a.example/"),
            ("https://a.example:443/v", "https://a.example/v"),
            ("https://a.example/v?t=%2b", "https://a.example/v?t=%2B"),
            ("https://a.example/v?name='x'", "https://a.example/v?name=%27x%27"),
        ] {
            assert_eq!((to(one), to(one).digest()), (to(other), to(other).digest()));
            assert_eq!(to(one).url.as_deref(), Some(one));
        }
        for (one, other) in [
            ("https://a.example/a+b", "https://a.example/a%2Bb"),
            ("https://a.example/v?", "https://a.example/v"),
            ("https://a.example/V", "https://a.example/v"),
            ("no url", "No url"),
        ] {
            assert_ne!((to(one), to(one).digest()), (to(other), to(other).digest()));
        }
    }

    #[test]
    fn a_number_is_a_plus_and_seven_to_fifteen_digits() {
        for good in ["+14155551234", "+4420111", "+442011110001", "+123456789012345"] {
            assert_eq!(good.parse::<E164>().unwrap().as_str(), good);
        }
        for bad in
            ["", "+", "14155551234", "+0415555123", "+1 415 555 1234", "+1415555123x", "+1234567890123456", "+123456"]
        {
            assert!(bad.parse::<E164>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_country_code_is_told_from_what_follows() {
        for (number, national) in [
            ("+14155551234", "4155551234"),
            ("+442079460000", "2079460000"),
            ("+493023125000", "3023125000"),
            ("+61491570156", "491570156"),
            ("+353201234567", "201234567"),
            ("+79991234567", "9991234567"),
        ] {
            assert_eq!(number.parse::<E164>().unwrap().national(), national);
        }
    }

    #[test]
    fn a_destination_is_shown_without_the_secrets_that_its_url_may_carry() {
        let destination = Destination {
            url: Some("https://user:pw@engine.example.com/x?token=s3cret".into()),
            ..Destination::default()
        };
        assert_eq!(destination.shown(), "engine.example.com");
        let bound = Destination { bound_to: Some(Box::new(BoundTo::new("trunkSid", "TK1"))), ..destination };
        assert_eq!(bound.shown(), "trunkSid TK1");
        assert_eq!(Destination::default().shown(), "nothing");
    }

    #[test]
    fn the_digest_does_not_depend_on_the_order_of_keys() {
        let a: serde_json::Value = serde_json::from_str(r#"{"a":1,"b":{"c":2,"d":3}}"#).unwrap();
        let b: serde_json::Value = serde_json::from_str(r#"{"b":{"d":3,"c":2},"a":1}"#).unwrap();
        assert_eq!(digest_of(&a), digest_of(&b));
        assert_ne!(digest_of(&a), digest_of(&serde_json::json!({})));
    }
}
