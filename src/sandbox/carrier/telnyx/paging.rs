//! Pages: numbered from 1, cut by offset, so that rows shift under a reader when others come or go. No I/O.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        faults::Fault,
        wire::{Reply, Request},
    },
    Refusal, bad,
};

/// The parameters by which a page is chosen.
pub(super) const PARAMETERS: [&str; 2] = ["page[number]", "page[size]"];
const DEFAULT_SIZE: usize = 20;
const MAX_SIZE: usize = 250;

/// One page of rows. A size beyond the limits is brought within them.
pub(super) fn page(rows: Vec<Value>, request: &Request) -> Result<Reply, Refusal> {
    let asked = |name: &'static str| match request.query(name) {
        None | Some("") => Ok(None),
        Some(text) => match text.parse::<usize>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => bad(name, format!("{text} is not a number.")),
        },
    };
    let size = asked(PARAMETERS[1])?.unwrap_or(DEFAULT_SIZE).clamp(1, MAX_SIZE);
    let number = asked(PARAMETERS[0])?.unwrap_or(1).max(1);
    let total = rows.len();
    let mut rows: Vec<Value> = rows.into_iter().skip((number - 1).saturating_mul(size)).take(size).collect();
    if request.views.contains(&Fault::EmptyPage) {
        rows.clear();
    } else if request.views.contains(&Fault::TornPage) {
        rows.truncate(rows.len() / 2);
    }
    let meta = json!({
        "page_number": number,
        "page_size": size,
        "total_pages": total.div_ceil(size),
        "total_results": total,
    });
    Ok(Reply::ok(json!({ "data": rows, "meta": meta })))
}

/// What a lagging listing shows of things that are only ever added: the newest are missing. The newest come first.
pub(super) fn newest_first<'a, T: 'a>(
    things: impl DoubleEndedIterator<Item = &'a T>,
    created: impl Fn(&T) -> Timestamp,
    views: &[Fault],
) -> Vec<&'a T> {
    let missing = views.iter().map(|view| if let Fault::LagWrites { writes } = view { *writes } else { 0 });
    let lag = views.iter().map(|view| if let Fault::Lag { ms } = view { *ms } else { 0 });
    let (missing, lag) = (missing.max().unwrap_or(0), lag.max().unwrap_or(0));
    let then = Timestamp::now().checked_sub(Duration::from_millis(lag)).unwrap_or(Timestamp::MIN);
    things.rev().skip(missing).filter(|thing| lag == 0 || created(thing) <= then).collect()
}
