//! What a number costs the operator as the fleet grows: processor time, memory, and how many objects its passes read.
//!
//! `DIALPLANE_GROWTH=1000,10000,40000 cargo test --release --test all figures::growth -- --nocapture` prints one line for each size: processor
//! time and memory are those of a process of its own, to which nothing is held. How many objects it read is held to, at sizes that fit.

use super::*;

/// What an operator used while it imported.
#[derive(Debug)]
struct Used {
    /// Objects that passes took from the caches, for each number.
    reads: f64,
    /// Processor time for each number.
    cpu: Duration,
    /// Resident memory beyond that of an operator of an empty cluster, for each number, in bytes.
    bytes: u64,
    /// The same after a restart.
    restarted: u64,
    /// The memory of an operator of an empty cluster, in bytes.
    empty: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_a_large_fleet_costs_no_more_than_one_of_a_small() {
    let _alone = HEAVY.lock().await;
    let sizes = std::env::var("DIALPLANE_GROWTH").unwrap_or_else(|_| "100,800".to_owned());
    let mut all = Vec::new();
    for size in sizes.split(',').map(|size| size.trim().parse().unwrap()) {
        let used = import(size).await;
        println!(
            "{size} numbers: for each {:.1} objects read, {:.2} ms of processor time, {:.1} kB, {:.1} kB after a restart; {:.1} MB without any",
            used.reads,
            used.cpu.as_secs_f64() * 1e3,
            used.bytes as f64 / 1e3,
            used.restarted as f64 / 1e3,
            used.empty as f64 / 1e6
        );
        all.push(used);
    }
    for pair in all.windows(2) {
        assert!(pair[1].reads <= 1.2 * pair[0].reads, "{pair:?}");
    }
}

/// Has so many numbers imported by an operator that finds them there.
async fn import(count: usize) -> Used {
    let stage = Stage::owning(count).await;
    let dir = tempfile::tempdir().unwrap();
    let process = async || {
        let operator = stage.process(dir.path()).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        operator
    };
    let operator = process().await;
    let empty = resident(operator.pid());
    operator.kill();

    let operator = stage.operator().await;
    stage.prepare().await;
    operator.stop().await;
    let operator = process().await;
    let cpu = cpu(operator.pid());
    let reads = reads(&operator).await;

    stage.create_numbers("n", 0).await;
    stage.routed_to("v1").await;
    stage.counted("v1").await;
    let each = |pid: u32| resident(pid).saturating_sub(empty) / count as u64;
    let reads = (self::reads(&operator).await - reads) as f64 / count as f64;
    let cpu = (self::cpu(operator.pid()) - cpu) / u32::try_from(count).unwrap();
    let bytes = each(operator.pid());
    operator.kill();

    let operator = process().await;
    eventually("nothing is queued", async || is_idle(&operator.get("/metrics").await?.1).then_some(())).await;
    let restarted = each(operator.pid());
    let ledger = stage.sandbox.ledger();
    assert_eq!((ledger.writes(), ledger.purchases(), ledger.releases()), (count, 0, 0));
    Used { reads, cpu, bytes, restarted, empty }
}

/// Whether nothing is queued or being reconciled, by a page of an operator's metrics.
pub(super) fn is_idle(page: &str) -> bool {
    let lengths: Vec<_> = page.lines().filter(|line| line.starts_with("dialplane_queue_length{")).collect();
    !lengths.is_empty() && lengths.iter().all(|line| line.ends_with(" 0"))
}

/// How many objects its passes have taken from the caches.
async fn reads(operator: &process::Operator) -> u64 {
    let (_, page) = operator.get("/metrics").await.unwrap();
    let value = page.lines().find_map(|line| line.strip_prefix("dialplane_cache_reads_total "));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Processor time of a process so far. See proc(5): the clock ticks a hundred times a second.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

/// Resident memory of a process, in bytes.
pub(super) fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    1024 * kilobytes.unwrap().trim().parse::<u64>().unwrap()
}
