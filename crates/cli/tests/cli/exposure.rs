//! `palisade exposure` and `palisade explain` over manifests alone: a directory, a file, standard input.

use crate::run::{palisade, palisade_with_input};
use std::fs;
use std::path::Path;

const MANIFESTS: &str = "apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, ports: [{containerPort: 5432}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {role: client}}}]
    ports: [{port: 5432}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: clients, namespace: shop}
spec:
  podSelector: {matchLabels: {role: client}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: db}}}]
    ports: [{port: http}]
";

fn exposure(directory: &Path, more: &[&str]) -> (i32, String) {
    let arguments = [&["exposure", "-n", "shop", "."], more].concat();
    let ended = palisade(directory, &arguments);
    (ended.code, format!("{}{}", ended.out, ended.err))
}

#[test]
fn a_workload_to_come_is_answered_for() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("all.yaml"), MANIFESTS).unwrap();
    let client = ["-l", "role=client", "--named-port", "http=8080"];
    let (code, out) = exposure(directory.path(), &client);
    assert_eq!(code, 0, "{out}");
    let words: Vec<String> = out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        "shop/db 8080/TCP yes",
        "shop/db 5432/TCP yes",
        "shop/clients ingress",
        "it is reached by 1 workload, and reaches 1 workload and addresses outside",
    ] {
        assert!(words.iter().any(|w| w == line), "{line} is not in\n{out}");
    }
    // Without the label it is nobody's client, and nothing isolates it.
    let (code, out) = exposure(directory.path(), &[]);
    assert_eq!(code, 0, "{out}");
    assert!(!out.contains("5432/TCP"), "{out}");
    assert!(
        out.contains("none: it is isolated in neither direction"),
        "{out}"
    );
}

#[test]
fn a_namespace_that_nobody_knows_and_a_bad_label_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("all.yaml"), MANIFESTS).unwrap();
    let ended = palisade(directory.path(), &["exposure", "-n", "shopp", "."]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("did you mean `shop`?"), "{}", ended.err);
    for (label, code) in [
        ("a b=c", "PAL0108"),
        ("a=b c", "PAL0109"),
        ("=", "KEY=VALUE"),
    ] {
        let (status, out) = exposure(directory.path(), &["-l", label]);
        assert_eq!(status, 2, "{out}");
        assert!(out.contains(code), "{out}");
    }
}

#[test]
fn explain_reads_what_the_other_commands_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("all.yaml");
    fs::write(&file, MANIFESTS).unwrap();
    let question = ["explain", "203.0.113.7", "shop/db", "5432"];
    for path in [".", "all.yaml", "-"] {
        let arguments = [&question[..], &[path]].concat();
        let ended = palisade_with_input(directory.path(), &arguments, MANIFESTS.as_bytes());
        assert_eq!(ended.code, 1, "{path}: {}", ended.err);
        for part in ["NetworkPolicy shop/db", "To allow it", "denied"] {
            assert!(ended.out.contains(part), "{part} is not in\n{}", ended.out);
        }
    }
    // Manifests that hold nobody are told as such, and not as a slip in a name.
    fs::write(
        &file,
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    )
    .unwrap();
    let ended = palisade(directory.path(), &[&question[..], &["."]].concat());
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("PAL0514"), "{}", ended.err);
}
