//! Grants to rules: the fewest rules that admit the same connections, each with the flows it serves.
//!
//! A connection is admitted if some rule admits it, so ports of a peer that a wider peer or a wider
//! port already has are moved there, and peers with the same ports share a rule.

use crate::selectors::{canonical, implies, namespace_implies};
use palisade_netmodel::{Direction, Fidelity, Grant, Peer, Peers, PolicyPort};
use std::collections::{BTreeMap, BTreeSet};

/// How rules are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// The fewest rules.
    Merged,
    /// One rule for each flow, so that single flows can be switched (Helm).
    PerFlow,
}

/// A rule of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CompiledRule {
    /// `None`: everybody.
    pub(crate) peers: Option<Vec<Peer>>,
    /// `None`: every port.
    pub(crate) ports: Option<Vec<PolicyPort>>,
    /// Flow ids with the remarks that are written above the rule.
    pub(crate) flows: BTreeMap<String, Vec<String>>,
}

impl CompiledRule {
    /// The remarks, by flow id.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.flows.values().flatten().cloned().collect()
    }
}

/// The rules of a direction for these grants.
pub(crate) fn rules(grants: &[&Grant], direction: Direction, style: Style) -> Vec<CompiledRule> {
    match style {
        Style::Merged => merged(grants, direction),
        Style::PerFlow => {
            let mut out: Vec<CompiledRule> = Vec::new();
            for rule in grants.iter().flat_map(|g| merged(&[*g], direction)) {
                if !out.contains(&rule) {
                    out.push(rule);
                }
            }
            out
        }
    }
}

/// Everybody, or one peer.
type Who = Option<Peer>;
/// Every port, or one entry of `ports`.
type What = Option<PolicyPort>;
/// Ids and remarks of the flows that need something.
type Flows = BTreeMap<String, Vec<String>>;

fn merged(grants: &[&Grant], direction: Direction) -> Vec<CompiledRule> {
    let mut table: BTreeMap<Who, BTreeMap<What, Flows>> = BTreeMap::new();
    for grant in grants {
        let remarks = remarks(grant, direction);
        for who in who(grant, direction) {
            for what in what(grant) {
                let flows = table
                    .entry(who.clone())
                    .or_default()
                    .entry(what)
                    .or_default();
                flows.insert(grant.id.clone(), remarks.clone());
            }
        }
    }
    absorb(&mut table);
    group(table)
}

fn who(grant: &Grant, direction: Direction) -> Vec<Who> {
    let party = match direction {
        Direction::Ingress => &grant.from,
        Direction::Egress => &grant.to,
    };
    match &party.peers {
        Peers::Any => vec![None],
        Peers::List(peers) => peers.iter().map(|p| Some(canonical_peer(p))).collect(),
    }
}

fn what(grant: &Grant) -> Vec<What> {
    match &grant.ports {
        None => vec![None],
        Some(ports) => ports.iter().cloned().map(Some).collect(),
    }
}

fn canonical_peer(peer: &Peer) -> Peer {
    match peer {
        Peer::Pods { namespaces, pods } => Peer::Pods {
            namespaces: match namespaces {
                palisade_netmodel::NamespaceMatch::Selector(s) => {
                    palisade_netmodel::NamespaceMatch::Selector(canonical(s))
                }
                named @ palisade_netmodel::NamespaceMatch::Named(_) => named.clone(),
            },
            pods: canonical(pods),
        },
        Peer::Block { cidr, except } => {
            let mut except: Vec<_> = except.iter().map(ipnet::IpNet::trunc).collect();
            except.sort();
            except.dedup();
            Peer::Block {
                cidr: cidr.trunc(),
                except,
            }
        }
    }
}

/// The remarks of a flow: its id and reason, what is wider than meant, who accepted an exception.
fn remarks(grant: &Grant, direction: Direction) -> Vec<String> {
    let party = match direction {
        Direction::Ingress => &grant.from,
        Direction::Egress => &grant.to,
    };
    let mut out = vec![format!("{}: {}", grant.id, one_line(&grant.reason))];
    match &party.fidelity {
        Fidelity::Exact => {}
        Fidelity::Wider(excess) => out.push(format!(
            "{}: wider than meant ({}): {}",
            grant.id,
            party.name,
            one_line(excess)
        )),
        Fidelity::Narrower(shortfall) => out.push(format!(
            "{}: narrower than meant ({}): {}",
            grant.id,
            party.name,
            one_line(shortfall)
        )),
    }
    if let Some(exception) = &grant.exception {
        out.push(format!("{}: exception {}", grant.id, one_line(exception)));
    }
    out
}

/// White space, line breaks included, as single blanks: a remark is one comment line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Moves what a wider entry already admits to that entry.
fn absorb(table: &mut BTreeMap<Who, BTreeMap<What, Flows>>) {
    let entries: Vec<(Who, What)> = table
        .iter()
        .flat_map(|(who, ports)| ports.keys().map(|p| (who.clone(), p.clone())))
        .collect();
    for (index, small) in entries.iter().enumerate() {
        let wider = entries.iter().enumerate().find(|(other, large)| {
            *other != index
                && within(small, large)
                && (*other < index || !within(large, small))
                && table
                    .get(&large.0)
                    .is_some_and(|p| p.contains_key(&large.1))
        });
        if let Some((_, large)) = wider {
            let moved = table.get_mut(&small.0).and_then(|p| p.remove(&small.1));
            if let Some(target) = table.get_mut(&large.0).and_then(|p| p.get_mut(&large.1)) {
                target.extend(moved.unwrap_or_default());
            }
        }
    }
    table.retain(|_, ports| !ports.is_empty());
}

fn within(small: &(Who, What), large: &(Who, What)) -> bool {
    peer_within(small.0.as_ref(), large.0.as_ref())
        && port_within(small.1.as_ref(), large.1.as_ref())
}

fn peer_within(small: Option<&Peer>, large: Option<&Peer>) -> bool {
    match (small, large) {
        (_, None) => true,
        (None, Some(_)) => false,
        (
            Some(Peer::Pods {
                namespaces: n,
                pods: p,
            }),
            Some(Peer::Pods {
                namespaces: m,
                pods: q,
            }),
        ) => namespace_implies(n, m) && implies(p, q),
        (Some(Peer::Block { cidr: c, except: e }), Some(Peer::Block { cidr: d, except: f })) => {
            d.contains(c)
                && f.iter()
                    .all(|hole| !overlap(hole, c) || e.iter().any(|own| own.contains(hole)))
        }
        _ => false,
    }
}

fn overlap(a: &ipnet::IpNet, b: &ipnet::IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

fn port_within(small: Option<&PolicyPort>, large: Option<&PolicyPort>) -> bool {
    match (small, large) {
        (_, None) => true,
        (None, Some(_)) => false,
        (
            Some(PolicyPort::Range {
                protocol: p,
                first: a,
                last: b,
            }),
            Some(PolicyPort::Range {
                protocol: q,
                first: c,
                last: d,
            }),
        ) => p == q && c <= a && b <= d,
        (
            Some(PolicyPort::Named { protocol: p, .. }),
            Some(PolicyPort::Range {
                protocol: q,
                first,
                last,
            }),
        ) => p == q && *first <= 1 && *last == u16::MAX,
        (Some(a), Some(b)) => a == b,
    }
}

/// Peers with the same ports share a rule, or ports with the same peers, whichever needs fewer rules;
/// rules come by their flows.
fn group(table: BTreeMap<Who, BTreeMap<What, Flows>>) -> Vec<CompiledRule> {
    let mut by_port: BTreeMap<What, BTreeMap<Who, Flows>> = BTreeMap::new();
    for (who, ports) in &table {
        for (what, flows) in ports {
            let peers = by_port.entry(what.clone()).or_default();
            peers.insert(who.clone(), flows.clone());
        }
    }
    let by_peer = share(table)
        .into_iter()
        .map(|(whats, whos, flows)| rule(whos, whats, flows));
    let by_port = share(by_port)
        .into_iter()
        .map(|(whos, whats, flows)| rule(whos, whats, flows));
    let (by_peer, by_port): (Vec<_>, Vec<_>) = (by_peer.collect(), by_port.collect());
    let mut rules = if by_port.len() < by_peer.len() {
        by_port
    } else {
        by_peer
    };
    rules.sort_by(|a, b| {
        let key = |r: &CompiledRule| {
            let flows: Vec<String> = r.flows.keys().cloned().collect();
            (flows, r.ports.clone(), r.peers.clone())
        };
        key(a).cmp(&key(b))
    });
    rules
}

/// Rows of a table with the same columns, together.
fn share<R: Ord, C: Ord + Clone>(
    table: BTreeMap<R, BTreeMap<C, Flows>>,
) -> Vec<(BTreeSet<C>, BTreeSet<R>, Flows)> {
    let mut groups: BTreeMap<BTreeSet<C>, (BTreeSet<R>, Flows)> = BTreeMap::new();
    for (row, columns) in table {
        let (rows, flows) = groups.entry(columns.keys().cloned().collect()).or_default();
        rows.insert(row);
        flows.extend(columns.into_values().flatten());
    }
    let groups = groups.into_iter();
    groups
        .map(|(columns, (rows, flows))| (columns, rows, flows))
        .collect()
}

/// A rule for these peers on these ports. Everybody and every port hold alone: what they admit was
/// moved to them before.
fn rule(whos: BTreeSet<Who>, whats: BTreeSet<What>, flows: Flows) -> CompiledRule {
    CompiledRule {
        peers: whos.into_iter().collect(),
        ports: whats.into_iter().collect(),
        flows,
    }
}

#[cfg(test)]
mod tests;
