//! How objects become a world: roles, what is left out and duplicates, and the objects themselves by their subject.

#![cfg(test)]

mod pods;
mod policies;
mod proxies;

use palisade_diagnostics::{FileId, Severity};
use palisade_netmodel::{ObjectRef, World};
use palisade_resources::{Input, Loaded, Options, Role, load};

fn read(text: &str) -> Loaded {
    read_all(&[(text, Role::Both)])
}

fn read_all(texts: &[(&str, Role)]) -> Loaded {
    let inputs: Vec<Input<'_>> = texts
        .iter()
        .zip(0..)
        .map(|((text, role), id)| Input {
            file: FileId(id),
            text: (*text).into(),
            role: *role,
        })
        .collect();
    load(&inputs, &Options::default())
}

fn world(text: &str) -> World {
    let loaded = read(text);
    let errors: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    loaded.world
}

fn names(world: &World) -> Vec<String> {
    world.pods.iter().map(|p| p.object().to_string()).collect()
}

/// A workload with one labelled container.
fn workload(kind: &str, name: &str, more: &str) -> String {
    let version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    format!(
        "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec:\n  selector: {{matchLabels: {{app: {name}}}}}\n{more}\
         \n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{name: a}}]}}\n"
    )
}

fn pod(metadata: &str, spec: &str, status: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\n\
         spec: {{containers: [{{name: a}}]{spec}}}\nstatus: {{{status}}}\n"
    )
}

#[test]
fn roles_choose_kinds_and_unite_namespaces() {
    let namespace = |labels: &str| {
        format!(
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: ns, labels: {{{labels}}}}}\n"
        )
    };
    let policy = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: ns}\n";
    let gateway = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: ns}\n";
    let shipped = [
        &namespace("a: old, b: kept"),
        policy,
        gateway,
        &workload("Deployment", "web", ""),
    ]
    .concat();
    let compiled = [
        &namespace("a: new"),
        policy,
        &workload("Deployment", "other", ""),
    ]
    .concat();
    for order in [[0, 1], [1, 0]] {
        let texts = [
            (shipped.as_str(), Role::Workloads),
            (compiled.as_str(), Role::Policies),
        ];
        let loaded = read_all(&order.map(|i| texts[i]));
        assert_eq!(loaded.diagnostics, []);
        assert_eq!(names(&loaded.world), ["shop/web-0", "shop/web-1"]);
        assert_eq!(loaded.world.network_policies.len(), 1);
        assert!(loaded.world.peer_authentications.is_empty());
        let labels = loaded.world.namespace_labels("ns").unwrap().to_string();
        assert_eq!(labels, "a=new,b=kept,kubernetes.io/metadata.name=ns");
    }
}

#[test]
fn an_object_in_error_is_left_out_and_named() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: bad, namespace: ns}\n\
        spec: {policyTypes: [In]}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ok}\n---\n\
        apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: s}\n";
    let loaded = read(text);
    assert_eq!(loaded.left_out, ["NetworkPolicy ns/bad"]);
    let note = "NetworkPolicy ns/bad is left out until its errors are corrected.";
    assert_eq!(loaded.diagnostics[0].notes, [note]);
    assert_eq!(loaded.world.namespaces.keys().collect::<Vec<_>>(), ["ok"]);
    assert_eq!(
        loaded.counts.into_iter().collect::<Vec<_>>(),
        [("Namespace".to_owned(), 1)]
    );
    let unknown: Vec<_> = loaded.unknown.into_iter().collect();
    let role = "Role.rbac.authorization.k8s.io".to_owned();
    assert_eq!(unknown, [(role, 1), ("Secret".to_owned(), 1)]);
}

#[test]
fn duplicates_are_told_with_both_places() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns}\n";
    let loaded = read_all(&[(text, Role::Both), (text, Role::Both)]);
    let labels = &loaded.diagnostics[0].labels;
    let files: Vec<_> = labels.iter().map(|label| label.span.file.0).collect();
    assert_eq!(files, [1, 0]);
    assert_eq!(ObjectRef::new("", "ns").to_string(), "ns");
}
