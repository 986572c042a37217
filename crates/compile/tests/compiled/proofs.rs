//! What is compiled is proven, and what is not what was declared is refused.

use crate::support::{grant, pods, shop, tcp};
use palisade_compile::{Artefacts, Deployed, Refusal, compile, prove};
use palisade_diagnostics::{FileId, Verdict};
use palisade_netmodel::{Direction, Intent, MeshMode};
use palisade_resources::Options;

fn proven(intent: &Intent, change: impl FnOnce(&mut Artefacts)) -> Result<(), Box<Refusal>> {
    let deployed = Deployed {
        inputs: &[],
        options: &Options::default(),
        adjust: &|_| (),
    };
    let mut artefacts = compile(intent, &deployed.world(intent));
    change(&mut artefacts);
    prove(artefacts, FileId(0), intent, &deployed).map(|_| ())
}

fn titles(refusal: &Refusal) -> Vec<&str> {
    refusal.findings.iter().map(|d| d.title.as_str()).collect()
}

fn holds(intent: &Intent) {
    if let Err(refusal) = proven(intent, |_| ()) {
        panic!(
            "{:?}\n{:#?}\n{}",
            refusal.verdict, refusal.findings, refusal.text
        );
    }
}

#[test]
fn network_policies_hold() {
    holds(&shop(MeshMode::None));
}

#[test]
fn mesh_objects_hold() {
    holds(&shop(MeshMode::Sidecar));
}

#[test]
fn one_direction_holds() {
    for direction in [Direction::Ingress, Direction::Egress] {
        let mut intent = shop(MeshMode::None);
        intent.claims.retain(|c| c.direction == direction);
        holds(&intent);
    }
}

/// Every object matters: without any one of them the proof fails (a default deny, a rule, a mode).
/// Objects that restrict nothing in the proof's words are named.
#[test]
fn a_missing_object_is_found() {
    for mesh in [MeshMode::None, MeshMode::Sidecar] {
        let intent = shop(mesh);
        let mut spare = Vec::new();
        let total = {
            let mut total = 0;
            proven(&intent, |a| total = a.objects.len()).expect("holds");
            total
        };
        for index in 0..total {
            let mut name = String::new();
            let result = proven(&intent, |a| {
                let object = a.objects.remove(index);
                name = format!("{}/{}", object.kind, object.name);
            });
            if result.is_ok() {
                spare.push(name);
            }
        }
        insta::assert_debug_snapshot!(format!("spare_{mesh:?}"), spare);
    }
}

#[test]
fn an_undeclared_flow_is_found() {
    let intent = shop(MeshMode::None);
    let mut wider = intent.clone();
    let db = wider
        .components
        .iter()
        .find(|c| c.name == "db")
        .cloned()
        .expect("there");
    let gateway = wider
        .components
        .iter()
        .find(|c| c.name == "gateway")
        .cloned()
        .expect("there");
    wider
        .grants
        .push(grant("extra", &pods(&gateway), &pods(&db), &[tcp(22)]));
    let extra = compile(&wider, &palisade_compile::synthetic_world(&wider));
    let refusal = proven(&intent, |a| a.objects = extra.objects).expect_err("refused");
    assert_eq!(refusal.verdict, Verdict::Fails);
    assert!(!titles(&refusal).is_empty());
}

/// What cannot be read back is refused as well.
#[test]
fn broken_text_is_refused() {
    let intent = shop(MeshMode::None);
    let refusal = proven(&intent, |a| {
        for object in &mut a.objects {
            object.value = palisade_yaml::Value::map([("kind", palisade_yaml::Value::Int(1))]);
        }
    });
    assert!(refusal.is_err());
}
