//! The generated cases of cyclonus: at every step, a verdict for each pair of pods on each port.

use palisade_diagnostics::{FileId, Severity};
use palisade_netmodel::{Endpoint, Flow, Outcome, Profile, Protocol, World};
use palisade_resources::{Input, Options, Role, load};
use palisade_testkit::{Contract, Reference, Symbolic};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the README of the cases promises.
const CASES: usize = 115;
const VERDICTS: usize = 54_336;

#[test]
fn every_verdict_of_cyclonus() {
    let text = crate::text(&crate::home().join("cyclonus/cases.ndjson"));
    let (mut cases, mut verdicts, mut wrong) = (0, 0, Vec::new());
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        cases += 1;
        for (number, step) in (1..).zip(list(&case, "steps")) {
            let place = format!("case {} step {number}", case["id"]);
            let world = world(step, &place);
            let rows = rows(&world, step);
            verdicts += rows.len();
            for engine in [&Reference as &dyn Contract, &Symbolic] {
                let flows: Vec<Flow> = rows.iter().map(|(flow, _)| *flow).collect();
                let answers = engine.decide(&world, &flows);
                assert_eq!(answers.len(), rows.len());
                for ((flow, expected), (answer, _)) in rows.iter().zip(answers) {
                    if answer != *expected {
                        let name = engine.name();
                        wrong.push(format!(
                            "{place}: {flow:?}: {expected:?}, {name} says {answer:?}"
                        ));
                    }
                }
            }
        }
    }
    println!("cyclonus: {cases} cases, {verdicts} verdicts, on reference and engine");
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!((cases, verdicts), (CASES, VERDICTS));
}

fn list<'v>(value: &'v Value, key: &str) -> &'v Vec<Value> {
    value[key].as_array().unwrap()
}

/// The objects of a step as manifests, read like a stranger's. cyclonus lets `ipBlock` match pods.
fn world(step: &Value, place: &str) -> World {
    let mut items = Vec::new();
    for (name, labels) in step["namespaces"].as_object().unwrap() {
        let meta = json!({"name": name, "labels": labels});
        items.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}));
    }
    for pod in list(step, "pods") {
        let ports = list(pod, "ports").iter().map(|port| {
            json!({"name": port["name"], "containerPort": port["port"], "protocol": port["protocol"]})
        });
        // cyclonus runs a container for each port.
        let containers: Vec<Value> = ports
            .zip(0..)
            .map(|(port, n)| json!({"name": format!("c{n}"), "ports": [port]}))
            .collect();
        items.push(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": pod["name"], "namespace": pod["namespace"], "labels": pod["labels"]},
            "spec": {"containers": containers},
            "status": {"phase": "Running", "podIP": pod["ip"]},
        }));
    }
    // Some policies of cyclonus are written without their type.
    let policies = list(step, "policies").iter().map(|policy| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": policy["metadata"], "spec": policy["spec"],
        })
    });
    items.extend(policies);
    let text = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let input = Input {
        file: FileId(0),
        text: (&text).into(),
        role: Role::Both,
    };
    let loaded = load(&[input], &Options::default());
    let is_error = |d: &&_| {
        matches!(
            d,
            palisade_diagnostics::Diagnostic {
                severity: Severity::Error,
                ..
            }
        )
    };
    let errors: Vec<_> = loaded.diagnostics.iter().filter(is_error).collect();
    assert!(errors.is_empty(), "{place}: {errors:?}");
    assert_eq!(
        loaded.world.network_policies.len(),
        list(step, "policies").len()
    );
    World {
        profile: Profile::named("calico").unwrap(),
        ..loaded.world
    }
}

/// The expected verdicts, but for those of a pod on itself.
fn rows(world: &World, step: &Value) -> Vec<(Flow, Outcome)> {
    let pods: BTreeMap<String, Endpoint> = world
        .pods()
        .map(|(id, pod)| (pod.object().to_string(), Endpoint::Pod(id)))
        .collect();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let others = list(step, "expected")
        .iter()
        .filter(|r| r["from"] != r["to"]);
    others
        .map(|row| {
            let flow = Flow {
                source: pods[&text(row, "from")],
                destination: pods[&text(row, "to")],
                protocol: Protocol::parse(&text(row, "protocol")).unwrap(),
                port: text(row, "port").parse().unwrap(),
            };
            let outcome = match text(row, "combined").as_str() {
                "allowed" => Outcome::Allow,
                "blocked" => Outcome::Deny,
                other => panic!("{other:?} is no verdict"),
            };
            (flow, outcome)
        })
        .collect()
}
