//! Pages: how a listing is cut, linked and continued. No I/O.
//!
//! A page goes on by its token only. The token names either a place in the order of purchase, so that numbers bought or
//! given back meanwhile shift nothing, or an offset, so that they do: a switch, since nobody knows which.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    super::{
        config::Switches,
        faults::Fault,
        wire::{Reply, Request},
    },
    Refusal, refuse,
};

const DEFAULT_SIZE: usize = 50;
const MAX_SIZE: usize = 1000;

/// Which page is asked for.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub size: usize,
    pub page: usize,
    pub token: Option<String>,
}

/// A refusal of a token that we did not hand out.
pub(super) fn bad_token<T>() -> Result<T, Refusal> {
    refuse(400, 21481, "Invalid PageToken")
}

/// Reads the paging parameters. Sizes beyond the limits are brought within them.
pub(super) fn ask(request: &Request) -> Result<Ask, Refusal> {
    let number = |name| match request.query(name) {
        None | Some("") => Ok(None),
        Some(text) => match text.parse::<usize>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => refuse(400, 20001, format!("Invalid {name}")),
        },
    };
    let size = number("PageSize")?.unwrap_or(DEFAULT_SIZE).clamp(1, MAX_SIZE);
    let page = number("Page")?.unwrap_or(0);
    let token = request.query("PageToken").filter(|token| !token.is_empty()).map(str::to_owned);
    // The number of a page is "simply for client state": without its token it leads nowhere.
    if page > 0 && token.is_none() {
        return bad_token();
    }
    Ok(Ask { size, page, token })
}

/// A page, cut and ready to be shown.
pub(super) struct Page {
    pub rows: Vec<Value>,
    pub next: Option<String>,
    pub previous: Option<String>,
}

/// Cuts by offset.
pub(super) fn by_offset(ask: &Ask, rows: Vec<Value>) -> Result<Page, Refusal> {
    let offset = match &ask.token {
        None => 0,
        Some(token) => match token.strip_prefix("PT").and_then(|n| n.parse::<usize>().ok()) {
            Some(offset) => offset,
            None => return bad_token(),
        },
    };
    let end = offset.saturating_add(ask.size);
    let next = (rows.len() > end).then(|| format!("PT{end}"));
    let previous = (offset > 0).then(|| format!("PT{}", offset.saturating_sub(ask.size)));
    Ok(Page { rows: rows.into_iter().skip(offset).take(ask.size).collect(), next, previous })
}

/// The query of a page's link: the filters as they were given, then the place.
fn link(ask: &Ask, filters: &[&str], request: &Request, page: usize, token: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in filters {
        if let Some(value) = request.query(name) {
            query.append_pair(name, value);
        }
    }
    query.append_pair("PageSize", &ask.size.to_string()).append_pair("Page", &page.to_string());
    if let Some(token) = token {
        query.append_pair("PageToken", token);
    }
    format!("{}?{}", request.path, query.finish())
}

/// The envelope of API version 2010-04-01, whose links are relative to the host.
pub(super) fn envelope(
    ask: &Ask,
    page: Page,
    key: &str,
    filters: &[&str],
    request: &Request,
    switches: &Switches,
) -> Reply {
    let Page { rows, next, previous } = page;
    let last = usize::from(!switches.exclusive_end);
    let start = ask.page * ask.size;
    let to = |page: usize, token: Option<&str>| link(ask, filters, request, page, token);
    let body = json!({
        key: torn(rows.clone(), &request.views),
        "page": ask.page,
        "page_size": ask.size,
        "start": start,
        "end": start + rows.len().saturating_sub(last),
        "uri": to(ask.page, ask.token.as_deref()),
        "first_page_uri": to(0, None),
        "next_page_uri": next.map(|token| to(ask.page + 1, Some(&token))),
        "previous_page_uri": previous.map(|token| to(ask.page.saturating_sub(1), Some(&token))),
    });
    Reply::ok(body)
}

/// The envelope of the newer APIs, whose links are absolute.
pub(super) fn meta(rows: Vec<Value>, key: &str, request: &Request) -> Result<Reply, Refusal> {
    let ask = ask(request)?;
    let Page { rows, next, previous } = by_offset(&ask, rows)?;
    let to = |page: usize, token: Option<&str>| format!("{}{}", request.base, link(&ask, &[], request, page, token));
    Ok(Reply::ok(json!({
        key: torn(rows, &request.views),
        "meta": {
            "key": key,
            "page": ask.page,
            "page_size": ask.size,
            "url": to(ask.page, ask.token.as_deref()),
            "first_page_url": to(0, None),
            "next_page_url": next.map(|token| to(ask.page + 1, Some(&token))),
            "previous_page_url": previous.map(|token| to(ask.page.saturating_sub(1), Some(&token))),
        },
    })))
}

/// A listing of API version 2010-04-01 that is cut by offset.
pub(super) fn flat(
    rows: Vec<Value>,
    key: &str,
    filters: &[&str],
    request: &Request,
    switches: &Switches,
) -> Result<Reply, Refusal> {
    let ask = ask(request)?;
    let page = by_offset(&ask, rows)?;
    Ok(envelope(&ask, page, key, filters, request, switches))
}

/// What is left of a page's rows when it is torn.
fn torn(mut rows: Vec<Value>, views: &[Fault]) -> Vec<Value> {
    if views.contains(&Fault::EmptyPage) {
        rows.clear();
    } else if views.contains(&Fault::TornPage) {
        rows.truncate(rows.len() / 2);
    }
    rows
}
