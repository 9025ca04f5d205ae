//! Where there is no journal: whether something was bought for the identity before (rules 2 and 9).

use super::step::Step;
use crate::{
    api::{
        conditions::{Finding, Reason},
        meta::{BUY_ANOTHER, NUMBER},
        number::{E164, digest_of},
        phone_number::PhoneNumberStatus,
    },
    plan::{Decision, Look, Purpose, Requested as _, choose},
};

/// How many numbers a message names.
const MOST_SHOWN: usize = 5;

impl<'a> Step<'a, '_> {
    /// No journal: either nothing was ever bought, or what tells of it was lost (rules 2 and 9).
    pub(super) fn find_or_begin(&self) -> Decision<PhoneNumberStatus> {
        if let Some(decision) = self.hands_off() {
            return self.give_back(None, decision);
        }
        let marked = match self.marked() {
            Ok(marked) => marked,
            Err(decision) => return *decision,
        };
        let remembered = self.w.number.status.as_ref().and_then(|status| status.number.clone());
        let claimed = || self.b.traces.claims.first().map(|claim| claim.spec.number.clone());
        let named = match self.meant(marked) {
            Ok(meant) => meant.or_else(|| self.said()).or(remembered).or_else(claimed),
            Err(decision) => return *decision,
        };
        match named {
            // It is looked for before anything else is considered: of unknown outcome, as far as anybody knows.
            Some(number) => {
                let claimed = self.b.traces.claims.iter().find(|claim| claim.spec.number == number);
                let attempt = claimed.and_then(|claim| claim.spec.purchase.as_ref()).map_or(1, |p| p.attempt);
                let price = claimed.and_then(|claim| claim.spec.purchase.as_ref()).map(|p| p.price.clone());
                self.record(Some(number), attempt, price.unwrap_or_default(), Purpose::Settle, None)
            }
            None => self.unconfirmed().unwrap_or_else(|| self.begin(None, None)),
        }
    }

    /// Where numbers bear no marker, one that nothing claims may be what was bought for this identity before the cluster was made anew, or
    /// restored from a backup that is older than the purchase, journal and all. Nobody can tell, so that a person is asked: that is neither
    /// adopted nor bought beside by guess.
    pub(super) fn unconfirmed(&self) -> Option<Decision<PhoneNumberStatus>> {
        let purchase = self.purchase().filter(|_| !self.b.seller.marks)?;
        let mut similar: Vec<&E164> =
            self.b.traces.unclaimed.iter().filter(|number| choose::could_be(purchase, number)).collect();
        similar.sort();
        if similar.is_empty() || purchase.number.is_some() {
            return None;
        }
        // Nobody is to guess numbers by it.
        let digest = digest_of(&(self.identity, self.b.installation, &similar));
        let seen = format!("{}-{}", similar.len(), digest.trim_start_matches("sha256:").get(..8).unwrap_or_default());
        if self.w.number.annotation(BUY_ANOTHER) == Some(&*seen) {
            return None;
        }
        // What a neighbour's account owns is not told.
        let which = match self.account.key.namespace == self.w.namespace() {
            true => {
                let shown: Vec<&str> = similar.iter().take(MOST_SHOWN).map(|number| number.as_str()).collect();
                let more = if similar.len() > MOST_SHOWN { " and others" } else { "" };
                format!(" ({}{more})", shown.join(", "))
            }
            false => String::new(),
        };
        let text = format!(
            "CarrierAccount {} has {} that no PhoneNumber in this cluster claims and that may have been bought for {} before{which}; its \
             carrier stores no markers. If one of them is meant, set the annotation {NUMBER} to it; to buy another, set {BUY_ANOTHER}: \
             \"{seen}\".",
            self.account.key,
            if similar.len() == 1 { "a number".to_owned() } else { format!("{} numbers", similar.len()) },
            self.b.identity,
        );
        Some(self.stop(Reason::ConfirmPurchase, text))
    }

    /// The number that a person says is this object's.
    pub(super) fn said(&self) -> Option<E164> {
        self.w.number.annotation(NUMBER)?.parse().ok()
    }

    /// Which of the numbers that bear our marker is meant: the only one, or the one that a person says.
    pub(super) fn meant(&self, marked: &[E164]) -> Result<Option<E164>, Box<Decision<PhoneNumberStatus>>> {
        match marked {
            [] => Ok(None),
            [number] => Ok(Some(number.clone())),
            several => match self.said().filter(|said| several.contains(said)) {
                Some(said) => Ok(Some(said)),
                None => Err(Box::new(self.several(several))),
            },
        }
    }

    pub(super) fn several(&self, numbers: &[E164]) -> Decision<PhoneNumberStatus> {
        let numbers: Vec<&str> = numbers.iter().map(E164::as_str).collect();
        let text = format!(
            "The account has several numbers that were bought for the purchase identity {}: {}. Set the annotation {NUMBER} to the correct \
             one.",
            self.b.identity,
            numbers.join(", ")
        );
        self.stop(Reason::MultipleNumbers, text)
    }

    /// The numbers that bear our marker, by a listing that can be believed (rules 2 and 9).
    pub(super) fn marked(&self) -> Result<&'a [E164], Box<Decision<PhoneNumberStatus>>> {
        if self.b.seller.doubtful {
            let text = format!(
                "Numbers are missing from the listing of CarrierAccount {}: nothing is bought until that is resolved; see its conditions.",
                self.account.key
            );
            return Err(Box::new(self.stop(Reason::AccountNotReady, text)));
        }
        if !self.b.seller.not_before.is_zero() {
            let text = "The operator was not running for a while and may have sent purchases before it stopped: it buys nothing until any \
                        such purchase would be listed.";
            let said =
                self.w.put_off(vec![Reason::Accepted.into(), Finding::new(Reason::PurchaseOutcomeUnknown, text)]);
            return Err(Box::new(said.again(self.b.seller.not_before)));
        }
        match (&self.b.traces.marked, self.w.trouble) {
            (Some(marked), _) => Ok(marked),
            (None, Some(trouble)) if !trouble.purchase && !trouble.wait.is_zero() => {
                let finding = Finding::new(Reason::NumberNotChecked, &*trouble.error.text);
                Err(Box::new(self.w.put_off(vec![Reason::Accepted.into(), finding])))
            }
            (None, _) => Err(Box::new(Decision::Look(Look::Inventory))),
        }
    }
}
