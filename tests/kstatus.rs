//! What Flux, Helm and `kubectl` tools that wait make of our objects: the verdicts of the reasons page, held against kstatus itself
//! (`sigs.k8s.io/cli-utils`, built once from `tests/kstatus`).

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use dialplane::api::{
    self,
    conditions::{self, Class, Finding, REASONS},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::go;

/// What kstatus makes of each of these objects.
fn verdicts(objects: &[Value]) -> Vec<String> {
    let mut child = Command::new(go::program("kstatus", ".", "half a minute"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> = objects.iter().map(Value::to_string).collect();
    child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn object(observed: i64, conditions: &impl serde::Serialize) -> Value {
    json!({
        "apiVersion": "dialplane.dev/v1alpha1",
        "kind": "PhoneNumber",
        "metadata": {"name": "main", "namespace": "clinics", "generation": 2},
        "status": {"observedGeneration": observed, "conditions": conditions},
    })
}

#[test]
fn each_reason_has_the_verdict_that_its_class_promises_at_first_and_after_the_grace() {
    let begin = Timestamp::from_second(1_790_000_000).unwrap();
    let after = |minutes: u64| begin + Duration::from_secs(60 * minutes);
    let (mut objects, mut expected) = (Vec::new(), Vec::new());
    for row in REASONS {
        let findings = [Finding::new(row.reason, "Why.")];
        let first = conditions::conditions(&[], &findings, Some(2), begin);
        let later = conditions::conditions(&first, &findings, Some(2), after(10));
        objects.extend([object(2, &first), object(2, &later), object(1, &later)]);
        let [at_first, in_the_end] = row.class.verdicts();
        // Of a spec that nobody has looked at yet nothing is known.
        expected.extend([(row.name, at_first), (row.name, in_the_end), (row.name, "InProgress")]);
    }
    let verdicts = verdicts(&objects);
    let said: Vec<(&str, &str)> = expected.iter().zip(&verdicts).map(|((name, _), said)| (*name, &**said)).collect();
    assert_eq!(said, expected);
    let is_there = |class| REASONS.iter().any(|row| row.class == class);
    for class in [Class::Good, Class::Asked, Class::Working, Class::Waiting, Class::Blocked, Class::Stalled] {
        assert!(is_there(class), "{class:?} is no reason's");
    }
}

#[test]
fn an_object_that_nobody_has_looked_at_is_in_progress() {
    let written = ["Agent", "AgentVersion", "CarrierAccount", "PhoneNumber"];
    let definitions = api::crds().into_iter().filter(|definition| written.contains(&&*definition.spec.names.kind));
    let fresh = definitions.map(|definition| {
        let schema = serde_json::to_value(&definition.spec.versions[0].schema).unwrap();
        let default = &schema["openAPIV3Schema"]["properties"]["status"]["default"];
        assert!(default.is_object(), "{} has a status from the first moment", definition.spec.names.kind);
        let mut fresh = object(0, &json!([]));
        fresh["status"] = default.clone();
        fresh
    });
    let fresh: Vec<Value> = fresh.collect();
    assert_eq!(verdicts(&fresh), ["InProgress"; 4]);
}
