//! A configuration is known by the digest that its JSON has always had.

use proptest::{collection, prelude::*};
use serde_json::{Map, Value, json};

use super::*;
use crate::api::{
    agent::{AgentVersionSpec, Draft},
    number::digest_of,
};

/// A draft as it was read before there was a type for its configuration.
fn digest_as_ever(config: &Value, webhooks: &Value) -> String {
    let mut draft = json!({"webhooks": webhooks});
    if config.as_object().is_some_and(|config| !config.is_empty()) {
        draft["config"] = config.clone();
    }
    digest_of(&draft)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            collection::btree_map("[a-c\u{e9}\"]{0,3}", inner, 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    collection::btree_map(".{0,4}", any_json(), 0..6).prop_map(|entries| entries.into_iter().collect())
}

proptest! {
    #[test]
    fn a_draft_has_the_digest_that_it_always_had_whether_its_config_is_kept_or_not(config in any_object()) {
        let config = Value::Object(config);
        let text = json!({"config": config, "webhooks": {"sms": {"url": "https://e.example.com/s"}}}).to_string();
        let mut draft: Draft = serde_json::from_str(&text).unwrap();
        let expected = digest_as_ever(&config, &serde_json::to_value(&draft.webhooks).unwrap());
        prop_assert_eq!(draft.digest(), expected.clone());
        prop_assert_eq!(serde_json::to_value(draft.config.entries().unwrap()).unwrap(), config);
        let whole = draft.clone();
        draft.config.forget();
        prop_assert_eq!(draft.digest(), expected);
        prop_assert_eq!(draft, whole);
    }
}

fn read(config: &str) -> Result<Config, String> {
    serde_json::from_str(config).map_err(|error| error.to_string())
}

#[test]
fn what_is_written_in_two_ways_is_one_configuration() {
    let plain = read(r#"{"a":1,"b":{"c":[1.0,"é"],"d":null}}"#).unwrap();
    for same in [
        "{ \"b\": {\"d\":null, \"c\": [1.0, \"\\u00e9\"] }, \"a\": 1 }",
        r#"{"a":7,"a":1,"b":{"c":[1.0,"é"],"d":null}}"#,
        r#"{"\u0061":1,"b":{"c":[1e0,"é"],"d":null}}"#,
    ] {
        assert_eq!(read(same).unwrap(), plain, "{same}");
    }
    assert_ne!(read(r#"{"a":1}"#).unwrap(), plain);
    assert_eq!(read("{}").unwrap(), Config::default());
}

#[test]
fn keys_that_mean_something_to_a_decoder_mean_nothing_here() {
    for odd in [
        r#"{"$serde_json::private::RawValue":1}"#,
        r#"{"a":{"$serde_json::private::RawValue":"[1]"}}"#,
        r#"{"a":{"$serde_json::private::Number":"1"}}"#,
        r#"{"":{"":{"":""}}}"#,
        r#"{"\u0000":"\u0000"}"#,
    ] {
        let mut config = read(odd).unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(read(&text).unwrap(), config, "{odd}");
        config.forget();
        assert!(!config.is_empty() && !config.is_whole());
    }
}

#[test]
fn it_is_nested_so_deep_and_no_deeper() {
    let nested = |depth: usize| format!("{}1{}", "{\"k\":".repeat(depth), "}".repeat(depth));
    assert!(read(&nested(MOST_DEEP)).is_ok());
    assert!(read(&nested(MOST_DEEP + 1)).unwrap_err().contains("nested deeper"));
    for depth in [119, 10_000, 300_000] {
        assert!(read(&nested(depth)).is_err(), "{depth}");
    }
    assert!(read(r#"[{"a":1}]"#).is_err() && read("7").is_err(), "it is an object");
}

#[test]
fn a_version_has_the_digest_of_the_draft_that_it_was_frozen_from() {
    let draft: Draft = serde_json::from_value(json!({"config": {"b": 1, "a": 2}})).unwrap();
    let version: AgentVersionSpec =
        serde_json::from_value(json!({"agent": "a", "version": "v1", "config": {"a": 2, "b": 1}})).unwrap();
    assert_eq!(version.draft().digest(), draft.digest());
    assert_eq!(serde_json::to_value(&draft).unwrap()["config"], json!({"a": 2, "b": 1}));
}
