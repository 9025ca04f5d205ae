//! What an agent's own runtime keeps in its draft: any JSON object, of any size that the cluster takes. No I/O.
//!
//! The operator needs nothing of it but its digest, and then the text once, when a version is frozen. It is read into its canonical
//! text, and never into a tree: a megabyte of small objects would make eighty of it.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
    ser::Error as _,
};
use serde_json::{Map, Value, value::RawValue};
use sha2::{Digest as _, Sha256};

/// How deep it may be nested. Common readers of JSON go 128 levels deep, and it stands some levels down in an object in a list.
const MOST_DEEP: usize = 112;

/// The key under which it stands in a draft. No other key of a draft comes before it in canonical JSON.
const OPENING: &[u8] = b"{\"config\":";

/// An agent's configuration, or no more than what its digest needs.
#[derive(Clone, Default)]
pub struct Config {
    /// The digest of a draft, begun with what stands here; nothing for an empty one, which is not written.
    begun: Option<Sha256>,
    /// Its canonical JSON: keys sorted, no blanks. Absent where it was dropped.
    text: Option<Arc<String>>,
}

impl Config {
    /// Whether nothing is configured.
    pub fn is_empty(&self) -> bool {
        self.begun.is_none()
    }

    /// Whether all of it is here. Otherwise it has to be read before it can be copied.
    pub fn is_whole(&self) -> bool {
        self.is_empty() || self.text.is_some()
    }

    /// Drops all but what its digest needs.
    pub fn forget(&mut self) {
        self.text = None;
    }

    /// Its entries. Those of one that was dropped cannot be told.
    pub fn entries(&self) -> Option<Map<String, Value>> {
        match &self.text {
            Some(text) => serde_json::from_str(text).ok(),
            None => self.is_empty().then(Map::new),
        }
    }

    /// `sha256:` and the digest of the canonical JSON of a draft with this configuration, whose canonical JSON without one is `others`.
    pub(super) fn digest_with(&self, others: &str) -> String {
        let mut digest = match &self.begun {
            None => Sha256::new_with_prefix("{"),
            Some(begun) if others == "{}" => begun.clone(),
            Some(begun) => begun.clone().chain_update(","),
        };
        digest.update(others.strip_prefix('{').unwrap_or(others));
        let hex: String = digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
        format!("sha256:{hex}")
    }

    fn of(text: String) -> Self {
        if text == "{}" {
            return Self::default();
        }
        let begun = Sha256::new_with_prefix(OPENING).chain_update(&text);
        Self { begun: Some(begun), text: Some(Arc::new(text)) }
    }

    fn is_shown(&self) -> bool {
        self.text.is_some()
    }

    /// Whether there is nothing to write: it is empty, or was dropped.
    pub(super) fn is_hidden(&self) -> bool {
        !self.is_shown()
    }
}

impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        let digest = |config: &Self| config.begun.clone().map(Sha256::finalize);
        digest(self) == digest(other)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => write!(f, "Config({} bytes)", text.len()),
            None => f.write_str(if self.is_empty() { "Config(empty)" } else { "Config(dropped)" }),
        }
    }
}

impl From<Map<String, Value>> for Config {
    fn from(entries: Map<String, Value>) -> Self {
        Self::of(Value::Object(entries).to_string())
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => RawValue::from_string(text.as_ref().clone()).map_err(S::Error::custom)?.serialize(to),
            None => Map::new().serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut text = String::new();
        Canonical { text: &mut text, depth: 0 }.deserialize(from)?;
        if !text.starts_with('{') {
            return Err(de::Error::custom("config is not an object"));
        }
        text.shrink_to_fit();
        Ok(Self::of(text))
    }
}

impl JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Config".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}

/// Writes any JSON as `serde_json::Value` would, whose maps are sorted.
struct Canonical<'a> {
    text: &'a mut String,
    /// How many levels stand around it.
    depth: usize,
}

impl Canonical<'_> {
    fn put<E: de::Error>(self, value: &impl Serialize) -> Result<(), E> {
        let text = serde_json::to_string(value).map_err(E::custom)?;
        self.text.push_str(&text);
        Ok(())
    }

    fn inner(&mut self) -> Canonical<'_> {
        Canonical { text: self.text, depth: self.depth + 1 }
    }

    fn is_too_deep<E: de::Error>(&self) -> Result<(), E> {
        match self.depth < MOST_DEEP {
            true => Ok(()),
            false => Err(E::custom(format_args!("config is nested deeper than {MOST_DEEP} levels"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Canonical<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Canonical<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.put(&())
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.put(&())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.deserialize(from)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.is_too_deep()?;
        self.text.push('[');
        let begin = self.text.len();
        loop {
            let end = self.text.len();
            if end > begin {
                self.text.push(',');
            }
            if items.next_element_seed(self.inner())?.is_none() {
                self.text.truncate(end);
                break;
            }
        }
        self.text.push(']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.is_too_deep()?;
        let begin = self.text.len();
        // Where each entry stands in what has been written, to be put in order then.
        let mut entries: Vec<(Box<str>, std::ops::Range<usize>)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let from = self.text.len();
            map.next_value_seed(self.inner())?;
            entries.push((key.into(), from..self.text.len()));
        }
        // Of two entries of one name the later counts, as everywhere.
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let mut sorted = String::with_capacity(self.text.len() - begin + 2);
        sorted.push('{');
        for (i, (key, value)) in entries.iter().enumerate() {
            if entries.get(i + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            if sorted.len() > 1 {
                sorted.push(',');
            }
            sorted.push_str(&serde_json::to_string(key).map_err(de::Error::custom)?);
            sorted.push(':');
            sorted.push_str(&self.text[value.clone()]);
        }
        sorted.push('}');
        self.text.truncate(begin);
        self.text.push_str(&sorted);
        Ok(())
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
