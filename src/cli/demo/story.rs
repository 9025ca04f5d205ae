//! The story: each step does what a user would, waits until it has come true and shows it. It does I/O.

mod platforms;
mod purchase;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use futures::FutureExt as _;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

use super::{
    engine, examples,
    show::Show,
    stage::Stage,
    wait::{self, Object, condition, is},
};
use crate::{
    api::{Agent, AgentVersion, CarrierAccount, NumberClaim, PhoneNumber, meta::RECONCILE_REQUESTED},
    sandbox::carrier::Placed,
};

const ACCOUNT: &str = "twilio-prod";
const AGENT: &str = "ringback-dental";
/// The number that is called.
const DESK: &str = "front-desk";
/// The number that is let go.
const LONDON: &str = "london";
/// A second object for the number of the front desk.
const COPY: &str = "front-desk-copy";
const CALLER: &str = "+12025550143";
const SECOND_GREETING: &str = "Ringback Dental, now open on Saturdays! How can we help?";
/// Where somebody sends the calls of the front desk behind our back.
const ELSEWHERE: &str = "https://console.example.net/voice";
/// The fields that must be empty once a number is let go.
const WEBHOOKS: [&str; 3] = ["voice_url", "sms_url", "status_callback"];

/// Tells the whole story. The error says which step did not come true, and why.
pub async fn tell(stage: &Stage, show: &Show) -> Result<()> {
    let story = Story { stage, show };
    let steps = [
        ("An account, an agent published as v1, three numbers imported", story.apply().boxed()),
        ("A caller calls", story.first_call().boxed()),
        ("The draft is edited; calls are not affected", story.edit().boxed()),
        ("v2 is published", story.publish().boxed()),
        ("The webhook is changed at the carrier, and corrected", story.put_back().boxed()),
        ("Back to v1", story.roll_back().boxed()),
        ("A second object wants the same number", story.second_claim().boxed()),
        ("A PhoneNumber is deleted; the number is not released", story.let_go().boxed()),
        ("A number is found, approved and bought", story.buy().boxed()),
        ("Another is bought, and the carrier's answer is lost", story.lose_answer().boxed()),
        ("Deleted and applied again, it gets the same number", story.come_back().boxed()),
        ("At another carrier a number is held until it is approved", story.hold().boxed()),
        ("Flowyte answers its own number, with an agent hosted there", story.flowyte().boxed()),
        ("Nixflex answers numbers that stay at Twilio", story.nixflex().boxed()),
        ("Deleted, they are removed from their platforms and not released", story.leave().boxed()),
        ("Requests to the carriers", story.ledger().boxed()),
    ];
    for (at, (title, step)) in steps.into_iter().enumerate() {
        show.heading(at + 1, title);
        step.await.with_context(|| format!("step {} ({title}) failed", at + 1))?;
    }
    Ok(())
}

struct Story<'a> {
    stage: &'a Stage,
    show: &'a Show,
}

impl Story<'_> {
    async fn apply(&self) -> Result<()> {
        let Stage { namespace, sandbox, client, .. } = self.stage;
        self.show.command(&format!("kubectl apply --server-side -n {namespace} -f examples/   # but 40-purchase.yaml"));
        for object in examples::filled_in(&sandbox.credentials(), sandbox.url())? {
            self.show.detail(&self.apply_one(&object).await?);
        }
        let ready = |object: &Value| is(object, "Ready", "True");
        wait::until::<CarrierAccount>(client, namespace, ACCOUNT, "the account's Ready", ready).await?;
        for (name, _) in examples::numbers()? {
            wait::until::<PhoneNumber>(client, namespace, &name, &format!("{name}'s Ready"), ready).await?;
        }
        let rolled_out = |object: &Value| ready(object) && object["status"]["numbers"]["routed"] == 3;
        wait::until::<Agent>(client, namespace, AGENT, "the roll-out of v1 to three numbers", rolled_out).await?;
        let counted = |object: &Value| object["status"]["numbers"]["claimed"] == 3;
        wait::until::<CarrierAccount>(client, namespace, ACCOUNT, "the count of three claimed numbers", counted)
            .await?;
        for kind in ["ca", "ag", "pn"] {
            self.get(kind).await?;
        }
        Ok(())
    }

    async fn first_call(&self) -> Result<()> {
        self.call(DESK, "v1").await?;
        self.show.good("v1 answered a signed request with the greeting frozen in AgentVersion ringback-dental.v1");
        let url = format!("{}/{AGENT}/v1/voice", self.stage.engine);
        let unsigned =
            reqwest::Client::builder().no_proxy().build()?.post(url).form(&[("From", CALLER)]).send().await?;
        ensure!(unsigned.status() == 403, "an unsigned request was answered {}", unsigned.status());
        self.show.good("the same request without the carrier's signature: 403");
        Ok(())
    }

    async fn edit(&self) -> Result<()> {
        let written = self.stage.sandbox.ledger().writes();
        self.patch_agent(&json!({"spec": {"draft": {"config": {"greeting": SECOND_GREETING}}}})).await?;
        let changed = |object: &Value| {
            object["status"]["draft"] == "Changed"
                && object["status"]["observedGeneration"] == object["metadata"]["generation"]
        };
        self.agent("status.draft: Changed", changed).await?;
        self.get("ag").await?;
        self.call(DESK, "v1").await?;
        ensure!(self.stage.sandbox.ledger().writes() == written, "editing the draft wrote at the carrier");
        self.show.good("still v1; nothing was written at the carrier");
        Ok(())
    }

    async fn publish(&self) -> Result<()> {
        self.serve("v2").await?;
        let Stage { client, namespace, .. } = self.stage;
        let counted = |object: &Value| object["status"]["numbers"] == 3;
        let name = AgentVersion::name_of(AGENT, "v2");
        wait::until::<AgentVersion>(client, namespace, &name, "the count of numbers that reach v2", counted).await?;
        self.get("agv").await?;
        self.call(DESK, "v2").await?;
        self.show.good("v2 serves all three numbers");
        Ok(())
    }

    async fn put_back(&self) -> Result<()> {
        let Stage { sandbox, client, namespace, .. } = self.stage;
        let number = number_of(DESK)?;
        sandbox.edit(&number, &[("voice_url", ELSEWHERE)])?;
        self.show.detail(&format!("in the carrier's console: {number} voice_url = {ELSEWHERE}"));
        let request = jiff::Timestamp::now().strftime("%FT%TZ").to_string();
        self.show.command(&format!("kubectl annotate -n {namespace} pn {DESK} {RECONCILE_REQUESTED}='{request}'"));
        let annotations = json!({"metadata": {"annotations": {RECONCILE_REQUESTED: request}}});
        self.merge::<PhoneNumber>(DESK, &annotations).await?;
        let handled =
            |object: &Value| object["status"]["lastHandledReconcileAt"] == request && is(object, "Ready", "True");
        wait::until::<PhoneNumber>(client, namespace, DESK, "correcting the route", handled).await?;
        self.event(DESK, "DriftCorrected").await?;
        self.call(DESK, "v2").await?;
        self.show.good("v2 answers again");
        Ok(())
    }

    async fn roll_back(&self) -> Result<()> {
        self.serve("v1").await?;
        self.call(DESK, "v1").await?;
        self.show.good("v1 serves again, as it was published, although the draft has changed");
        Ok(())
    }

    async fn second_claim(&self) -> Result<()> {
        let Stage { client, namespace, .. } = self.stage;
        let number = number_of(DESK)?;
        let spec = json!({"accountRef": {"name": ACCOUNT}, "import": {"number": number}, "agentRef": {"name": AGENT}});
        let copy = json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": COPY}, "spec": spec,
        });
        self.show.command(&format!("kubectl apply --server-side -n {namespace} -f {COPY}.yaml   # {number} again"));
        self.show.detail(&self.apply_one(&copy).await?);
        let refused = |object: &Value| {
            condition(object, "Acquired").is_some_and(|acquired| acquired["reason"] == "ClaimedByAnother")
        };
        let copy: PhoneNumber =
            wait::until(client, namespace, COPY, "the refusal of the second claim", refused).await?;
        self.get("pn").await?;
        let copy = json!(copy);
        let said = condition(&copy, "Ready").and_then(|ready| ready["message"].as_str()).unwrap_or_default();
        self.show.detail(&format!("{COPY}: {said}"));
        self.show.good("refused, and the front desk is not affected");
        Ok(())
    }

    async fn let_go(&self) -> Result<()> {
        let Stage { client, namespace, sandbox, .. } = self.stage;
        let (desk, london) = (number_of(DESK)?, number_of(LONDON)?);
        let before = sandbox.number(&desk);
        self.show.command(&format!("kubectl delete -n {namespace} pn {LONDON} {COPY}"));
        let numbers: Api<PhoneNumber> = Api::namespaced(client.clone(), namespace);
        for name in [LONDON, COPY] {
            numbers.delete(name, &DeleteParams::default()).await?;
        }
        for name in [LONDON, COPY] {
            wait::gone::<PhoneNumber>(client, namespace, name).await?;
        }
        let claims: Api<NumberClaim> = Api::all(client.clone());
        let claimed = || async { Ok(claims.get_opt(&london[1..]).await?.is_none()) };
        ensure!(wait::patiently(claimed).await?, "the claim of {london} is still there");
        self.get("nc").await?;

        let fields = WEBHOOKS.map(|field| (field, sandbox.field(&london, field).unwrap_or_default()));
        for (field, value) in &fields {
            ensure!(value.is_empty(), "{field} of {london} is still {value}");
        }
        let owned = sandbox.number(&london).with_context(|| format!("{london} is no longer owned"))?;
        ensure!(sandbox.number(&desk) == before, "deleting {COPY} changed the number of {DESK}");
        let shown = fields.map(|(field, value)| format!("{field}={value:?}")).join(" ");
        self.show.detail(&format!("at the carrier: {london} {} {shown}", owned["sid"].as_str().unwrap_or_default()));
        self.show.good(&format!("{london} has no route and is still owned; {DESK} was not changed"));
        Ok(())
    }

    /// Has a version serve, and waits until every number reaches it.
    async fn serve(&self, version: &str) -> Result<()> {
        self.patch_agent(&json!({"spec": {"version": version}})).await?;
        let serves = |object: &Value| {
            object["status"]["publishedVersion"] == version
                && is(object, "RolledOut", "True")
                && is(object, "Ready", "True")
        };
        self.agent(&format!("the roll-out of {version}"), serves).await
    }

    async fn agent(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Result<()> {
        let Stage { client, namespace, .. } = self.stage;
        wait::until::<Agent>(client, namespace, AGENT, what, holds).await.map(drop)
    }

    /// Calls the number of an example that imports one.
    async fn call(&self, name: &str, version: &str) -> Result<()> {
        self.call_to(name, &number_of(name)?, version).await
    }

    /// Places a call, and holds what the caller hears against what was published as `version`.
    async fn call_to(&self, name: &str, number: &str, version: &str) -> Result<()> {
        let Stage { client, namespace, sandbox, .. } = self.stage;
        let placed = sandbox.call(CALLER, number).await;
        let url = format!("https://{}/{AGENT}/{version}/voice", engine::HOST);
        let answer = placed.answer().filter(|answer| answer.url == url).ok_or_else(|| unanswered(&placed, &url))?;
        let said = engine::said(&answer.body).ok_or_else(|| anyhow!("{url} returned nothing: {}", answer.body))?;
        let versions: Api<AgentVersion> = Api::namespaced(client.clone(), namespace);
        let published = versions.get(&AgentVersion::name_of(AGENT, version)).await?;
        let greeting = engine::greeting(&published);
        ensure!(
            greeting.as_deref() == Some(&*said),
            "the caller heard “{said}”, and {version} was published with {greeting:?}"
        );
        self.show.call(&format!("{CALLER} calls {number} ({name}) → {} {url}", answer.method), &format!("“{said}”"));
        Ok(())
    }

    /// Shows the last event about a number that has this reason.
    async fn event(&self, name: &str, reason: &str) -> Result<()> {
        let Stage { client, namespace, .. } = self.stage;
        let last = || async {
            let events = wait::events(client, namespace, name).await;
            events.into_iter().rfind(|event| event.reason.as_deref() == Some(reason))
        };
        // Events are sent beside the work and may come a moment after it.
        ensure!(wait::patiently(|| async { Ok(last().await.is_some()) }).await?, "no event {reason} about {name} came");
        if let Some(event) = last().await {
            self.show.detail(&format!("event: {}", wait::line(&event)));
        }
        Ok(())
    }

    /// Applies a manifest as `kubectl apply --server-side` does, and answers what that prints.
    async fn apply_one(&self, object: &Value) -> Result<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let version = text(&object["apiVersion"]);
        let (group, version) = version.rsplit_once('/').unwrap_or(("", &version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let api: Api<DynamicObject> = Api::namespaced_with(self.stage.client.clone(), &self.stage.namespace, &resource);
        let params = PatchParams::apply("dialplane-demo").validation_strict();
        api.patch(&name, &params, &Patch::Apply(object)).await.with_context(|| format!("{kind} {name} was refused"))?;
        let dot = if group.is_empty() { "" } else { "." };
        Ok(format!("{}{dot}{group}/{name} serverside-applied", kind.to_lowercase()))
    }

    /// Changes the agent by a merge patch, as it is shown.
    async fn patch_agent(&self, patch: &Value) -> Result<()> {
        let namespace = &self.stage.namespace;
        self.show.command(&format!("kubectl patch -n {namespace} ag {AGENT} --type merge -p '{patch}'"));
        self.merge::<Agent>(AGENT, patch).await
    }

    async fn merge<K: Object>(&self, name: &str, patch: &Value) -> Result<()> {
        let api: Api<K> = Api::namespaced(self.stage.client.clone(), &self.stage.namespace);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// `kubectl get` of a kind by its short name, or of one object of it: `pn`, `pn front-desk`.
    async fn get(&self, what: &str) -> Result<()> {
        let Stage { client, namespace, .. } = self.stage;
        let (kind, name) = what.split_once(' ').unwrap_or((what, ""));
        let plural = match kind {
            "ca" => "carrieraccounts",
            "ag" => "agents",
            "agv" => "agentversions",
            "pn" => "phonenumbers",
            "nc" => "numberclaims",
            "np" => "numberpurchases",
            other => bail!("there is no kind {other}"),
        };
        let (scope, flag) = match kind {
            "nc" | "np" => (String::new(), String::new()),
            _ => (format!("/namespaces/{namespace}"), format!(" -n {namespace}")),
        };
        self.show.command(&format!("kubectl get{flag} {what}"));
        let path = format!("/apis/dialplane.dev/v1alpha1{scope}/{plural}/{name}");
        self.show.table(client, path.trim_end_matches('/')).await
    }
}

/// The number of an example.
fn number_of(name: &str) -> Result<String> {
    let numbers = examples::numbers()?;
    let found = numbers.into_iter().find(|(other, _)| other == name);
    Ok(found.with_context(|| format!("examples/ has no PhoneNumber {name}"))?.1)
}

fn unanswered(placed: &Placed, wanted: &str) -> anyhow::Error {
    let attempts: Vec<String> = placed
        .attempts
        .iter()
        .map(|attempt| {
            let status = attempt.status.map(|status| status.to_string());
            let said = status.or_else(|| attempt.error.clone()).unwrap_or_default();
            format!("{} {}: {said} {}", attempt.method, attempt.url, attempt.body)
        })
        .collect();
    anyhow!(
        "the call to {} should have been answered by {wanted}: {:?} {}",
        placed.to,
        placed.outcome,
        attempts.join("; ")
    )
}
