//! One request, as an adapter asks for it. No I/O.

use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

/// How requests prove who we are.
#[derive(Clone, Debug)]
pub enum Auth {
    Basic { user: String, password: SecretString },
    Bearer(SecretString),
}

/// One request, as an adapter asks for it.
#[derive(Debug)]
pub struct Call<'a> {
    pub base: &'a Url,
    /// The path below `base`, whose `{}` are replaced by `args` in order, percent-encoded. Only this template is ever
    /// logged.
    pub path: &'static str,
    pub args: &'a [&'a str],
    /// The encoded query string without its `?`; empty for none.
    pub query: &'a str,
    /// Headers beside those that every request has, by their names in small letters.
    pub headers: &'a [(&'static str, &'a str)],
    /// It is not sent any more after this: waiting for its turn may take long, and what was true before need not be then.
    pub before: Option<Instant>,
}

/// What a request carries.
#[derive(Debug)]
pub enum Body<'a> {
    /// Nothing, and no word of what it would be: servers refuse an empty text that is said to be JSON.
    Empty,
    /// `application/x-www-form-urlencoded`
    Form(&'a [(&'a str, &'a str)]),
    Json(&'a serde_json::Value),
}
