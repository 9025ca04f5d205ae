//! The signature that the carrier puts on its webhooks, and how the one who is called checks it. No I/O.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use url::Url;

/// `X-Twilio-Signature` of a request to `url`, with the form's parameters (none for GET): HMAC-SHA1 by the account's
/// primary Auth Token over the URL and every parameter, sorted, each name followed by its value.
pub fn sign(token: &str, url: &str, params: &[(String, String)]) -> String {
    STANDARD.encode(mac(token, url, params).finalize().into_bytes())
}

fn mac(token: &str, url: &str, params: &[(String, String)]) -> Hmac<Sha1> {
    // HMAC takes keys of any length; the refusal that the signature allows for cannot happen.
    let mut mac =
        Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap_or_else(|_| Hmac::<Sha1>::new(&Default::default()));
    mac.update(url.as_bytes());
    // Sorted and unique, also among the values of one name.
    for (name, value) in params.iter().collect::<BTreeSet<_>>() {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac
}

/// Whether a request really comes from the carrier. The URL is the public one, query included; like the official
/// libraries it is tried with and without its port.
pub fn verify_signature(token: &str, url: &str, params: &[(String, String)], signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let spellings = [Some(url.to_owned()), with_port(url), without_port(url)];
    spellings.into_iter().flatten().any(|url| mac(token, &url, params).verify_slice(&signature).is_ok())
}

/// The parts of a URL around its authority: `https://`, `host:1`, `/path`.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let from = url.find("://")? + 3;
    let to = url[from..].find(['/', '?', '#']).map_or(url.len(), |at| from + at);
    Some((&url[..from], &url[from..to], &url[to..]))
}

fn with_port(url: &str) -> Option<String> {
    let parsed = Url::parse(url).ok()?;
    let (scheme, authority, rest) = split(url)?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    (!has_port).then_some(())?;
    Some(format!("{scheme}{authority}:{}{rest}", parsed.port_or_known_default()?))
}

fn without_port(url: &str) -> Option<String> {
    let (scheme, authority, rest) = split(url)?;
    let (host, port) = authority.rsplit_once(':')?;
    port.bytes().all(|b| b.is_ascii_digit()).then(|| format!("{scheme}{host}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/carriers/twilio.md` section 10, taken from the official library.
    fn vector() -> (&'static str, &'static str, Vec<(String, String)>) {
        let params = [
            ("To", "+18005551212"),
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+12349013030"),
            ("Digits", "1234"),
            ("From", "+12349013030"),
        ];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        ("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", params)
    }

    #[test]
    fn the_signature_is_the_official_one() {
        let (token, url, params) = vector();
        assert_eq!(sign(token, url, &params), "0/KCTR6DLpKmkAf8muzZqo1nDgQ=");
        let with_port = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
        assert_eq!(sign(token, with_port, &params), "EpDEmp1PyjDYp77YxYU3GILBWzE=");
    }

    #[test]
    fn a_signature_is_accepted_with_and_without_the_port_and_for_nothing_else() {
        let (token, url, params) = vector();
        assert!(verify_signature(token, url, &params, "0/KCTR6DLpKmkAf8muzZqo1nDgQ="));
        assert!(verify_signature(token, url, &params, "EpDEmp1PyjDYp77YxYU3GILBWzE="));
        assert!(verify_signature(
            token,
            "https://mycompany.com:443/myapp.php?foo=1&bar=2",
            &params,
            &sign(token, url, &params)
        ));
        assert!(!verify_signature("54321", url, &params, "0/KCTR6DLpKmkAf8muzZqo1nDgQ="));
        assert!(!verify_signature(token, url, &params[1..], "0/KCTR6DLpKmkAf8muzZqo1nDgQ="));
        assert!(!verify_signature(token, url, &params, "not base64"));
    }
}
