//! The way to the carriers through a proxy, and by certificates of one's own: what goes there, what does not, and what is said where it
//! does not lead there.

use std::{process::Command, time::Duration};

use dialplane::{
    carrier::{
        Carrier as _, ErrorClass, NumberId, Outcome,
        http::{Egress, Limiter, Limits, Transport},
        twilio::{Config, Credentials, Twilio},
    },
    sandbox::carrier::{Kind, Sandbox, SandboxConfig},
};
use secrecy::SecretString;

use crate::support::egress::{self, HOST};

const NUMBER: &str = "+14155550100";

struct Site {
    sandbox: Sandbox,
    id: NumberId,
    way: egress::Egress,
}

impl Site {
    async fn answering(status: Option<&'static str>) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).unwrap();
        let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
        let way = egress::Egress::answering(&sandbox, status).await;
        Self { sandbox, id, way }
    }

    fn said(&self, name: &str) -> Egress {
        let url = format!("http://proxy-user:hunter2@{}", self.way.proxy);
        Egress::of_environment(|asked| (asked == name).then(|| url.clone())).unwrap()
    }

    fn open(&self, egress: &Egress, endpoint: &str) -> Twilio {
        let of = self.sandbox.credentials();
        let config = Config {
            account_sid: of.account_sid,
            credentials: Credentials::AuthToken(SecretString::from(of.auth_token)),
            region: None,
            endpoint: Some(endpoint.parse().unwrap()),
        };
        let transport = Transport::by(egress, Duration::from_secs(20)).unwrap();
        assert!(!format!("{transport:?} {egress:?}").contains("hunter2"));
        Twilio::new(config, transport, Limiter::new(Limits { concurrency: 4, requests_per_second: 0 })).unwrap()
    }

    /// Neither a look nor a change comes through, and both say why in the same words.
    async fn says(&self, twilio: &Twilio, why: &str) {
        let looked = twilio.find(&NUMBER.parse().unwrap()).await.unwrap_err();
        assert!(looked.class == ErrorClass::Transient && looked.text.contains(why), "{looked}");
        let Outcome::DidNothing(error) = twilio.set_route(&self.id, &route()).await else { panic!("nothing was sent") };
        assert_eq!((error.class, &error.text), (looked.class, &looked.text));
        assert!(!error.text.contains("hunter2") && !error.text.contains("127.0.0.1"), "{error}");
        assert_eq!(self.sandbox.summary().requests, 0);
    }
}

fn route() -> dialplane::api::number::Route {
    use dialplane::api::number::{Channel, Destination};
    let url = Some("https://engine.example.com/voice".to_owned());
    [(Channel::Voice, Destination { url, ..Destination::default() })].into()
}

#[tokio::test]
async fn a_carrier_is_reached_through_a_tunnel_that_hides_everything_but_its_name() {
    let site = Site::answering(None).await;
    let egress = site.said("https_proxy").trusting(site.way.authority.as_bytes()).unwrap();
    let twilio = site.open(&egress, &format!("https://{HOST}"));
    assert_eq!(twilio.identify().await.unwrap().account, site.sandbox.credentials().account_sid);
    assert_eq!(twilio.list().await.unwrap().len(), 1);
    assert!(matches!(twilio.set_route(&site.id, &route()).await, Outcome::Did(_)));
    assert_eq!(site.sandbox.ledger().of(Kind::RouteWrite).count(), 1);
    let heads = site.way.heads();
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head.starts_with(&format!("connect {HOST}:443 http/1.1\r\n")), "{head}");
        assert!(head.contains("\r\nproxy-authorization: basic "), "the proxy's own password: {head}");
        assert!(!head.contains("\r\nauthorization:"), "the carrier's credentials are for the carrier: {head}");
    }
    assert_eq!((site.sandbox.ledger().purchases(), site.sandbox.ledger().releases()), (0, 0));
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_was_not_named_is_not_trusted() {
    let site = Site::answering(None).await;
    let twilio = site.open(&site.said("HTTPS_PROXY"), &format!("https://{HOST}"));
    site.says(&twilio, "--carrier-ca-file").await;
    let other = Site::answering(None).await;
    let egress = site.said("HTTPS_PROXY").trusting(other.way.authority.as_bytes()).unwrap();
    site.says(&site.open(&egress, &format!("https://{HOST}")), "--carrier-ca-file").await;
}

#[tokio::test]
async fn a_proxy_that_does_not_connect_is_told_from_a_carrier_that_does_not_answer_and_nothing_was_sent() {
    for (status, why) in [
        ("407 Proxy Authentication Required", "check them in HTTPS_PROXY"),
        ("403 Forbidden", "allows this host"),
        ("502 Bad Gateway", "allows this host"),
        ("302 Found\r\nlocation: https://evil.example/", "allows this host"),
    ] {
        let site = Site::answering(Some(status)).await;
        site.says(&site.open(&site.said("HTTPS_PROXY"), &format!("https://{HOST}")), why).await;
    }
    let site = Site::answering(None).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let egress = Egress::of_environment(|name| (name == "HTTPS_PROXY").then(|| format!("http://{nobody}"))).unwrap();
    site.says(&site.open(&egress, &format!("https://{HOST}")), "the proxy could not be reached").await;
}

#[tokio::test]
async fn what_is_on_this_machine_or_named_in_no_proxy_is_reached_straight() {
    let site = Site::answering(None).await;
    let through = |hosts: &'static str| {
        let proxy = format!("http://{}", site.way.proxy);
        let egress = Egress::of_environment(|name| match name {
            "HTTP_PROXY" => Some(proxy.clone()),
            "NO_PROXY" => Some(hosts.to_owned()),
            _ => None,
        });
        egress.unwrap()
    };
    assert!(site.open(&through(""), site.sandbox.url()).identify().await.is_ok());
    assert_eq!(site.way.heads(), [""; 0], "the loopback");
    assert!(site.open(&through("other.test"), &format!("http://{HOST}")).identify().await.is_ok());
    assert!(
        site.way.heads()[0].starts_with(&format!("get http://{HOST}/")),
        "an endpoint without TLS is asked for by the proxy"
    );
    let count = site.way.heads().len();
    let straight = site.open(&through("other.test,.test"), &format!("http://{HOST}")).identify().await;
    assert!(straight.unwrap_err().text.contains("name could not be resolved"), "only the proxy knows it");
    assert_eq!(site.way.heads().len(), count);
}

#[test]
fn a_file_that_is_none_and_a_proxy_that_is_none_end_a_command_at_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (none, text) = (dir.path().join("none.pem").to_str().unwrap().to_owned(), file("text.pem", "hello"));
    let bad = file("bad.pem", "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n");
    for (command, name, value, why) in [
        ("run", "DIALPLANE_CARRIER_CA_FILE", &*none, "No such file"),
        ("doctor", "DIALPLANE_CARRIER_CA_FILE", &*none, "No such file"),
        ("run", "DIALPLANE_CARRIER_CA_FILE", &*text, "it contains no certificate"),
        ("doctor", "DIALPLANE_CARRIER_CA_FILE", &*bad, "an invalid certificate"),
        ("run", "HTTPS_PROXY", "socks5://user:hunter2@proxy:1080", "HTTPS_PROXY in the environment is not a proxy URL"),
        ("doctor", "http_proxy", "ftp://user:hunter2@proxy", "HTTP_PROXY in the environment is not a proxy URL"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_dialplane")).arg(command).env(name, value).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(
            !output.status.success() && said.contains(why) && !said.contains("hunter2"),
            "{command} {name}: {said}"
        );
        assert!(!name.starts_with("DIALPLANE") || said.contains(value), "it names the file: {said}");
    }
}
