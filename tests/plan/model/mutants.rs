//! Ways to break the protocol, one at a time. A model that none of them breaks proves nothing.

use super::scenario::{Carrier, Keeps, Scenario, Tenancy};

/// One thing that is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Nothing is written down before it is sent.
    NoIntent,
    /// Writes to the cluster are not compared with what is there.
    NoCompareAndSet,
    /// Whoever sees an entry believes that it is its own.
    TokenNotCompared,
    /// A claim that somebody else has is no obstacle.
    ClaimSkipped,
    /// The claim of a number that is given up goes whatever attempt it bears.
    ClaimLetGoByAnybody,
    /// A claim moves as soon as its holder is gone.
    ClaimMovedInFlight,
    /// However long ago the entry was written, it is sent.
    SentAtAnyTime,
    /// A listing counts that began before what was sent can show in it.
    LaggingListTrusted,
    /// "Not available" is believed of a number that may be ours by an earlier attempt.
    RefusalAfterUnknownBelieved,
    /// An attempt without an answer counts as settled at once.
    SettlingTimeZero,
    /// The HTTP layer sends a purchase again that got no answer.
    RetriedByHttp,
    /// A look that failed counts as one that did not find it.
    NotFoundIsGone,
    /// After a timeout another number is tried.
    NewCandidateOnTimeout,
    /// A process that starts forgets what was under way.
    IntentClearedAtStart,
    /// Nobody searches the account for what bears our marker.
    MarkerNotSearched,
    /// An object goes although nobody knows what came of its purchase.
    DeletedBeforeSettled,
    /// After a restore nobody waits.
    NoWaitAfterRestore,
    /// An order that is not finished does not count.
    OrderNotLookedAt,
    /// A number that is kept for us passes for bought.
    HoldIsBought,
    /// What was approved counts for whatever is offered next.
    ApprovalCarriedOver,
    /// A purchase without an answer counts as refused once the hold that it was sent with has ended.
    EndedHoldBoughtNothing,
    /// An order that was to be cancelled counts as one that was not placed.
    CancelledIsNotBought,
    /// Whoever holds a number, it is taken from the pool.
    TakenFromItsHolder,
    /// A number is taken from the pool, and nothing written down before.
    TakenWithoutJournal,
    /// An object lives as long as the cache shows it.
    ObjectNotRead,
    /// That a number bears another marker is believed to say that it was not taken.
    TakenClaimNotRead,
    /// Two namespaces that give their identities one name mean one number.
    IdentityWithoutNamespace,
    /// What another installation has written down counts for nothing.
    OtherInstallationForgotten,
    /// What another installation has ordered, and the record names, is not waited for.
    OthersOrderNotLookedAt,
    /// Where there are no markers nobody asks whose a number is that nothing claims.
    NobodyIsAsked,
    /// Such a number is taken without a word.
    TakenUnasked,
    /// What is asked about was listed when the process began.
    AskedByAnOldListing,
    /// Who had another number bought once has so for ever.
    AnotherForEver,
    /// Nobody is asked where there is a journal.
    JournalTellsAll,
    /// A hold is let go of as soon as nobody knows what came of the purchase by it.
    LetGoUnderWay,
    /// A hold is let go of although the entry that says so was not written.
    LetGoUnwritten,
    /// A right to buy is given back whatever was sent by it.
    GivenBackUnsettled,
    /// A right is bought by that the account is just taking back.
    BoughtByWhatIsTaken,
    /// The accounts of a claim and of whoever wants it are not compared.
    TakenAcrossAccounts,
    /// A route is sent whatever became of its claim since it was decided on.
    ClaimNotReadAgain,
}

impl Mutant {
    /// Every one that random walks come upon.
    pub const ALL: [Mutant; 39] = [
        Mutant::NoIntent,
        Mutant::NoCompareAndSet,
        Mutant::TokenNotCompared,
        Mutant::ClaimSkipped,
        Mutant::ClaimLetGoByAnybody,
        Mutant::ClaimMovedInFlight,
        Mutant::SentAtAnyTime,
        Mutant::LaggingListTrusted,
        Mutant::RefusalAfterUnknownBelieved,
        Mutant::SettlingTimeZero,
        Mutant::RetriedByHttp,
        Mutant::NotFoundIsGone,
        Mutant::NewCandidateOnTimeout,
        Mutant::IntentClearedAtStart,
        Mutant::MarkerNotSearched,
        Mutant::DeletedBeforeSettled,
        Mutant::NoWaitAfterRestore,
        Mutant::OrderNotLookedAt,
        Mutant::HoldIsBought,
        Mutant::ApprovalCarriedOver,
        Mutant::EndedHoldBoughtNothing,
        Mutant::CancelledIsNotBought,
        Mutant::TakenFromItsHolder,
        Mutant::TakenWithoutJournal,
        Mutant::TakenClaimNotRead,
        Mutant::ObjectNotRead,
        Mutant::IdentityWithoutNamespace,
        Mutant::OtherInstallationForgotten,
        Mutant::OthersOrderNotLookedAt,
        Mutant::NobodyIsAsked,
        Mutant::TakenUnasked,
        Mutant::AskedByAnOldListing,
        Mutant::AnotherForEver,
        Mutant::JournalTellsAll,
        Mutant::LetGoUnderWay,
        Mutant::LetGoUnwritten,
        Mutant::GivenBackUnsettled,
        Mutant::TakenAcrossAccounts,
        Mutant::ClaimNotReadAgain,
    ];

    /// Whether a scenario is of the kind that it needs.
    pub fn is_about(self, scenario: &Scenario) -> bool {
        match self {
            Mutant::TakenAcrossAccounts => scenario.imports == Some(Tenancy::OtherAccount),
            Mutant::ClaimNotReadAgain => scenario.leads,
            _ if scenario.routes() => false,
            Mutant::TakenFromItsHolder | Mutant::TakenWithoutJournal | Mutant::TakenClaimNotRead => scenario.pool,
            Mutant::IdentityWithoutNamespace | Mutant::ClaimLetGoByAnybody | Mutant::ClaimMovedInFlight => {
                scenario.tenants
            }
            Mutant::ObjectNotRead => scenario.finalized,
            Mutant::OrderNotLookedAt | Mutant::CancelledIsNotBought => scenario.carrier == Carrier::Orders,
            Mutant::OtherInstallationForgotten => scenario.budget.moves > 0,
            Mutant::OthersOrderNotLookedAt => scenario.budget.moves > 0 && scenario.carrier == Carrier::Orders,
            Mutant::NobodyIsAsked | Mutant::AskedByAnOldListing => scenario.bare,
            Mutant::TakenUnasked | Mutant::AnotherForEver => scenario.stranger,
            Mutant::MarkerNotSearched => scenario.carrier.marks() && scenario.budget.restores > 0,
            Mutant::JournalTellsAll => {
                !scenario.carrier.marks() && scenario.budget.restores > 0 && scenario.replicas == 1
            }
            Mutant::HoldIsBought | Mutant::EndedHoldBoughtNothing => scenario.keeps != Keeps::Nothing,
            Mutant::ApprovalCarriedOver => scenario.keeps == Keeps::HoldAndAsk && scenario.budget.turns > 0,
            Mutant::LetGoUnderWay => scenario.lets_go(),
            Mutant::LetGoUnwritten => scenario.lets_go() && scenario.budget.turns > 0,
            Mutant::GivenBackUnsettled | Mutant::BoughtByWhatIsTaken => scenario.limit.is_some(),
            _ => !scenario.pool && scenario.limit.is_none(),
        }
    }
}
