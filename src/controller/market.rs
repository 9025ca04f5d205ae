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
/// While more than this part of what was shown is on its way to be bought, another search would mostly show the same again.
const CROWD: usize = 4;
/// After a search that showed nothing but what others are taking, how long the next one waits: the carrier's search may lag behind
/// what was bought, and everybody who waits would ask.
const SOON: Duration = Duration::from_secs(1);

/// What is for sale under one account.
#[derive(Debug, Default)]
pub struct Market {
    state: Mutex<State>,
    /// Held while a search is under way.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    searches: HashMap<Asked, Search>,
    /// Numbers that somebody is about to buy: the uid, and since when.
    kept: HashMap<E164, (String, Instant)>,
}

/// What a search has shown.
#[derive(Debug)]
struct Search {
    at: Instant,
    /// How many numbers there were.
    shown: usize,
    /// Those that nobody has bought since.
    left: Vec<Offer>,
    /// Whether not one of them was free.
    vain: bool,
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
        if let Some(offers) = self.state().known(asked, uid, &is_claimed) {
            return Ok(offers);
        }
        let _flight = self.flight.lock().await;
        if let Some(offers) = self.state().known(asked, uid, &is_claimed) {
            return Ok(offers);
        }
        let found = match asked {
            Asked::Number(number) => carrier.offer(number).await?.into_iter().collect(),
            Asked::Search(search) => carrier.offers(search).await?,
        };
        Ok(self.state().found(asked, found, uid, &is_claimed))
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
            state.searches.values_mut().for_each(|search| search.left.retain(|offer| offer.number != *number));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the last search showed, as far as it is any use: something is left, or others are just taking the rest. That all of it
    /// was bought says nothing about what else there is.
    fn known(&mut self, asked: &Asked, uid: &str, is_claimed: &impl Fn(&E164) -> bool) -> Option<Offers> {
        self.searches.retain(|_, search| search.at.elapsed() < FRESH);
        self.kept.retain(|_, (_, since)| since.elapsed() < KEPT);
        let Search { at, shown, left, vain } = self.searches.get(asked)?;
        let free = self.free(left, uid, is_claimed);
        let underway = left.iter().filter(|offer| self.kept.contains_key(&offer.number)).count();
        let crowded = free.is_empty() && (underway * CROWD > *shown || *vain && at.elapsed() < SOON);
        let useful = *shown == 0 || !free.is_empty() || crowded;
        useful.then(|| Offers { asked: asked.clone(), found: free, crowded })
    }

    /// Takes in what a look has found.
    fn found(&mut self, asked: &Asked, found: Vec<Offer>, uid: &str, is_claimed: &impl Fn(&E164) -> bool) -> Offers {
        let free = self.free(&found, uid, is_claimed);
        let is_search = matches!(asked, Asked::Search(_));
        let vain = is_search && free.is_empty() && !found.is_empty();
        if is_search {
            let search = Search { at: Instant::now(), shown: found.len(), left: found, vain };
            self.searches.insert(asked.clone(), search);
        }
        Offers { asked: asked.clone(), found: free, crowded: vain }
    }

    fn free(&self, found: &[Offer], uid: &str, is_claimed: &impl Fn(&E164) -> bool) -> Vec<Offer> {
        let is_kept = |number| self.kept.get(number).is_some_and(|(by, _)| by != uid);
        found.iter().filter(|offer| !is_kept(&offer.number) && !is_claimed(&offer.number)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::offer::{self, NumberType, Price};

    fn asked() -> Asked {
        Asked::Search(offer::Search {
            country: "US".into(),
            kind: NumberType::Local,
            area_code: Some("415".into()),
            locality: None,
            region: None,
            features: Vec::new(),
            starts_with: None,
            contains: None,
            ends_with: None,
            best_effort: true,
        })
    }

    fn offer(i: usize) -> Offer {
        Offer {
            number: format!("+1415555{i:04}").parse().unwrap(),
            country: "US".into(),
            kind: NumberType::Local,
            locality: None,
            region: None,
            features: Vec::new(),
            price: Price::default(),
            can_hold: false,
        }
    }

    /// A market whose last search showed four numbers, of which the first so many were since kept, each by an object of its own.
    fn kept(count: usize) -> Market {
        let market = Market::default();
        market.state().found(&asked(), (0..4).map(offer).collect(), "", &|_| false);
        (0..count).for_each(|i| assert!(market.keep(&offer(i).number, &i.to_string())));
        market
    }

    /// How many are free by what is known, and whether one is to wait; `None` if it has to be searched.
    fn known(market: &Market) -> Option<(usize, bool)> {
        market.state().known(&asked(), "new", &|_| false).map(|offers| (offers.found.len(), offers.crowded))
    }

    #[tokio::test(start_paused = true)]
    async fn one_search_serves_all_until_most_of_what_it_showed_is_bought() {
        assert_eq!(known(&kept(3)), Some((1, false)));
        let market = kept(4);
        for i in 0..3 {
            assert_eq!(known(&market), Some((0, true)), "{i} of 4 are bought, the others are on their way");
            market.settled(&offer(i).number, true);
        }
        assert_eq!(known(&market), None);
        market.settled(&offer(3).number, true);
        assert_eq!(known(&market), None, "that all were bought is not that there are no more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_that_shows_nothing_is_believed_for_a_while() {
        let market = Market::default();
        market.state().found(&asked(), Vec::new(), "", &|_| false);
        assert_eq!(known(&market), Some((0, false)));
        tokio::time::advance(FRESH).await;
        assert_eq!(known(&market), None);
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_search_shows_only_what_others_have_it_is_not_repeated_at_once() {
        let market = Market::default();
        let offers = market.state().found(&asked(), vec![offer(0)], "", &|_| true);
        assert!(offers.crowded && offers.found.is_empty());
        let known = || market.state().known(&asked(), "new", &|_| true).map(|offers| offers.crowded);
        assert_eq!(known(), Some(true));
        tokio::time::advance(SOON).await;
        assert_eq!(known(), None);
    }
}
