//! The chains that every ruleset has.

use super::{DIRECTIONS, Node, Settings, map_name, own_side};
use crate::addresses::cover;
use crate::list::List;
use crate::model::{Chain, Effect, Element, Family, Map, Match, Rule, Set, SetKind, Side, Verdict};
use palisade_netmodel::Protocol;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Where refused packets end that no signature's policies refuse: pods that are closed, addresses of nobody. Those
/// of a signature too, unless refused packets are logged.
#[must_use]
pub fn deny(family: Family) -> String {
    named("deny", family)
}

/// Whether a chain is [`deny`] of a family.
#[must_use]
pub fn is_deny(chain: &str) -> bool {
    Family::ALL.iter().any(|family| deny(*family) == chain)
}

/// Where refused packets end after they are logged.
const REFUSE: &str = "refuse";
/// Where the packets of connections end that are not let pass any more, or that began before they could be
/// judged.
const CUT: &str = "cut";
/// The base chain.
const FORWARD: &str = "forward";

/// `word4`: names are unique over both tables.
fn named(word: &str, family: Family) -> String {
    format!("{word}{}", family.digit())
}

/// Adds them, and their sets: isolated addresses, and those that are refused as long as no pod is known to have them.
pub(super) fn add(
    sets: &mut BTreeMap<String, Set>,
    chains: &mut BTreeMap<String, Chain>,
    maps: &BTreeMap<String, Map>,
    settings: &Settings,
    node: &Node,
    known: impl Iterator<Item = IpAddr>,
) {
    let mut known: Vec<IpAddr> = known.collect();
    known.sort_unstable();
    for family in Family::ALL {
        let deny = deny(family);
        match settings.log {
            None => chains.insert(deny, refusing(family, settings)),
            Some(log) => {
                chains.insert(named(REFUSE, family), refusing(family, settings));
                chains.insert(deny.clone(), logged(family, &deny, log, REFUSING))
            }
        };
        chains.insert(named(CUT, family), cut(family));
        let mut rules = Vec::new();
        let own = cover(family, node.pod_networks.iter().map(|n| (n, &[][..])));
        if !own.is_empty() {
            let of_family = known.iter().filter(|a| Family::of(a) == family);
            let known = of_family.map(|a| Element::Address(*a)).collect();
            rules.extend(unknown_pods(family, sets, own, known));
        }
        let unseen = named("begun", family);
        chains.insert(unseen.clone(), begun(family, sets, maps));
        rules.push(Rule::new(vec![Match::MidStream], Verdict::Goto(unseen)));
        rules.extend(DIRECTIONS.map(|direction| {
            let dispatch = Verdict::Dispatch {
                side: own_side(direction),
                family,
                map: map_name(direction, family),
            };
            Rule::new(vec![], dispatch)
        }));
        chains.insert(named(FORWARD, family), forward(family, settings, rules));
    }
}

/// The cheap way first: almost all packets belong to a known connection. Then what is asked about the others.
fn forward(family: Family, settings: &Settings, others: Vec<Rule>) -> Chain {
    let cut = Verdict::Goto(named(CUT, family));
    let mut rules = vec![
        Rule::new(vec![Match::Marked(settings.revoked)], cut),
        Rule::new(vec![Match::Known], Verdict::Accept),
    ];
    if family == Family::V6 {
        rules.push(Rule::new(vec![Match::NeighbourDiscovery], Verdict::Accept));
    }
    rules.extend(others);
    Chain {
        base: true,
        ..Chain::new(family, "NetworkPolicy of the pods of this node", rules)
    }
}

fn counted() -> Rule {
    Rule {
        matches: vec![],
        effect: Some(Effect::Count),
        verdict: None,
    }
}

/// The comment of chains that refuse. A chain with a fixed name has one comment: updates change its rules alone.
const REFUSING: &str = "no policy lets it pass";

/// A chain that tells a netlink group of what it refuses, with its own name.
pub(super) fn logged(
    family: Family,
    name: &str,
    (group, rate): (u16, u32),
    comment: &str,
) -> Chain {
    let log = Rule {
        matches: vec![],
        effect: Some(Effect::Log {
            prefix: name.to_owned(),
            group,
            rate,
        }),
        verdict: None,
    };
    let end = Rule::new(vec![], Verdict::Goto(named(REFUSE, family)));
    Chain::new(family, comment, vec![log, end])
}

fn refusing(family: Family, settings: &Settings) -> Chain {
    let mut rules = vec![counted()];
    let end = if settings.reject {
        Verdict::Reject(family)
    } else {
        Verdict::Drop
    };
    rules.push(Rule::new(vec![], end));
    Chain::new(family, REFUSING, rules)
}

/// TCP is told at once; otherwise both ends would go on trying for minutes.
fn cut(family: Family) -> Chain {
    let rules = vec![
        counted(),
        Rule::new(vec![Match::Protocol(Protocol::Tcp)], Verdict::Reset),
        Rule::new(vec![], Verdict::Drop),
    ];
    Chain::new(family, "connections without permission", rules)
}

/// Where TCP packets go that are in the middle of a connection that nobody knows: they tell nothing of who began it, so
/// those of isolated pods are never judged as if they were first ones. Each has the addresses of a map in a set, so
/// that this is asked once for a packet, and by no rule of a signature.
fn begun(family: Family, sets: &mut BTreeMap<String, Set>, maps: &BTreeMap<String, Map>) -> Chain {
    let rules = DIRECTIONS.map(|direction| {
        let isolated = maps.get(&map_name(direction, family));
        let isolated = isolated.into_iter().flat_map(|map| map.elements.keys());
        let elements: Vec<Element> = isolated.map(|address| Element::Address(*address)).collect();
        let set = Set {
            kind: SetKind::Addresses(family),
            elements: List::from(elements),
        };
        let name = format!("isolated_{}", map_name(direction, family));
        sets.insert(name.clone(), set);
        let isolated = Match::Address {
            side: own_side(direction),
            family,
            set: name,
            not: false,
        };
        Rule::new(vec![isolated], Verdict::Goto(named(CUT, family)))
    });
    Chain::new(family, "connections that began unseen", rules.to_vec())
}

/// Refuses addresses of this node's pods that no known pod has (`Kubernetes documentation, Network
/// Policies, Pod lifecycle`: a new pod must be isolated before it is started).
fn unknown_pods(
    family: Family,
    sets: &mut BTreeMap<String, Set>,
    own: Vec<Element>,
    known: Vec<Element>,
) -> [Rule; 2] {
    let mut add = |word: &str, kind, elements: Vec<Element>| {
        let name = named(word, family);
        let elements = List::from(elements);
        sets.insert(name.clone(), Set { kind, elements });
        name
    };
    let own = add("local", SetKind::Networks(family), own);
    let known = add("known", SetKind::Addresses(family), known);
    [Side::Source, Side::Destination].map(|side| {
        let address = |set: &str, not| Match::Address {
            side,
            family,
            set: set.to_owned(),
            not,
        };
        let matches = vec![address(&own, false), address(&known, true)];
        Rule::new(matches, Verdict::Goto(deny(family)))
    })
}
