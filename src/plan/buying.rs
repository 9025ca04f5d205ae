//! What is known about buying a number: by the journal, by this process, by the carrier.

use std::time::Duration;

use super::{Liveness, policy};
use crate::api::{
    NumberClaim, NumberPurchase,
    account::Purchasing,
    claim::{ClaimedPurchase, Holder},
    conditions::Finding,
    number::E164,
    offer::{Offer, Offered, Price, Search},
    purchase::{Identity, Marker, NumberPurchaseSpec},
    seen::{CarrierError, Order},
};

/// Everything known about buying a number for one PhoneNumber.
#[derive(Clone, Debug)]
pub struct Buying<'a> {
    pub identity: &'a Identity,
    /// The name of this installation.
    pub installation: &'a str,
    /// A random text that was never used before.
    pub token: &'a str,
    /// Whether this very object lives and is not being deleted, by a read in this pass.
    pub live: Liveness,
    pub record: Record<'a>,
    pub traces: &'a Traces,
    pub seller: &'a Seller,
    pub supply: Supply<'a>,
}

/// What is written down about buying for this identity.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The journal of this identity, whoever holds it.
    pub journal: Option<&'a NumberPurchase>,
    /// Whether that is how it stands in the cluster, by a read in this pass.
    pub read: bool,
    /// Whether the claim of the number is as it stands in the cluster, by a read in this pass.
    pub claim_read: bool,
    /// Whether the holder of the journal lives, where that was read.
    pub holder: Liveness,
    /// Whether that holder is being deleted, as far as is known.
    pub holder_leaving: bool,
    /// What this process knows of the journal's last entry; `None` where another one wrote it.
    pub own: Option<&'a OwnEntry>,
}

/// What there is at the carrier and in the cluster that was bought for this identity, or may have been.
#[derive(Clone, Debug)]
pub struct Traces {
    /// What a number that was bought for this identity bears.
    pub marker: Marker,
    /// The numbers that bear it at the carrier, owned or on order, by a listing that began after everything that could have bought
    /// one; `None` where there is none such.
    pub marked: Option<Vec<E164>>,
    /// The orders that bear it, by whatever installation, and have not failed, by a look in this pass.
    pub orders: Option<Vec<Order>>,
    /// The claims that say they are for this identity, the latest attempt first.
    pub claims: Vec<NumberClaim>,
    /// Where numbers bear no marker: those of the account that nothing in this cluster claims, by the last listing.
    pub unclaimed: Vec<E164>,
}

/// The account that numbers are bought at.
#[derive(Clone, Debug)]
pub struct Seller {
    /// Whether its carrier sells numbers.
    pub sells: bool,
    /// Whether that keeps our marker on them.
    pub marks: bool,
    /// Whether it keeps numbers for a while before they are bought.
    pub holds: bool,
    /// Whether it lets go of one before that ends by itself.
    pub lets_go: bool,
    /// The number that it offered to this process and would not keep: it can be had without that.
    pub unheld: Option<E164>,
    /// The number that it was asked last to keep for this object, if it is not gone: it may be kept, or can be had.
    pub asked: Option<E164>,
    pub limits: Purchasing,
    pub grant: Grant,
    /// What the carrier said when the account's money did not suffice, for this object or another, and how long that stands yet.
    pub no_money: Option<(CarrierError, Duration)>,
    /// Whether numbers are missing from the account's listing that should be there.
    pub doubtful: bool,
    /// How long yet until a listing tells what a predecessor of this process, of which nobody knows, may have bought (rule 9).
    pub not_before: Duration,
}

/// What can be had, by looks in this pass.
#[derive(Clone, Debug)]
pub struct Supply<'a> {
    /// What was found for sale.
    pub offers: &'a [Offers],
    /// The idle numbers of the account, where they were looked for.
    pub idle: Option<&'a [Idle]>,
}

impl Buying<'_> {
    /// What a claim says of a number that was bought by this journal.
    pub(super) fn claimed(
        &self,
        journal: &NumberPurchaseSpec,
        price: Price,
        offered: Option<Offered>,
    ) -> ClaimedPurchase {
        let Identity { namespace, name } = self.identity.clone();
        let installation = self.installation.to_owned();
        ClaimedPurchase { namespace, identity: name, installation, attempt: journal.attempt, price, offered }
    }
}

/// What this process knows of the journal's last entry, which it wrote itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnEntry {
    pub purpose: Purpose,
    /// Whether all that was ever sent for this number was surely refused.
    pub clean: bool,
    /// What became of it; `None` until it is sent.
    pub outcome: Option<SendOutcome>,
    /// How long that has been known.
    pub known_for: Duration,
    /// Whether this process has written the object itself since, and it was not being deleted.
    pub lives: bool,
    /// Whether the entry is so young that no other process can believe that it may send (rule 6).
    pub may_send: bool,
    /// How long yet until nothing that was sent before this entry can come about any more (rule 8).
    pub settled_in: Duration,
    /// How long ago it was written.
    pub age: Duration,
}

impl OwnEntry {
    /// Whether its number is to be had as before: nothing was sent for it, or what was refused says nothing about it.
    pub(super) fn keeps_number(&self) -> bool {
        let is_open = match &self.outcome {
            None => true,
            Some(SendOutcome::DidNothing(error)) => self.clean && !policy::is_about_number(error),
            Some(SendOutcome::Ordered(_) | SendOutcome::Unknown) => false,
        };
        self.purpose == Purpose::Send && is_open
    }
}

/// Why an entry was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To send.
    Send,
    /// To keep a number while a person is asked. Nothing is sent by it.
    Hold,
    /// To take an idle number of the account.
    Take,
    /// To fence off whoever sent before, and wait.
    Settle,
}

/// What became of a purchase that was sent and that is not seen yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// It surely was not done.
    DidNothing(CarrierError),
    /// The carrier has taken it and works on it. How it ends can only be seen.
    Ordered(Order),
    /// It may have been done.
    Unknown,
}

/// What was found for sale by one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offers {
    pub asked: OfferQuery,
    /// Where there was more, which others in this cluster are about to buy, or have: one looks again in a while.
    pub crowded: Option<Crowd>,
    /// Without those that anybody in this cluster claims or is about to.
    pub found: Vec<Offer>,
}

/// Others in this cluster are about to buy all that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// For how long nothing else was seen.
    pub lasts: Duration,
    /// How long until it is worth looking again.
    pub again: Duration,
}

/// A number that the account owns, that was bought for an object which is gone, and that nothing is set on. Its claim rests, or it
/// has none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    pub number: E164,
    pub price: Price,
    /// What it was offered as, where that is known.
    pub offered: Option<Offered>,
    /// Who had it last, by the journal of what it was bought for.
    pub last: Option<Holder>,
    /// Whether another object is about to take it.
    pub wanted: bool,
}

/// What was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OfferQuery {
    Number(E164),
    Search(Search),
}

/// Whether the account lets this object buy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It was not asked, or what it gave was given back.
    None,
    /// It would not once, and may be asked again.
    Again,
    /// It was asked so long ago and has not answered.
    Asked(Duration),
    Given,
    /// It will not, for now: why, and for how long.
    Refused(Finding, Duration),
}
