//! `run` against an API server: what it says is followed, and what it does not say changes nothing.

use crate::directory::{CLUSTER, policy};
use crate::support::{Daemon, Node, inside};
use palisade_testkit::apiserver::{ApiServer, Fault, Request, Setup, objects};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

fn one(manifest: &str) -> Value {
    objects(manifest).remove(0)
}

/// A cluster with a policy for port 80, and more.
fn setup(more: &str) -> Setup {
    Setup::new(objects(&format!("{CLUSTER}---\n{}---\n{more}", policy(80))))
}

fn start(node: &Node, server: &ApiServer) -> (Daemon, TempDir) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("kubeconfig");
    server.write_kubeconfig(&file).unwrap();
    let file = file.to_str().unwrap();
    (
        node.daemon(&["--kubeconfig", file, "--node", "here"]),
        place,
    )
}

const ANOTHER: &str = r"
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web}]}
status: {phase: Running, podIPs: [{ip: 10.1.0.8}], hostIPs: [{ip: 192.168.0.1}]}
";

#[test]
fn changes_are_followed() {
    inside("cluster::changes_are_followed", |node| {
        let server = ApiServer::start(setup("")).unwrap();
        let (mut daemon, _place) = start(node, &server);
        daemon.wait("enforced");
        node.says("tcp dport 80 ", true);
        server.put(one(&policy(81)));
        node.says("tcp dport 81 ", true);
        node.says("tcp dport 80 ", false);
        server.put(one(ANOTHER));
        node.says("10.1.0.8", true);
        server.delete(&one(ANOTHER));
        node.says("10.1.0.8", false);
        // What happened while nobody heard, and is not told any more.
        server.put(one(ANOTHER));
        server.put(one(&policy(82)));
        server.compact();
        node.says("10.1.0.8", true);
        node.says("tcp dport 82 ", true);
        server.delete(&one(&policy(82)));
        node.says("dport", false);
    });
}

#[test]
fn policies_of_administrators_count_where_they_are_served() {
    inside(
        "cluster::policies_of_administrators_count_where_they_are_served",
        |node| {
            let admin = r"
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: all}
spec:
  priority: 5
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 9}}]}]
";
            let server = ApiServer::start(setup(admin)).unwrap();
            let (mut daemon, _place) = start(node, &server);
            daemon.wait("enforced");
            node.says("tcp dport 9 ", true);
        },
    );
}

/// What goes wrong, which a test may change.
type Wrong = Arc<Mutex<Option<Fault>>>;

fn failing(setup: Setup, on: &'static str) -> (Setup, Wrong) {
    let wrong = Wrong::default();
    let shared = Arc::clone(&wrong);
    let faults = move |request: &Request, _| {
        let fault = shared.lock().unwrap().clone();
        fault.filter(|_| request.path.contains(on))
    };
    (setup.failing(faults), wrong)
}

#[test]
fn a_server_that_fails_leaves_the_last_state_and_it_is_told() {
    inside(
        "cluster::a_server_that_fails_leaves_the_last_state_and_it_is_told",
        |node| {
            let (setup, wrong) = failing(setup(""), "/");
            let server = ApiServer::start(setup).unwrap();
            let (mut daemon, _place) = start(node, &server);
            let address = daemon.wait("started")["listening"]
                .as_str()
                .unwrap()
                .to_owned();
            daemon.wait("enforced");
            let empty = json!({"kind": "NetworkPolicyList", "metadata": {"resourceVersion": "9"}});
            let event = json!({"type": "DELETED", "object": {"kind": "Status"}});
            let all = [
                Fault::Status(500, "etcd is gone".to_owned()),
                Fault::Status(401, "who are you".to_owned()),
                Fault::Status(403, "not any more".to_owned()),
                Fault::Text("<html>proxy</html>".to_owned()),
                Fault::Text("{}\n".to_owned()),
                Fault::Text(format!("{empty}\n")),
                Fault::Text(format!("{event}\n")),
                Fault::Cut(3),
            ];
            for (number, fault) in (90_u16..).zip(all) {
                node.says("tcp dport ", true);
                *wrong.lock().unwrap() = Some(fault.clone());
                // Watches that began before are over then.
                std::thread::sleep(std::time::Duration::from_millis(300));
                server.put(one(&policy(number)));
                let lost = daemon
                    .wait("the source of policies is lost, and what it said last stays in force");
                assert!(
                    lost["why"].as_str().is_some_and(|why| why.len() > 10),
                    "{lost}"
                );
                daemon.get(node, &address, "/readyz", "503");
                daemon.get(node, &address, "/metrics", "\npalisade_agent_source_up 0\n");
                // Time for a few more answers of that kind.
                std::thread::sleep(std::time::Duration::from_millis(400));
                node.says("tcp dport ", true);
                node.says("10.1.0.7", true);
                *wrong.lock().unwrap() = None;
                node.says(&format!("tcp dport {number} "), true);
                daemon.get(node, &address, "/readyz", "200 OK");
            }
        },
    );
}

/// A server that takes requests and does not answer; then none at all; then another one in its place.
#[test]
fn a_server_that_lags_or_is_gone_leaves_the_last_state_and_it_is_told() {
    inside(
        "cluster::a_server_that_lags_or_is_gone_leaves_the_last_state_and_it_is_told",
        |node| {
            let lost = "the source of policies is lost, and what it said last stays in force";
            let heard = "the source of policies is heard";
            let (setup, wrong) = failing(setup(""), "/networkpolicies");
            let server = ApiServer::start(setup).unwrap();
            let (mut daemon, _place) = start(node, &server);
            let address = daemon.wait("started")["listening"]
                .as_str()
                .unwrap()
                .to_owned();
            daemon.wait("enforced");
            *wrong.lock().unwrap() = Some(Fault::Hang);
            // Watches that began before are over then.
            std::thread::sleep(std::time::Duration::from_millis(300));
            server.put(one(&policy(81)));
            let why = daemon.wait(lost)["why"].to_string();
            assert!(why.contains("no answer in"), "{why}");
            daemon.get(node, &address, "/readyz", "503");
            node.says("tcp dport 80 ", true);
            *wrong.lock().unwrap() = None;
            daemon.wait(heard);
            node.says("tcp dport 81 ", true);

            let place = server.address();
            drop(server);
            let why = daemon.wait(lost)["why"].to_string();
            assert!(why.len() > 10, "{why}");
            daemon.get(node, &address, "/readyz", "503");
            std::thread::sleep(std::time::Duration::from_millis(500));
            node.says("tcp dport 81 ", true);
            let another = Setup::new(objects(&format!("{CLUSTER}---\n{}", policy(82))));
            let _server = ApiServer::start_at(place, another).unwrap();
            daemon.wait(heard);
            node.says("tcp dport 82 ", true);
            node.says("tcp dport 81 ", false);
        },
    );
}

#[test]
fn nothing_is_enforced_before_everything_is_listed() {
    inside(
        "cluster::nothing_is_enforced_before_everything_is_listed",
        |node| {
            let (setup, wrong) = failing(setup(""), "/networkpolicies");
            *wrong.lock().unwrap() = Some(Fault::Status(403, "no".to_owned()));
            let server = ApiServer::start(setup).unwrap();
            let (mut daemon, _place) = start(node, &server);
            daemon.wait("the source of policies is lost, and what it said last stays in force");
            std::thread::sleep(std::time::Duration::from_millis(500));
            assert_eq!(node.table(), None);
            *wrong.lock().unwrap() = None;
            daemon.wait("enforced");
            node.says("tcp dport 80 ", true);
        },
    );
}

#[test]
fn a_policy_that_nobody_can_read_closes_its_pods() {
    inside(
        "cluster::a_policy_that_nobody_can_read_closes_its_pods",
        |node| {
            let other = policy(80).replace("name: web, namespace", "name: other, namespace");
            let other = other.replace("  ingress:", "  sealed: true\n  ingress:");
            let server = ApiServer::start(setup(&other)).unwrap();
            let (mut daemon, _place) = start(node, &server);
            let why = daemon.wait("not as declared");
            let why = why["why"].as_str().unwrap();
            assert!(
                why.contains("NetworkPolicy/shop/other") && why.contains("are closed"),
                "{why}"
            );
            // It closes egress as well, which the one that reads does not.
            node.says("map egress4", true);
            node.says("10.1.0.7 : jump egress", true);
        },
    );
}

/// Requests are few: nothing is asked again and again.
#[test]
fn a_quiet_cluster_is_asked_rarely() {
    inside("cluster::a_quiet_cluster_is_asked_rarely", |node| {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let setup = setup("").failing(|request, _| {
            if request.query.contains("limit=") {
                ASKED.fetch_add(1, Ordering::SeqCst);
            }
            None
        });
        let server = ApiServer::start(setup).unwrap();
        let (mut daemon, _place) = start(node, &server);
        daemon.wait("enforced");
        std::thread::sleep(std::time::Duration::from_secs(1));
        // Pods, Namespaces, Nodes and NetworkPolicies, once; the others are not served.
        assert_eq!(ASKED.load(Ordering::SeqCst), 4);
    });
}
