//! The two schema checks accept what is right and name what is wrong. Other crates rely on them
//! for every object that Palisade writes.

use std::fs;
use std::process::Command;

use crate::tree::root;

const OBJECTS: &str = r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 80, protocol: TCP}]}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop, labels: {a: b}}
spec: {mtls: {mode: STRICT}, portLevelMtls: {"80": {mode: DISABLE}}}
"#;

/// Runs a check on [`OBJECTS`] after `change`: its output and whether it succeeded.
/// `None` without the tool, which is a failure under `CI=true`.
fn run(script: &str, change: (&str, &str)) -> Option<(String, bool)> {
    let (variable, program) = if script.ends_with(".py") {
        ("PALISADE_PYTHON", std::env::var("PALISADE_PYTHON").ok())
    } else {
        let program = std::env::var("PALISADE_NODE_MODULES").map(|_| "node".to_owned());
        ("PALISADE_NODE_MODULES", program.ok())
    };
    let Some(program) = program else {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "{variable} is not set"
        );
        println!("skipped: {variable} is not set; ./test sets it");
        return None;
    };
    let text = OBJECTS.replace(change.0, change.1);
    assert_ne!(text, OBJECTS);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("objects.yaml");
    fs::write(&file, text).unwrap();
    let output = Command::new(program)
        .arg(root().join("tools").join(script))
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Some((text, output.status.success()))
}

fn check(script: &str, change: (&str, &str), expected: &str, success: bool) {
    if let Some((output, ended_well)) = run(script, change) {
        assert!(output.contains(expected), "{output}");
        assert_eq!(ended_well, success, "{output}");
    }
}

#[test]
fn right_objects_pass() {
    let change = ("name: web", "name: shop-web");
    for script in ["validate-kubernetes.py", "validate-istio.mjs"] {
        check(script, change, "1 valid, 0 errors, 1 passed over", true);
    }
}

#[test]
fn wrong_kubernetes_objects_are_named() {
    let script = "validate-kubernetes.py";
    let cases = [
        (
            "port: 80",
            "prt: 80",
            "spec.ingress.0.ports.0: Additional properties",
        ),
        ("port: 80", "port: true", "spec.ingress.0.ports.0.port: "),
        (
            "NetworkPolicy",
            "NetworkPolity",
            "has no NetworkPolity in networking.k8s.io/v1",
        ),
        (
            "port: 80",
            "port: 80, port: 81",
            "the key 'port' is given twice",
        ),
    ];
    for (from, to, expected) in cases {
        check(script, (from, to), expected, false);
    }
}

#[test]
fn wrong_istio_objects_are_named() {
    let script = "validate-istio.mjs";
    let cases = [
        ("STRICT", "STRIC", "/spec/mtls/mode: must be one of UNSET"),
        (
            "portLevelMtls",
            "portLevelMTLS",
            "/spec/portLevelMTLS: unknown field",
        ),
        (
            "PeerAuthentication",
            "PeerAuth",
            "no PeerAuth in security.istio.io/v1",
        ),
        ("mtls: {", "mtls: {}, mtls: {", "Map keys must be unique"),
    ];
    for (from, to, expected) in cases {
        check(script, (from, to), expected, false);
    }
}
