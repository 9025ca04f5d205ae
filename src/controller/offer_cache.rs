//! What is for sale under one account: searches that all its objects share, and who is about to take what. Does I/O, through
//! [`Carrier`] only.
//!
//! A number that somebody is about to buy is shown to nobody else, so that many who wish the same do not run for the same one.
//! That is economy: what keeps two from buying one number is its claim.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    api::{meta::Key, number::E164, offer::Offer},
    carrier::{CarrierError, Sales},
    plan::{Crowd, OfferQuery, Offers, policy},
};

/// How long what was found is shown to others.
const FRESH: Duration = Duration::from_secs(60);
/// For how long a number is kept for whoever is about to buy it.
const KEPT: Duration = Duration::from_secs(60);
/// For how long a number that the carrier would not sell is shown to nobody, whatever its searches show: so long that whoever looks
/// comes to another number, another place, or what somebody else held and let go of.
const HIDDEN: Duration = Duration::from_secs(3600);
/// While more than this part of what was shown is on its way to be bought, another search would mostly show the same again.
const CROWD: usize = 4;
/// After a search that showed nothing but what others are taking, how long the next one waits: the carrier's search may lag behind
/// what was bought, and everybody who waits would ask. It is twice as long after each in a row, up to the longest.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(30);

/// What is for sale under one account.
#[derive(Debug, Default)]
pub struct OfferCache {
    state: Mutex<State>,
    /// Held while a search is under way.
    flight: tokio::sync::Mutex<()>,
}

/// How many searches are remembered at most: one may have shown a thousand numbers, and every wish may differ.
const MOST_SEARCHES: usize = 32;

#[derive(Debug, Default)]
struct State {
    searches: HashMap<OfferQuery, Search>,
    /// Numbers that somebody is about to buy: the uid, and since when.
    kept: HashMap<E164, (String, Instant)>,
    /// Numbers that the carrier would not sell, or has on order, and since when.
    hidden: HashMap<E164, Instant>,
    /// Who found that others are just taking what there is, in the order in which they came.
    waiting: VecDeque<(OfferQuery, Key)>,
    /// Who need wait no longer and was not told yet.
    called: Vec<Key>,
}

/// What a search has shown.
#[derive(Debug)]
struct Search {
    at: Instant,
    /// How many numbers there were.
    shown: usize,
    /// Those that nobody has bought since.
    left: Vec<Offer>,
    /// Where not one of them was free: since when that was so of every search, and of how many.
    vain: Option<(Instant, u32)>,
}

impl Search {
    /// How long yet until another search may show something else, if not one of these was free.
    fn again(&self) -> Option<Duration> {
        let (_, count) = self.vain?;
        let pause = SOON.saturating_mul(2u32.saturating_pow(count.saturating_sub(1))).min(LATER);
        pause.checked_sub(self.at.elapsed()).filter(|left| !left.is_zero())
    }

    /// For how long nothing free was seen.
    fn lasts(&self) -> Duration {
        self.vain.map_or(self.at, |(since, _)| since).elapsed()
    }
}

impl OfferCache {
    /// What is for sale for the object `uid`, by a search of the last minute or a new one. `is_claimed` says which numbers
    /// somebody in this cluster has. Where others are just taking what there is, `who` waits for what else there may be.
    pub async fn offers(
        &self,
        sales: &dyn Sales,
        asked: &OfferQuery,
        uid: &str,
        who: Option<&Key>,
        is_claimed: impl Fn(&E164) -> bool + Sync,
    ) -> Result<Offers, CarrierError> {
        let known = || {
            let mut state = self.state();
            let offers = state.known(asked, uid, &is_claimed)?;
            state.wait(&offers, who);
            Some(offers)
        };
        if let Some(offers) = known() {
            return Ok(offers);
        }
        let _flight = self.flight.lock().await;
        if let Some(offers) = known() {
            return Ok(offers);
        }
        let found = match asked {
            OfferQuery::Number(number) => sales.offer(number).await?.into_iter().collect(),
            OfferQuery::Search(search) => sales.offers(search).await?,
        };
        let mut state = self.state();
        let offers = state.found(asked, found, uid, &is_claimed);
        state.wait(&offers, who);
        Ok(offers)
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

    /// The carrier would not sell this number, or has taken an order of it: its searches may show it for as long as they like. Whoever names
    /// just this number is told what the carrier says.
    pub fn hide(&self, number: &E164) {
        let mut state = self.state();
        state.hidden.insert(number.clone(), Instant::now());
        state.searches.values_mut().for_each(|search| search.left.retain(|offer| offer.number != *number));
    }

    /// The object is gone: nothing is kept for it.
    pub fn release(&self, uid: &str) {
        let kept = self.state().kept.iter().find(|(_, (by, _))| by == uid).map(|(number, _)| number.clone());
        if let Some(number) = kept {
            self.settled(&number, false);
        }
    }

    /// The object has its number, or gave it up. `gone` if nobody else need try it.
    pub fn settled(&self, number: &E164, gone: bool) {
        let mut state = self.state();
        state.kept.remove(number);
        if gone {
            state.searches.values_mut().for_each(|search| search.left.retain(|offer| offer.number != *number));
        }
        let mut waited_for: Vec<OfferQuery> = state.waiting.iter().map(|(asked, _)| asked.clone()).collect();
        waited_for.dedup();
        for asked in waited_for {
            if state.known(&asked, "", &|_| false).is_none_or(|offers| offers.crowded.is_none()) {
                // It is time to search again, or somebody did not take what there is: one will do for either.
                state.call(&asked, 1);
            }
        }
    }

    /// Forgets what is out of date, and those who wait and are gone.
    pub fn forget(&self, exists: impl Fn(&Key) -> bool) {
        let mut state = self.state();
        state.searches.retain(|_, search| search.at.elapsed() < FRESH);
        state.kept.retain(|_, (_, since)| since.elapsed() < KEPT);
        state.hidden.retain(|_, since| since.elapsed() < HIDDEN);
        state.waiting.retain(|(_, who)| exists(who));
        state.called.retain(exists);
    }

    /// Those who waited and may look again now. Each is named once.
    pub fn called(&self) -> Vec<Key> {
        std::mem::take(&mut self.state().called)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the last search showed, as far as it is any use: something is left, or others are just taking the rest. That all of it
    /// was bought says nothing about what else there is.
    fn known(&mut self, asked: &OfferQuery, uid: &str, is_claimed: &impl Fn(&E164) -> bool) -> Option<Offers> {
        self.searches.retain(|_, search| search.at.elapsed() < FRESH);
        self.kept.retain(|_, (_, since)| since.elapsed() < KEPT);
        let search = self.searches.get(asked)?;
        let free = self.free(&search.left, uid, is_claimed);
        let underway = search.left.iter().filter(|offer| self.kept.contains_key(&offer.number)).count();
        let again = search.again().or((underway * CROWD > search.shown).then_some(policy::CROWDED));
        let crowded = again.filter(|_| free.is_empty()).map(|again| Crowd { lasts: search.lasts(), again });
        let useful = search.shown == 0 || !free.is_empty() || crowded.is_some();
        useful.then(|| Offers { asked: asked.clone(), found: free, crowded })
    }

    /// Notes whether an object waits for what else there is: at once, lest the last of the others settles meanwhile.
    fn wait(&mut self, offers: &Offers, who: Option<&Key>) {
        let Some(who) = who else { return };
        self.waiting.retain(|(_, other)| other != who);
        if offers.crowded.is_some() && offers.found.is_empty() {
            self.waiting.push_back((offers.asked.clone(), who.clone()));
        }
    }

    /// Takes in what a look has found.
    fn found(
        &mut self,
        asked: &OfferQuery,
        mut found: Vec<Offer>,
        uid: &str,
        is_claimed: &impl Fn(&E164) -> bool,
    ) -> Offers {
        let is_search = matches!(asked, OfferQuery::Search(_));
        if is_search {
            self.hidden.retain(|_, since| since.elapsed() < HIDDEN);
            found.retain(|offer| !self.hidden.contains_key(&offer.number));
        }
        let free = self.free(&found, uid, is_claimed);
        let mut crowded = None;
        if is_search {
            let last = self.searches.get(asked).and_then(|search| search.vain);
            let vain = free.is_empty() && !found.is_empty();
            let vain = vain.then(|| last.map_or((Instant::now(), 1), |(since, count)| (since, count + 1)));
            let search = Search { at: Instant::now(), shown: found.len(), left: found, vain };
            crowded = search.again().map(|again| Crowd { lasts: search.lasts(), again });
            self.searches.insert(asked.clone(), search);
            self.forget_oldest();
            // One of them is for whoever searched.
            self.call(asked, free.len().saturating_sub(1));
        }
        Offers { asked: asked.clone(), found: free, crowded }
    }

    fn forget_oldest(&mut self) {
        while self.searches.len() > MOST_SEARCHES {
            let oldest = self.searches.iter().min_by_key(|(_, search)| search.at).map(|(asked, _)| asked.clone());
            let Some(oldest) = oldest else { return };
            self.searches.remove(&oldest);
            // What they waited for is not known any more: they look for themselves.
            self.call(&oldest, usize::MAX);
        }
    }

    /// Calls so many of those who wait for this.
    fn call(&mut self, asked: &OfferQuery, count: usize) {
        let mut left = count;
        let (called, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(of, _)| {
            let is_called = left > 0 && of == asked;
            left -= usize::from(is_called);
            is_called
        });
        self.waiting = waiting;
        self.called.extend(VecDeque::into_iter(called).map(|(_, who)| who));
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

    fn asked() -> OfferQuery {
        OfferQuery::Search(offer::Search {
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
    fn kept(count: usize) -> OfferCache {
        let offer_cache = OfferCache::default();
        offer_cache.state().found(&asked(), (0..4).map(offer).collect(), "", &|_| false);
        (0..count).for_each(|i| assert!(offer_cache.keep(&offer(i).number, &i.to_string())));
        offer_cache
    }

    /// How many are free by what is known, and whether one is to wait; `None` if it has to be searched.
    fn known(offer_cache: &OfferCache) -> Option<(usize, bool)> {
        offer_cache
            .state()
            .known(&asked(), "new", &|_| false)
            .map(|offers| (offers.found.len(), offers.crowded.is_some()))
    }

    #[tokio::test(start_paused = true)]
    async fn one_search_serves_all_until_most_of_what_it_showed_is_bought() {
        assert_eq!(known(&kept(3)), Some((1, false)));
        let offer_cache = kept(4);
        for i in 0..3 {
            assert_eq!(known(&offer_cache), Some((0, true)), "{i} of 4 are bought, the others are on their way");
            offer_cache.settled(&offer(i).number, true);
        }
        assert_eq!(known(&offer_cache), None);
        offer_cache.settled(&offer(3).number, true);
        assert_eq!(known(&offer_cache), None, "that all were bought is not that there are no more");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_called_when_it_is_time_to_search_and_when_there_is_something() {
        let offer_cache = kept(4);
        let who = |i: usize| Key::new("n", i.to_string());
        let crowded = offer_cache.state().known(&asked(), "new", &|_| false).unwrap();
        (0..6).for_each(|i| offer_cache.state().wait(&crowded, Some(&who(i))));
        for i in 0..2 {
            offer_cache.settled(&offer(i).number, true);
            assert_eq!(offer_cache.called(), []);
        }
        offer_cache.settled(&offer(2).number, true);
        assert_eq!(offer_cache.called(), [who(0)], "one is enough to search");
        offer_cache.state().found(&asked(), (4..8).map(offer).collect(), "0", &|_| false);
        assert_eq!(offer_cache.called(), [who(1), who(2), who(3)], "and one for each number more");
        assert_eq!(offer_cache.called(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_was_called_for_and_did_not_take_is_there_for_whoever_waits_next() {
        let offer_cache = kept(4);
        let crowded = offer_cache.state().known(&asked(), "new", &|_| false).unwrap();
        let who = |i: usize| Key::new("n", i.to_string());
        (0..2).for_each(|i| offer_cache.state().wait(&crowded, Some(&who(i))));
        // It was refused for a reason of its own.
        offer_cache.settled(&offer(0).number, false);
        assert_eq!(offer_cache.called(), [who(0)]);
        offer_cache.settled(&offer(1).number, true);
        assert_eq!(offer_cache.called(), [who(1)]);
        let left = offer_cache.state().known(&asked(), "new", &|_| false).unwrap();
        assert_eq!(left.found.len(), 1);
        offer_cache.release("3");
        assert_eq!(offer_cache.state().known(&asked(), "new", &|_| false).unwrap().found.len(), 2);
        assert!(offer_cache.keep(&offer(3).number, "3"));
        offer_cache.state().wait(&crowded, Some(&who(2)));
        offer_cache.state().wait(&left, Some(&who(2)));
        offer_cache.settled(&offer(2).number, true);
        assert_eq!(offer_cache.called(), [], "whoever found something waits no longer");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_searches_are_remembered_than_are_any_use() {
        let offer_cache = OfferCache::default();
        for i in 0..100 {
            let OfferQuery::Search(search) = asked() else { unreachable!() };
            let asked = OfferQuery::Search(offer::Search { ends_with: Some(i.to_string()), ..search });
            offer_cache.state().found(&asked, vec![offer(i)], "", &|_| false);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(offer_cache.state().searches.len(), MOST_SEARCHES);
        tokio::time::advance(FRESH).await;
        offer_cache.forget(|_| true);
        assert!(offer_cache.state().searches.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_that_shows_nothing_is_believed_for_a_while() {
        let offer_cache = OfferCache::default();
        offer_cache.state().found(&asked(), Vec::new(), "", &|_| false);
        assert_eq!(known(&offer_cache), Some((0, false)));
        tokio::time::advance(FRESH).await;
        assert_eq!(known(&offer_cache), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_carrier_would_not_sell_is_shown_to_nobody_for_a_while_unless_it_is_named() {
        let offer_cache = OfferCache::default();
        let found = |count| {
            let offers = offer_cache.state().found(&asked(), (0..count).map(offer).collect(), "", &|_| false);
            (offers.found.len(), offers.crowded.is_some())
        };
        assert_eq!(found(2), (2, false));
        offer_cache.hide(&offer(0).number);
        assert_eq!(known(&offer_cache), Some((1, false)));
        assert_eq!(found(2), (1, false));
        assert_eq!(found(1), (0, false), "nothing is for sale, and nobody is about to take anything");
        let named = OfferQuery::Number(offer(0).number);
        assert_eq!(offer_cache.state().found(&named, vec![offer(0)], "", &|_| false).found.len(), 1);
        tokio::time::advance(HIDDEN).await;
        assert_eq!(found(1), (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_search_shows_only_what_others_have_it_is_repeated_less_and_less_often() {
        let offer_cache = OfferCache::default();
        let known = || offer_cache.state().known(&asked(), "new", &|_| true).map(|offers| offers.crowded);
        let (begun, mut waited) = (Instant::now(), Vec::new());
        for _ in 0..8 {
            let offers = offer_cache.state().found(&asked(), vec![offer(0)], "", &|_| true);
            let crowd = offers.crowded.unwrap();
            assert_eq!((offers.found.len(), crowd.lasts), (0, begun.elapsed()));
            assert_eq!(known(), Some(Some(crowd)));
            tokio::time::advance(crowd.again).await;
            assert_eq!(known(), None, "it is searched again");
            waited.push(crowd.again.as_secs());
        }
        assert_eq!(waited, [1, 2, 4, 8, 16, 30, 30, 30]);
        offer_cache.state().found(&asked(), vec![offer(0)], "", &|_| false);
        let offers = offer_cache.state().found(&asked(), vec![offer(0)], "", &|_| true);
        assert_eq!(offers.crowded.unwrap(), Crowd { lasts: Duration::ZERO, again: SOON }, "it begins anew");
    }
}
