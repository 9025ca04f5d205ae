//! The manifests of `examples/`, which the demo applies as a user would. No I/O: they are in the binary.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{api::PhoneNumber, sandbox::carrier::Credentials};

/// Every file in `examples/`, in the order in which `kubectl apply -f examples/` reads them.
pub const FILES: [(&str, &str); 5] = [
    ("00-secret.yaml", include_str!("../../../examples/00-secret.yaml")),
    ("10-account.yaml", include_str!("../../../examples/10-account.yaml")),
    ("20-agent.yaml", include_str!("../../../examples/20-agent.yaml")),
    ("30-numbers.yaml", include_str!("../../../examples/30-numbers.yaml")),
    ("40-purchase.yaml", include_str!("../../../examples/40-purchase.yaml")),
];

/// The whole setup of each platform.
pub const FLOWYTE: (&str, &str) = ("flowyte/flowyte.yaml", include_str!("../../../examples/flowyte/flowyte.yaml"));
pub const NIXFLEX: (&str, &str) = ("nixflex/nixflex.yaml", include_str!("../../../examples/nixflex/nixflex.yaml"));

/// A platform's lines that can only be known at run time.
#[derive(Debug)]
pub struct Hosting {
    pub api_key: String,
    /// The platform's id of the agent.
    pub agent: String,
    pub endpoint: String,
}

fn read((name, text): (&str, &str)) -> Result<Vec<Value>> {
    let documents = serde_yaml_ng::Deserializer::from_str(text);
    let objects = documents.map(Value::deserialize).collect::<Result<_, _>>();
    objects.with_context(|| format!("examples/{name} is not YAML"))
}

/// Every object of the files, as it is there.
pub fn objects() -> Result<Vec<Value>> {
    Ok(FILES.into_iter().map(read).collect::<Result<Vec<_>>>()?.concat())
}

/// What the demo begins with: all but the number to buy, and with the three lines that can only be known at run time: `authToken`
/// of the Secret, `accountSid` and `endpoint` of the CarrierAccount.
pub fn filled_in(credentials: &Credentials, endpoint: &str) -> Result<Vec<Value>> {
    let mut objects = objects()?;
    objects.retain(|object| object["spec"]["purchase"].is_null());
    objects.iter_mut().for_each(|object| fill_in(object, credentials, endpoint));
    Ok(objects)
}

fn fill_in(object: &mut Value, credentials: &Credentials, endpoint: &str) {
    if object["stringData"].get("authToken").is_some() {
        object["stringData"]["authToken"] = json!(credentials.auth_token);
    }
    if object["spec"].get("twilio").is_some() {
        object["spec"]["twilio"]["accountSid"] = json!(credentials.account_sid);
        object["spec"]["endpoint"] = json!(endpoint);
    }
}

/// A platform's setup with what can only be known at run time; `twilio` opens the account that has the numbers which it only answers.
pub fn hosted(file: (&str, &str), hosting: &Hosting, twilio: &Credentials, endpoint: &str) -> Result<Vec<Value>> {
    let mut objects = read(file)?;
    for object in &mut objects {
        fill_in(object, twilio, endpoint);
        if object["stringData"].get("apiKey").is_some() {
            object["stringData"]["apiKey"] = json!(hosting.api_key);
        }
        match object["kind"].as_str() {
            Some("CarrierAccount") if object["spec"].get("twilio").is_none() => {
                object["spec"]["endpoint"] = json!(hosting.endpoint);
            }
            Some("Agent") => object["spec"]["draft"]["hosted"][0]["agentId"] = json!(hosting.agent),
            _ => {}
        }
    }
    Ok(objects)
}

/// The PhoneNumber that buys a number, once a person has said yes to it.
pub fn purchase() -> Result<Value> {
    let found = objects()?.into_iter().find(|object| !object["spec"]["purchase"].is_null());
    found.context("examples/ has no PhoneNumber that buys")
}

/// The PhoneNumbers that import a number: the name of the object, and the number in E.164 form.
pub fn numbers() -> Result<Vec<(String, String)>> {
    let mut numbers = vec![];
    for object in objects()? {
        if object["kind"] != "PhoneNumber" {
            continue;
        }
        let number: PhoneNumber = serde_json::from_value(object).context("an example is not a PhoneNumber")?;
        let Some(name) = number.metadata.name else { bail!("an example has no name") };
        numbers.extend(number.spec.import.map(|import| (name, import.number.to_string())));
    }
    Ok(numbers)
}
