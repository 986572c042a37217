//! What stands after each edit, against an engine and a proof made from scratch.

use super::{Flaw, Standing};
use crate::engine::live::tests::{End, addresses, edit, name, script};
use crate::engine::{EndpointId, Engine, Live};
use palisade_diagnostics::Verdict;
use palisade_netmodel::{
    Cni, Direction, Endpoint, Enforcement, Flow, Intent, Labels, NamespaceMatch, Origin, Peer,
    Peers, PortSet, Protocol, Proxy, Requirement, Rule, Selector, World,
};
use palisade_testkit::clusters::{self, Shape};
use palisade_testkit::intents::{claimed, declares, intent};
use palisade_testkit::worlds::world;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// From whom, to whom, whether blocked and where, whether certain: which ports.
type Found = BTreeMap<(End, End, Option<Direction>, bool), PortSet>;

/// The differences by the engine, pair by pair and grant by grant.
fn by_force(world: &World, intent: &Intent, addresses: &BTreeSet<IpAddr>) -> Found {
    let engine = Engine::new(world);
    let mut ends: Vec<(End, Endpoint, EndpointId)> = Vec::new();
    for (id, pod) in world.pods() {
        let endpoint = engine.endpoint_of(Endpoint::Pod(id)).unwrap();
        ends.push((name(pod), Endpoint::Pod(id), endpoint));
    }
    for address in addresses {
        let end = Endpoint::Address(*address);
        if let Some(endpoint) = engine.endpoint_of(end) {
            ends.push((address.to_string(), end, endpoint));
        }
    }
    let mut found = Found::new();
    for (from, source, s) in &ends {
        for (to, destination, d) in &ends {
            let outside = |end: &Endpoint| matches!(end, Endpoint::Address(_));
            if from == to
                || outside(source) && outside(destination)
                || !engine.is_source(*s)
                || !engine.is_destination(*d)
            {
                continue;
            }
            let flow = |port: (Protocol, u16)| Flow {
                source: *source,
                destination: *destination,
                protocol: port.0,
                port: port.1,
            };
            let half = |direction| engine.policed(direction, *s, *d);
            let passage = half(Direction::Egress).and(&half(Direction::Ingress));
            let mut granted = PortSet::empty();
            let mut add = |blocked, certain, ports: PortSet| {
                if !ports.is_empty() {
                    let key = (from.clone(), to.clone(), blocked, certain);
                    let known: &mut PortSet = found.entry(key).or_default();
                    *known = known.union(&ports);
                }
            };
            for grant in &intent.grants {
                let ports = engine.ports_at(grant.ports.as_deref(), *d);
                let first = ports.first();
                if !first.is_some_and(|port| declares(world, grant, &flow(port))) {
                    continue;
                }
                granted = granted.union(&ports);
                let group = engine.pod(*s).is_some_and(|pod| pod.host_group);
                for (direction, answers, subject) in [
                    (Direction::Ingress, grant.ingress, *d),
                    (Direction::Egress, grant.egress, *s),
                ] {
                    if answers && !group && engine.pod(subject).is_some() {
                        let half = half(direction);
                        let unsure = ports.intersection(&half.may).difference(&half.must);
                        add(Some(direction), true, ports.difference(&half.may));
                        add(Some(direction), false, unsure);
                    }
                }
            }
            if claimed(world, intent, &flow((Protocol::Tcp, 1))) {
                let certain = passage.must.difference(&granted);
                let perhaps = passage.may.difference(&granted).difference(&certain);
                add(None, true, certain);
                add(None, false, perhaps);
            }
        }
    }
    found
}

/// The differences that are kept current, by names.
fn kept(standing: &Standing, addresses: &BTreeSet<IpAddr>) -> Found {
    let live = standing.live();
    let mut found = Found::new();
    for flaw in standing.flaws() {
        let Flaw {
            ports,
            certain,
            blocked,
            ..
        } = &flaw;
        for from in ends(live, flaw.source, addresses) {
            for to in ends(live, flaw.destination, addresses) {
                if from != to {
                    let key = (from.clone(), to, *blocked, *certain);
                    let known: &mut PortSet = found.entry(key).or_default();
                    *known = known.union(ports);
                }
            }
        }
    }
    found
}

fn ends(live: &Live, id: EndpointId, addresses: &BTreeSet<IpAddr>) -> Vec<End> {
    let outside = addresses.iter().filter(|a| live.cell_of(**a) == Some(id));
    let pods = live.members(id).map(name);
    pods.chain(outside.map(IpAddr::to_string)).collect()
}

/// What a standing is about: NetworkPolicies, and grants without a demand.
fn simple(world: &mut World, intent: &mut Intent) {
    world.profile.cni = Cni {
        enforcement: Enforcement::Enforced,
        ..world.profile.cni.clone()
    };
    for pod in &mut world.pods {
        let mut template = (*pod.template).clone();
        template.proxy = Proxy::None {
            reason: String::new(),
        };
        pod.template = Arc::new(template);
    }
    for grant in &mut intent.grants {
        grant.encryption = Requirement::None;
    }
}

/// Some claims, and both ends of some grants, by a label of namespaces.
fn by_labels(world: &World, intent: &mut Intent, claims: bool) {
    let labels = world.namespaces.values().flat_map(|n| n.labels.iter());
    let mut labels = labels.filter(|(key, _)| *key != "kubernetes.io/metadata.name");
    let Some(label) = labels.next() else {
        return;
    };
    let chosen = || NamespaceMatch::Selector(Selector::of([label]));
    let claimed = intent.claims.iter_mut().filter(|_| claims);
    for claim in claimed.step_by(2) {
        claim.namespaces = chosen();
    }
    for grant in intent.grants.iter_mut().step_by(3) {
        for party in [&mut grant.from, &mut grant.to] {
            party.peers = Peers::List(vec![Peer::Pods {
                namespaces: chosen(),
                pods: Selector::everything(),
            }]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn edits_leave_the_differences_that_a_look_at_every_pair_finds(
        mut current in world(),
        mut other in world(),
        mut intent in intent(),
        choices in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 0..16),
    ) {
        simple(&mut current, &mut intent);
        simple(&mut other, &mut intent);
        other.profile = current.profile.clone();
        let addresses = addresses([&current, &other]);
        match choices.len() % 3 {
            0 => {}
            1 => by_labels(&current, &mut intent, true),
            _ => by_labels(&current, &mut intent, false),
        }
        let mut standing = Standing::new(&intent, &current).unwrap();
        let expected = by_force(&current, &intent, &addresses);
        prop_assert_eq!(&kept(&standing, &addresses), &expected);
        for step in script(&current, &other, &choices) {
            edit(&mut current, &step);
            standing.apply(step.clone());
            let expected = by_force(&current, &intent, &addresses);
            prop_assert_eq!(&kept(&standing, &addresses), &expected, "{:?}", step);
            prop_assert_eq!(standing.verdict(), by_all(&standing), "{:?}", step);
        }
    }
}

/// The verdict by every difference that is left, whatever was a difference before.
fn by_all(standing: &Standing) -> Verdict {
    let certain: BTreeSet<bool> = standing.flaws().map(|flaw| flaw.certain).collect();
    match certain.last() {
        _ if !standing.live().proxied().is_empty() => Verdict::Unknown,
        Some(true) => Verdict::Fails,
        Some(false) => Verdict::Unknown,
        None => Verdict::Holds,
    }
}

#[test]
fn a_cluster_that_is_as_declared_stands_until_a_policy_goes() {
    let world = clusters::world(&Shape::default());
    let intent = clusters::intent(&world);
    let mut standing = Standing::new(&intent, &world).unwrap();
    assert_eq!(standing.verdict(), Verdict::Holds);
    let policy = world.network_policies.first().unwrap();
    standing.apply(crate::engine::Edit::RemovePolicy(policy.object.clone()));
    assert_eq!(standing.verdict(), Verdict::Fails);
    standing.apply(crate::engine::Edit::SetPolicy(policy.clone()));
    assert_eq!(standing.verdict(), Verdict::Holds);
}

#[test]
fn a_grant_goes_with_the_label_of_both_its_ends() {
    let mut world = clusters::world(&Shape {
        pods: 4,
        workloads: 2,
        namespaces: 1,
        policies: 4,
        ..Shape::default()
    });
    let mut intent = clusters::intent(&world);
    world.network_policies.clear();
    intent.claims.truncate(1);
    intent.grants.retain(|grant| grant.ingress);
    intent.grants.truncate(1);
    let grant = intent.grants.first_mut().unwrap();
    grant.ports = None;
    for party in [&mut grant.from, &mut grant.to] {
        party.peers = Peers::List(vec![Peer::Pods {
            namespaces: NamespaceMatch::Selector(Selector::of([("team", "team-0")])),
            pods: Selector::everything(),
        }]);
    }
    // Who else could call is not at issue.
    let mut anybody = grant.clone();
    anybody.from.peers = Peers::List(vec![Peer::Block {
        cidr: "0.0.0.0/0".parse().unwrap(),
        except: Vec::new(),
    }]);
    let mut other = anybody.clone();
    other.from.peers = Peers::List(vec![Peer::Block {
        cidr: "::/0".parse().unwrap(),
        except: Vec::new(),
    }]);
    for more in [&mut anybody, &mut other] {
        more.to.peers = Peers::Any;
    }
    intent.grants.extend([anybody, other]);
    let mut standing = Standing::new(&intent, &world).unwrap();
    assert_eq!(standing.verdict(), Verdict::Holds);
    let labels = Labels::from_iter([("kubernetes.io/metadata.name", "ns-0")]);
    let without = crate::engine::Edit::SetNamespace {
        name: "ns-0".to_owned(),
        labels,
    };
    standing.apply(without);
    assert_eq!(standing.verdict(), Verdict::Fails);
    standing.apply(crate::engine::Edit::SetNamespace {
        name: "ns-0".to_owned(),
        labels: world.namespace_labels("ns-0").unwrap().clone(),
    });
    assert_eq!(standing.verdict(), Verdict::Holds);
}

/// A block that cuts addresses in two, in an edit after which everybody passes as before.
#[test]
fn addresses_that_a_policy_cuts_are_judged_by_who_lets_everybody_pass() {
    let mut world = clusters::world(&Shape {
        pods: 1,
        workloads: 1,
        namespaces: 1,
        policies: 1,
        ..Shape::default()
    });
    let mut intent = clusters::intent(&world);
    intent.grants.clear();
    intent
        .claims
        .retain(|claim| claim.direction == Direction::Egress);
    let block = |cidr: &str| Rule {
        origin: Origin::default(),
        peers: Some(vec![Peer::Block {
            cidr: cidr.parse().unwrap(),
            except: Vec::new(),
        }]),
        ports: None,
    };
    let policy = world.network_policies.first_mut().unwrap();
    policy.ingress = None;
    policy.egress = Some(vec![block("0.0.0.0/0")]);
    let mut standing = Standing::new(&intent, &world).unwrap();
    let mut policy = world.network_policies.first().unwrap().clone();
    policy.egress = None;
    policy.ingress = Some(vec![block("198.51.100.0/24")]);
    standing.apply(crate::engine::Edit::SetPolicy(policy));
    let inside = standing.live().cell_of("198.51.100.7".parse().unwrap());
    let flaws: Vec<Flaw> = standing.flaws().collect();
    assert!(flaws.iter().any(|flaw| Some(flaw.destination) == inside));
}
