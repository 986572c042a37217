//! What is compiled is proven, and what is not what was declared is refused.

use crate::support::{grant, pods, shop, tcp};
use palisade_compile::{Artefacts, Deployed, Refusal, compile, prove};
use palisade_diagnostics::{FileId, Verdict};
use palisade_netmodel::{
    Direction, Intent, MeshMode, PortSet, Protocol, Proxy, Requirement, World,
};
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

/// What restricts nothing in the proof's words: labels, certificates, names of hosts, and defaults beside
/// which every receiver has a policy of its own.
const SPARE: [&str; 6] = [
    "AuthorizationPolicy/allow-nothing",
    "Gateway/gateway",
    "Namespace/shop",
    "PeerAuthentication/web",
    "ServiceEntry/mail",
    "Sidecar/default",
];

/// Every other object matters: without any one of them the proof fails.
#[test]
fn a_missing_object_is_found() {
    for mesh in [MeshMode::None, MeshMode::Sidecar] {
        let intent = shop(mesh);
        let mut names = Vec::new();
        let all = proven(&intent, |a| {
            let objects = a.objects.iter();
            names.extend(objects.map(|o| format!("{}/{}", o.kind, o.name)));
        });
        assert!(all.is_ok());
        for (index, name) in names.iter().enumerate() {
            if !SPARE.contains(&name.as_str()) {
                let result = proven(&intent, |a| drop(a.objects.remove(index)));
                assert!(result.is_err(), "{mesh:?}: {name} is not missed");
            }
        }
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

/// A sidecar that leaves a port out sends plaintext there. A flow that accepts this gets just this port
/// opened; a flow that demands mesh mTLS is refused.
#[test]
fn ports_that_the_callers_sidecar_leaves_out() {
    let leave_out = |world: &mut World| {
        let pods = world.pods.iter_mut();
        for pod in pods.filter(|pod| pod.name.starts_with("db-")) {
            if let Proxy::Sidecar {
                outbound_excluded, ..
            } = &mut pod.proxy
            {
                *outbound_excluded = PortSet::single(Protocol::Tcp, 9999);
            }
        }
    };
    let deployed = Deployed {
        inputs: &[],
        options: &Options::default(),
        adjust: &leave_out,
    };
    let mut intent = shop(MeshMode::Sidecar);
    for grant in intent.grants.iter_mut().filter(|g| g.id == "backup") {
        grant.encryption = Requirement::MeshMtls;
    }
    let demanding = compile(&intent, &deployed.world(&intent));
    assert!(prove(demanding, FileId(0), &intent, &deployed).is_err());

    for grant in &mut intent.grants {
        grant.encryption = Requirement::None;
    }
    let artefacts = compile(&intent, &deployed.world(&intent));
    let db = artefacts
        .objects
        .iter()
        .find(|o| o.kind == "PeerAuthentication" && o.name == "db");
    let db = db.expect("an exception").value.to_yaml();
    assert!(
        db.contains("mode: STRICT") && db.contains("\"9999\":"),
        "{db}"
    );
    let proof = prove(artefacts, FileId(0), &intent, &deployed);
    assert!(proof.is_ok(), "{:#?}", proof.err().map(|r| r.findings));
}
