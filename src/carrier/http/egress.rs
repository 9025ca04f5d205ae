//! How carriers are reached from here: through which proxy, and whose certificates are trusted beside the system's. No I/O.
//!
//! It is said once, by whoever runs the operator, and never by an object. It is for requests to carriers and platforms: the Kubernetes API is
//! reached without.

use std::fmt;

use reqwest::{Certificate, NoProxy, Proxy};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use url::Url;

/// Hosts that are reached without a proxy whatever is said: what is on this machine.
const AT_HOME: &str = "localhost,127.0.0.0/8,::1";

/// The ways out. By default straight, trusting the system's certificate authorities.
#[derive(Clone, Default)]
pub struct Egress {
    /// For `https` and for `http`.
    proxies: [Option<Url>; 2],
    no_proxy: String,
    authorities: Vec<Certificate>,
}

/// What was said leads nowhere. The text does not repeat it: a proxy's URL may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    #[error(
        "{0} in the environment is not a proxy URL: write http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ before the host if the \
         proxy needs it"
    )]
    Proxy(&'static str),
    #[error("it contains no certificate: it must be in PEM, one block BEGIN CERTIFICATE for each authority")]
    NoCertificate,
    #[error("it contains an invalid certificate: each block BEGIN CERTIFICATE must be complete, in PEM")]
    BadCertificate,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.proxies.each_ref().map(|proxy| proxy.as_ref().and_then(Url::host_str));
        f.debug_struct("Egress").field("proxies", &hosts).finish_non_exhaustive()
    }
}

impl Egress {
    /// What the variables say that other programs know as well: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or the same in small letters.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EgressError> {
        let said = |name: &'static str| {
            let either = [name.to_owned(), name.to_ascii_lowercase()];
            either.iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
        };
        let proxy = |name| said(name).map(|text| proxy(&text).ok_or(EgressError::Proxy(name))).transpose();
        Ok(Self {
            proxies: [proxy("HTTPS_PROXY")?, proxy("HTTP_PROXY")?],
            no_proxy: said("NO_PROXY").unwrap_or_default(),
            authorities: Vec::new(),
        })
    }

    /// Trusts these certificate authorities as well.
    pub fn trusting(self, pem: &[u8]) -> Result<Self, EgressError> {
        let (mut store, mut authorities) = (RootCertStore::empty(), Vec::new());
        for found in CertificateDer::pem_slice_iter(pem) {
            let found = found.map_err(|_| EgressError::BadCertificate)?;
            authorities.push(Certificate::from_der(&found).map_err(|_| EgressError::BadCertificate)?);
            // Anything can stand in such a block. It is looked into here, and not once a client is made of it.
            store.add(found).map_err(|_| EgressError::BadCertificate)?;
        }
        if authorities.is_empty() {
            return Err(EgressError::NoCertificate);
        }
        Ok(Self { authorities, ..self })
    }

    /// What a client is told of it.
    pub(super) fn parts(&self) -> reqwest::Result<(Vec<Proxy>, &[Certificate])> {
        let Self { proxies: [https, http], no_proxy, authorities } = self;
        let without = NoProxy::from_string(&format!("{AT_HOME},{no_proxy}"));
        let https = https.iter().map(|url| Proxy::https(url.clone()));
        let http = http.iter().map(|url| Proxy::http(url.clone()));
        let proxies = https.chain(http).map(|proxy| Ok(proxy?.no_proxy(without.clone())));
        Ok((proxies.collect::<reqwest::Result<_>>()?, authorities))
    }
}

/// A proxy's URL. Other programs take one without a scheme for `http`.
fn proxy(text: &str) -> Option<Url> {
    let text = text.trim();
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    url.ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Egress, EgressError> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Egress::of_environment(find)
    }

    #[test]
    fn the_usual_variables_are_read_in_either_case_and_what_is_no_proxy_is_told_without_its_password() {
        let hosts = |variables: &[(&str, &str)]| {
            let Egress { proxies, no_proxy, .. } = of(variables).unwrap();
            (proxies.map(|proxy| proxy.map(String::from)), no_proxy)
        };
        assert_eq!(hosts(&[]), ([None, None], String::new()));
        let both = [("HTTPS_PROXY", "http://proxy:3128"), ("http_proxy", "proxy:80"), ("no_proxy", ".svc")];
        let url = |text: &str| Some(text.to_owned());
        assert_eq!(hosts(&both), ([url("http://proxy:3128/"), url("http://proxy/")], ".svc".to_owned()));
        assert_eq!(
            hosts(&[("HTTPS_PROXY", " "), ("https_proxy", "https://b")]).0[0],
            url("https://b/"),
            "empty is unset"
        );
        assert_eq!(hosts(&[("HTTPS_PROXY", "a"), ("https_proxy", "b")]).0[0], url("http://a/"));
        for wrong in
            ["socks5://u:hunter2@proxy:1080", "http://", "http://u:hunter2@", "http://u:hunter2@[::", "ftp://proxy"]
        {
            let error = of(&[("HTTPS_PROXY", wrong)]).unwrap_err();
            assert_eq!(error, EgressError::Proxy("HTTPS_PROXY"), "{wrong}");
            assert!(!error.to_string().contains("hunter2"));
        }
        let shown = format!("{:?}", of(&[("HTTPS_PROXY", "http://u:hunter2@proxy:3128")]).unwrap());
        assert!(shown.contains("proxy") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_is_no_certificate_is_told_at_once() {
        let trusting = |pem: &str| Egress::default().trusting(pem.as_bytes()).map(|egress| egress.authorities.len());
        for none in ["", "hello", "-----BEGIN PUBLIC KEY-----\nMAo=\n-----END PUBLIC KEY-----\n"] {
            assert_eq!(trusting(none), Err(EgressError::NoCertificate), "{none:?}");
        }
        for bad in [
            "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nMAo=\n",
        ] {
            assert!(trusting(bad).is_err(), "{bad:?}");
        }
    }
}
