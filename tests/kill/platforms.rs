//! The operator dies while a platform is to answer a number: before it sends, and when it was done and nobody is told. Whoever comes next
//! finishes it, by no more than was lost.

use dialplane::sandbox::carrier::NumberSeed;

use super::*;

/// Nobody waits for the end of a Lease, nor long for what was sent.
const FLAGS: [&str; 2] = ["--leader-elect=false", "--settling-time=3s"];
const NIXFLEX: &str = "nixflex";
const FLOWYTE: &str = "flowyte";
/// An Agent that the second platform hosts.
const RECEPTION: &str = "reception";

/// Where a number is put on a platform and taken off it, where its own webhooks are set, and where an agent is published and put on it.
const ON_OR_OFF: &str = "/v1/phone-numbers";
const OFF: &str = "/v1/phone-numbers/";
const WEBHOOKS: &str = "/IncomingPhoneNumbers/";
const PUBLISHED: &str = "/publish";
const ASSIGNED: &str = "/assign";

/// Before the write is sent, and when it was done and nobody is told.
fn around(path: &'static str) -> [Pass; 2] {
    [Pass::Answered(0, path), Pass::Severed(0, path)]
}

impl Site {
    /// Dies at each of `deaths`, one life after the other, while `change` is made; the last one goes on.
    async fn survives(&self, mut operator: Operator, deaths: &[Pass], change: impl Future) -> Operator {
        self.gate.set(deaths[0]);
        change.await;
        for (death, next) in std::iter::zip(deaths, deaths[1..].iter().chain([&Pass::Everything])) {
            eventually(&format!("{death:?}"), || async { self.gate.is_reached().then_some(()) }).await;
            operator.kill();
            self.gate.set(*next);
            operator = self.start("mortal", &FLAGS);
        }
        operator
    }

    /// An account at a platform or a carrier, of this key and with this beside it.
    async fn open(&self, name: &str, key: String, endpoint: String) {
        let named = json!({"name": name});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": named, "stringData": {"apiKey": key}});
        self.scene.apply::<Secret>(secret).await;
        let spec = json!({(name): {}, "credentialsRef": named, "endpoint": endpoint, "scanInterval": "2s"});
        let account = json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": named, "spec": spec,
        });
        self.scene.apply::<CarrierAccount>(account).await;
    }

    /// An account at Nixflex, to which the numbers' account lends, with two agents.
    async fn open_nixflex(&self) -> [String; 2] {
        let sandbox = &self.scene.sandbox;
        let key = sandbox.add_nixflex_key().unwrap();
        let agents =
            ["Front desk", "Night desk"].map(|name| sandbox.add_nixflex_agent(&key.account_sid, name).unwrap());
        let api_key = format!("{}:{}", key.account_sid, key.auth_token);
        self.open(NIXFLEX, api_key, format!("{}/nixflex", self.carrier)).await;
        self.scene.account(json!({"endpoint": &self.carrier, "lendTo": [{"name": NIXFLEX}]})).await;
        agents
    }

    /// An account at Flowyte with an agent that nobody has published, and a number.
    async fn open_flowyte(&self) -> (String, String) {
        let sandbox = &self.scene.sandbox;
        let seed = AccountSeed { carrier: Dialect::Flowyte, ..AccountSeed::default() };
        let organization = sandbox.add_account(seed).unwrap();
        let agent = sandbox.add_agent(&organization.account_sid, RECEPTION, json!({"greeting": "one"})).unwrap();
        let (number, account) = (crate::support::scene::fresh(), Some(organization.account_sid));
        sandbox.seed(NumberSeed { number: number.clone(), account, ..NumberSeed::default() }).unwrap();
        self.open(FLOWYTE, organization.auth_token, format!("{}/flowyte", self.carrier)).await;
        (agent, number)
    }

    /// Publishes a version that the platform's agent answers, or webhooks where there is none.
    async fn answers(&self, version: &str, agent: Option<&str>) {
        let hosted = agent.map(|agent| json!([{"accountRef": {"name": NIXFLEX}, "agentId": agent}]));
        self.scene.agent_with("engine.example.com", Some(version), json!({"draft": {"hosted": hosted}})).await;
    }

    /// The same of the Agent that Flowyte hosts.
    async fn receives(&self, version: &str, agent: &str) {
        let hosted = json!([{"accountRef": {"name": FLOWYTE}, "agentId": agent}]);
        let object = json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "Agent", "metadata": {"name": RECEPTION},
            "spec": {"draft": {"hosted": hosted}, "version": version},
        });
        self.scene.apply::<Agent>(object).await;
    }

    /// Returns once this version is reached, and its agent or its webhooks answer; its one object holds the number.
    async fn is_answered(&self, name: &str, number: &str, version: &str, agent: Option<&str>) {
        let reached = |value: Option<String>| (value.as_deref() == agent).then_some(());
        eventually(&format!("{version} answers"), || async {
            self.is_ready(name).await?;
            let route = self.scene.get::<PhoneNumber>(name).await?.status?.route?;
            (route.version == version).then_some(())?;
            let placed = self.scene.sandbox.call("+14155550199", number).await;
            reached(placed.hosted.map(|hosted| hosted.agent))
        })
        .await;
        let is_webhook = self.scene.voice_url(number) == Self::url(version);
        assert_eq!(is_webhook, agent.is_none(), "{}", self.scene.voice_url(number));
        assert_eq!(self.claimed().await, self.managed().await);
    }

    /// How many requests of a kind were applied.
    fn applied(&self, kind: Kind) -> usize {
        self.scene.sandbox.ledger().of(kind).filter(|entry| entry.applied).count()
    }

    fn imports_and_ends(&self) -> (usize, usize) {
        (self.applied(Kind::Attach), self.applied(Kind::Detach))
    }

    /// Everything is as it should be once nothing is left to do.
    async fn ends_well(&self) {
        self.comes_to_rest().await;
        let ledger = self.scene.sandbox.ledger();
        assert_eq!((ledger.purchases(), ledger.releases()), (0, 0));
        self.was_never_refused();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_platform_takes_or_loses_a_number_it_still_ends_with_one_answer() {
    let site = Site::new().await;
    let scene = &site.scene;
    let [front, night] = site.open_nixflex().await;
    let number = scene.owned();
    site.answers("v2", Some(&front)).await;
    let operator = site.start("mortal", &FLAGS);
    let import = scene.phone_number("n0", &number, json!({}));
    let mut operator = site.survives(operator, &around(ON_OR_OFF), import).await;
    site.is_answered("n0", &number, "v2", Some(&front)).await;
    assert_eq!(site.imports_and_ends(), (1, 0));

    // Another agent; webhooks; back again.
    let moves = [around(OFF), around(ON_OR_OFF)].concat();
    let leaves = [around(OFF), around(WEBHOOKS)].concat();
    let steps = [
        ("v3", Some(&night), &moves[..], (2, 1)),
        ("v4", None, &leaves, (2, 2)),
        ("v5", Some(&front), &around(ON_OR_OFF), (3, 2)),
    ];
    for (version, agent, deaths, imports_and_ends) in steps {
        let agent = agent.map(String::as_str);
        operator = site.survives(operator, deaths, site.answers(version, agent)).await;
        site.is_answered("n0", &number, version, agent).await;
        assert_eq!(site.imports_and_ends(), imports_and_ends, "{version}: what was done is not done again");
    }
    // What was sent of the number's route before the last death is waited for once.
    operator = site.survives(operator, &around(OFF), scene.delete::<PhoneNumber>("n0")).await;
    scene.gone::<PhoneNumber>("n0").await;
    scene.unclaimed(&number).await;
    assert_eq!((site.imports_and_ends(), scene.sandbox.nixflex_row(&number)), ((3, 3), None));
    assert!(scene.sandbox.number(&number).is_some(), "the number is still ours");
    assert_eq!(scene.voice_url(&number), "");
    site.ends_well().await;
    operator.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_publishes_and_assigns_it_still_publishes_each_version_once() {
    let site = Site::new().await;
    let scene = &site.scene;
    let (agent, number) = site.open_flowyte().await;
    let mut operator = site.start("mortal", &FLAGS);
    for (i, version) in ["v1", "v2"].into_iter().enumerate() {
        scene.sandbox.edit_agent(&agent, json!({"greeting": version})).unwrap();
        operator = site.survives(operator, &around(PUBLISHED), site.receives(version, &agent)).await;
        eventually("it is published", || async {
            let entry = scene.get::<Agent>(RECEPTION).await?.status?.shared_routes.pop()?;
            (entry.version? == version).then_some(())
        })
        .await;
        assert_eq!((site.applied(Kind::Publish), scene.sandbox.agent_versions(&agent).len()), (i + 1, i + 1));
    }
    let assigned = |agent: Option<&str>| {
        let agent = agent.map(|name| json!({"name": name}));
        scene.phone_number("n", &number, json!({"accountRef": {"name": FLOWYTE}, "agentRef": agent}))
    };
    operator = site.survives(operator, &around(ASSIGNED), assigned(Some(RECEPTION))).await;
    site.is_answered("n", &number, "v2", Some(&agent)).await;
    assert_eq!(scene.writes_to(&number), 1);
    operator = site.survives(operator, &around(ASSIGNED), assigned(None)).await;
    eventually("it is off", || async {
        let agent = scene.sandbox.assigned_agent(&number);
        agent.is_none_or(|agent| agent.is_empty()).then_some(())
    })
    .await;
    site.ends_well().await;
    let published = (site.applied(Kind::Publish), site.applied(Kind::Rollback));
    assert_eq!((published, scene.writes_to(&number)), ((2, 0), 2));
    operator.kill();
}
