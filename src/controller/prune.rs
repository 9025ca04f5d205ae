//! Forgets what is remembered of objects that are gone. No I/O.
//!
//! Most of it is forgotten when an object goes. The rest is what is noted a moment later, by a pass that was under way, and what is
//! kept under other names than the object's: the number that it named, the route that it shared. Whoever makes objects and deletes
//! them must not fill the memory with that.

use std::{collections::HashSet, time::Duration};

use super::{Context, caches::Caches, kinds::Controlled};
use crate::api::{self, each_kind, meta::Key, number::E164, purchase::Marker};

/// How often it is looked for.
pub const INTERVAL: Duration = Duration::from_secs(300);

impl Context {
    /// Forgets what nobody needs any more.
    pub fn prune(&self) {
        // First what is remembered and then what is there: what is new in between is not forgotten.
        let ids = self.local.ids();
        let uids = self.uids();
        let is_there = |id: &String| uids.contains(id.split(' ').next().unwrap_or_default());
        let gone: HashSet<String> = ids.into_iter().filter(|id| !is_there(id)).collect();
        let caches = &self.caches;
        let is_account = |key: &Key| caches.accounts.get(key).is_some() || caches.accounts.is_left_out(key).is_some();
        self.local.forget_all(&gone, is_account);
        let shared = self.shared_names();
        let is_wanted = |number: &E164| caches.is_known(number);
        for (_, opened) in self.open_accounts.all() {
            opened.inventory.forget(is_wanted);
            opened.hosted.prune();
            opened.offer_cache.forget(|who| caches.numbers.get(who).is_some());
            if let Some(shared) = &shared {
                opened.sharing.forget(|name| shared.contains(name));
            }
        }
    }

    /// The uids of every object that something may be remembered of.
    fn uids(&self) -> HashSet<String> {
        fn add<K: Controlled>(uids: &mut HashSet<String>, caches: &Caches) {
            let cache = K::cache(caches);
            uids.extend(cache.uids());
            uids.extend(cache.left_out().iter().filter_map(|unreadable| unreadable.metadata.uid.clone()));
        }
        let mut uids = HashSet::new();
        macro_rules! add_each {
            ($($kind:ident)*) => { $(add::<api::$kind>(&mut uids, &self.caches);)* };
        }
        each_kind!(add_each);
        uids
    }

    /// The names of the routes that agents have their numbers share; nothing while those cannot be told.
    fn shared_names(&self) -> Option<HashSet<String>> {
        let installation = self.installation()?;
        let agents = self.caches.agents.all().into_iter().map(|agent| Key::of(&*agent));
        let agents = agents.chain(self.caches.agents.left_out().into_iter().map(|unreadable| unreadable.key()));
        Some(agents.map(|key| Marker::new(installation, &key.to_string()).as_str().to_owned()).collect())
    }
}
