//! CarrierAccount: an account at a carrier, with its credentials. No I/O.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    identity::Identity,
    meta::{AllowedNamespaces, Key, LocalReference, Reference},
    money::Amount,
    number::digest_of,
};

/// An account at a carrier or a platform and the credentials that open it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dialplane.dev",
    version = "v1alpha1",
    kind = "CarrierAccount",
    namespaced,
    status = "CarrierAccountStatus",
    derive = "PartialEq",
    shortname = "ca",
    category = "dialplane",
    doc = "An account at a carrier or a platform that hosts agents, with the credentials that open it.",
    selectable = ".spec.credentialsRef.name",
    printcolumn(
        name = "Identity",
        type_ = "string",
        json_path = ".status.identity",
        description = "The carrier's id of the account"
    ),
    printcolumn(
        name = "Owned",
        type_ = "integer",
        json_path = ".status.numbers.owned",
        description = "Numbers that the account owns"
    ),
    printcolumn(
        name = "Claimed",
        type_ = "integer",
        json_path = ".status.numbers.claimed",
        description = "Of these, numbers that a PhoneNumber manages"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether the account can be used"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why, or why not"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.twilio), has(self.telnyx), has(self.flowyte), has(self.nixflex)].filter(named, named).size() == 1").message("name exactly one carrier or platform: twilio, as in twilio: {accountSid: AC...}, or telnyx: {}, flowyte: {} or nixflex: {}"),
    validation = Rule::new("has(self.twilio) == has(oldSelf.twilio) && has(self.telnyx) == has(oldSelf.telnyx) && has(self.flowyte) == has(oldSelf.flowyte) && has(self.nixflex) == has(oldSelf.nixflex)").message("the carrier cannot change: numbers are claimed under it. Make another CarrierAccount for the other carrier"),
    validation = Rule::new("!has(self.twilio) || !has(oldSelf.twilio) || self.twilio.accountSid == oldSelf.twilio.accountSid").message("twilio.accountSid cannot change: numbers are claimed under it. Make another CarrierAccount for the other account"),
)]
pub struct CarrierAccountSpec {
    /// A Twilio account or subaccount. Exactly one of `twilio`, `telnyx`, `flowyte` and `nixflex` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twilio: Option<TwilioAccount>,
    /// A Telnyx account: the one that the API key belongs to. There is nothing to set, as in `telnyx: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telnyx: Option<TelnyxAccount>,
    /// A Flowyte organization, which has numbers and hosts agents: the one that the API key belongs to. There is nothing to set, as in
    /// `flowyte: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flowyte: Option<FlowyteAccount>,
    /// A Nixflex API key, under which agents are hosted that answer numbers of Twilio and Telnyx. There is nothing to set, as in
    /// `nixflex: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nixflex: Option<NixflexAccount>,
    /// A Secret of this namespace. For Twilio: the key `authToken`, which is that of just this account (a parent's opens no subaccount), or
    /// `apiKeySid` and `apiKeySecret`. For the others: the key `apiKey`, which for Nixflex is the key's id and its secret with a colon between
    /// them. The same keys with `Next` at their end hold credentials that are to take over, as `authTokenNext`: they are used once the carrier
    /// refuses the others.
    pub credentials_ref: LocalReference,
    /// One other base URL for all of the carrier's hosts: a proxy, or the sandbox. Only one that the operator was started to allow
    /// (`dialplane run --allow-endpoint`, in the chart `carriers.allowedEndpoints`); none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r"self.matches('^https?://(\\[[0-9a-fA-F:.]+\\]|[^\\]/?#@:\\s\\[]+)(:[0-9]+)?(/[^?#\\s]*)?$')").message("endpoint is an absolute URL with http or https and a host, without credentials and query, as in http://sandbox:8080"))]
    pub endpoint: Option<String>,
    /// Platforms that may be given these credentials, so that an agent hosted there can answer numbers of this account. None by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub lend_to: Vec<Lending>,
    /// Which namespaces may use this account. Only its own unless said otherwise.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// What may be spent.
    #[serde(default)]
    pub purchasing: Purchasing,
    /// How much of the carrier's patience may be used.
    #[serde(default)]
    pub limits: Limits,
    /// How often the account's numbers are listed to find drift: a duration like `90s` or `1h30m`, from 1s to 24h; `10m` unless said otherwise.
    #[serde(default = "default_scan_interval")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("scanInterval is a duration from 1s to 24h, as in 10m or 1h30m"))]
    pub scan_interval: String,
}

fn default_scan_interval() -> String {
    "10m".to_owned()
}

/// Which Twilio account, and where it is reached.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.region) == has(self.edge)").message("region and edge go together, as in region: ie1 with edge: dublin: Twilio no longer answers on a regional host without an edge. Set both, or neither"))]
pub struct TwilioAccount {
    /// Account SID of the account or subaccount whose numbers are managed: `AC` and 32 hexadecimal digits.
    // Longer than an Account SID, so that the rule speaks and not "too long".
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^AC[0-9a-fA-F]{32}$')").message("accountSid is AC followed by 32 hexadecimal digits; the Twilio console shows it as Account SID"))]
    pub account_sid: String,
    /// Twilio region, as in `ie1`. Goes with `edge`; API keys and number configuration belong to one region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]+$')").message("region is a Twilio region in lower-case letters and digits, as in ie1"))]
    pub region: Option<String>,
    /// Twilio edge location, as in `dublin`. Goes with `region`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9-]+$')").message("edge is a Twilio edge location in lower-case letters, digits and dashes, as in dublin"),
        validation = Rule::new("self != 'roaming'").message("roaming is an edge of Twilio's Voice SDKs and no host of its API: name a location, as in dublin for region ie1 or sydney for au1")
    )]
    pub edge: Option<String>,
}

/// Which Telnyx account: its API key says it all, so there is nothing to set, as in `telnyx: {}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TelnyxAccount {}

/// Which Flowyte organization: its API key says it all, so there is nothing to set, as in `flowyte: {}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowyteAccount {}

/// Which Nixflex API key: the Secret says it all, so there is nothing to set, as in `nixflex: {}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NixflexAccount {}

/// A platform that may be given an account's credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lending {
    /// The platform's CarrierAccount.
    #[serde(flatten)]
    pub account: Reference,
    /// At Telnyx: the id of the TeXML application whose voice webhook is the platform's, to which it binds numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub connection_id: Option<String>,
}

/// The carrier or platform that an account is at.
#[derive(Clone, Copy, Debug)]
pub enum Provider<'a> {
    Twilio(&'a TwilioAccount),
    Telnyx(&'a TelnyxAccount),
    Flowyte(&'a FlowyteAccount),
    Nixflex(&'a NixflexAccount),
}

impl CarrierAccountSpec {
    /// The one that is named; `None` where none is, or more than one.
    pub fn provider(&self) -> Option<Provider<'_>> {
        let fields = [
            self.twilio.as_ref().map(Provider::Twilio),
            self.telnyx.as_ref().map(Provider::Telnyx),
            self.flowyte.as_ref().map(Provider::Flowyte),
            self.nixflex.as_ref().map(Provider::Nixflex),
        ];
        let mut named = fields.into_iter().flatten();
        named.next().filter(|_| named.next().is_none())
    }

    /// Whether it is a platform that answers numbers of other carriers, and has none of its own.
    pub fn binds_numbers(&self) -> bool {
        matches!(self.provider(), Some(Provider::Nixflex(_)))
    }

    /// What makes two accounts the same, as far as their objects say: the carrier, the account there, and where it is reached.
    pub fn address(&self) -> String {
        digest_of(&(&self.twilio, &self.telnyx, &self.flowyte, &self.nixflex, &self.endpoint))
    }
}

impl CarrierAccount {
    /// The carrier's id of the account as far as the object itself says it: at a carrier that has none, the object's name. `None` where only
    /// the credentials tell.
    pub fn named_identity(&self) -> Option<String> {
        match self.spec.provider()? {
            Provider::Twilio(twilio) => Some(twilio.account_sid.clone()),
            Provider::Telnyx(_) => Some(Key::of(self).to_string()),
            Provider::Flowyte(_) | Provider::Nixflex(_) => None,
        }
    }

    /// How these credentials are lent to the platform of this account, if they are.
    pub fn lending(&self, platform: &Key) -> Option<&Lending> {
        let from = Key::of(self).namespace;
        self.spec.lend_to.iter().find(|lending| lending.account.key(&from) == *platform)
    }

    /// The rights to buy that are open.
    pub fn open_grants(&self) -> &[Grant] {
        self.status.as_ref().and_then(|status| status.grants.as_ref()).map_or(&[], |grants| &grants.open)
    }
}

/// What may be spent under an account. What is not named is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.maxMonthlyPrice) || !self.maxMonthlyPrice.startsWith('-')",
    "message": "maxMonthlyPrice is at least 0, as in \"3.00\"; leave it out for no limit",
}]))]
pub struct Purchasing {
    /// Numbers bought in one day (UTC).
    #[schemars(range(max = 1_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_per_day: Option<u32>,
    /// Numbers that the account may own in all, whoever bought them: beyond that nothing more is bought.
    #[schemars(range(max = 1_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_owned: Option<u32>,
    /// The most that any one number may cost every month, in the currency that the carrier bills in. A number whose price is
    /// not known is not bought then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_monthly_price: Option<Amount>,
    /// While true nothing is bought. What was sent before is still settled.
    pub paused: bool,
    /// Who may take a bought number whose PhoneNumber is gone. `Namespace`, the default: the namespace that it was bought for.
    /// `Shared`: every namespace that may use the account.
    pub pool: Pool,
    /// Who may say yes to a purchase. `Optional`, the default: each PhoneNumber says by its own `approval` whether somebody is asked,
    /// and whoever may edit it may answer. `Required`: somebody is always asked, and only who has the verb `approve` on this
    /// CarrierAccount may answer.
    pub approval: AccountApproval,
}

/// Who may take a bought number that nobody uses any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Pool {
    #[default]
    Namespace,
    Shared,
}

/// Who may say yes to a purchase: with `Optional` whoever may edit the PhoneNumber, with `Required` only who has the verb `approve` on the
/// CarrierAccount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccountApproval {
    /// Whoever may edit a PhoneNumber may say it.
    #[default]
    Optional,
    /// Only who has the verb `approve` on the CarrierAccount may.
    Required,
}

/// How much of the carrier's patience one account may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Requests under way at once. 5 unless said otherwise.
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: u32,
    /// Requests begun per second. 10 unless said otherwise.
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrency: 5, requests_per_second: 10 }
    }
}

/// What is known of the account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarrierAccountStatus {
    /// The carrier's id of the account that the credentials opened first. If they ever open another, nothing is done. At Twilio it is the Account
    /// SID, at Flowyte the organization, at Nixflex the id of the API key. Telnyx has no such id: there it is this object's namespace and name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Which credentials the account is open with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsStatus>,
    /// The installation of Dialplane that looks after the account: the name that stands in the markers of what it buys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub installation: Option<String>,
    /// What the account has left, where the carrier says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// How many calls the platform answers at once, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// What was spent today and what may yet be: the ledger behind `spec.purchasing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Grants>,
    /// How many numbers there are: as of the last complete listing, and what was bought or claimed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<AccountNumbers>,
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The last value of the annotation `dialplane.dev/reconcile-requested-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// `Ready`, and `Reconciling` or `Stalled` while they are true.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The credentials that an account is open with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsStatus {
    /// `metadata.resourceVersion` of the Secret when it was read.
    #[schemars(length(max = 64))]
    pub resource_version: String,
    /// Which of the credentials in it: those of the plain keys, or those whose keys end in `Next`.
    pub key: CredentialsKey,
    /// When the carrier was first seen to take them.
    pub working_since: Time,
}

/// Which of the credentials that a Secret holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CredentialsKey {
    /// Those of the plain keys.
    Current,
    /// Those whose keys end in `Next`.
    Next,
}

/// Money at a carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Balance {
    /// How much.
    pub amount: Amount,
    /// Three-letter code of its currency.
    #[schemars(length(max = 8))]
    pub currency: String,
}

/// How many calls a platform answers at once, and how near to that it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// The most calls at once. Whoever calls while there are so many hears that it is busy.
    pub max_concurrent: u32,
    /// The most that there were at once this month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_this_month: Option<u32>,
    /// Calls of this month that were rejected, since there were as many as there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_this_month: Option<u32>,
}

/// The right to buy, given out one number at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grants {
    /// The day (UTC) that `bought` counts, as in `2026-11-24`.
    #[schemars(length(max = 16))]
    pub day: String,
    /// Numbers bought on that day.
    pub bought: u32,
    /// Who may buy a number now. Each counts like one that is bought until it is settled, or found unused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["uid"]))]
    pub open: Vec<Grant>,
}

/// The right to buy one number for one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    /// Uid of the PhoneNumber that asked for it.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
    /// The namespace for whose identity it is. Absent in rights that an earlier version gave.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// What the number is for, within the namespace: whoever has that identity has the right, and what it bought counts whoever
    /// that is by then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 320))]
    pub identity: String,
    /// The day (UTC) on which it was given.
    #[schemars(length(max = 16))]
    pub day: String,
}

impl Grant {
    /// Whose right it is; `None` where an earlier version gave it.
    pub fn of(&self) -> Option<Identity> {
        (!self.namespace.is_empty()).then(|| Identity::new(&self.namespace, &self.identity))
    }

    /// Whether it is the right of this identity.
    pub fn is_for(&self, identity: &Identity) -> bool {
        self.namespace == identity.namespace && self.identity == identity.name
    }
}

/// The numbers of an account, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountNumbers {
    /// Numbers that the account owns.
    pub owned: u32,
    /// Of these, numbers that a PhoneNumber of this cluster manages, also under another CarrierAccount that opens the same account.
    pub claimed: u32,
    /// The others: they cost money, and nothing in this cluster manages them.
    pub unclaimed: u32,
}
