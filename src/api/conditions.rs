//! The one table of reasons, and how conditions are made of them. No I/O.
//!
//! A condition is a type and a [`Reason`]; the reason alone says what it makes of `Ready`, `Reconciling` and `Stalled`,
//! whether it is an event, and what a person should know. `docs/reasons.md` is written from this table.

use std::{borrow::Cow, collections::HashMap, fmt, sync::LazyLock, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{self as meta, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// What a reason makes of `Ready`, `Reconciling` and `Stalled`, as kstatus reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// As wanted: it does not stand in the way of `Ready=True`.
    Good,
    /// Not done, since that was asked for: `Ready=True`.
    Asked,
    /// Not as wanted yet, and being worked on: `Ready=False`, `Reconciling=True`.
    Working,
    /// Not as wanted until somebody or something else moves: `Ready=False`. It goes on by itself then.
    Waiting,
    /// The same where most likely only a person can end it: `Ready=False` with `Reconciling=True`, and after some minutes with `Stalled=True`,
    /// so that tools which wait for the object fail with its reason.
    Blocked,
    /// Not as wanted, and it will stay so until a person acts: `Ready=False`, `Stalled=True`.
    Stalled,
}

impl Class {
    /// What tools that wait make of an object which has such a reason for its `Ready`, by the rules of kstatus: at first, and once the grace
    /// is over.
    pub fn verdicts(self) -> [&'static str; 2] {
        match self {
            Class::Good | Class::Asked => ["Current"; 2],
            Class::Working | Class::Waiting => ["InProgress"; 2],
            Class::Blocked => ["InProgress", "Failed"],
            Class::Stalled => ["Failed"; 2],
        }
    }
}

/// What a condition says: yes, no, or that it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    const ALL: [Self; 3] = [Self::True, Self::False, Self::Unknown];

    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        }
    }
}

/// Whether becoming true of an object is an event, and of which type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Silent,
    Normal,
    Warning,
}

/// The conditions that we set. `Reconciling` and `Stalled` are there only while they are true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    Accepted,
    Acquired,
    Routed,
    MessagingReady,
    Published,
    RolledOut,
    Valid,
    Live,
    Ready,
    Reconciling,
    Stalled,
}

impl Type {
    /// Every condition, in the order in which they are shown.
    pub const ALL: [Type; 11] = [
        Type::Accepted,
        Type::Acquired,
        Type::Routed,
        Type::MessagingReady,
        Type::Published,
        Type::RolledOut,
        Type::Valid,
        Type::Live,
        Type::Ready,
        Type::Reconciling,
        Type::Stalled,
    ];

    /// As it stands in `conditions[].type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Type::Accepted => "Accepted",
            Type::Acquired => "Acquired",
            Type::Routed => "Routed",
            Type::MessagingReady => "MessagingReady",
            Type::Published => "Published",
            Type::RolledOut => "RolledOut",
            Type::Valid => "Valid",
            Type::Live => "Live",
            Type::Ready => "Ready",
            Type::Reconciling => "Reconciling",
            Type::Stalled => "Stalled",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct ReasonRow {
    pub reason: Reason,
    pub name: &'static str,
    /// The condition that it is a reason of.
    pub of: Type,
    pub truth: Truth,
    pub class: Class,
    pub event: Event,
    /// What it means and what to do.
    pub meaning: &'static str,
}

macro_rules! reasons {
    ($($reason:ident: $of:ident $truth:ident, $class:ident, $event:ident, $meaning:literal;)*) => {
        /// Why a condition is as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $(#[doc = $meaning] $reason,)* }

        /// Every reason, with what it means.
        pub const REASONS: &[ReasonRow] = &[$(ReasonRow {
            reason: Reason::$reason,
            name: stringify!($reason),
            of: Type::$of,
            truth: Truth::$truth,
            class: Class::$class,
            event: Event::$event,
            meaning: $meaning,
        },)*];
    };
}

reasons! {
    Accepted: Accepted True, Good, Silent, "The objects that this one refers to exist and allow its use.";
    PurchaseChangeIgnored: Accepted True, Good, Warning, "spec.purchase was changed after the number was bought and no longer matches it in digits, country, type, features or price. The change has no effect. To get another number, create another PhoneNumber.";
    AccountNotFound: Accepted False, Blocked, Warning, "No CarrierAccount has that name. Create it, or create a new object with the correct spec.accountRef.";
    NotACarrier: Accepted False, Stalled, Warning, "The CarrierAccount is a platform that has no numbers of its own. Create a new object whose spec.accountRef names the account of the carrier that has the number; the Agent says where it is hosted.";
    AccountNotAllowed: Accepted False, Blocked, Warning, "No CarrierAccount with that name allows this namespace. Its owner can add the namespace to spec.allowedNamespaces. Until then nothing is written at the carrier and the number keeps its route.";

    Imported: Acquired True, Good, Silent, "The account owns the number and this object holds its claim.";
    Observed: Acquired True, Good, Silent, "The account owns the number. With mode: Observe the operator reads it and does not claim it.";
    NotInAccount: Acquired False, Blocked, Warning, "The account does not own the number. Check the number and the account. The operator checks again at every scan.";
    CarrierImportRefused: Acquired False, Stalled, Warning, "The account does not own the number, and its carrier cannot or will not import it from the organization's own carrier account. The message gives the cause and what to do. The operator retries from time to time, and at once when the spec changes.";
    ClaimedByAnother: Acquired False, Stalled, Warning, "Another PhoneNumber holds the claim of this number. Delete one of the two; this one takes over when the other is gone.";
    ClaimRefused: Acquired False, Stalled, Warning, "This object may not take over the claim of the number: the claim is under another carrier account, the number was bought for another namespace, or the account does not allow this namespace any more. Its holder can hand it over with the annotation dialplane.dev/hand-over-to.";
    AwaitingHandover: Acquired False, Working, Silent, "The PhoneNumber that manages the number is being deleted. This one takes over the number and its route when that one is gone.";
    HandedOver: Acquired False, Waiting, Normal, "The number was handed over to the PhoneNumber in the annotation dialplane.dev/hand-over-to. Delete this object.";
    NumberLost: Acquired False, Stalled, Warning, "The account no longer owns the number: it was released, ported out, moved or reclaimed. The operator does not buy it again. Ask the carrier. If the account gets the number back, the operator continues; to give it up, delete the object.";
    NumberNotChecked: Acquired Unknown, Working, Silent, "The operator could not look up the number at the carrier yet.";
    AccountNotReady: Acquired Unknown, Waiting, Silent, "The CarrierAccount is not ready; see its conditions. If it has none, the operator does not work on its namespace. The last known state of the number is unchanged.";
    NotClaimed: Acquired False, Asked, Silent, "The object is suspended and has not claimed its number. Set spec.suspend to false to continue.";

    Purchased: Acquired True, Good, Normal, "The number was bought and this object holds its claim.";
    NoMatchingNumber: Acquired False, Waiting, Warning, "No number for sale matches spec.purchase.search. The operator searches again every few minutes. Relax the search, or search another place.";
    PriceTooHigh: Acquired False, Blocked, Warning, "Every matching number costs more than spec.purchase or the CarrierAccount allows. Raise the limit or change the search.";
    PriceUnknown: Acquired False, Blocked, Warning, "A price limit is set and the carrier does not give the number's price, so nothing is bought. Remove the limit or change the search.";
    NumberUnavailable: Acquired False, Waiting, Warning, "The number is not for sale, or somebody else bought it first. The operator retries. If you own the number already, import it.";
    AlreadyOwned: Acquired False, Stalled, Warning, "The account owns the number already. Import it instead.";
    IdentityInUse: Acquired False, Stalled, Warning, "Another PhoneNumber, or another account, already has a number for the same purchase.identity. Delete one of the two, or use another purchase identity.";
    MarkerConflict: Acquired False, Stalled, Warning, "The number's marker at the carrier names another purchase identity or installation. The operator does not change the number.";
    MultipleNumbers: Acquired False, Stalled, Warning, "The account has several numbers that were bought for this purchase identity. Set the annotation dialplane.dev/number to the correct one.";
    ConfirmPurchase: Acquired False, Blocked, Warning, "The account has numbers that no PhoneNumber in this cluster claims, and its carrier stores no markers, so one may already have been bought for this object. Set the annotation dialplane.dev/number to that number, or set dialplane.dev/buy-another to the value in the message to buy another.";
    AwaitingApproval: Acquired False, Waiting, Normal, "A number was found; status.offer shows it and its price. Set the annotation dialplane.dev/approve to that number to buy it. If the CarrierAccount has purchasing.approval: Required, this needs the verb approve on that CarrierAccount.";
    PurchasingPaused: Acquired False, Waiting, Normal, "spec.purchasing.paused of the CarrierAccount is true: nothing is bought.";
    PurchaseLimitReached: Acquired False, Waiting, Warning, "The CarrierAccount has bought or owns as many numbers as its spec.purchasing allows. Raise the limit, or wait.";
    InsufficientFunds: Acquired False, Blocked, Warning, "The balance of the account at the carrier is too low. Top it up; the operator retries.";
    RegulatoryRequired: Acquired False, Stalled, Warning, "The country's regulations require an address or documents. Name them in spec.purchase.regulatory.";
    PurchaseForbidden: Acquired False, Blocked, Warning, "The credentials may not buy this number. Grant the permission, or check the status of the account at the carrier.";
    PurchaseRefused: Acquired False, Stalled, Warning, "The carrier refused the purchase. Correct spec.purchase.";
    PurchaseFailed: Acquired False, Working, Silent, "The carrier did not respond, or the purchase failed. The operator retries.";
    OrderPending: Acquired False, Working, Silent, "The carrier has accepted the order and is processing it. Nothing else is bought until it ends.";
    PurchaseOutcomeUnknown: Acquired Unknown, Working, Warning, "A purchase was or may have been sent, and its outcome is unknown. The operator looks for the number and buys nothing else until it knows.";

    Routed: Routed True, Good, Silent, "The carrier routes this number to the agent's published version.";
    CallsDiverted: Routed False, Blocked, Warning, "The carrier has the route but calls do not reach it: the number is active in another region, or forwards its calls. The operator does not change this; the message says what to change at the carrier.";
    Unassigned: Routed True, Good, Silent, "No agent is assigned to the number, and the operator has set no route.";
    NeverPublished: Routed False, Blocked, Warning, "The agent has no published version. Set spec.version of the Agent. The number keeps its route.";
    AgentNotFound: Routed False, Blocked, Warning, "No Agent has that name. Create it, or correct spec.agentRef. The number keeps its route.";
    AgentNotAllowed: Routed False, Blocked, Warning, "No Agent with that name allows this namespace. Its owner can add the namespace to spec.allowedNamespaces. The number keeps its route.";
    AgentOffline: Routed False, Asked, Normal, "spec.offline of the Agent is true: the routes of its numbers are cleared.";
    VersionNotFound: Routed False, Blocked, Warning, "The AgentVersion to serve does not exist. Create it again, or publish another version. The number keeps its route.";
    NoRoute: Routed False, Blocked, Warning, "The agent's version has no webhook that this carrier supports. The number keeps its route.";
    SharedRoutePending: Routed False, Working, Silent, "The route that the agent's numbers share at this account, or the hosted agent, does not serve the published version yet; see the conditions of the Agent. The number keeps its route.";
    CredentialsNotLent: Routed False, Blocked, Warning, "The platform that hosts the agent needs the credentials of the number's CarrierAccount and may not have them. Its owner can add the platform to spec.lendTo; an account that uses an API key also needs its Auth Token. The number keeps its route.";
    PlatformNotReady: Routed Unknown, Waiting, Silent, "The CarrierAccount of the platform that hosts the agent is not ready; see its conditions. The number keeps its route.";
    BoundWithAnotherKey: Routed False, Stalled, Warning, "The platform has the number under another API key. Remove it there first. The number keeps its route.";
    BindingRefused: Routed False, Stalled, Warning, "The platform refused to answer this number. The message says why and which credentials or settings to correct.";
    RouteNotShareable: Routed False, Blocked, Warning, "The agent's version uses {number} in a webhook, and the numbers of this account share one route. Publish a version without it. The number keeps its route.";
    RouteDiffers: Routed False, Asked, Normal, "The carrier's route differs from the wanted one. With mode: Observe the operator only reports it.";
    Drifted: Routed False, Asked, Warning, "The route was changed at the carrier. With drift: Report the operator only reports it.";
    RouteConflict: Routed False, Stalled, Warning, "The route is changed at the carrier again and again, so the operator has stopped correcting it. Find out who changes it, then set the annotation dialplane.dev/reconcile-requested-at.";
    Suspended: Routed False, Asked, Silent, "The route needs a change and the object is suspended. Set spec.suspend to false to continue.";
    Routing: Routed False, Working, Silent, "The operator is about to set the route.";
    RouteRefused: Routed False, Stalled, Warning, "The carrier refused the route. Correct the webhooks and publish another version.";
    RouteFailed: Routed False, Working, Silent, "The route could not be set; the operator retries.";
    RouteOutcomeUnknown: Routed Unknown, Working, Silent, "A route was sent and no answer came. The operator waits until the carrier can no longer apply it.";
    RouteUnknown: Routed Unknown, Waiting, Silent, "The operator cannot read the route now. It is not changed.";
    Clearing: Routed Unknown, Working, Silent, "The object is being deleted and the operator is clearing or restoring its route.";
    CleanupBlocked: Routed Unknown, Stalled, Warning, "The object is being deleted and its route cannot be cleared or restored. To delete it without cleanup, set spec.onDelete: Leave or the annotation dialplane.dev/abandon: \"true\".";

    RegistrationUnknown: MessagingReady Unknown, Good, Silent, "Whether the number may send text messages depends on registrations that the carrier does not show.";
    SMSNotSupported: MessagingReady False, Good, Warning, "The agent has an SMS webhook and the number lacks the feature SMS. Use a number that has it, or remove the SMS webhook from the agent.";
    MessagingServiceOverrides: MessagingReady False, Good, Warning, "The number is in a Messaging Service whose webhook receives its messages, so the number's SMS webhook is not used. Remove the number from the service, or let the service defer to the sender's webhook.";

    Connected: Ready True, Good, Normal, "The credentials work and the numbers of the account have been listed.";
    SecretNotFound: Ready False, Blocked, Warning, "The Secret does not exist in this namespace. Create it; the operator checks again.";
    SecretForbidden: Ready False, Blocked, Warning, "The operator may not read the Secret of the account. The operator's administrator can allow it with the chart's value secrets.namespaces, or with the right to get Secrets in that namespace. The operator retries.";
    SecretReadFailed: Ready False, Working, Silent, "The API server did not return the Secret. The operator retries.";
    SecretIncomplete: Ready False, Blocked, Warning, "The Secret lacks keys. Twilio needs authToken, or apiKeySid and apiKeySecret. The others need apiKey.";
    Unauthorized: Ready False, Blocked, Warning, "The carrier rejected the credentials. Put the correct ones into the Secret; the operator reads it again.";
    Forbidden: Ready False, Blocked, Warning, "The credentials lack a permission; the message says which.";
    AccountInactive: Ready False, Blocked, Warning, "The carrier has suspended or closed the account.";
    WrongAccount: Ready False, Stalled, Warning, "The credentials belong to another account than the first ones did, so the operator stopped working on this account. Restore the correct credentials, or create another CarrierAccount.";
    NumbersMissing: Ready False, Stalled, Warning, "Many numbers were missing from one listing, so the operator does not treat them as lost. If they are really gone, set the annotation dialplane.dev/confirm-inventory to how many are left.";
    EndpointNotAllowed: Ready False, Stalled, Warning, "The operator does not allow spec.endpoint: it reads and sends nothing for the account, and its numbers keep their routes. Remove spec.endpoint to use the carrier itself, or have the operator's administrator allow it (--allow-endpoint, in the chart carriers.allowedEndpoints).";
    CarrierUnreachable: Ready False, Working, Warning, "The carrier does not answer, or its answer is not valid. The operator retries.";

    Published: Published True, Good, Silent, "The version in spec.version serves.";
    Unpublished: Published False, Asked, Normal, "No version was ever published. Set spec.version to publish the draft.";
    VersionDeleted: Published False, Stalled, Warning, "That version was published before and its AgentVersion was deleted. A name is used once: create that AgentVersion again, change the draft back, or publish under a new name. The last version still serves.";
    VersionChanged: Published False, Stalled, Warning, "The AgentVersion differs from the one that was published under this name. Publish under a new name. The last version still serves.";
    VersionInvalid: Published False, Stalled, Warning, "The version is not valid. Correct the draft and publish it under a new name. The last version still serves.";
    VersionNameUsed: Published False, Stalled, Warning, "That version name was used before this Agent was created, and the draft may differ from what was published then. Create that AgentVersion, set its digest in spec.versionDigest, or publish under a new name. The last version still serves.";
    VersionNameNotChecked: Published False, Working, Silent, "The operator does not know yet whether that version name was used before this Agent was created: it waits until the accounts of its numbers are listed. A digest in spec.versionDigest publishes at once.";
    AwaitingVersion: Published False, Waiting, Normal, "With versions: Applied the Agent waits for the AgentVersion that spec.version names. Create it. The last version still serves.";
    DigestMismatch: Published False, Blocked, Warning, "The digest of what would be published is not the one in spec.versionDigest. Correct one of them. The last version still serves.";

    RolledOut: RolledOut True, Good, Normal, "Every number of the agent is routed to the published version.";
    RollingOut: RolledOut False, Working, Silent, "Some numbers of the agent are not routed to the published version yet.";
    HostedAgentNotFound: RolledOut False, Stalled, Warning, "The platform has no such agent under this account: it was deleted, or its ID is wrong. Correct the draft's hosted entry and publish another version. The numbers keep their route.";
    HostedAgentInactive: RolledOut False, Blocked, Warning, "The agent is disabled on its platform: calls are not answered. Enable it there.";
    HostedAgentInUse: RolledOut False, Stalled, Warning, "Another Agent uses this hosted agent. A hosted agent belongs to one Agent: name another one in the draft.";
    HostedVersionNotFound: RolledOut False, Stalled, Warning, "The platform has no such version of the hosted agent, or its version for an older AgentVersion is no longer known. Set the right versionId and publish under a new name. The numbers keep their route.";
    PlatformNotFound: RolledOut False, Blocked, Warning, "No CarrierAccount has that name. Create it, or correct the draft's hosted entry and publish another version. The numbers keep their route.";
    PlatformNotAllowed: RolledOut False, Blocked, Warning, "No CarrierAccount with that name allows this namespace. Its owner can add the namespace to spec.allowedNamespaces. The numbers keep their route.";
    SharedRouteFailed: RolledOut False, Working, Silent, "The route that the agent's numbers share at an account could not be set; the operator retries. The numbers keep their route.";
    SharedRouteRefused: RolledOut False, Stalled, Warning, "The route that the agent's numbers share at an account cannot be set as the version requires. Correct the webhooks and publish another version. The numbers keep their route.";
    SharedRouteConflict: RolledOut False, Stalled, Warning, "The route that the agent's numbers share at an account is changed again and again, so the operator has stopped correcting it. Find out who changes it, then set the annotation dialplane.dev/reconcile-requested-at on one of the numbers.";
    TakenOffline: RolledOut False, Asked, Normal, "spec.offline of the Agent is true: its numbers have no route.";
    NothingToRollOut: RolledOut Unknown, Good, Silent, "Nothing was published yet.";

    Valid: Valid True, Good, Silent, "The version is valid.";
    NotValid: Valid False, Stalled, Warning, "The version is not valid.";
    Live: Live True, Good, Normal, "This version serves.";
    NotLive: Live False, Good, Silent, "Another version serves, or none.";

    InUse: Ready False, Waiting, Warning, "The object is being deleted and other objects still use it. It is deleted when they are gone.";
}

/// The events that tell of something that was done, and are no reason of a condition: name, and what happened.
pub const EVENTS: &[(&str, &str)] = &[
    ("Published", "A new version of the Agent was published."),
    ("RolledBack", "The Agent serves an earlier version again."),
    (
        "RouteReplaced",
        "A route that was at the carrier before the import was replaced. spec.previous of the NumberClaim keeps it.",
    ),
    ("DriftCorrected", "A change made at the carrier or the platform was reverted."),
    (
        "Moving",
        "The number is removed from a platform's agent and assigned to another, or to the same one with other credentials.",
    ),
    ("ImportedAtCarrier", "The carrier imported the number from the organization's own carrier account."),
    (
        "NotCleanedUp",
        "The object was deleted and something at the carrier was left unchanged: the message says what and why.",
    ),
    ("CallsRejected", "The platform rejected more calls because too many came at once."),
    (
        "Unreadable",
        "The object cannot be decoded and is ignored: the operator and its CRDs may be of different versions.",
    ),
];

impl Reason {
    /// What the table says of this reason.
    pub fn row(self) -> &'static ReasonRow {
        &REASONS[self as usize]
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

/// A condition of an object, as [Kubernetes has
/// them](https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties).
/// Half a dozen are kept of every number, so what the table has is not spelled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "meta::Condition", into = "meta::Condition")]
pub struct Condition {
    words: Words,
    pub message: Cow<'static, str>,
    /// The generation of the spec that it speaks of.
    pub observed_generation: Option<i64>,
    /// When its status became what it is.
    pub last_transition_time: Time,
}

/// A condition's type, status and reason.
#[derive(Clone, Debug, PartialEq)]
enum Words {
    Known(Type, Truth, Reason),
    /// Written by somebody else, or by another version.
    Other(Box<[String; 3]>),
}

impl Condition {
    /// One that says this, with the message of `finding`.
    fn new(of: Type, truth: Truth, finding: &Finding, generation: Option<i64>, now: Timestamp) -> Self {
        Self {
            words: Words::Known(of, truth, finding.reason),
            message: message(Some(finding.reason), finding.message.clone()),
            observed_generation: generation,
            last_transition_time: Time(now),
        }
    }

    pub fn type_(&self) -> &str {
        match &self.words {
            Words::Known(of, ..) => of.as_str(),
            Words::Other(words) => &words[0],
        }
    }

    pub fn status(&self) -> &str {
        match &self.words {
            Words::Known(_, truth, _) => truth.as_str(),
            Words::Other(words) => &words[1],
        }
    }

    pub fn reason(&self) -> &str {
        match &self.words {
            Words::Known(.., reason) => reason.row().name,
            Words::Other(words) => &words[2],
        }
    }

    /// The row of its reason, if the table has it.
    pub fn row(&self) -> Option<&'static ReasonRow> {
        match &self.words {
            Words::Known(.., reason) => Some(reason.row()),
            Words::Other(words) => reason_of(&words[2]).map(Reason::row),
        }
    }

    pub fn has_reason(&self, reason: Reason) -> bool {
        self.reason() == reason.row().name
    }

    pub fn is_of(&self, of: Type) -> bool {
        self.type_() == of.as_str()
    }

    /// Whether it is of this type and has this status.
    pub fn is(&self, of: Type, truth: Truth) -> bool {
        self.is_of(of) && self.status() == truth.as_str()
    }

    /// Whether it repeats what another condition says.
    pub fn is_summary(&self) -> bool {
        [Type::Ready, Type::Reconciling, Type::Stalled].iter().any(|of| self.is_of(*of))
    }
}

/// The reason of that name.
fn reason_of(name: &str) -> Option<Reason> {
    static BY_NAME: LazyLock<HashMap<&str, Reason>> =
        LazyLock::new(|| REASONS.iter().map(|row| (row.name, row.reason)).collect());
    BY_NAME.get(name).copied()
}

/// A message, which for most reasons is most often the one of the table.
fn message(reason: Option<Reason>, text: String) -> Cow<'static, str> {
    match reason.map(|reason| reason.row().meaning) {
        Some(meaning) if meaning == text => Cow::Borrowed(meaning),
        _ => Cow::Owned(text.into_boxed_str().into()),
    }
}

impl From<meta::Condition> for Condition {
    fn from(condition: meta::Condition) -> Self {
        let meta::Condition { type_, status, reason, message: text, observed_generation, last_transition_time } =
            condition;
        let known = reason_of(&reason);
        let of = Type::ALL.into_iter().find(|of| of.as_str() == type_);
        let truth = Truth::ALL.into_iter().find(|truth| truth.as_str() == status);
        let words = match (of, truth, known) {
            (Some(of), Some(truth), Some(reason)) => Words::Known(of, truth, reason),
            _ => Words::Other(Box::new([type_, status, reason])),
        };
        Self { words, message: message(known, text), observed_generation, last_transition_time }
    }
}

impl From<Condition> for meta::Condition {
    fn from(condition: Condition) -> Self {
        Self {
            type_: condition.type_().to_owned(),
            status: condition.status().to_owned(),
            reason: condition.reason().to_owned(),
            message: condition.message.into_owned(),
            observed_generation: condition.observed_generation,
            last_transition_time: condition.last_transition_time,
        }
    }
}

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        <meta::Condition as JsonSchema>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <meta::Condition as JsonSchema>::json_schema(generator)
    }
}

/// One thing to say of an object: a reason, which fixes the condition, and what a person should know in this case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub reason: Reason,
    pub message: String,
}

impl Finding {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl From<Reason> for Finding {
    fn from(reason: Reason) -> Self {
        Self::new(reason, reason.row().meaning)
    }
}

/// The conditions that say `findings`: theirs, `Ready` (made of them unless one of them is of `Ready` itself),
/// and `Reconciling` or `Stalled` where they are true.
///
/// A condition of `before` that nothing is said of stays as it was, and so does the time of one whose status is the same:
/// nothing changes where nothing changed.
pub fn conditions(
    before: &[Condition],
    findings: &[Finding],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let said = |of: Type, truth: Truth, finding: &Finding| {
        let new = Condition::new(of, truth, finding, generation, now);
        match before.iter().find(|old| old.is_of(of)) {
            Some(old) if old.is(of, truth) => {
                Condition { last_transition_time: old.last_transition_time.clone(), ..new }
            }
            _ => new,
        }
    };
    let mut all: Vec<Condition> = findings
        .iter()
        .filter(|f| f.reason.row().of != Type::Ready)
        .map(|f| said(f.reason.row().of, f.reason.row().truth, f))
        .collect();
    if let Some(summary) = summary(findings) {
        let also = |of| Some(said(of, Truth::True, summary));
        let (truth, also) = match summary.reason.row().class {
            Class::Good | Class::Asked => (Truth::True, None),
            Class::Working => (Truth::False, also(Type::Reconciling)),
            Class::Waiting => (Truth::False, None),
            Class::Blocked => (Truth::False, Some(blocked(before, summary, generation, now))),
            Class::Stalled => (Truth::False, also(Type::Stalled)),
        };
        all.push(said(Type::Ready, truth, summary));
        all.extend(also);
    }
    let is_untouched = |old: &&Condition| !old.is_summary() && all.iter().all(|new| new.type_() != old.type_());
    let untouched: Vec<Condition> = before.iter().filter(is_untouched).cloned().collect();
    all.extend(untouched);
    all.sort_by_key(|condition| Type::ALL.iter().position(|of| condition.is_of(*of)));
    all.shrink_to_fit();
    all
}

/// For how long what most likely only a person can end is waited for before it counts as stalled: manifests come in any order, and what
/// they name may take its time.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// How much of the grace is left to what is so since then.
fn left(since: Timestamp, now: Timestamp) -> Duration {
    GRACE.saturating_sub(Duration::try_from(now.duration_since(since)).unwrap_or_default())
}

/// When what these conditions say will count as stalled, where that is so.
pub fn stalls_in(conditions: &[Condition], now: Timestamp) -> Option<Duration> {
    let reconciling = conditions.iter().find(|condition| condition.is_of(Type::Reconciling))?;
    let is_blocked = reconciling.row().is_some_and(|row| row.class == Class::Blocked);
    is_blocked.then(|| left(reconciling.last_transition_time.0, now))
}

/// `Reconciling` as long as the grace lasts, which begins anew with another reason or spec; `Stalled` from then on.
fn blocked(before: &[Condition], finding: &Finding, generation: Option<i64>, now: Timestamp) -> Condition {
    let new = |of: Type, since: Timestamp| Condition::new(of, Truth::True, finding, generation, since);
    let since = |of: Type| {
        let is_same =
            |old: &&Condition| old.is_of(of) && old.has_reason(finding.reason) && old.observed_generation == generation;
        before.iter().find(is_same).map(|old| old.last_transition_time.0)
    };
    match (since(Type::Stalled), since(Type::Reconciling)) {
        (Some(since), _) => new(Type::Stalled, since),
        (None, Some(since)) if left(since, now).is_zero() => new(Type::Stalled, now),
        (None, since) => new(Type::Reconciling, since.unwrap_or(now)),
    }
}

/// The finding that decides `Ready`: the first that is in the way; if none is, the first that is not so by wish, then the one of `Ready`
/// itself, or the last that is true.
fn summary(findings: &[Finding]) -> Option<&Finding> {
    let is_true = |f: &&Finding| f.reason.row().truth == Truth::True;
    findings
        .iter()
        .find(|f| !matches!(f.reason.row().class, Class::Good | Class::Asked))
        .or_else(|| findings.iter().find(|f| f.reason.row().class == Class::Asked))
        .or_else(|| findings.iter().find(|f| f.reason.row().of == Type::Ready))
        .or_else(|| findings.iter().rfind(is_true))
        .or(findings.last())
}

/// The conditions in `after` that were not so in `before` and are worth an event, each with its row of the table.
pub fn news<'a>(
    before: &'a [Condition],
    after: &'a [Condition],
) -> impl Iterator<Item = (&'static ReasonRow, &'a Condition)> {
    let known = |new: &Condition| before.iter().any(|old| (old.type_(), old.reason()) == (new.type_(), new.reason()));
    after.iter().filter(move |new| !known(new)).filter_map(|new| {
        let row = new.row().filter(|row| new.is_of(row.of))?;
        (row.event != Event::Silent).then_some((row, new))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn shown(conditions: &[Condition]) -> Vec<(&str, &str, &str)> {
        conditions.iter().map(|c| (c.type_(), c.status(), c.reason())).collect()
    }

    #[test]
    fn every_reason_stands_in_its_own_row() {
        for (i, row) in REASONS.iter().enumerate() {
            assert_eq!(row.reason as usize, i);
            assert!(row.meaning.ends_with('.'), "{}", row.name);
            let ready_is_true = row.of == Type::Ready && row.truth == Truth::True;
            assert!(!ready_is_true || row.class == Class::Good, "{} would be ready and in the way", row.name);
        }
    }

    #[test]
    fn what_another_version_or_somebody_else_wrote_is_kept_word_for_word() {
        let written = serde_json::json!({
            "type": "Routed", "status": "True", "reason": "Routed", "message": Reason::Routed.row().meaning,
            "observedGeneration": 3, "lastTransitionTime": "2026-11-29T10:00:00Z",
        });
        let read = |written: &serde_json::Value| {
            let read: Condition = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), *written);
            read
        };
        let known = read(&written);
        assert!(matches!((&known.words, &known.message), (Words::Known(..), Cow::Borrowed(_))));
        assert!(known.is(Type::Routed, Truth::True));
        for field in ["type", "status", "reason", "message"] {
            let mut other = written.clone();
            other[field] = "OfTheFuture".into();
            let other = read(&other);
            assert_eq!(conditions(std::slice::from_ref(&other), &[], None, at(0)), [other], "and it stays");
        }
    }

    #[test]
    fn ready_names_the_first_finding_that_is_in_the_way() {
        let findings = [Reason::Accepted.into(), Reason::Imported.into(), Reason::NeverPublished.into()];
        assert_eq!(
            shown(&conditions(&[], &findings, Some(1), at(0))),
            [
                ("Accepted", "True", "Accepted"),
                ("Acquired", "True", "Imported"),
                ("Routed", "False", "NeverPublished"),
                ("Ready", "False", "NeverPublished"),
                ("Reconciling", "True", "NeverPublished"),
            ]
        );
    }

    #[test]
    fn what_only_a_person_can_mend_is_stalled_and_what_is_under_way_is_reconciling() {
        let stalled = conditions(&[], &[Reason::RouteConflict.into()], Some(1), at(0));
        assert_eq!(shown(&stalled)[1..], [("Ready", "False", "RouteConflict"), ("Stalled", "True", "RouteConflict")]);
        let working = conditions(&[], &[Reason::RouteFailed.into()], Some(1), at(0));
        assert_eq!(shown(&working)[1..], [("Ready", "False", "RouteFailed"), ("Reconciling", "True", "RouteFailed")]);
    }

    #[test]
    fn what_a_person_has_to_end_is_stalled_once_the_grace_is_over() {
        let stuck = |before: &[Condition], generation, second| {
            conditions(before, &[Reason::NeverPublished.into()], Some(generation), at(second))
        };
        let state = |conditions: &[Condition]| conditions[2].type_().to_owned();
        let first = stuck(&[], 1, 0);
        assert_eq!(
            shown(&first)[1..],
            [("Ready", "False", "NeverPublished"), ("Reconciling", "True", "NeverPublished")]
        );
        assert_eq!(stalls_in(&first, at(100)), Some(Duration::from_secs(200)));
        assert_eq!(state(&stuck(&first, 1, 299)), "Reconciling");
        let stalled = stuck(&first, 1, 300);
        assert_eq!((&*state(&stalled), stalls_in(&stalled, at(300))), ("Stalled", None));
        assert_eq!(stuck(&stalled, 1, 400), stalled);
        assert_eq!(state(&stuck(&stalled, 2, 400)), "Reconciling", "another spec has its own grace");
        let working = conditions(&[], &[Reason::RouteFailed.into()], Some(1), at(0));
        assert_eq!((stalls_in(&working, at(0)), &*state(&stuck(&working, 1, 400))), (None, "Reconciling"));
    }

    #[test]
    fn what_was_asked_for_is_ready_and_says_so() {
        let findings = [Reason::Imported.into(), Reason::Suspended.into(), Reason::RegistrationUnknown.into()];
        let all = conditions(&[], &findings, Some(1), at(0));
        assert_eq!(shown(&all).last(), Some(&("Ready", "True", "Suspended")));
    }

    #[test]
    fn a_good_finding_that_is_not_true_does_not_stand_in_the_way_of_ready() {
        let findings = [Reason::Routed.into(), Reason::RegistrationUnknown.into()];
        assert_eq!(shown(&conditions(&[], &findings, Some(1), at(0)))[2], ("Ready", "True", "Routed"));
    }

    #[test]
    fn saying_the_same_again_changes_nothing() {
        let findings = [Reason::NeverPublished.into()];
        let first = conditions(&[], &findings, Some(1), at(0));
        assert_eq!(conditions(&first, &findings, Some(1), at(60)), first);
        assert_eq!(news(&first, &first).count(), 0);
        assert_eq!(news(&[], &first).count(), 1, "Ready repeats what Routed says");
    }

    #[test]
    fn the_time_of_a_transition_is_when_the_status_changed_and_not_the_reason() {
        let first = conditions(&[], &[Reason::NeverPublished.into()], Some(1), at(0));
        let second = conditions(&first, &[Reason::AgentNotFound.into()], Some(1), at(60));
        assert_eq!(second[0].last_transition_time, Time(at(0)));
        let third = conditions(&second, &[Reason::Routed.into()], Some(1), at(90));
        assert_eq!(third[0].last_transition_time, Time(at(90)));
    }
}
