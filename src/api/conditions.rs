//! The one table of reasons, and how conditions are made of them. No I/O.
//!
//! A condition is a type and a [`Reason`]; the reason alone says what it makes of `Ready`, `Reconciling` and `Stalled`,
//! whether it is an event, and what a person should know. `docs/reasons.md` is written from this table.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

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
    Accepted: Accepted True, Good, Silent, "The references of this object are there and allow it.";
    PurchaseInert: Accepted True, Good, Warning, "spec.purchase was changed after a number was bought, and asks for what that one is not, in digits, country, type, features or price: that is without effect. Make another PhoneNumber for another number.";
    AccountNotFound: Accepted False, Blocked, Warning, "There is no CarrierAccount of that name. Apply it, or correct spec.accountRef in a new object.";
    NotACarrier: Accepted False, Stalled, Warning, "The CarrierAccount is a platform that has no numbers of its own. Name the account of the carrier that has the number in spec.accountRef of a new object; the Agent says where it is hosted.";
    AccountNotAllowed: Accepted False, Blocked, Warning, "There is no CarrierAccount of that name that allows this namespace. Its owner can, in spec.allowedNamespaces. Nothing is written at the carrier meanwhile; the last route stays.";

    Imported: Acquired True, Good, Silent, "The number is in the account and this object holds its claim.";
    Observed: Acquired True, Good, Silent, "The number is in the account. With mode: Observe it is looked at and not claimed.";
    NotInAccount: Acquired False, Blocked, Warning, "The account does not own the number. Check the number and the account; it is looked for again at every scan.";
    BringInRefused: Acquired False, Stalled, Warning, "The number is not in the account, and the account's carrier cannot bring it in from the organization's own carrier account, or refuses to: the message says which, and what to do. It is asked again from time to time, and at once when the spec is edited.";
    ClaimedByAnother: Acquired False, Stalled, Warning, "Another PhoneNumber holds the claim of this number. Delete one of the two; this one takes over once the other is gone.";
    ClaimRefused: Acquired False, Stalled, Warning, "The claim of this number may not pass to this object: it is claimed under another carrier account, or it was bought for another namespace. Whoever has it can hand it over with the annotation dialplane.dev/hand-over-to.";
    AwaitingHandover: Acquired False, Working, Silent, "The PhoneNumber that has the number is being deleted. This one takes the number over, with its route, once that one is gone.";
    HandedOver: Acquired False, Waiting, Normal, "The number was handed over to the PhoneNumber that the annotation dialplane.dev/hand-over-to names. Delete this object.";
    NumberLost: Acquired False, Stalled, Warning, "The account owned the number and no longer does: it was given back, ported away, moved or taken. It is not bought again. Ask the carrier what became of it; it goes on by itself once the account has it again. Delete the object to give it up.";
    NotSeen: Acquired Unknown, Working, Silent, "The number could not be looked up at the carrier yet.";
    AccountNotReady: Acquired Unknown, Waiting, Silent, "The CarrierAccount cannot be used now; its own conditions say why. What the number was last known to be still stands.";
    NotClaimed: Acquired False, Asked, Silent, "The object is suspended and has not claimed its number. Set spec.suspend to false to go on.";

    Purchased: Acquired True, Good, Normal, "The number was bought and this object holds its claim.";
    NothingForSale: Acquired False, Waiting, Warning, "No number for sale fits spec.purchase.search. It is looked for again every few minutes. Ask for less, or for another place.";
    TooDear: Acquired False, Blocked, Warning, "What fits costs more than spec.purchase or the CarrierAccount allows. Raise the limit, or look for something else.";
    PriceUnknown: Acquired False, Blocked, Warning, "There is a limit and the carrier does not say what the number costs: nothing is bought by guess. Take the limit away, or look for something else.";
    NumberUnavailable: Acquired False, Waiting, Warning, "The number is not for sale, or others were quicker. It is tried again. If the number is yours already, import it.";
    AlreadyOwned: Acquired False, Stalled, Warning, "The account owns the number that should be bought. Import it instead.";
    IdentityInUse: Acquired False, Stalled, Warning, "Another PhoneNumber, or another account, has a number for the same purchase.identity. Delete one of the two, or use another identity.";
    MarkedByAnother: Acquired False, Stalled, Warning, "The number bears the marker of another identity or installation at the carrier. It is not touched.";
    SeveralNumbers: Acquired False, Stalled, Warning, "The account has several numbers that were bought for this identity. Say which one is meant with the annotation dialplane.dev/number.";
    ConfirmPurchase: Acquired False, Blocked, Warning, "The account has numbers that nothing in this cluster claims, and its carrier keeps no marks by which it could be told whether one was bought for this object before. Say which one it is with the annotation dialplane.dev/number, or have another one bought with dialplane.dev/buy-another, whose value the message gives.";
    AwaitingApproval: Acquired False, Waiting, Normal, "A number was found, and its price stands in the status. The annotation dialplane.dev/approve with that number buys it. Where the CarrierAccount says purchasing.approval: Required, whoever sets it needs the verb approve on that CarrierAccount.";
    PurchasingPaused: Acquired False, Waiting, Normal, "The CarrierAccount buys nothing now, by its spec.purchasing.paused.";
    SpendingLimit: Acquired False, Waiting, Warning, "The CarrierAccount has bought or owns as many numbers as its spec.purchasing allows. It goes on when that changes.";
    InsufficientFunds: Acquired False, Blocked, Warning, "The account at the carrier has too little money. Top it up; it is tried again by itself.";
    RegulatoryRequired: Acquired False, Stalled, Warning, "The country's rules ask for an address or documents. Name them in spec.purchase.regulatory.";
    PurchaseForbidden: Acquired False, Blocked, Warning, "The credentials may not buy this. Give them the permission, or look at the state of the account at the carrier.";
    PurchaseRefused: Acquired False, Stalled, Warning, "The carrier refuses what is asked for. Correct spec.purchase.";
    PurchaseFailed: Acquired False, Working, Silent, "The carrier could not be asked, or bought nothing. It is tried again.";
    Ordered: Acquired False, Working, Silent, "The carrier has taken the order of a number and works on it. It is waited for; nothing else is bought meanwhile.";
    PurchaseUnsettled: Acquired Unknown, Working, Warning, "A purchase was sent, or may have been, and nobody knows what came of it. It is looked for; nothing else is bought meanwhile.";

    Routed: Routed True, Good, Silent, "The carrier sends this number to the agent's published version.";
    CallsElsewhere: Routed False, Blocked, Warning, "The carrier has the route and does not take calls by it: another of its regions answers the number, or the number forwards its calls. That is only read. The message says what to change at the carrier.";
    Pooled: Routed True, Good, Silent, "No agent is assigned: the number rests, and nothing of ours is set at the carrier.";
    NeverPublished: Routed False, Blocked, Warning, "The agent has no published version. Set spec.version of the Agent. The number keeps the route it had.";
    AgentNotFound: Routed False, Blocked, Warning, "There is no Agent of that name. Apply it, or correct spec.agentRef. The number keeps the route it had.";
    AgentNotAllowed: Routed False, Blocked, Warning, "There is no Agent of that name that allows this namespace. Its owner can, in spec.allowedNamespaces. The number keeps the route it had.";
    AgentOffline: Routed False, Asked, Normal, "The agent was taken off the air by spec.offline: the routes of its numbers are cleared.";
    VersionMissing: Routed False, Blocked, Warning, "The AgentVersion that should serve is not there. Apply it again, or publish another. The number keeps the route it had.";
    NoRoute: Routed False, Blocked, Warning, "The agent's version names no webhook that this carrier has. The number keeps the route it had.";
    SharedRoutePending: Routed False, Working, Silent, "What the agent's numbers share at this account, or the agent on its platform, does not serve the published version: the agent's own conditions say why. The number keeps the route it had.";
    NotLent: Routed False, Blocked, Warning, "The agent is hosted on a platform that needs the credentials of the number's CarrierAccount, and may not have them. Its owner can name the platform in spec.lendTo; an account that is opened by an API key needs its Auth Token for that. The number keeps the route it had.";
    PlatformNotReady: Routed Unknown, Waiting, Silent, "The CarrierAccount of the platform that hosts the agent cannot be used now; its own conditions say why. The number keeps the route it had.";
    BoundElsewhere: Routed False, Stalled, Warning, "The platform has the number under another API key. Take it off there first; the number keeps the route it had.";
    BindingRefused: Routed False, Stalled, Warning, "The platform refuses to answer this number. The message says why and whose credentials or settings are wrong.";
    NotShareable: Routed False, Blocked, Warning, "The agent's version names {number} in a webhook, and the numbers of this account share one route. Publish a version without it. The number keeps the route it had.";
    Differs: Routed False, Asked, Normal, "The carrier's route is not the wanted one. With mode: Observe it is only said.";
    Drifted: Routed False, Asked, Warning, "Somebody else changed the route at the carrier. With drift: Report it is only said.";
    Contested: Routed False, Stalled, Warning, "Somebody changes the route at the carrier again and again. It is left alone for now: find out who, then set the annotation dialplane.dev/reconcile-requested-at.";
    Suspended: Routed False, Asked, Silent, "The route should change, and the object is suspended. Set spec.suspend to false to go on.";
    Routing: Routed False, Working, Silent, "The route is about to be set.";
    RouteRefused: Routed False, Stalled, Warning, "The carrier refuses the route. Correct the webhooks and publish another version.";
    RouteFailed: Routed False, Working, Silent, "The route could not be set yet; it is tried again.";
    RouteUnsettled: Routed Unknown, Working, Silent, "A route was sent and no answer came. It is waited for until it can no longer be applied.";
    RouteUnseen: Routed Unknown, Waiting, Silent, "The route cannot be looked at now. The last one stays.";
    Clearing: Routed Unknown, Working, Silent, "The object is being deleted and its route taken back.";
    CleanupBlocked: Routed Unknown, Stalled, Warning, "The object is being deleted and its route cannot be taken back. The annotation dialplane.dev/abandon: \"true\" lets it go as it is.";

    RegistrationUnknown: MessagingReady Unknown, Good, Silent, "Whether text messages may be sent depends on registrations that the carrier does not prove.";
    CannotText: MessagingReady False, Good, Warning, "The number has an SMS webhook and cannot receive text messages: it lacks the feature SMS. Use a number that has it, or take the SMS webhook out of the agent.";
    MessagingServiceWins: MessagingReady False, Good, Warning, "The number is in a Messaging Service whose own webhook receives its messages: the number's SMS webhook is dead. Take the number out of the service, or let the service defer to the sender's webhook.";

    Open: Ready True, Good, Normal, "The credentials open the account and its numbers have been listed.";
    SecretNotFound: Ready False, Blocked, Warning, "There is no Secret of that name in this namespace. Apply it; it is looked for again.";
    SecretForbidden: Ready False, Blocked, Warning, "The Secret of the account may not be read. Whoever runs the operator can allow it: by the chart's value secrets.namespaces, or with the right to get Secrets in that namespace. It is tried again.";
    SecretNotRead: Ready False, Working, Silent, "The API server does not answer when the Secret is read, or not as it should. It is tried again.";
    SecretIncomplete: Ready False, Blocked, Warning, "The Secret lacks keys. For Twilio: authToken, or apiKeySid and apiKeySecret. For the others: apiKey.";
    Unauthorized: Ready False, Blocked, Warning, "The carrier refuses the credentials. Put the right ones into the Secret; they are read again.";
    Forbidden: Ready False, Blocked, Warning, "The credentials may not do this.";
    AccountInactive: Ready False, Blocked, Warning, "The carrier has suspended or closed the account.";
    CredentialsChangedAccount: Ready False, Stalled, Warning, "The credentials open another account than the one that was seen first. Nothing is done under it: put back the right credentials, or make another CarrierAccount.";
    InventoryDoubtful: Ready False, Stalled, Warning, "Many numbers vanished in one listing, which is disbelieved. If they are truly gone, confirm how many are left with the annotation dialplane.dev/confirm-inventory.";
    EndpointNotAllowed: Ready False, Stalled, Warning, "spec.endpoint is not one that the operator was started to allow: nothing is read or sent for the account, and its numbers keep their last routes. Take spec.endpoint away to use the carrier itself, or have whoever runs the operator allow it (--allow-endpoint, in the chart carriers.allowedEndpoints).";
    CarrierUnreachable: Ready False, Working, Warning, "The carrier does not answer, or not as it should. It is tried again.";

    Published: Published True, Good, Silent, "The wanted version serves.";
    Unpublished: Published False, Asked, Normal, "No version was ever published. Set spec.version to publish the draft.";
    VersionGone: Published False, Stalled, Warning, "That version was published before and its AgentVersion is gone. A name is used once: apply that AgentVersion again, have the draft be what it was, or publish under a new name. The last version goes on serving.";
    VersionChanged: Published False, Stalled, Warning, "The AgentVersion is not the one that was published under this name. Publish under a new name. The last version goes on serving.";
    VersionInvalid: Published False, Stalled, Warning, "The version cannot serve. Correct the draft and publish it under a new name. The last version goes on serving.";
    NameUsed: Published False, Stalled, Warning, "That name was used before this Agent was made, and the draft may differ from what was published then. Apply that AgentVersion, give its digest in spec.versionDigest, or publish under a new name. The last version goes on serving.";
    NameNotChecked: Published False, Working, Silent, "Whether that name was used before this Agent was made is not known until the accounts of its numbers were listed. That is waited for; a digest in spec.versionDigest publishes at once.";
    AwaitingVersion: Published False, Waiting, Normal, "With versions: Applied the Agent waits for the AgentVersion that spec.version names. Apply it. The last version goes on serving.";
    DigestMismatch: Published False, Blocked, Warning, "What would be published does not have the digest in spec.versionDigest. The last version goes on serving.";

    RolledOut: RolledOut True, Good, Normal, "Every number of the agent reaches the version that serves.";
    RollingOut: RolledOut False, Working, Silent, "Some numbers of the agent do not reach the version that serves yet.";
    HostedAgentNotFound: RolledOut False, Stalled, Warning, "The platform has no such agent under this account: it was deleted, or its id is wrong. Correct the draft's hosted entry and publish another version. The last route stays.";
    HostedAgentInactive: RolledOut False, Blocked, Warning, "The agent is switched off on its platform: callers reach nothing. Switch it on there.";
    HostedAgentTaken: RolledOut False, Stalled, Warning, "Another Agent has this hosted agent. A hosted agent belongs to one Agent: name another one in the draft.";
    HostedVersionNotFound: RolledOut False, Stalled, Warning, "The platform has no such version of the hosted agent, or which of its versions an older one was is not known any more. Name the right one by versionId, and publish that under a new name. The last route stays.";
    PlatformNotFound: RolledOut False, Blocked, Warning, "There is no CarrierAccount of that name. Apply it, or correct the draft's hosted entry and publish another version. The last route stays.";
    PlatformNotAllowed: RolledOut False, Blocked, Warning, "There is no CarrierAccount of that name that allows this namespace. Its owner can, in spec.allowedNamespaces. The last route stays.";
    SharedRouteFailed: RolledOut False, Working, Silent, "The route that the agent's numbers share at an account could not be set yet; it is tried again. The last one stays.";
    SharedRouteRefused: RolledOut False, Stalled, Warning, "The route that the agent's numbers share at an account cannot be set as the version wants it. Correct the webhooks and publish another version. The last route stays.";
    SharedRouteContested: RolledOut False, Stalled, Warning, "Somebody changes the route that the agent's numbers share at an account again and again. It is left alone for now: find out who, then set the annotation dialplane.dev/reconcile-requested-at on one of them.";
    TakenOffline: RolledOut False, Asked, Normal, "The agent is off the air: its numbers go nowhere.";
    NothingToRollOut: RolledOut Unknown, Good, Silent, "Nothing was published yet.";

    Valid: Valid True, Good, Silent, "The version can serve.";
    NotValid: Valid False, Stalled, Warning, "The version cannot serve.";
    Live: Live True, Good, Normal, "It is the version that serves.";
    NotLive: Live False, Good, Silent, "Another version serves, or none.";

    InUse: Ready False, Waiting, Warning, "The object is being deleted and others still need it. It goes once they are gone.";
}

/// The events that tell of something that was done, and are no reason of a condition: name, and what happened.
pub const EVENTS: &[(&str, &str)] = &[
    ("Published", "The Agent serves a version that it did not serve before."),
    ("RolledBack", "The Agent serves a version again that it served before."),
    (
        "RouteReplaced",
        "A route that was at the carrier before the import, and is not ours, was replaced. NumberClaim's previous keeps it.",
    ),
    ("DriftCorrected", "Somebody else had changed something at the carrier or the platform, and it was put back."),
    (
        "Moving",
        "The number is taken off one of a platform's agents and put on another, or on the same one with other credentials.",
    ),
    ("BroughtIn", "The number was brought in from the organization's own carrier account."),
    ("LeftAsItIs", "The object goes, and something at the carrier stays as it is: the message says what and why."),
    ("CallsRejected", "The platform has rejected more calls than it had before, since too many came at once."),
    (
        "Unreadable",
        "The object does not decode and is left out: the operator and its CRDs may be of different versions.",
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
    let kept = |new: Condition| match before.iter().find(|old| old.type_ == new.type_) {
        Some(old) if old.status == new.status => {
            Condition { last_transition_time: old.last_transition_time.clone(), ..new }
        }
        _ => new,
    };
    let condition = |of: Type, truth: Truth, reason: &str, message: &str| {
        kept(Condition {
            type_: of.as_str().to_owned(),
            status: truth.as_str().to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: generation,
            last_transition_time: Time(now),
        })
    };
    let said =
        |of: Type, truth: Truth, finding: &Finding| condition(of, truth, finding.reason.row().name, &finding.message);
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
            Class::Blocked => (Truth::False, also(Type::Reconciling).map(|also| blocked(before, also, now))),
            Class::Stalled => (Truth::False, also(Type::Stalled)),
        };
        all.push(said(Type::Ready, truth, summary));
        all.extend(also);
    }
    let summaries = [Type::Ready, Type::Reconciling, Type::Stalled].map(Type::as_str);
    let is_untouched =
        |old: &&Condition| !summaries.contains(&&*old.type_) && all.iter().all(|new| new.type_ != old.type_);
    let untouched: Vec<Condition> = before.iter().filter(is_untouched).cloned().collect();
    all.extend(untouched);
    all.sort_by_key(|condition| Type::ALL.iter().position(|of| of.as_str() == condition.type_));
    all
}

/// For how long what most likely only a person can end is waited for before it counts as stalled: manifests come in any order, and what
/// they name may take its time.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// How much of the grace is left to what has this condition.
fn left(reconciling: &Condition, now: Timestamp) -> Duration {
    let since = Duration::try_from(now.duration_since(reconciling.last_transition_time.0)).unwrap_or_default();
    GRACE.saturating_sub(since)
}

/// When what these conditions say will count as stalled, where that is so.
pub fn stalls_in(conditions: &[Condition], now: Timestamp) -> Option<Duration> {
    let reconciling = conditions.iter().find(|condition| condition.type_ == Type::Reconciling.as_str())?;
    let is_blocked = REASONS.iter().any(|row| row.name == reconciling.reason && row.class == Class::Blocked);
    is_blocked.then(|| left(reconciling, now))
}

/// `Reconciling` as long as the grace lasts, which begins anew with another reason or spec; `Stalled` from then on.
fn blocked(before: &[Condition], reconciling: Condition, now: Timestamp) -> Condition {
    let is_same = |old: &&Condition| {
        old.reason == reconciling.reason && old.observed_generation == reconciling.observed_generation
    };
    let old = |of: Type| before.iter().find(|old| old.type_ == of.as_str()).filter(is_same);
    let stalled = |since: Time| Condition {
        type_: Type::Stalled.as_str().to_owned(),
        last_transition_time: since,
        ..reconciling.clone()
    };
    match (old(Type::Stalled), old(Type::Reconciling)) {
        (Some(old), _) => stalled(old.last_transition_time.clone()),
        (None, Some(old)) if left(old, now).is_zero() => stalled(Time(now)),
        (None, Some(old)) => Condition { last_transition_time: old.last_transition_time.clone(), ..reconciling },
        (None, None) => Condition { last_transition_time: Time(now), ..reconciling },
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
    let known = |new: &Condition| before.iter().any(|old| old.type_ == new.type_ && old.reason == new.reason);
    after.iter().filter(move |new| !known(new)).filter_map(|new| {
        let row = REASONS.iter().find(|row| row.name == new.reason && row.of.as_str() == new.type_)?;
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
        conditions.iter().map(|c| (&*c.type_, &*c.status, &*c.reason)).collect()
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
        let stalled = conditions(&[], &[Reason::Contested.into()], Some(1), at(0));
        assert_eq!(shown(&stalled)[1..], [("Ready", "False", "Contested"), ("Stalled", "True", "Contested")]);
        let working = conditions(&[], &[Reason::RouteFailed.into()], Some(1), at(0));
        assert_eq!(shown(&working)[1..], [("Ready", "False", "RouteFailed"), ("Reconciling", "True", "RouteFailed")]);
    }

    #[test]
    fn what_a_person_has_to_end_is_stalled_once_the_grace_is_over() {
        let stuck = |before: &[Condition], generation, second| {
            conditions(before, &[Reason::NeverPublished.into()], Some(generation), at(second))
        };
        let state = |conditions: &[Condition]| conditions[2].type_.clone();
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
