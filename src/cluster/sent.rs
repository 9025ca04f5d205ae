//! An object as the API server sends it: decoded, or, where it does not decode, what can be said of it. No I/O.
//!
//! Everything that comes from the API server comes through here: lists, watch events, live reads and the answers of writes.
//! One object that does not decode must not take the others of its list with it, and the next version of a schema, a user with
//! a text editor or a client with a bug can make one at any time. What nobody here reads is not decoded in the first place:
//! `managedFields` have been nested deeper than any decoder goes. (kube's own `DeserializeGuard` reads every object into a tree
//! first, so that a deep one still takes its list with it.)

use std::{borrow::Cow, fmt, hash::Hash, marker::PhantomData};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapDeserializer},
};
use serde_json::value::RawValue;

use crate::api::meta::Key;

/// What `kubectl apply` keeps on every object: a second copy of it, which nobody here reads.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What is kept of one object at most. An object of ours is a few kilobytes, and without a bound one could fill the memory.
const MOST_KEPT: usize = 256 << 10;

/// How many names of fields are said of where an object fails: below, users choose them.
const PATH: usize = 5;

/// What of an object is kept in memory.
pub trait Kept: Resource<DynamicType = ()> + Serialize {
    /// What those have in common who are counted together, where there are too many to look at each.
    type Group: Clone + Eq + Hash + Send + Sync;

    fn group(&self) -> Self::Group;

    /// Drops what nobody here reads. What is written back as a whole must keep everything that others wrote.
    fn strip(&mut self) {
        strip(self.meta_mut());
    }
}

/// Drops what nobody here reads of any object.
pub fn strip(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
    // A list is decoded into more room than it needs.
    meta.finalizers.iter_mut().for_each(Vec::shrink_to_fit);
}

/// An object as the API server sent it.
#[derive(Clone, Debug)]
pub enum Sent<K> {
    Whole(K),
    Unreadable(Box<Unreadable>),
}

/// An object that does not decode.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{kind} {} cannot be decoded and is ignored: {why}", self.key())]
pub struct Unreadable {
    pub kind: String,
    /// What tells objects and their versions apart, as far as it could be read.
    pub metadata: ObjectMeta,
    /// Where it fails and how, without anything that stands in it.
    pub why: String,
}

impl Unreadable {
    /// Its namespace and name; empty where not even those could be read.
    pub fn key(&self) -> Key {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Key::new(text(&self.metadata.namespace), text(&self.metadata.name))
    }
}

impl<K> From<K> for Sent<K> {
    fn from(object: K) -> Self {
        Sent::Whole(object)
    }
}

impl<K> Sent<K> {
    /// The object, or the error that it does not decode.
    pub fn whole(self) -> kube::Result<K> {
        match self {
            Sent::Whole(object) => Ok(object),
            Sent::Unreadable(unreadable) => Err(kube::Error::Service(unreadable)),
        }
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Sent<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        match self {
            Sent::Whole(object) => object.meta(),
            Sent::Unreadable(unreadable) => &unreadable.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Sent::Whole(object) => object.meta_mut(),
            Sent::Unreadable(unreadable) => &mut unreadable.metadata,
        }
    }
}

impl<K: Serialize> Serialize for Sent<K> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Sent::Whole(object) => object.serialize(to),
            Sent::Unreadable(unreadable) => Err(serde::ser::Error::custom(unreadable)),
        }
    }
}

impl<'de, K: Kept + DeserializeOwned> Deserialize<'de> for Sent<K> {
    /// Fails only where what comes is no JSON at all. It has to come as text: the client decodes nothing else.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(from)?;
        Ok(decode(text.get()))
    }
}

/// Decodes one object of the API server.
pub fn decode<K: Kept + DeserializeOwned>(text: &str) -> Sent<K> {
    let unreadable =
        |metadata, why| Sent::Unreadable(Box::new(Unreadable { kind: K::kind(&()).into_owned(), metadata, why }));
    let Ok(Entries(fields)) = serde_json::from_str(text) else {
        return unreadable(ObjectMeta::default(), "it is not an object".to_owned());
    };
    let described = fields.iter().find(|(name, _)| name == "metadata").map_or("{}", |(_, metadata)| metadata.get());
    let Ok(described) = without_managed_fields(described) else {
        return unreadable(ObjectMeta::default(), "metadata: it is not an object".to_owned());
    };
    let parts = || {
        let metadata = ("metadata", &*described);
        let others = fields.iter().filter(|(name, _)| name != "metadata").map(|(name, value)| (&**name, *value));
        MapDeserializer::<_, serde_json::Error>::new(std::iter::once(metadata).chain(others))
    };
    let mut object = match K::deserialize(parts()) {
        Ok(object) => object,
        Err(error) => {
            // Once more, and slowly: where it failed.
            let found = serde_path_to_error::deserialize::<_, K>(parts()).err();
            let path = found.map(|error| error.path().to_string()).unwrap_or_default();
            return unreadable(identified(&described), complaint(&path, &error.to_string()));
        }
    };
    object.strip();
    if text.len() > MOST_KEPT {
        let size = size_of(&object);
        if size > MOST_KEPT {
            let why = format!("it takes {} kB of memory, and the limit is {} kB", size >> 10, MOST_KEPT >> 10);
            return unreadable(identified(&described), why);
        }
    }
    Sent::Whole(object)
}

/// The entries of a JSON object in their order, none of them decoded.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Read<'a> {
            type Value = Entries<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key()? {
                    entries.push((name, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }

        from.deserialize_map(Read(PhantomData))
    }
}

/// The same metadata without `managedFields`, which may be most of an object and nested without end.
fn without_managed_fields(metadata: &str) -> serde_json::Result<Box<RawValue>> {
    let Entries(entries) = serde_json::from_str(metadata)?;
    let mut kept = String::from("{");
    for (name, value) in entries.iter().filter(|(name, _)| name != "managedFields") {
        if kept.len() > 1 {
            kept.push(',');
        }
        kept.push_str(&serde_json::to_string(name)?);
        kept.push(':');
        kept.push_str(value.get());
    }
    kept.push('}');
    RawValue::from_string(kept)
}

/// What tells an object and its version from others, and whether it is being deleted. Each field for itself: the rest of the
/// metadata may be what fails.
fn identified(metadata: &RawValue) -> ObjectMeta {
    let Ok(Entries(entries)) = serde_json::from_str(metadata.get()) else { return ObjectMeta::default() };
    let field = |field: &str| entries.iter().find(|(name, _)| name == field).map(|(_, value)| value.get());
    let text = |name: &str| serde_json::from_str::<String>(field(name)?).ok();
    // A time that cannot be read is still one.
    let time = |text: &str| serde_json::from_str(text).unwrap_or(Some(Time(Timestamp::UNIX_EPOCH)));
    ObjectMeta {
        name: text("name"),
        namespace: text("namespace"),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        deletion_timestamp: field("deletionTimestamp").and_then(time),
        ..ObjectMeta::default()
    }
}

/// What tells the object that came from others; nothing else of it is decoded.
#[derive(Clone, Debug)]
pub struct Identified(pub ObjectMeta);

impl<'de> Deserialize<'de> for Identified {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Entries(fields) = Entries::deserialize(from)?;
        let metadata = fields.iter().find(|(name, _)| name == "metadata");
        Ok(Self(metadata.map(|(_, metadata)| identified(metadata)).unwrap_or_default()))
    }
}

/// Where an object does not decode, and how, without a word of what stands there: that may come out of a Secret.
fn complaint(path: &str, error: &str) -> String {
    let error = error.split(" at line ").next().unwrap_or_default();
    let known = error.strip_prefix("missing field ").or_else(|| error.strip_prefix("duplicate field "));
    let what = match known {
        Some(_) => error,
        // What is quoted comes out of the object.
        None => error.split(['`', '"', '\'', ',']).next().unwrap_or_default().trim_end(),
    };
    let what = if what.is_empty() { "is not valid" } else { what };
    // Names of fields; a map has those that somebody chose.
    let path: Vec<&str> = path.splitn(PATH + 1, '.').take(PATH).collect();
    let path: String = path.join(".").chars().filter(|c| c.is_ascii_graphic()).take(120).collect();
    if matches!(&*path, "" | "." | "?") { what.to_owned() } else { format!("{path}: {what}") }
}

/// How long an object is as JSON.
fn size_of(object: &impl Serialize) -> usize {
    struct Count(usize);

    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    serde_json::to_writer(&mut count, object).map_or(usize::MAX, |()| count.0)
}

#[cfg(test)]
#[path = "sent_tests.rs"]
mod tests;
