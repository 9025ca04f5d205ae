//! What carriers write in more than one way: URLs, amounts, currencies. No I/O.

use url::Url;

use super::lenient::Scalar;
use crate::api::money::Amount;

/// Whether requests can go to paths below this: a host, and nothing that would stand in their way.
pub(super) fn is_base(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

/// Where requests go: to another base URL in the place of the carrier's `host`, if one is named. `None` if that is no base.
pub(super) fn base(endpoint: Option<Url>, host: &str) -> Option<Url> {
    endpoint.map_or_else(|| Url::parse(host).ok(), |url| Some(url).filter(is_base))
}

/// An amount, which comes as a text or, by some documents' schemas, as a number.
pub(super) fn amount(value: &Scalar) -> Option<Amount> {
    value.written()?.parse().ok()
}

/// How many there are of something.
pub(super) fn count(value: &Scalar) -> Option<u32> {
    value.written()?.parse().ok()
}

/// The code of a currency, which carriers write in either case.
pub(super) fn currency(text: &str) -> Option<String> {
    let is_code = text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
    is_code.then(|| text.to_ascii_uppercase())
}

/// One spelling for a URL: lower-case host, no default port, a slash for an empty path, upper-case escapes, and `%2B`
/// for a plus in the path, which servers that take it for a space understand too. What is no URL stays as it is: the carrier
/// says what is wrong with it.
pub(super) fn canonical_url(text: String) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let Ok(mut url) = Url::parse(text) else { return Some(text.to_owned()) };
    if url.cannot_be_a_base() {
        return Some(text.to_owned());
    }
    let path = upper_case_escapes(url.path()).replace('+', "%2B");
    url.set_path(&path);
    let query = url.query().map(upper_case_escapes);
    url.set_query(query.as_deref().filter(|query| !query.is_empty()));
    Some(url.into())
}

/// `%2b` and `%2B` are one and the same ([RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2.1)).
fn upper_case_escapes(text: &str) -> String {
    let mut left = 0;
    let upper = |c: char| {
        if c == '%' {
            left = 2;
            return c;
        }
        let escaped = left > 0;
        left = if escaped { left - 1 } else { 0 };
        if escaped && c.is_ascii_hexdigit() { c.to_ascii_uppercase() } else { c }
    };
    text.chars().map(upper).collect()
}
