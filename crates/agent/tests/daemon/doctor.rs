//! `doctor` in a namespace in which things are broken one by one.

use crate::support::Node;
use serde_json::Value;

/// The doctor with a `/sys` that shows the interfaces of the node: that of this process shows its own.
fn doctor(node: &Node, form: &str) -> (i32, String) {
    let script = "mount -t sysfs sys /sys && exec \"$0\" doctor -o \"$1\"";
    let own = env!("CARGO_BIN_EXE_palisade-agent");
    let output = node.run("unshare", &["--mount", "sh", "-c", script, own, form]);
    let code = output.status.code().unwrap_or(-1);
    (code, String::from_utf8(output.stdout).unwrap())
}

fn findings(node: &Node) -> (i32, Vec<(String, String, String)>) {
    let (code, out) = doctor(node, "json");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["schema"], "palisade.dev/doctor/v1");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = report["findings"].as_array().unwrap();
    let found = found
        .iter()
        .map(|f| (text(&f["about"]), text(&f["state"]), text(&f["said"])));
    (code, found.collect())
}

#[track_caller]
fn state(found: &[(String, String, String)], about: &str) -> String {
    let found = found.iter().find(|(name, ..)| name == about);
    found
        .unwrap_or_else(|| panic!("nothing about {about}"))
        .1
        .clone()
}

#[test]
fn a_node_is_examined_and_not_changed() {
    let Some(node) = Node::new() else { return };
    let run = |program: &str, arguments: &[&str]| {
        let output = node.run(program, arguments);
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {output:?}"
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let (code, found) = findings(&node);
    assert_eq!(code, 0, "{found:#?}");
    for about in [
        "verdict maps",
        "ranges of ports by protocol",
        "everything together",
        "bridges",
        "other engines",
    ] {
        assert_eq!(state(&found, about), "good");
    }
    assert_eq!(
        run("nft", &["list", "ruleset"]),
        "",
        "the doctor leaves nothing"
    );

    run("nft", &["add", "table", "inet", "kube-network-policies"]);
    run("ip", &["link", "add", "kube-ipvs0", "type", "bridge"]);
    let off =
        "[ ! -e /proc/sys/net/bridge ] || echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables";
    run("sh", &["-c", off]);
    let (code, found) = findings(&node);
    assert_eq!(code, 1);
    assert_eq!(state(&found, "other engines"), "notable");
    assert_eq!(state(&found, "kube-proxy"), "broken");
    assert_eq!(state(&found, "bridge-nf-call-iptables"), "broken");
    let (_, text) = doctor(&node, "text");
    assert!(text.contains("\nbroken   kube-proxy: "), "{text}");
}
