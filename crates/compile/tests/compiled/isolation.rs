//! Which pods get policies: exactly those that a claim isolates.

use crate::support::{all_of, claim_component, component, grant, pods, shop, tcp, zone};
use palisade_compile::{Artefacts, compile, synthetic_world};
use palisade_netmodel::{
    Direction, Intent, Labels, MeshMode, NamespaceMatch, Peer, Peers, Selector, World,
};

fn compiled(intent: &Intent) -> Artefacts {
    compile(intent, &synthetic_world(intent))
}

fn text(artefacts: &Artefacts, name: &str) -> Option<String> {
    let found = artefacts.objects.iter().find(|o| o.name == name);
    found.map(|o| o.value.to_yaml())
}

fn names(artefacts: &Artefacts) -> Vec<&str> {
    artefacts.objects.iter().map(|o| o.name.as_str()).collect()
}

/// Nobody isolates the pods of a component whose policies are off, so no rule may do it. Where its zone
/// does, its flows still pass.
#[test]
fn a_component_that_is_switched_off() {
    let mut intent = shop(MeshMode::None);
    for component in &mut intent.components {
        component.managed = component.name != "db";
    }
    let by_zone = compiled(&intent);
    let db = text(&by_zone, "db").expect("written");
    assert!(db.contains("# sql: "), "{db}");

    let web = intent
        .components
        .iter()
        .find(|c| c.name == "web")
        .cloned()
        .expect("there");
    intent.claims = vec![claim_component(&web, Direction::Egress)];
    let by_component = compiled(&intent);
    assert_eq!(names(&by_component), ["web"]);
    let web = text(&by_component, "web").expect("written");
    assert!(web.contains("# sql: "), "the other half stays: {web}");
}

#[test]
fn a_component_without_flows_is_still_isolated() {
    let mut intent = shop(MeshMode::None);
    intent.grants.clear();
    let db = text(&compiled(&intent), "db").expect("written");
    assert!(db.contains("- Ingress\n  - Egress"), "{db}");
    assert!(!db.contains("ingress:"), "{db}");
}

#[test]
fn without_claims_nothing_is_written() {
    let mut intent = shop(MeshMode::None);
    intent.claims.clear();
    assert_eq!(names(&compiled(&intent)), Vec::<&str>::new());
}

#[test]
fn a_direction_that_nobody_claims_stays_open() {
    let mut intent = shop(MeshMode::None);
    intent.claims.retain(|c| c.direction == Direction::Ingress);
    for object in compiled(&intent).objects {
        let text = object.value.to_yaml();
        assert!(!text.to_lowercase().contains("egress"), "{text}");
    }
}

/// `workers` and `blue` overlap in one pod. A grant out of all blue pods must reach that pod, because
/// the claim on workers isolates it, and must not isolate the other blue pods.
#[test]
fn overlapping_selectors_meet_in_their_common_pods() {
    let system = zone("system", &["shop"], MeshMode::None);
    let workers = component("workers", "system", "shop", MeshMode::None);
    let mut blue = component("blue", "system", "shop", MeshMode::None);
    blue.selector = Selector::of([("colour", "blue")]);
    let mut intent = Intent {
        claims: vec![claim_component(&workers, Direction::Egress)],
        grants: vec![grant("out", &pods(&blue), &all_of(&system), &[tcp(80)])],
        zones: vec![system],
        components: vec![workers, blue],
        ..Intent::default()
    };
    let mut world: World = synthetic_world(&intent);
    assert_eq!(
        names(&compile(&intent, &world)),
        ["workers"],
        "no pod is in both"
    );

    let mut both = world.pods.first().cloned().expect("a pod");
    both.labels = Labels::from_iter([("app", "workers"), ("colour", "blue")]);
    world.pods.push(both);
    let artefacts = compile(&intent, &world);
    assert_eq!(names(&artefacts), ["blue-and-workers", "workers"]);
    let common = text(&artefacts, "blue-and-workers").expect("written");
    assert!(
        common.contains("app: workers") && common.contains("colour: blue"),
        "{common}"
    );
    assert!(common.contains("# out: "), "{common}");

    // A claim on everything makes the grant's own pods the subject.
    intent.claims = crate::support::claim_zone(&intent.zones[0], Direction::Egress);
    let names: Vec<String> = compile(&intent, &world)
        .objects
        .into_iter()
        .map(|o| o.name)
        .collect();
    assert_eq!(names, ["blue", "default-deny", "workers"]);
}

/// A zone described by labels is compiled for the namespaces that are known; if none is, that is said.
#[test]
fn namespaces_by_label() {
    let mut apps = zone("apps", &[], MeshMode::None);
    apps.namespaces = vec![NamespaceMatch::Selector(Selector::of([("team", "apps")]))];
    let mut intent = shop(MeshMode::None);
    intent.claims = crate::support::claim_zone(&apps, Direction::Ingress);
    intent.zones.push(apps);
    intent.grants.clear();
    let nothing = compile(&intent, &World::default());
    assert_eq!(nothing.diagnostics.len(), 1);
    assert_eq!(nothing.diagnostics[0].code.0, "PAL0403");
    let world = synthetic_world(&intent);
    let known = compile(&intent, &world);
    assert!(known.diagnostics.is_empty());
    let deny = known
        .objects
        .iter()
        .find(|o| o.name == "default-deny")
        .expect("written");
    let namespace = world.namespaces.get(&deny.namespace).expect("known");
    assert_eq!(namespace.labels.get("team"), Some("apps"));
}

#[test]
fn nobody_as_a_peer_admits_nobody() {
    let mut intent = shop(MeshMode::None);
    for grant in &mut intent.grants {
        grant.from.peers = Peers::List(Vec::<Peer>::new());
    }
    let web = text(&compiled(&intent), "web").expect("written");
    assert!(!web.contains("ingress:"), "{web}");
}
