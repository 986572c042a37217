//! The same by namespace: what passes between all pairs of two namespaces, and what between some.

use super::relation::{Fact, Relation};
use super::words;
use crate::engine::{EndpointId, Engine};
use palisade_diagnostics::{Graph, Link, Node, Report, Section, Table};
use palisade_netmodel::{Encryption, PortSet};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the pairs of two namespaces.
#[derive(Debug)]
struct Sum {
    /// What passes for certain between every two.
    all: PortSet,
    /// What may pass between some two.
    some: PortSet,
    /// The weakest wire of all that may pass.
    wire: Encryption,
}

/// The outside sorts behind every namespace, whose names are lower case letters and digits.
const OUTSIDE: &str = "~";

/// A row for each two namespaces that can talk.
pub(super) fn report(engine: &Engine<'_>, relation: &Relation) -> Report {
    let mut sums: BTreeMap<(&str, &str), Sum> = BTreeMap::new();
    for (source, destination, answer) in relation.pairs() {
        let key = (name(engine, source), name(engine, destination));
        let sum = sums.entry(key).or_insert_with(|| Sum {
            all: PortSet::all(),
            some: PortSet::empty(),
            wire: Encryption::MeshMtls,
        });
        sum.add(answer);
    }
    sums.retain(|_, sum| !sum.some.is_empty());
    let mesh = words::has_mesh(engine.world());
    let mut report = Report::new("");
    report.sections.push(section(&sums, mesh));
    report.graph = Some(graph(&sums, mesh));
    report.summary.text = format!(
        "{} of namespaces can talk",
        words::count(sums.len(), "pair")
    );
    report
}

fn name<'e>(engine: &Engine<'e>, endpoint: EndpointId) -> &'e str {
    engine.pod(endpoint).map_or(OUTSIDE, |pod| &pod.namespace)
}

fn shown(name: &str) -> String {
    if name == OUTSIDE {
        "addresses outside"
    } else {
        name
    }
    .to_owned()
}

impl Sum {
    fn add(&mut self, answer: &[Fact]) {
        let ports = |facts: &mut dyn Iterator<Item = &Fact>| {
            facts.fold(PortSet::empty(), |set, fact| set.union(&fact.ports))
        };
        let certain = ports(&mut answer.iter().filter(|fact| fact.certain));
        self.all = self.all.intersection(&certain);
        self.some = self.some.union(&ports(&mut answer.iter()));
        for fact in answer {
            self.wire = self.wire.min(fact.wire);
        }
    }

    /// What passes between some pairs only.
    fn rest(&self) -> PortSet {
        self.some.difference(&self.all)
    }
}

fn section(sums: &BTreeMap<(&str, &str), Sum>, mesh: bool) -> Section {
    let ports = |set: &PortSet| {
        if set.is_empty() {
            "none".to_owned()
        } else {
            set.to_string()
        }
    };
    let rows = sums.iter().map(|((from, to), sum)| {
        let mut row = vec![shown(from), shown(to), ports(&sum.all), ports(&sum.rest())];
        row.extend(mesh.then(|| words::wire(sum.wire).to_owned()));
        row
    });
    let columns = ["from", "to", "every pair", "some pairs, or depends"].into_iter();
    let columns = columns.chain(mesh.then_some("at least"));
    Section {
        title: "Namespaces that can talk".to_owned(),
        paragraphs: Vec::new(),
        table: Some(Table {
            columns: columns.map(str::to_owned).collect(),
            rows: rows.collect(),
        }),
    }
}

fn graph(sums: &BTreeMap<(&str, &str), Sum>, mesh: bool) -> Graph {
    let names: BTreeSet<&str> = sums.keys().flat_map(|(a, b)| [*a, *b]).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let at = |name: &str| names.binary_search(&name).unwrap_or(0);
    // Callers of one namespace with the same answer, then namespaces with the same callers.
    let mut callers: BTreeMap<(Fact, usize), Vec<usize>> = BTreeMap::new();
    for ((from, to), sum) in sums {
        for (ports, certain) in [(sum.all.clone(), true), (sum.rest(), false)] {
            if !ports.is_empty() {
                let wire = sum.wire;
                let fact = Fact {
                    ports,
                    certain,
                    wire,
                };
                callers.entry((fact, at(to))).or_default().push(at(from));
            }
        }
    }
    let mut rows: BTreeMap<(Vec<usize>, Fact), Vec<usize>> = BTreeMap::new();
    for ((fact, to), from) in callers {
        rows.entry((from, fact)).or_default().push(to);
    }
    let links = rows.into_iter().map(|((from, fact), to)| Link {
        from,
        to,
        ports: fact.ports.to_string(),
        certain: fact.certain,
        wire: mesh.then(|| words::wire(fact.wire).to_owned()),
        change: None,
    });
    Graph {
        groups: Vec::new(),
        links: links.collect(),
        nodes: names
            .iter()
            .map(|name| Node {
                name: shown(name),
                label: shown(name),
                group: None,
                many: **name != *OUTSIDE,
                outside: **name == *OUTSIDE,
            })
            .collect(),
    }
}
