//! The witness that does not come from us: Telnyx's own client, and what its types say of every answer.

use dialplane::sandbox::carrier::{Kind, Switches};

use super::{
    super::official::{python, run},
    Telnyx,
};

/// The client, with what it needs to check webhooks.
const SDK: &str = "telnyx[webhooks]==4.189.0";

#[test]
fn the_official_client_does_not_notice() {
    let telnyx = Telnyx::with(Switches { record_bodies: true, ..Switches::default() });
    for line in 0..7 {
        telnyx.sandbox.seed_number(&format!("+1415555010{line}")).unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox/telnyx/official.py");
    let said = run(&python(SDK), &[script, telnyx.sandbox.url(), &telnyx.account.auth_token]);
    assert_eq!(said.trim(), "done");
    let ledger = telnyx.sandbox.ledger();
    assert_eq!((ledger.purchases(), ledger.releases(), ledger.of(Kind::Hold).count()), (1, 1, 3));
    assert!(ledger.of(Kind::Unknown).next().is_none());
}
