//! The figures of the plan: how long to wait after what, and how often to fight.

use std::time::Duration;

use super::world::Trouble;
use crate::api::{
    conditions::{Finding, Reason},
    seen::{CarrierError, ErrorClass},
};

/// How often in an hour a route is put back before it is left alone: two operators must not fight for ever.
pub const PUT_BACKS_PER_HOUR: u32 = 3;

/// How often in an hour an Agent is annotated with what it has published: a tool may put the old text back each time.
pub const NOTES_PER_HOUR: u32 = 20;

/// How often taking a route back is tried before the object says that it is blocked.
pub const CLEANUP_TRIES: u32 = 5;

/// How long to wait before the next look at something that nobody announces: a holder, a Secret.
pub const POLL: Duration = Duration::from_secs(30);

/// How long the count of an agent's or account's numbers may lag behind, at least and at most: many change at once, and one write says it all.
pub const COUNT_LAG: Duration = Duration::from_secs(1);
const LONGEST_COUNT_LAG: Duration = Duration::from_secs(10);

/// How long an order is given before the first look for its number: one look serves all that were taken meanwhile.
pub const ORDERED: Duration = Duration::from_millis(300);

/// How long to wait before the next look for something that was sent and may yet be shown.
pub const LOOK_FOR: Duration = Duration::from_secs(10);

/// Within what time an account says whether somebody may buy, before its silence is worth telling.
pub const ANSWERED: Duration = Duration::from_secs(10);

/// How many numbers in a row may turn out not to be available before it is waited.
pub const CANDIDATES: u32 = 5;

/// How long to wait while others take what there is, unless one is called before.
pub const CROWDED: Duration = Duration::from_secs(1);

/// How long it is waited for what others are about to take before another place is as good.
pub const CROWDED_OUT: Duration = Duration::from_secs(60);

/// For how long a number that was lost to somebody is not taken for idle, whatever the caches show.
pub const LOST: Duration = Duration::from_secs(5);

/// For how long a number whose holder is gone is kept for its namespace, before another takes it: objects are replaced by deleting
/// and creating them.
pub const COMES_BACK: Duration = Duration::from_secs(10);

/// How long to wait before what was not for sale is looked for again.
pub const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// How long the first version of an Agent waits for the accounts and numbers that may be applied along with it, where no account is
/// listed yet that could tell of its past.
pub const APPLIED_TOGETHER: Duration = Duration::from_secs(10);

/// How long the first version of an Agent waits for a listing of an account that is near to it, and where no number of its own
/// namespace is.
pub const LISTED_WITHIN: Duration = Duration::from_secs(60);

/// How long a name is not frozen for what only an account of somebody else shows: for so long a PhoneNumber may come that makes it ours.
pub const NAME_DOUBTED: Duration = Duration::from_secs(20);

/// How long to wait after the `attempts`th failure (the first is 1) of this class.
pub fn retry_after(error: &CarrierError, attempts: u32) -> Duration {
    let (first, longest) = match error.class {
        ErrorClass::Throttled | ErrorClass::Conflict => (1, 60),
        ErrorClass::Transient | ErrorClass::Unknown | ErrorClass::NotFound => (1, 300),
        ErrorClass::Unauthorized | ErrorClass::Forbidden | ErrorClass::Funds => (30, 600),
        ErrorClass::Regulatory | ErrorClass::Rejected | ErrorClass::Unavailable => (600, 3600),
    };
    let doubled = first * 2u64.saturating_pow(attempts.saturating_sub(1).min(12));
    Duration::from_secs(doubled.min(longest)).max(error.retry_after.unwrap_or_default())
}

/// Whether a number that the carrier would not keep can be bought without that: it is neither gone, nor is the carrier unwell.
pub fn goes_unheld(refusal: &CarrierError) -> bool {
    !matches!(refusal.class, ErrorClass::Unavailable | ErrorClass::Throttled | ErrorClass::Transient)
}

/// Whether so many numbers were refused that it is waited before the next: several at a time are tried.
pub(super) fn were_many(refused: u32) -> bool {
    refused > 0 && refused.is_multiple_of(CANDIDATES)
}

/// Whether a refusal speaks of the number, and not of the moment or the account: after any other one the same number is asked for again.
pub fn is_about_number(refusal: &CarrierError) -> bool {
    use ErrorClass::{Forbidden, Funds, Throttled, Transient, Unauthorized};
    !matches!(refusal.class, Throttled | Transient | Funds | Unauthorized | Forbidden)
}

/// What a failed route write makes of a number.
pub(super) fn route_trouble(trouble: &Trouble) -> Finding {
    let reason = match trouble.error.class {
        ErrorClass::Rejected => Reason::RouteRefused,
        _ => Reason::RouteFailed,
    };
    Finding::new(reason, &*trouble.error.text)
}

/// What a number that could not be brought in makes of its object.
pub(super) fn intake_trouble(error: &CarrierError) -> Finding {
    use ErrorClass::{Conflict, Funds, Throttled, Transient, Unauthorized, Unknown};
    let reason = match error.class {
        Throttled | Transient | Conflict | Unknown => Reason::NumberNotChecked,
        Funds => Reason::InsufficientFunds,
        Unauthorized => Reason::AccountNotReady,
        _ => Reason::CarrierImportRefused,
    };
    Finding::new(reason, &*error.text)
}

/// What an extra that could not be looked at or switched makes of a number.
pub(super) fn extra_trouble(trouble: &Trouble) -> Finding {
    match trouble.error.class {
        // The platform's plan does not have it.
        ErrorClass::Funds => Finding::new(Reason::BindingRefused, &*trouble.error.text),
        _ => binding_trouble(trouble),
    }
}

/// What a failed write at the platform that is to answer makes of a number.
pub(super) fn binding_trouble(trouble: &Trouble) -> Finding {
    let reason = match trouble.error.class {
        ErrorClass::Unavailable => Reason::BoundWithAnotherKey,
        ErrorClass::Rejected | ErrorClass::Forbidden | ErrorClass::NotFound => Reason::BindingRefused,
        ErrorClass::Unauthorized => Reason::PlatformNotReady,
        _ => Reason::RouteFailed,
    };
    Finding::new(reason, &*trouble.error.text)
}

/// What a failed purchase, or a failed look for a number to buy, makes of a number.
pub(super) fn purchase_trouble(error: &CarrierError) -> Reason {
    match error.class {
        ErrorClass::Unauthorized | ErrorClass::Forbidden => Reason::PurchaseForbidden,
        ErrorClass::Funds => Reason::InsufficientFunds,
        ErrorClass::Regulatory => Reason::RegulatoryRequired,
        ErrorClass::Unavailable => Reason::NumberUnavailable,
        ErrorClass::Rejected | ErrorClass::NotFound => Reason::PurchaseRefused,
        ErrorClass::Throttled | ErrorClass::Transient | ErrorClass::Conflict | ErrorClass::Unknown => {
            Reason::PurchaseFailed
        }
    }
}

/// What an error of the whole account is called in its conditions.
pub(super) fn account_trouble(error: &CarrierError) -> Finding {
    let reason = match error.class {
        ErrorClass::Unauthorized => Reason::Unauthorized,
        // An account that the carrier does not know is one that these credentials do not open.
        ErrorClass::Forbidden | ErrorClass::NotFound => Reason::Forbidden,
        _ => Reason::CarrierUnreachable,
    };
    Finding::new(reason, &*error.text)
}

/// How long the count of so many numbers may lag behind: a second for each thousand, a hundredth of the time that ten writes a second take to
/// change them.
pub fn count_lag(numbers: usize) -> Duration {
    let thousands = u32::try_from(numbers / 1000).unwrap_or(u32::MAX);
    COUNT_LAG.saturating_mul(thousands).clamp(COUNT_LAG, LONGEST_COUNT_LAG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: ErrorClass, retry_after: Option<u64>) -> CarrierError {
        CarrierError { class, code: None, text: String::new(), retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn waiting_doubles_up_to_a_limit_and_never_undercuts_what_the_carrier_asked_for() {
        let waits = |class| [1, 2, 3, 40].map(|n| retry_after(&error(class, None), n).as_secs());
        assert_eq!(waits(ErrorClass::Transient), [1, 2, 4, 300]);
        assert_eq!(waits(ErrorClass::Throttled), [1, 2, 4, 60]);
        assert_eq!(waits(ErrorClass::Rejected), [600, 1200, 2400, 3600]);
        assert_eq!(retry_after(&error(ErrorClass::Throttled, Some(90)), 1).as_secs(), 90);
    }
}
