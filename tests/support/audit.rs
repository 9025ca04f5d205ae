//! The API server's own record of who asked for what: the judge of how many requests were made and with which rights.
//! It does I/O: one file.

use std::{collections::BTreeSet, fs, path::Path};

use jiff::Timestamp;
use serde::Deserialize;

/// A request that the API server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `dialplane-admin`, `system:serviceaccount:<namespace>:<name>`, `system:kube-controller-manager`.
    pub user: String,
    /// As in RBAC: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
    /// `configmaps`, or `configmaps/status` for a subresource; empty for a path like `/readyz`.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub code: u16,
    /// When it was answered, by the API server's clock.
    pub answered: Timestamp,
}

/// Every request so far, in the order of their ends. The last may be written a moment after its answer is received.
pub fn requests(log: &Path) -> Vec<Request> {
    let events = events(log).into_iter();
    events.filter(|event| event.stage == "ResponseComplete").map(Request::from).collect()
}

/// What a role grants, or what was made use of: API group, resource, verb, and the name where the role names it.
pub type Permission = (String, String, String, Option<String>);

/// What `user` has asked for so far, and what of it was refused for lack of permission. `is_named` says for which resources
/// the role knows names. A watch counts from its beginning.
pub fn used(log: &Path, user: &str, is_named: impl Fn(&Permission) -> bool) -> (BTreeSet<Permission>, Vec<String>) {
    let (mut used, mut refused) = (BTreeSet::new(), Vec::new());
    for event in events(log).into_iter().filter(|event| event.user.username == user) {
        let ObjectRef { api_group, name, .. } = event.object_ref.clone();
        let code = event.response_status.code;
        let Request { verb, resource, .. } = event.into();
        if code == 403 {
            refused.push(format!("{verb} {resource} {name}"));
        }
        let permission = (api_group, resource, verb, Some(name));
        used.insert(if is_named(&permission) { permission } else { (permission.0, permission.1, permission.2, None) });
    }
    (used, refused)
}

fn events(log: &Path) -> Vec<Event> {
    let text = fs::read_to_string(log).unwrap();
    // The last line may be half written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str::<Event>(line).unwrap()).collect()
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        let Event { stage: _, stage_timestamp: answered, user, verb, object_ref, response_status } = event;
        let ObjectRef { api_group: _, resource, subresource, namespace, name } = object_ref;
        let resource = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
        Self { user: user.username, verb, resource, namespace, name, code: response_status.code, answered }
    }
}

/// A line of the log (`audit.k8s.io/v1`), as far as it is of use here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    stage_timestamp: Timestamp,
    user: User,
    verb: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}
