//! What to do next, decided without doing it.
//!
//! Each kind has a `World`, plain data that says everything known about one object, and a pure function from it to a
//! [`Decision`]: look at something, do one thing, or rest. There is no async here, no I/O, no clock and no randomness:
//! the time and everything seen are part of the world. A test holds this module to it.
//!
//! - `number` decides for a PhoneNumber: the order of things, from its world to what is said of it; `remove` its end. `route` says where
//!   its traffic should go.
//! - `buy` buys one, at most once, by what `buying` knows, or takes an idle one; `choose` says which.
//! - `grant` keeps spending within an account's limits; `journal` keeps the journals of buying.
//! - `takeover` says to whom a claim may pass; `claim` ends what a vanished PhoneNumber left behind.
//! - `agent` publishes and rolls back, `past` says whether a name was used before its Agent was made, `shared` sees to the routes that
//!   its numbers share and `hosting` to its agents on platforms, `version` says what a version is good for, `account` opens an account and lists it.
//! - `policy` holds the figures: how long to wait after what, and how often to fight.

pub mod account;
pub mod agent;
mod buy;
mod buying;
pub mod choose;
pub mod claim;
pub mod grant;
pub mod hosting;
pub mod journal;
pub mod number;
pub mod past;
pub mod policy;
mod remove;
mod route;
pub mod shared;
pub mod takeover;
pub mod uninstall;
pub mod version;
mod world;

use std::time::Duration;

pub use buying::{
    Buying, Crowd, Grant, Idle, OfferQuery, Offers, OwnEntry, Purpose, Record, Seller, SendOutcome, Supply, Traces,
};
pub use hosting::ServeHosted;
pub use route::{AgentRef, HostedAt, Served};
pub use shared::SetSharedRoute;
pub use world::{
    AccountRef, AccountView, ExtraSight, InFlight, Lending, Liveness, PlatformView, Requested, Rival, Seen, Trouble,
};

use crate::api::{
    NumberClaim, NumberPurchase,
    agent::AgentVersionSpec,
    claim::{Holder, NumberClaimSpec},
    meta::Key,
    number::{E164, Route},
    phone_number::{Extra, NumberConfig, Regulatory},
    purchase::{Hold, Marker},
    seen::{NumberId, Order},
};

/// What to do next for one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision<S> {
    /// Something must be seen first. It is looked at and the world asked again; nothing is written.
    Look(Look),
    /// One thing is done, and the pass ends: the next one begins with a fresh world.
    Act(Effect),
    /// There is nothing to do now.
    Rest(Rest<S>),
}

impl<S> Decision<S> {
    /// The same, coming back after `wait` at the latest.
    pub(in crate::plan) fn again(self, wait: Duration) -> Self {
        match self {
            Decision::Rest(rest) => {
                Decision::Rest(Rest { again: Some(rest.again.map_or(wait, |a| a.min(wait))), ..rest })
            }
            other => other,
        }
    }
}

/// The end of a pass in which nothing was left to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Rest<S> {
    /// The status that the object should have; written only where it differs. `None` leaves it as it is.
    pub status: Option<S>,
    /// When to come back although nothing has changed.
    pub again: Option<Duration>,
}

impl<S> Rest<S> {
    /// Nothing to say and nothing to wait for.
    pub const NOTHING: Self = Self { status: None, again: None };
}

/// What a plan may ask to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// One number by an exact look-up at the carrier.
    Number { account: Key, number: E164 },
    /// Whether the object that holds a claim lives, read from the API server and not from a cache.
    Holder(Holder),
    /// Whether the definition of the object's own kind is being deleted.
    Definition,
    /// The Secret of the account.
    Credentials,
    /// Whose account the credentials open.
    Identity,
    /// A complete listing of the account's numbers.
    Inventory,
    /// The journal of the object's identity, read from the API server and not from a cache.
    Journal,
    /// What is on order.
    Orders,
    /// What is for sale.
    Offers(Box<OfferQuery>),
    /// The claim of a number, read from the API server and not from a cache.
    Claim(E164),
    /// The idle numbers of the account, by what was listed of it last.
    Idle,
    /// This very object, read from the API server and not from a cache.
    Itself,
    /// An AgentVersion, read from the API server and not from a cache.
    Version(Key),
    /// The routes that numbers of the account share.
    SharedRoutes(Key),
    /// The agent of this id that the platform hosts.
    HostedAgent(Key, String),
    /// The numbers that a platform answers.
    Bindings(Key),
    /// One extra of a number that a platform answers.
    Extra { platform: Key, number: E164, extra: Extra },
    /// What is left of a version of this name that was published before the Agent was made.
    Past(String),
}

/// What a plan may have done. Writes to the cluster are compare-and-set on the version of the object that the world showed.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Creates the claim; whoever finds it there already has lost.
    CreateClaim(Box<NumberClaimSpec>),
    /// Writes the claim that the world showed, and no later one.
    WriteClaim(Box<NumberClaim>),
    /// Writes into the claim that the world showed that nothing of ours is left at the carrier; tells what there is to tell.
    CloseClaim(Box<NumberClaim>, Option<Note>),
    /// Deletes the claim that this pass is about, and its finalizer; tells what there is to tell.
    DropClaim(Option<Note>),
    /// Deletes the journal that this pass is about, and its finalizer.
    DropJournal,
    /// Puts the finalizer on the object.
    AddFinalizer(&'static str),
    /// Takes the finalizer off the object.
    RemoveFinalizer(&'static str),
    /// Writes at the carrier.
    SetRoute(Box<SetRoute>),
    /// Writes at the carrier what many numbers share.
    SetSharedRoute(Box<SetSharedRoute>),
    /// Writes at a platform which of its agents answers a number, and how.
    SetBinding(Box<SetBinding>),
    /// Writes at a platform which version of a hosted agent serves.
    ServeHosted(Box<ServeHosted>),
    /// Writes our marker on a number at the carrier.
    Mark(Box<Mark>),
    /// Has the account take in a number that the organization has at a carrier account of its own.
    BringIn(Key, E164),
    /// Asks the account to let this object buy a number.
    AskGrant,
    /// Gives back the right to buy, by which nothing was sent: others may have it.
    GiveBackGrant,
    /// Writes an entry into the journal of buying.
    WriteJournal(Box<Entry>),
    /// Has the carrier keep a number for a while, and then writes the entry that says so.
    Hold(Box<HoldNumber>),
    /// Writes an entry that knows nothing of a hold any more, and then has the carrier let go of that.
    LetGo(Box<LetGoHold>),
    /// Buys a number, by the entry that was written last.
    Purchase(Box<BuyNumber>),
    /// Asks the carrier not to go on with an order. What became of it is seen afterwards.
    CancelOrder(Key, Box<Order>),
    /// Makes the claim of an idle number this object's, by the entry that was written last.
    TakeNumber(Box<TakeNumber>),
    /// Gives up the number that the last entry names, for which nothing was sent: somebody else has its claim.
    LoseNumber(Key, E164),
    /// Writes an annotation on the object.
    Annotate(&'static str, String),
    /// Freezes a version.
    CreateVersion(Box<AgentVersionSpec>),
    /// Deletes a version that serves nobody.
    DeleteVersion(Key),
    /// Believes what the last listing showed.
    AcceptInventory,
}

/// One write at the carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRoute {
    pub account: Key,
    pub id: NumberId,
    pub number: E164,
    /// The channels to set; the others are left alone.
    pub route: Route,
    /// Whether this puts back what somebody else changed.
    pub put_back: bool,
    /// What to tell once it is done.
    pub notes: Vec<Note>,
}

/// One write at a platform about a number that stays at its carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetBinding {
    pub platform: Key,
    /// The account that owns the number.
    pub account: Key,
    pub number: E164,
    pub change: BindingChange,
    /// Whether this puts back what somebody else changed.
    pub put_back: bool,
    /// What to tell once it is done.
    pub notes: Vec<Note>,
}

/// What is to be changed of a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingChange {
    /// The platform's agent of this id is to answer, with this for the one number. It is lent the credentials of the number's account.
    Bind { agent: String, config: NumberConfig },
    /// Nobody there is to answer.
    Unbind,
    /// Another agent than now is to answer: the number is taken off, and put on at once.
    Move { agent: String, config: NumberConfig },
    /// What the platform keeps for the one number.
    Configure(NumberConfig),
    /// Whether one extra of it is on.
    Switch { extra: Extra, on: bool },
}

impl SetBinding {
    /// The two writes of which a move consists; nothing for any other.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let BindingChange::Move { agent, config } = &self.change else { return None };
        let (agent, config) = (agent.clone(), config.clone());
        let half = |change, says| {
            // That callers reach nothing is told when it is so, and that something is put back when it is.
            let notes = self.notes.iter().filter(|_| says).cloned().collect();
            Self { change, put_back: says && self.put_back, notes, ..self.clone() }
        };
        Some([half(BindingChange::Unbind, !self.put_back), half(BindingChange::Bind { agent, config }, self.put_back)])
    }
}

/// A marker that a bought number has lost, or that it never had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub account: Key,
    pub id: NumberId,
    pub number: E164,
    pub marker: Marker,
}

/// An entry of the journal of buying.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The journal with it: new, or the one that the world showed.
    pub journal: NumberPurchase,
    pub purpose: Purpose,
    /// Whether all that was ever sent for the number that it names was surely refused.
    pub clean: bool,
}

/// A number to keep. That costs nothing and may be done again, so that it comes before the entry, which then knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct HoldNumber {
    pub account: Key,
    pub number: E164,
    pub marker: Marker,
    /// What is written once it is kept, with the hold.
    pub entry: Entry,
}

/// A hold that nobody needs any more. The entry comes first: once it stands, nothing is bought by the hold.
#[derive(Clone, Debug, PartialEq)]
pub struct LetGoHold {
    pub account: Key,
    pub hold: Hold,
    pub entry: Entry,
}

/// One purchase at the carrier. It can be made of nothing but an entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuyNumber {
    pub account: Key,
    pub number: E164,
    pub marker: Marker,
    pub route: Route,
    pub regulatory: Regulatory,
    /// What the journal bears as long as this process may send.
    pub token: String,
    /// What the claim bears as long as it may.
    pub attempt: u32,
    /// How the carrier keeps the number for us, where it does.
    pub hold: Option<Hold>,
}

/// The taking of an idle number. It too can be made of nothing but an entry of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct TakeNumber {
    pub account: Key,
    /// The claim as it should be: the one that the world showed, or a new one.
    pub claim: NumberClaim,
    /// What the journal bears as long as this process may take it.
    pub token: String,
}

/// An event that is not the change of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub warning: bool,
    pub reason: &'static str,
    pub text: String,
}

impl Effect {
    /// What it is called in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Effect::CreateClaim(_) => "create_claim",
            Effect::WriteClaim(_) => "write_claim",
            Effect::CloseClaim(..) => "close_claim",
            Effect::DropClaim(_) => "drop_claim",
            Effect::DropJournal => "drop_journal",
            Effect::AddFinalizer(_) => "add_finalizer",
            Effect::RemoveFinalizer(_) => "remove_finalizer",
            Effect::SetRoute(_) => "set_route",
            Effect::SetSharedRoute(_) => "set_shared_route",
            Effect::SetBinding(_) => "set_binding",
            Effect::ServeHosted(_) => "serve_hosted",
            Effect::Mark(_) => "mark",
            Effect::BringIn(..) => "bring_in",
            Effect::AskGrant => "ask_grant",
            Effect::GiveBackGrant => "give_back_grant",
            Effect::WriteJournal(_) => "write_journal",
            Effect::Hold(_) => "hold",
            Effect::LetGo(_) => "let_go",
            Effect::Purchase(_) => "purchase",
            Effect::CancelOrder(..) => "cancel_order",
            Effect::TakeNumber(_) => "take_number",
            Effect::LoseNumber(..) => "lose_number",
            Effect::Annotate(..) => "annotate",
            Effect::CreateVersion(_) => "create_version",
            Effect::DeleteVersion(_) => "delete_version",
            Effect::AcceptInventory => "accept_inventory",
        }
    }
}
