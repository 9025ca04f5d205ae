//! What is known of the regions that answer the calls to Twilio numbers, and which numbers to ask about (section 9). No I/O.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    api::number::{Channel, E164},
    carrier::{Calling, OwnedNumber},
};

/// The region of an account that names none.
pub(super) const DEFAULT: &str = "us1";

/// A number is asked about no more often than this, and nothing is where the credentials may not.
const AGAIN: Duration = Duration::from_secs(6 * 60 * 60);

/// What is known of the regions of the account's numbers.
#[derive(Debug, Default)]
pub(super) struct Regions {
    /// By the SID of the number.
    looks: HashMap<String, Look>,
    /// When the credentials were found not to reach that far.
    refused: Option<Instant>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    /// Nothing, where the answer said nothing.
    region: Option<String>,
}

impl Regions {
    /// Who gets the calls to the number with this SID, whose route is set in the region `ours`.
    pub fn of(&self, sid: &str, ours: &str) -> Calling {
        match self.looks.get(sid).and_then(|look| look.region.as_deref()) {
            None => Calling::Unseen,
            Some(answers) if answers == ours => Calling::Number,
            Some(answers) => Calling::Region { answers: answers.to_owned(), ours: ours.to_owned() },
        }
    }

    /// Takes in what was said of a number: its region, or nothing.
    pub fn saw(&mut self, sid: &str, region: Option<String>) {
        self.looks.insert(sid.to_owned(), Look { at: Instant::now(), region });
    }

    /// Takes in that the credentials do not reach that far.
    pub fn are_refused(&mut self) {
        self.refused = Some(Instant::now());
    }

    /// The numbers to ask about now: those that nobody has asked about, then those that were asked about longest ago. What is no longer
    /// listed is forgotten.
    pub fn due(&mut self, listed: &[OwnedNumber], now: Instant) -> Vec<(String, E164)> {
        let sids: HashSet<&str> = listed.iter().map(|number| &*number.id.0).collect();
        self.looks.retain(|sid, _| sids.contains(&**sid));
        let is_recent = |at: Instant| now.duration_since(at) < AGAIN;
        if self.refused.is_some_and(is_recent) {
            return Vec::new();
        }
        let has_route = |number: &&OwnedNumber| number.route.get(&Channel::Voice).is_some_and(|to| !to.is_empty());
        let asked = |number: &OwnedNumber| self.looks.get(&number.id.0).map(|look| look.at);
        let mut due: Vec<&OwnedNumber> = listed.iter().filter(has_route).collect();
        due.retain(|number| asked(number).is_none_or(|at| !is_recent(at)));
        due.sort_by_key(|number| asked(number));
        due.into_iter().map(|number| (number.id.0.clone(), number.number.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::number::Destination,
        carrier::{Messaging, NumberId},
    };

    fn owned(n: u32, url: Option<&str>) -> OwnedNumber {
        let voice = Destination { url: url.map(str::to_owned), ..Destination::default() };
        OwnedNumber {
            id: NumberId(format!("PN{n}")),
            number: format!("+1415555000{n}").parse().unwrap(),
            route: [(Channel::Voice, voice)].into(),
            features: Vec::new(),
            messaging: Messaging::Number,
            calling: Calling::Unseen,
            marker: None,
            config: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_nobody_has_asked_about_come_first_and_the_others_rarely() {
        let due = |regions: &mut Regions, listed: &[OwnedNumber]| -> Vec<String> {
            regions.due(listed, Instant::now()).into_iter().map(|(sid, _)| sid).collect()
        };
        let mut regions = Regions::default();
        let listed = [owned(1, Some("https://a.example/")), owned(2, None), owned(3, Some("https://a.example/"))];
        assert_eq!(due(&mut regions, &listed), ["PN1", "PN3"], "there is no route to lose on the other");
        regions.saw("PN3", Some("ie1".into()));
        tokio::time::advance(Duration::from_secs(1)).await;
        regions.saw("PN1", None);
        assert_eq!(due(&mut regions, &listed), [""; 0]);
        tokio::time::advance(AGAIN).await;
        let more = [listed.as_slice(), &[owned(4, Some("https://a.example/"))]].concat();
        assert_eq!(due(&mut regions, &more), ["PN4", "PN3", "PN1"]);
        assert_eq!(due(&mut regions, &listed[..2]), ["PN1"]);
        assert_eq!(regions.of("PN3", DEFAULT), Calling::Unseen, "it is gone, and so is what was known of it");
        regions.are_refused();
        assert_eq!(due(&mut regions, &more), [""; 0]);
        tokio::time::advance(AGAIN).await;
        assert_eq!(due(&mut regions, &more).len(), 3);
    }
}
