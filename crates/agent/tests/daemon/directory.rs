//! `run --directory`, `show` and `uninstall`.

use crate::support::Node;
use std::fs;
use std::path::Path;

pub(crate) const CLUSTER: &str = r"
apiVersion: v1
kind: Node
metadata: {name: here}
spec: {podCIDRs: [10.1.0.0/24, '2001:db8:1::/64']}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web}]}
status: {phase: Running, podIPs: [{ip: 10.1.0.7}], hostIPs: [{ip: 192.168.0.1}]}
";

pub(crate) fn policy(port: u16) -> String {
    format!(
        r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  policyTypes: [Ingress]
  ingress: [{{ports: [{{port: {port}}}]}}]
"
    )
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn refused_packets_are_logged_if_that_is_wanted() {
    let Some(node) = Node::new() else { return };
    let place = tempfile::tempdir().unwrap();
    let directory = text(place.path());
    fs::write(place.path().join("cluster.yaml"), CLUSTER).unwrap();
    fs::write(place.path().join("policy.yaml"), policy(80)).unwrap();
    let mut arguments = vec!["--directory", directory, "--node", "here"];
    let mut daemon = node.daemon(&arguments);
    daemon.wait("enforced");
    assert!(!node.table().unwrap().contains("log"));
    daemon.kill();
    // From one to the other and back, over a table that is there.
    arguments.extend(["--log-drops=7", "--log-group", "12"]);
    let mut daemon = node.daemon(&arguments);
    daemon.wait("enforced");
    let table = node.table().unwrap();
    for words in [
        "limit rate 7/second burst 7 packets log prefix \"deny_ingress4_",
        "log prefix \"deny6\" group 12",
        "goto refuse4",
    ] {
        assert!(table.contains(words), "{table}");
    }
    // A second one cannot hear the same group.
    let (code, _, said) =
        node.agent(&[&["run", "--listen", "127.0.0.1:0"], &arguments[..]].concat());
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("group 12"), "{said}");
    daemon.kill();
    let mut daemon = node.daemon(&arguments[..4]);
    daemon.wait("enforced");
    assert!(!node.table().unwrap().contains("log"));
}

#[test]
fn the_table_follows_the_directory_and_stays_when_the_daemon_dies() {
    let Some(node) = Node::new() else { return };
    let place = tempfile::tempdir().unwrap();
    let directory = text(place.path());
    fs::write(place.path().join("cluster.yaml"), CLUSTER).unwrap();
    let file = place.path().join("policy.yaml");
    fs::write(&file, policy(80)).unwrap();
    let arguments = ["--directory", directory, "--node", "here"];
    let mut daemon = node.daemon(&arguments);
    daemon.wait("enforced");
    node.says("tcp dport 80 ", true);
    node.says("10.1.0.0/24", true);
    fs::write(&file, policy(81)).unwrap();
    node.says("tcp dport 81 ", true);
    daemon.kill();
    let left = node.table().unwrap();

    // Another one takes over what is there; what is wanted now is in force, and nothing else is left.
    fs::write(&file, policy(82)).unwrap();
    let mut daemon = node.daemon(&arguments);
    let said = daemon.wait("enforced");
    assert_eq!(said["filled_anew"], true);
    let now = node.table().unwrap();
    assert!(
        now.contains("tcp dport 82 ") && !now.contains("tcp dport 81 "),
        "{now}"
    );
    assert_eq!(now.matches("chain").count(), left.matches("chain").count());

    let (code, shown, _) = node.agent(&["show", "--directory", directory, "--node", "here"]);
    assert_eq!(code, 0);
    let plain = |text: &str| text.split_whitespace().collect::<String>();
    for line in shown
        .lines()
        .filter(|l| l.contains("dport") || l.contains("vmap"))
    {
        assert!(plain(&now).contains(&plain(line)), "{line} is not in {now}");
    }

    daemon.kill();
    assert_eq!(
        node.agent(&["uninstall"]),
        (0, String::new(), String::new())
    );
    assert_eq!(node.table(), None);
    assert_eq!(
        node.agent(&["uninstall"]).0,
        0,
        "nothing to remove is no error"
    );
}

#[test]
fn what_does_not_read_leaves_the_last_state_and_is_told() {
    let Some(node) = Node::new() else { return };
    let place = tempfile::tempdir().unwrap();
    let inner = place.path().join("manifests");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("cluster.yaml"), CLUSTER).unwrap();
    fs::write(inner.join("policy.yaml"), policy(80)).unwrap();
    let mut daemon = node.daemon(&["--directory", text(&inner), "--node", "here"]);
    let address = daemon.wait("started")["listening"]
        .as_str()
        .unwrap()
        .to_owned();
    daemon.wait("enforced");
    daemon.get(&node, &address, "/readyz", "200 OK");

    fs::write(
        inner.join("policy.yaml"),
        policy(81).replace("ingress:", "ingres:"),
    )
    .unwrap();
    let why = daemon.wait("not as declared");
    assert!(why["why"].as_str().unwrap().contains("PAL0020"), "{why}");
    assert!(node.table().unwrap().contains("tcp dport 80 "));
    daemon.get(&node, &address, "/readyz", "503");
    daemon.get(&node, &address, "/readyz", "policy.yaml");
    daemon.get(
        &node,
        &address,
        "/metrics",
        "\npalisade_agent_unread_texts 1\n",
    );
    fs::write(inner.join("policy.yaml"), policy(82)).unwrap();
    daemon.wait("as declared again");
    node.says("tcp dport 82 ", true);

    fs::rename(&inner, place.path().join("gone")).unwrap();
    daemon.wait("the source of policies is lost, and what it said last stays in force");
    assert!(node.table().unwrap().contains("tcp dport 82 "));
    daemon.get(&node, &address, "/readyz", "503");
    fs::rename(place.path().join("gone"), &inner).unwrap();
    daemon.wait("the source of policies is heard");
    daemon.get(&node, &address, "/readyz", "200 OK");
}

#[test]
fn a_kernel_that_tells_nothing_is_no_hindrance() {
    let Some(node) = Node::new() else { return };
    let place = tempfile::tempdir().unwrap();
    let inner = place.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(place.path().join("cluster.yaml"), CLUSTER).unwrap();
    fs::write(inner.join("policy.yaml"), policy(80)).unwrap();
    let arguments = ["--directory", text(place.path()), "--node", "here"];
    let blind =
        "the kernel does not tell of changes, and the directory is looked at again and again";
    // None at all, and one directory where there are two.
    for (limit, most) in [("instances", 0), ("watches", 1)] {
        let set = format!("echo {most} > /proc/sys/user/max_inotify_{limit}");
        assert!(node.run("sh", &["-c", &set]).status.success());
        let mut daemon = node.daemon(&arguments);
        assert!(daemon.wait(blind)["why"].is_string());
        daemon.wait("enforced");
        for port in [81, 82] {
            fs::write(inner.join("policy.yaml"), policy(port)).unwrap();
            node.says(&format!("tcp dport {port} "), true);
        }
        daemon.kill();
        let unset = format!("echo 1000 > /proc/sys/user/max_inotify_{limit}");
        assert!(node.run("sh", &["-c", &unset]).status.success());
    }
}

#[test]
fn nothing_is_enforced_before_the_node_is_known() {
    let Some(node) = Node::new() else { return };
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("policy.yaml"), policy(80)).unwrap();
    let mut daemon = node.daemon(&["--directory", text(place.path()), "--node", "here"]);
    let why = daemon.wait("not as declared");
    assert_eq!(why["why"], "there is no Node `here`");
    assert_eq!(node.table(), None);
    fs::write(place.path().join("cluster.yaml"), CLUSTER).unwrap();
    daemon.wait("enforced");
    node.says("tcp dport 80 ", true);
}

#[test]
fn a_table_that_somebody_changed_is_filled_anew() {
    let Some(node) = Node::new() else { return };
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("cluster.yaml"), CLUSTER).unwrap();
    fs::write(place.path().join("policy.yaml"), policy(80)).unwrap();
    let mut daemon = node.daemon(&["--directory", text(place.path()), "--node", "here"]);
    daemon.wait("enforced");
    assert!(node.run("nft", &["flush", "ruleset"]).status.success());
    assert_eq!(node.table(), None);
    daemon.wait("somebody changed the table, and it is filled anew");
    node.says("tcp dport 80 ", true);
}

#[test]
fn usage_errors_end_with_two_and_tables_of_others_are_not_ours() {
    let Some(node) = Node::new() else { return };
    for table in ["kube-proxy", "fwd", "palisade; flush ruleset", "palisade\n"] {
        let (code, _, said) = node.agent(&["uninstall", "--table", table]);
        assert_eq!(code, 2, "{said}");
    }
    let (code, _, said) = node.agent(&["show", "--directory", "/nowhere", "--node", "x"]);
    assert_eq!((code, said.contains("/nowhere")), (4, true), "{said}");
}
