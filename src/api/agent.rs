//! Agent and AgentVersion: drafts, and what is published of them. No I/O.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    conditions::Condition,
    config::Config,
    meta::{AllowedNamespaces, Key, Reference},
    number::{Channel, Destination, E164, Method, Route, is_same_url},
};

/// A voice or messaging agent: a draft that is edited freely, and the published version that serves.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dialplane.dev",
    version = "v1alpha1",
    kind = "Agent",
    namespaced,
    status = "AgentStatus",
    derive = "PartialEq",
    shortname = "ag",
    category = "dialplane",
    doc = "A voice or messaging agent. Its draft can be edited freely; a new version name publishes it.",
    selectable = ".spec.version",
    selectable = ".status.publishedVersion",
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.publishedVersion",
        description = "The published version"
    ),
    printcolumn(
        name = "Draft",
        type_ = "string",
        json_path = ".status.draft",
        description = "Whether the draft differs from it"
    ),
    printcolumn(
        name = "Numbers",
        type_ = "integer",
        json_path = ".status.numbers.assigned",
        description = "Numbers assigned to this agent"
    ),
    printcolumn(
        name = "Routed",
        type_ = "integer",
        json_path = ".status.numbers.routed",
        description = "Of these, numbers routed to the published version"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether the agent is ready"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why, or why not"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 189").message("the name of an Agent has at most 189 characters: with a dot and a version it must make the name of an AgentVersion")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.versions == 'Applied' || has(self.draft)").message("versions are made from draft: set it, or set versions: Applied and apply AgentVersions"))]
pub struct AgentSpec {
    /// The content of the next version. Editing it does not change the published version. Required unless `versions` is `Applied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<Draft>,
    /// Where versions come from. `Frozen`, the default: from the draft, when `version` has a new name; existing AgentVersions work as well.
    /// `Applied`: only from AgentVersions that you apply; the Agent waits for the one in `version`.
    #[serde(default)]
    pub versions: Versions,
    /// The version to serve. A new name publishes the draft under it, an earlier name rolls back. A name is used once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("version is a DNS label: lower-case letters, digits and dashes, as in v3 or 2026-11-22"))]
    pub version: Option<String>,
    /// Publish or serve only a draft or version with this digest: `sha256:` and 64 hexadecimal digits. `status.draftDigest` shows that of
    /// the draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // Longer than a digest, so that the rule speaks and not "too long".
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^sha256:[0-9a-f]{64}$')").message("versionDigest is sha256: followed by 64 hexadecimal digits, as status.draftDigest shows it"))]
    pub version_digest: Option<String>,
    /// True clears the routes of the agent's numbers until it is false again.
    #[serde(default)]
    pub offline: bool,
    /// Which namespaces may assign their numbers to this agent. By default only its own.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// How many old versions are kept for rollback, 10 by default. Their names can never be reused.
    #[serde(default = "default_history_limit")]
    #[schemars(range(min = 0, max = 1000))]
    pub history_limit: u32,
}

fn default_history_limit() -> u32 {
    10
}

/// Where the versions of an agent come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Versions {
    /// A new version name publishes the draft under that name.
    #[default]
    Frozen,
    /// You apply each AgentVersion; the draft is never published.
    Applied,
}

/// The content of a version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// Where the carrier sends calls and messages. A channel that is not set is not changed at the carrier.
    #[serde(default)]
    pub webhooks: Webhooks,
    /// Hosted agents that answer instead of webhooks. A number of one of these accounts uses that account's entry; any other number uses the
    /// entry of a platform that answers numbers of other carriers; without either, the webhooks apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub hosted: Vec<HostedOn>,
    /// Anything the agent's runtime needs. Copied into the AgentVersion, from which the runtime reads it.
    #[serde(default, skip_serializing_if = "Config::is_hidden")]
    pub config: Config,
}

/// An agent that a platform hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostedOn {
    /// The platform's CarrierAccount. Its `allowedNamespaces` decides whether this Agent may use it.
    pub account_ref: Reference,
    /// The platform's ID of the agent. A hosted agent belongs to one Agent.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9][A-Za-z0-9._:-]*$')").message("agentId is an id of the platform: letters, digits and . _ : -, and the first is a letter or digit"))]
    pub agent_id: String,
    /// The platform's ID of the version to serve, if the platform has versions. Without it, publishing this version publishes the agent's
    /// draft there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9][A-Za-z0-9._:-]*$')").message("versionId is an id of the platform: letters, digits and . _ : -, and the first is a letter or digit"))]
    pub version_id: Option<String>,
}

/// Where the carrier sends calls and messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhooks {
    /// Incoming calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<Webhook>,
    /// Incoming text messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<Webhook>,
    /// Call progress events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusWebhook>,
}

/// An absolute http or https URL. The placeholders `{agent}`, `{version}`, `{namespace}` (the Agent's) and `{number}` are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.matches('^https?://([^/?#@\\\\s]*@)?(\\\\[[0-9a-fA-F:.]+\\\\]|[^\\\\]/?#@:\\\\s\\\\[]+)(:[0-9]+)?([/?#]\\\\S*)?$')",
        "message": "a webhook is an absolute URL with http or https and a host, as in https://engine.example.com/{agent}/{version}/voice",
    },
    {
        // Replaced by something and not by nothing, which would make a placeholder of what stood around it.
        "rule": "!self.replace('{agent}', 'x').replace('{version}', 'x').replace('{namespace}', 'x').replace('{number}', 'x').matches('[{}]')",
        "message": "unknown placeholder: only {agent}, {version}, {namespace} and {number} are filled in",
    },
    {
        // Its plus is filled in escaped, which is no host.
        "rule": "!self.matches('^https?://[^/?#]*[{]number[}]')",
        "message": "{number} cannot be in the host: move it into the path or the query",
    },
    {
        // Official libraries drop it before they check a signature.
        "rule": "!self.matches('[?](#|$)')",
        "message": "a URL has nothing after its ?: remove the ?",
    },
    {
        // Carriers may write these in their own way, and then sign another URL than was meant.
        "rule": "self.matches('^[!#-;=?-\\\\[\\\\]_a-{}~]*$')",
        "message": "a URL has no spaces, non-ASCII letters, or any of \" < > \\ ^ ` |: percent-encode these, as in %C3%BC, and write a host \
                    in its xn-- form",
    },
]))]
pub struct UrlTemplate(#[schemars(length(max = 1024))] pub String);

/// A webhook that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// What the carrier requests. `{agent}`, `{version}`, `{namespace}` and `{number}` are filled in.
    pub url: UrlTemplate,
    /// How it is requested: `POST` by default.
    #[serde(default)]
    pub method: Method,
    /// What the carrier requests when `url` fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_url: Option<UrlTemplate>,
    /// How `fallbackUrl` is requested: `POST` by default.
    #[serde(default)]
    pub fallback_method: Method,
}

/// A webhook that is only notified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusWebhook {
    /// What the carrier requests. `{agent}`, `{version}`, `{namespace}` and `{number}` are filled in.
    pub url: UrlTemplate,
    /// How it is requested: `POST` by default.
    #[serde(default)]
    pub method: Method,
}

/// The observed state of the agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// The published version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_version: Option<String>,
    /// When it was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Time>,
    /// Whether the draft equals the published version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<DraftState>,
    /// The digest of the current draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_digest: Option<String>,
    /// Every published name and digest, oldest first. A name is used once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub versions: Vec<PublishedVersion>,
    /// Version names known to have been used before this object was created: the draft is not published under them unless you vouch for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub used_before: Vec<String>,
    /// Number counts of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<AgentNumbers>,
    /// The route that its numbers share, for each account whose carrier has shared routes, as Telnyx, and each platform that hosts the
    /// agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["account"]))]
    pub shared_routes: Vec<SharedRouteStatus>,
    /// The spec generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Published`, `RolledOut` and `Ready`, and `Reconciling` or `Stalled` while they are true.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Whether the draft equals the published version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DraftState {
    /// The draft equals the published version.
    Published,
    /// The draft differs from the published version.
    Changed,
}

/// A published name and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedVersion {
    /// Name of the version.
    pub name: String,
    /// Digest of the draft that was published under it.
    pub digest: String,
}

/// Number counts of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentNumbers {
    /// Numbers assigned to this agent.
    pub assigned: u32,
    /// Of these, numbers routed to the published version.
    pub routed: u32,
}

/// The route that an agent's numbers at one account share. It has a name at the carrier, by which the operator finds it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedRouteStatus {
    /// Namespace and name of the CarrierAccount, as in `telephony/telnyx`.
    #[schemars(length(max = 320))]
    pub account: String,
    /// UID of the CarrierAccount: an object created again under that name may be for another account.
    #[schemars(length(max = 128))]
    pub account_uid: String,
    /// The version that it goes to. Absent before it is created and while the agent is offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What numbers are bound to.
    #[serde(default, skip_serializing_if = "Route::is_empty")]
    pub bound: Route,
    /// The platform's version of the agent for each version that was published there, latest first, if the platform has versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub hosted_versions: Vec<HostedVersionStatus>,
}

impl SharedRouteStatus {
    /// The CarrierAccount.
    pub fn key(&self) -> Key {
        let (namespace, name) = self.account.split_once('/').unwrap_or_default();
        Key::new(namespace, name)
    }
}

/// The hosted agent's version for a version of an Agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostedVersionStatus {
    /// The Agent's version.
    pub version: String,
    /// The platform's ID of its version.
    pub id: String,
}

/// A published version of an agent: its draft, frozen.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dialplane.dev",
    version = "v1alpha1",
    kind = "AgentVersion",
    namespaced,
    status = "AgentVersionStatus",
    derive = "PartialEq",
    shortname = "agv",
    category = "dialplane",
    doc = "An immutable version of an Agent, named `<agent>.<version>`. Created by publishing, or applied by a pipeline.",
    selectable = ".spec.agent",
    selectable = ".spec.version",
    printcolumn(name = "Agent", type_ = "string", json_path = ".spec.agent", description = "The agent that this is a version of"),
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version", description = "The version's name"),
    printcolumn(name = "Valid", type_ = "string", json_path = ".status.conditions[?(@.type=='Valid')].status", description = "Whether it is valid"),
    printcolumn(name = "Live", type_ = "string", json_path = ".status.conditions[?(@.type=='Live')].status", description = "Whether it is the published version"),
    printcolumn(name = "Numbers", type_ = "integer", json_path = ".status.numbers", description = "Numbers routed to it"),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1, description = "Digest of the published draft"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name == self.spec.agent + '.' + self.spec.version").message("an AgentVersion is named <agent>.<version>, as in ringback-dental.v3: make metadata.name, spec.agent and spec.version agree")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("an AgentVersion cannot change: apply another one under a new version name"))]
pub struct AgentVersionSpec {
    /// Name of the Agent, in this namespace.
    #[schemars(length(min = 1, max = 189))]
    pub agent: String,
    /// Name of the version: a DNS label.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("version is a DNS label: lower-case letters, digits and dashes, as in v3 or 2026-11-22"))]
    pub version: String,
    /// Where the carrier sends calls and messages. A channel that is not set is not changed at the carrier.
    #[serde(default)]
    pub webhooks: Webhooks,
    /// Hosted agents that answer instead of webhooks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub hosted: Vec<HostedOn>,
    /// Anything the agent's runtime needs.
    #[serde(default, skip_serializing_if = "Config::is_hidden")]
    pub config: Config,
}

/// The observed state of a version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentVersionStatus {
    /// Digest of the published draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When it was first published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Time>,
    /// How many numbers are routed to it.
    #[serde(default)]
    pub numbers: u32,
    /// The spec generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Valid`, `Live` and `Ready`.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl AgentVersion {
    /// The object name of a version. A version is a DNS label, so the last dot divides.
    pub fn name_of(agent: &str, version: &str) -> String {
        format!("{agent}.{version}")
    }
}

impl AgentVersionSpec {
    /// What this version was frozen from.
    pub fn draft(&self) -> Draft {
        Draft { webhooks: self.webhooks.clone(), hosted: self.hosted.clone(), config: self.config.clone() }
    }
}

impl Draft {
    /// The fingerprint under which this draft is published.
    ///
    /// It is that of the draft's canonical JSON, as of everything that has one; the configuration brings its part with it.
    pub fn digest(&self) -> String {
        let others = Self { config: Config::default(), ..self.clone() };
        self.config.digest_with(&serde_json::to_value(others).map(|others| others.to_string()).unwrap_or_default())
    }
}

impl Agent {
    /// The route that its numbers share at the account `key`, as long as the CarrierAccount is the one with this uid.
    pub fn shared_route(&self, key: &Key, uid: &str) -> Option<&SharedRouteStatus> {
        let entries = self.status.iter().flat_map(|status| &status.shared_routes);
        let account = key.to_string();
        entries.into_iter().find(|entry| entry.account == account && entry.account_uid == uid)
    }
}

impl Webhooks {
    /// Whether they differ from number to number.
    pub fn name_the_number(&self) -> bool {
        let hooks = [&self.voice, &self.sms].into_iter().flatten();
        let urls = hooks.flat_map(|hook| [Some(&hook.url), hook.fallback_url.as_ref()]);
        let status = self.status.as_ref().map(|hook| &hook.url);
        urls.chain([status]).flatten().any(|url| url.0.contains("{number}"))
    }

    /// Whether `seen` is a route of `number` that leads to `version` of `agent`, where these webhooks are that agent's: one URL that
    /// names its version is there. `shown` says how the carrier shows a route. A URL without `{version}` is no evidence for any.
    pub fn are_reached(
        &self,
        agent: &Key,
        version: &str,
        number: &E164,
        seen: &Route,
        shown: impl FnOnce(Route) -> Route,
    ) -> bool {
        let url = |hook: &Option<Webhook>| hook.as_ref().map(|hook| hook.url.0.clone());
        let urls = [
            (Channel::Voice, url(&self.voice)),
            (Channel::Sms, url(&self.sms)),
            (Channel::Status, self.status.as_ref().map(|hook| hook.url.0.clone())),
        ];
        let mut route = self.route(agent, version, number);
        route.retain(|channel, _| {
            urls.iter().any(|(of, url)| of == channel && url.as_ref().is_some_and(|url| url.contains("{version}")))
        });
        let url = |destination: &Destination| destination.url.clone().filter(|_| destination.bound_to.is_none());
        let leads = |(channel, destination): (&Channel, &Destination)| {
            url(destination).is_some()
                && is_same_url(seen.get(channel).and_then(url).as_deref(), url(destination).as_deref())
        };
        !route.is_empty() && shown(route).iter().any(leads)
    }

    /// The route of `number`, answered by `version` of `agent`.
    pub fn route(&self, agent: &Key, version: &str, number: &E164) -> Route {
        let fill = |template: &UrlTemplate| template.fill(agent, version, number);
        let destination = |hook: &Webhook| Destination {
            url: Some(fill(&hook.url)),
            method: hook.method,
            fallback_url: hook.fallback_url.as_ref().map(fill),
            fallback_method: if hook.fallback_url.is_some() { hook.fallback_method } else { Method::default() },
            ..Destination::default()
        };
        let status = |hook: &StatusWebhook| Destination {
            url: Some(fill(&hook.url)),
            method: hook.method,
            ..Destination::default()
        };
        let destinations = [
            (Channel::Voice, self.voice.as_ref().map(destination)),
            (Channel::Sms, self.sms.as_ref().map(destination)),
            (Channel::Status, self.status.as_ref().map(status)),
        ];
        destinations.into_iter().filter_map(|(channel, destination)| Some((channel, destination?))).collect()
    }
}

impl UrlTemplate {
    /// The `+` of a number is escaped, so that it stays a plus in a path and in a query.
    fn fill(&self, agent: &Key, version: &str, number: &E164) -> String {
        self.0
            .replace("{agent}", &agent.name)
            .replace("{version}", version)
            .replace("{namespace}", &agent.namespace)
            .replace("{number}", &format!("%2B{}", number.digits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_and_a_channel_that_is_not_named_is_not_in_the_route() {
        let hooks = Webhooks {
            voice: Some(Webhook {
                url: UrlTemplate("https://e.example.com/{namespace}/{agent}/{version}/voice?to={number}".into()),
                method: Method::Get,
                fallback_url: None,
                fallback_method: Method::Get,
            }),
            ..Webhooks::default()
        };
        let route = hooks.route(&Key::new("agents", "dental"), "v3", &"+14155551234".parse().unwrap());
        assert_eq!(route.keys().collect::<Vec<_>>(), [&Channel::Voice]);
        let destination = &route[&Channel::Voice];
        assert_eq!(destination.url.as_deref(), Some("https://e.example.com/agents/dental/v3/voice?to=%2B14155551234"));
        assert_eq!(destination.fallback_method, Method::Post, "the method of no fallback is the default one");
    }

    #[test]
    fn only_a_url_that_names_the_version_tells_which_one_a_number_reaches() {
        let (agent, number) = (Key::new("agents", "dental"), "+14155551234".parse().unwrap());
        let hook = |url: &str| {
            let url = UrlTemplate(url.into());
            Some(Webhook { url, method: Method::Post, fallback_url: None, fallback_method: Method::Post })
        };
        let reached = |template: &str, url: &str| {
            let destination = Destination { url: Some(url.into()), method: Method::Get, ..Destination::default() };
            let seen: Route = [(Channel::Voice, destination)].into();
            let hooks = Webhooks { voice: hook(template), sms: hook("https://e.example.com/sms"), status: None };
            hooks.are_reached(&agent, "v1", &number, &seen, |route| route)
        };
        assert!(reached("https://e.example.com/{agent}/{version}", "https://e.example.com/dental/v1"));
        assert!(!reached("https://e.example.com/{agent}/{version}", "https://e.example.com/dental/v2"));
        assert!(!reached("https://e.example.com/{agent}", "https://e.example.com/dental"), "any version of it");
        assert!(
            !reached("https://e.example.com/{version}", "https://e.example.com/sms"),
            "that is for another channel"
        );
    }
}
