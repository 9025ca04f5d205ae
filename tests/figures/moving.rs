//! What it takes to move a fleet from one agent of a platform to another: the platform allows so many writes a minute, and callers reach
//! nothing while a number is off.
//!
//! `DIALPLANE_MOVES=200 cargo test --release --test all figures::moving -- --nocapture` gives the figure at full size, in about four minutes:
//! how long it took beside what the platform's writes a minute allow, to which nothing is held.

use std::collections::BTreeSet;

use dialplane::sandbox::carrier::Entry;

use super::*;

const PLATFORM: &str = "nixflex";
/// docs/carriers/nixflex.md, section 5.
const WRITES_A_MINUTE: u32 = 120;
/// `limits.concurrency` of the platform's account.
const CONCURRENCY: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_moved_by_one_delete_and_one_import_and_few_are_without_an_agent_at_once() {
    let _alone = HEAVY.lock().await;
    let stage = Stage::owning(std::env::var("DIALPLANE_MOVES").map_or(20, |n| n.parse().unwrap())).await;
    stage.sandbox.switch(|switches| {
        (switches.nixflex.enforce_rates, switches.nixflex.writes_per_minute) = (true, WRITES_A_MINUTE);
    });
    let operator = stage.operator().await;
    stage.prepare().await;
    let [old, new] = stage.prepare_platform().await;
    stage.answered_by("v2", &old).await;
    stage.create_numbers("n", 0).await;
    stage.routed("v2", |_| usize::MAX).await;

    stage.sandbox.reset_ledger();
    let begin = Timestamp::now();
    stage.answered_by("v3", &new).await;
    for moved in 1..=stage.count {
        eventually("one more is moved", || async { (stage.applied(Kind::Attach) >= moved).then_some(()) }).await;
    }
    stage.routed("v3", |_| usize::MAX).await;
    operator.stop().await;

    let (count, ledger) = (stage.count, stage.sandbox.ledger());
    let last = ledger.of(Kind::Attach).last().unwrap().at_ms;
    let took = Duration::from_millis((last - begin.as_millisecond()).unsigned_abs());
    let allowed = Duration::from_secs(60) * u32::try_from(2 * count).unwrap() / WRITES_A_MINUTE;
    let most = most_without_an_agent(ledger.entries());
    let refused = ledger.entries().iter().filter(|entry| entry.status == Some(429)).count();
    println!(
        "{count} numbers moved: at most {most} without an agent at once, {refused} writes refused, {} lists",
        ledger.lists()
    );
    println!("moved in {took:.1?}: {:.3} times what the platform allows", took.as_secs_f64() / allowed.as_secs_f64());
    for i in 0..count {
        assert_eq!(while_off(ledger.entries(), &number(i)), [Kind::Detach, Kind::Attach], "n{i}");
    }
    assert_eq!((stage.applied(Kind::Detach), stage.applied(Kind::Attach), refused), (count, count, 0));
    assert!(most <= CONCURRENCY, "{most} were without an agent at once");
    assert_eq!((ledger.purchases(), ledger.releases()), (0, 0));
}

/// What was asked about a number from its first end on the platform to its last beginning. What the platform does at the carrier for that is no
/// request of ours, and who gets the number's calls is looked at beside all of it.
fn while_off(entries: &[Entry], number: &str) -> Vec<Kind> {
    let about: Vec<Kind> = entries
        .iter()
        .filter(|entry| {
            entry.number.as_deref() == Some(number) && ![Kind::PlatformWrite, Kind::Look].contains(&entry.kind)
        })
        .map(|entry| entry.kind)
        .collect();
    let from = about.iter().position(|kind| *kind == Kind::Detach).unwrap();
    let to = about.iter().rposition(|kind| *kind == Kind::Attach).unwrap();
    about[from..=to].to_vec()
}

/// How many numbers were off the platform at once, at most.
fn most_without_an_agent(entries: &[Entry]) -> usize {
    let mut off = BTreeSet::new();
    let counts = entries.iter().filter(|entry| entry.applied).map(|entry| {
        match entry.kind {
            Kind::Detach => drop(off.insert(&entry.number)),
            Kind::Attach => drop(off.remove(&entry.number)),
            _ => {}
        }
        off.len()
    });
    counts.max().unwrap_or_default()
}

impl Stage {
    /// An open account of a platform, to which the numbers' account lends; one of its two agents answers all numbers already.
    async fn prepare_platform(&self) -> [String; 2] {
        let key = self.sandbox.add_nixflex_key().unwrap();
        let agents =
            ["Front desk", "Night desk"].map(|name| self.sandbox.add_nixflex_agent(&key.account_sid, name).unwrap());
        for i in 0..self.count {
            self.sandbox.nixflex_attach(&key.account_sid, &number(i), &agents[0]).unwrap();
        }
        let lending = json!({"spec": {"lendTo": [{"name": PLATFORM}]}});
        let accounts = self.api::<CarrierAccount>();
        accounts.patch("twilio", &PatchParams::default(), &Patch::Merge(&lending)).await.unwrap();
        let api_key = format!("{}:{}", key.account_sid, key.auth_token);
        create(self.api::<Secret>(), json!({"metadata": {"name": PLATFORM}, "stringData": {"apiKey": api_key}})).await;
        let spec = json!({
            "nixflex": {}, "credentialsRef": {"name": PLATFORM}, "endpoint": format!("{}/nixflex", self.sandbox.url()),
            "limits": {"concurrency": CONCURRENCY}, "scanInterval": "10m",
        });
        create(self.api::<CarrierAccount>(), json!({"metadata": {"name": PLATFORM}, "spec": spec})).await;
        eventually("the platform is open", || async { accounts.get(PLATFORM).await.ok()?.status?.identity }).await;
        agents
    }

    /// Publishes a version that this agent of the platform answers.
    async fn answered_by(&self, version: &str, agent: &str) {
        let hosted = json!([{"accountRef": {"name": PLATFORM}, "agentId": agent}]);
        let patch = json!({"spec": {"version": version, "draft": {"hosted": hosted}}});
        self.api::<Agent>().patch("dental", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    fn applied(&self, kind: Kind) -> usize {
        self.sandbox.ledger().of(kind).filter(|entry| entry.applied).count()
    }
}
