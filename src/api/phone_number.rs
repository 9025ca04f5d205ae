//! PhoneNumber: a number and the agent that answers it. No I/O.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    account::AccountApproval,
    conditions::{Condition, Truth, Type},
    identity::Identity,
    meta::{Key, Reference},
    money::Amount,
    number::E164,
    offer::{Feature, Price, Search, known_features},
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
    doc = "A telephone number at a carrier and the agent that answers it. Deleting it never releases the number.",
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
        description = "The number, once the account owns it"
    ),
    printcolumn(
        name = "Agent",
        type_ = "string",
        json_path = ".status.route.agent",
        description = "The agent that the carrier routes to"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.route.version",
        description = "The agent's version that the carrier routes to"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether the number is ready"
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
        description = "The assigned agent"
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
        description = "The number that waits for approval"
    ),
    printcolumn(
        name = "Held until",
        type_ = "string",
        json_path = ".status.offer.heldUntil",
        priority = 1,
        description = "When the carrier's hold ends"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1,
        description = "What is wrong and what to do"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(oldSelf.spec.purchase) || has(self.spec.purchase) || (has(self.spec.__import__) && has(oldSelf.status) && has(oldSelf.status.number) && self.spec.__import__.number == oldSelf.status.number)").message("purchase can only become import of the number that was bought: wait until status.number shows it, and use that")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.accountRef == oldSelf.accountRef").message("accountRef cannot change: delete this PhoneNumber (the account keeps the number) and create one under the other account"),
    validation = Rule::new("has(self.__import__) != has(self.purchase)").message("set exactly one of import (a number that the account owns) and purchase (a number to buy)"),
    validation = Rule::new("!has(self.__import__) || !has(oldSelf.__import__) || self.__import__.number == oldSelf.__import__.number").message("import.number cannot change. Create another PhoneNumber for the other number"),
    validation = Rule::new("!has(oldSelf.__import__) || has(self.__import__)").message("import cannot become purchase: create another PhoneNumber for the number to buy"),
    validation = Rule::new("!has(self.purchase) || !has(oldSelf.purchase) || (has(self.purchase.identity) == has(oldSelf.purchase.identity) && (!has(self.purchase.identity) || self.purchase.identity == oldSelf.purchase.identity))").message("purchase.identity cannot change. Create another PhoneNumber for another purchase identity"),
)]
pub struct PhoneNumberSpec {
    /// The CarrierAccount that owns the number. Cannot change.
    pub account_ref: Reference,
    /// Imports a number that the account owns already. The number cannot change. Either this or `purchase`.
    #[serde(default, rename = "import", skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// Buys a number, once. No effect once a number is owned. Either this or `import`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase: Option<Box<Purchase>>,
    /// The Agent that answers. Without one, the operator keeps the number and sets no route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_ref: Option<Reference>,
    /// The hosted agent's settings for this number, if its platform has such settings. Settings that are absent are not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Box<NumberConfig>>,
    /// Whether the operator changes the number at the carrier. `Manage`, the default: it sets the route. `Observe`: it only reads.
    #[serde(default)]
    pub mode: Mode,
    /// What happens when the route is changed at the carrier. `Enforce`, the default: the operator corrects it. `Report`: it only reports
    /// it. Drift is detected by the next listing (`scanInterval` of the CarrierAccount) or check; within 30 seconds after a write by the
    /// operator, only by a listing that starts later, because carriers may show old data for a while.
    #[serde(default)]
    pub drift: DriftPolicy,
    /// What happens to the route when this object is deleted. `Clear`, the default: it is emptied. `Restore`: the earlier route is set
    /// again. `Leave`: it is kept. Only routes that Dialplane set are changed, and the number is never released.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// True stops all writes at the carrier for this object. If it is deleted while suspended, its route is not changed.
    #[serde(default)]
    pub suspend: bool,
}

/// A platform's settings for one number. An empty string removes a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NumberConfig {
    /// Prompt for calls to this number, in addition to the agent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8000))]
    pub prompt: Option<String>,
    /// Prompt for text messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20000))]
    pub sms_prompt: Option<String>,
    /// Prompt for calls from the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20000))]
    pub web_prompt: Option<String>,
    /// The platform's ID of the voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub voice_id: Option<String>,
    /// Speaking rate, as in `"1.1"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaking_rate: Option<Amount>,
    /// Whether DTMF keys are processed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtmf: Option<bool>,
    /// Whether calls are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_calls: Option<bool>,
    /// Who records, as the platform names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub recording_source: Option<String>,
    /// Whether text messages are answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_replies: Option<bool>,
    /// Whether a voicemail is left when a call is not answered. Requires `voicemailMessage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voicemail: Option<bool>,
    /// The voicemail message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub voicemail_message: Option<String>,
    /// Whether the platform monitors calls to this number. This costs money: while it is on, these calls are billed at a higher rate
    /// (Nixflex: $0.09 a minute). If absent, the setting is not changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<bool>,
    /// Whether this number can be called from the web. This costs money: while it is on, its calls are billed at a higher rate (Nixflex:
    /// $0.09 a minute). If absent, the setting is not changed.
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

impl PhoneNumberSpec {
    /// What is set in `config`.
    pub fn config(&self) -> NumberConfig {
        self.config.as_deref().cloned().unwrap_or_default()
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

/// A number that the account owns already, or that its carrier is to import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// The number in E.164 form, as in `"+14155551234"`. Quote it: otherwise YAML reads an integer.
    pub number: E164,
    /// Whether the carrier should import the number from the organization's own carrier account if this account does not own it. This is not
    /// a purchase. Only some carriers can, such as Flowyte. `false`, the default: nothing is written for such a number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bring_in: bool,
}

/// A number to buy: a given one, or a search.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.number) != has(self.search)").message("set exactly one of number (a given number) and search (any number that matches)"),
    validation = Rule::new("!has(self.maxMonthlyPrice) || !self.maxMonthlyPrice.startsWith('-')").message("maxMonthlyPrice is at least 0, as in \"1.50\"; leave it out for no limit"),
    validation = Rule::new("!has(self.maxSetupPrice) || !self.maxSetupPrice.startsWith('-')").message("maxSetupPrice is at least 0, as in \"1.50\"; leave it out for no limit"),
)]
pub struct Purchase {
    /// The number in E.164 form, as in `"+14155551234"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<E164>,
    /// A search for a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// The highest monthly price, in the carrier's billing currency. A number with an unknown price is not bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_monthly_price: Option<Amount>,
    /// The highest setup price, in the carrier's billing currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_setup_price: Option<Amount>,
    /// Whether the purchase needs approval. `Automatic`, the default: no. `Manual`: the status shows a number and its price, the carrier
    /// holds it if it can, and it is bought once the annotation `dialplane.dev/approve` is set to that number.
    #[serde(default)]
    pub approval: Approval,
    /// Whether to reuse a spare number before buying one. `Never`, the default: one is bought. `Pool`: a matching number that was bought for
    /// a deleted PhoneNumber of this namespace is used first; with `bestEffort` from a wider area as well. That needs no approval because it
    /// adds no cost. The CarrierAccount can share its pool between namespaces.
    #[serde(default)]
    pub reuse: Reuse,
    /// The purchase identity: a later object of this namespace with the same identity gets the same number back, whatever its own name. By
    /// default this object's name. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub identity: Option<String>,
    /// What the country's regulations require.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regulatory: Option<Regulatory>,
}

/// Whether a purchase needs approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    #[default]
    Automatic,
    Manual,
}

/// Whether a spare number is reused before one is bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reuse {
    #[default]
    Never,
    Pool,
}

/// What a country's regulations require, by the carrier's IDs.
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
        conditions.any(|c| c.is(Type::Acquired, Truth::True))
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

/// Whether the operator changes the number at the carrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    #[default]
    Manage,
    Observe,
}

/// What happens on drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    #[default]
    Enforce,
    Report,
}

/// What happens to the route on deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnDelete {
    #[default]
    Clear,
    Restore,
    Leave,
}

/// The observed state of the number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhoneNumberStatus {
    /// The number, once this object holds its claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<E164>,
    /// The carrier's ID of the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_number_id: Option<String>,
    /// How the account got the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquisition: Option<Acquisition>,
    /// The price of a bought number, as offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Box<Price>>,
    /// The number offered for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Box<OfferStatus>>,
    /// Whether the number is in the place that was searched for, and not from a wider area.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<bool>,
    /// The last route seen at the carrier, if Dialplane set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteStatus>,
    /// The features of the number: `Voice`, `SMS`, `MMS`, `Fax`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "known_features")]
    #[schemars(with = "Vec<String>", extend("x-kubernetes-list-type" = "set"))]
    pub features: Vec<Feature>,
    /// The spec generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The last handled value of the annotation `dialplane.dev/reconcile-requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// `Accepted`, `Acquired`, `Routed`, `MessagingReady` and `Ready`, and `Reconciling` or `Stalled` while they are true.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// How the account got a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Acquisition {
    /// The account owned it before.
    Imported,
    /// It was bought.
    Purchased,
}

/// A number offered for approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferStatus {
    /// The number. Setting the annotation `dialplane.dev/approve` to this value buys it.
    pub number: E164,
    /// Its price.
    #[serde(default)]
    pub price: Price,
    /// Whether it is in the place that was searched for.
    pub exact: bool,
    /// The CarrierAccount's `purchasing.approval` when this was shown: with `Required` only users with the verb `approve` on the
    /// CarrierAccount may set the annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<AccountApproval>,
    /// When the carrier's hold ends, by its clock (RFC 3339), if it is held. Then it is held again, or another number is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub held_until: Option<String>,
}

/// The last route seen at the carrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// Namespace and name of the Agent that answers, as in `agents/ringback-dental`.
    pub agent: String,
    /// The Agent's version that answers.
    pub version: String,
    /// Fingerprints of the route that Dialplane set, per channel. They distinguish it from others without revealing a URL.
    pub digests: super::number::Digests,
    /// Namespace and name of the platform's CarrierAccount, if a hosted agent answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub platform: Option<String>,
    /// Settings of `spec.config` that cost extra and were seen as wanted: `monitor`, `webCalls`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<Extra, bool>,
}
