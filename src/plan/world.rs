//! Parts of a world that several kinds share.

use std::{collections::BTreeMap, time::Duration};

use kube::Resource;

use crate::api::{
    claim::NumberClaimSpec,
    meta::{Key, RECONCILE_REQUESTED},
    phone_number::Extra,
    seen::{CarrierError, OwnedNumber},
};

/// What a reference to an account led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRef {
    /// There is no such object.
    Missing(Key),
    /// It does not allow our namespace.
    Refused(Key),
    Found(AccountView),
}

/// An account as its own controller left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    pub key: Key,
    /// The carrier's id of the account, where it is open: the credentials are right and its numbers have been listed.
    pub open: Option<String>,
    /// Whether nobody has found out yet if it can be used: after a start, or when it is new. Whoever needs it waits, and has
    /// nothing to say.
    pub opening: bool,
    /// Whether a person lets everything under this account go without cleaning up.
    pub abandoned: bool,
    /// Whether it is a platform that has no numbers of its own.
    pub binds: bool,
    /// Whether it can take in numbers that the organization has at a carrier account of its own.
    pub brings_in: bool,
}

/// What is known of a number at the carrier. `fresh` is a look that began after this pass did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Nobody looked, or looking failed. It proves nothing.
    Unseen,
    Absent {
        fresh: bool,
    },
    Present {
        number: &'a OwnedNumber,
        fresh: bool,
    },
}

impl<'a> Seen<'a> {
    /// The number, where it is there.
    pub fn present(&self) -> Option<&'a OwnedNumber> {
        match self {
            Seen::Present { number, .. } => Some(number),
            Seen::Absent { .. } | Seen::Unseen => None,
        }
    }

    /// Whether this comes of a look that began after this pass did.
    pub fn is_fresh(&self) -> bool {
        matches!(self, Seen::Absent { fresh: true } | Seen::Present { fresh: true, .. })
    }
}

/// What is known of the other object that holds the claim, beside whether it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Whether it is being deleted.
    pub leaving: bool,
    /// Whether the account under which it claimed the number lets its namespace use it.
    pub allowed: bool,
    /// Whether it names this very object as the one that it hands the number over to.
    pub hands_over: bool,
    /// For how long this process has known that it is gone.
    pub gone_for: Duration,
}

impl Rival {
    /// One that lives and goes on.
    pub const STAYS: Self = Self { leaving: false, allowed: true, hands_over: false, gone_for: Duration::ZERO };
}

/// What is known of the platform that answers a number which stays at its carrier, or should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformView<'a> {
    /// Its CarrierAccount.
    pub key: Key,
    /// Whether that is gone, or a person lets everything under it go.
    pub gone: bool,
    /// Whether it can be used.
    pub open: bool,
    /// Whether nobody has found out yet if it can be.
    pub opening: bool,
    /// What it was last seen to have for the number.
    pub binding: Seen<'a>,
    /// Whether what is seen at the carrier may yet lag behind what the platform did there.
    pub lags: bool,
    /// Whether this process had it taken off there last.
    pub taken_off: bool,
    /// Whether numbers are missing from its listing that should be there.
    pub doubtful: bool,
    /// How long yet a write of unknown outcome may be applied.
    pub unsettled: Duration,
    pub lending: Lending,
    /// Fingerprint of the credentials by which this process had the number answered there last.
    pub given: Option<String>,
    /// What was seen of the number's extras, unless that is so long ago that they have to be looked at again.
    pub extras: BTreeMap<Extra, ExtraSight>,
}

impl PlatformView<'_> {
    /// Fingerprint of the credentials that it may be given for the number.
    pub(super) fn lends(&self) -> Option<&String> {
        match &self.lending {
            Lending::Lent(fingerprint) => Some(fingerprint),
            Lending::NotNamed | Lending::NoSecret | Lending::Refused(_) => None,
        }
    }
}

/// A look at an extra of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtraSight {
    pub on: bool,
    /// How long until it has to be looked at again.
    pub due: Duration,
    /// Whether it was looked at in this very pass.
    pub fresh: bool,
    /// Whether it is as it was when we had the platform answer the number, so that nobody has switched it since.
    pub as_bound: bool,
}

/// Whether a platform may be given the credentials of a number's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lending {
    /// It may, and nothing speaks against using them: their fingerprint.
    Lent(String),
    /// The account's owner did not name the platform.
    NotNamed,
    /// The account is opened by something that a platform does not take.
    NoSecret,
    /// The platform would refuse them, or the number, for this.
    Refused(String),
}

/// What may still be on its way to the carrier for one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// How long yet a write of ours of unknown outcome may be applied.
    pub unknown: Duration,
    /// How long yet a write of a predecessor of this process may be applied; zero where there was none, or where it ended in order.
    pub predecessor: Duration,
}

impl InFlight {
    /// How long to wait until what was sent for this claim has surely arrived or never will. For one that never sent anything
    /// a predecessor did not either.
    pub(in crate::plan) fn unsettled(&self, claim: &NumberClaimSpec) -> Option<Duration> {
        let predecessor = if claim.sent.is_empty() { Duration::ZERO } else { self.predecessor };
        let wait = self.unknown.max(predecessor);
        (!wait.is_zero()).then_some(wait)
    }
}

/// Whether an object lives, by a read of the API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Liveness {
    #[default]
    NotRead,
    Alive,
    Gone,
}

/// The last failure at the carrier for this object, if it has not been overcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub error: CarrierError,
    /// Whether it was a purchase that failed, and not a look or a route.
    pub purchase: bool,
    /// How many failures in a row.
    pub attempts: u32,
    /// How many numbers in a row were refused as not available.
    pub refused: u32,
    /// How long to wait yet before the next try; zero when it is due.
    pub wait: Duration,
}

/// What people ask for by annotations.
pub trait Requested: Resource {
    /// The request that stands on the object, if any.
    fn request(&self) -> Option<&str> {
        self.annotation(RECONCILE_REQUESTED)
    }

    /// The value of an annotation.
    fn annotation(&self, name: &str) -> Option<&str> {
        self.meta().annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// Whether an annotation of ours is `"true"`.
    fn is_annotated(&self, annotation: &str) -> bool {
        self.annotation(annotation) == Some("true")
    }
}

impl<K: Resource> Requested for K {}
