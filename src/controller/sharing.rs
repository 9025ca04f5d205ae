//! The routes that numbers of one account share, as this process saw them last: one look for all of them. Does I/O, through
//! [`SharedRoutes`] only.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    api::number::{Destination, Route},
    carrier::{CarrierError, Outcome, SharedRoute, SharedRoutes, single_flight::SingleFlight},
    plan::{SetSharedRoute, shared::Sight},
};

/// The shared routes of one account, by their names.
#[derive(Debug, Default)]
pub struct Sharing {
    flight: SingleFlight,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the last look showed, and when that began.
    looked: Option<(HashMap<String, SharedRoute>, Instant)>,
    known: HashMap<String, Known>,
    /// When somebody asked for another look.
    asked: Option<Instant>,
}

/// What is known of one of them beside what was seen.
#[derive(Debug, Default)]
struct Known {
    /// How the last write left it, when that began, and until when a look may show it as it was before.
    written: Option<(SharedRoute, Instant, Instant)>,
    /// When the last write of unknown outcome was given up.
    unknown: Option<Instant>,
    /// Until when something that was sent may yet be applied, or not be shown.
    unsettled_until: Option<Instant>,
}

impl Sharing {
    /// Looks at all of them, unless that was begun after `after`, and after somebody asked for it, already.
    pub async fn look(&self, shared: &dyn SharedRoutes, after: Instant) -> Result<(), CarrierError> {
        let after = self.state().asked.map_or(after, |asked| asked.max(after));
        let known = || self.state().looked.as_ref().is_some_and(|(_, begun)| *begun > after).then_some(());
        let fly = async |begun| {
            let routes = shared.all().await?;
            self.state().looked = Some((routes, begun));
            Ok(())
        };
        self.flight.share(after, known, fly).await
    }

    /// Writes one at the carrier and notes what came of it. A look may show it as it was before for as long as `lag`; one of unknown
    /// outcome may take `settling` to be seen.
    pub async fn set(
        &self,
        shared: &dyn SharedRoutes,
        name: &str,
        current: &SharedRoute,
        webhooks: &Route,
        [lag, settling]: [Duration; 2],
    ) -> Outcome<()> {
        let begun = Instant::now();
        let outcome = shared.set(name, current, webhooks).await;
        let ended = Instant::now();
        let mut state = self.state();
        let known = state.known.entry(name.to_owned()).or_default();
        match &outcome {
            Outcome::Did(route) => {
                known.written = Some((route.clone(), begun, ended + lag));
                (known.unknown, known.unsettled_until) = (None, None);
            }
            Outcome::DidNothing(_) => {}
            // Only a look can tell how it is now.
            Outcome::Unknown(_) => {
                (known.written, known.unknown) = (None, Some(ended));
                known.unsettled_until = Some(ended + settling);
            }
        }
        outcome.map(|_| ())
    }

    /// Forgets what is known of shared routes that nobody's are any more, once nothing that was sent for them can come about.
    pub fn forget(&self, is_somebodys: impl Fn(&str) -> bool) {
        let now = Instant::now();
        self.state()
            .known
            .retain(|name, known| known.unsettled_until.is_some_and(|until| now <= until) || is_somebodys(name));
    }

    /// What was seen until now is to be looked at again.
    pub fn look_anew(&self) {
        self.state().asked = Some(Instant::now());
    }

    /// Takes a write for done. What a number would be bound to has no id yet where that would be made by it.
    pub fn pretend(&self, write: &SetSharedRoute) {
        let mut route = SharedRoute { webhooks: write.webhooks.clone(), ..write.current.clone() };
        for channel in write.webhooks.keys() {
            route.bound.entry(*channel).or_insert(Destination::bound("sharedRoute", Some(write.name.clone())));
        }
        let now = Instant::now();
        let known = Known { written: Some((route, now, now)), ..Known::default() };
        self.state().known.insert(write.name.clone(), known);
    }

    /// How one was seen within the last `scan`, or since the pass that began then however long a look took, and how long until it has
    /// to be looked at again. `journalled` says whether somebody may have sent something for it before this process first asked about
    /// it, which may take `settling` to be seen.
    pub fn seen(
        &self,
        name: &str,
        pass: Instant,
        scan: Duration,
        journalled: bool,
        settling: Duration,
    ) -> Option<(Sight, Duration)> {
        let now = Instant::now();
        let mut state = self.state();
        let State { looked, known, asked } = &mut *state;
        // What is asked for once a pass has begun is for the next one: else it would never come to an end.
        let outdated = |begun: Instant| begun <= pass && asked.is_some_and(|asked| begun <= asked);
        let known = known
            .entry(name.to_owned())
            .or_insert_with(|| Known { unsettled_until: journalled.then(|| now + settling), ..Known::default() });
        let looked = looked.as_ref().map(|(routes, begun)| (routes, *begun));
        let (route, begun, due) = match (&known.written, looked) {
            (Some((route, begun, lags_until)), looked) if looked.is_none_or(|(_, begun)| begun < *lags_until) => {
                let scan = if outdated(*begun) { Duration::ZERO } else { scan };
                (route.clone(), *begun, (*begun + scan).max(*lags_until))
            }
            (_, Some((routes, begun))) if !outdated(begun) && known.unknown.is_none_or(|unknown| begun > unknown) => {
                (routes.get(name).cloned().unwrap_or_default(), begun, begun + scan)
            }
            _ => return None,
        };
        let due = due.checked_duration_since(now).filter(|due| !due.is_zero());
        let due = due.or((begun > pass && !outdated(begun)).then_some(scan))?;
        let proves = known.unsettled_until.is_none_or(|until| begun >= until);
        let age = if begun > pass { Duration::ZERO } else { now - begun };
        Some((Sight { route, age, proves }, due))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;

    use super::*;
    use crate::{api::number::Channel, carrier::ErrorClass};

    const SECOND: Duration = Duration::from_secs(1);
    const SCAN: Duration = Duration::from_secs(600);
    const SETTLING: Duration = Duration::from_secs(60);
    const LAG: Duration = Duration::from_secs(30);

    /// A carrier that shows what it is told to show, and answers writes as it is told.
    #[derive(Debug)]
    struct Fake {
        shows: Mutex<HashMap<String, SharedRoute>>,
        looks: Mutex<u32>,
        answers: bool,
    }

    #[async_trait]
    impl SharedRoutes for Fake {
        async fn all(&self) -> Result<HashMap<String, SharedRoute>, CarrierError> {
            tokio::time::sleep(SECOND).await;
            *self.looks.lock().unwrap() += 1;
            Ok(self.shows.lock().unwrap().clone())
        }

        async fn set(&self, _: &str, _: &SharedRoute, webhooks: &Route) -> Outcome<SharedRoute> {
            match self.answers {
                true => Outcome::Did(SharedRoute { webhooks: webhooks.clone(), ..SharedRoute::default() }),
                false => Outcome::Unknown(CarrierError::new(ErrorClass::Transient, "no")),
            }
        }
    }

    fn fake(answers: bool) -> Arc<Fake> {
        Arc::new(Fake { shows: Mutex::default(), looks: Mutex::default(), answers })
    }

    fn to(url: &str) -> Route {
        [(Channel::Voice, Destination { url: Some(url.to_owned()), ..Destination::default() })].into()
    }

    async fn write(sharing: &Sharing, fake: &Fake, webhooks: &Route) {
        sharing.set(fake, "a", &SharedRoute::default(), webhooks, [LAG, SETTLING]).await;
    }

    /// Where the route is seen to lead, and whether what it lacks is not there.
    fn seen(sharing: &Sharing) -> Option<(Route, bool)> {
        sharing.seen("a", Instant::now(), SCAN, false, SETTLING).map(|(sight, _)| (sight.route.webhooks, sight.proves))
    }

    #[tokio::test(start_paused = true)]
    async fn one_look_does_for_all_who_need_one() {
        let (sharing, fake) = (Sharing::default(), fake(true));
        assert_eq!(seen(&sharing), None);
        let began = Instant::now() - SECOND;
        let looks = futures::future::join_all((0..10).map(|_| sharing.look(&*fake, began))).await;
        assert!(looks.iter().all(Result::is_ok));
        assert_eq!((*fake.looks.lock().unwrap(), seen(&sharing)), (1, Some((Route::new(), true))));
        assert!(sharing.seen("b", began, SCAN, false, SETTLING).is_some(), "one that is not there is seen not to be");
        tokio::time::advance(SCAN).await;
        assert_eq!(seen(&sharing), None, "it is to be looked at again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_takes_longer_than_a_scan_does_for_the_pass_that_asked() {
        let (sharing, fake) = (Sharing::default(), fake(true));
        let (pass, scan) = (Instant::now() - SECOND, SECOND / 2);
        sharing.look(&*fake, pass).await.unwrap();
        let due = |pass| sharing.seen("a", pass, scan, false, SETTLING).map(|(_, due)| due);
        assert_eq!((due(pass), due(Instant::now())), (Some(scan), None));
        // One that began before somebody asks still does for its own pass, which else would never end, and not for the next one.
        tokio::time::advance(SECOND).await;
        sharing.look_anew();
        let next = Instant::now();
        assert_eq!((due(pass), due(next)), (Some(scan), None));
        tokio::time::advance(SECOND).await;
        sharing.look(&*fake, next).await.unwrap();
        assert_eq!((*fake.looks.lock().unwrap(), due(next)), (2, Some(scan)));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_looked_at_again_when_somebody_asks() {
        let (sharing, fake) = (Sharing::default(), fake(true));
        sharing.look(&*fake, Instant::now() - SECOND).await.unwrap();
        tokio::time::advance(SECOND).await;
        sharing.look_anew();
        assert_eq!(seen(&sharing), None);
        tokio::time::advance(SECOND).await;
        sharing.look(&*fake, Instant::now() - SECOND).await.unwrap();
        assert!(seen(&sharing).is_some());
        write(&sharing, &fake, &to("https://a.example/v2")).await;
        tokio::time::advance(SECOND).await;
        sharing.look_anew();
        assert!(seen(&sharing).is_some(), "a look could only lag behind what was just written");
        tokio::time::advance(LAG).await;
        assert_eq!(seen(&sharing), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_may_lag_behind_a_write_does_not_speak_against_it() {
        let (sharing, fake) = (Sharing::default(), fake(true));
        let wanted = to("https://a.example/v2");
        write(&sharing, &fake, &wanted).await;
        tokio::time::advance(SECOND).await;
        sharing.look(&*fake, Instant::now() - SECOND).await.unwrap();
        assert_eq!(seen(&sharing), Some((wanted, true)));
        tokio::time::advance(LAG).await;
        sharing.look(&*fake, Instant::now() - SECOND).await.unwrap();
        assert_eq!(seen(&sharing), Some((Route::new(), true)), "somebody took it away");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_write_of_unknown_outcome_it_is_looked_for_until_that_proves_something() {
        let (sharing, fake) = (Sharing::default(), fake(false));
        sharing.look(&*fake, Instant::now() - SECOND).await.unwrap();
        write(&sharing, &fake, &to("https://a.example/v2")).await;
        assert_eq!(seen(&sharing), None, "what was seen before says nothing any more");
        tokio::time::advance(SECOND).await;
        sharing.look(&*fake, Instant::now() - SECOND).await.unwrap();
        assert_eq!(seen(&sharing), Some((Route::new(), false)));
        tokio::time::advance(SETTLING).await;
        assert_eq!(seen(&sharing), Some((Route::new(), false)), "it was looked at too early");
        sharing.look(&*fake, Instant::now() - SECOND).await.unwrap();
        assert_eq!(seen(&sharing), Some((Route::new(), true)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_journalled_before_this_process_began_may_be_on_its_way() {
        let (sharing, fake) = (Sharing::default(), fake(true));
        let proves =
            |sharing: &Sharing| sharing.seen("a", Instant::now(), SCAN, true, SETTLING).map(|(sight, _)| sight.proves);
        assert_eq!(proves(&sharing), None);
        sharing.look(&*fake, Instant::now() - SECOND).await.unwrap();
        assert_eq!(proves(&sharing), Some(false));
        tokio::time::advance(SETTLING).await;
        sharing.look(&*fake, Instant::now() - SECOND).await.unwrap();
        assert_eq!(proves(&sharing), Some(true));
    }
}
