//! How often a key may ask: reads and writes apart, in each minute. The headers say it always; a switch enforces it. No I/O.

use jiff::Timestamp;
use serde_json::json;

use super::{
    super::{wire::Reply, world::Simulation},
    refusal::{Refusal, refused},
    state::Window,
};

/// Where a key stands with a request.
pub(super) struct Rate {
    limit: u32,
    remaining: u32,
    /// In seconds since the Unix epoch.
    reset: i64,
    pub exceeded: bool,
}

impl Rate {
    /// The seconds until there is room again.
    pub fn wait(&self) -> u64 {
        (self.reset - Timestamp::now().as_second()).max(1).unsigned_abs()
    }

    /// Puts the headers on an answer.
    pub fn stamp(&self, reply: &mut Reply) {
        reply.headers.extend([
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-remaining", self.remaining.to_string()),
            ("x-ratelimit-reset", self.reset.to_string()),
        ]);
    }
}

/// Counts a request of a key.
pub(super) fn counted(world: &mut Simulation, key: &str, read: bool) -> Rate {
    let switches = &world.switches.nixflex;
    let limit = if read { switches.reads_per_minute } else { switches.writes_per_minute };
    let minute = Timestamp::now().as_second().div_euclid(60);
    let window = world.nixflex.windows.entry((key.to_owned(), read)).or_default();
    if window.minute != minute {
        *window = Window { minute, count: 0 };
    }
    window.count = window.count.saturating_add(1);
    Rate {
        limit,
        remaining: limit.saturating_sub(window.count),
        reset: (minute + 1) * 60,
        exceeded: switches.enforce_rates && window.count > limit,
    }
}

/// Puts the headers on an answer to somebody who was not counted.
pub(super) fn stamp_unknown(reply: &mut Reply) {
    if reply.headers.iter().any(|(name, _)| *name == "x-ratelimit-limit") {
        return;
    }
    let reset = (Timestamp::now().as_second().div_euclid(60) + 1) * 60;
    let remaining = if reply.status == 429 { 0 } else { 599 };
    Rate { limit: 600, remaining, reset, exceeded: false }.stamp(reply);
}

/// More requests than there is room for: the wait stands in a header and in the body.
pub(in super::super) fn too_many(wait_seconds: Option<u64>) -> Reply {
    let refusal = Refusal::new(429, "rate_limit_exceeded", "Too many requests");
    let Some(seconds) = wait_seconds else { return refused(&refusal) };
    let mut reply = refused(&refusal.with_details(json!({ "retry_after": seconds })));
    reply.headers.push(("retry-after", seconds.to_string()));
    reply
}
