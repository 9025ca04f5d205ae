//! Which addresses beside the carriers' own an account may be reached at. No I/O.
//!
//! Who owns a number is what a carrier says. So an account leads to the carrier's own hosts, or to one that whoever runs the
//! operator vouches for, and never to what only whoever wrote the account does. URLs are compared as they are understood and sent to,
//! and not as texts: `http://allowed.example@evil.example` begins with an allowed one and leads elsewhere.

use std::collections::BTreeSet;

use url::Url;

use super::written;

/// The addresses that are allowed: none, unless they are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints(BTreeSet<Url>);

/// What was to be allowed leads nowhere. The text does not repeat it: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "allowed endpoint {position} is not valid: write an absolute URL with http or https and a host, without credentials, query and \
     fragment, as in https://proxy.example.com/carrier"
)]
pub struct NoEndpoint {
    /// Counted from 1.
    pub position: usize,
}

impl Endpoints {
    /// Allows just these.
    pub fn new<S: AsRef<str>>(allowed: impl IntoIterator<Item = S>) -> Result<Self, NoEndpoint> {
        let read = |(i, text): (usize, S)| base(text.as_ref()).ok_or(NoEndpoint { position: i + 1 });
        allowed.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The URL that `endpoint` is, if it is allowed.
    pub fn admit(&self, endpoint: &str) -> Option<Url> {
        base(endpoint).filter(|url| self.0.contains(url))
    }
}

/// The host that a text leads to, for people; no host where it is no URL of one.
pub fn host_of(endpoint: &str) -> Option<String> {
    Url::parse(endpoint).ok()?.host_str().map(str::to_owned)
}

/// A base URL in the one spelling that there is of each: the parser lower-cases scheme and host and leaves out default ports; with or
/// without a slash at its end, the same requests are made of it.
fn base(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok().filter(written::is_base)?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        Endpoints::new(["http://allowed.example:8080", "https://proxy.example/twilio/", "http://[::1]:4010"]).unwrap()
    }

    #[test]
    fn one_address_may_be_written_in_several_ways() {
        for same in [
            "http://allowed.example:8080",
            "http://allowed.example:8080/",
            "HTTP://Allowed.Example:8080",
            "https://proxy.example/twilio",
            "https://proxy.example:443/twilio/",
            "https://PROXY.example/x/../twilio",
            "http://[0:0:0:0:0:0:0:1]:4010",
            "http://[::0001]:4010/",
        ] {
            assert!(endpoints().admit(same).is_some(), "{same}");
        }
    }

    #[test]
    fn what_only_looks_like_an_allowed_address_is_another() {
        for other in [
            "https://allowed.example:8080",
            "http://allowed.example",
            "http://allowed.example:80800",
            "http://allowed.example:8080/path",
            "http://allowed.example:8080@evil.example",
            "http://allowed.example:8080@evil.example:8080/",
            "http://allowed.example.evil.example:8080",
            "http://evil.example/http://allowed.example:8080",
            "http://evil.example\\@allowed.example:8080",
            "http://evil.example#@allowed.example:8080",
            "http://evil.example?@allowed.example:8080",
            "http://allowed.example.:8080",
            "http://xallowed.example:8080",
            "http://user@allowed.example:8080",
            "http://user:password@allowed.example:8080",
            "http://allowed.example:8080?x=y",
            "http://allowed.example:8080#x",
            "https://proxy.example",
            "https://proxy.example/twilio/more",
            "https://proxy.example/Twilio",
            "https://proxy.example/twilio/..",
            "https://proxy.example/twili%6f",
            "https://proxy.example:8443/twilio",
            "http://[::1]:4011",
            "http://[::2]:4010",
            "http://127.0.0.1:4010",
            "http://allowed.example:8080,http://evil.example",
            "allowed.example:8080",
            "//allowed.example:8080",
            "",
        ] {
            assert_eq!(endpoints().admit(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_is_allowed_by_default_and_what_is_no_address_cannot_be() {
        assert_eq!(Endpoints::default().admit("https://api.twilio.com"), None);
        for wrong in [
            "",
            "sandbox:8080",
            "ftp://a.example",
            "http://",
            "http://u:hunter2@a.example",
            "http://a.example?x",
            "http://a.example:*",
        ] {
            let error = Endpoints::new(["http://a.example", wrong]).unwrap_err();
            assert_eq!(error, NoEndpoint { position: 2 }, "{wrong}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn the_host_is_named_and_no_password() {
        assert_eq!(host_of("http://u:hunter2@evil.example/x").as_deref(), Some("evil.example"));
        assert_eq!(host_of("/relative"), None);
    }
}
