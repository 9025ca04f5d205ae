//! Lists: whole, or cut in one of the ways that the documents tell of. No I/O.

use serde_json::{Value, json};

use super::{
    super::{
        config::ListPages,
        faults::Fault,
        wire::{Reply, Request},
        world::Simulation,
    },
    Refusal, bad, body,
};

const MAX_SIZE: usize = 100;

/// One page of rows. What a client says about pages has no effect where lists are not cut.
pub(super) fn page(world: &Simulation, rows: Vec<Value>, request: &Request) -> Result<Reply, Refusal> {
    body::parameters(request, &["page", "limit", "cursor"])?;
    let asked = |name: &'static str| match request.query(name).map(str::parse::<usize>) {
        None => Ok(None),
        Some(Ok(number)) if number > 0 => Ok(Some(number)),
        Some(_) => bad(name, format!("{name} must be a positive number.")),
    };
    let switches = &world.switches.flowyte;
    let size = asked("limit")?.unwrap_or(switches.page_size).clamp(1, MAX_SIZE);
    let total = rows.len();
    let (from, size) = match switches.pages {
        ListPages::Whole => (0, total),
        ListPages::Silent => (0, size),
        ListPages::Numbered => ((asked("page")?.unwrap_or(1) - 1).saturating_mul(size), size),
        ListPages::Cursor => match request.query("cursor").map(|cursor| cursor.strip_prefix('c').map(str::parse)) {
            None => (0, size),
            Some(Some(Ok(from))) => (from, size),
            Some(_) => return bad("cursor", "cursor is none of ours."),
        },
    };
    let mut rows: Vec<Value> = rows.into_iter().skip(from).take(size).collect();
    let next = from.saturating_add(size);
    if request.views.contains(&Fault::EmptyPage) {
        rows.clear();
    } else if request.views.contains(&Fault::TornPage) {
        rows.truncate(rows.len() / 2);
    }
    let mut answer = json!({ "success": true, "data": rows });
    match switches.pages {
        ListPages::Whole | ListPages::Silent => {}
        ListPages::Numbered => {
            answer["pagination"] = json!({
                "page": from / size + 1, "limit": size, "total": total, "totalPages": total.div_ceil(size),
                "nextCursor": null,
            });
        }
        ListPages::Cursor => {
            let cursor = (next < total).then(|| format!("c{next}"));
            answer["pagination"] = json!({ "limit": size, "nextCursor": cursor });
        }
    }
    Ok(Reply::ok(answer))
}
