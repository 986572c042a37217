//! A server that behaves: what is read of it, and what is not.

use super::{Taken, access, manifests, namespaces, read_from};
use palisade_cluster::read;
use palisade_testkit::apiserver::{ApiServer, Setup};
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn objects_are_read_without_what_nobody_looks_at() {
    let server = ApiServer::start(manifests()).unwrap();
    let (taken, told) = read_from(&server);
    assert_eq!(told.unwrap(), []);
    assert_eq!(
        taken.names(),
        [
            "cluster:AuthorizationPolicy/shop/all",
            "cluster:ConfigMap/istio-system/istio",
            "cluster:Deployment/shop/web",
            "cluster:Namespace/shop",
            "cluster:Pod/shop/one",
            "cluster:CiliumNetworkPolicy/shop/dns",
        ]
    );
    let web = taken.text("cluster:Deployment/shop/web");
    for gone in ["hunter2", "managedFields", "uid", "last-applied", "status"] {
        assert!(!web.contains(gone), "{gone} in {web}");
    }
    for kept in [
        "\"keep\": \"me\"",
        "livenessProbe",
        "automountServiceAccountToken",
        "\"apps/v1\"",
    ] {
        assert!(web.contains(kept), "no {kept} in {web}");
    }
    let pod = taken.text("cluster:Pod/shop/one");
    assert!(pod.contains("10.0.0.7") && pod.contains("Running") && !pod.contains("Ready"));
    assert!(
        !taken
            .text("cluster:ConfigMap/istio-system/istio")
            .contains("other")
    );
}

/// Only lints ask about probes.
#[test]
fn what_only_lints_read_is_kept_for_them_alone() {
    let server = ApiServer::start(manifests()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let access = access(directory.path(), &server.kubeconfig(&json!({}), &json!({})));
    let mut taken = Taken::default();
    assert_eq!(read(&access, false, &mut taken).unwrap(), []);
    let web = taken.text("cluster:Deployment/shop/web");
    for gone in ["livenessProbe", "automountServiceAccountToken", "hunter2"] {
        assert!(!web.contains(gone), "{gone} in {web}");
    }
    let requests = server.requests();
    assert!(!requests.iter().any(|r| r.path.ends_with("/clusterroles")));
}

/// Nothing is written, Secrets are never asked for, and of ConfigMaps the one of the mesh alone.
#[test]
fn nothing_private_is_asked_for_and_nothing_is_changed() {
    let server = ApiServer::start(manifests()).unwrap();
    read_from(&server).1.unwrap();
    let requests = server.requests();
    assert!(requests.len() > 30, "{}", requests.len());
    for request in &requests {
        assert_eq!(request.method, "GET", "{request:?}");
        assert!(!request.path.contains("secrets"), "{request:?}");
        assert!(!request.query.contains("watch"), "{request:?}");
        if request.path.ends_with("/configmaps") {
            assert_eq!(
                request.value("fieldSelector").as_deref(),
                Some("metadata.name=istio")
            );
        }
    }
    assert!(
        requests
            .iter()
            .any(|request| request.path.ends_with("/configmaps"))
    );
}

#[test]
fn every_page_of_a_list_is_read_once() {
    for (count, page, pages) in [(0, 3, 1), (1, 3, 1), (3, 3, 1), (7, 3, 3), (1201, 1000, 3)] {
        let mut setup = Setup::new(namespaces(count));
        setup.page = page;
        let server = ApiServer::start(setup).unwrap();
        let (taken, told) = read_from(&server);
        assert_eq!(told.unwrap(), []);
        let expected: Vec<String> = (0..count)
            .map(|i| format!("cluster:Namespace/n{i}"))
            .collect();
        assert_eq!(taken.names(), expected, "{count} in pages of {page}");
        assert_eq!(taken.most, count);
        let requests = server.requests();
        let lists = requests
            .iter()
            .filter(|request| request.path.ends_with("/namespaces"));
        assert_eq!(lists.clone().count(), pages);
        assert!(
            lists
                .clone()
                .all(|request| request.value("limit").as_deref() == Some("500"))
        );
    }
}

/// An object as large as no etcd takes it is read like any other.
#[test]
fn a_huge_item_is_read() {
    let mut one = namespaces(1);
    one[0]["metadata"]["annotations"] = json!({"note": "x".repeat(8 << 20)});
    let server = ApiServer::start(Setup::new(one)).unwrap();
    let (taken, told) = read_from(&server);
    assert_eq!(told.unwrap(), []);
    assert!(taken.objects[0].text.len() > 8 << 20);
}

/// The role in the document is the one that the list of kinds gives.
#[test]
fn the_documented_role_is_up_to_date() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cluster.md");
    let text = std::fs::read_to_string(document).unwrap();
    let role = palisade_cluster::role::cluster_role();
    let mut shown = String::new();
    let _ = write!(shown, "```yaml\n{role}");
    assert!(
        text.contains(&shown),
        "write this into docs/cluster.md:\n{role}"
    );
    for line in role.lines().filter(|line| line.contains("verbs")) {
        assert_eq!(line, "  verbs: [list]");
    }
    assert!(!role.contains("secrets") && !role.contains('*'));
}
