//! Answers that no carrier should give, for the adapters' tests. No I/O.

use proptest::{collection, prelude::*};
use serde_json::json;

/// Any JSON, deep and odd, whose keys are often those that an answer has.
fn json(keys: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-1".to_owned()),
        Just("1e300".to_owned()),
        "0|[1-9][0-9]{0,30}",
        Just(json!("+14155550101").to_string()),
        Just(json!("dp1:a:b").to_string()),
        ".{0,12}".prop_map(|text| json!(text).to_string()),
        (1..2000usize).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
    ];
    leaf.prop_recursive(6, 96, 8, move |inner| {
        let key = prop_oneof![
            8 => proptest::sample::select(keys).prop_map(str::to_owned),
            1 => Just("$serde_json::private::RawValue".to_owned()),
            1 => ".{0,4}",
        ];
        let entry = (key, inner.clone()).prop_map(|(key, value)| format!("{}:{value}", json!(key)));
        prop_oneof![
            collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            collection::vec(entry, 0..10).prop_map(|entries| format!("{{{}}}", entries.join(","))),
        ]
    })
}

/// Any answer: mostly JSON, some of it cut, some of it any bytes.
pub fn answer(keys: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let cut = |(text, keep): (String, usize)| {
        let bytes = text.into_bytes();
        let kept = keep.min(bytes.len());
        bytes[..kept].to_vec()
    };
    prop_oneof![
        6 => json(keys).prop_map(String::into_bytes),
        1 => (json(keys), 0..200usize).prop_map(cut),
        1 => collection::vec(any::<u8>(), 0..64),
    ]
}
