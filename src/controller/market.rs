//! What is for sale under one account: searches that all its objects share, and who is about to take what. Does I/O, through
//! [`Carrier`] only.
//!
//! A number that somebody is about to buy is shown to nobody else, so that many who wish the same do not run for the same one.
//! That is economy: what keeps two from buying one number is its claim.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    api::{number::E164, offer::Offer},
    carrier::{Carrier, CarrierError},
    plan::{Asked, Offers},
};

/// How long what was found is shown to others.
const FRESH: Duration = Duration::from_secs(60);
/// For how long a number is kept for whoever is about to buy it.
const KEPT: Duration = Duration::from_secs(60);
/// While more than this part of what was found is on its way to be bought, another search would mostly show the same again.
const CROWD: usize = 4;

/// What is for sale under one account.
#[derive(Debug, Default)]
pub struct Market {
    state: Mutex<State>,
    /// Held while a search is under way.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    found: HashMap<Asked, (Instant, Vec<Offer>)>,
    /// Numbers that somebody is about to buy: the uid, and since when.
    kept: HashMap<E164, (String, Instant)>,
}

impl Market {
    /// What is for sale for the object `uid`, by a search of the last minute or a new one. `is_claimed` says which numbers
    /// somebody in this cluster has.
    pub async fn offers(
        &self,
        carrier: &dyn Carrier,
        asked: &Asked,
        uid: &str,
        is_claimed: impl Fn(&E164) -> bool + Sync,
    ) -> Result<Offers, CarrierError> {
        if let Some(offers) = self.known(asked, uid, &is_claimed) {
            return Ok(offers);
        }
        let _flight = self.flight.lock().await;
        if let Some(offers) = self.known(asked, uid, &is_claimed) {
            return Ok(offers);
        }
        let found = match asked {
            Asked::Number(number) => carrier.offer(number).await?.into_iter().collect(),
            Asked::Search(search) => carrier.offers(search).await?,
        };
        let mut state = self.state();
        let free = state.free(&found, uid, &is_claimed);
        let crowded = free.is_empty() && !found.is_empty() && matches!(asked, Asked::Search(_));
        if matches!(asked, Asked::Search(_)) {
            state.found.insert(asked.clone(), (Instant::now(), found));
        }
        Ok(Offers { asked: asked.clone(), found: free, crowded })
    }

    /// What the last search showed, as far as it is any use: something is left, or others are just taking the rest.
    fn known(&self, asked: &Asked, uid: &str, is_claimed: &impl Fn(&E164) -> bool) -> Option<Offers> {
        let mut state = self.state();
        state.found.retain(|_, (at, _)| at.elapsed() < FRESH);
        state.kept.retain(|_, (_, since)| since.elapsed() < KEPT);
        let (_, found) = state.found.get(asked)?;
        if found.is_empty() {
            return Some(Offers { asked: asked.clone(), found: Vec::new(), crowded: false });
        }
        let free = state.free(found, uid, is_claimed);
        let underway = found.iter().filter(|offer| state.kept.contains_key(&offer.number)).count();
        let crowded = free.is_empty() && underway * CROWD > found.len();
        (!free.is_empty() || crowded).then(|| Offers { asked: asked.clone(), found: free, crowded })
    }

    /// Keeps a number for an object; whether nobody else has it kept.
    pub fn keep(&self, number: &E164, uid: &str) -> bool {
        let mut state = self.state();
        let free = state.kept.get(number).is_none_or(|(by, since)| by == uid || since.elapsed() >= KEPT);
        if free {
            state.kept.retain(|_, (by, _)| by != uid);
            state.kept.insert(number.clone(), (uid.to_owned(), Instant::now()));
        }
        free
    }

    /// The object has its number, or gave it up. `gone` if nobody else need try it.
    pub fn settled(&self, number: &E164, gone: bool) {
        let mut state = self.state();
        state.kept.remove(number);
        if gone {
            state.found.values_mut().for_each(|(_, found)| found.retain(|offer| offer.number != *number));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn free(&self, found: &[Offer], uid: &str, is_claimed: &impl Fn(&E164) -> bool) -> Vec<Offer> {
        let is_kept = |number| self.kept.get(number).is_some_and(|(by, _)| by != uid);
        found.iter().filter(|offer| !is_kept(&offer.number) && !is_claimed(&offer.number)).cloned().collect()
    }
}
