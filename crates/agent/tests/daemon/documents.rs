//! What docs/enforcement.md shows, and what deploy/agent.yaml asks for.

use crate::support::Node;
use palisade_agent::Texts;
use std::fs;
use std::path::Path;

fn repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap()
}

const AGENT: &str = env!("CARGO_BIN_EXE_palisade-agent");

#[test]
fn commands_of_the_document_do_what_it_says() {
    let Some(node) = Node::new() else { return };
    let text = repository("docs/enforcement.md");
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("manifests")).unwrap();
    let yaml = text
        .split("```yaml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    fs::write(place.path().join("manifests/node.yaml"), yaml).unwrap();
    let commands: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("$ palisade-agent "))
        .collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in commands {
        let script = format!(
            "cd '{}' && exec '{AGENT}' {command}",
            place.path().display()
        );
        let output = node.run("sh", &["-c", &script]);
        let said = String::from_utf8(output.stdout).unwrap();
        // The doctor looks at this machine, which may lack something.
        let most = i32::from(command == "doctor");
        assert!(output.status.code().unwrap() <= most, "{command}: {said}");
        if command.starts_with("show") {
            assert!(said.contains("tcp dport 8080 return"), "{said}");
        }
    }
}

#[test]
fn the_manifest_has_the_role_and_arguments_that_there_are() {
    let text = repository("deploy/agent.yaml");
    let role = palisade_cluster::watch::cluster_role();
    assert!(text.contains(&role), "deploy/agent.yaml must hold:\n{role}");
    let mut texts = Texts::default();
    texts.put("agent.yaml", Ok(text.clone()));
    let read = texts.read();
    assert!(read.world.is_some(), "{:?}", read.told);
    assert!(text.contains("args: [run, --listen, \"127.0.0.1:9652\"]"));
    let Some(node) = Node::new() else { return };
    let arguments = ["run", "--listen", "127.0.0.1:9652", "--node", "x", "--help"];
    assert_eq!(node.agent(&arguments).0, 0);
}

/// The capabilities of the manifest are enough, and none of them is too much.
#[test]
fn one_capability_is_enough_and_needed() {
    let Some(node) = Node::new() else { return };
    let with = |bounding: &str| {
        let rights = ["--bounding-set", bounding, "--no-new-privs"];
        let output = node.run("setpriv", &[&rights[..], &[AGENT, "uninstall"]].concat());
        output.status.code()
    };
    assert_eq!(with("-all,+net_admin"), Some(0));
    assert_eq!(with("-all"), Some(4));
}
