//! Every compiled object is valid for the schemas of the API server and of Istio's CRDs.

use crate::examples::example;
use crate::support::{grant, pods, port, shop, tcp};
use palisade_compile::{compile, synthetic_world};
use palisade_matrix::{Choice, resolve};
use palisade_netmodel::{Cni, Enforcement, Intent, MeshMode, Protocol, World};
use std::path::PathBuf;
use std::process::Command;

/// A tool of the repository, with its interpreter. `None` where the tools are not installed, which is
/// an error where all checks have to run.
fn tool(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok();
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "{variable} is not set: run ./test"
    );
    if found.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    found
}

fn tools() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tools")
}

/// Everything the compiler can write: both meshes, ports that bypass the sidecar, shared labels.
fn everything() -> String {
    let mut out = Vec::new();
    for mesh in [MeshMode::None, MeshMode::Sidecar] {
        let mut intent: Intent = shop(mesh);
        let web = intent.components.iter_mut().find(|c| c.name == "web");
        let web = web.expect("the shop has a web server");
        let mut stats = port("stats", 9102);
        stats.mesh_bypass = true;
        web.ports.push(stats);
        let web = web.clone();
        let db = intent.components.iter().find(|c| c.name == "db").cloned();
        let db = db.expect("the shop has a database");
        intent
            .grants
            .push(grant("scrape", &pods(&db), &pods(&web), &[tcp(9102)]));
        let mut all = grant("all", &pods(&web), &pods(&db), &[]);
        all.ports = None;
        intent.grants.push(all);
        let mut world: World = synthetic_world(&intent);
        world.profile.cni = Cni {
            name: None,
            enforcement: Enforcement::Enforced,
        };
        for service in &mut world.services {
            service.ports.retain(|p| p.protocol == Protocol::Tcp);
        }
        let artefacts = compile(&intent, &world);
        if mesh == MeshMode::Sidecar {
            for kind in [
                "AuthorizationPolicy",
                "DestinationRule",
                "Gateway",
                "Namespace",
                "NetworkPolicy",
                "PeerAuthentication",
                "ServiceEntry",
                "Sidecar",
            ] {
                let found = artefacts.objects.iter().any(|o| o.kind == kind);
                assert!(found, "no {kind} is compiled");
            }
        }
        out.push(artefacts.to_yaml());
    }
    out.join("---\n")
}

/// The examples as they are by default and with every toggle on.
fn examples() -> String {
    let mut out = Vec::new();
    for name in ["eem", "fybrik", "cf-for-k8s", "verrazzano"] {
        let example = example(name);
        let toggles = example.matrix.toggles.iter();
        let all_on = Choice {
            toggles: toggles.map(|t| (t.name.value.clone(), true)).collect(),
            ..Choice::default()
        };
        for choice in [Choice::default(), all_on] {
            let (intent, _) = resolve(&example.matrix, &choice);
            out.push(compile(&intent, &synthetic_world(&intent)).to_yaml());
        }
    }
    out.join("---\n")
}

fn passes(command: &mut Command) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("compiled.yaml");
    let text = everything() + "---\n" + &examples();
    std::fs::write(&file, text).expect("written");
    let output = command.arg(&file).output().expect("the tool runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}{errors}");
}

#[test]
fn kubernetes() {
    if let Some(python) = tool("PALISADE_PYTHON") {
        passes(Command::new(python).arg(tools().join("validate-kubernetes.py")));
    }
}

#[test]
fn istio() {
    if let Some(modules) = tool("PALISADE_NODE_MODULES") {
        let script = tools().join("validate-istio.mjs");
        passes(
            Command::new("node")
                .env("PALISADE_NODE_MODULES", modules)
                .arg(script),
        );
    }
}
