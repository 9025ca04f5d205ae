//! The part of the story in which agents that a platform hosts answer, and no server of ours. It does I/O.

use anyhow::{Context as _, Result, ensure};
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use super::{CALLER, Story, WEBHOOKS, purchase, unanswered};
use crate::{
    api::{Agent, AgentVersion, PhoneNumber},
    cli::demo::{
        examples::{self, FLOWYTE, Hosting, NIXFLEX},
        stage::{BEFORE, Stage},
        wait::{self, is},
    },
    sandbox::carrier::{AccountSeed, Dialect, Hosted, NumberSeed},
};

/// The PhoneNumber and the Agent of `examples/flowyte`, and what the organization has.
const FLOWYTE_DESK: &str = "flowyte-desk";
const FLOWYTE_NUMBER: &str = "+14155550151";
const GREETING: &str = "Flowyte desk, hello!";
const SECOND_GREETING: &str = "Flowyte desk, good morning!";
/// The PhoneNumber and the Agent of `examples/nixflex`, and its Twilio account.
const NIXFLEX_DESK: &str = "nixflex-desk";
const NIXFLEX_NUMBER: &str = "+14155550141";
const LENDER: &str = "twilio-for-nixflex";
/// The number that is bought for the same Agent.
const PATIENTS: &str = "new-patients";

impl Story<'_> {
    pub(super) async fn flowyte(&self) -> Result<()> {
        let sandbox = &self.stage.sandbox;
        let organization = sandbox.add_account(AccountSeed { carrier: Dialect::Flowyte, ..AccountSeed::default() })?;
        self.seed(&organization.account_sid, FLOWYTE_NUMBER, &[])?;
        let agent = sandbox.add_agent(&organization.account_sid, "Front desk", json!({"greeting": GREETING}))?;
        self.show.detail(&format!(
            "in Flowyte's dashboard: {FLOWYTE_NUMBER}, and a draft of an agent that says “{GREETING}”"
        ));
        let endpoint = format!("{}/flowyte", sandbox.url());
        let hosting = Hosting { api_key: organization.auth_token, agent: agent.clone(), endpoint };
        let mut objects = examples::hosted(FLOWYTE, &hosting, &sandbox.credentials(), sandbox.url())?;
        objects.iter_mut().for_each(import);
        self.apply_all("examples/flowyte/   # with import instead of purchase", &objects).await?;
        self.reached(FLOWYTE_DESK).await?;
        self.flowyte_answers("v1", GREETING).await?;

        sandbox.edit_agent(&agent, json!({"greeting": SECOND_GREETING}))?;
        self.show
            .detail(&format!("in Flowyte's dashboard: the draft says “{SECOND_GREETING}”; no caller hears that yet"));
        self.flowyte_answers("v1", GREETING).await?;
        let patch = json!({"spec": {"version": "v2"}});
        let namespace = &self.stage.namespace;
        self.show.command(&format!("kubectl patch -n {namespace} ag {FLOWYTE_DESK} --type merge -p '{patch}'"));
        self.merge::<Agent>(FLOWYTE_DESK, &patch).await?;
        let serves = |object: &Value| object["status"]["route"]["version"] == "v2" && is(object, "Ready", "True");
        let what = format!("{FLOWYTE_DESK}'s move to v2");
        wait::until::<PhoneNumber>(&self.stage.client, namespace, FLOWYTE_DESK, &what, serves).await?;
        self.flowyte_answers("v2", SECOND_GREETING).await?;
        self.get(&format!("pn {FLOWYTE_DESK}")).await?;
        self.show.good("v2 was published at Flowyte with one request, and serves all numbers of the agent");
        Ok(())
    }

    pub(super) async fn nixflex(&self) -> Result<()> {
        let Stage { sandbox, namespace, .. } = self.stage;
        let twilio = sandbox.add_account(AccountSeed::default())?;
        self.seed(&twilio.account_sid, NIXFLEX_NUMBER, &[("voice_url", BEFORE)])?;
        let key = sandbox.add_nixflex_key()?;
        let agent = sandbox.add_nixflex_agent(&key.account_sid, "Front desk")?;
        let api_key = format!("{}:{}", key.account_sid, key.auth_token);
        let hosting = Hosting { api_key, agent, endpoint: format!("{}/nixflex", sandbox.url()) };
        let objects = examples::hosted(NIXFLEX, &hosting, &twilio, sandbox.url())?;
        self.apply_all(&format!("examples/nixflex/   # {LENDER} has lendTo: nixflex-main"), &objects).await?;
        self.reached(NIXFLEX_DESK).await?;
        self.nixflex_answers(NIXFLEX_DESK, NIXFLEX_NUMBER).await?;

        let object = purchase::purchase(PATIENTS, LENDER, NIXFLEX_DESK, json!({"approval": "Automatic"}));
        let wish = purchase::wish(&object);
        self.apply_all(&format!("{PATIENTS}.yaml   # {wish}"), &[object]).await?;
        let number = self.bought(PATIENTS).await?;
        self.nixflex_answers(PATIENTS, &number).await?;
        self.get("pn").await?;
        let lent = self.stage.sandbox.nixflex_rows(&key.account_sid).len();
        ensure!(lent == 2, "Nixflex has {lent} numbers in {namespace}");
        self.show.good("bought at Twilio and answered at Nixflex, which received the credentials for that");
        Ok(())
    }

    pub(super) async fn leave(&self) -> Result<()> {
        let Stage { client, namespace, sandbox, .. } = self.stage;
        self.show.command(&format!("kubectl delete -n {namespace} pn {FLOWYTE_DESK} {NIXFLEX_DESK}"));
        let numbers: Api<PhoneNumber> = Api::namespaced(client.clone(), namespace);
        for name in [FLOWYTE_DESK, NIXFLEX_DESK] {
            numbers.delete(name, &DeleteParams::default()).await?;
        }
        for name in [FLOWYTE_DESK, NIXFLEX_DESK] {
            wait::gone::<PhoneNumber>(client, namespace, name).await?;
        }
        for number in [FLOWYTE_NUMBER, NIXFLEX_NUMBER] {
            ensure!(sandbox.number(number).is_some(), "{number} is no longer owned");
        }
        let agent = sandbox.assigned_agent(FLOWYTE_NUMBER).unwrap_or_default();
        ensure!(agent.is_empty(), "{FLOWYTE_NUMBER} is still answered by {agent}");
        self.show.detail(&format!("at Flowyte: {FLOWYTE_NUMBER} defaultAgentId=null"));
        ensure!(sandbox.nixflex_row(NIXFLEX_NUMBER).is_none(), "Nixflex still has {NIXFLEX_NUMBER}");
        let fields = WEBHOOKS.map(|field| (field, sandbox.field(NIXFLEX_NUMBER, field).unwrap_or_default()));
        ensure!(fields.iter().all(|(_, value)| value.is_empty()), "{NIXFLEX_NUMBER} still has {fields:?}");
        let shown = fields.map(|(field, value)| format!("{field}={value:?}")).join(" ");
        self.show.detail(&format!("at Nixflex: no {NIXFLEX_NUMBER}; at Twilio: {NIXFLEX_NUMBER} {shown}"));
        self.show.good("no agent answers them any more, and both are still owned");
        Ok(())
    }

    /// An account has had this number all along.
    fn seed(&self, account: &str, number: &str, settings: &[(&str, &str)]) -> Result<()> {
        let settings = settings.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
        self.stage.sandbox.seed(NumberSeed {
            number: number.to_owned(),
            account: Some(account.to_owned()),
            settings,
        })?;
        Ok(())
    }

    async fn apply_all(&self, file: &str, objects: &[Value]) -> Result<()> {
        let namespace = &self.stage.namespace;
        self.show.command(&format!("kubectl apply --server-side -n {namespace} -f {file}"));
        for object in objects {
            self.show.detail(&self.apply_one(object).await?);
        }
        Ok(())
    }

    /// Waits until a number reaches its agent.
    async fn reached(&self, name: &str) -> Result<()> {
        let Stage { client, namespace, .. } = self.stage;
        let ready = |object: &Value| is(object, "Ready", "True");
        wait::until::<PhoneNumber>(client, namespace, name, &format!("{name}'s Ready"), ready).await.map(drop)
    }

    /// Calls the number at Flowyte, and holds what is said against what was published there for our version.
    async fn flowyte_answers(&self, version: &str, greeting: &str) -> Result<()> {
        let hosted = self.hosted(FLOWYTE_NUMBER, FLOWYTE_DESK, version).await?;
        let versions = self.stage.sandbox.agent_versions(&hosted.agent);
        let is_it = |shown: &&Value| shown["id"].as_str() == hosted.version.as_deref();
        let published = versions.iter().find(is_it).context("a version answered that Flowyte does not have")?;
        ensure!(published["compiledConfig"]["greeting"] == greeting, "{published} answered, and not “{greeting}”");
        let note = published["note"].as_str().unwrap_or_default();
        ensure!(note.ends_with(&format!(" {version}")), "{published} answered, and not {version}");
        self.show.call(
            &format!(
                "{CALLER} calls {FLOWYTE_NUMBER} ({FLOWYTE_DESK}) → an agent at Flowyte, version {}",
                published["version"]
            ),
            &format!("“{greeting}”   published as “{note}”"),
        );
        Ok(())
    }

    /// Calls a number that Nixflex answers.
    async fn nixflex_answers(&self, name: &str, number: &str) -> Result<()> {
        let hosted = self.hosted(number, NIXFLEX_DESK, "v1").await?;
        let row = self.stage.sandbox.nixflex_row(number).with_context(|| format!("Nixflex has no {number}"))?;
        ensure!(row["agent_id"] == hosted.agent.as_str(), "{} answered for {row}", hosted.agent);
        let url = self.stage.sandbox.field(number, "voice_url").unwrap_or_default();
        self.show.call(
            &format!("{CALLER} calls {number} ({name}) → POST {url}"),
            &format!("{} answers, as AgentVersion {NIXFLEX_DESK}.v1 names it", hosted.agent),
        );
        Ok(())
    }

    /// Places a call, and holds who answers against what the published version of our Agent names.
    async fn hosted(&self, number: &str, agent: &str, version: &str) -> Result<Hosted> {
        let Stage { client, namespace, sandbox, .. } = self.stage;
        let placed = sandbox.call(CALLER, number).await;
        let name = AgentVersion::name_of(agent, version);
        let hosted = placed.hosted.clone().ok_or_else(|| unanswered(&placed, &name))?;
        let published = Api::<AgentVersion>::namespaced(client.clone(), namespace).get(&name).await?;
        let named = json!(published)["spec"]["hosted"][0]["agentId"].clone();
        ensure!(named == hosted.agent.as_str(), "{} answered, and {name} names {named}", hosted.agent);
        Ok(hosted)
    }
}

/// Has the PhoneNumber of `examples/flowyte` import a number that the organization has, instead of buying one.
fn import(object: &mut Value) {
    if object["kind"] == "PhoneNumber"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove("purchase");
        spec.insert("import".to_owned(), json!({"number": FLOWYTE_NUMBER}));
    }
}
