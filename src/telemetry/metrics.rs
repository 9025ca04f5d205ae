use crate::carrier::Outcome;
use std::time::Duration;
#[derive(Default)]
pub struct Metrics {}
impl Metrics {
    pub fn reconciled(&self, _kind: &'static str, _ok: bool, _took: Duration) {}
    pub fn carrier_written<T>(&self, _carrier: &'static str, _outcome: &Outcome<T>) {}
    pub fn drift_corrected(&self) {}
}
