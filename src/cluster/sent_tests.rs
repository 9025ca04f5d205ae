//! Whatever the API server sends for an object, the others of its list are decoded.

use std::fmt::Debug;

use kube::{
    ResourceExt as _,
    core::{ObjectList, WatchEvent},
};
use proptest::{collection, prelude::*};
use serde_json::{Value, json};

use super::*;
use crate::api::{Agent, AgentVersion, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber};

fn number(spec: Value) -> Value {
    json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber",
        "metadata": {"name": "main", "namespace": "clinics", "uid": "u", "resourceVersion": "7"}, "spec": spec,
    })
}

fn good() -> Value {
    number(json!({"accountRef": {"name": "twilio"}, "import": {"number": "+14155550101"}}))
}

fn nested(depth: usize) -> String {
    format!("{}1{}", "{\"k\":".repeat(depth), "}".repeat(depth))
}

fn why<K: Kept + DeserializeOwned + Debug>(text: &str) -> String {
    match decode::<K>(text) {
        Sent::Unreadable(unreadable) => unreadable.why,
        Sent::Whole(object) => panic!("it decodes: {object:?}"),
    }
}

#[test]
fn what_does_not_decode_says_where_and_how_and_nothing_of_what_stands_there() {
    let imports = |number: Value| json!({"accountRef": {"name": "a"}, "import": {"number": number}});
    for (spec, why_not) in [
        (json!({"import": {"number": "+14155550101"}}), "spec: missing field `accountRef`"),
        (imports(json!("hunter2")), "spec.import.number: is not valid"),
        (imports(json!(42)), "spec.import.number: invalid type: integer"),
        (imports(json!({"hunter2": 1})), "spec.import.number: invalid type: map"),
        (json!({"accountRef": {"name": "a"}, "mode": "hunter2"}), "spec.mode: unknown variant"),
        (json!("hunter2"), "spec: invalid type: string"),
        (Value::Null, "spec: invalid type: null"),
    ] {
        let why = why::<PhoneNumber>(&number(spec.clone()).to_string());
        assert_eq!(why, why_not, "{spec}");
        assert!(!why.contains("hunter2"));
    }
}

#[test]
fn of_what_does_not_decode_it_is_known_which_object_it_is() {
    let mut torn = number(json!({}));
    torn["metadata"]["labels"] = json!([1, 2]);
    torn["metadata"]["deletionTimestamp"] = json!("soon");
    let Sent::Unreadable(unreadable) = decode::<PhoneNumber>(&torn.to_string()) else { panic!("it decodes") };
    assert_eq!(unreadable.key(), Key::new("clinics", "main"));
    let ObjectMeta { uid, resource_version, deletion_timestamp, .. } = &unreadable.metadata;
    assert_eq!((uid.as_deref(), resource_version.as_deref()), (Some("u"), Some("7")));
    assert!(deletion_timestamp.is_some(), "it is being deleted, whenever that began");
    let said = unreadable.to_string();
    assert!(said.starts_with("PhoneNumber clinics/main cannot be decoded and is ignored: metadata"), "{said}");
    for odd in ["7", "[]", "\"x\"", r#"{"metadata":7}"#, r#"{"metadata":null}"#, "{}"] {
        assert!(matches!(decode::<PhoneNumber>(odd), Sent::Unreadable(_)), "{odd}");
    }
}

#[test]
fn fields_that_nobody_here_reads_are_not_decoded() {
    for depth in [300, 100_000] {
        let text = good()
            .to_string()
            .replace(r#""name":"main""#, &format!(r#""name":"main","managedFields":[{}]"#, nested(depth)));
        let Sent::Whole(object) = decode::<PhoneNumber>(&text) else { panic!("{depth} deep does not decode") };
        assert!(object.managed_fields().is_empty());
        let text = format!("{}{}}}", text.strip_suffix('}').unwrap(), format_args!(r#","future":{}"#, nested(depth)));
        assert!(matches!(decode::<PhoneNumber>(&text), Sent::Whole(_)));
    }
}

#[test]
fn one_object_that_does_not_decode_leaves_the_others_of_its_list() {
    let deep =
        format!(r#"{{"metadata":{{"name":"deep","namespace":"a"}},"spec":{{"draft":{{"config":{}}}}}}}"#, nested(119));
    let fine = r#"{"metadata":{"name":"fine","namespace":"a"},"spec":{"draft":{}}}"#;
    let list = format!(
        r#"{{"apiVersion":"v1","kind":"AgentList","metadata":{{"resourceVersion":"1"}},"items":[{deep},{fine},7]}}"#
    );
    let list: ObjectList<Sent<Agent>> = serde_json::from_str(&list).unwrap();
    let names: Vec<_> =
        list.items.iter().map(|sent| (matches!(sent, Sent::Whole(_)), sent.meta().name.as_deref())).collect();
    assert_eq!(names, [(false, Some("deep")), (true, Some("fine")), (false, None)]);
    let said = why::<Agent>(&deep);
    assert!(
        said.starts_with("spec.draft.config.") && said.ends_with(": config is nested deeper than 112 levels"),
        "{said}"
    );
    let event: WatchEvent<Sent<Agent>> =
        serde_json::from_str(&format!(r#"{{"type":"MODIFIED","object":{deep}}}"#)).unwrap();
    assert!(matches!(event, WatchEvent::Modified(Sent::Unreadable(_))));
}

#[test]
fn of_an_object_only_what_is_read_is_kept_and_no_more_than_so_much() {
    let mut fat = good();
    let filler = "x".repeat(300_000);
    fat["metadata"]["labels"] = json!({"a": filler});
    fat["metadata"]["annotations"] = json!({"a": filler, "dialplane.dev/abandon": "true"});
    let Sent::Whole(object) = decode::<PhoneNumber>(&fat.to_string()) else { panic!("it does not decode") };
    assert!(object.labels().is_empty() && object.annotations().len() == 1);
    fat["metadata"]["finalizers"] = json!(["dialplane.dev/route", filler]);
    assert!(why::<PhoneNumber>(&fat.to_string()).contains("and the limit is"));
    let config = json!({"metadata": {"name": "big", "namespace": "a"}, "spec": {"draft": {"config": {"x": filler}}}});
    let Sent::Whole(agent) = decode::<Agent>(&config.to_string()) else { panic!("it does not decode") };
    assert!(!agent.spec.draft.unwrap().config.is_whole());
}

/// Any JSON, and texts that are none.
fn anything() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1e400".to_owned()),
        Just("-0".to_owned()),
        "0|[1-9][0-9]{0,40}",
        ".{0,8}".prop_map(|text| json!(text).to_string()),
        (1..400usize).prop_map(nested),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![
            Just("$serde_json::private::RawValue".to_owned()),
            Just("number".to_owned()),
            Just("name".to_owned()),
            Just("draft".to_owned()),
            Just("conditions".to_owned()),
            ".{0,3}",
        ];
        let entry = (key, inner.clone()).prop_map(|(key, value)| format!("{}:{value}", json!(key)));
        prop_oneof![
            collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            collection::vec(entry, 0..6).prop_map(|entries| format!("{{{}}}", entries.join(","))),
        ]
    })
}

/// An object whose parts are anything.
fn any_object() -> impl Strategy<Value = String> {
    (anything(), anything(), anything()).prop_map(|(metadata, spec, status)| {
        format!(r#"{{"kind":"Any","metadata":{metadata},"spec":{spec},"status":{status}}}"#)
    })
}

/// A list of it and of one that is well.
fn survives<K: Kept + DeserializeOwned + Clone + Debug>(object: &str, good: &Value) {
    let list = format!(r#"{{"metadata":{{}},"items":[{object},{good}]}}"#);
    let list: ObjectList<Sent<K>> = serde_json::from_str(&list).unwrap();
    assert!(matches!(&list.items[1], Sent::Whole(_)), "{object}");
    if let Sent::Unreadable(unreadable) = &list.items[0] {
        assert!(unreadable.why.len() < 400, "{}", unreadable.why);
    }
}

proptest! {
    #[test]
    fn whatever_stands_in_an_object_it_is_decoded_or_left_out_alone(object in any_object()) {
        let named = |spec: Value| json!({"metadata": {"name": "fine"}, "spec": spec});
        survives::<PhoneNumber>(&object, &good());
        survives::<Agent>(&object, &named(json!({"draft": {}})));
        survives::<AgentVersion>(&object, &named(json!({"agent": "a", "version": "v"})));
        let twilio = json!({"twilio": {"accountSid": "AC1"}, "credentialsRef": {"name": "s"}});
        survives::<CarrierAccount>(&object, &named(twilio));
        survives::<k8s_openapi::api::core::v1::Namespace>(&object, &json!({"metadata": {"name": "fine"}}));
        let survivor = |object: &str| (decode::<NumberClaim>(object), decode::<NumberPurchase>(object));
        survivor(&object);
    }

    #[test]
    fn what_is_said_of_an_object_has_nothing_of_it(secret in "[A-Z]{12}") {
        let specs = [
            json!({"accountRef": {"name": "a"}, "import": {"number": secret}}),
            json!({"accountRef": {"name": "a"}, "onDelete": secret}),
            json!({"accountRef": secret}),
            json!(secret),
        ];
        for spec in specs {
            prop_assert!(!why::<PhoneNumber>(&number(spec).to_string()).contains(&secret));
        }
    }
}
