//! The part of the story that spends money, and the ledger that says how much. It does I/O.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

use super::{ACCOUNT, AGENT, Story, WEBHOOKS};
use crate::{
    api::{Agent, NumberClaim, PhoneNumber, meta::APPROVE, phone_number::Acquisition},
    cli::demo::{
        examples,
        stage::Stage,
        wait::{self, condition, is},
    },
    sandbox::carrier::{Fault, Kind, Match, Rule},
};

/// The number that is bought with a person's consent, as `examples/` has it.
const CITY: &str = "san-francisco";
/// The other account, and the number that is held and bought there.
const TELNYX: &str = "telnyx-prod";
const HELPLINE: &str = "helpline";
/// The number that is bought without asking, and whose purchase is never answered.
const NIGHT: &str = "after-hours";

impl Story<'_> {
    pub(super) async fn buy(&self) -> Result<()> {
        let Stage { namespace, sandbox, .. } = self.stage;
        let object = examples::purchase()?;
        let wish = wish(&object);
        self.show
            .command(&format!("kubectl apply --server-side -n {namespace} -f examples/40-purchase.yaml   # {wish}"));
        self.show.detail(&self.apply_one(&object).await?);
        let offer = self.approve(CITY).await?;
        let number = self.bought(CITY).await?;
        ensure!(number == offer, "{offer} was approved, and {number} was bought");
        self.get(&format!("nc {}", &number[1..])).await?;
        self.call_to(CITY, &number, "v1").await?;
        ensure!(sandbox.ledger().writes_to(&number) == 0, "{number} was bought without its webhooks");
        self.show.good("answered from the first moment: the purchase included the webhooks");
        Ok(())
    }

    pub(super) async fn lose_answer(&self) -> Result<()> {
        let Stage { namespace, sandbox, .. } = self.stage;
        sandbox.inject(Rule::new(Match::purchase(), Fault::AnswerLost));
        self.show.detail("at the carrier: the next purchase is made, and the connection is closed before the answer");
        let object = purchase(NIGHT, ACCOUNT, AGENT, json!({"approval": "Automatic"}));
        let wish = wish(&object);
        self.show.command(&format!("kubectl apply --server-side -n {namespace} -f {NIGHT}.yaml   # {wish}"));
        self.show.detail(&self.apply_one(&object).await?);
        let number = self.bought(NIGHT).await?;
        self.get("np").await?;

        let ledger = sandbox.ledger();
        let asked: Vec<_> = ledger.of(Kind::Purchase).skip(1).collect();
        let [asked] = asked[..] else { anyhow::bail!("{} purchases were sent for {NIGHT}", asked.len()) };
        let unanswered = asked.applied && asked.status.is_none() && asked.number.as_ref() == Some(&number);
        ensure!(unanswered, "the purchase of {number} should have been made and not answered: {asked:?}");
        self.show.good(&format!(
            "one purchase was sent and never answered: {number} was found at the carrier, and nothing else bought"
        ));
        Ok(())
    }

    pub(super) async fn come_back(&self) -> Result<()> {
        let Stage { namespace, client, sandbox, .. } = self.stage;
        let numbers: Api<PhoneNumber> = Api::namespaced(client.clone(), namespace);
        let number = numbers.get(CITY).await?.status.and_then(|status| status.number).context("it has no number")?;
        self.show.command(&format!("kubectl delete -n {namespace} pn {CITY}"));
        numbers.delete(CITY, &DeleteParams::default()).await?;
        wait::gone::<PhoneNumber>(client, namespace, CITY).await?;
        let (claims, name) = (Api::<NumberClaim>::all(client.clone()), &number.as_str()[1..]);
        let rests = || async {
            let claim = claims.get_opt(name).await?;
            Ok(claim.is_some_and(|claim| claim.spec.holder.is_none()))
        };
        ensure!(wait::patiently(rests).await?, "the claim of {number} is not unheld");
        self.get(&format!("nc {name}")).await?;
        for field in WEBHOOKS {
            let value = sandbox.field(number.as_str(), field).unwrap_or_default();
            ensure!(value.is_empty(), "{field} of {number} is still {value}");
        }
        self.show.good(&format!("{number} has no route and is still owned; its claim is unheld"));

        self.show.command(&format!("kubectl apply --server-side -n {namespace} -f examples/40-purchase.yaml"));
        self.show.detail(&self.apply_one(&examples::purchase()?).await?);
        let again = self.owned(CITY).await?.0;
        ensure!(again == number.as_str(), "{number} was bought for {CITY}, and now it has {again}");
        self.get(&format!("pn {CITY}")).await?;
        ensure!(sandbox.ledger().of(Kind::Purchase).count() == 2, "{CITY} was bought again");
        self.show.good("the same number, without approval: nothing is bought");
        Ok(())
    }

    pub(super) async fn hold(&self) -> Result<()> {
        let Stage { namespace, client, sandbox, telnyx, .. } = self.stage;
        let named = json!({"name": TELNYX});
        let objects = [
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": named, "stringData": {"apiKey": telnyx.auth_token},
            }),
            json!({
                "apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": named,
                "spec": {"telnyx": {}, "credentialsRef": named, "endpoint": sandbox.url()},
            }),
            purchase(HELPLINE, TELNYX, AGENT, json!({"approval": "Manual"})),
        ];
        let wish = wish(&objects[2]);
        self.show.command(&format!("kubectl apply --server-side -n {namespace} -f {TELNYX}.yaml   # {wish}"));
        for object in &objects {
            self.show.detail(&self.apply_one(object).await?);
        }
        let offer = self.approve(HELPLINE).await?;
        let number = self.owned(HELPLINE).await?.0;
        ensure!(number == offer, "{offer} was approved, and {number} was bought");
        let (holds, orders) =
            (sandbox.ledger().of(Kind::Hold).count(), sandbox.ledger().of(Kind::Purchase).count() - 2);
        ensure!((holds, orders) == (1, 1), "{holds} holds and {orders} orders for one number");
        self.call_to(HELPLINE, &number, "v1").await?;
        let agent: Agent = Api::namespaced(client.clone(), namespace).get(AGENT).await?;
        let shared = agent.status.unwrap_or_default().shared_routes;
        ensure!(shared.iter().any(|shared| shared.version.as_deref() == Some("v1")), "{AGENT} shares nothing");
        self.show
            .good("held, then bought; its webhooks are shared by the agent's numbers, and publishing is one request");
        Ok(())
    }

    pub(super) async fn ledger(&self) -> Result<()> {
        let sandbox = &self.stage.sandbox;
        let (sum, calls) = (sandbox.summary(), sandbox.ledger().of(Kind::Purchase).count());
        self.show.detail(&format!(
            "purchases {}   releases {}   writes {} ({} idle)   searches {}   lists {}   reads {}   requests {}",
            sum.purchases, sum.releases, sum.writes, sum.idle_writes, sum.searches, sum.lists, sum.reads, sum.requests
        ));
        let claims = Api::<NumberClaim>::all(self.stage.client.clone()).list(&ListParams::default()).await?;
        let claims: Vec<NumberClaim> = claims.items.into_iter().filter(|claim| claim.spec.purchase.is_some()).collect();
        for (number, times) in &sum.purchases_by_number {
            let claim = claims.iter().find(|claim| claim.spec.number.as_str() == number);
            let holder = claim
                .and_then(|claim| claim.spec.holder.as_ref())
                .with_context(|| format!("{number} was bought and nobody holds its claim"))?;
            ensure!(*times == 1, "{number} was bought {times} times");
            self.show.detail(&format!("{number}   bought once, for {}/{}", holder.namespace, holder.name));
        }
        let claimed: BTreeSet<&str> = claims.iter().map(|claim| claim.spec.number.as_str()).collect();
        let bought: BTreeSet<&str> = sum.purchases_by_number.keys().map(String::as_str).collect();
        ensure!(claimed == bought, "{bought:?} were bought, and {claimed:?} are claimed as bought");
        ensure!((sum.purchases, calls) == (4, 4), "{} purchases were made by {calls} calls", sum.purchases);
        ensure!(sum.releases == 0, "numbers were released");
        self.show.good("four purchases were sent in all, for four numbers; none was released");
        Ok(())
    }

    /// Waits until an object asks, and says yes to what it shows.
    async fn approve(&self, name: &str) -> Result<String> {
        let Stage { namespace, client, sandbox, .. } = self.stage;
        let before = sandbox.ledger().of(Kind::Purchase).count();
        let asks = |object: &Value| {
            condition(object, "Acquired").is_some_and(|acquired| acquired["reason"] == "AwaitingApproval")
        };
        let asking: PhoneNumber = wait::until(client, namespace, name, "a number to approve", asks).await?;
        let shown = json!(asking);
        let said = condition(&shown, "Acquired").and_then(|acquired| acquired["message"].as_str()).unwrap_or_default();
        self.show.detail(&format!("{name}: {said}"));
        let offer = asking.status.and_then(|status| status.offer).context("status.offer is empty")?.number.to_string();
        ensure!(sandbox.ledger().of(Kind::Purchase).count() == before, "it was bought before approval");
        self.show.command(&format!("kubectl annotate -n {namespace} pn {name} {APPROVE}='{offer}'"));
        self.merge::<PhoneNumber>(name, &json!({"metadata": {"annotations": {APPROVE: offer}}})).await?;
        Ok(offer)
    }

    /// Waits until an object has bought its number, and shows that at the carrier.
    pub(super) async fn bought(&self, name: &str) -> Result<String> {
        let (number, object) = self.owned(name).await?;
        let status = object.status.unwrap_or_default();
        let price = status.price.unwrap_or_default();
        let monthly = price.monthly.context("its price is not known")?;
        let limit = object.spec.purchase.and_then(|purchase| purchase.max_monthly_price);
        ensure!(limit.is_none_or(|most| monthly <= most), "{number} costs {monthly} a month, more than {limit:?}");
        let marker = self.stage.sandbox.field(&number, "friendly_name").unwrap_or_default();
        ensure!(marker.starts_with("dp1:demo:"), "{number} has no marker but {marker:?}");
        self.show.detail(&format!(
            "at the carrier: {number} friendly_name={marker:?}, {monthly} {} a month",
            price.currency.unwrap_or_default()
        ));
        Ok(number)
    }

    /// Waits until an object has a number that was bought, and reaches its agent.
    async fn owned(&self, name: &str) -> Result<(String, PhoneNumber)> {
        let Stage { namespace, client, .. } = self.stage;
        let what = format!("the number of {name}");
        let ready = |object: &Value| is(object, "Ready", "True");
        let object: PhoneNumber = wait::until(client, namespace, name, &what, ready).await?;
        let status = object.status.clone().unwrap_or_default();
        ensure!(status.acquisition == Some(Acquisition::Purchased), "{name} has the number {:?}", status.acquisition);
        Ok((status.number.context("it is ready without a number")?.to_string(), object))
    }
}

/// A PhoneNumber that buys a number in 415 for an agent; `over` is laid over that.
pub(super) fn purchase(name: &str, account: &str, agent: &str, over: Value) -> Value {
    let mut purchase = json!({"search": {"country": "US", "areaCode": "415"}, "maxMonthlyPrice": "2.00"});
    if let (Some(purchase), Value::Object(over)) = (purchase.as_object_mut(), over) {
        purchase.extend(over);
    }
    let spec = json!({"accountRef": {"name": account}, "agentRef": {"name": agent}, "purchase": purchase});
    json!({"apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": name}, "spec": spec})
}

/// What a manifest wants to buy, for people.
pub(super) fn wish(object: &Value) -> String {
    let purchase = &object["spec"]["purchase"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let asks = if purchase["approval"] == "Manual" { "after approval" } else { "without approval" };
    format!(
        "a number in {}, for at most {} a month, {asks}",
        text(&purchase["search"]["areaCode"]),
        text(&purchase["maxMonthlyPrice"])
    )
}
