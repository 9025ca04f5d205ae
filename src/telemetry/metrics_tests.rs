//! What is served is what the table says.

use super::*;
use crate::carrier::CarrierError;

/// Every metric with at least one value.
fn used() -> Metrics {
    let metrics = Metrics::new();
    metrics.reconciled("PhoneNumber", Pass::Acted, Duration::from_millis(3));
    metrics.queued(7, 2);
    let throttled = CarrierError::new(ErrorClass::Throttled, "too many");
    metrics.carrier_request("Twilio", Operation::List, None);
    metrics.carrier_request("Twilio", Operation::List, Some(&throttled));
    metrics.carrier_write("Twilio", &Outcome::Did(()));
    metrics.numbers(NumberState::Ready, 3);
    metrics.scanned(&Key::new("telephony", "twilio"), jiff::Timestamp::UNIX_EPOCH);
    metrics.drift("Telnyx");
    metrics.unreadable("Agent", 1);
    metrics.leading(true);
    metrics.installed_as("prod-eu");
    metrics
}

#[test]
fn what_is_served_is_what_the_table_says() {
    let page = used().render();
    let served: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect();
    let table = TABLE.iter().map(|row| format!("{} {}", row.name.trim_end_matches("_total"), row.kind.as_str()));
    assert_eq!(served, table.collect::<Vec<_>>());
    for row in TABLE {
        let line = page.lines().find(|line| line.starts_with(row.name)).unwrap_or_else(|| panic!("no {}", row.name));
        let inner = line.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let labels: Vec<_> = inner.split(',').filter_map(|pair| pair.split_once('=')).map(|(label, _)| label).collect();
        let labels: Vec<_> = labels.into_iter().filter(|label| *label != "le").collect();
        assert_eq!(labels, row.labels, "{line}");
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn values_stand_under_their_labels() {
    let page = used().render();
    for line in [
        r#"dialplane_reconciles_total{kind="PhoneNumber",result="acted"} 1"#,
        r#"dialplane_queue_length{state="waiting"} 7"#,
        r#"dialplane_carrier_requests_total{carrier="Twilio",operation="list",class="throttled"} 1"#,
        r#"dialplane_carrier_writes_total{carrier="Twilio",outcome="did"} 1"#,
        r#"dialplane_numbers{state="ready"} 3"#,
        "dialplane_leader 1",
    ] {
        assert!(page.lines().any(|served| served == line), "{line} in\n{page}");
    }
}

#[test]
fn an_account_that_is_gone_raises_no_alert() {
    let metrics = used();
    assert!(metrics.render().contains(r#"account="twilio""#));
    metrics.forget_account(&Key::new("telephony", "twilio"));
    assert!(!metrics.render().contains(r#"account="twilio""#));
}

#[test]
fn an_unknown_outcome_is_counted_as_such() {
    let error = CarrierError::new(ErrorClass::Transient, String::new());
    let metrics = Metrics::new();
    metrics.carrier_write("Twilio", &Outcome::<()>::Unknown(error));
    assert!(metrics.render().contains(r#"outcome="unknown"} 1"#));
}
