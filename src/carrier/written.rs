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

/// A URL as it was written; what is blank is none. What is no URL stays too: the carrier says what is wrong with it.
pub(super) fn url(text: String) -> Option<String> {
    let trimmed = text.trim();
    match trimmed.len() {
        0 => None,
        len if len == text.len() => Some(text),
        _ => Some(trimmed.to_owned()),
    }
}
