//! Rows of an answer as a graph: one node for each part of a workload that is treated alike.

use super::parties::Parties;
use super::relation::Answer;
use super::words;
use crate::engine::{EndpointId, Engine};
use palisade_diagnostics::{Change, Graph, Link, Node};
use std::collections::{BTreeMap, BTreeSet};

/// What every source of a row may do with every destination of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) from: Vec<EndpointId>,
    pub(crate) to: Vec<EndpointId>,
    pub(crate) answer: Answer,
    pub(crate) change: Option<Change>,
}

/// Which thing an endpoint is a part of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Whole {
    Workload(String, String, String),
    Outside,
}

/// The rows as a graph. `mesh`: whether the wire is worth saying.
pub(crate) fn graph(engine: &Engine<'_>, parties: &Parties<'_>, rows: &[Row], mesh: bool) -> Graph {
    let nodes = Nodes::new(engine, parties, rows);
    let links = rows.iter().flat_map(|row| {
        let (from, to) = (nodes.of(&row.from), nodes.of(&row.to));
        row.answer.iter().map(move |fact| Link {
            from: from.clone(),
            to: to.clone(),
            ports: fact.ports.to_string(),
            certain: fact.certain,
            wire: mesh.then(|| words::wire(fact.wire).to_owned()),
            change: row.change,
        })
    });
    let links = links.collect();
    Graph {
        links,
        groups: nodes.groups,
        nodes: nodes.nodes,
    }
}

struct Nodes {
    groups: Vec<String>,
    nodes: Vec<Node>,
    of: BTreeMap<EndpointId, Vec<usize>>,
}

impl Nodes {
    fn new(engine: &Engine<'_>, parties: &Parties<'_>, rows: &[Row]) -> Self {
        // Endpoints in the same sets are one node, if they are parts of one thing.
        let mut sets: BTreeMap<EndpointId, Vec<usize>> = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            for (side, set) in [&row.from, &row.to].into_iter().enumerate() {
                for endpoint in set {
                    sets.entry(*endpoint).or_default().push(index * 2 + side);
                }
            }
        }
        let mut atoms: BTreeMap<(Whole, Vec<usize>), Vec<EndpointId>> = BTreeMap::new();
        for (endpoint, sets) in sets {
            let whole = whole(engine, endpoint);
            atoms.entry((whole, sets)).or_default().push(endpoint);
        }
        let spaces: BTreeSet<&str> = atoms
            .keys()
            .filter_map(|(whole, _)| match whole {
                Whole::Workload(namespace, ..) => Some(namespace.as_str()),
                Whole::Outside => None,
            })
            .collect();
        let groups: Vec<String> = spaces.into_iter().map(str::to_owned).collect();
        let mut out = Self {
            groups,
            nodes: Vec::new(),
            of: BTreeMap::new(),
        };
        for ((whole, _), endpoints) in &atoms {
            out.add(parties, whole, endpoints);
        }
        out
    }

    fn add(&mut self, parties: &Parties<'_>, whole: &Whole, endpoints: &[EndpointId]) {
        let (group, prefix) = match whole {
            Whole::Workload(namespace, ..) => (
                self.groups.iter().position(|g| g == namespace),
                format!("{namespace}/"),
            ),
            Whole::Outside => (None, String::new()),
        };
        for (name, part, many) in parties.nodes(endpoints) {
            let index = self.nodes.len();
            let label = name.strip_prefix(&prefix).unwrap_or(&name).to_owned();
            for endpoint in part {
                self.of.entry(endpoint).or_default().push(index);
            }
            self.nodes.push(Node {
                many: many && *whole != Whole::Outside,
                outside: *whole == Whole::Outside,
                name,
                label,
                group,
            });
        }
    }

    fn of(&self, set: &[EndpointId]) -> Vec<usize> {
        let all: BTreeSet<usize> = set
            .iter()
            .filter_map(|e| self.of.get(e))
            .flatten()
            .copied()
            .collect();
        all.into_iter().collect()
    }
}

fn whole(engine: &Engine<'_>, endpoint: EndpointId) -> Whole {
    match engine.pod(endpoint) {
        Some(pod) => Whole::Workload(
            pod.namespace.clone(),
            pod.workload.name.clone(),
            pod.workload.kind.clone(),
        ),
        None => Whole::Outside,
    }
}
