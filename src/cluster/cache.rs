//! What we know of one kind: its objects as the watch delivers them and as our own writes answer. No I/O.
//!
//! It stands in for kube's reflector store because it keeps secondary indexes, and because it takes the answer of our
//! own write at once, so that the next pass does not decide on an object older than what we did to it.
//!
//! It is filled by one watch of all objects, or by one for each namespace that is watched. Each has its order, and none says anything of
//! what another delivers.
//!
//! Two sources are merged by `resourceVersion`, which Kubernetes says may be compared as an integer within one kind,
//! and which a watch delivers in order. So an own write that is not newer than what the watch has delivered adds
//! nothing; and one that the watch has passed over without delivering it was deleted meanwhile, and is dropped.
//!
//! An object that does not decode is left out, alone. It is not gone: nobody is told that it went, and that it is there is
//! known, so that what depends on it is not taken for left behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{
    Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicU64, Ordering},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::runtime::watcher::Event;

use super::sent::{Kept, Sent, Unreadable};
use crate::api::meta::Key;

/// What objects are looked up by, beside their own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// The CarrierAccount that an object refers to, as its key is written: `namespace/name`.
    Account,
    /// The Agent that an object refers to, as its key is written: `namespace/name`.
    Agent,
    /// The number that an object is about, in E.164 form.
    Number,
    /// The number that a journal says is kept, in E.164 form.
    Hold,
    /// The identity that a number is bought for.
    Identity,
    /// The carrier's id of the account that owns the number of a claim which nobody holds.
    Idle,
    /// The CarrierAccount from which an object would take an idle number, as its key is written: `namespace/name`.
    Reuse,
    /// The AgentVersion that an object is seen to reach, as its key is written: `namespace/name`.
    Version,
}

impl Index {
    /// Whether so many objects stand under one value that they are counted by group as they change.
    fn is_counted(self) -> bool {
        matches!(self, Index::Account | Index::Agent | Index::Version)
    }
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

    /// Whether what `read` takes of the object is another than before, or the object came or went.
    pub fn differs<T: PartialEq>(&self, read: impl Fn(&Arc<K>) -> T) -> bool {
        self.old.as_ref().map(&read) != self.new.as_ref().map(&read)
    }
}

/// What the watch has told.
#[derive(Debug)]
pub struct News<K> {
    pub changes: Vec<Change<K>>,
    /// Objects that do not decode, and did before or fail otherwise now.
    pub left_out: Vec<Arc<Unreadable>>,
    /// Objects of which nothing could ever be decoded, and that are gone.
    pub gone: Vec<Arc<Unreadable>>,
}

impl<K> Default for News<K> {
    fn default() -> Self {
        Self { changes: Vec::new(), left_out: Vec::new(), gone: Vec::new() }
    }
}

/// What we know of one kind. Shared between tasks; no lock is held between two calls.
pub struct Cache<K: Kept> {
    contents: RwLock<Contents<K>>,
    /// How many objects were handed out.
    reads: AtomicU64,
}

impl<K: Kept + Clone> Cache<K> {
    /// An empty cache that has not seen a list yet, of all objects.
    pub fn new(indexer: Indexer<K>) -> Self {
        Self::of(&[], indexer)
    }

    /// The same of the objects in these namespaces; of all where none is named.
    pub fn of(namespaces: &[String], indexer: Indexer<K>) -> Self {
        let scopes = if namespaces.is_empty() { &[String::new()] } else { namespaces };
        Self {
            contents: RwLock::new(Contents {
                indexer,
                objects: HashMap::new(),
                left_out: HashMap::new(),
                index: HashMap::new(),
                groups: HashMap::new(),
                watches: scopes.iter().map(|scope| (scope.clone(), Watch::default())).collect(),
                removed: HashMap::new(),
            }),
            reads: AtomicU64::new(0),
        }
    }

    /// What is to be watched: each namespace, or all objects by the empty string.
    pub fn scopes(&self) -> Vec<String> {
        self.read().watches.keys().cloned().collect()
    }

    /// The object of that key, if there is one.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        let object = self.read().objects.get(key).cloned();
        self.handed_out(usize::from(object.is_some()));
        object
    }

    /// All objects, in no particular order.
    pub fn all(&self) -> Vec<Arc<K>> {
        let all: Vec<_> = self.read().objects.values().cloned().collect();
        self.handed_out(all.len());
        all
    }

    /// The objects that stand under `value` in `index`, ordered by key.
    pub fn by(&self, index: Index, value: &str) -> Vec<Arc<K>> {
        let contents = self.read();
        let found: Vec<_> = contents.keys(index, value).filter_map(|key| contents.objects.get(key).cloned()).collect();
        self.handed_out(found.len());
        found
    }

    /// The first of the objects under `value` in `index` of which `is_so` says yes.
    pub fn first_by(&self, index: Index, value: &str, is_so: impl Fn(&K) -> bool) -> Option<Arc<K>> {
        let contents = self.read();
        let mut objects = contents.keys(index, value).filter_map(|key| contents.objects.get(key));
        let found = objects.find(|object| is_so(object)).cloned();
        self.handed_out(usize::from(found.is_some()));
        found
    }

    /// How many objects of each group stand under `value` in `index`, which is one that is counted.
    pub fn groups(&self, index: Index, value: &str) -> Vec<(K::Group, usize)> {
        let contents = self.read();
        let groups = contents.groups.get(&index).and_then(|values| values.get(value));
        groups.into_iter().flatten().map(|(group, count)| (group.clone(), *count)).collect()
    }

    /// How many objects were handed out so far: what the passes cost, as far as it grows with the fleet.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    fn handed_out(&self, count: usize) {
        self.reads.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// How many objects stand under `value` in `index`.
    pub fn count_by(&self, index: Index, value: &str) -> usize {
        self.read().index.get(&index).and_then(|values| values.get(value)).map_or(0, Keys::len)
    }

    /// The key, shared with the cache where it has that object.
    pub fn shared(&self, key: Key) -> Arc<Key> {
        let known = self.read().objects.get_key_value(&key).map(|(known, _)| known.clone());
        known.unwrap_or_else(|| key.into())
    }

    /// Whether there is an object of that key.
    pub fn contains(&self, key: &Key) -> bool {
        self.read().objects.contains_key(key)
    }

    /// The uid of every object.
    pub fn uids(&self) -> Vec<String> {
        self.read().objects.values().filter_map(|object| object.meta().uid.clone()).collect()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.read().objects.len()
    }

    /// Whether there is no object, which says little before `synced`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a complete list has been seen. Before that, what is not here may still be in the cluster. A namespace that may not be read
    /// does not hold up the others.
    pub fn synced(&self) -> bool {
        let contents = self.read();
        let mut watches = contents.watches.values();
        watches.clone().any(|watch| watch.synced) && watches.all(|watch| watch.synced || watch.refused)
    }

    /// Whether all objects of this namespace are known: it is watched, a complete list has been seen, and it may still be read.
    pub fn knows(&self, namespace: &str) -> bool {
        let contents = self.read();
        contents.watches.get(contents.scope_of(namespace)).is_some_and(|watch| watch.synced && !watch.refused)
    }

    /// Takes in that the objects of a scope may not be read. What was known of them stays.
    pub fn refused(&self, scope: &str) {
        self.write().watch(scope).refused = true;
    }

    /// The objects that are there and do not decode.
    pub fn left_out(&self) -> Vec<Arc<Unreadable>> {
        self.read().left_out.values().map(|left| left.unreadable.clone()).collect()
    }

    /// The object of that key, if it is there and does not decode.
    pub fn is_left_out(&self, key: &Key) -> Option<Arc<Unreadable>> {
        self.read().left_out.get(key).map(|left| left.unreadable.clone())
    }

    /// Takes in what the watch delivers of an object that decodes, or of none.
    pub fn apply(&self, event: Event<K>) -> Vec<Change<K>> {
        self.take(match event {
            Event::Init => Event::Init,
            Event::InitApply(object) => Event::InitApply(object.into()),
            Event::InitDone => Event::InitDone,
            Event::Apply(object) => Event::Apply(object.into()),
            Event::Delete(object) => Event::Delete(object.into()),
        })
        .changes
    }

    /// Takes in what the watch of all objects delivers.
    pub fn take(&self, event: Event<Sent<K>>) -> News<K> {
        self.take_in("", event)
    }

    /// Takes in what the watch of one of the scopes delivers. A relist gives the difference between what was known and what is.
    pub fn take_in(&self, scope: &str, event: Event<Sent<K>>) -> News<K> {
        let mut contents = self.write();
        let mut news = News::default();
        match event {
            Event::Init => contents.watch(scope).relist = Some(Relist::default()),
            Event::InitApply(object) => contents.listed(scope, object),
            Event::InitDone => contents.relisted(scope, &mut news),
            Event::Apply(object) => contents.applied(scope, object, &mut news),
            Event::Delete(object) => contents.deleted(scope, object.meta(), &mut news),
        }
        news
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

struct Contents<K: Kept> {
    indexer: Indexer<K>,
    objects: HashMap<Arc<Key>, Arc<K>>,
    /// The objects that do not decode. None of them is in `objects`.
    left_out: HashMap<Key, LeftOut<K>>,
    index: HashMap<Index, HashMap<String, Keys>>,
    /// How many objects of each group stand under each value of the indexes that are counted.
    groups: HashMap<Index, HashMap<String, HashMap<K::Group, usize>>>,
    /// What is watched, by namespace; by the empty string where that is all.
    watches: HashMap<String, Watch<K>>,
    /// The uids of objects that we know to be gone before the watch says so: older news of them must not bring them back.
    removed: HashMap<Key, String>,
}

/// The keys under one value, in order. Under most values there is one, which needs no tree.
#[derive(Default)]
enum Keys {
    #[default]
    None,
    One(Arc<Key>),
    Many(BTreeSet<Arc<Key>>),
}

impl Keys {
    fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        let (one, many) = match self {
            Keys::None => (None, None),
            Keys::One(one) => (Some(one), None),
            Keys::Many(many) => (None, Some(many)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn len(&self) -> usize {
        match self {
            Keys::None => 0,
            Keys::One(_) => 1,
            Keys::Many(many) => many.len(),
        }
    }

    /// Whether it was not there.
    fn insert(&mut self, key: Arc<Key>) -> bool {
        match self {
            Keys::None => *self = Keys::One(key),
            Keys::One(one) if *one == key => return false,
            Keys::One(one) => *self = Keys::Many([one.clone(), key].into()),
            Keys::Many(many) => return many.insert(key),
        }
        true
    }

    /// Whether it was there.
    fn remove(&mut self, key: &Key) -> bool {
        match self {
            Keys::None => false,
            Keys::One(one) if **one == *key => {
                *self = Keys::None;
                true
            }
            Keys::One(_) => false,
            Keys::Many(many) => many.remove(key),
        }
    }
}

/// How far one watch has come.
struct Watch<K> {
    relist: Option<Relist<K>>,
    /// The highest resourceVersion that it has delivered.
    delivered: u64,
    /// Our own writes that it has not delivered yet, by resourceVersion.
    unseen: BTreeMap<u64, Arc<Key>>,
    synced: bool,
    /// Whether it was refused for lack of permission when it last began.
    refused: bool,
}

impl<K> Default for Watch<K> {
    fn default() -> Self {
        Self { relist: None, delivered: 0, unseen: BTreeMap::new(), synced: false, refused: false }
    }
}

/// An object that does not decode.
struct LeftOut<K> {
    unreadable: Arc<Unreadable>,
    /// How it was when it last did.
    last: Option<Arc<K>>,
}

/// What a relist under way has shown.
struct Relist<K> {
    /// Objects known already are shared with what is known, so that it costs no second copy.
    objects: HashMap<Arc<Key>, Arc<K>>,
    left_out: HashMap<Key, Unreadable>,
}

impl<K> Default for Relist<K> {
    fn default() -> Self {
        Self { objects: HashMap::new(), left_out: HashMap::new() }
    }
}

impl<K: Kept> Relist<K> {
    fn has(&self, key: &Key) -> bool {
        self.objects.contains_key(key) || self.left_out.contains_key(key)
    }

    fn meta(&self, key: &Key) -> Option<&ObjectMeta> {
        let object = self.objects.get(key).map(|object| object.meta());
        object.or_else(|| self.left_out.get(key).map(|unreadable| &unreadable.metadata))
    }

    fn newest(&self) -> u64 {
        let objects = self.objects.values().map(|object| object.meta());
        let left_out = self.left_out.values().map(|unreadable| &unreadable.metadata);
        objects.chain(left_out).filter_map(version_of).max().unwrap_or(0)
    }
}

impl<K: Kept + Clone> Contents<K> {
    fn keys(&self, index: Index, value: &str) -> impl Iterator<Item = &Arc<Key>> {
        self.index.get(&index).and_then(|values| values.get(value)).into_iter().flat_map(Keys::iter)
    }

    /// The watch of that scope.
    fn watch(&mut self, scope: &str) -> &mut Watch<K> {
        self.watches.entry(scope.to_owned()).or_default()
    }

    /// The scope that the objects of a namespace are in. None is watched under it where the namespace is not.
    fn scope_of<'n>(&self, namespace: &'n str) -> &'n str {
        if self.watches.contains_key("") { "" } else { namespace }
    }

    fn listed(&mut self, scope: &str, object: Sent<K>) {
        let object = match object {
            Sent::Whole(object) => object,
            Sent::Unreadable(unreadable) => {
                self.relist(scope).left_out.insert(unreadable.key(), *unreadable);
                return;
            }
        };
        let key = Key::of(&object);
        let (key, object) = match self.objects.get_key_value(&key) {
            Some((key, known)) if version(&**known).is_some() && version(&**known) == version(&object) => {
                (key.clone(), known.clone())
            }
            _ => (Arc::new(key), Arc::new(stripped(object))),
        };
        self.relist(scope).objects.insert(key, object);
    }

    /// The watcher opens every list with `Init`; without it there is nothing to compare with.
    fn relist(&mut self, scope: &str) -> &mut Relist<K> {
        self.watch(scope).relist.get_or_insert_default()
    }

    fn relisted(&mut self, scope: &str, news: &mut News<K>) {
        let listed = self.watch(scope).relist.take().unwrap_or_default();
        let newest = listed.newest();
        let is_here = |key: &Key| scope.is_empty() || key.namespace == scope;
        // A tombstone whose object the list no longer shows has served: no event about that object is to come.
        self.removed
            .retain(|key, uid| !is_here(key) || listed.meta(key).is_some_and(|meta| meta.uid.as_ref() == Some(uid)));

        let is_missing = |key: &Key| is_here(key) && !listed.has(key);
        let missing: Vec<_> = self.objects.keys().filter(|key| is_missing(key)).cloned().collect();
        for key in missing {
            // An own write after the list was made is no more missing than the list is wrong.
            if !self.is_unseen_after(scope, &key, newest) {
                news.changes.extend(self.remove(&key));
            }
        }
        let missing: Vec<_> = self.left_out.keys().filter(|key| is_missing(key)).cloned().collect();
        missing.iter().for_each(|key| self.end(key, news));
        for (key, object) in listed.objects {
            self.put_if_newer(key, object, &mut news.changes);
        }
        listed.left_out.into_values().for_each(|unreadable| self.leave_out(unreadable, news));
        let watch = self.watch(scope);
        watch.unseen = watch.unseen.split_off(&newest.saturating_add(1));
        watch.delivered = watch.delivered.max(newest);
        (watch.synced, watch.refused) = (true, false);
    }

    fn applied(&mut self, scope: &str, object: Sent<K>, news: &mut News<K>) {
        let key = match &object {
            Sent::Whole(object) => Key::of(object),
            Sent::Unreadable(unreadable) => unreadable.key(),
        };
        news.changes.extend(self.pass_over(scope, &key, version_of(object.meta())));
        match object {
            Sent::Whole(object) => {
                self.put_if_newer(Arc::new(key), Arc::new(stripped(object)), &mut news.changes);
            }
            Sent::Unreadable(unreadable) => self.leave_out(*unreadable, news),
        }
    }

    fn deleted(&mut self, scope: &str, deleted: &ObjectMeta, news: &mut News<K>) {
        let key = key_of(deleted);
        news.changes.extend(self.pass_over(scope, &key, version_of(deleted)));
        self.removed.remove(&key);
        let known = self.objects.get(&key).map(|known| known.meta());
        let known = known.or_else(|| self.left_out.get(&key).map(|left| &left.unreadable.metadata));
        let stale = known.is_none_or(|known| {
            let another = deleted.uid != known.uid;
            another && version_of(known).zip(version_of(deleted)).is_some_and(|(known, deleted)| known > deleted)
        });
        if !stale {
            news.changes.extend(self.remove(&key));
            self.end(&key, news);
        }
    }

    /// Takes in that an object is there and does not decode.
    fn leave_out(&mut self, unreadable: Unreadable, news: &mut News<K>) {
        let (key, uid) = (unreadable.key(), unreadable.metadata.uid.clone());
        if uid.is_some() && self.removed.get(&key) == uid.as_ref() {
            return;
        }
        let before = self.left_out.get(&key);
        let known = self.objects.get(&key).map(|object| object.meta());
        let known = known.or_else(|| before.map(|left| &left.unreadable.metadata)).and_then(version_of);
        if known.zip(version_of(&unreadable.metadata)).is_some_and(|(known, new)| new <= known) {
            return;
        }
        let is_news = before.is_none_or(|left| {
            (&left.unreadable.why, &left.unreadable.metadata.uid) != (&unreadable.why, &unreadable.metadata.uid)
        });
        let mut last = self.left_out.remove(&key).and_then(|left| left.last);
        if let Some(object) = self.objects.remove(&key) {
            self.unindex(&key, &object);
            last = Some(object);
        }
        // Made again under its name: the one that decoded is gone.
        if let Some(gone) = last.take_if(|last| last.meta().uid != uid) {
            news.changes.push(Change { old: Some(gone), new: None });
        }
        let unreadable = Arc::new(unreadable);
        if is_news {
            news.left_out.push(unreadable.clone());
        }
        self.left_out.insert(key, LeftOut { unreadable, last });
    }

    /// An object that did not decode is gone.
    fn end(&mut self, key: &Key, news: &mut News<K>) {
        match self.left_out.remove(key) {
            None => {}
            Some(LeftOut { last: Some(last), .. }) => news.changes.push(Change { old: Some(last), new: None }),
            Some(LeftOut { unreadable, last: None }) => news.gone.push(unreadable),
        }
    }

    fn wrote(&mut self, object: K) -> Option<Change<K>> {
        let (written, key) = (version(&object)?, Arc::new(Key::of(&object)));
        let scope = self.scope_of(&key.namespace);
        if self.watches.get(scope).is_none_or(|watch| written <= watch.delivered) {
            return None;
        }
        let mut changes = Vec::new();
        self.put_if_newer(key.clone(), Arc::new(stripped(object)), &mut changes);
        let change = changes.pop()?;
        self.watches.get_mut(scope)?.unseen.insert(written, key.clone());
        Some(change)
    }

    fn gone(&mut self, key: &Key, uid: &str) -> Option<Change<K>> {
        if self.left_out.get(key).is_some_and(|left| left.unreadable.metadata.uid.as_deref() == Some(uid)) {
            self.removed.insert(key.clone(), uid.to_owned());
            return self.left_out.remove(key)?.last.map(|last| Change { old: Some(last), new: None });
        }
        if !self.objects.get(key).is_some_and(|known| has_uid(&**known, uid)) {
            return None;
        }
        self.removed.insert(key.clone(), uid.to_owned());
        self.remove(key)
    }

    /// The watch has come to `delivered`, with an event for `key`. Own writes before it that it has not shown are of
    /// objects that were deleted before it looked (between a list and its watch): they are ghosts, and go.
    fn pass_over(&mut self, scope: &str, key: &Key, delivered: Option<u64>) -> Vec<Change<K>> {
        let Some(delivered) = delivered else { return Vec::new() };
        let watch = self.watch(scope);
        watch.delivered = watch.delivered.max(delivered);
        let later = watch.unseen.split_off(&delivered.saturating_add(1));
        let passed = std::mem::replace(&mut watch.unseen, later);
        let mut changes = Vec::new();
        for (written, ghost) in passed {
            let current = self.objects.get(&ghost).and_then(|object| version(&**object)) == Some(written);
            if current && *ghost != *key {
                changes.extend(self.remove(&ghost));
            }
        }
        changes
    }

    fn is_unseen_after(&self, scope: &str, key: &Key, newest: u64) -> bool {
        let version = self.objects.get(key).and_then(|object| version(&**object));
        let is_unseen = |version| self.watches.get(scope).is_some_and(|watch| watch.unseen.contains_key(&version));
        version.is_some_and(|version| version > newest && is_unseen(version))
    }

    fn put_if_newer(&mut self, key: Arc<Key>, object: Arc<K>, changes: &mut Vec<Change<K>>) {
        if self.removed.get(&*key).is_some_and(|uid| has_uid(&*object, uid)) {
            return;
        }
        let known = self.objects.get(&key).map(|known| known.meta());
        let known =
            known.or_else(|| self.left_out.get(&*key).map(|left| &left.unreadable.metadata)).and_then(version_of);
        if known.zip(version(&*object)).is_some_and(|(known, new)| new <= known) {
            return;
        }
        // It decodes again. Whoever is told takes it for new: nobody has looked at it for a while.
        let last = self.left_out.remove(&*key).and_then(|left| left.last);
        if let Some(gone) = last.filter(|last| last.meta().uid != object.meta().uid) {
            changes.push(Change { old: Some(gone), new: None });
        }
        // The key that is in the map stays there, and the index shares it.
        let key = self.objects.get_key_value(&key).map_or(key, |(kept, _)| kept.clone());
        let old = self.objects.insert(key.clone(), object.clone());
        if let Some(old) = &old {
            self.unindex(&key, old);
        }
        let (index, groups) = (&mut self.index, &mut self.groups);
        let group = object.group();
        (self.indexer)(&object, &mut |name, value| {
            let counted = name.is_counted().then(|| value.clone());
            let is_new = index.entry(name).or_default().entry(value).or_default().insert(key.clone());
            if let Some(value) = counted.filter(|_| is_new) {
                *groups.entry(name).or_default().entry(value).or_default().entry(group.clone()).or_default() += 1;
            }
        });
        changes.push(Change { old, new: Some(object) });
    }

    fn remove(&mut self, key: &Key) -> Option<Change<K>> {
        let old = self.objects.remove(key)?;
        self.unindex(key, &old);
        Some(Change { old: Some(old), new: None })
    }

    fn unindex(&mut self, key: &Key, old: &K) {
        let (index, groups) = (&mut self.index, &mut self.groups);
        let group = old.group();
        (self.indexer)(old, &mut |name, value| {
            let Some(values) = index.get_mut(&name) else { return };
            let Some(keys) = values.get_mut(&value) else { return };
            let was_there = keys.remove(key);
            if keys.len() == 0 {
                values.remove(&value);
            }
            if was_there && name.is_counted() {
                uncount(groups.get_mut(&name), &value, &group);
            }
        });
    }
}

/// Takes one object of `group` from those that are counted under `value`.
fn uncount<G: Eq + Hash>(values: Option<&mut HashMap<String, HashMap<G, usize>>>, value: &str, group: &G) {
    let Some(values) = values else { return };
    let Some(groups) = values.get_mut(value) else { return };
    if let Some(count) = groups.get_mut(group) {
        *count -= 1;
        if *count == 0 {
            groups.remove(group);
        }
    }
    if groups.is_empty() {
        values.remove(value);
    }
}

/// The resourceVersion as the integer that it is; `None` from a server that does otherwise, where the watch alone is believed.
fn version<K: Resource>(object: &K) -> Option<u64> {
    version_of(object.meta())
}

fn version_of(meta: &ObjectMeta) -> Option<u64> {
    meta.resource_version.as_deref()?.parse().ok()
}

fn key_of(meta: &ObjectMeta) -> Key {
    Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

fn has_uid<K: Resource>(object: &K, uid: &str) -> bool {
    object.meta().uid.as_deref() == Some(uid)
}

/// Without what only others read: it is four fifths of an object's size.
fn stripped<K: Kept>(mut object: K) -> K {
    object.strip();
    object
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
