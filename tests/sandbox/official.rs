//! The two witnesses of Twilio's dialect that do not come from us: Twilio's own client, and Twilio's own description of its API.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use dialplane::sandbox::carrier::{Kind, NumberSeed, Sandbox, SandboxConfig, ServiceSeed, Switches};

use super::client::Client;
use crate::openapi;

/// The client's version, as `docs/carriers/twilio.md` quotes it.
pub const SDK: &str = "twilio==9.13.0";

fn recording() -> SandboxConfig {
    let switches = Switches { record_bodies: true, ..Switches::default() };
    SandboxConfig { switches, ..SandboxConfig::default() }
}

/// Where downloaded things are kept between runs.
fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/dialplane");
    std::env::var_os("DIALPLANE_CACHE").map_or_else(home, PathBuf::from)
}

pub fn run(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .env_remove("TWILIO_EDGE")
        .env_remove("TWILIO_REGION")
        .env_remove("TELNYX_BASE_URL")
        .output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}; install python3 with venv", program.display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{} {args:?}: {}\n{}{}",
        program.display(),
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// A Python that has an official client; made once for each version of it.
pub fn python(sdk: &str) -> PathBuf {
    let name = sdk.replace("==", "-").replace(['[', ']'], "-");
    let home = cache().join(&name);
    let python = |home: &Path| home.join("bin/python");
    if !home.join("ready").exists() {
        // Made beside and then moved, so that two runs at once, or one that is stopped, leave no half of it.
        let new = cache().join(format!("{name}.{}", std::process::id()));
        std::fs::create_dir_all(cache()).unwrap();
        run(Path::new("python3"), &["-m", "venv", new.to_str().unwrap()]);
        run(&python(&new), &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", sdk]);
        std::fs::write(new.join("ready"), sdk).unwrap();
        if std::fs::rename(&new, &home).is_err() {
            std::fs::remove_dir_all(&new).unwrap();
        }
        assert!(home.join("ready").exists(), "{} is in the way; remove it", home.display());
    }
    python(&home)
}

#[test]
fn the_official_client_does_not_notice() {
    let sandbox = Sandbox::start(recording()).unwrap();
    for line in 0..7 {
        let settings = [("friendly_name".to_owned(), format!("line {line}"))].into();
        sandbox.seed(NumberSeed { number: format!("+1415555010{line}"), account: None, settings }).unwrap();
    }
    sandbox.add_service(ServiceSeed { numbers: vec!["+14155550100".into()], ..ServiceSeed::default() }).unwrap();
    let credentials = sandbox.credentials();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox/official.py");
    let said = run(&python(SDK), &[script, sandbox.url(), &credentials.account_sid, &credentials.auth_token]);
    assert_eq!(said.trim(), "done");
    let ledger = sandbox.ledger();
    assert_eq!((ledger.purchases(), ledger.releases()), (2, 1));
    assert_eq!(sandbox.field("+14155550100", "voice_url"), None, "cleared by the client");
    let wrong = openapi::check_ledger(&ledger);
    let nonsense = wrong.len() == 1 && wrong[0].contains("VoiceUrl") && wrong[0].contains("nonsense");
    assert!(nonsense, "all but the one URL that it got wrong on purpose:\n{}", wrong.join("\n"));
}

/// Asks for everything that the sandbox answers, and holds each exchange against the official documents.
#[tokio::test]
async fn every_answer_is_what_the_official_documents_describe() {
    let client = Client::with(recording());
    let number = client.offered("415").await;
    client.buy(&[("PhoneNumber", &number), ("VoiceUrl", "https://e.example/v"), ("VoiceMethod", "GET")]).await;
    client.buy(&[("PhoneNumber", &number)]).await;
    client.buy(&[("AreaCode", "212")]).await;
    let (_, offers) = client.get(&client.path("AvailablePhoneNumbers/US/TollFree.json")).await;
    let toll_free = offers["available_phone_numbers"][0]["phone_number"].as_str().unwrap();
    let form = [("PhoneNumber", toll_free)];
    assert_eq!(client.post(&client.path("IncomingPhoneNumbers/TollFree.json"), &form).await.0, 201);
    let path = client.number_path(&number);
    let sid = path.rsplit('/').next().unwrap().trim_end_matches(".json").to_owned();
    client.post(&path, &[("VoiceUrl", ""), ("SmsUrl", "https://e.example/s"), ("VoiceCallerIdLookup", "true")]).await;
    let (_, service) = client.post("/v1/Services", &[("FriendlyName", "Texts")]).await;
    let service = format!("/v1/Services/{}", service["sid"].as_str().unwrap());
    client.post(&service, &[("UseInboundWebhookOnNumber", "true")]).await;
    client.post(&format!("{service}/PhoneNumbers"), &[("PhoneNumberSid", &sid)]).await;
    client.post("/2010-04-01/Accounts.json", &[("FriendlyName", "sub")]).await;
    let account = format!("/2010-04-01/Accounts/{}.json", client.credentials.account_sid);
    client.post(&account, &[("FriendlyName", "main")]).await;
    let paths = [
        "Balance.json",
        "IncomingPhoneNumbers.json?PageSize=1",
        "IncomingPhoneNumbers/Local.json",
        "IncomingPhoneNumbers/Mobile.json",
        "IncomingPhoneNumbers/TollFree.json",
        "AvailablePhoneNumbers.json",
        "AvailablePhoneNumbers/US.json",
        "AvailablePhoneNumbers/US/Local.json",
        "AvailablePhoneNumbers/US/TollFree.json",
        "AvailablePhoneNumbers/GB/Mobile.json",
        "AvailablePhoneNumbers/US/Local.json?AreaCode=999",
    ];
    let messaging = [service.clone(), format!("{service}/PhoneNumbers"), format!("{service}/PhoneNumbers/{sid}")];
    let fixed =
        ["/2010-04-01/Accounts.json", "/v1/Services", "/v1/PhoneNumbers/Countries", "/v1/PhoneNumbers/Countries/US"];
    let all = paths.iter().map(|p| client.path(p)).chain(messaging).chain(fixed.map(str::to_owned));
    for path in all.chain([path.clone(), account]) {
        assert_eq!(client.get(&path).await.0, 200, "{path}");
    }
    for path in [format!("{service}/PhoneNumbers/{sid}"), service, path.clone()] {
        assert_eq!(client.try_send("DELETE", &path, &[]).await.unwrap().0, 204, "{path}");
        assert_eq!(client.get(&path).await.0, 404, "{path}");
    }
    let ledger = client.sandbox.ledger();
    assert!(ledger.of(Kind::Unknown).next().is_none());
    let wrong = openapi::check_ledger(&ledger);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
