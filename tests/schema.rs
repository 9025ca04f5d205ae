//! What a real API server makes of our kinds: what it accepts, what it fills in, and what it says to what is wrong.

pub mod manifests;
mod server;

use std::process::Command;

use axum::http::{Method, Request, header::CONTENT_TYPE};
use dialplane::api::{self, Agent, AgentVersion, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber};
use kube::{
    Resource, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use self::{
    manifests::{KINDS, SID, buying, good, with},
    server::Server,
};
use crate::support::{self, go};

const E164: &str = "write + and 7 to 15 digits without spaces, as in +14155551234";
const URL: &str = "a webhook is an absolute URL with http or https and a host, as in https://";
const ESCAPED: &str = "percent-encode these, as in %C3%BC, and write a host in its xn-- form";
const PLACEHOLDER: &str = "unknown placeholder: only {agent}, {version}, {namespace} and {number} are filled in";
const SECRET: &str = "credentialsRef.name is the name of a Secret: lower-case letters, digits, dashes and dots";
const ENDPOINT: &str = "endpoint is an absolute URL with http or https and a host";
const LABEL: &str = "version is a DNS label: lower-case letters, digits and dashes, as in v3 or 2026-11-22";
const DIGEST: &str = "versionDigest is sha256: followed by 64 hexadecimal digits";
const INTERVAL: &str = "scanInterval is a duration from 1s to 24h, as in 10m or 1h30m";
const TOGETHER: &str = "et both, or neither";
const OPERATOR: &str = "the operator is In or NotIn with values, or Exists or DoesNotExist without values";
const SID_SHAPE: &str =
    "accountSid is AC followed by 32 hexadecimal digits; the Twilio console shows it as Account SID";
const FROZEN: &str = "an AgentVersion cannot change: apply another one under a new version name";
const ACCOUNT_FIXED: &str = "accountRef cannot change: delete this PhoneNumber (the account keeps the number)";
const IMPORT_FIXED: &str = "import.number cannot change. Create another PhoneNumber for the other number";
const ONE_OF_TWO: &str = "set exactly one of import (a number that the account owns) and purchase (a number to buy)";
const THIS_OR_THAT: &str = "set exactly one of number (a given number) and search (any number that matches)";
const AMOUNT: &str = r#"not an amount: write digits, and a point where there are decimals, as in "1.50""#;
const NAMED: &str = "make metadata.name, spec.agent and spec.version agree";

fn spec(spec: Value) -> Value {
    json!({ "spec": spec })
}

#[tokio::test]
async fn the_definitions_are_accepted_without_a_warning() {
    let client = support::cluster().await.client().await;
    for crd in api::crds() {
        let name = crd.name_any();
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let query = "fieldManager=dialplane-warned&force=true&dryRun=All&fieldValidation=Strict";
        let request = Request::builder().method(Method::PATCH).uri(format!("{path}/{name}?{query}"));
        let request = request.header(CONTENT_TYPE, "application/apply-patch+yaml");
        let answer = client.send(request.body(serde_json::to_vec(&crd).unwrap().into()).unwrap()).await.unwrap();
        assert!(answer.status().is_success(), "{name}: {}", answer.status());
        assert_eq!(answer.headers().get("warning"), None, "{name}");
    }
}

#[tokio::test]
async fn the_smallest_manifest_of_every_kind_is_enough() {
    let server = Server::new().await;
    for kind in KINDS {
        server.check(&good(kind)).await.unwrap();
    }
}

/// Two places fill in defaults: the API server, and the types when they read an object of before a field was there.
#[tokio::test]
async fn the_api_server_fills_in_what_the_types_fill_in() {
    async fn agree<K: Resource<DynamicType = ()> + Serialize + DeserializeOwned>(server: &Server) {
        let kind = K::kind(&());
        let read: K = serde_json::from_value(good(&kind)).unwrap();
        let stored = server.check(&good(&kind)).await.unwrap();
        assert_eq!(stored["spec"], json!(read)["spec"], "{kind}");
    }
    let server = Server::new().await;
    agree::<CarrierAccount>(&server).await;
    agree::<PhoneNumber>(&server).await;
    agree::<Agent>(&server).await;
    agree::<AgentVersion>(&server).await;
    agree::<NumberClaim>(&server).await;
    agree::<NumberPurchase>(&server).await;

    let manifest = buying(json!({"search": {"country": "US"}}));
    let read: PhoneNumber = serde_json::from_value(manifest.clone()).unwrap();
    assert_eq!(server.check(&manifest).await.unwrap()["spec"], json!(read)["spec"], "a PhoneNumber that buys");
}

#[tokio::test]
async fn what_is_left_out_has_its_documented_default() {
    let server = Server::new().await;
    let account =
        server.check(&with(good("CarrierAccount"), &spec(json!({"limits": {"concurrency": 3}})))).await.unwrap();
    assert_eq!(account["spec"]["limits"], json!({"concurrency": 3, "requestsPerSecond": 10}));
    assert_eq!(account["spec"]["scanInterval"], "10m");
    assert_eq!(account["spec"]["allowedNamespaces"], json!({"from": "Same"}));
    let unlimited = json!({"paused": false, "approval": "Optional", "pool": "Namespace"});
    assert_eq!(account["spec"]["purchasing"], unlimited, "nothing is limited");

    let bought = server.check(&buying(json!({"search": {"country": "US"}}))).await.unwrap();
    let search = json!({"country": "US", "type": "Local", "bestEffort": true});
    assert_eq!(bought["spec"]["purchase"], json!({"search": search, "approval": "Automatic", "reuse": "Never"}));

    let number = server.check(&good("PhoneNumber")).await.unwrap();
    let PhoneNumberDefaults { mode, drift, on_delete, suspend } =
        serde_json::from_value(number["spec"].clone()).unwrap();
    assert_eq!((&*mode, &*drift, &*on_delete, suspend), ("Manage", "Enforce", "Clear", false));

    let hooks = json!({"draft": {"webhooks": {"voice": {"url": "https://e.example.com"}}}});
    let agent = server.check(&with(good("Agent"), &spec(hooks))).await.unwrap();
    assert_eq!(agent["spec"]["historyLimit"], 10);
    assert_eq!(agent["spec"]["offline"], false);
    assert_eq!(agent["spec"]["versions"], "Frozen");
    assert_eq!(agent["spec"]["allowedNamespaces"], json!({"from": "Same"}));
    let voice = json!({"url": "https://e.example.com", "method": "POST", "fallbackMethod": "POST"});
    assert_eq!(agent["spec"]["draft"]["webhooks"]["voice"], voice);
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct PhoneNumberDefaults {
    mode: String,
    drift: String,
    on_delete: String,
    suspend: bool,
}

#[tokio::test]
async fn a_carrier_account_that_is_wrong_is_refused_with_what_to_do() {
    let server = Server::new().await;
    let twilio = |value: Value| spec(json!({ "twilio": value }));
    let endpoint = |url: &str| spec(json!({ "endpoint": url }));
    let credentials = |name: &str| spec(json!({"credentialsRef": {"name": name}}));
    let interval = |text: &str| spec(json!({ "scanInterval": text }));
    let allowed = |value: Value| spec(json!({ "allowedNamespaces": value }));
    let purchasing = |value: Value| spec(json!({ "purchasing": value }));
    let matching =
        |expression: Value| allowed(json!({"from": "Selector", "selector": {"matchExpressions": [expression]}}));
    let refused = [
        (twilio(json!({"accountSid": "AC123"})), SID_SHAPE),
        (twilio(json!({"accountSid": "SK0123456789abcdef0123456789abcdef"})), SID_SHAPE),
        (twilio(json!({"accountSid": "AC0123456789abcdef0123456789abcdeg"})), SID_SHAPE),
        (twilio(json!({"accountSid": "AC0123456789abcdef0123456789abcdef0"})), SID_SHAPE),
        (twilio(json!({"accountSid": ""})), SID_SHAPE),
        (twilio(json!({"region": "ie1"})), TOGETHER),
        (twilio(json!({"edge": "dublin"})), TOGETHER),
        (twilio(json!({"region": "IE1", "edge": "dublin"})), "lower-case letters and digits, as in ie1"),
        (twilio(json!({"region": "ie1", "edge": "dublin.twilio.com"})), "digits and dashes, as in dublin"),
        (twilio(json!({"region": "", "edge": ""})), "as in ie1"),
        (twilio(json!({"region": "ie1", "edge": "roaming"})), "an edge of Twilio's Voice SDKs, not of its API"),
        (spec(json!({ "twilio": null })), "name exactly one carrier"),
        (spec(json!({ "telnyx": {} })), "name exactly one carrier"),
        (spec(json!({ "credentialsRef": null })), "spec.credentialsRef: Required value"),
        (
            spec(json!({"credentialsRef": {"name": ""}})),
            "spec.credentialsRef.name in body should be at least 1 chars long",
        ),
        (credentials("../../kube-system/secrets/admin"), SECRET),
        (credentials("a/b"), SECRET),
        (credentials(".."), SECRET),
        (credentials("a..b"), SECRET),
        (credentials("Twilio"), SECRET),
        (credentials("twilio_prod"), SECRET),
        (credentials("a%2fb"), SECRET),
        (credentials("a?b=c"), SECRET),
        (endpoint("/relative"), ENDPOINT),
        (endpoint("sandbox:8080"), ENDPOINT),
        (endpoint("ftp://sandbox"), ENDPOINT),
        (endpoint("http://"), ENDPOINT),
        (endpoint("http://:8080"), ENDPOINT),
        (endpoint("http://a b"), ENDPOINT),
        (endpoint("http://sandbox/a b"), ENDPOINT),
        (endpoint("http://user:secret@sandbox"), "without credentials and query"),
        (endpoint("http://sandbox?x=y"), "without credentials and query"),
        (interval("0s"), INTERVAL),
        (interval("999ms"), INTERVAL),
        (interval("25h"), INTERVAL),
        (interval("10"), INTERVAL),
        (interval("ten minutes"), INTERVAL),
        (interval("-10m"), INTERVAL),
        (interval(""), INTERVAL),
        (interval("99999999999999999999h"), INTERVAL),
        (allowed(json!({"from": "Selector"})), TOGETHER),
        (allowed(json!({"selector": {}})), TOGETHER),
        (allowed(json!({"from": "All", "selector": {}})), TOGETHER),
        (allowed(json!({"from": "Some"})), r#"supported values: "Same", "All", "Selector""#),
        (matching(json!({"key": "team", "operator": "Is", "values": ["voice"]})), OPERATOR),
        (matching(json!({"key": "team", "operator": "In"})), OPERATOR),
        (matching(json!({"key": "team", "operator": "NotIn", "values": []})), OPERATOR),
        (matching(json!({"key": "team", "operator": "Exists", "values": ["voice"]})), OPERATOR),
        (spec(json!({"limits": {"concurrency": 0}})), "should be greater than or equal to 1"),
        (spec(json!({"limits": {"requestsPerSecond": 10001}})), "should be less than or equal to 10000"),
        (spec(json!({"limits": {"concurrency": -1}})), "should be greater than or equal to 1"),
        (purchasing(json!({"maxMonthlyPrice": 3})), "must be of type string"),
        (purchasing(json!({"maxMonthlyPrice": "3,00"})), AMOUNT),
        (purchasing(json!({"maxMonthlyPrice": "$3"})), AMOUNT),
        (purchasing(json!({"maxMonthlyPrice": "-1"})), "maxMonthlyPrice is at least 0"),
        (purchasing(json!({"maxPerDay": -1})), "should be greater than or equal to 0"),
        (purchasing(json!({"maxPerDay": 5_000_000_000_u64})), "should be less than or equal to 1000000"),
        (purchasing(json!({"maxPerDay": "20"})), "must be of type integer"),
        (purchasing(json!({"maxOwned": -1})), "should be greater than or equal to 0"),
        (purchasing(json!({"maxOwned": 5_000_000_000_u64})), "should be less than or equal to 1000000"),
        (purchasing(json!({"paused": "yes"})), "must be of type boolean"),
        (purchasing(json!({"approval": "Manual"})), r#"supported values: "Optional", "Required""#),
    ];
    server.refuses("CarrierAccount", &refused).await;
    let accepted = [
        twilio(json!({"region": "ie1", "edge": "dublin"})),
        spec(json!({"twilio": null, "telnyx": {}})),
        credentials("twilio-prod.v2"),
        purchasing(json!({"approval": "Required"})),
        endpoint("http://sandbox:8080"),
        endpoint("https://[::1]:8080/twilio/"),
        interval("1s"),
        interval("1h30m"),
        interval("24h"),
        allowed(json!({"from": "All"})),
        allowed(json!({"from": "Selector", "selector": {}})),
        matching(json!({"key": "team", "operator": "In", "values": ["voice"]})),
        matching(json!({"key": "team", "operator": "DoesNotExist"})),
        purchasing(json!({"maxPerDay": 20, "maxOwned": 500, "maxMonthlyPrice": "3.00", "paused": true})),
        purchasing(json!({"maxPerDay": 0, "maxOwned": 0, "maxMonthlyPrice": "0"})),
    ];
    server.accepts("CarrierAccount", &accepted).await;
}

#[tokio::test]
async fn a_carrier_account_stays_the_account_it_is() {
    let server = Server::new().await;
    server.create(&good("CarrierAccount")).await;
    let other = SID.replace('0', "1");
    let refused = [
        (spec(json!({"twilio": {"accountSid": other}})), "Create another CarrierAccount for the other account"),
        (spec(json!({"twilio": null, "telnyx": {}})), "Create another CarrierAccount for the other carrier"),
    ];
    server.refuses_change("CarrierAccount", "twilio-prod", &refused).await;
    let accepted = [
        spec(json!({"twilio": {"region": "ie1", "edge": "dublin"}})),
        spec(json!({"credentialsRef": {"name": "rotated"}, "limits": null, "endpoint": "http://sandbox"})),
    ];
    server.accepts_change("CarrierAccount", "twilio-prod", &accepted).await;
}

#[tokio::test]
async fn a_phone_number_that_is_wrong_is_refused_with_what_to_do() {
    let server = Server::new().await;
    let import = |number: Value| spec(json!({"import": {"number": number}}));
    let refused = [
        (import(json!("14155551234")), E164),
        (import(json!("+1 415 555 1234")), E164),
        (import(json!("+1 (415) 555-1234, ext. 5")), E164),
        (import(json!("+04155551234")), E164),
        (import(json!("+123456")), E164),
        (import(json!("+1234567890123456")), E164),
        (import(json!("+1415555123x")), E164),
        (import(json!("tel:+14155551234")), E164),
        (import(json!("")), E164),
        (import(json!(14155551234_u64)), "must be of type string"),
        (spec(json!({"import": {"number": null}})), "spec.import.number: Required value"),
        (spec(json!({ "import": null })), ONE_OF_TWO),
        (spec(json!({"purchase": {"number": "+14155551234"}})), ONE_OF_TWO),
        (spec(json!({ "accountRef": null })), "spec.accountRef: Required value"),
        (spec(json!({"accountRef": {"name": ""}})), "spec.accountRef.name in body should be at least 1 chars long"),
        (spec(json!({"agentRef": {"namespace": "agents"}})), "spec.agentRef.name: Required value"),
        (spec(json!({"mode": "manage"})), r#"supported values: "Manage", "Observe""#),
        (spec(json!({"drift": "Ignore"})), r#"supported values: "Enforce", "Report""#),
        (spec(json!({"onDelete": "Release"})), r#"supported values: "Clear", "Restore", "Leave""#),
        (spec(json!({"suspend": "yes"})), "must be of type boolean"),
    ];
    server.refuses("PhoneNumber", &refused).await;
    let accepted = [import(json!("+4420111")), import(json!("+123456789012345")), spec(json!({"mode": "Observe"}))];
    server.accepts("PhoneNumber", &accepted).await;
}

#[tokio::test]
async fn a_phone_number_stays_with_its_account_and_its_number() {
    let server = Server::new().await;
    server.create(&good("PhoneNumber")).await;
    let elsewhere = json!({"accountRef": {"name": "twilio-prod", "namespace": "telephony"}});
    let named = with(good("PhoneNumber"), &json!({"metadata": {"name": "elsewhere"}, "spec": elsewhere}));
    server.create(&named).await;

    let refused = [
        (spec(json!({"accountRef": {"name": "other"}})), ACCOUNT_FIXED),
        (spec(json!({"accountRef": {"namespace": "telephony"}})), ACCOUNT_FIXED),
        (spec(json!({"import": {"number": "+14155551235"}})), IMPORT_FIXED),
        (spec(json!({ "import": null })), ONE_OF_TWO),
        (spec(json!({"import": null, "purchase": {"number": "+14155551234"}})), "import cannot become purchase"),
        (spec(json!({"import": null, "purchase": {"search": {"country": "US"}}})), "import cannot become purchase"),
    ];
    server.refuses_change("PhoneNumber", "front-desk", &refused).await;
    let refused = [(spec(json!({"accountRef": {"namespace": null}})), ACCOUNT_FIXED)];
    server.refuses_change("PhoneNumber", "elsewhere", &refused).await;
    let accepted = [
        spec(json!({"agentRef": {"name": "ringback-dental"}, "suspend": true})),
        spec(json!({"mode": "Observe", "drift": "Report", "onDelete": "Leave"})),
        spec(json!({"mode": null})),
        spec(json!({"import": {"bringIn": true}})),
        spec(json!({"import": {"bringIn": null}})),
    ];
    server.accepts_change("PhoneNumber", "front-desk", &accepted).await;
}

#[tokio::test]
async fn a_purchase_that_is_wrong_is_refused_with_what_to_do() {
    let server = Server::new().await;
    let purchase = |value: Value| spec(json!({"import": null, "purchase": value}));
    let search = |value: Value| purchase(json!({"search": with(json!({"country": "US"}), &value)}));
    let priced = |field: &str, price: Value| purchase(json!({"number": "+14155551234", field: price}));
    let (country, area) = ("country is a two-letter country code in capitals, as in US", "areaCode is 1 to 5 digits");
    let (starts, contains) =
        ("startsWith is 1 to 14 digits in quotes, without the country code", "contains is 2 to 14");
    let ends = "endsWith is 1 to 14 digits in quotes";
    let toll_free = "TollFree numbers outside of the US and Canada have none: remove one of the two";
    let features = r#"supported values: "Voice", "SMS", "MMS", "Fax", "Emergency""#;
    let refused = [
        (purchase(json!({})), THIS_OR_THAT),
        (purchase(json!({"number": "+14155551234", "search": {"country": "US"}})), THIS_OR_THAT),
        (purchase(json!({"number": "4155551234"})), E164),
        (purchase(json!({"search": {}})), "spec.purchase.search.country: Required value"),
        (search(json!({"country": "USA"})), country),
        (search(json!({"country": "us"})), country),
        (search(json!({"country": ""})), country),
        (search(json!({"country": "UK"})), "write for example GB for the United Kingdom"),
        (search(json!({"country": "XX"})), "country is not an ISO 3166-1 country code"),
        (search(json!({"type": "Vanity"})), r#"supported values: "Local", "Mobile", "TollFree", "National""#),
        (search(json!({"areaCode": 415})), "must be of type string"),
        (search(json!({"areaCode": "41x"})), area),
        (search(json!({"areaCode": "+1415"})), area),
        (search(json!({"areaCode": "415555"})), area),
        (search(json!({"areaCode": ""})), area),
        (search(json!({"country": "GB", "type": "TollFree", "areaCode": "800"})), toll_free),
        (search(json!({"locality": ""})), "should be at least 1 chars long"),
        (search(json!({"region": ""})), "should be at least 1 chars long"),
        (search(json!({"features": ["Voice", "Sms"]})), features),
        (search(json!({"features": ["Video"]})), features),
        (search(json!({"features": ["SMS", "SMS"]})), "Duplicate value"),
        (search(json!({"features": "SMS"})), "must be of type array"),
        (search(json!({"startsWith": "+1415"})), starts),
        (search(json!({"startsWith": "415*"})), starts),
        (search(json!({"startsWith": "123456789012345"})), starts),
        (search(json!({"startsWith": 415})), "must be of type string"),
        (search(json!({"contains": "D"})), contains),
        (search(json!({"contains": "DEN-T"})), contains),
        (search(json!({"contains": "*"})), contains),
        (search(json!({"endsWith": "12a4"})), ends),
        (search(json!({"endsWith": ""})), ends),
        (search(json!({"bestEffort": "no"})), "must be of type boolean"),
        (priced("maxMonthlyPrice", json!(1.5)), "must be of type string"),
        (priced("maxMonthlyPrice", json!("1,50")), AMOUNT),
        (priced("maxMonthlyPrice", json!("1.50 USD")), AMOUNT),
        (priced("maxMonthlyPrice", json!("")), AMOUNT),
        (priced("maxMonthlyPrice", json!("-1.50")), "maxMonthlyPrice is at least 0"),
        (priced("maxSetupPrice", json!("1e3")), AMOUNT),
        (priced("maxSetupPrice", json!("1.123456789")), AMOUNT),
        (priced("maxSetupPrice", json!("1000000000000")), AMOUNT),
        (priced("maxSetupPrice", json!("-0.01")), "maxSetupPrice is at least 0"),
        (priced("approval", json!("Yes")), r#"supported values: "Automatic", "Manual""#),
        (priced("reuse", json!("Always")), r#"supported values: "Never", "Pool""#),
        (priced("identity", json!("")), "spec.purchase.identity in body should be at least 1 chars long"),
        (priced("identity", json!("x".repeat(254))), "may not be more than 253"),
        (priced("regulatory", json!({"addressSid": ""})), "should be at least 1 chars long"),
    ];
    server.refuses("PhoneNumber", &refused).await;
    let whole = json!({
        "type": "Local", "areaCode": "415", "locality": "San Francisco", "region": "CA",
        "features": ["Voice", "SMS", "MMS", "Fax", "Emergency"],
        "startsWith": "41555", "contains": "DENT", "endsWith": "1234", "bestEffort": false,
    });
    let accepted = [
        purchase(json!({"number": "+14155551234"})),
        search(json!({})),
        search(whole),
        search(json!({"country": "GB", "type": "Mobile"})),
        search(json!({"country": "GB", "type": "TollFree"})),
        search(json!({"type": "TollFree", "areaCode": "833"})),
        search(json!({"country": "GB", "areaCode": "20"})),
        priced("maxMonthlyPrice", json!("1.50")),
        priced("maxSetupPrice", json!("0")),
        priced("approval", json!("Manual")),
        priced("reuse", json!("Pool")),
        purchase(json!({"number": "+14155551234", "reuse": "Pool"})),
        priced("identity", json!("clinic-17")),
        priced("regulatory", json!({"addressSid": "AD1", "bundleSid": "BU1"})),
    ];
    server.accepts("PhoneNumber", &accepted).await;
}

#[tokio::test]
async fn what_is_bought_may_be_edited_and_what_it_is_for_may_not() {
    let server = Server::new().await;
    let named = |name: &str, purchase: Value| with(buying(purchase), &json!({"metadata": { "name": name }}));
    server.create(&named("unnamed", json!({"search": {"country": "US"}}))).await;
    server.create(&named("clinic", json!({"number": "+14155551234", "identity": "clinic-17"}))).await;
    let purchase = |value: Value| spec(json!({ "purchase": value }));
    let fixed = "purchase.identity cannot change. Create another PhoneNumber";
    let refused = [
        (purchase(json!({"identity": "clinic-18"})), fixed),
        (purchase(json!({ "identity": null })), fixed),
        (purchase(json!({ "number": null })), THIS_OR_THAT),
        (spec(json!({ "purchase": null })), ONE_OF_TWO),
        (spec(json!({"import": {"number": "+14155551234"}})), ONE_OF_TWO),
        (spec(json!({"accountRef": {"name": "other"}})), ACCOUNT_FIXED),
    ];
    server.refuses_change("PhoneNumber", "clinic", &refused).await;
    server.refuses_change("PhoneNumber", "unnamed", &[(purchase(json!({"identity": "unnamed"})), fixed)]).await;
    let accepted = [
        purchase(json!({"number": "+14155551235"})),
        purchase(json!({"number": null, "search": {"country": "CA"}})),
        purchase(json!({"maxMonthlyPrice": "2.00", "maxSetupPrice": "1", "approval": "Manual"})),
        purchase(json!({"regulatory": {"bundleSid": "BU1"}})),
    ];
    server.accepts_change("PhoneNumber", "clinic", &accepted).await;
}

#[tokio::test]
async fn a_purchase_becomes_an_import_of_the_very_number_that_was_bought() {
    let server = Server::new().await;
    server.create(&buying(json!({"search": {"country": "US"}}))).await;
    let import = |number: &str| spec(json!({"purchase": null, "import": { "number": number }}));
    let only = "purchase can only become import of the number that was bought: wait until status.number shows it";
    let refused = [(import("+14155551234"), only)];
    server.refuses_change("PhoneNumber", "front-desk", &refused).await;

    let numbers = server.api("PhoneNumber");
    for (status, refused) in [
        (json!({"acquisition": "Purchased"}), "+14155551234"),
        (json!({"acquisition": "Purchased", "number": "+14155551234"}), "+14155551235"),
    ] {
        let patch = Patch::Merge(json!({ "status": status }));
        numbers.patch_status("front-desk", &PatchParams::default(), &patch).await.unwrap();
        server.refuses_change("PhoneNumber", "front-desk", &[(import(refused), only)]).await;
    }
    // What a user sends along as status is not what the operator wrote.
    let forged = with(import("+14155551235"), &json!({"status": {"number": "+14155551235"}}));
    server.refuses_change("PhoneNumber", "front-desk", &[(forged, only)]).await;
    server.refuses_change("PhoneNumber", "front-desk", &[(spec(json!({ "purchase": null })), ONE_OF_TWO)]).await;

    let change = Patch::Merge(import("+14155551234"));
    numbers.patch("front-desk", &PatchParams::default(), &change).await.unwrap();
    let back = spec(json!({"import": null, "purchase": {"number": "+14155551234"}}));
    server.refuses_change("PhoneNumber", "front-desk", &[(back, "import cannot become purchase")]).await;
    server.refuses_change("PhoneNumber", "front-desk", &[(import("+14155551235"), IMPORT_FIXED)]).await;
}

#[tokio::test]
async fn the_status_of_a_purchase_shows_what_was_offered_and_what_it_costs() {
    let server = Server::new().await;
    server.create(&buying(json!({"search": {"country": "US"}}))).await;
    let status = json!({
        "acquisition": "Purchased",
        "price": {"monthly": "1.15", "setup": "0", "currency": "USD"},
        "offer": {"number": "+14155551234", "price": {"monthly": "1.15", "currency": "USD"}, "exact": true},
        "exact": false,
    });
    let patch = Patch::Merge(json!({ "status": status }));
    let stored = server.api("PhoneNumber").patch_status("front-desk", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(with(status.clone(), &stored.data["status"]), stored.data["status"]);
    let wrong = Patch::Merge(json!({"status": {"price": {"monthly": "free"}}}));
    let refusal =
        server.api("PhoneNumber").patch_status("front-desk", &PatchParams::default(), &wrong).await.unwrap_err();
    assert!(refusal.to_string().contains(AMOUNT), "{refusal}");

    server.create(&good("CarrierAccount")).await;
    let grant = json!({"uid": "0a1b", "day": "2026-11-24"});
    let status = |open: Value| {
        let grants = json!({"day": "2026-11-24", "bought": 3, "open": open});
        Patch::Merge(json!({"status": {"balance": {"amount": "-12.3456", "currency": "USD"}, "grants": grants}}))
    };
    let (accounts, params) = (server.api("CarrierAccount"), PatchParams::default());
    accounts.patch_status("twilio-prod", &params, &status(json!([grant]))).await.unwrap();
    let twice = accounts.patch_status("twilio-prod", &params, &status(json!([grant, grant]))).await.unwrap_err();
    assert!(twice.to_string().contains("Duplicate value"), "an object has one grant: {twice}");
}

/// What is wrong with webhooks, whatever object they stand in.
fn wrong_urls() -> Vec<(&'static str, &'static str)> {
    vec![
        ("/relative", URL),
        ("engine.example.com/voice", URL),
        ("ftp://engine.example.com/voice", URL),
        ("//engine.example.com/voice", URL),
        ("https://", URL),
        ("https:///voice", URL),
        ("https://:8443/voice", URL),
        ("https://user@/voice", URL),
        ("https://engine example.com/voice", URL),
        ("https://engine.example.com/voice mail", URL),
        (" https://engine.example.com/voice", URL),
        ("", URL),
        ("https://engine.example.com/{tenant}/voice", PLACEHOLDER),
        ("https://engine.example.com/{Agent}", PLACEHOLDER),
        ("https://engine.example.com/{}", PLACEHOLDER),
        ("https://engine.example.com/{agent", PLACEHOLDER),
        ("https://engine.example.com/agent}", PLACEHOLDER),
        ("https://engine.example.com/{{agent}}", PLACEHOLDER),
        ("https://engine.example.com/{ver{agent}sion}", PLACEHOLDER),
        ("https://{number}.example.com/", "move it into the path or the query"),
        ("https://engine.example.com/\u{fc}", ESCAPED),
        ("https://m\u{fc}nchen.example/voice", ESCAPED),
        ("https://engine.example.com/<voice>", ESCAPED),
        ("https://engine.example.com/a\\b", ESCAPED),
        ("https://engine.example.com/v?a|b", ESCAPED),
        ("https://engine.example.com/v?", "remove the ?"),
        ("https://engine.example.com/v?#x", "remove the ?"),
    ]
}

#[tokio::test]
async fn a_webhook_that_is_wrong_is_refused_with_what_to_do() {
    let server = Server::new().await;
    let draft = |hooks: Value| spec(json!({"draft": { "webhooks": hooks }}));
    let mut of_agent = vec![];
    let mut of_version = vec![];
    for (url, says) in wrong_urls() {
        of_agent.push((draft(json!({"voice": { "url": url }})), says));
        of_version.push((spec(json!({"webhooks": {"sms": { "url": url }}})), says));
    }
    let good_url = "https://engine.example.com/voice";
    of_agent.extend([
        (draft(json!({"voice": {"url": good_url, "fallbackUrl": "/relative"}})), URL),
        (draft(json!({"status": {"url": "/relative"}})), URL),
        (draft(json!({"status": {"url": "https://engine.example.com/{tenant}"}})), PLACEHOLDER),
        (draft(json!({"voice": {"url": good_url, "method": "PUT"}})), r#"supported values: "POST", "GET""#),
        (draft(json!({"voice": {"method": "GET"}})), "spec.draft.webhooks.voice.url: Required value"),
        (draft(json!({"voice": {"url": format!("{good_url}?{}", "x".repeat(1024))}})), "may not be more than 1024"),
    ]);
    server.refuses("Agent", &of_agent).await;
    server.refuses("AgentVersion", &of_version).await;
    let accepted = [
        good_url,
        "https://engine.example.com",
        "https://engine.example.com?to={number}",
        "http://user:secret@engine.example.com:8443/{namespace}/{agent}/{version}/voice?to={number}#x",
        "https://{agent}.example.com/",
        "https://[2001:db8::1]:8443/voice",
        "https://Engine.example.com:443/a+b/%2b;p=1/../v?name='x'&list[]=1&y=(z)~*!$",
    ];
    let accepted = accepted.map(|url| draft(json!({"voice": { "url": url, "fallbackUrl": url }})));
    server.accepts("Agent", &accepted).await;
}

#[tokio::test]
async fn an_agent_that_is_wrong_is_refused_with_what_to_do() {
    let server = Server::new().await;
    let version = |name: &str| spec(json!({ "version": name }));
    let digest = |text: &str| spec(json!({ "versionDigest": text }));
    let hex = "0123456789abcdef".repeat(4);
    let refused = [
        (version("V3"), LABEL),
        (version("v3.1"), LABEL),
        (version("-v3"), LABEL),
        (version("v3-"), LABEL),
        (version("v 3"), LABEL),
        (version(""), LABEL),
        (version(&"v".repeat(64)), "may not be more than 63"),
        (digest(&hex), DIGEST),
        (digest("sha256:abc"), DIGEST),
        (digest(&format!("sha256:{}", hex.to_uppercase())), DIGEST),
        (digest(&format!("sha512:{hex}")), DIGEST),
        (digest(&format!("sha256:{hex}0")), DIGEST),
        (spec(json!({"allowedNamespaces": {"from": "Selector"}})), TOGETHER),
        (spec(json!({"historyLimit": -1})), "should be greater than or equal to 0"),
        (spec(json!({"historyLimit": 1001})), "should be less than or equal to 1000"),
        (spec(json!({ "draft": null })), "set it, or set versions: Applied"),
        (spec(json!({"draft": null, "versions": "Frozen"})), "set it, or set versions: Applied"),
        (spec(json!({"versions": "Made"})), r#"supported values: "Frozen", "Applied""#),
        (spec(json!({"draft": {"config": "text"}})), "must be of type object"),
        (json!({"metadata": {"name": "a".repeat(190)}}), "the name of an Agent has at most 189 characters"),
    ];
    server.refuses("Agent", &refused).await;
    let applied = spec(json!({"draft": null, "versions": "Applied"}));
    let accepted = [version("v3"), version("2026-11-22"), version("3"), digest(&format!("sha256:{hex}")), applied];
    server.accepts("Agent", &accepted).await;
}

#[tokio::test]
async fn an_agent_version_is_named_by_its_agent_and_version() {
    let server = Server::new().await;
    let refused = [
        (json!({"metadata": {"name": "v3"}}), NAMED),
        (json!({"metadata": {"name": "ringback-dental-v3"}}), NAMED),
        (spec(json!({"agent": "other"})), NAMED),
        (spec(json!({"version": "v4"})), NAMED),
        (json!({"metadata": {"name": "ringback-dental.v3.1"}, "spec": {"version": "v3.1"}}), LABEL),
        (spec(json!({ "agent": null })), "spec.agent: Required value"),
        (spec(json!({ "version": null })), "spec.version: Required value"),
    ];
    server.refuses("AgentVersion", &refused).await;
    let dotted = json!({"metadata": {"name": "ringback.dental.v3"}, "spec": {"agent": "ringback.dental"}});
    server.accepts("AgentVersion", &[dotted]).await;
}

#[tokio::test]
async fn an_agent_version_never_changes() {
    let server = Server::new().await;
    server.create(&good("AgentVersion")).await;
    let refused = [
        (spec(json!({"config": {"prompt": "hello"}})), FROZEN),
        (spec(json!({"webhooks": {"voice": {"url": "https://e.example.com"}}})), FROZEN),
    ];
    server.refuses_change("AgentVersion", "ringback-dental.v3", &refused).await;

    let whole = json!({
        "metadata": {"name": "ringback-dental.v4"},
        "spec": {
            "version": "v4",
            "webhooks": {"voice": {"url": "https://e.example.com"}, "sms": {"url": "https://e.example.com"}},
            "config": {"prompt": "hello", "tools": [{"name": "book", "retries": 2}], "voice": {"tts": {"speed": 1}}},
        },
    });
    server.create(&with(good("AgentVersion"), &whole)).await;
    let refused = [
        (spec(json!({ "config": null })), FROZEN),
        (spec(json!({ "webhooks": null })), FROZEN),
        (spec(json!({"webhooks": {"sms": null}})), FROZEN),
        (spec(json!({"webhooks": {"voice": {"url": "https://f.example.com"}}})), FROZEN),
        (spec(json!({"webhooks": {"voice": {"method": "GET"}}})), FROZEN),
        (spec(json!({"webhooks": {"status": {"url": "https://e.example.com"}}})), FROZEN),
        (spec(json!({"config": {"prompt": "goodbye"}})), FROZEN),
        (spec(json!({"config": {"prompt": null}})), FROZEN),
        (spec(json!({"config": {"added": 1}})), FROZEN),
        (spec(json!({"config": {"voice": {"tts": {"speed": 2}}}})), FROZEN),
        (spec(json!({"config": {"voice": {"tts": {"speed": "1"}}}})), FROZEN),
        (spec(json!({"config": {"voice": {"tts": {"speed": null}}}})), FROZEN),
        (spec(json!({"config": {"tools": []}})), FROZEN),
        (spec(json!({"config": {"tools": [{"name": "book", "retries": 3}]}})), FROZEN),
        (spec(json!({"config": {"tools": [{"retries": 2, "name": "book"}, {"name": "cancel"}]}})), FROZEN),
        (spec(json!({"agent": "other"})), FROZEN),
    ];
    server.refuses_change("AgentVersion", "ringback-dental.v4", &refused).await;
    let accepted = [
        json!({"metadata": {"labels": {"team": "voice"}, "finalizers": ["dialplane.dev/in-use"]}}),
        spec(json!({"webhooks": {"voice": {"method": "POST"}}, "config": {"voice": {"tts": {"speed": 1}}}})),
    ];
    server.accepts_change("AgentVersion", "ringback-dental.v4", &accepted).await;
}

#[tokio::test]
async fn an_agent_version_may_be_applied_again_as_it_is() {
    let server = Server::new().await;
    let config = json!({"config": {"voice": {"tts": {"speed": 1.0, "pitch": 0.5}}, "tools": [{"name": "book"}]}});
    let manifest = with(good("AgentVersion"), &spec(config));
    let apply = PatchParams::apply("pipeline");
    for _ in 0..2 {
        server.api("AgentVersion").patch("ringback-dental.v3", &apply, &Patch::Apply(&manifest)).await.unwrap();
    }
    let stored = server.api("AgentVersion").get("ringback-dental.v3").await.unwrap();
    assert_eq!(stored.metadata.generation, Some(1));
}

#[tokio::test]
async fn a_number_claim_stands_for_the_number_it_is_named_by() {
    let server = Server::new().await;
    let digits = "the name of a NumberClaim is the digits of its number";
    let refused = [
        (json!({"metadata": {"name": "16505551235"}}), digits),
        (spec(json!({"number": "+16505551235"})), digits),
        (json!({"metadata": {"name": "1415"}, "spec": {"number": "+1415"}}), E164),
        (spec(json!({"acquisition": "Stolen"})), r#"supported values: "Imported", "Purchased""#),
        (spec(json!({"onDelete": "Release"})), r#"supported values: "Clear", "Restore", "Leave""#),
        (spec(json!({"holder": {"uid": ""}})), "spec.holder.uid in body should be at least 1 chars long"),
        (spec(json!({"holder": {"uid": null}})), "spec.holder.uid: Required value"),
        (spec(json!({"purchase": {"attempt": 1}})), "spec.purchase.identity: Required value"),
        (spec(json!({"purchase": {"identity": "telephony/front-desk"}})), "spec.purchase.attempt: Required value"),
    ];
    server.refuses("NumberClaim", &refused).await;
    let purchase = json!({"identity": "telephony/front-desk", "attempt": 2, "price": {"monthly": "1.15"}});
    let bought = json!({"acquisition": "Purchased", "purchase": purchase, "carrierNumberId": null});
    let resting = with(bought.clone(), &json!({ "holder": null }));
    // An account without an id at its carrier is named by its namespace and name.
    let longest = json!({"account": {"identity": format!("{}/{}", "n".repeat(63), "a".repeat(253))}});
    server.accepts("NumberClaim", &[spec(bought), spec(resting), spec(longest)]).await;

    // Claims have no namespace: this number is this test's own. Something was sent for it by an account that is not there, so
    // that the operator, which drops what nobody holds, waits.
    let sent = json!([{"voice": "sha256:a"}]);
    let own = json!({"metadata": {"name": "16505550199"}, "spec": {"number": "+16505550199", "sent": sent}});
    server.create(&with(good("NumberClaim"), &own)).await;
    let refused = [(spec(json!({"number": "+16505550198"})), "number cannot change")];
    server.refuses_change("NumberClaim", "16505550199", &refused).await;
    let destination = json!({"url": "https://old.example.com", "boundTo": {"kind": "trunkSid", "id": "TK1"}});
    let accepted = [
        spec(json!({"holder": {"name": "other", "uid": "2c3d"}, "carrierNumberId": "PN1"})),
        spec(json!({"previous": {"voice": destination}, "sent": [{"voice": "sha256:a"}, {"sms": "sha256:b"}]})),
    ];
    server.accepts_change("NumberClaim", "16505550199", &accepted).await;
}

#[tokio::test]
async fn a_number_purchase_is_the_journal_of_one_identity_and_never_goes_back() {
    let server = Server::new().await;
    let refused = [
        (spec(json!({"identity": ""})), "spec.identity in body should be at least 1 chars long"),
        (spec(json!({ "holder": null })), "spec.holder: Required value"),
        (spec(json!({ "account": null })), "spec.account: Required value"),
        (spec(json!({ "attempt": null })), "spec.attempt: Required value"),
        (spec(json!({"attempt": -1})), "should be greater than or equal to 0"),
        (spec(json!({ "token": null })), "spec.token: Required value"),
        (spec(json!({"token": ""})), "spec.token in body should be at least 1 chars long"),
        (spec(json!({"number": "4155551234"})), E164),
        (spec(json!({"price": {"monthly": "free"}})), AMOUNT),
    ];
    server.refuses("NumberPurchase", &refused).await;

    // It has no namespace: this name is this test's own.
    let name = "f".repeat(40);
    let own = json!({
        "metadata": { "name": name },
        "spec": {"identity": "schema/journal", "attempt": 2, "number": "+16505550197", "price": {"monthly": "1.15"}},
    });
    server.create(&with(good("NumberPurchase"), &own)).await;
    let refused = [
        (spec(json!({"identity": "schema/other"})), "identity cannot change: another purchase identity has its own"),
        (spec(json!({"attempt": 1})), "attempt only grows"),
        (spec(json!({"attempt": 0, "number": null})), "attempt only grows"),
    ];
    server.refuses_change("NumberPurchase", &name, &refused).await;
    let accepted = [
        spec(json!({"token": "7a8b9c"})),
        spec(json!({"attempt": 3, "number": "+16505550196", "price": null, "exact": false})),
        spec(json!({ "number": null })),
        spec(json!({"holder": {"name": "renamed", "uid": "2c3d"}})),
    ];
    server.accepts_change("NumberPurchase", &name, &accepted).await;

    let found = server.api("NumberPurchase").list(&ListParams::default().fields("spec.number=+16505550197")).await;
    assert_eq!(found.unwrap().iter().map(|found| found.name_any()).collect::<Vec<_>>(), [name]);
}

#[tokio::test]
async fn a_field_that_does_not_exist_is_refused_where_that_is_asked_for_and_else_dropped() {
    let server = Server::new().await;
    for kind in KINDS {
        let manifest = with(good(kind), &spec(json!({"typo": 1})));
        let path = format!("{}?dryRun=All&fieldValidation=Strict", server.path(kind));
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        let request = request.body(serde_json::to_vec(&manifest).unwrap()).unwrap();
        let refusal = server.client.request::<Value>(request).await.unwrap_err().to_string();
        assert!(refusal.contains(r#"unknown field "spec.typo""#), "{kind}: {refusal}");
        assert_eq!(server.check(&manifest).await.unwrap()["spec"]["typo"], Value::Null, "{kind}");
    }
}

#[tokio::test]
async fn a_config_keeps_whatever_it_holds() {
    let server = Server::new().await;
    let config = json!({"prompt": "hello", "nested": {"any": [1, "two", null, {"three": 3.5}]}, "nothing": null});
    let agent = good("Agent");
    // Not through `with`, for which null removes.
    let agent = json!({
        "apiVersion": agent["apiVersion"], "kind": agent["kind"], "metadata": agent["metadata"],
        "spec": {"draft": { "config": config }},
    });
    assert_eq!(server.check(&agent).await.unwrap()["spec"]["draft"]["config"], config);
}

#[tokio::test]
async fn a_condition_type_stands_once_in_a_status() {
    let server = Server::new().await;
    server.create(&good("PhoneNumber")).await;
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "Routed", "message": "", "lastTransitionTime": "2026-11-22T00:00:00Z",
    });
    let params = PatchParams::default();
    let status = |conditions: Value| Patch::Merge(json!({"status": { "conditions": conditions }}));
    let numbers = server.api("PhoneNumber");
    let twice = numbers.patch_status("front-desk", &params, &status(json!([condition, condition]))).await.unwrap_err();
    assert!(twice.to_string().contains("Duplicate value"), "{twice}");
    numbers.patch_status("front-desk", &params, &status(json!([condition]))).await.unwrap();
}

#[tokio::test]
async fn a_new_object_says_that_nobody_has_looked_at_it() {
    let server = Server::new().await;
    for kind in ["CarrierAccount", "PhoneNumber", "Agent", "AgentVersion"] {
        assert_eq!(server.create(&good(kind)).await["status"]["observedGeneration"], -1, "{kind}");
    }
}

#[tokio::test]
async fn every_kind_has_a_short_name_and_those_in_namespaces_the_category() {
    let server = Server::new().await;
    let resources = server.client.list_api_group_resources("dialplane.dev/v1alpha1").await.unwrap().resources;
    let named: Vec<(&str, &str)> = resources
        .iter()
        .filter(|resource| !resource.name.contains('/'))
        .map(|resource| {
            // Nobody sees the kinds of the whole cluster by asking for one namespace, and who may see only that is not refused.
            let categories = resource.categories.clone().unwrap_or_default();
            assert_eq!(categories.contains(&"dialplane".to_owned()), resource.namespaced, "{}", resource.kind);
            (&*resource.kind, &*resource.short_names.as_deref().unwrap()[0])
        })
        .collect();
    let wanted = [
        ("CarrierAccount", "ca"),
        ("PhoneNumber", "pn"),
        ("Agent", "ag"),
        ("AgentVersion", "agv"),
        ("NumberClaim", "nc"),
        ("NumberPurchase", "np"),
    ];
    assert_eq!(named.len(), wanted.len(), "{named:?}");
    assert!(wanted.iter().all(|kind| named.contains(kind)), "{named:?}");
}

#[tokio::test]
async fn every_field_that_is_said_to_be_selectable_is() {
    let server = Server::new().await;
    for crd in api::crds() {
        let kind = &crd.spec.names.kind;
        for field in crd.spec.versions[0].selectable_fields.iter().flatten() {
            let by = format!("{}=nothing-has-this", field.json_path.trim_start_matches('.'));
            let found = server.api(kind).list(&ListParams::default().fields(&by)).await;
            assert_eq!(found.unwrap_or_else(|error| panic!("{kind} {by}: {error}")).items.len(), 0);
        }
    }
}

#[tokio::test]
async fn numbers_are_found_by_their_agent_and_by_what_they_are() {
    let server = Server::new().await;
    server.create(&with(good("PhoneNumber"), &spec(json!({"agentRef": {"name": "ringback-dental"}})))).await;
    server.create(&with(good("PhoneNumber"), &json!({"metadata": {"name": "resting"}}))).await;
    let status = Patch::Merge(json!({"status": {"number": "+14155551234"}}));
    let numbers = server.api("PhoneNumber");
    numbers.patch_status("resting", &PatchParams::default(), &status).await.unwrap();
    for (by, found) in [
        ("spec.agentRef.name=ringback-dental", vec!["front-desk"]),
        ("spec.agentRef.name=", vec!["resting"]),
        ("status.number=+14155551234", vec!["resting"]),
        ("spec.import.number=+14155551234,status.number=", vec!["front-desk"]),
        ("spec.accountRef.name=twilio-prod", vec!["front-desk", "resting"]),
    ] {
        let list = numbers.list(&ListParams::default().fields(by)).await.unwrap();
        assert_eq!(list.iter().map(|number| number.name_any()).collect::<Vec<_>>(), found, "{by}");
    }
    let purchase = json!({"number": "+14155551235", "identity": "clinic-17"});
    server.create(&with(buying(purchase), &json!({"metadata": {"name": "clinic"}}))).await;
    let list = numbers.list(&ListParams::default().fields("spec.purchase.identity=clinic-17")).await.unwrap();
    assert_eq!(list.iter().map(|number| number.name_any()).collect::<Vec<_>>(), ["clinic"]);
}

#[tokio::test]
async fn a_list_shows_what_people_look_for() {
    let server = Server::new().await;
    server.create(&with(good("PhoneNumber"), &spec(json!({"agentRef": {"name": "night"}})))).await;
    let status = json!({
        "number": "+14155551234",
        "route": {"agent": "agents/ringback-dental", "version": "v3", "digests": {"voice": "sha256:a"}},
        "offer": {"number": "+14155550000", "exact": true, "heldUntil": "2026-11-22T00:30:00Z"},
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Routed", "message": "It is.",
            "lastTransitionTime": "2026-11-22T00:00:00Z",
        }],
    });
    let patch = Patch::Merge(json!({ "status": status }));
    server.api("PhoneNumber").patch_status("front-desk", &PatchParams::default(), &patch).await.unwrap();

    let table = server.get(&server.path("PhoneNumber"), "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    let columns = table["columnDefinitions"].as_array().unwrap();
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    let shown: Vec<(&str, &str)> = columns
        .iter()
        .zip(cells)
        .map(|(column, cell)| (column["name"].as_str().unwrap(), cell.as_str().unwrap_or_default()))
        .filter(|(name, _)| *name != "Age")
        .collect();
    assert_eq!(
        shown,
        [
            ("Name", "front-desk"),
            ("Number", "+14155551234"),
            ("Agent", "agents/ringback-dental"),
            ("Version", "v3"),
            ("Ready", "True"),
            ("Reason", "Routed"),
            ("Wanted", "night"),
            ("Account", "twilio-prod"),
            ("Offer", "+14155550000"),
            ("Held until", "2026-11-22T00:30:00Z"),
            ("Message", "It is."),
        ]
    );
}

#[tokio::test]
async fn every_column_of_every_kind_is_shown() {
    let server = Server::new().await;
    for crd in api::crds() {
        let kind = &crd.spec.names.kind;
        let table = server.get(&server.path(kind), "application/json;as=Table;v=v1;g=meta.k8s.io").await;
        let shown: Vec<&str> = table["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column["name"].as_str().unwrap())
            .collect();
        let columns = crd.spec.versions[0].additional_printer_columns.iter().flatten();
        let wanted: Vec<&str> = std::iter::once("Name").chain(columns.map(|column| &*column.name)).collect();
        assert_eq!(shown, wanted, "{kind}");
    }
}

/// `kubectl explain` reads the same.
#[tokio::test]
async fn fields_are_explained() {
    let server = Server::new().await;
    let published = || async {
        let api = server.get("/openapi/v3/apis/dialplane.dev/v1alpha1", "application/json").await;
        let number = &api["components"]["schemas"]["dev.dialplane.v1alpha1.PhoneNumber"]["properties"];
        number.is_object().then(|| number.clone())
    };
    let number = support::eventually("the kind is in the OpenAPI of the server", published).await;
    assert_eq!(
        number["spec"]["properties"]["drift"],
        json!({
            "description": "What happens when the route is changed at the carrier. `Enforce`, the default: the operator corrects it. `Report`: it only reports it. Drift is detected by the next listing (`scanInterval` of the CarrierAccount) or check; within 30 seconds after a write by the operator, only by a listing that starts later, because carriers may show old data for a while.",
            "type": "string",
            "default": "Enforce",
            "enum": ["Enforce", "Report"],
        })
    );
}

/// What a JSON Schema for editors says of a manifest.
fn by_json_schema(manifest: &Value) -> Result<(), String> {
    let crd = api::crds().into_iter().find(|crd| manifest["kind"] == crd.spec.names.kind).unwrap();
    let validator = jsonschema::validator_for(&api::json_schema(&crd).unwrap()).unwrap();
    validator.validate(manifest).map_err(|error| error.to_string())
}

#[test]
fn a_json_schema_takes_what_the_api_server_takes_and_refuses_what_it_refuses() {
    for kind in KINDS {
        assert_eq!(by_json_schema(&good(kind)), Ok(()), "{kind}");
    }
    for (change, said) in [
        (json!({"accountref": {"name": "a"}}), "'accountref' was unexpected"),
        (json!({"mode": "Watch"}), r#""Watch" is not one of "#),
        (json!({"suspend": "yes"}), r#""yes" is not of types "null", "boolean""#),
        (json!({"agentRef": {}}), r#""name" is a required property"#),
        (json!({"accountRef": null}), "\"accountRef\" is a required property"),
        (json!({"import": {"number": "+1", "bringin": true}}), "'bringin' was unexpected"),
    ] {
        let refused = by_json_schema(&with(good("PhoneNumber"), &spec(change))).unwrap_err();
        assert!(refused.contains(said), "{said}, and not {refused}");
    }
    // The API server prunes it: `kubectl apply` may have it where a template leaves something out.
    let nulls = json!({"agentRef": null, "purchase": null, "mode": null, "suspend": null});
    assert_eq!(by_json_schema(&with(good("PhoneNumber"), &spec(nulls))), Ok(()));
    let open = spec(json!({"draft": {"config": {"anything": {"goes": [1, null]}}}}));
    assert_eq!(by_json_schema(&with(good("Agent"), &open)), Ok(()));
    assert!(by_json_schema(&with(good("PhoneNumber"), &json!({"apiVersion": "dialplane.dev/v1"}))).is_err());
}

#[test]
fn every_example_passes_kubeconform() {
    let program = go::program("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "half a minute");
    let schemas = "schemas/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json";
    // What is not ours has its schemas elsewhere.
    let mut command = Command::new(program);
    let others = "Secret,Namespace,Application,GitRepository,HelmRelease,Kustomization";
    command.args(["-strict", "-summary", "-output=json", "-schema-location", schemas, "-skip", others, "examples"]);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts = &said["summary"];
    assert_eq!((&counts["invalid"], &counts["errors"]), (&json!(0), &json!(0)), "{said:#}");
    assert!(counts["valid"].as_u64() >= Some(20), "{said:#}");
}
