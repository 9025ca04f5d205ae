//! What was tried with inputs that are not as they should be, and what comes of it. The table in the docs is made of it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Uri, response::Response};
use dialplane::{
    api::{Agent, CarrierAccount, PhoneNumber},
    carrier::{
        Carrier,
        http::{Limiter, Limits, Transport},
        telnyx::{self, Telnyx},
        twilio::{self, Twilio},
    },
    cluster::sent::{Kept, Sent, decode},
};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const PAGE: &str = "docs/bad-inputs.md";
const SID: &str = "AC00000000000000000000000000000001";

type Row = [String; 3];

fn nested(depth: usize) -> String {
    format!("{}1{}", "{\"k\":".repeat(depth), "}".repeat(depth))
}

fn object<K: Kept + DeserializeOwned>(input: &str, text: &str) -> Row {
    let becomes = match decode::<K>(text) {
        Sent::Whole(_) => "processed as usual".to_owned(),
        Sent::Unreadable(unreadable) => format!("ignored, with a warning: “{}”", unreadable.why),
    };
    [format!("{} {input}", K::kind(&())), "list, watch, live read, response to a write".to_owned(), becomes]
}

fn whole(metadata: &str, spec: &str) -> String {
    format!(r#"{{"metadata":{metadata},"spec":{spec}}}"#)
}

fn named() -> &'static str {
    r#"{"name":"a","namespace":"b","uid":"u","resourceVersion":"1"}"#
}

fn objects() -> Vec<Row> {
    let agent = |config: &str| whole(named(), &format!(r#"{{"draft":{{"config":{config}}}}}"#));
    let imports = |over: Value| {
        let mut spec = json!({"accountRef": {"name": "a"}, "import": {"number": "+14155550101"}});
        spec.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        spec.to_string()
    };
    let with = |field: &str, value: &str| whole(&format!(r#"{{"name":"a",{field}:{value}}}"#), &imports(json!({})));
    let many = format!("[{}]", vec![format!("\"example.com/{}\"", "x".repeat(60)); 6000].join(","));
    let namespace = |depth| format!(r#"{{"metadata":{{"name":"a","managedFields":[{}]}}}}"#, nested(depth));
    vec![
        object::<Agent>("with `config` nested 112 deep", &agent(&nested(112))),
        object::<Agent>("with `config` nested 119 deep", &agent(&nested(119))),
        object::<Agent>("with `config` nested 100,000 deep", &agent(&nested(100_000))),
        object::<Agent>("with a `config` of 1.5 MB", &agent(&json!({"x": vec![1; 700_000]}).to_string())),
        object::<Agent>(
            "with `$serde_json::private::RawValue` as a key",
            &agent(r#"{"$serde_json::private::RawValue":1}"#),
        ),
        object::<Agent>("with a number of 400 digits", &agent(&format!(r#"{{"n":{}}}"#, "9".repeat(400)))),
        object::<Agent>("with a number of 40 digits", &agent(&format!(r#"{{"n":{}}}"#, "9".repeat(40)))),
        object::<Agent>("with one key twice", &agent(r#"{"a":1,"a":2}"#)),
        object::<Agent>("whose `config` is a list", &agent("[1]")),
        object::<Agent>("without a draft", &whole(named(), "{}")),
        object::<PhoneNumber>(
            "with `managedFields` nested 300 deep",
            &with("\"managedFields\"", &format!("[{}]", nested(300))),
        ),
        object::<PhoneNumber>(
            "with `managedFields` nested 100,000 deep",
            &with("\"managedFields\"", &format!("[{}]", nested(100_000))),
        ),
        object::<Namespace>("with `managedFields` nested 300 deep", &namespace(300)),
        object::<PhoneNumber>("with a field of a later version, nested 300 deep", &{
            format!(r#"{{"metadata":{{"name":"a"}},"spec":{},"later":{}}}"#, imports(json!({})), nested(300))
        }),
        object::<PhoneNumber>("with 6,000 finalizers", &with("\"finalizers\"", &many)),
        object::<PhoneNumber>(
            "with labels of 400 kB",
            &with("\"labels\"", &json!({"a": "x".repeat(400_000)}).to_string()),
        ),
        object::<PhoneNumber>("with a mode of a later version", &whole(named(), &imports(json!({"mode": "Later"})))),
        object::<PhoneNumber>(
            "with an invalid number",
            &whole(named(), &imports(json!({"import": {"number": "secret"}}))),
        ),
        object::<PhoneNumber>("whose `suspend` is a text", &whole(named(), &imports(json!({"suspend": "yes"})))),
        object::<PhoneNumber>("whose labels are a list", &with("\"labels\"", "[1]")),
        object::<PhoneNumber>("that is a list", "[1]"),
        object::<CarrierAccount>("without credentials", &whole(named(), "{}")),
    ]
}

/// A server that answers everything with this; a page number in the query is counted up in `{page}` and `{next}`.
async fn server(body: String) -> String {
    let serve = move |uri: Uri| {
        let query = uri.query().unwrap_or_default();
        let page = query.split('&').find_map(|pair| pair.strip_prefix("Page=")?.parse::<u64>().ok()).unwrap_or(0);
        let body = body.replace("{page}", &page.to_string()).replace("{next}", &(page + 1).to_string());
        async move { Response::builder().header("content-type", "application/json").body(Body::from(body)).unwrap() }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(serve)).await });
    url
}

fn limiter() -> Arc<Limiter> {
    Limiter::new(Limits { concurrency: 5, requests_per_second: 0 })
}

async fn listed(carrier: &dyn Carrier) -> String {
    match carrier.list().await {
        Ok(numbers) => format!("{} numbers", numbers.len()),
        Err(error) => format!("an error: “{}”", error.text),
    }
}

async fn answer(name: &'static str, input: &'static str, body: String) -> Row {
    let endpoint = Some(server(body).await.parse().unwrap());
    let transport = Transport::new(Duration::from_secs(20)).unwrap();
    let token = SecretString::from("t");
    let becomes = if name == "Twilio" {
        let credentials = twilio::Credentials::AuthToken(token);
        let config = twilio::Config { account_sid: SID.to_owned(), credentials, region: None, endpoint };
        listed(&Twilio::new(config, transport, limiter()).unwrap()).await
    } else {
        let config = telnyx::Config { api_key: token, identity: "a".to_owned(), endpoint };
        listed(&Telnyx::new(config, transport, limiter()).unwrap()).await
    };
    [format!("{name} returns {input}"), "a listing".to_owned(), becomes]
}

fn twilio_page(rows: &str, next: &str) -> String {
    format!(r#"{{"incoming_phone_numbers":[{rows}],"page":{{page}},"page_size":1000,"next_page_uri":"{next}"}}"#)
}

fn twilio_row(more: &str) -> String {
    format!(r#"{{"sid":"PN{{page}}","account_sid":"{SID}","phone_number":"+14155550101"{more}}}"#)
}

fn telnyx_page(rows: &str, of: usize) -> String {
    format!(
        r#"{{"data":[{rows}],"meta":{{"page_number":1,"page_size":250,"total_pages":{},"total_results":{of}}}}}"#,
        of.div_ceil(250).max(1)
    )
}

async fn answers() -> Vec<Row> {
    let deep = || format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let small =
        (0..1001).map(|i| format!(r#"{{"sid":"PN{i}","account_sid":"{SID}","phone_number":"1"}}"#)).collect::<Vec<_>>();
    let forever = "/x?Page={next}";
    let padded = twilio_row(&format!(r#","pad":"{}""#, "x".repeat(5_000_000)));
    let odd = twilio_row(r#","capabilities":{"voice":true,"$serde_json::private::RawValue":7,"sms":[[]]}"#);
    let of_both: [(&'static str, String); 6] = [
        ("nothing", String::new()),
        ("a page of HTML", "<html>502</html>".to_owned()),
        ("half a page", r#"{"incoming_phone_numbers":[{"sid":"PN1","#.to_owned()),
        ("`null`", "null".to_owned()),
        ("lists, 100,000 deep", deep()),
        ("13 MB", format!("\"{}\"", "x".repeat(13_000_000))),
    ];
    let both =
        of_both.iter().flat_map(|(input, body)| ["Twilio", "Telnyx"].map(|name| answer(name, input, body.clone())));
    let own = [
        answer("Twilio", "pages of 5 MB and one row, without end", twilio_page(&padded, forever)),
        answer("Twilio", "1,001 rows on a page", twilio_page(&small.join(","), "")),
        answer("Twilio", "an odd key among the capabilities", twilio_page(&odd, "")),
        answer(
            "Twilio",
            "a field that is 100,000 deep",
            twilio_page(&twilio_row(&format!(r#","later":{}"#, deep())), ""),
        ),
        answer(
            "Twilio",
            "a link to the next page of 1 MB",
            twilio_page(&twilio_row(""), &format!("/x?{}", "x".repeat(1 << 20))),
        ),
        answer("Telnyx", "a row without an id", telnyx_page(r#"{"phone_number":"+14155550101"}"#, 1)),
        answer(
            "Telnyx",
            "features that are not a list",
            telnyx_page(r#"{"id":"1","phone_number":"+14155550101","features":{"a":[[]]}}"#, 1),
        ),
        answer("Telnyx", "one row, and a total of a thousand", telnyx_page(r#"{"id":"1"}"#, 1000)),
    ];
    let (both, own) = futures::join!(join_all(both), join_all(own));
    both.into_iter().chain(own).collect()
}

fn page(rows: &[Row]) -> String {
    let lines: String = rows.iter().map(|cells| format!("| {} |\n", cells.join(" | "))).collect();
    format!(
        "<!-- Made by the test `the_table_of_bad_inputs_says_what_comes_of_them`. Do not edit. -->\n\n# Invalid inputs, and what happens\n\n\
         An object that cannot be decoded is ignored, and all others are processed: the log names it, an event `Unreadable` on it gives the \
         cause, and `dialplane_unreadable_objects` counts it. It keeps its claim and its route. A carrier's response that cannot be \
         decoded, or is too large, is an error, and the operator concludes nothing from it.\n\n\
         | Input | Tried with | What happens |\n| --- | --- | --- |\n{lines}"
    )
}

#[tokio::test]
async fn the_table_of_bad_inputs_says_what_comes_of_them() {
    let rows: Vec<Row> = objects().into_iter().chain(answers().await).collect();
    let (path, page) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE), page(&rows));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, page,
        "{PAGE} is not what comes of them: run this test with UPDATE_DOCS=1 and look at the difference"
    );
}
