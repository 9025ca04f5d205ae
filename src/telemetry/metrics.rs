//! The metrics: one table that says what each means, and the counters themselves. No I/O.
//!
//! Labels are closed enums and the constant names of kinds and carriers, so that nothing a user or a carrier writes can become a time
//! series or leak through one.
//! The exceptions are the name of a CarrierAccount, of which there are as many as objects, and that of the installation,
//! of which there is one.

use std::fmt::{self, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use crate::api::meta::Key;
use crate::carrier::{CarrierError, ErrorClass, Outcome};

/// The content type of what `Metrics::render` gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a metric is, in Prometheus' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Counter,
    Gauge,
    Histogram,
}

impl Type {
    /// Prometheus' name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        }
    }
}

/// One row of the documentation of metrics.
#[derive(Clone, Copy, Debug)]
pub struct MetricRow {
    /// As it is queried, with `_total` where that belongs to it.
    pub name: &'static str,
    pub kind: Type,
    pub labels: &'static [&'static str],
    /// One sentence, without its full stop.
    pub meaning: &'static str,
}

const fn row(name: &'static str, kind: Type, labels: &'static [&'static str], meaning: &'static str) -> MetricRow {
    MetricRow { name, kind, labels, meaning }
}

const RECONCILES: MetricRow =
    row("dialplane_reconciles_total", Type::Counter, &["kind", "result"], "Reconciles, by result");
const RECONCILE_SECONDS: MetricRow =
    row("dialplane_reconcile_seconds", Type::Histogram, &["kind"], "Duration of a reconcile");
const QUEUE_LENGTH: MetricRow =
    row("dialplane_queue_length", Type::Gauge, &["state"], "Objects that are queued or being reconciled");
const CACHE_READS: MetricRow = row(
    "dialplane_cache_reads_total",
    Type::Counter,
    &[],
    "Objects read from the caches; per changed number this should not grow with the fleet",
);
const CARRIER_REQUESTS: MetricRow = row(
    "dialplane_carrier_requests_total",
    Type::Counter,
    &["carrier", "operation", "class"],
    "Requests to carriers, by result",
);
const CARRIER_WRITES: MetricRow =
    row("dialplane_carrier_writes_total", Type::Counter, &["carrier", "outcome"], "Writes at carriers, by outcome");
const NUMBERS: MetricRow = row("dialplane_numbers", Type::Gauge, &["state"], "PhoneNumbers, by state");
const LAST_SCAN: MetricRow = row(
    "dialplane_last_scan_timestamp_seconds",
    Type::Gauge,
    &["namespace", "account"],
    "When a CarrierAccount's numbers were last listed completely, as a Unix timestamp",
);
const DRIFT: MetricRow =
    row("dialplane_drift_total", Type::Counter, &["carrier"], "Routes that were changed at the carrier by others");
const UNREADABLE: MetricRow = row(
    "dialplane_unreadable_objects",
    Type::Gauge,
    &["kind"],
    "Objects that cannot be decoded and are ignored: the log and an event on each give the cause",
);
const LEADER: MetricRow = row("dialplane_leader", Type::Gauge, &[], "1 in the leader, 0 in a standby replica");

const BUILD: MetricRow = row(
    "dialplane_build_info",
    Type::Gauge,
    &["version", "installation"],
    "Always 1; gives the version and the installation",
);

/// Every metric. The documentation is made of it, and a test holds it against what is really served.
pub const TABLE: &[MetricRow] = &[
    RECONCILES,
    RECONCILE_SECONDS,
    QUEUE_LENGTH,
    CACHE_READS,
    CARRIER_REQUESTS,
    CARRIER_WRITES,
    NUMBERS,
    LAST_SCAN,
    DRIFT,
    UNREADABLE,
    LEADER,
    BUILD,
];

/// A closed set of label values, each with its text.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The value as it stands in the metric.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), fmt::Error> {
                encoder.write_str(self.as_str())
            }
        }
    };
}

label!(
    /// How a pass ended.
    Pass {
        /// One effect was carried out; the next pass looks afresh.
        Acted = "acted",
        /// Nothing was left to do.
        Rested = "rested",
        /// Something was in the way; it is tried again.
        Failed = "failed",
    }
);
label!(
    /// Where an object is in the queue.
    Queued { Waiting = "waiting", Running = "running" }
);
label!(
    /// What was asked of a carrier.
    Operation { Identify = "identify", List = "list", Find = "find", SetRoute = "set_route", Mark = "mark", ListSharedRoutes = "list_shared_routes", SetSharedRoute = "set_shared_route", Search = "search", Hold = "hold", LetGo = "let_go", Purchase = "purchase", Cancel = "cancel", BringIn = "bring_in", HostedAgent = "hosted_agent", Publish = "publish", PointAt = "point_at", Bind = "bind", Unbind = "unbind", Configure = "configure", LookAtExtra = "look_at_extra", SwitchExtra = "switch_extra" }
);
label!(
    /// Whether a write at a carrier is known to have been done.
    Written { Did = "did", DidNothing = "did_nothing", Unknown = "unknown" }
);
label!(
    /// What a PhoneNumber's conditions say of it.
    NumberState {
        Ready = "ready",
        Reconciling = "reconciling",
        /// Not ready, and waiting for someone or something else.
        Waiting = "waiting",
        Stalled = "stalled",
    }
);
label!(
    /// What came of a request to a carrier.
    Class {
        Ok = "ok",
        Throttled = "throttled",
        Transient = "transient",
        Unauthorized = "unauthorized",
        Forbidden = "forbidden",
        Rejected = "rejected",
        Funds = "funds",
        /// It asks for an address or documents.
        Regulatory = "regulatory",
        Unavailable = "unavailable",
        NotFound = "not_found",
        Conflict = "conflict",
        Unknown = "unknown",
    }
);

impl From<ErrorClass> for Class {
    fn from(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Throttled => Class::Throttled,
            ErrorClass::Transient => Class::Transient,
            ErrorClass::Unauthorized => Class::Unauthorized,
            ErrorClass::Forbidden => Class::Forbidden,
            ErrorClass::Rejected => Class::Rejected,
            ErrorClass::Funds => Class::Funds,
            ErrorClass::Regulatory => Class::Regulatory,
            ErrorClass::Unavailable => Class::Unavailable,
            ErrorClass::NotFound => Class::NotFound,
            ErrorClass::Conflict => Class::Conflict,
            ErrorClass::Unknown => Class::Unknown,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    result: Pass,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    state: Queued,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    carrier: &'static str,
    operation: Operation,
    class: Class,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    carrier: &'static str,
    outcome: Written,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NumberLabels {
    state: NumberState,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccountLabels {
    namespace: String,
    account: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CarrierLabels {
    carrier: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    installation: String,
}

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Family<KindLabels, Histogram>,
    queue_length: Family<QueueLabels, Gauge>,
    cache_reads: Counter,
    carrier_requests: Family<RequestLabels, Counter>,
    carrier_writes: Family<WriteLabels, Counter>,
    numbers: Family<NumberLabels, Gauge>,
    last_scan: Family<AccountLabels, Gauge>,
    drift: Family<CarrierLabels, Counter>,
    unreadable: Family<KindLabels, Gauge>,
    leader: Gauge,
    build: Family<BuildLabels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        // From a pass that does nothing to one that waits for a slow carrier.
        let seconds = || Histogram::new([0.000_1, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]);
        Self {
            reconciles: register(&mut registry, &RECONCILES, Family::default()),
            reconcile_seconds: register(&mut registry, &RECONCILE_SECONDS, Family::new_with_constructor(seconds)),
            queue_length: register(&mut registry, &QUEUE_LENGTH, Family::default()),
            cache_reads: register(&mut registry, &CACHE_READS, Counter::default()),
            carrier_requests: register(&mut registry, &CARRIER_REQUESTS, Family::default()),
            carrier_writes: register(&mut registry, &CARRIER_WRITES, Family::default()),
            numbers: register(&mut registry, &NUMBERS, Family::default()),
            last_scan: register(&mut registry, &LAST_SCAN, Family::default()),
            drift: register(&mut registry, &DRIFT, Family::default()),
            unreadable: register(&mut registry, &UNREADABLE, Family::default()),
            leader: register(&mut registry, &LEADER, Gauge::default()),
            build: register(&mut registry, &BUILD, Family::default()),
            registry,
        }
    }

    /// A pass over an object of that kind has ended.
    pub fn reconciled(&self, kind: &'static str, result: Pass, took: Duration) {
        self.reconciles.get_or_create(&ReconcileLabels { kind, result }).inc();
        self.reconcile_seconds.get_or_create(&KindLabels { kind }).observe(took.as_secs_f64());
    }

    /// How many objects wait for a pass, and how many are in one.
    pub fn queued(&self, waiting: usize, running: usize) {
        for (state, count) in [(Queued::Waiting, waiting), (Queued::Running, running)] {
            self.queue_length.get_or_create(&QueueLabels { state }).set(gauge(count));
        }
    }

    /// So many objects were taken from the caches so far.
    pub fn cache_reads(&self, so_far: u64) {
        self.cache_reads.inner().store(so_far, Ordering::Relaxed);
    }

    /// A carrier has answered, or has not.
    pub fn carrier_request(&self, carrier: &'static str, operation: Operation, error: Option<&CarrierError>) {
        let class = error.map_or(Class::Ok, |error| error.class.into());
        self.carrier_requests.get_or_create(&RequestLabels { carrier, operation, class }).inc();
    }

    /// A write at a carrier has ended.
    pub fn carrier_write<T>(&self, carrier: &'static str, outcome: &Outcome<T>) {
        let outcome = match outcome {
            Outcome::Did(_) => Written::Did,
            Outcome::DidNothing(_) => Written::DidNothing,
            Outcome::Unknown(_) => Written::Unknown,
        };
        self.carrier_writes.get_or_create(&WriteLabels { carrier, outcome }).inc();
    }

    /// How many PhoneNumbers are in that state now.
    pub fn numbers(&self, state: NumberState, count: usize) {
        self.numbers.get_or_create(&NumberLabels { state }).set(gauge(count));
    }

    /// The numbers of that CarrierAccount were listed completely.
    pub fn scanned(&self, account: &Key, at: jiff::Timestamp) {
        self.last_scan.get_or_create(&AccountLabels::of(account)).set(at.as_second());
    }

    /// That CarrierAccount is gone, and so is what was said of it: a scan that never comes again must not raise an alert.
    pub fn forget_account(&self, account: &Key) {
        self.last_scan.remove(&AccountLabels::of(account));
    }

    /// A route was found that somebody else changed.
    pub fn drift(&self, carrier: &'static str) {
        self.drift.get_or_create(&CarrierLabels { carrier }).inc();
    }

    /// How many objects of that kind do not decode now.
    pub fn unreadable(&self, kind: &'static str, count: usize) {
        self.unreadable.get_or_create(&KindLabels { kind }).set(gauge(count));
    }

    /// Whether this replica leads.
    pub fn leading(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// This process is of this version of the program, installed under that name.
    pub fn installed_as(&self, installation: &str) {
        let labels = BuildLabels { version: env!("CARGO_PKG_VERSION"), installation: installation.to_owned() };
        self.build.get_or_create(&labels).set(1);
    }

    /// All of them as OpenMetrics text, to be served as `CONTENT_TYPE`.
    pub fn render(&self) -> String {
        let mut page = String::new();
        // Only a writer can fail, and a String does not.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

impl AccountLabels {
    fn of(Key { namespace, name }: &Key) -> Self {
        Self { namespace: namespace.clone(), account: name.clone() }
    }
}

fn register<M: Metric + Clone>(registry: &mut Registry, row: &MetricRow, metric: M) -> M {
    // The encoder adds `_total` to a counter's name, and the full stop to the sentence.
    registry.register(row.name.trim_end_matches("_total"), row.meaning, metric.clone());
    metric
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
