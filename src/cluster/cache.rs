//! What we know of one kind: its objects as the watch delivers them and as our own writes answer. No I/O.
//!
//! It stands in for kube's reflector store because it keeps secondary indexes, and because it takes the answer of our
//! own write at once, so that the next pass does not decide on an object older than what we did to it.
//!
//! Two sources are merged by `resourceVersion`, which Kubernetes says may be compared as an integer within one kind,
//! and which a watch delivers in order. So an own write that is not newer than what the watch has delivered adds
//! nothing; and one that the watch has passed over without delivering it was deleted meanwhile, and is dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::Resource;
use kube::runtime::watcher::Event;

use crate::api::meta::Key;

/// What `kubectl apply` keeps on every object: a second copy of it, which nobody here reads.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What objects are looked up by, beside their own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// The CarrierAccount that an object refers to, as its key is written: `namespace/name`.
    Account,
    /// The Agent that an object refers to, as its key is written: `namespace/name`.
    Agent,
    /// The number that an object is about, in E.164 form.
    Number,
    /// The identity that a number is bought for.
    Identity,
    /// The carrier's id of the account that owns the number of a claim which nobody holds.
    Idle,
    /// The CarrierAccount from which an object would take an idle number, as its key is written: `namespace/name`.
    Reuse,
    /// The AgentVersion that an object is seen to reach, as its key is written: `namespace/name`.
    Version,
}

/// Calls its second argument once for every value under which an object is to be found.
///
/// It must say the same for the same object every time: what it said is not kept, but asked again on removal.
pub type Indexer<K> = fn(&K, &mut dyn FnMut(Index, String));

/// An object that came (`new` only), went (`old` only), or became another (both).
#[derive(Debug)]
pub struct Change<K> {
    pub old: Option<Arc<K>>,
    pub new: Option<Arc<K>>,
}

impl<K: Resource> Change<K> {
    /// The key of the object that changed.
    pub fn key(&self) -> Key {
        self.new.as_ref().or(self.old.as_ref()).map(|object| Key::of(&**object)).unwrap_or_default()
    }
}

/// What we know of one kind. Shared between tasks; no lock is held between two calls.
pub struct Cache<K> {
    contents: RwLock<Contents<K>>,
}

impl<K: Resource<DynamicType = ()> + Clone> Cache<K> {
    /// An empty cache that has not seen a list yet.
    pub fn new(indexer: Indexer<K>) -> Self {
        Self {
            contents: RwLock::new(Contents {
                indexer,
                objects: HashMap::new(),
                index: HashMap::new(),
                relist: None,
                delivered: 0,
                unseen: BTreeMap::new(),
                removed: HashMap::new(),
                synced: false,
            }),
        }
    }

    /// The object of that key, if there is one.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.read().objects.get(key).cloned()
    }

    /// All objects, in no particular order.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.read().objects.values().cloned().collect()
    }

    /// The objects that stand under `value` in `index`, ordered by key.
    pub fn by(&self, index: Index, value: &str) -> Vec<Arc<K>> {
        let contents = self.read();
        let keys = contents.index.get(&index).and_then(|values| values.get(value));
        keys.into_iter().flatten().filter_map(|key| contents.objects.get(key).cloned()).collect()
    }

    /// How many objects stand under `value` in `index`.
    pub fn count_by(&self, index: Index, value: &str) -> usize {
        self.read().index.get(&index).and_then(|values| values.get(value)).map_or(0, BTreeSet::len)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.read().objects.len()
    }

    /// Whether there is no object, which says little before `synced`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a complete list has been seen. Before that, what is not here may still be in the cluster.
    pub fn synced(&self) -> bool {
        self.read().synced
    }

    /// Takes in what the watch delivers. A relist gives the difference between what was known and what is.
    pub fn apply(&self, event: Event<K>) -> Vec<Change<K>> {
        let mut contents = self.write();
        match event {
            Event::Init => {
                contents.relist = Some(HashMap::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                contents.listed(object);
                Vec::new()
            }
            Event::InitDone => contents.relisted(),
            Event::Apply(object) => contents.applied(object),
            Event::Delete(object) => contents.deleted(&object),
        }
    }

    /// Takes in the answer of our own write, if it is news.
    ///
    /// An answer that shows an object without finalizers and with a deletion time is that object's end.
    pub fn wrote(&self, object: K) -> Option<Change<K>> {
        let mut contents = self.write();
        let meta = object.meta();
        if meta.deletion_timestamp.is_some() && meta.finalizers.as_ref().is_none_or(Vec::is_empty) {
            let (key, uid) = (Key::of(&object), meta.uid.clone()?);
            return contents.gone(&key, &uid);
        }
        contents.wrote(object)
    }

    /// Takes in that the object of that key and uid is gone: by our own delete, or by a live read that did not find it.
    pub fn gone(&self, key: &Key, uid: &str) -> Option<Change<K>> {
        self.write().gone(key, uid)
    }

    // A panic elsewhere must not turn every later look into one: the contents are whole after every step.
    fn read(&self) -> RwLockReadGuard<'_, Contents<K>> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Contents<K>> {
        self.contents.write().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Contents<K> {
    indexer: Indexer<K>,
    objects: HashMap<Arc<Key>, Arc<K>>,
    index: HashMap<Index, HashMap<String, BTreeSet<Arc<Key>>>>,
    /// What the relist under way has shown. Objects known already are shared with `objects`, so that it costs no second copy.
    relist: Option<HashMap<Arc<Key>, Arc<K>>>,
    /// The highest resourceVersion that the watch has delivered.
    delivered: u64,
    /// Our own writes that the watch has not delivered yet, by resourceVersion.
    unseen: BTreeMap<u64, Arc<Key>>,
    /// The uids of objects that we know to be gone before the watch says so: older news of them must not bring them back.
    removed: HashMap<Key, String>,
    synced: bool,
}

impl<K: Resource<DynamicType = ()> + Clone> Contents<K> {
    fn listed(&mut self, object: K) {
        let key = Key::of(&object);
        let (key, object) = match self.objects.get_key_value(&key) {
            Some((key, known)) if version(&**known).is_some() && version(&**known) == version(&object) => {
                (key.clone(), known.clone())
            }
            _ => (Arc::new(key), Arc::new(stripped(object))),
        };
        // The watcher opens every list with `Init`; without it there is nothing to compare with.
        self.relist.get_or_insert_default().insert(key, object);
    }

    fn relisted(&mut self) -> Vec<Change<K>> {
        let listed = self.relist.take().unwrap_or_default();
        let newest = listed.values().filter_map(|object| version(&**object)).max().unwrap_or(0);
        // A tombstone whose object the list no longer shows has served: no event about that object is to come.
        self.removed.retain(|key, uid| listed.get(key).is_some_and(|object| has_uid(&**object, uid)));

        let mut changes = Vec::new();
        let missing: Vec<_> = self.objects.keys().filter(|key| !listed.contains_key(*key)).cloned().collect();
        for key in missing {
            // An own write after the list was made is no more missing than the list is wrong.
            if !self.is_unseen_after(&key, newest) {
                changes.extend(self.remove(&key));
            }
        }
        for (key, object) in listed {
            changes.extend(self.put_if_newer(key, object));
        }
        self.unseen = self.unseen.split_off(&newest.saturating_add(1));
        self.delivered = self.delivered.max(newest);
        self.synced = true;
        changes
    }

    fn applied(&mut self, object: K) -> Vec<Change<K>> {
        let key = Key::of(&object);
        let mut changes = self.pass_over(&key, version(&object));
        changes.extend(self.put_if_newer(Arc::new(key), Arc::new(stripped(object))));
        changes
    }

    fn deleted(&mut self, object: &K) -> Vec<Change<K>> {
        let key = Key::of(object);
        let mut changes = self.pass_over(&key, version(object));
        self.removed.remove(&key);
        let stale = self.objects.get(&key).is_none_or(|known| {
            let another = object.meta().uid != known.meta().uid;
            another && version(&**known).zip(version(object)).is_some_and(|(known, deleted)| known > deleted)
        });
        if !stale {
            changes.extend(self.remove(&key));
        }
        changes
    }

    fn wrote(&mut self, object: K) -> Option<Change<K>> {
        let written = version(&object)?;
        if written <= self.delivered {
            return None;
        }
        let key = Arc::new(Key::of(&object));
        let change = self.put_if_newer(key.clone(), Arc::new(stripped(object)))?;
        self.unseen.insert(written, key);
        Some(change)
    }

    fn gone(&mut self, key: &Key, uid: &str) -> Option<Change<K>> {
        if !self.objects.get(key).is_some_and(|known| has_uid(&**known, uid)) {
            return None;
        }
        self.removed.insert(key.clone(), uid.to_owned());
        self.remove(key)
    }

    /// The watch has come to `delivered`, with an event for `key`. Own writes before it that it has not shown are of
    /// objects that were deleted before it looked (between a list and its watch): they are ghosts, and go.
    fn pass_over(&mut self, key: &Key, delivered: Option<u64>) -> Vec<Change<K>> {
        let Some(delivered) = delivered else { return Vec::new() };
        self.delivered = self.delivered.max(delivered);
        let later = self.unseen.split_off(&delivered.saturating_add(1));
        let passed = std::mem::replace(&mut self.unseen, later);
        let mut changes = Vec::new();
        for (written, ghost) in passed {
            let current = self.objects.get(&ghost).and_then(|object| version(&**object)) == Some(written);
            if current && *ghost != *key {
                changes.extend(self.remove(&ghost));
            }
        }
        changes
    }

    fn is_unseen_after(&self, key: &Key, newest: u64) -> bool {
        let version = self.objects.get(key).and_then(|object| version(&**object));
        version.is_some_and(|version| version > newest && self.unseen.contains_key(&version))
    }

    fn put_if_newer(&mut self, key: Arc<Key>, object: Arc<K>) -> Option<Change<K>> {
        if self.removed.get(&*key).is_some_and(|uid| has_uid(&*object, uid)) {
            return None;
        }
        let known = self.objects.get(&key).and_then(|known| version(&**known));
        if known.zip(version(&*object)).is_some_and(|(known, new)| new <= known) {
            return None;
        }
        // The key that is in the map stays there, and the index shares it.
        let key = self.objects.get_key_value(&key).map_or(key, |(kept, _)| kept.clone());
        let old = self.objects.insert(key.clone(), object.clone());
        if let Some(old) = &old {
            self.unindex(&key, old);
        }
        let index = &mut self.index;
        (self.indexer)(&object, &mut |name, value| {
            index.entry(name).or_default().entry(value).or_default().insert(key.clone());
        });
        Some(Change { old, new: Some(object) })
    }

    fn remove(&mut self, key: &Key) -> Option<Change<K>> {
        let old = self.objects.remove(key)?;
        self.unindex(key, &old);
        Some(Change { old: Some(old), new: None })
    }

    fn unindex(&mut self, key: &Key, old: &K) {
        let index = &mut self.index;
        (self.indexer)(old, &mut |name, value| {
            let Some(values) = index.get_mut(&name) else { return };
            let Some(keys) = values.get_mut(&value) else { return };
            keys.remove(key);
            if keys.is_empty() {
                values.remove(&value);
            }
        });
    }
}

/// The resourceVersion as the integer that it is; `None` from a server that does otherwise, where the watch alone is believed.
fn version<K: Resource>(object: &K) -> Option<u64> {
    object.meta().resource_version.as_deref()?.parse().ok()
}

fn has_uid<K: Resource>(object: &K, uid: &str) -> bool {
    object.meta().uid.as_deref() == Some(uid)
}

/// Without what only others read: it is four fifths of an object's size.
fn stripped<K: Resource>(mut object: K) -> K {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
    object
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
