//! `--cluster`: the same answers as from the manifests that the cluster was made from, and never a better one than
//! what was read allows.

use crate::run::{Ended, palisade, palisade_at, palisade_with, root};
use palisade_testkit::apiserver::{ApiServer, Fault, Setup, objects};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const EXAMPLES: [&str; 4] = ["eem", "fybrik", "verrazzano", "cf-for-k8s"];

/// A cluster, and where its kubeconfig is.
struct Cluster {
    server: ApiServer,
    directory: TempDir,
}

impl Cluster {
    fn new(setup: Setup) -> Self {
        let server = ApiServer::start(setup).unwrap();
        let directory = tempfile::tempdir().unwrap();
        server
            .write_kubeconfig(&directory.path().join("kubeconfig"))
            .unwrap();
        Self { server, directory }
    }

    fn of(text: &str) -> Self {
        Self::new(Setup::new(objects(text)))
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let kubeconfig = self.directory.path().join("kubeconfig");
        palisade_at(&root(), &kubeconfig, arguments)
    }
}

/// Every file below a directory that holds manifests.
fn texts(directory: &Path) -> Vec<String> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => return [texts(&path), Vec::new()].concat(),
            path => paths.push(path),
        }
    }
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

fn example(name: &str) -> Vec<Value> {
    let texts = texts(&root().join("examples").join(name).join("manifests"));
    texts.iter().flat_map(|text| objects(text)).collect()
}

/// What a report in JSON says, places left out: verdict, summary, and what was found.
fn said(ended: &Ended) -> (Value, Value, BTreeSet<String>) {
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let of = |key: &str| report.get(key).cloned().unwrap_or_default();
    let findings = of("findings");
    let findings = findings.as_array().unwrap();
    // Which connection shows a finding depends on the order of the texts.
    let found = findings.iter().map(|f| {
        let shown = f.get("witness").is_some_and(|w| !w.is_null());
        format!("{:?} {:?} {shown}", f.get("code"), f.get("title"))
    });
    (of("verdict"), of("summary"), found.collect())
}

#[test]
fn a_cluster_and_its_manifests_are_the_same_world() {
    for name in EXAMPLES {
        let mut setup = Setup::new(example(name));
        setup.page = 4;
        let cluster = Cluster::new(setup);
        let place = format!("examples/{name}");
        let listed = cluster.run(&["list", "--cluster"]);
        let expected = palisade(&root(), &["list", &place]);
        assert_eq!(listed.code, 0, "{name}: {}", listed.err);
        let expected = expected
            .out
            .replacen(&format!("list {place}"), "list cluster", 1);
        assert_eq!(listed.out, expected, "{name}");
        let linted = cluster.run(&["lint", "--cluster", "--notes", "-o", "json"]);
        let expected = palisade(&root(), &["lint", &place, "--notes", "-o", "json"]);
        assert_eq!(said(&linted), said(&expected), "{name}");
        assert_eq!(linted.code, expected.code, "{name}");
        let verified = cluster.run(&["verify", &place, "--cluster", "-o", "json"]);
        let expected = palisade(&root(), &["verify", &place, "-o", "json"]);
        assert_eq!(said(&verified), said(&expected), "{name}");
        assert_eq!(verified.code, expected.code, "{name}");
        let same = cluster.run(&["diff", &place, "--cluster"]);
        assert_eq!(same.code, 0, "{name}: {}{}", same.out, same.err);
        for request in cluster.server.requests() {
            assert_eq!(request.method, "GET");
            assert!(!request.path.ends_with("/secrets"));
        }
    }
}

#[test]
fn every_command_takes_a_cluster() {
    let cluster = Cluster::new(Setup::new(example("verrazzano")));
    for command in [
        "explain 203.0.113.10 keycloak/keycloak 8080 --cluster",
        "exposure -n keycloak --labels app=probe --cluster",
        "learn --cluster",
        "check examples/verrazzano/expectations.yaml --cluster",
        "list --cluster --policies examples/verrazzano/manifests/policies.yaml --by namespace",
        "diff cluster examples/verrazzano/manifests/policies.yaml --cluster --workloads cluster",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let here = cluster.run(&words);
        let there = match words[0] {
            "explain" | "exposure" | "learn" => command.replace("--cluster", "examples/verrazzano"),
            "check" => command.replace(" --cluster", ""),
            "list" => command.replace("--cluster", "examples/verrazzano"),
            _ => command
                .replace(" --cluster", "")
                .replace("cluster", "examples/verrazzano"),
        };
        let words: Vec<&str> = there.split(' ').collect();
        let there = palisade(&root(), &words);
        assert_eq!(here.code, there.code, "{command}: {}{}", here.out, here.err);
        if words[0] == "check" || words[0] == "learn" {
            assert_eq!(here.out, there.out, "{command}");
        }
    }
}

/// What differs between the files and the cluster is found, on whichever side the cluster stands.
#[test]
fn a_policy_that_is_missing_in_the_cluster_is_found() {
    let mut all = example("eem");
    let is_policy = |object: &Value| object["kind"] == "NetworkPolicy";
    let first = all.iter().position(is_policy).unwrap();
    let missing = all.remove(first);
    let cluster = Cluster::new(Setup::new(all));
    let name = missing["metadata"]["name"].as_str().unwrap();
    let after = cluster.run(&["diff", "examples/eem", "--cluster"]);
    assert_eq!(after.code, 1, "{}{}", after.out, after.err);
    assert!(after.out.contains(name), "{}", after.out);
    let before = cluster.run(&["diff", "cluster", "examples/eem", "--cluster"]);
    assert_eq!(before.code, 1);
    assert_ne!(before.out, after.out);
}

fn refusing(name: &str, end: &'static str) -> Cluster {
    let setup = Setup::new(example(name)).failing(move |request, _| {
        let here = request.path.ends_with(end);
        here.then(|| Fault::Status(403, "forbidden: no such right".to_owned()))
    });
    Cluster::new(setup)
}

/// A right that is missing never reads as "there are none".
#[test]
fn what_may_not_be_read_makes_answers_unknown() {
    let cluster = refusing("verrazzano", "/authorizationpolicies");
    for command in [
        "list --cluster --by namespace",
        "explain 203.0.113.10 keycloak/keycloak 8080 --cluster",
        "verify examples/verrazzano --cluster",
        "exposure -n keycloak --cluster",
        "diff examples/verrazzano --cluster",
        "check examples/verrazzano/expectations.yaml --cluster",
        "lint --cluster",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let ended = cluster.run(&words);
        assert!(matches!(ended.code, 0 | 1), "{command}: {}", ended.err);
        let told = "not allowed to list `authorizationpolicies.security.istio.io`";
        assert!(ended.out.contains(told), "{command}:\n{}", ended.out);
    }
    let strict = cluster.run(&["list", "--cluster", "--by", "namespace", "--strict"]);
    assert_eq!(strict.code, 3);
}

#[test]
fn a_kind_that_no_answer_can_do_without_ends_the_command() {
    let cluster = refusing("eem", "/networkpolicies");
    for command in [
        "list --cluster",
        "verify examples/eem --cluster",
        "lint --cluster",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let ended = cluster.run(&words);
        assert_eq!((ended.code, ended.out.as_str()), (4, ""), "{command}");
        let rule = "{apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [list]}";
        assert!(ended.err.contains("error[PAL0543]"), "{}", ended.err);
        assert!(ended.err.contains(rule), "{}", ended.err);
        assert!(
            ended.err.contains("forbidden: no such right"),
            "{}",
            ended.err
        );
    }
}

/// The options of a cluster stand under a heading of their own, and nothing else does.
#[test]
fn help_keeps_the_options_of_a_cluster_together() {
    for command in [
        "list", "lint", "diff", "verify", "explain", "exposure", "learn", "check",
    ] {
        let help = palisade(&root(), &[command, "-h"]).out;
        let (_, section) = help.split_once("Cluster:\n").unwrap();
        let section = section.split("\n\n").next().unwrap();
        let words = section.split_whitespace();
        let options: Vec<&str> = words.filter(|word| word.starts_with("--")).collect();
        let expected = [
            "--cluster",
            "--context",
            "--kubeconfig",
            "--request-timeout",
        ];
        assert_eq!(options, expected, "{command}");
    }
}

#[test]
fn a_cluster_beside_another_place_is_refused() {
    let cluster = Cluster::of("");
    for (command, words) in [
        ("list examples/eem --cluster", "cannot be used with"),
        ("lint examples/eem --cluster", "cannot be used with"),
        ("lint --cluster --fix", "cannot be used with"),
        ("list examples/eem --context a", "PAL0534"),
        (
            "diff examples/eem examples/eem --request-timeout 9",
            "PAL0534",
        ),
        (
            "verify examples/eem --cluster -f examples/eem/manifests",
            "PAL0532",
        ),
        ("diff examples/eem examples/eem --cluster", "PAL0533"),
        ("diff examples/eem", "<B>"),
        ("list --cluster", "no workloads in `cluster`"),
    ] {
        let ended = cluster.run(&command.split(' ').collect::<Vec<_>>());
        assert_eq!(ended.code, 2, "{command}: {}", ended.err);
        assert!(ended.err.contains(words), "{command}: {}", ended.err);
    }
    assert!(cluster.server.requests().iter().all(|r| r.method == "GET"));
}

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {kubernetes.io/metadata.name: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: b, ports: [{containerPort: 80}]}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 0
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: a, image: b}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}
";

/// What the controllers of a cluster make of [`SHOP`].
fn running() -> String {
    let owner = |kind: &str, name: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": true}]);
    let labels = json!({"app": "web", "pod-template-hash": "5d4f"});
    let spec =
        json!({"containers": [{"name": "a", "image": "b", "ports": [{"containerPort": 80}]}]});
    let set = |name: &str, replicas: u8| {
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": name, "namespace": "shop", "labels": labels, "ownerReferences": owner("Deployment", "web")},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec}}})
    };
    let pod = |name: &str, address: &str| {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": labels, "ownerReferences": owner("ReplicaSet", "web-5d4f")},
            "spec": spec, "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}})
    };
    let more = [
        set("web-5d4f", 2),
        set("web-0ld1", 0),
        pod("web-5d4f-aaaaa", "10.0.0.1"),
        pod("web-5d4f-bbbbb", "10.0.0.2"),
    ];
    let more = more.map(|object| format!("---\n{object}\n"));
    format!("{SHOP}{}", more.concat())
}

/// Templates, what controllers make of them, and the pods are one workload; one that is scaled to zero still counts.
#[test]
fn running_pods_are_counted_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.yaml");
    fs::write(&file, SHOP).unwrap();
    let file = file.to_str().unwrap();
    let cluster = Cluster::of(&running());
    let listed = cluster.run(&["list", "--cluster"]);
    let expected = palisade(&root(), &["list", file]);
    let expected = expected
        .out
        .replacen(&format!("list {file}"), "list cluster", 1);
    assert_eq!(listed.out, expected);
    let zero = cluster.run(&["explain", "shop/web", "shop/db", "80", "--cluster"]);
    assert!(zero.out.contains("StatefulSet db is scaled to zero"));
    let same = cluster.run(&["diff", file, "--cluster"]);
    assert_eq!(same.code, 0, "{}", same.out);
    let pods = cluster.run(&["list", "--cluster", "--by", "pod"]);
    assert!(pods.out.contains("web-5d4f-aaaaa"), "{}", pods.out);
}

/// A server on this machine is never asked for through the proxy of the environment.
#[test]
fn the_proxy_of_the_environment_does_not_lead_to_this_machine() {
    let cluster = Cluster::of(SHOP);
    let kubeconfig = cluster.directory.path().join("kubeconfig");
    let ended = palisade_with(
        &root(),
        &[
            ("KUBECONFIG", kubeconfig.to_str().unwrap()),
            ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ],
        &["list", "--cluster"],
    );
    assert_eq!(ended.code, 0, "{}", ended.err);
}

/// A finding shows its object, with the line within it.
#[test]
fn findings_name_objects_of_the_cluster() {
    let cluster = Cluster::of(SHOP);
    let ended = cluster.run(&[
        "lint",
        "--cluster",
        "--only",
        "no-ports,open-rule,implicit-policy-types",
        "--notes",
    ]);
    assert!(
        ended.out.contains("cluster:NetworkPolicy/shop/web:"),
        "{}",
        ended.out
    );
    let explained = cluster.run(&["explain", "203.0.113.1", "shop/web", "80", "--cluster"]);
    assert!(
        explained.out.contains("cluster:NetworkPolicy/shop/web:"),
        "{}",
        explained.out
    );
}

/// An object that is wrong does not keep everything else from being answered, and no answer is certain.
#[test]
fn an_object_in_error_leaves_answers_open() {
    let wrong = "
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: wrong, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Sideways]}
";
    let cluster = Cluster::of(&format!("{SHOP}{wrong}"));
    let ended = cluster.run(&["list", "--cluster", "--strict"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(
        ended.err.contains("NetworkPolicy shop/wrong is left out"),
        "{}",
        ended.err
    );
    assert!(
        ended.out.contains("everything that was read is judged"),
        "{}",
        ended.out
    );
}
