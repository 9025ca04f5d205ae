//! What the account has left, where the carrier says so.

use dialplane::{
    api::account::Balance,
    carrier::ErrorClass,
    sandbox::carrier::{Fault, Kind, Match, Rule},
};

use super::subject::Subject;

async fn is_said(s: &Subject, cents: i64, amount: &str) {
    s.sandbox.set_balance(&s.account(), cents).unwrap();
    let said = Balance { amount: amount.parse().unwrap(), currency: "USD".to_owned() };
    assert_eq!(s.carrier.balance().await, Ok(Some(said)));
}

pub async fn what_is_left_is_said(s: &Subject) {
    is_said(s, 100_000, "1000.00").await;
    is_said(s, 0, "0.00").await;
}

pub async fn what_is_owed_is_said(s: &Subject) {
    is_said(s, -5, "-0.05").await;
}

pub async fn a_balance_that_cannot_be_read_is_an_error(s: &Subject) {
    for (fault, class) in [
        (Fault::ServerErrorBefore { status: 500 }, ErrorClass::Transient),
        (Fault::Html { status: 404 }, ErrorClass::NotFound),
        (Fault::Unauthorized, ErrorClass::Unauthorized),
    ] {
        s.sandbox.inject(Rule::new(Match::kind(Kind::Look), fault).always());
        assert_eq!(s.carrier.balance().await.unwrap_err().class, class);
        s.sandbox.clear_faults();
    }
}
