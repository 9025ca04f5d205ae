//! The witness that does not come from us: Nixflex's own client.

use dialplane::sandbox::carrier::Kind;

use super::{
    super::official::{python, run},
    NUMBER, Nixflex, bearer,
};

const SDK: &str = "nixflex==0.2.0";

#[test]
fn the_official_client_does_not_notice() {
    let nixflex = Nixflex::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox/nixflex/official.py");
    let (url, key, twilio) = (nixflex.sandbox.url(), bearer(&nixflex.key), &nixflex.twilio);
    let said = run(&python(SDK), &[script, url, &key, &twilio.account_sid, &twilio.auth_token, NUMBER]);
    assert_eq!(said.trim(), "done");
    let ledger = nixflex.sandbox.ledger();
    assert!(ledger.of(Kind::Unknown).next().is_none());
    assert!(ledger.entries().iter().all(|entry| !entry.path.contains('+')), "it encodes the plus");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}
