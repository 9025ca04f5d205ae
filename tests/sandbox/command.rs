//! `dialplane sandbox`, as somebody starts it who wants to try things.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::client::http;

const SID: &str = "AC00000000000000000000000000000001";
const KEY: &str = "nxf_00000000000000000000000000000001:nxfs_1";

#[tokio::test]
async fn the_command_says_where_the_carrier_is_and_serves_until_it_is_told_to_end() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
    command.args(["sandbox", "--listen=127.0.0.1:0", "--number=+14155550123", "--number=+442079460123"]);
    command.args(["--account-sid", SID]).env("DIALPLANE_SANDBOX_AUTH_TOKEN", "hunter2");
    command.env("DIALPLANE_SANDBOX_API_KEY", "KEY1").env("DIALPLANE_SANDBOX_FLOWYTE_KEY", "flowyte_sk_1");
    command.env("DIALPLANE_SANDBOX_NIXFLEX_KEY", KEY).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = lines.take_while(|line| !line.starts_with("Ctrl-C")).collect();
    let url = said.iter().find_map(|line| line.strip_prefix("A simulated Twilio and Telnyx are served at ")).unwrap();
    assert!(said.iter().any(|line| line.ends_with("authToken=hunter2 --from-literal=apiKey=KEY1")), "{said:?}");

    let list = format!("{url}/2010-04-01/Accounts/{SID}/IncomingPhoneNumbers.json");
    let answer = http().get(list).basic_auth(SID, Some("hunter2")).send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let numbers = answer["incoming_phone_numbers"].as_array().unwrap().iter();
    let numbers: Vec<&str> = numbers.map(|number| number["phone_number"].as_str().unwrap()).collect();
    assert_eq!(numbers.len(), 2);
    assert!(numbers.contains(&"+14155550123") && numbers.contains(&"+442079460123"), "{numbers:?}");

    let answer = http().get(format!("{url}/v2/phone_numbers")).bearer_auth("KEY1").send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(answer["data"].as_array().map(Vec::len), Some(0), "the numbers are those of the other");

    let answer = http().get(format!("{url}/flowyte/api/v1/agents")).bearer_auth("flowyte_sk_1").send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!((&answer["data"][0]["name"], &answer["data"][0]["status"]), (&"Front desk".into(), &"published".into()));
    assert!(said.contains(&format!("  Nixflex: API key     {KEY}")), "{said:?}");
    let answer = http().get(format!("{url}/nixflex/v1/phone-numbers")).bearer_auth(KEY).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), r#"{"count":0,"phone_numbers":[]}"#);

    let reset = http().post(format!("{url}/admin/reset")).send().await.unwrap();
    assert_eq!(reset.status().as_u16(), 200);
    let answer = http().get(format!("{url}/v2/phone_numbers")).bearer_auth("KEY1").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "a reset loses no account");

    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_flag_that_makes_no_sense_is_refused_with_a_reason() {
    for (flag, why) in [
        ("--number=0171", "0171"),
        ("--account-sid=AC1", "AC1"),
        ("--nixflex-key=nxf_1:nxfs_1", "nxf_1"),
        ("--nixflex-key=nxf_1", "both parts"),
        ("--webhook-host=engine.example.com", "write for example"),
        ("--listen=somewhere", "somewhere"),
        ("--flowyte-key=KEY1", "flowyte_sk_"),
        ("--create=/nowhere.yaml", "/nowhere.yaml"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
        let output = command.args(["sandbox", flag]).env("DIALPLANE_SANDBOX_LISTEN", "127.0.0.1:0").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why), "{flag}: {said}");
    }
}
