//! ClusterNetworkPolicies hold on to the zone matrix, whatever NetworkPolicies there are.

use crate::random::{Dice, matrix};
use crate::support::{all_of, claim_zone, component, grant, party, pods, port, shop, tcp, zone};
use palisade_compile::{Artefacts, Deployed, TARGETS, Target, compile_also, prove};
use palisade_diagnostics::FileId;
use palisade_netmodel::reference::decide;
use palisade_netmodel::{
    Cell, CellPosture, ClaimScope, Direction, Endpoint, Fidelity, Flow, Grant, Intent, MeshMode,
    NamespaceMatch, Origin, Outcome, Party, Peer, Peers, Pod, PodId, PolicyPort, Protocol,
    Requirement, Selector, World,
};
use palisade_resources::Options;
use std::sync::LazyLock;

static OPTIONS: LazyLock<Options> = LazyLock::new(Options::default);

/// Pods made from the matrix.
fn made() -> Deployed<'static> {
    Deployed {
        inputs: &[],
        options: &OPTIONS,
        adjust: &|_| (),
    }
}

fn id(index: usize) -> PodId {
    PodId(u32::try_from(index).expect("few pods"))
}

fn target() -> &'static Target {
    let mut all = TARGETS.iter();
    all.find(|t| t.name == "cluster-network-policy")
        .expect("a target")
}

fn compiled(intent: &Intent) -> Artefacts {
    compile_also(intent, &made().world(intent), &[target()])
}

fn cell(from: &str, to: &str, posture: CellPosture) -> Cell {
    Cell {
        origin: Origin::default(),
        from: from.to_owned(),
        to: to.to_owned(),
        posture,
        encryption: Requirement::None,
        mechanism: String::new(),
        footnotes: Vec::new(),
    }
}

/// A random intent without a mesh, with a random zone matrix.
fn random(dice: &mut Dice) -> Intent {
    let mut intent = matrix(dice, false);
    let names: Vec<String> = intent.zones.iter().map(|z| z.name.clone()).collect();
    for from in &names {
        for to in &names {
            let posture = dice.pick(&[
                None,
                Some(CellPosture::Deny),
                Some(CellPosture::Listed),
                Some(CellPosture::Allow),
            ]);
            intent.cells.extend(posture.map(|p| cell(from, to, p)));
        }
    }
    intent
}

/// The world with the ClusterNetworkPolicies of one tier, and nothing else.
fn under_alone(intent: &Intent, what: &str) -> World {
    let mut artefacts = compiled(intent);
    artefacts.objects.retain(|o| {
        o.kind == "ClusterNetworkPolicy"
            && (o.name.ends_with(what) || o.name.contains(&format!("{what}-")))
    });
    let world = made().under(intent, &[(FileId(0), &artefacts.to_yaml())]);
    assert_eq!(world.admin_policies.len(), artefacts.objects.len());
    world
}

fn flows(world: &World) -> Vec<(Flow, usize, usize)> {
    let ports = [
        (Protocol::Tcp, 8080),
        (Protocol::Tcp, 5432),
        (Protocol::Tcp, 5005),
        (Protocol::Tcp, 1),
        (Protocol::Udp, 53),
        (Protocol::Sctp, 9),
    ];
    let mut out = Vec::new();
    for from in 0..world.pods.len() {
        for to in (0..world.pods.len()).filter(|to| *to != from) {
            for (protocol, port) in ports {
                let flow = Flow {
                    source: Endpoint::Pod(id(from)),
                    destination: Endpoint::Pod(id(to)),
                    port,
                    protocol,
                };
                out.push((flow, from, to));
            }
        }
    }
    out
}

fn is_in(pod: &Pod, party: &Party) -> bool {
    let Peers::List(peers) = &party.peers else {
        return true;
    };
    peers.iter().any(|peer| match peer {
        Peer::Pods {
            namespaces: NamespaceMatch::Named(name),
            pods,
        } => *name == pod.namespace && pods.matches(&pod.labels),
        _ => false,
    })
}

fn has_port(grant: &Grant, flow: &Flow, destination: &Pod) -> bool {
    grant.ports.as_ref().is_none_or(|ports| {
        ports.iter().any(|port| match port {
            PolicyPort::Range {
                protocol,
                first,
                last,
            } => *protocol == flow.protocol && (*first..=*last).contains(&flow.port),
            PolicyPort::Named { protocol, name } => destination.named_ports.iter().any(|n| {
                n.name == *name
                    && n.protocol == *protocol
                    && (n.port, n.protocol) == (flow.port, flow.protocol)
            }),
        })
    })
}

/// The zone of a pod.
fn zone_of<'i>(intent: &'i Intent, pod: &Pod) -> Option<&'i str> {
    let own = NamespaceMatch::Named(pod.namespace.clone());
    let zone = intent.zones.iter().find(|z| z.namespaces.contains(&own));
    zone.map(|z| z.name.as_str())
}

/// Whether the zone matrix limits what passes between two pods.
fn limited(intent: &Intent, from: &Pod, to: &Pod) -> bool {
    let (Some(from), Some(to)) = (zone_of(intent, from), zone_of(intent, to)) else {
        return false;
    };
    let mut cells = intent.cells.iter();
    cells.any(|c| c.from == from && c.to == to && c.posture != CellPosture::Allow)
}

/// What holds without them still holds.
#[test]
fn what_is_compiled_holds_with_them() {
    let mut dice = Dice(11);
    let mut held = 0;
    for round in 0..300 {
        let intent = random(&mut dice);
        let proven = |also: &[&Target]| {
            let artefacts = compile_also(&intent, &made().world(&intent), also);
            prove(artefacts, FileId(0), &intent, &made())
        };
        // A few say something that no pod can mean.
        if proven(&[]).is_err() {
            continue;
        }
        held += 1;
        if let Err(refusal) = proven(&[target()]) {
            panic!(
                "round {round}\n{intent:#?}\n{:#?}\n{}",
                refusal.findings, refusal.text
            );
        }
    }
    assert!(held > 250, "{held}");
}

/// No NetworkPolicy isolates anybody: the ceilings alone refuse exactly what cells keep out. A flow is
/// passed to the whole zone that it leads into.
#[test]
fn ceilings_refuse_what_no_flow_declares() {
    let mut dice = Dice(12);
    let (mut refused, mut passed) = (0, 0);
    for _ in 0..60 {
        let intent = random(&mut dice);
        let world = under_alone(&intent, "ceiling");
        for (flow, from, to) in flows(&world) {
            let (from, to) = (&world.pods[from], &world.pods[to]);
            let zone = zone_of(&intent, to);
            let leads = |g: &&Grant| is_in(from, &g.from) && has_port(g, &flow, to);
            let into_zone = |party: &Party| {
                let mut pods = world.pods.iter();
                pods.any(|p| zone_of(&intent, p) == zone && is_in(p, party))
            };
            let mut grants = intent.grants.iter().filter(leads);
            let expected = !limited(&intent, from, to) || grants.any(|g| into_zone(&g.to));
            let found = decide(&world, &flow).outcome == Outcome::Allow;
            assert_eq!(
                found, expected,
                "{flow:?}\n{intent:#?}\n{:#?}",
                world.admin_policies
            );
            refused += usize::from(!found);
            passed += usize::from(found && limited(&intent, from, to));
        }
    }
    assert!(
        refused > 1_000 && passed > 1_000,
        "{refused} refused, {passed} passed"
    );
}

/// No NetworkPolicy selects anybody: a zone that isolates its namespaces is closed all the same, but for
/// what the zone as a whole may do.
#[test]
fn defaults_close_what_no_policy_selects() {
    let mut dice = Dice(13);
    let (mut refused, mut passed) = (0, 0);
    for _ in 0..60 {
        let intent = random(&mut dice);
        let world = under_alone(&intent, "default");
        let closed = |pod: &Pod, direction: Direction| {
            zone_of(&intent, pod).is_some_and(|zone| {
                let scope = ClaimScope::Zone(zone.to_owned());
                let mut claims = intent.claims.iter();
                claims.any(|c| c.scope == scope && c.direction == direction)
            })
        };
        for (flow, from, to) in flows(&world) {
            let (from, to) = (&world.pods[from], &world.pods[to]);
            let wide = |pod: &Pod, party: &Party| {
                party.component.is_none() && zone_of(&intent, pod) == Some(party.name.as_str())
            };
            let mut grants = intent.grants.iter().filter(|g| has_port(g, &flow, to));
            let enters = grants
                .clone()
                .any(|g| g.ingress && wide(to, &g.to) && is_in(from, &g.from));
            let leaves = grants.any(|g| g.egress && wide(from, &g.from) && is_in(to, &g.to));
            let expected = (!closed(to, Direction::Ingress) || enters)
                && (!closed(from, Direction::Egress) || leaves);
            let found = decide(&world, &flow).outcome == Outcome::Allow;
            assert_eq!(
                found, expected,
                "{flow:?}\n{intent:#?}\n{:#?}",
                world.admin_policies
            );
            refused += usize::from(!found);
            passed += usize::from(
                found && (closed(to, Direction::Ingress) || closed(from, Direction::Egress)),
            );
        }
    }
    assert!(
        refused > 1_000 && passed > 100,
        "{refused} refused, {passed} passed"
    );
}

/// Whole, as it is written.
#[test]
fn guards_of_a_shop() {
    let mut intent = shop(MeshMode::None);
    intent.zones.push(zone(
        "customers",
        &["customers", "partners"],
        MeshMode::None,
    ));
    intent.cells = vec![
        cell("customers", "system", CellPosture::Listed),
        cell("system", "customers", CellPosture::Deny),
    ];
    let mut artefacts = compiled(&intent);
    artefacts
        .objects
        .retain(|o| o.kind == "ClusterNetworkPolicy");
    insta::assert_snapshot!(artefacts.to_yaml());
}

/// Addresses of what leaves have no exceptions in this kind: they are cut out. Names of ports go with pods
/// only.
#[test]
fn addresses_and_named_ports() {
    let mut intent = shop(MeshMode::None);
    let system = intent.zones[0].clone();
    let block = Peer::Block {
        cidr: "192.0.2.0/24".parse().expect("a network"),
        except: vec!["192.0.2.0/26".parse().expect("a network")],
    };
    let web = Peer::Pods {
        namespaces: NamespaceMatch::Named("shop".to_owned()),
        pods: Selector::of([("app", "web")]),
    };
    let both = party("both", Peers::List(vec![web, block]), Fidelity::Exact);
    let named = PolicyPort::Named {
        protocol: Protocol::Tcp,
        name: "http".to_owned(),
    };
    intent
        .grants
        .push(grant("mixed", &all_of(&system), &both, &[named, tcp(7)]));
    let world = under_alone(&intent, "default");
    let to = |address: &str, port: u16| {
        let from = world
            .pods
            .iter()
            .position(|p| p.labels.get("app") == Some("db"));
        let flow = Flow {
            source: Endpoint::Pod(id(from.expect("a pod"))),
            destination: Endpoint::Address(address.parse().expect("an address")),
            port,
            protocol: Protocol::Tcp,
        };
        decide(&world, &flow).outcome
    };
    assert_eq!(to("192.0.2.200", 7), Outcome::Allow);
    assert_eq!(to("192.0.2.200", 8080), Outcome::Deny);
    assert_eq!(to("192.0.2.7", 7), Outcome::Deny);
    assert_eq!(to("198.51.100.1", 7), Outcome::Deny);
}

/// The API takes 25 rules, peers and protocols: more go into further rules and objects, and still hold.
#[test]
fn more_than_the_limits() {
    let system = zone("system", &["shop"], MeshMode::None);
    let apps = zone("apps", &["apps"], MeshMode::None);
    let mut server = component("server", "system", "shop", MeshMode::None);
    server.ports = (0..60)
        .map(|n| port(&format!("p{n}"), 1000 + 2 * n))
        .collect();
    let clients =
        (0..60).map(|n| component(&format!("client{n:02}"), "apps", "apps", MeshMode::None));
    let clients: Vec<_> = clients.collect();
    let every: Vec<PolicyPort> = (0..60).map(|n| tcp(1000 + 2 * n)).collect();
    let mut grants: Vec<Grant> = clients
        .iter()
        .map(|client| {
            grant(
                &format!("all-{}", client.name),
                &pods(client),
                &pods(&server),
                &every,
            )
        })
        .collect();
    for (n, client) in clients.iter().enumerate() {
        let port = tcp(u16::try_from(3000 + n).expect("small"));
        grants.push(grant(
            &format!("own-{}", client.name),
            &pods(client),
            &pods(&server),
            &[port],
        ));
    }
    let mut components = clients;
    components.push(server);
    let claims = claim_zone(&system, Direction::Ingress);
    let intent = Intent {
        name: "many".to_owned(),
        cells: vec![cell("apps", "system", CellPosture::Listed)],
        zones: vec![system, apps],
        components,
        grants,
        claims,
        ..Intent::default()
    };
    let artefacts = compiled(&intent);
    let guards = artefacts
        .objects
        .iter()
        .filter(|o| o.kind == "ClusterNetworkPolicy");
    assert!(guards.count() >= 4);
    let proven = prove(artefacts, FileId(0), &intent, &made());
    assert!(proven.is_ok(), "{proven:#?}");
}

fn codes(artefacts: &Artefacts) -> Vec<&str> {
    artefacts.diagnostics.iter().map(|d| d.code.0).collect()
}

#[test]
fn zones_that_share_a_namespace_are_not_kept_apart() {
    let mut intent = shop(MeshMode::None);
    intent
        .zones
        .push(zone("guests", &["shop", "guests"], MeshMode::None));
    intent.cells = vec![cell("guests", "system", CellPosture::Deny)];
    let artefacts = compiled(&intent);
    assert_eq!(codes(&artefacts), ["PAL0413"]);
    assert!(
        artefacts
            .objects
            .iter()
            .all(|o| o.name != "shop-system-ceiling")
    );
}

#[test]
fn priorities_are_not_given_twice() {
    let zones = (0..600).map(|n| zone(&format!("z{n}"), &[&format!("n{n}")], MeshMode::None));
    let zones: Vec<_> = zones.collect();
    let claims = zones.iter().flat_map(|z| claim_zone(z, Direction::Ingress));
    let intent = Intent {
        name: "many".to_owned(),
        claims: claims.collect(),
        zones,
        ..Intent::default()
    };
    let artefacts = compiled(&intent);
    assert_eq!(codes(&artefacts), ["PAL0414"]);
    let guards = artefacts
        .objects
        .iter()
        .filter(|o| o.kind == "ClusterNetworkPolicy");
    assert_eq!(guards.count(), 501);
}

/// Zones by label are guarded by label: a namespace that joins later is closed before anything is compiled
/// for it.
#[test]
fn a_namespace_that_joins_later() {
    let mut intent = shop(MeshMode::None);
    let label = Selector::of([("zone", "system")]);
    intent.zones[0].namespaces = vec![NamespaceMatch::Selector(label.clone())];
    for claim in &mut intent.claims {
        claim.namespaces = NamespaceMatch::Selector(label.clone());
    }
    let mut world = under_alone(&intent, "default");
    world.ensure_namespace("new");
    if let Some(namespace) = world.namespaces.get_mut("new") {
        namespace.labels.insert("zone", "system");
    }
    let stranger = world
        .pods
        .iter()
        .position(|p| p.namespace == "kube-system")
        .expect("a pod");
    let mut pod = world.pods[stranger].clone();
    pod.namespace = "new".to_owned();
    pod.addresses = palisade_netmodel::AddressSet::default();
    world.pods.push(pod);
    let flow = Flow {
        source: Endpoint::Pod(id(stranger)),
        destination: Endpoint::Pod(id(world.pods.len() - 1)),
        port: 80,
        protocol: Protocol::Tcp,
    };
    assert_eq!(decide(&world, &flow).outcome, Outcome::Deny);
}
