//! The URL of a webhook, as a carrier asks it: as it was written, but for what no request carries. No I/O.

use std::collections::BTreeMap;

use http::Uri;
use url::{Url, form_urlencoded};

/// Where a webhook is asked, and by which URL that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub scheme: String,
    /// With its port, where one was written.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// What stood before the host goes into a header.
    pub credentials: Option<String>,
    /// The names by which the host may be mapped, the likeliest first.
    names: Vec<String>,
}

impl Asked {
    /// Nothing for what is no URL of a web server. A GET carries what it tells in its query.
    pub fn of(url: &str, told: &[(String, String)]) -> Option<Self> {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let (_, rest) = url.trim().split_once("://")?;
        let (rest, _fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (credentials, host) = authority.rsplit_once('@').map_or((None, authority), |(who, host)| (Some(who), host));
        let canonical = parsed.host_str()?;
        let with_port = parsed.port().map(|port| format!("{canonical}:{port}"));
        let names = [Some(host.to_owned()), with_port.clone(), Some(canonical.to_owned())];
        let mut path = if path.starts_with('/') { escaped(path) } else { escaped(&format!("/{path}")) };
        if !told.is_empty() {
            let joint = if !path.contains('?') {
                "?"
            } else if path.ends_with(['?', '&']) {
                ""
            } else {
                "&"
            };
            let told = form_urlencoded::Serializer::new(String::new()).extend_pairs(told).finish();
            path = format!("{path}{joint}{told}");
        }
        Some(Self {
            scheme: parsed.scheme().to_owned(),
            host: if host.is_ascii() { host.to_owned() } else { with_port.unwrap_or_else(|| canonical.to_owned()) },
            path,
            credentials: credentials.map(|_| {
                format!("{}:{}", unescaped(parsed.username()), unescaped(parsed.password().unwrap_or_default()))
            }),
            names: names.into_iter().flatten().collect(),
        })
    }

    /// The public URL, which is signed.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }

    /// Where the request really goes: to the server that `hosts` names, or as it stands. An https host is never asked as it stands.
    pub fn target(&self, hosts: &BTreeMap<String, String>) -> Option<Uri> {
        let base = self.names.iter().find_map(|name| hosts.get(name));
        let authority = match base {
            Some(base) => base.parse::<Uri>().ok()?.authority()?.to_string(),
            None if self.scheme == "http" => self.host.clone(),
            None => return None,
        };
        format!("http://{authority}{}", self.path).parse().ok()
    }
}

/// What cannot stand in a request's line, escaped; everything else as it stands.
fn escaped(path: &str) -> String {
    let one = |byte: u8| match byte {
        b'"' | b'<' | b'>' | b'`' => format!("%{byte:02X}"),
        byte if byte.is_ascii_graphic() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    path.bytes().map(one).collect()
}

fn unescaped(text: &str) -> String {
    // A form without a name and with a plus that is one.
    let form = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(form.as_bytes()).next().map(|(_, text)| text.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_asked_as_it_was_written() {
        for url in [
            "https://engine.example.com/a+b/v?",
            "https://engine.example.com/v?name='x'&y=%zz&a[]=1",
            "https://ENGINE.example.com:443/x//y/../z;p=1?flag",
            "http://127.0.0.1:8080/v?a=1&b=%2b",
        ] {
            assert_eq!(Asked::of(url, &[]).unwrap().url(), url);
        }
        for (url, asked) in [
            ("https://engine.example.com", "https://engine.example.com/"),
            ("https://engine.example.com?x=1", "https://engine.example.com/?x=1"),
            ("https://engine.example.com/x#frag?", "https://engine.example.com/x"),
            ("https://user:pa%40ss@engine.example.com/x", "https://engine.example.com/x"),
            ("https://engine.example.com/a b?n=\u{e9}", "https://engine.example.com/a%20b?n=%C3%A9"),
            ("https://m\u{fc}nchen.example/x", "https://xn--mnchen-3ya.example/x"),
        ] {
            assert_eq!(Asked::of(url, &[]).unwrap().url(), asked);
        }
        assert_eq!(Asked::of("https://u+v:pa%40ss@a.example", &[]).unwrap().credentials.as_deref(), Some("u+v:pa@ss"));
        assert_eq!((Asked::of("ftp://a.example/", &[]), Asked::of("nonsense", &[])), (None, None));
    }

    #[test]
    fn what_a_get_tells_comes_after_its_own_query() {
        let told = [("From".to_owned(), "+1 2".to_owned())];
        for (url, asked) in [
            ("http://a.example/v", "http://a.example/v?From=%2B1+2"),
            ("http://a.example/v?", "http://a.example/v?From=%2B1+2"),
            ("http://a.example/v?a'b#frag", "http://a.example/v?a'b&From=%2B1+2"),
        ] {
            assert_eq!(Asked::of(url, &told).unwrap().url(), asked);
        }
    }

    #[test]
    fn a_mapped_host_keeps_path_and_query() {
        let hosts = BTreeMap::from([("engine.example.com".to_owned(), "http://127.0.0.1:8080".to_owned())]);
        let real = |url: &str| Asked::of(url, &[]).unwrap().target(&hosts).map(|uri| uri.to_string());
        let mapped = Some("http://127.0.0.1:8080/a/v1/voice?x='1'");
        assert_eq!(real("https://engine.example.com/a/v1/voice?x='1'").as_deref(), mapped);
        assert_eq!(real("https://Engine.example.com:8443/a/v1/voice?x='1'").as_deref(), mapped);
        assert_eq!(real("https://other.example.com/"), None);
        assert_eq!(real("http://other.example.com/v?").as_deref(), Some("http://other.example.com/v?"));
    }
}
