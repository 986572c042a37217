//! Merging changes the rules and never what they admit: compared with the unmerged rules for every
//! peer and port of a small universe.

use super::{CompiledRule, Style, rules};
use palisade_netmodel::{
    Direction, Fidelity, Grant, Hop, Labels, NamespaceMatch, Origin, Party, Peer, Peers,
    PolicyPort, Protocol, Requirement, Selector,
};
use std::net::IpAddr;

/// A fixed generator (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("small") % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    fn some<T: Clone>(&mut self, from: &[T]) -> Vec<T> {
        (0..=self.roll(3)).map(|_| self.pick(from)).collect()
    }
}

fn pods(namespace: NamespaceMatch, pods: Selector) -> Peer {
    Peer::Pods {
        namespaces: namespace,
        pods,
    }
}

fn peers() -> Vec<Peer> {
    let named = |n: &str| NamespaceMatch::Named(n.to_owned());
    let block = |cidr: &str, except: &[&str]| Peer::Block {
        cidr: cidr.parse().expect("a block"),
        except: except.iter().map(|e| e.parse().expect("a block")).collect(),
    };
    vec![
        pods(named("a"), Selector::everything()),
        pods(named("a"), Selector::of([("app", "x")])),
        pods(named("b"), Selector::of([("app", "x"), ("tier", "1")])),
        pods(named("b"), Selector::of([("app", "x")])),
        pods(
            NamespaceMatch::Selector(Selector::everything()),
            Selector::of([("app", "x")]),
        ),
        block("10.0.0.0/8", &[]),
        block("10.0.0.0/8", &["10.1.0.0/16"]),
        block("10.1.0.0/16", &[]),
        block("10.1.2.0/24", &[]),
    ]
}

fn range(protocol: Protocol, first: u16, last: u16) -> PolicyPort {
    PolicyPort::Range {
        protocol,
        first,
        last,
    }
}

fn ports() -> Vec<PolicyPort> {
    vec![
        range(Protocol::Tcp, 80, 80),
        range(Protocol::Tcp, 80, 90),
        range(Protocol::Tcp, 85, 95),
        range(Protocol::Tcp, 1, u16::MAX),
        range(Protocol::Udp, 80, 80),
        PolicyPort::Named {
            protocol: Protocol::Tcp,
            name: "web".to_owned(),
        },
    ]
}

fn grant(dice: &mut Dice, id: usize) -> Grant {
    let party = |dice: &mut Dice| Party {
        name: "p".to_owned(),
        component: None,
        peers: match dice.roll(5) {
            0 => Peers::Any,
            _ => Peers::List(dice.some(&peers())),
        },
        fidelity: Fidelity::Exact,
        hosts: Vec::new(),
    };
    Grant {
        origin: Origin::default(),
        id: format!("flow-{id}"),
        reason: "test".to_owned(),
        from: party(dice),
        to: party(dice),
        ports: (dice.roll(5) > 0).then(|| dice.some(&ports())),
        ingress: true,
        egress: true,
        encryption: Requirement::None,
        exception: None,
        hop: Hop::Direct,
        http: None,
        implied: false,
    }
}

/// Who asks: a pod of a namespace, or an address.
enum Who {
    Pod(&'static str, Labels),
    Address(IpAddr),
}

fn everybody() -> Vec<Who> {
    let mut out = Vec::new();
    for namespace in ["a", "b", "c"] {
        for labels in [
            vec![],
            vec![("app", "x")],
            vec![("app", "x"), ("tier", "1")],
        ] {
            out.push(Who::Pod(namespace, Labels::from_iter(labels)));
        }
    }
    for address in ["10.0.0.1", "10.1.0.1", "10.1.2.3", "192.0.2.1"] {
        out.push(Who::Address(address.parse().expect("an address")));
    }
    out
}

fn admits(rules: &[CompiledRule], who: &Who, protocol: Protocol, port: u16) -> bool {
    rules.iter().any(|rule| {
        let peer = rule
            .peers
            .as_ref()
            .is_none_or(|p| p.iter().any(|p| is(p, who)));
        // The pods of this universe call port 81 `web`.
        let port = rule.ports.as_ref().is_none_or(|p| {
            p.iter().any(|p| match p {
                PolicyPort::Named { protocol: q, .. } => *q == protocol && port == 81,
                PolicyPort::Range {
                    protocol: q,
                    first,
                    last,
                } => *q == protocol && (*first..=*last).contains(&port),
            })
        });
        peer && port
    })
}

fn is(peer: &Peer, who: &Who) -> bool {
    match (peer, who) {
        (Peer::Pods { namespaces, pods }, Who::Pod(namespace, labels)) => {
            let inside = match namespaces {
                NamespaceMatch::Named(name) => name == namespace,
                NamespaceMatch::Selector(selector) => selector.is_everything(),
            };
            inside && pods.matches(labels)
        }
        (Peer::Block { cidr, except }, Who::Address(address)) => {
            cidr.contains(address) && !except.iter().any(|e| e.contains(address))
        }
        _ => false,
    }
}

#[test]
fn merging_admits_the_same() {
    let mut dice = Dice(3);
    for round in 0..3000 {
        let grants: Vec<Grant> = (0..1 + dice.roll(5))
            .map(|id| grant(&mut dice, id))
            .collect();
        let grants: Vec<&Grant> = grants.iter().collect();
        for direction in [Direction::Ingress, Direction::Egress] {
            let merged = rules(&grants, direction, Style::Merged);
            let single = rules(&grants, direction, Style::PerFlow);
            for who in everybody() {
                for protocol in [Protocol::Tcp, Protocol::Udp] {
                    for port in [79, 80, 81, 86, 93, 96] {
                        let expected = grants.iter().any(|g| {
                            let party = match direction {
                                Direction::Ingress => &g.from,
                                Direction::Egress => &g.to,
                            };
                            let rule = CompiledRule {
                                peers: match &party.peers {
                                    Peers::Any => None,
                                    Peers::List(peers) => Some(peers.clone()),
                                },
                                ports: g.ports.clone(),
                                flows: Default::default(),
                            };
                            admits(&[rule], &who, protocol, port)
                        });
                        assert_eq!(admits(&merged, &who, protocol, port), expected, "{round}");
                        assert_eq!(admits(&single, &who, protocol, port), expected, "{round}");
                    }
                }
            }
            let flows: usize = merged.iter().map(|r| r.flows.len()).sum();
            assert!(flows >= usize::from(!merged.is_empty()));
        }
    }
}

#[test]
fn what_everybody_may_do_is_not_repeated() {
    let mut dice = Dice(1);
    let mut both = [grant(&mut dice, 0), grant(&mut dice, 1)];
    let [everybody, one] = &mut both;
    everybody.from.peers = Peers::Any;
    everybody.ports = Some(vec![range(Protocol::Tcp, 80, 90)]);
    one.from.peers = Peers::List(vec![peers()[0].clone()]);
    one.ports = Some(vec![
        range(Protocol::Tcp, 80, 80),
        range(Protocol::Tcp, 443, 443),
    ]);
    let both: Vec<&Grant> = both.iter().collect();
    let rules = rules(&both, Direction::Ingress, Style::Merged);
    assert_eq!(rules.len(), 2);
    assert_eq!((&rules[0].peers, rules[0].flows.len()), (&None, 2));
    assert_eq!(rules[1].ports, Some(vec![range(Protocol::Tcp, 443, 443)]));
}
