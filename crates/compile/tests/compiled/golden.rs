//! What small intents compile to, whole.

use crate::support::{claim_component, shop};
use palisade_compile::{compile, synthetic_world};
use palisade_netmodel::{Direction, MeshMode};

#[test]
fn network_policies() {
    let intent = shop(MeshMode::None);
    let artefacts = compile(&intent, &synthetic_world(&intent));
    insta::assert_snapshot!(artefacts.to_yaml());
}

#[test]
fn mesh_objects() {
    let intent = shop(MeshMode::Sidecar);
    let mut artefacts = compile(&intent, &synthetic_world(&intent));
    artefacts.objects.retain(|o| o.kind != "NetworkPolicy");
    insta::assert_snapshot!(artefacts.to_yaml());
}

/// Isolating a component must not isolate anything else: the zone-wide DNS grant goes to the isolated
/// component alone.
#[test]
fn component_isolation() {
    let mut intent = shop(MeshMode::None);
    let db = intent.components.iter().find(|c| c.name == "db").cloned();
    intent.claims = db
        .iter()
        .flat_map(|db| [Direction::Ingress, Direction::Egress].map(|d| claim_component(db, d)))
        .collect();
    let artefacts = compile(&intent, &synthetic_world(&intent));
    insta::assert_snapshot!(artefacts.to_yaml());
}
