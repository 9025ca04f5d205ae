//! What looking at an account has proved. No I/O, no async; the time is an input.
//!
//! To see a number is proof. To miss it is not: a listing lags, pages tear, keys are swapped. `Absent` therefore takes
//! a complete listing that began long enough after the number was last there, *and* an exact look-up after that; and a
//! listing that lacks many numbers at once is disbelieved.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    api::{number::E164, phone_number::Extra, purchase::Marker},
    carrier::{Calling, Messaging, OwnedNumber},
};

/// What is known of a number. `begun` is when the look that says so began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was there.
    Present { number: Arc<OwnedNumber>, begun: Instant },
    /// It is proved not to be there.
    Absent { begun: Instant },
    /// Neither.
    Unseen,
}

/// A complete listing that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub begun: Instant,
    pub ended: Instant,
    /// How many numbers it held.
    pub owned: usize,
    /// The numbers that are now seen otherwise than before.
    pub changed: Vec<E164>,
}

/// A listing that lacks too many numbers to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// How many numbers counted as owned before.
    pub owned_before: usize,
    /// How many of them it lacks.
    pub vanished: usize,
}

/// Whether so many numbers vanished in one listing that a swapped key or a sick carrier is likelier than that they are
/// gone. One or two may well have been released at once; a fifth of an account is not.
pub fn is_doubtful(owned_before: usize, vanished: usize) -> bool {
    vanished >= 3 && vanished * 5 >= owned_before
}

/// The numbers of one account.
#[derive(Debug)]
pub(super) struct View {
    lag: Duration,
    write_lifetime: Duration,
    tracks: HashMap<E164, Box<Track>>,
    /// The numbers that were ever seen with each marker.
    marked: HashMap<Marker, HashSet<E164>>,
    last: Option<Arc<Listing>>,
    doubt: Option<Doubt>,
}

/// What is known of one number.
#[derive(Debug, Default)]
struct Track {
    sight: Option<Sight>,
    /// Known to be owned by somebody's memory, before anything was seen.
    expected: bool,
    /// When the first believed listing began that could have shown the number and did not, since it was last there.
    missing: Option<Instant>,
    /// The same of listings that are in doubt.
    doubted: Option<Instant>,
    /// When the last listing began that lacked it.
    lacking: Option<Instant>,
    /// When the last exact look-up began that missed it.
    missed: Option<Instant>,
    /// When the last listing began that showed it.
    listed: Option<Instant>,
    /// When a write ended that took it off.
    taken_off: Option<Instant>,
    /// By which credentials a platform was asked to answer it since.
    given: Option<String>,
    /// Until when a write of unknown outcome may be applied.
    in_flight_until: Option<Instant>,
    /// Until when a purchase of unknown outcome may come to be seen, however far listings lag.
    unsettled_until: Option<Instant>,
    /// What was seen of its extras since it is there.
    extras: BTreeMap<Extra, SeenExtra>,
    /// Whether a write of ours brought it there.
    bound: bool,
}

/// How an extra of a number was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenExtra {
    pub on: bool,
    /// When the look began that showed it, or the write ended that left it so.
    pub begun: Instant,
    /// Whether it is as it was when we had the platform answer the number, so that nobody has switched it since.
    pub as_bound: bool,
    /// Until when a look may show it as it was before a write.
    lags_until: Option<Instant>,
    /// Whether a look showed it otherwise in that time.
    doubted: bool,
}

impl SeenExtra {
    /// When it has to be looked at again, where that is done every `scan`.
    pub fn due(&self, scan: Duration) -> Instant {
        let due = self.begun + scan;
        self.lags_until.filter(|_| self.doubted).map_or(due, |until| until.min(due))
    }
}

/// The number as last seen.
#[derive(Debug)]
struct Sight {
    number: Arc<OwnedNumber>,
    begun: Instant,
    /// When the look ended, for a write: what it says is the state at its end.
    ended: Instant,
    /// Whether this is what a write answered: listings may lag behind it.
    written: bool,
}

impl Track {
    /// Whether the number counts as owned.
    fn is_owned(&self) -> bool {
        (self.sight.is_some() || self.expected) && self.missing.is_none()
    }

    /// After when a listing must have begun to prove anything by lacking the number.
    fn lag_over(&self, lag: Duration) -> Option<Instant> {
        // What a listing shows soon after a write does not replace what was written, and was there all the same.
        let touched = self.sight.as_ref().map(|sight| sight.ended).max(self.in_flight_until).max(self.listed);
        touched.map(|touched| touched + lag).max(self.unsettled_until)
    }

    /// Whether nothing ever spoke for the number being there.
    fn is_stranger(&self) -> bool {
        self.sight.is_none() && !self.expected && self.in_flight_until.max(self.unsettled_until).is_none()
    }

    /// When the listing began that proves something by lacking the number: not one that a write may have overtaken.
    fn missing(&self, lag: Duration) -> Option<Instant> {
        let over = self.lag_over(lag);
        self.missing.filter(|missing| over.is_none_or(|over| *missing > over))
    }

    fn absent(&self, lag: Duration) -> Option<Instant> {
        let (missing, missed) = (self.missing(lag)?, self.missed?);
        // Of a number that never was there, neither proof can be out of date.
        let proved = missed > missing || self.is_stranger();
        proved.then(|| missed.min(self.lacking.unwrap_or(missing)))
    }

    fn is_there(&mut self) {
        self.missing = None;
        self.doubted = None;
        self.lacking = None;
        self.missed = None;
        self.taken_off = None;
    }
}

impl View {
    pub fn new(lag: Duration, write_lifetime: Duration) -> Self {
        Self { lag, write_lifetime, tracks: HashMap::new(), marked: HashMap::new(), last: None, doubt: None }
    }

    pub fn expect(&mut self, number: E164) {
        let track = self.tracks.entry(number).or_default();
        if track.is_stranger() {
            // What looked like proof about a stranger is none about a number that was owned.
            (track.expected, track.missing, track.missed) = (true, None, None);
        }
    }

    pub fn last_listing(&self) -> Option<Arc<Listing>> {
        self.last.clone()
    }

    pub fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    pub fn owned(&self) -> Vec<Arc<OwnedNumber>> {
        let owned = self.tracks.values().filter(|track| track.is_owned());
        owned.filter_map(|track| Some(track.sight.as_ref()?.number.clone())).collect()
    }

    /// The owned numbers that bear this marker, in order.
    pub fn marked(&self, marker: &Marker) -> Vec<E164> {
        let bears = |number: &&E164| {
            let track = self.tracks.get(*number).filter(|track| track.is_owned());
            track
                .and_then(|track| track.sight.as_ref())
                .is_some_and(|sight| sight.number.marker.as_ref() == Some(marker))
        };
        let mut numbers: Vec<E164> = self.marked.get(marker).into_iter().flatten().filter(bears).cloned().collect();
        numbers.sort();
        numbers
    }

    pub fn count_owned(&self) -> usize {
        self.tracks.values().filter(|track| track.is_owned()).count()
    }

    fn remember_marker(&mut self, number: &OwnedNumber) {
        if let Some(marker) = &number.marker {
            self.marked.entry(marker.clone()).or_default().insert(number.number.clone());
        }
    }

    pub fn seen(&self, number: &E164) -> Seen {
        let Some(track) = self.tracks.get(number) else { return Seen::Unseen };
        if let Some(begun) = track.absent(self.lag) {
            return Seen::Absent { begun };
        }
        // A listing that is believed lacks it: what was seen before no longer speaks for it, and only an exact look-up can
        // tell. Or it was gone, and a write of unknown outcome may have brought it back.
        let open = track.missing.is_some();
        match &track.sight {
            Some(sight) if !open => Seen::Present { number: sight.number.clone(), begun: sight.begun },
            _ => Seen::Unseen,
        }
    }

    /// What the last look that could show the number says of it. That proves little, and does where a mistake is mended by the next look.
    pub fn shown(&self, number: &E164) -> Seen {
        let last = self.last.as_ref().map(|listing| listing.begun);
        let Some(track) = self.tracks.get(number) else {
            return last.map_or(Seen::Unseen, |begun| Seen::Absent { begun });
        };
        match (&track.sight, last.max(track.taken_off)) {
            (Some(sight), last) => {
                let settled = if sight.written { sight.ended + self.lag } else { sight.ended };
                // A listing that may lag behind speaks for what was written.
                let speaks_for = |last: &Instant| *last < settled || track.listed == Some(*last);
                match last.filter(|last| !speaks_for(last)) {
                    Some(begun) => Seen::Absent { begun },
                    None => {
                        let begun = last.map_or(sight.begun, |last| last.max(sight.begun));
                        Seen::Present { number: sight.number.clone(), begun }
                    }
                }
            }
            (None, Some(begun)) => Seen::Absent { begun },
            (None, None) => Seen::Unseen,
        }
    }

    /// Whether a write took the number off, and nothing has shown it since.
    pub fn was_taken_off(&self, number: &E164) -> bool {
        self.tracks.get(number).is_some_and(|track| track.taken_off.is_some())
    }

    pub fn given(&self, number: &E164) -> Option<String> {
        self.tracks.get(number)?.given.clone()
    }

    pub fn record_given(&mut self, number: &E164, fingerprint: String) {
        self.tracks.entry(number.clone()).or_default().given = Some(fingerprint);
    }

    /// Whether a listing that begins at `now` may lag behind what was written last for the number.
    pub fn lags(&self, number: &E164, now: Instant) -> bool {
        let sight = self.tracks.get(number).and_then(|track| track.sight.as_ref());
        sight.is_some_and(|sight| sight.written && now < sight.ended + self.lag)
    }

    /// How an extra of the number was last seen.
    pub fn extra(&self, number: &E164, extra: Extra) -> Option<SeenExtra> {
        self.tracks.get(number)?.extras.get(&extra).copied()
    }

    /// Takes in a look at an extra that began at `begun`.
    pub fn see_extra(&mut self, number: &E164, extra: Extra, on: bool, begun: Instant) {
        let Some(track) = self.tracks.get_mut(number) else { return };
        let before = track.extras.get(&extra).copied();
        let seen = match before {
            // What it shows may be older than what was written.
            Some(before) if before.lags_until.is_some_and(|until| begun < until) => {
                SeenExtra { begun: begun.max(before.begun), doubted: on != before.on, ..before }
            }
            before => {
                let as_bound = track.bound && before.is_none_or(|before| before.as_bound && before.on == on);
                SeenExtra { on, begun, as_bound, lags_until: None, doubted: false }
            }
        };
        track.extras.insert(extra, seen);
    }

    /// Takes in that a write which ended at `ended` left an extra so.
    pub fn record_extra(&mut self, number: &E164, extra: Extra, on: bool, ended: Instant) {
        let lags_until = Some(ended + self.lag);
        let Some(track) = self.tracks.get_mut(number) else { return };
        track.extras.insert(extra, SeenExtra { on, begun: ended, as_bound: false, lags_until, doubted: false });
    }

    /// Forgets how an extra was seen.
    pub fn doubt_extra(&mut self, number: &E164, extra: Extra) {
        if let Some(track) = self.tracks.get_mut(number) {
            track.extras.remove(&extra);
        }
    }

    /// Takes in that a write had the platform answer the number. What was seen of its extras says nothing any more.
    pub fn record_bound(&mut self, number: &E164) {
        let track = self.tracks.entry(number.clone()).or_default();
        (track.extras, track.bound) = (BTreeMap::new(), true);
    }

    /// Takes in that a write which ended at `ended` took the number off. A listing may show it for a while yet.
    pub fn record_taken_off(&mut self, number: &E164, ended: Instant) {
        let track = self.tracks.entry(number.clone()).or_default();
        // What was sent before may yet be applied.
        **track = Track {
            taken_off: Some(ended),
            in_flight_until: track.in_flight_until,
            unsettled_until: track.unsettled_until,
            ..Track::default()
        };
    }

    /// Whether something looked for the number after `after`, and either saw it or looked for nothing else.
    pub fn looked_after(&self, number: &E164, after: Instant) -> bool {
        let Some(track) = self.tracks.get(number) else { return false };
        let present = track.missing.is_none() && track.sight.as_ref().is_some_and(|sight| sight.begun > after);
        // A miss that came before the listing which it must follow would be asked for again and again.
        let missed = track.missed.is_some_and(|missed| missed > after)
            && (track.missing(self.lag).is_none() || track.absent(self.lag).is_some());
        present || missed
    }

    /// Takes in a complete listing that began at `begun` and ended at `ended`.
    pub fn apply_listing(&mut self, begun: Instant, ended: Instant, numbers: Vec<OwnedNumber>) -> Arc<Listing> {
        let owned = numbers.len();
        let mut changed = Vec::new();
        let mut shown = HashSet::with_capacity(owned);
        let owned_before = self.tracks.values().filter(|track| track.is_owned()).count();
        for number in numbers {
            shown.insert(number.number.clone());
            let name = number.number.clone();
            if self.see_listed(number, begun) {
                changed.push(name);
            }
        }
        self.miss(&shown, begun, owned_before, &mut changed);
        let listing = Arc::new(Listing { begun, ended, owned, changed });
        // Flights follow one another, so the newest is the last.
        self.last = Some(listing.clone());
        listing
    }

    /// Takes in one row of a listing; whether the number is seen otherwise now.
    fn see_listed(&mut self, number: OwnedNumber, begun: Instant) -> bool {
        let lag = self.lag;
        self.remember_marker(&number);
        let track = self.tracks.entry(number.number.clone()).or_default();
        if track.taken_off.is_some_and(|ended| begun < ended + lag) {
            return false;
        }
        track.listed = Some(begun);
        if let Some(sight) = &track.sight {
            let settled = if sight.written { sight.ended + lag } else { sight.ended };
            // It may show the number as it was before it was last seen or written.
            if begun < settled {
                return false;
            }
        }
        see(track, number, begun, begun, false).1
    }

    /// Draws the conclusions from what a listing lacks.
    fn miss(&mut self, shown: &HashSet<E164>, begun: Instant, owned_before: usize, changed: &mut Vec<E164>) {
        let lag = self.lag;
        let (mut vanished, mut lacked) = (Vec::new(), 0);
        for (number, track) in &mut self.tracks {
            if shown.contains(number) {
                continue;
            }
            let owned = track.is_owned();
            lacked += usize::from(owned);
            // A write that came since a doubt began makes what is doubted no likelier.
            if track.doubted.is_none() && track.lag_over(lag).is_some_and(|over| begun <= over) {
                continue;
            }
            track.lacking = Some(begun);
            match owned {
                true => vanished.push(number.clone()),
                false if track.missing(lag).is_none() => track.missing = Some(begun),
                false => {}
            }
        }
        // Numbers that may only be lagging are no reason for doubt, but where there is one they speak for it.
        let doubtful = !vanished.is_empty() && is_doubtful(owned_before, lacked);
        self.doubt = doubtful.then_some(Doubt { owned_before, vanished: lacked });
        for number in vanished {
            let Some(track) = self.tracks.get_mut(&number) else { continue };
            let first = *track.doubted.get_or_insert(begun);
            if !doubtful {
                track.missing = Some(first);
                track.doubted = None;
                changed.push(number);
            }
        }
    }

    /// Takes in an exact look-up that began at `begun`.
    pub fn apply_lookup(&mut self, number: &E164, begun: Instant, found: Option<OwnedNumber>) {
        let listed = self.last.as_ref().map(|listing| listing.begun);
        if let Some(found) = &found {
            self.remember_marker(found);
        }
        let track = self.tracks.entry(number.clone()).or_default();
        let newest = track.sight.as_ref().is_none_or(|sight| begun >= sight.ended);
        match found {
            Some(found) if newest => {
                see(track, found, begun, begun, false);
            }
            None if newest => {
                track.missed = track.missed.max(Some(begun));
                if track.is_stranger() && track.missing.is_none() {
                    // The last listing lacked it too, or it would have been seen.
                    (track.missing, track.lacking) = (listed, listed);
                }
            }
            // Something looked, or wrote, while this look-up was under way.
            _ => {}
        }
    }

    /// Takes in the answer of a write that lasted from `begun` to `ended`.
    pub fn record_write(&mut self, number: OwnedNumber, begun: Instant, ended: Instant) -> Arc<OwnedNumber> {
        self.remember_marker(&number);
        let track = self.tracks.entry(number.number.clone()).or_default();
        // Writes to one number do not overlap; should they, the later answer stands.
        if let Some(sight) = &track.sight
            && sight.ended > ended
        {
            return sight.number.clone();
        }
        see(track, number, begun, ended, true).0
    }

    /// Notes a write of unknown outcome, given up on at `at`.
    pub fn note_unknown(&mut self, number: &E164, at: Instant) {
        let track = self.tracks.entry(number.clone()).or_default();
        track.in_flight_until = track.in_flight_until.max(Some(at + self.write_lifetime));
    }

    /// Notes a purchase of unknown outcome, given up on at `at`, that may take `settling` to be seen.
    pub fn note_unsettled(&mut self, number: &E164, at: Instant, settling: Duration) {
        let track = self.tracks.entry(number.clone()).or_default();
        track.unsettled_until = track.unsettled_until.max(Some(at + settling));
    }

    /// Forgets the numbers that the account does not have and nobody is about. Whoever names one has it looked for again.
    pub fn forget(&mut self, now: Instant, is_wanted: impl Fn(&E164) -> bool) {
        let lag = self.lag;
        self.tracks.retain(|number, track| {
            let may_come = track.in_flight_until.max(track.unsettled_until).is_some_and(|until| now <= until + lag);
            track.is_owned() || track.doubted.is_some() || may_come || is_wanted(number)
        });
        let tracks = &self.tracks;
        self.marked.retain(|marker, numbers| {
            let bears = |number: &E164| {
                let sight = tracks.get(number).and_then(|track| track.sight.as_ref());
                sight.is_some_and(|sight| sight.number.marker.as_ref() == Some(marker))
            };
            numbers.retain(bears);
            !numbers.is_empty()
        });
    }

    /// Of how many numbers something is known.
    #[cfg(test)]
    pub fn tracked(&self) -> usize {
        self.tracks.len()
    }

    pub fn in_flight_until(&self, number: &E164) -> Option<Instant> {
        self.tracks.get(number)?.in_flight_until
    }

    /// Believes what was in doubt, and returns the numbers concerned.
    pub fn accept_doubt(&mut self) -> Vec<E164> {
        self.doubt = None;
        let mut vanished = Vec::new();
        for (number, track) in &mut self.tracks {
            if let Some(begun) = track.doubted.take() {
                track.missing = Some(begun);
                vanished.push(number.clone());
            }
        }
        vanished
    }
}

/// Notes that a number is there. Returns it, and whether that, its route or who gets its messages and calls is new. What is the
/// same stays where it is in memory.
fn see(
    track: &mut Track,
    mut number: OwnedNumber,
    begun: Instant,
    ended: Instant,
    written: bool,
) -> (Arc<OwnedNumber>, bool) {
    let vanished = track.missing.is_some();
    track.is_there();
    if vanished {
        // It may have been taken off and put on again.
        (track.extras, track.bound) = (BTreeMap::new(), false);
    }
    let (number, same) = match &track.sight {
        Some(sight) => {
            // Not to see who gets the messages or the calls does not unsee who did.
            let same = number.id == sight.number.id;
            if same && number.messaging == Messaging::Unseen {
                number.messaging = sight.number.messaging.clone();
            }
            if same && number.calling == Calling::Unseen {
                number.calling = sight.number.calling.clone();
            }
            if number == *sight.number { (sight.number.clone(), true) } else { (Arc::new(number), false) }
        }
        None => (Arc::new(number), false),
    };
    track.sight = Some(Sight { number: number.clone(), begun, ended, written });
    (number, vanished || !same)
}
