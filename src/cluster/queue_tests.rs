//! The order of work, in sentences. A key is `lane/name`, and time is paused.

use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use super::Priority::{Background, Urgent};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A queue at work on one-second tasks, and a log of what began when: `at 0 a/1`.
struct Bench {
    queue: Arc<Queue<&'static str>>,
    log: Arc<Mutex<Vec<String>>>,
    begun: Instant,
    token: CancellationToken,
}

impl Bench {
    fn new(width: usize) -> Self {
        let queue = Arc::new(Queue::new(width, |key: &&str| Lane::from(key.split('/').next().unwrap())));
        Self { queue, log: Arc::default(), begun: Instant::now(), token: CancellationToken::new() }
    }

    /// Runs tasks that take a second and answer `again` the first time, nothing later.
    fn run(&self, again: Option<Duration>) -> JoinHandle<()> {
        let (log, begun) = (self.log.clone(), self.begun);
        let again = Arc::new(Mutex::new(again));
        self.run_with(move |key| {
            let (log, again) = (log.clone(), again.clone());
            async move {
                log.lock().unwrap().push(format!("at {} {key}", begun.elapsed().as_secs()));
                sleep(SECOND).await;
                again.lock().unwrap().take()
            }
        })
    }

    fn run_with<F: Future<Output = Option<Duration>> + Send + 'static>(
        &self,
        work: impl Fn(&'static str) -> F + Send + Sync + 'static,
    ) -> JoinHandle<()> {
        tokio::spawn(self.queue.clone().run(self.token.clone(), work))
    }

    fn add(&self, priority: Priority, keys: &[&'static str]) {
        keys.iter().for_each(|key| self.queue.add(key, priority));
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_lane_go_in_the_order_in_which_they_came() {
    let bench = Bench::new(1);
    bench.add(Background, &["a/1", "a/2", "a/3"]);
    bench.run(None);
    sleep(SECOND * 9).await;
    assert_eq!(bench.log(), ["at 0 a/1", "at 1 a/2", "at 2 a/3"]);
}

#[tokio::test(start_paused = true)]
async fn an_edit_goes_before_a_resync() {
    let bench = Bench::new(1);
    bench.add(Background, &["a/1", "a/2"]);
    bench.add(Urgent, &["a/3"]);
    bench.run(None);
    sleep(SECOND * 9).await;
    assert_eq!(bench.log(), ["at 0 a/3", "at 1 a/1", "at 2 a/2"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_waits_already_is_moved_up_by_an_edit_and_not_down_by_a_resync() {
    let bench = Bench::new(1);
    bench.add(Background, &["a/1", "a/2"]);
    bench.add(Urgent, &["a/2"]);
    bench.add(Background, &["a/2", "a/1"]);
    assert_eq!(bench.queue.len(), 2);
    bench.run(None);
    sleep(SECOND * 9).await;
    assert_eq!(bench.log(), ["at 0 a/2", "at 1 a/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_added_while_it_is_worked_on_runs_once_more_afterwards() {
    let bench = Bench::new(8);
    bench.add(Urgent, &["a/1"]);
    bench.run(None);
    sleep(SECOND / 2).await;
    bench.add(Background, &["a/1"]);
    bench.add(Urgent, &["a/1", "a/1"]);
    sleep(SECOND * 9).await;
    assert_eq!(bench.log(), ["at 0 a/1", "at 1 a/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_does_not_delay_another() {
    let bench = Bench::new(2);
    bench.run(None);
    bench.add(Urgent, &["a/1", "a/2", "a/3", "a/4"]);
    sleep(SECOND / 2).await;
    bench.add(Background, &["b/1"]);
    sleep(SECOND * 9).await;
    assert_eq!(bench.log(), ["at 0 a/1", "at 0 a/2", "at 0 b/1", "at 1 a/3", "at 1 a/4"]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_hangs_holds_up_nobody_but_itself() {
    let bench = Bench::new(1);
    bench.run_with(|key| async move { if key == "a/1" { std::future::pending().await } else { Some(SECOND) } });
    bench.add(Urgent, &["a/1", "a/2", "b/1"]);
    sleep(SECOND * 9).await;
    let lanes: HashMap<_, _> = bench.queue.lanes().into_iter().collect();
    assert_eq!(lanes["a"], Length { waiting: 1, running: 1 });
    assert!(!lanes.contains_key("b"), "b comes and goes");
}

#[tokio::test(start_paused = true)]
async fn lanes_take_turns() {
    let bench = Bench::new(4);
    bench.add(Urgent, &["a/1", "a/2", "a/3", "b/1", "b/2", "c/1"]);
    bench.run(None);
    sleep(SECOND / 2).await;
    assert_eq!(bench.log(), ["a/1", "b/1", "c/1", "a/2", "b/2", "a/3"].map(|key| format!("at 0 {key}")));
}

#[tokio::test(start_paused = true)]
async fn a_lane_with_nothing_to_do_is_forgotten_also_when_its_key_moved_up() {
    let bench = Bench::new(1);
    bench.add(Background, &["a/1"]);
    bench.add(Urgent, &["a/1"]);
    let token = bench.token.clone();
    let run = bench.run(None);
    sleep(SECOND * 2).await;
    assert!(bench.queue.lanes().is_empty() && bench.queue.state().turns.iter().all(VecDeque::is_empty));
    token.cancel();
    run.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_later_time_comes_when_it_comes() {
    let bench = Bench::new(1);
    bench.run(None);
    bench.queue.add_after("a/1", SECOND * 5);
    assert!(bench.queue.is_empty());
    sleep(SECOND * 9).await;
    assert_eq!(bench.log(), ["at 5 a/1"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_times_the_earlier_counts() {
    let bench = Bench::new(1);
    bench.run(None);
    bench.queue.add_after("a/1", SECOND * 5);
    bench.queue.add_after("a/1", SECOND * 3);
    bench.queue.add_after("a/1", SECOND * 7);
    sleep(SECOND * 19).await;
    assert_eq!(bench.log(), ["at 3 a/1"]);
}

#[tokio::test(start_paused = true)]
async fn adding_now_drops_the_later_time() {
    let bench = Bench::new(1);
    bench.run(None);
    bench.queue.add_after("a/1", SECOND * 5);
    bench.add(Background, &["a/1"]);
    bench.queue.add_after("a/1", SECOND * 4);
    sleep(SECOND * 19).await;
    assert_eq!(bench.log(), ["at 0 a/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_time_that_comes_during_the_work_is_not_lost() {
    let bench = Bench::new(1);
    bench.add(Urgent, &["a/1"]);
    bench.run(Some(SECOND * 30));
    sleep(SECOND / 2).await;
    bench.queue.add_after("a/1", SECOND / 4);
    bench.add(Urgent, &["a/2"]);
    sleep(SECOND * 9).await;
    assert_eq!(bench.log(), ["at 0 a/1", "at 1 a/2", "at 2 a/1"]);
}

#[tokio::test(start_paused = true)]
async fn work_that_asks_for_it_is_done_again_after_that_time() {
    let bench = Bench::new(1);
    bench.add(Urgent, &["a/1"]);
    bench.run(Some(SECOND * 4));
    sleep(SECOND * 9).await;
    assert_eq!(bench.log(), ["at 0 a/1", "at 5 a/1"]);
}

#[tokio::test(start_paused = true)]
async fn work_to_be_done_again_at_once_goes_behind_edits_and_before_a_resync() {
    let bench = Bench::new(1);
    bench.add(Urgent, &["a/1", "a/2"]);
    bench.add(Background, &["a/3"]);
    bench.run(Some(Duration::ZERO));
    sleep(SECOND * 9).await;
    assert_eq!(bench.log(), ["at 0 a/1", "at 1 a/2", "at 2 a/1", "at 3 a/3"]);
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_harms_nobody_and_is_tried_again() {
    let bench = Bench::new(1);
    let log = bench.log.clone();
    let begun = bench.begun;
    bench.run_with(move |key| {
        log.lock().unwrap().push(format!("at {} {key}", begun.elapsed().as_secs()));
        // Outside of the future first, inside of it later.
        assert!(begun.elapsed() > SECOND, "before the first await");
        async move { if begun.elapsed() > SECOND * 15 { None } else { panic!("inside of {key}") } }
    });
    bench.add(Urgent, &["a/1"]);
    sleep(SECOND * 99).await;
    assert_eq!(bench.log(), ["at 0 a/1", "at 10 a/1", "at 20 a/1"]);
}

#[tokio::test(start_paused = true)]
async fn cancelling_starts_nothing_more_and_waits_for_what_has_begun() {
    let bench = Bench::new(1);
    bench.add(Urgent, &["a/1", "a/2"]);
    let run = bench.run(Some(Duration::ZERO));
    sleep(SECOND / 2).await;
    bench.token.cancel();
    run.await.unwrap();
    assert_eq!(bench.begun.elapsed(), SECOND);
    assert_eq!(bench.log(), ["at 0 a/1"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_added_before_the_work_began_is_not_lost() {
    let bench = Bench::new(1);
    bench.add(Urgent, &["a/1"]);
    bench.queue.add_after("b/1", SECOND);
    advance(SECOND * 2).await;
    bench.run(None);
    sleep(SECOND * 9).await;
    assert_eq!(bench.log(), ["at 2 a/1", "at 2 b/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_done_keeps_nothing() {
    let bench = Bench::new(2);
    bench.run(Some(SECOND));
    bench.add(Urgent, &["a/1", "a/2", "b/1"]);
    bench.add(Background, &["a/1", "c/1"]);
    sleep(SECOND * 30).await;
    let state = bench.queue.state();
    assert!(state.waiting.is_empty() && state.running.is_empty() && state.timers.is_empty() && state.due.is_empty());
    assert!(state.lanes.is_empty() && state.turns.iter().all(VecDeque::is_empty));
}
