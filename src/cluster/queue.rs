//! What is to be looked at, and in which order. It starts the work and waits for it; what the work is, it does not know.
//!
//! Kube's controller has one queue for all: a fresh edit lands anywhere in a resync's backlog, and one account that
//! hangs holds up the others. Here every key belongs to a lane, lanes take turns and hold a bounded number of tasks
//! each, and an edit goes before what can wait. A key is never worked on twice at a time.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The keys that can hold each other up: those of one carrier account.
pub type Lane = Arc<str>;

/// How long a key rests after the work on it has panicked.
const AFTER_PANIC: Duration = Duration::from_secs(10);

/// What goes first within a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A resync, the follow-up of a scan, the next try: what nobody is waiting for just now.
    Background,
    /// An edit: somebody is looking.
    Urgent,
}

/// How many keys of a lane wait for their turn and how many are being worked on. Keys with a later time count in neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Length {
    pub waiting: usize,
    pub running: usize,
}

/// The queue of keys. Everything but `run` may be called from anywhere, at any time, and does not wait.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    /// Told of every change that may let `run` start something, or change when it has to look next.
    changed: Notify,
    lane_of: Box<dyn Fn(&T) -> Lane + Send + Sync>,
}

impl<T: Clone + Eq + Hash> Queue<T> {
    /// A queue that works on at most `width` keys of one lane at a time.
    ///
    /// `lane_of` is asked whenever a key begins to wait, and must not call the queue.
    pub fn new(width: usize, lane_of: impl Fn(&T) -> Lane + Send + Sync + 'static) -> Self {
        let state = State {
            width: width.max(1),
            next: 0,
            waiting: HashMap::new(),
            running: HashMap::new(),
            timers: HashMap::new(),
            due: BTreeMap::new(),
            lanes: HashMap::new(),
            turns: [VecDeque::new(), VecDeque::new()],
        };
        Self { state: Mutex::new(state), changed: Notify::new(), lane_of: Box::new(lane_of) }
    }

    /// Has `key` worked on as soon as its turn comes; after that, if it is being worked on now.
    ///
    /// A key that waits already waits once, with the higher of both priorities. Its later time, if it has one, is dropped.
    pub fn add(&self, key: T, priority: Priority) {
        let lane = (self.lane_of)(&key);
        self.state().add(key, priority, lane);
        self.changed.notify_one();
    }

    /// Has `key` worked on in the background `after` that time. Of two times the earlier one counts, and waiting
    /// already is earlier than any.
    pub fn add_after(&self, key: T, after: Duration) {
        self.state().add_at(key, Instant::now() + after);
        self.changed.notify_one();
    }

    /// How many keys wait for their turn, in all lanes.
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Whether no key waits for its turn. Some may be being worked on, or have a later time.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lanes that have anything to do, and how much.
    pub fn lanes(&self) -> Vec<(Lane, Length)> {
        let length =
            |lane: &LaneState<T>| Length { waiting: lane.ready.iter().map(BTreeMap::len).sum(), running: lane.running };
        self.state().lanes.iter().map(|(name, lane)| (name.clone(), length(lane))).collect()
    }

    /// Works on the keys, each in a task of its own, until `token` is cancelled; then starts nothing more and returns
    /// when the tasks under way have ended. None is aborted: what it is doing at a carrier must get its answer.
    ///
    /// `work` answers when the key is to be worked on again, if nothing happens before. At once (`ZERO`) means behind
    /// those that wait, with the priority that it had: an edit that takes several steps does not fall behind a resync.
    /// To be called once.
    pub async fn run<W, F>(self: Arc<Self>, token: CancellationToken, work: W)
    where
        T: fmt::Debug + Send + Sync + 'static,
        W: Fn(T) -> F + Send + Sync + 'static,
        F: Future<Output = Option<Duration>> + Send,
    {
        let (work, tasks) = (Arc::new(work), TaskTracker::new());
        while !token.is_cancelled() {
            let (keys, next) = self.take();
            for key in keys {
                let (queue, work) = (self.clone(), work.clone());
                tasks.spawn(async move {
                    // In the inner block, so that a panic before the first await is caught as well.
                    let done = AssertUnwindSafe(async { work(key.clone()).await }).catch_unwind().await;
                    let again = done.unwrap_or_else(|panic| {
                        let seconds = AFTER_PANIC.as_secs();
                        tracing::error!(
                            ?key,
                            panic = text(&*panic),
                            "this is a bug in Dialplane; retrying in {seconds} s"
                        );
                        Some(AFTER_PANIC)
                    });
                    queue.done(&key, again);
                });
            }
            tokio::select! {
                biased;
                () = token.cancelled() => break,
                () = self.changed.notified() => {}
                () = until(next) => {}
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// All keys that may be worked on now, marked as such, and when to look again at the latest.
    fn take(&self) -> (Vec<T>, Option<Instant>) {
        let mut state = self.state();
        for key in state.take_due(Instant::now()) {
            let lane = (self.lane_of)(&key);
            state.add(key, Priority::Background, lane);
        }
        let keys = std::iter::from_fn(|| state.start_next()).collect();
        (keys, state.due.first_key_value().map(|((at, _), _)| *at))
    }

    fn done(&self, key: &T, again: Option<Duration>) {
        let lane = (self.lane_of)(key);
        self.state().done(key, again, lane);
        self.changed.notify_one();
    }

    // Every step leaves the state whole, so a panic elsewhere is no reason to stop all work.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct State<T> {
    width: usize,
    /// The next number to tell apart what came earlier and what came later.
    next: u64,
    /// Where to find a waiting key: its lane, its priority, its number.
    waiting: HashMap<T, (Lane, Priority, u64)>,
    running: HashMap<T, Running>,
    /// Keys with a later time. A key is never here and in `waiting`.
    timers: HashMap<T, (Instant, u64)>,
    due: BTreeMap<(Instant, u64), T>,
    lanes: HashMap<Lane, LaneState<T>>,
    /// Per priority, the lanes that can start a key of it, each once, in the order of their turns.
    turns: [VecDeque<Lane>; 2],
}

struct Running {
    lane: Lane,
    priority: Priority,
    /// Added again meanwhile: it is worked on once more afterwards.
    again: Option<Priority>,
}

struct LaneState<T> {
    running: usize,
    /// Per priority, the waiting keys in the order in which they came.
    ready: [BTreeMap<u64, T>; 2],
    /// Per priority, whether the lane stands in `turns`.
    listed: [bool; 2],
}

impl<T: Clone + Eq + Hash> State<T> {
    fn add(&mut self, key: T, priority: Priority, lane: Lane) {
        self.cancel_timer(&key);
        if let Some(running) = self.running.get_mut(&key) {
            running.again = running.again.max(Some(priority));
            return;
        }
        if let Some((lane, before, number)) = self.waiting.get(&key) {
            if *before >= priority {
                return;
            }
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.ready[*before as usize].remove(number);
            }
        }
        let number = self.number();
        let state = self.lanes.entry(lane.clone()).or_insert_with(LaneState::new);
        state.ready[priority as usize].insert(number, key.clone());
        self.waiting.insert(key, (lane.clone(), priority, number));
        self.list(&lane);
    }

    fn add_at(&mut self, key: T, at: Instant) {
        let earlier = self.timers.get(&key).is_some_and(|(before, _)| *before <= at);
        if earlier || self.waiting.contains_key(&key) {
            return;
        }
        self.cancel_timer(&key);
        let number = self.number();
        self.timers.insert(key.clone(), (at, number));
        self.due.insert((at, number), key);
    }

    fn cancel_timer(&mut self, key: &T) {
        if let Some(timer) = self.timers.remove(key) {
            self.due.remove(&timer);
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<T> {
        let later = self.due.split_off(&(now, u64::MAX));
        let due: Vec<_> = std::mem::replace(&mut self.due, later).into_values().collect();
        for key in &due {
            self.timers.remove(key);
        }
        due
    }

    /// The next key of the lane whose turn it is, urgent ones first, marked as being worked on.
    fn start_next(&mut self) -> Option<T> {
        for priority in [Priority::Urgent, Priority::Background] {
            while let Some(name) = self.turns[priority as usize].pop_front() {
                let Some(lane) = self.lanes.get_mut(&name) else { continue };
                lane.listed[priority as usize] = false;
                if lane.running >= self.width {
                    // It is listed again when one of its tasks ends.
                    continue;
                }
                let Some((_, key)) = lane.ready[priority as usize].pop_first() else {
                    self.list(&name);
                    continue;
                };
                lane.running += 1;
                self.waiting.remove(&key);
                self.running.insert(key.clone(), Running { lane: name.clone(), priority, again: None });
                self.list(&name);
                return Some(key);
            }
        }
        None
    }

    fn done(&mut self, key: &T, again: Option<Duration>, lane: Lane) {
        let Some(running) = self.running.remove(key) else { return };
        if let Some(lane) = self.lanes.get_mut(&running.lane) {
            lane.running -= 1;
        }
        match (running.again, again) {
            (Some(priority), _) => self.add(key.clone(), priority, lane),
            (None, Some(Duration::ZERO)) => self.add(key.clone(), running.priority, lane),
            (None, Some(after)) => self.add_at(key.clone(), Instant::now() + after),
            (None, None) => {}
        }
        self.list(&running.lane);
    }

    /// Gives the lane its turn if it can start something, and forgets it if it has nothing to do.
    fn list(&mut self, name: &Lane) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        if lane.running == 0 && lane.listed == [false; 2] && lane.ready.iter().all(BTreeMap::is_empty) {
            self.lanes.remove(name);
            return;
        }
        for priority in [Priority::Background as usize, Priority::Urgent as usize] {
            if lane.running < self.width && !lane.listed[priority] && !lane.ready[priority].is_empty() {
                lane.listed[priority] = true;
                self.turns[priority].push_back(name.clone());
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl<T> LaneState<T> {
    fn new() -> Self {
        Self { running: 0, ready: [BTreeMap::new(), BTreeMap::new()], listed: [false; 2] }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic")
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
