//! PhoneNumber: a number and the agent that answers it. No I/O.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    account::AccountApproval,
    conditions::{Truth, Type},
    identity::Identity,
    meta::{Key, Reference},
    money::Amount,
    number::E164,
    offer::{Price, Search},
};

/// A number and the agent that answers it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dialplane.dev",
    version = "v1alpha1",
    kind = "PhoneNumber",
    namespaced,
    status = "PhoneNumberStatus",
    derive = "PartialEq",
    shortname = "pn",
    category = "dialplane",
    doc = "A telephone number at a carrier and the agent that answers it. Deleting it never gives the number back.",
    selectable = ".spec.accountRef.name",
    selectable = ".spec.agentRef.name",
    selectable = ".spec.import.number",
    selectable = ".spec.purchase.identity",
    selectable = ".status.number",
    selectable = ".status.route.version",
    printcolumn(
        name = "Number",
        type_ = "string",
        json_path = ".status.number",
        description = "The number, once it is ours"
    ),
    printcolumn(
        name = "Agent",
        type_ = "string",
        json_path = ".status.route.agent",
        description = "The agent that the carrier reaches"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.route.version",
        description = "The agent's version that the carrier reaches"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether the number is as wanted"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why, or why not"
    ),
    printcolumn(
        name = "Wanted",
        type_ = "string",
        json_path = ".spec.agentRef.name",
        priority = 1,
        description = "The agent that should answer"
    ),
    printcolumn(
        name = "Account",
        type_ = "string",
        json_path = ".spec.accountRef.name",
        priority = 1,
        description = "The carrier account"
    ),
    printcolumn(
        name = "Offer",
        type_ = "string",
        json_path = ".status.offer.number",
        priority = 1,
        description = "The number that waits to be approved"
    ),
    printcolumn(
        name = "Held until",
        type_ = "string",
        json_path = ".status.offer.heldUntil",
        priority = 1,
        description = "Until when the carrier keeps it"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1,
        description = "What to know or to do"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(oldSelf.spec.purchase) || has(self.spec.purchase) || (has(self.spec.__import__) && has(oldSelf.status) && has(oldSelf.status.number) && self.spec.__import__.number == oldSelf.status.number)").message("purchase can only become import of the very number that was bought: wait until status.number names it, and write that")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.accountRef == oldSelf.accountRef").message("accountRef cannot change: delete this PhoneNumber (the number stays yours) and make one under the other account"),
    validation = Rule::new("has(self.__import__) != has(self.purchase)").message("say exactly one of import (a number that the account owns) and purchase (a number to buy)"),
    validation = Rule::new("!has(self.__import__) || !has(oldSelf.__import__) || self.__import__.number == oldSelf.__import__.number").message("import.number cannot change: a PhoneNumber stands for one number. Make another PhoneNumber for the other number"),
    validation = Rule::new("!has(oldSelf.__import__) || has(self.__import__)").message("import cannot become purchase: make another PhoneNumber for the number to buy"),
    validation = Rule::new("!has(self.purchase) || !has(oldSelf.purchase) || (has(self.purchase.identity) == has(oldSelf.purchase.identity) && (!has(self.purchase.identity) || self.purchase.identity == oldSelf.purchase.identity))").message("purchase.identity cannot change: it is what the number is known by. Make another PhoneNumber for another identity"),
)]
pub struct PhoneNumberSpec {
    /// The CarrierAccount that owns the number. Cannot change.
    pub account_ref: Reference,
    /// Takes over a number that the account owns already. Its number cannot change. Either this or `purchase`.
    #[serde(default, rename = "import", skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// Buys a number, once. Without effect once a number is owned. Either this or `import`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase: Option<Purchase>,
    /// The Agent that answers. Without one the number rests: it is kept, and goes nowhere by our doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_ref: Option<Reference>,
    /// What the platform that answers keeps for this one number, where the agent is hosted on one that has such settings. What is not named
    /// stays as it is there.
    #[serde(default, skip_serializing_if = "NumberConfig::is_empty")]
    pub config: NumberConfig,
    /// Whether the carrier is written to. `Manage`, the default: the route there is made as wanted. `Observe`: it is only looked at.
    #[serde(default)]
    pub mode: Mode,
    /// What is done when somebody else changes the route at the carrier. `Enforce`, the default: it is put back. `Report`: it is said. It is seen
    /// by the next listing (`scanInterval` of the CarrierAccount) or look; what is changed within 30 seconds after a write of ours only by one that
    /// begins after these, since carriers may show what was before for a while.
    #[serde(default)]
    pub drift: DriftPolicy,
    /// What becomes of the route when this object is deleted. `Clear`, the default: it is emptied. `Restore`: what was
    /// there before comes back. `Leave`: it stays. Only what is still ours is touched, and the number is never given back.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// While true nothing is written at the carrier for this object. Deleted while suspended, its route is left as it is.
    #[serde(default)]
    pub suspend: bool,
}

/// What a platform keeps for one number. The empty text takes a text away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NumberConfig {
    /// What the agent is told for calls to this number, beside its own prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8000))]
    pub prompt: Option<String>,
    /// The same for text messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20000))]
    pub sms_prompt: Option<String>,
    /// The same for calls from the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20000))]
    pub web_prompt: Option<String>,
    /// The platform's id of the voice that speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub voice_id: Option<String>,
    /// How fast it speaks, as in `"1.1"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaking_rate: Option<Amount>,
    /// Whether keys that callers press are heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtmf: Option<bool>,
    /// Whether calls are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_calls: Option<bool>,
    /// Who records, in the platform's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub recording_source: Option<String>,
    /// Whether text messages are answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_replies: Option<bool>,
    /// Whether a voicemail is left where nobody answers. It takes a `voicemailMessage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voicemail: Option<bool>,
    /// What is said in a voicemail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub voicemail_message: Option<String>,
    /// Whether the platform monitors calls to this number. This costs money: while it is on, these calls are billed at a higher rate
    /// (Nixflex: $0.09 a minute). Where it is not named it is switched neither on nor off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<bool>,
    /// Whether this number can be called from the web. This costs money: while it is on, its calls are billed at a higher rate
    /// (Nixflex: $0.09 a minute). Where it is not named it is switched neither on nor off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_calls: Option<bool>,
}

/// A setting of one number for which the platform bills its calls at a higher rate. No listing shows it: each is looked at and switched
/// by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Extra {
    /// Calls to the number are monitored.
    Monitor,
    /// The number can be called from the web.
    WebCalls,
}

impl Extra {
    pub const ALL: [Self; 2] = [Self::Monitor, Self::WebCalls];

    /// As it is named in `spec.config`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::WebCalls => "webCalls",
        }
    }
}

impl NumberConfig {
    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The extras that it names, and whether each is to be on.
    pub fn extras(&self) -> impl Iterator<Item = (Extra, bool)> {
        let named = |extra| match extra {
            Extra::Monitor => self.monitor,
            Extra::WebCalls => self.web_calls,
        };
        Extra::ALL.into_iter().filter_map(move |extra| Some((extra, named(extra)?)))
    }

    /// What it names that is not so in `seen`, which is what a listing shows: the extras are not part of it. An unset text is the same
    /// as an empty one.
    pub fn changes(&self, seen: &Self) -> Self {
        fn differing<T: Clone + PartialEq>(wanted: &Option<T>, seen: &Option<T>) -> Option<T> {
            wanted.clone().filter(|_| wanted != seen)
        }
        let text = |wanted: &Option<String>, seen: &Option<String>| {
            wanted.clone().filter(|wanted| *wanted != *seen.as_deref().unwrap_or_default())
        };
        Self {
            prompt: text(&self.prompt, &seen.prompt),
            sms_prompt: text(&self.sms_prompt, &seen.sms_prompt),
            web_prompt: text(&self.web_prompt, &seen.web_prompt),
            voice_id: text(&self.voice_id, &seen.voice_id),
            speaking_rate: differing(&self.speaking_rate, &seen.speaking_rate),
            dtmf: differing(&self.dtmf, &seen.dtmf),
            record_calls: differing(&self.record_calls, &seen.record_calls),
            recording_source: text(&self.recording_source, &seen.recording_source),
            sms_replies: differing(&self.sms_replies, &seen.sms_replies),
            voicemail: differing(&self.voicemail, &seen.voicemail),
            voicemail_message: text(&self.voicemail_message, &seen.voicemail_message),
            monitor: None,
            web_calls: None,
        }
    }
}

/// A number that the account owns already, or that is to be brought there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// The number in E.164 form, as in `"+14155551234"`. In quotes: without them YAML reads an integer.
    pub number: E164,
    /// Whether a number that is not in the account is brought there from the carrier account that the organization has itself. It is not
    /// bought. Only some platforms do that, such as Flowyte. `false`, the default: nothing is written for a number that is not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bring_in: bool,
}

/// A number to buy: one that is named, or one that is searched for.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.number) != has(self.search)").message("say exactly one of number (this very number) and search (one that fits)"),
    validation = Rule::new("!has(self.maxMonthlyPrice) || !self.maxMonthlyPrice.startsWith('-')").message("maxMonthlyPrice is at least 0, as in \"1.50\"; leave it out for no limit"),
    validation = Rule::new("!has(self.maxSetupPrice) || !self.maxSetupPrice.startsWith('-')").message("maxSetupPrice is at least 0, as in \"1.50\"; leave it out for no limit"),
)]
pub struct Purchase {
    /// This very number in E.164 form, as in `"+14155551234"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<E164>,
    /// A number that fits this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// The most that the number may cost every month, in the currency that the carrier bills in. A number whose price is not
    /// known is not bought then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_monthly_price: Option<Amount>,
    /// The most that the number may cost once, in the currency that the carrier bills in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_setup_price: Option<Amount>,
    /// Whether a person is asked. `Automatic`, the default: no. `Manual`: a number and its price are shown in the status, held
    /// where the carrier can, and bought once the annotation `dialplane.dev/approve` names that number.
    #[serde(default)]
    pub approval: Approval,
    /// Whether a number that the account owns and nobody uses any more will do. `Never`, the default: one is bought. `Pool`: one
    /// that was bought for a PhoneNumber of this namespace which is gone, and that fits, is taken before any is bought; with
    /// `bestEffort` from farther away as well. That asks nobody, for it costs what it did before. The CarrierAccount can share its
    /// pool between namespaces.
    #[serde(default)]
    pub reuse: Reuse,
    /// What the number is for: an object of this namespace with the same identity finds it again, whatever its own name is. That is
    /// this object's name unless said otherwise. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub identity: Option<String>,
    /// What the country's rules ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regulatory: Option<Regulatory>,
}

/// Whether a person is asked before money is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    #[default]
    Automatic,
    Manual,
}

/// Whether an idle number is taken instead of buying one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reuse {
    #[default]
    Never,
    Pool,
}

/// What a country's rules ask for, by the carrier's ids of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Regulatory {
    /// A Twilio Address: `AD…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub address_sid: Option<String>,
    /// A Twilio regulatory bundle: `BU…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub bundle_sid: Option<String>,
    /// A Telnyx requirement group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub requirement_group_id: Option<String>,
}

impl PhoneNumber {
    /// The number that this object names by itself, without anybody having looked.
    pub fn named(&self) -> Option<&E164> {
        let bought = self.spec.purchase.as_ref().and_then(|purchase| purchase.number.as_ref());
        self.spec.import.as_ref().map(|import| &import.number).or(bought)
    }

    /// Whether its number is there, by its own condition.
    pub fn is_acquired(&self) -> bool {
        let mut conditions = self.status.iter().flat_map(|status| &status.conditions);
        conditions.any(|c| c.type_ == Type::Acquired.as_str() && c.status == Truth::True.as_str())
    }

    /// The Agent that should answer.
    pub fn agent(&self) -> Option<Key> {
        let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
        self.spec.agent_ref.as_ref().map(|agent| agent.key(namespace))
    }

    /// The CarrierAccount that owns the number.
    pub fn account(&self) -> Key {
        self.spec.account_ref.key(self.metadata.namespace.as_deref().unwrap_or_default())
    }

    /// What it buys a number for, if it buys one.
    pub fn identity(&self) -> Option<Identity> {
        let purchase = self.spec.purchase.as_ref()?;
        let Key { namespace, name } = Key::of(self);
        Some(Identity::new(&namespace, purchase.identity.as_deref().unwrap_or(&name)))
    }
}

/// Whether the carrier is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    #[default]
    Manage,
    Observe,
}

/// What is done about drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    #[default]
    Enforce,
    Report,
}

/// What becomes of the route on deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnDelete {
    #[default]
    Clear,
    Restore,
    Leave,
}

/// What is known of the number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhoneNumberStatus {
    /// The number, once this object holds its claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<E164>,
    /// The carrier's own id of the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_number_id: Option<String>,
    /// How the number came to be ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquisition: Option<Acquisition>,
    /// What a bought number costs, as offered when it was bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The number that would be bought, where that waits for somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<OfferStatus>,
    /// Whether a number that was searched for is in the very place that was named, and not one from farther away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<bool>,
    /// The route that the carrier was last seen to have, where we set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteStatus>,
    /// What the number can do, in the carrier's words: `Voice`, `SMS`, `MMS`, `Fax`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub features: Vec<String>,
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The last value of the annotation `dialplane.dev/reconcile-requested-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// `Accepted`, `Acquired`, `Routed`, `MessagingReady` and `Ready`, and `Reconciling` or `Stalled` while they are true.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// How a number came to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Acquisition {
    /// It was in the account before.
    Imported,
    /// It was bought.
    Purchased,
}

/// A number that would be bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferStatus {
    /// The number. The annotation `dialplane.dev/approve` with just this value buys it.
    pub number: E164,
    /// What it costs.
    #[serde(default)]
    pub price: Price,
    /// Whether it is in the very place that was named.
    pub exact: bool,
    /// The CarrierAccount's `purchasing.approval` when this was shown: with `Required` only who has the verb `approve` on the
    /// CarrierAccount may set the annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<AccountApproval>,
    /// Until when the carrier keeps it for us, by its clock (RFC 3339), where it does. Then it is held again, or another offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub held_until: Option<String>,
}

/// The route that the carrier was last seen to have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// Namespace and name of the Agent that answers, as in `agents/ringback-dental`.
    pub agent: String,
    /// The Agent's version that answers.
    pub version: String,
    /// Fingerprints of what we set, per channel. They tell our own route from another's, and reveal no URL.
    pub digests: super::number::Digests,
    /// Namespace and name of the platform's CarrierAccount, where an agent that is hosted there answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub platform: Option<String>,
    /// What of `spec.config` costs extra, as far as the platform was seen to have it as wanted: `monitor`, `webCalls`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<Extra, bool>,
}
