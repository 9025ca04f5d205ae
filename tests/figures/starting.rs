//! How long it takes from `helm install` to the first number, and from a start to a fleet that is looked after again.
//!
//! `DIALPLANE_STARTS=0,1000,10000 cargo test --release --test all figures::starting -- --nocapture` prints one line for the first number and one
//! for each size. Nothing is held to a time: a start over a fleet that is as wanted is held to writing nothing for a number.

use std::process::Command;

use super::{
    growth::{is_idle, resident},
    *,
};
use crate::support::{chart, cli};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_installation_to_the_first_number() {
    let _alone = HEAVY.lock().await;
    let plane = ControlPlane::start(binaries()).await.unwrap();
    let sandbox = Sandbox::start(SandboxConfig::default()).unwrap();
    sandbox.seed_number(&number(0)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let access = dir.path().join("kubeconfig");
    let begin = Instant::now();
    let mut helm = Command::new(cli::helm());
    helm.args(["install", "dialplane", chart::CHART, "--namespace", chart::NAMESPACE, "--create-namespace"]);
    let output = helm.env("KUBECONFIG", plane.kubeconfig_path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let installed = begin.elapsed();
    let config = kubeconfig::for_service_account(plane.kubeconfig(), chart::NAMESPACE, "dialplane").await.unwrap();
    kubeconfig::write(&config, &access).unwrap();
    let flags = ["--allow-endpoint", sandbox.url()];
    let operator = process::Operator::start_logging("warn", &access, dir.path(), "first", &flags);
    operator.leads().await;
    let leads = begin.elapsed();
    let client = plane.client().await.unwrap();
    create(Api::<Namespace>::all(client.clone()), json!({"metadata": {"name": NAMESPACE}})).await;
    let stage = Stage { plane, client, sandbox, count: 1, first: Default::default() };
    stage.prepare().await;
    stage.create_numbers("n", 0).await;
    let numbers = stage.api::<PhoneNumber>();
    eventually("it is ready", || async {
        let conditions = numbers.get("n0").await.ok()?.status?.conditions;
        conditions.iter().any(|c| c.type_() == "Ready" && c.status() == "True").then_some(())
    })
    .await;
    println!(
        "helm install took {installed:.2?}, the operator leads after {leads:.2?}, and the first number is Ready after {:.2?}",
        begin.elapsed()
    );
    let ledger = stage.sandbox.ledger();
    assert_eq!((ledger.writes(), ledger.purchases(), ledger.releases()), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_over_a_fleet_writes_nothing_for_its_numbers() {
    let _alone = HEAVY.lock().await;
    let sizes = std::env::var("DIALPLANE_STARTS").unwrap_or_else(|_| "0,100".to_owned());
    for size in sizes.split(',').map(|size| size.trim().parse().unwrap()) {
        start(size).await;
    }
}

/// Starts an operator over so many numbers that another one has imported.
async fn start(count: usize) {
    let stage = Stage::owning(count).await;
    let before = stage.operator().await;
    stage.prepare().await;
    stage.create_numbers("n", 0).await;
    stage.routed_to("v1").await;
    stage.counted("v1").await;
    before.stop().await;
    stage.sandbox.reset_ledger();
    let writes = stage.writes();

    let dir = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let operator = stage.process(dir.path()).await;
    let ready = begin.elapsed();
    eventually("the account is listed and the queue is empty", || async {
        let (_, page) = operator.get("/metrics").await?;
        let is_listed = page.lines().any(|line| line.starts_with("dialplane_last_scan_timestamp_seconds{"));
        (is_idle(&page) && is_listed).then_some(())
    })
    .await;
    println!(
        "{count} numbers: ready after {ready:.2?}, all looked at after {:.2?}, {:.1} MB",
        begin.elapsed(),
        resident(operator.pid()) as f64 / 1e6
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (cost, ledger) = (stage.cost_since(&writes), stage.sandbox.ledger());
    assert_eq!((ledger.writes(), ledger.purchases(), ledger.releases()), (0, 0, 0));
    assert_eq!((cost.claims, cost.numbers, cost.journals), (0, 0, 0), "{cost}");
}
