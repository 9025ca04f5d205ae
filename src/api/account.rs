//! CarrierAccount: an account at a carrier, with its credentials. No I/O.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    conditions::Condition,
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
    doc = "An account at a carrier or a platform that hosts agents, with its credentials.",
    selectable = ".spec.credentialsRef.name",
    printcolumn(
        name = "Identity",
        type_ = "string",
        json_path = ".status.identity",
        description = "The carrier's ID of the account"
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
        description = "Whether the account is ready"
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
    validation = Rule::new("has(self.twilio) == has(oldSelf.twilio) && has(self.telnyx) == has(oldSelf.telnyx) && has(self.flowyte) == has(oldSelf.flowyte) && has(self.nixflex) == has(oldSelf.nixflex)").message("the carrier cannot change: numbers are claimed under it. Create another CarrierAccount for the other carrier"),
    validation = Rule::new("!has(self.twilio) || !has(oldSelf.twilio) || self.twilio.accountSid == oldSelf.twilio.accountSid").message("twilio.accountSid cannot change: numbers are claimed under it. Create another CarrierAccount for the other account"),
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
    /// A Secret in this namespace. For Twilio: the key `authToken` of exactly this account (a parent account's token does not work for a
    /// subaccount), or `apiKeySid` and `apiKeySecret`. For the others: the key `apiKey`, which for Nixflex is the key ID and its secret
    /// separated by a colon. The same keys with the suffix `Next`, as in `authTokenNext`, hold the next credentials: they are used once the
    /// carrier rejects the current ones.
    pub credentials_ref: LocalReference,
    /// Another base URL for all of the carrier's hosts: a proxy, or the sandbox. The operator must allow it (`dialplane run
    /// --allow-endpoint`, in the chart `carriers.allowedEndpoints`); by default it allows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r"self.matches('^https?://(\\[[0-9a-fA-F:.]+\\]|[^\\]/?#@:\\s\\[]+)(:[0-9]+)?(/[^?#\\s]*)?$')").message("endpoint is an absolute URL with http or https and a host, without credentials and query, as in http://sandbox:8080"))]
    pub endpoint: Option<String>,
    /// Platforms that may receive these credentials, so that an agent hosted there can answer numbers of this account. None by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub lend_to: Vec<Lending>,
    /// Which namespaces may use this account. By default only its own.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// Purchase limits.
    #[serde(default)]
    pub purchasing: Purchasing,
    /// Limits for requests to the carrier.
    #[serde(default)]
    pub limits: Limits,
    /// How often the account's numbers are listed to detect drift: a duration like `90s` or `1h30m`, from 1s to 24h; `10m` by default.
    #[serde(default = "default_scan_interval")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("scanInterval is a duration from 1s to 24h, as in 10m or 1h30m"))]
    pub scan_interval: String,
}

fn default_scan_interval() -> String {
    "10m".to_owned()
}

/// The Twilio account, and where its API is.
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
        validation = Rule::new("self != 'roaming'").message("roaming is an edge of Twilio's Voice SDKs, not of its API: name a location, as in dublin for region ie1 or sydney for au1")
    )]
    pub edge: Option<String>,
}

/// The Telnyx account: the API key identifies it, so there is nothing to set, as in `telnyx: {}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TelnyxAccount {}

/// The Flowyte organization: the API key identifies it, so there is nothing to set, as in `flowyte: {}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowyteAccount {}

/// The Nixflex API key: the Secret identifies it, so there is nothing to set, as in `nixflex: {}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NixflexAccount {}

/// A platform that may receive an account's credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lending {
    /// The platform's CarrierAccount.
    #[serde(flatten)]
    pub account: Reference,
    /// For Telnyx: the ID of the TeXML application with the platform's voice webhook, to which it binds numbers.
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

/// Purchase limits of an account. A limit that is not set does not apply.
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
    /// Numbers that the account may own in all, bought or not: above that nothing is bought.
    #[schemars(range(max = 1_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_owned: Option<u32>,
    /// The highest monthly price of a number, in the carrier's billing currency. A number with an unknown price is not bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_monthly_price: Option<Amount>,
    /// True stops purchases. Purchases already sent are still completed.
    pub paused: bool,
    /// Who may reuse a bought number whose PhoneNumber was deleted. `Namespace`, the default: the namespace that it was bought for.
    /// `Shared`: every namespace that may use the account.
    pub pool: Pool,
    /// Who may approve a purchase. `Optional`, the default: each PhoneNumber's `approval` says whether approval is needed, and anyone who
    /// may edit the PhoneNumber may give it. `Required`: every purchase needs approval by a user with the verb `approve` on this
    /// CarrierAccount.
    pub approval: AccountApproval,
}

/// Who may reuse a bought number that no PhoneNumber manages any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Pool {
    #[default]
    Namespace,
    Shared,
}

/// Who may approve a purchase: with `Optional` anyone who may edit the PhoneNumber, with `Required` only users with the verb `approve` on
/// the CarrierAccount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccountApproval {
    /// Anyone who may edit a PhoneNumber may approve it.
    #[default]
    Optional,
    /// Only users with the verb `approve` on the CarrierAccount may.
    Required,
}

/// Limits for one account's requests to the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Concurrent requests. 5 by default.
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: u32,
    /// Requests started per second. 10 by default.
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrency: 5, requests_per_second: 10 }
    }
}

/// The observed state of the account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarrierAccountStatus {
    /// The carrier's ID of the account that the first credentials belonged to. If credentials for another account are used later, the
    /// operator stops. At Twilio it is the Account SID, at Flowyte the organization, at Nixflex the ID of the API key. Telnyx has no such
    /// ID: there it is this object's namespace and name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The credentials in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsStatus>,
    /// The installation of Dialplane that manages the account: the name in the markers of the numbers that it buys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub installation: Option<String>,
    /// The balance of the account, if the carrier reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// How many concurrent calls the platform answers, if it reports that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// Numbers bought today and open purchase grants: the record behind `spec.purchasing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Grants>,
    /// Number counts: as of the last complete listing, and what was bought or claimed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<AccountNumbers>,
    /// The spec generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The last handled value of the annotation `dialplane.dev/reconcile-requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// `Ready`, and `Reconciling` or `Stalled` while they are true.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The credentials in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsStatus {
    /// `metadata.resourceVersion` of the Secret when it was read.
    #[schemars(length(max = 64))]
    pub resource_version: String,
    /// Which keys of the Secret: the plain ones, or those with the suffix `Next`.
    pub key: CredentialsKey,
    /// When the carrier first accepted them.
    pub working_since: Time,
}

/// Which keys of the Secret are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CredentialsKey {
    /// The plain keys.
    Current,
    /// The keys with the suffix `Next`.
    Next,
}

/// A balance at a carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Balance {
    /// The amount.
    pub amount: Amount,
    /// Three-letter code of its currency.
    #[schemars(length(max = 8))]
    pub currency: String,
}

/// A platform's limit for concurrent calls, and how close it came to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// The limit of concurrent calls. Further callers get a busy signal.
    pub max_concurrent: u32,
    /// The highest number of concurrent calls this month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_this_month: Option<u32>,
    /// Calls rejected this month because the limit was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_this_month: Option<u32>,
}

/// Purchase grants, given one number at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grants {
    /// The day (UTC) that `bought` counts, as in `2026-11-24`.
    #[schemars(length(max = 16))]
    pub day: String,
    /// Numbers bought on that day.
    pub bought: u32,
    /// Open purchase grants. Each counts as a bought number until it is settled, or not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["uid"]))]
    pub open: Vec<Grant>,
}

/// A purchase grant: permission to buy one number for one purchase identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    /// UID of the PhoneNumber that requested it.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
    /// The namespace of the purchase identity. Absent in grants that an earlier version gave.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// The purchase identity within the namespace: the PhoneNumber that has it holds the grant, and a purchase made with it counts for any
    /// later one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 320))]
    pub identity: String,
    /// The day (UTC) it was given.
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
    /// Of these, numbers that a PhoneNumber of this cluster manages, also under another CarrierAccount for the same account.
    pub claimed: u32,
    /// The others: they cost money, and no PhoneNumber in this cluster manages them.
    pub unclaimed: u32,
}
