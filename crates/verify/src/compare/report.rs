//! The difference in words: one finding for each kind of change and cause.

use super::ends::Key;
use super::{Changed, Group, Groups, Kind, Side};
use crate::engine::EndpointId;
use crate::list::{Relation, Role, count, enforcement, wire};
use palisade_diagnostics::{Change, Diagnostic, Graph, Link, Node, Report, Verdict};
use palisade_netmodel::PortSet;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one finding that are written out; the others are counted.
const MAX_ROWS: usize = 12;
/// Places of one finding.
const MAX_PLACES: usize = 6;

/// Sources and destinations, all of the one with all of the other, and on what.
type Row = (BTreeSet<Key>, BTreeSet<Key>, On);

/// Ports, and whether they depend on something that is not known: what is certain comes first.
type On = (bool, PortSet);

/// Writes the report.
pub(super) fn of(a: &Side<'_>, b: &Side<'_>, groups: &Groups) -> Report {
    let mut report = Report::new("");
    let mut picture = Picture::default();
    for ((kind, objects), group) in groups {
        let side = if *kind == Kind::Lost { a } else { b };
        let rows = rows(&group.changed);
        report
            .findings
            .push(finding(side, *kind, objects, group, &rows));
        if group.disputed.is_none() {
            rows.iter().for_each(|row| picture.add(side, *kind, row));
        }
    }
    let appeared = only(b, a);
    let vanished = only(a, b);
    let more = appeared
        .iter()
        .map(|key| whole(b, key, "PAL0346", "is new"));
    report.findings.extend(more);
    let gone = vanished
        .iter()
        .map(|key| whole(a, key, "PAL0347", "is gone"));
    report.findings.extend(gone);
    report.graph = Some(picture.graph());
    report.prerequisites.push(enforcement(b.engine.world()));
    if !report.findings.is_empty() {
        report.verdict = Verdict::Fails;
    }
    report.summary.text = summary(groups, appeared.len(), vanished.len());
    report
}

fn summary(groups: &Groups, appeared: usize, vanished: usize) -> String {
    let of = |kind: Kind| groups.keys().filter(|(k, _)| *k == kind).count();
    let mut parts = Vec::new();
    for (kind, what) in [
        (Kind::Gained, "gained"),
        (Kind::Lost, "lost"),
        (Kind::Weaker, "with a weaker wire"),
        (Kind::Stronger, "with a stronger wire"),
        (Kind::LessCertain, "less certain"),
        (Kind::MoreCertain, "more certain"),
        (Kind::OtherPods, "between other pods"),
    ] {
        if of(kind) > 0 {
            parts.push(format!("{} {what}", count(of(kind), "group")));
        }
    }
    if appeared > 0 {
        parts.push(format!("{} new", count(appeared, "workload")));
    }
    if vanished > 0 {
        parts.push(format!("{} gone", count(vanished, "workload")));
    }
    if parts.is_empty() {
        "no difference: the same connections pass, encrypted alike".to_owned()
    } else {
        format!("the worlds differ: {}", parts.join(", "))
    }
}

/// Changes with equal ports and sources (then destinations) together: every pair once.
fn rows(changed: &[Changed]) -> Vec<Row> {
    let mut by_target: BTreeMap<(&Key, bool, &PortSet), BTreeSet<Key>> = BTreeMap::new();
    for change in changed {
        let on = (&change.to, !change.certain, &change.ports);
        let sources = by_target.entry(on).or_default();
        sources.insert(change.from.clone());
    }
    let mut rows: BTreeMap<(BTreeSet<Key>, bool, &PortSet), BTreeSet<Key>> = BTreeMap::new();
    for ((to, depends, ports), sources) in by_target {
        let row = rows.entry((sources, depends, ports)).or_default();
        row.insert(to.clone());
    }
    rows.into_iter()
        .map(|((from, depends, ports), to)| (from, to, (depends, ports.clone())))
        .collect()
}

fn finding(
    side: &Side<'_>,
    kind: Kind,
    objects: &[String],
    group: &Group,
    rows: &[Row],
) -> Diagnostic {
    if let Some(flow) = &group.disputed {
        return Diagnostic::warning(
            "PAL0399",
            "the engine and the reference evaluator disagree; nothing is claimed about these connections",
        )
        .witness(flow.clone())
        .help("this is a defect of Palisade: please report it with the manifests");
    }
    let (code, what) = match kind {
        Kind::Gained => ("PAL0341", "connections are gained"),
        Kind::Lost => ("PAL0342", "connections are lost"),
        Kind::Weaker => ("PAL0343", "connections are less encrypted"),
        Kind::Stronger => ("PAL0344", "connections are better encrypted"),
        Kind::LessCertain => (
            "PAL0345",
            "connections no longer pass for certain between all pods",
        ),
        Kind::MoreCertain => (
            "PAL0345",
            "connections now pass for certain between all pods",
        ),
        Kind::OtherPods => ("PAL0345", "connections pass between other pods than before"),
    };
    let mut title = what.to_owned();
    if let [from, ..] = rows {
        let names = |keys: &BTreeSet<Key>, role| short(&describe(side, keys, role));
        let (from, to) = (
            names(&from.0, Role::Source),
            names(&from.1, Role::Destination),
        );
        title = format!("{what}: {from} → {to}");
        if rows.len() > 1 {
            title.push_str(&format!(", and {} more", count(rows.len() - 1, "row")));
        }
    }
    let mut out = Diagnostic::warning(code, title);
    for (span, text) in group.places.iter().take(MAX_PLACES) {
        out = match span {
            Some(span) => out.at(*span, text.clone()),
            None => out.note(text.clone()),
        };
    }
    if objects.is_empty() {
        out = out.note("no single object explains it");
    }
    // Of the other kinds, the title says all of it.
    let comes_or_goes = matches!(kind, Kind::Gained | Kind::Lost);
    for (from, to, (depends, ports)) in rows.iter().take(MAX_ROWS) {
        let from = describe(side, from, Role::Source).join(", ");
        let to = describe(side, to, Role::Destination).join(", ");
        let sure = if *depends && comes_or_goes {
            ", depends"
        } else {
            ""
        };
        out = out.note(format!("{from} → {to} on {ports}{sure}"));
    }
    if rows.len() > MAX_ROWS {
        out = out.note(format!(
            "and {} (`-o csv` lists all)",
            count(rows.len() - MAX_ROWS, "row")
        ));
    }
    match &group.witness {
        Some(flow) => out.witness(flow.clone()),
        None => out,
    }
}

fn describe(side: &Side<'_>, keys: &BTreeSet<Key>, role: Role) -> Vec<String> {
    let all: Vec<EndpointId> = keys.iter().flat_map(|k| side.ends.of(k)).copied().collect();
    side.parties.describe(&all, role)
}

fn short(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [only] => format!("`{only}`"),
        [first, rest @ ..] => format!("`{first}` and {} more", rest.len()),
    }
}

/// The workloads that one world has and the other has not.
fn only<'s>(side: &'s Side<'_>, other: &Side<'_>) -> Vec<&'s Key> {
    let keys = side.ends.keys();
    keys.filter(|key| matches!(key, Key::Workload(..)) && !other.ends.has(key))
        .collect()
}

/// A workload that comes or goes, with all that it may reach and be reached by.
fn whole(side: &Side<'_>, key: &Key, code: &'static str, what: &str) -> Diagnostic {
    let ends = side.ends.of(key).to_vec();
    let names = side.parties.describe(&ends, Role::Source).join(", ");
    let mut out = Diagnostic::note_only(code, format!("`{names}` {what}"));
    let place = ends
        .first()
        .and_then(|e| side.engine.pod(*e))
        .and_then(|p| p.origin.0);
    out = out.at_opt(place, "");
    let all: Vec<EndpointId> = side.engine.endpoints().collect();
    let sources = all
        .iter()
        .copied()
        .filter(|e| side.engine.is_source(*e))
        .collect();
    let targets = all
        .iter()
        .copied()
        .filter(|e| side.engine.is_destination(*e))
        .collect();
    for (word, role, (from, to)) in [
        ("reached by", Role::Source, (sources, ends.clone())),
        ("reaches", Role::Destination, (ends, targets)),
    ] {
        for line in lines(side, role, from, to) {
            out = out.note(format!("{word} {line}"));
        }
    }
    out
}

/// `peers on ports`, one line for each answer that occurs.
fn lines(side: &Side<'_>, peers: Role, from: Vec<EndpointId>, to: Vec<EndpointId>) -> Vec<String> {
    let Ok(relation) = Relation::new(side.engine, from, to, None, &mut |_, _| {}) else {
        return Vec::new();
    };
    let mut by_answer: BTreeMap<_, BTreeSet<EndpointId>> = BTreeMap::new();
    for (source, destination, answer) in relation.pairs() {
        let peer = if peers == Role::Source {
            source
        } else {
            destination
        };
        by_answer.entry(answer).or_default().insert(peer);
    }
    let mut out = Vec::new();
    for (answer, set) in by_answer {
        let set: Vec<EndpointId> = set.into_iter().collect();
        let names = side.parties.describe(&set, peers).join(", ");
        for fact in answer {
            let sure = if fact.certain { "" } else { ", depends" };
            let ports = &fact.ports;
            out.push(format!("{names} on {ports}{sure} ({})", wire(fact.wire)));
        }
    }
    out
}

/// The rows as a graph; ends are named, so both worlds fit into one picture.
#[derive(Default)]
struct Picture {
    nodes: BTreeMap<(String, String), bool>,
    links: Vec<(Vec<NodeName>, Vec<NodeName>, On, Kind)>,
}

/// Namespace (empty: outside) and name.
type NodeName = (String, String);

impl Picture {
    fn add(&mut self, side: &Side<'_>, kind: Kind, (from, to, on): &Row) {
        let from = self.ends(side, from);
        let to = self.ends(side, to);
        self.links.push((from, to, on.clone(), kind));
    }

    fn ends(&mut self, side: &Side<'_>, keys: &BTreeSet<Key>) -> Vec<NodeName> {
        let mut out = Vec::new();
        let mut cells = Vec::new();
        for key in keys {
            match key {
                Key::Workload(namespace, name, _) => {
                    let ends = side.ends.of(key);
                    let many = ends
                        .iter()
                        .map(|e| side.engine.members(*e).len())
                        .sum::<usize>()
                        > 1;
                    let node = (namespace.clone(), name.clone());
                    *self.nodes.entry(node.clone()).or_default() |= many;
                    out.push(node);
                }
                Key::Cell(_) => cells.extend(side.ends.of(key)),
            }
        }
        if !cells.is_empty() {
            let name = side.parties.describe(&cells, Role::Source).join(", ");
            let node = (String::new(), name);
            self.nodes.entry(node.clone()).or_default();
            out.push(node);
        }
        out
    }

    fn graph(self) -> Graph {
        let spaces: BTreeSet<&String> = self.nodes.keys().map(|(space, _)| space).collect();
        let groups: Vec<String> = spaces
            .into_iter()
            .filter(|s| !s.is_empty())
            .cloned()
            .collect();
        let at: BTreeMap<&NodeName, usize> = self.nodes.keys().zip(0..).collect();
        let indices = |names: &[NodeName]| {
            let mut out: Vec<usize> = names.iter().filter_map(|n| at.get(n).copied()).collect();
            out.sort_unstable();
            out.dedup();
            out
        };
        let links = self
            .links
            .iter()
            .map(|(from, to, (depends, ports), kind)| Link {
                from: indices(from),
                to: indices(to),
                ports: ports.to_string(),
                certain: !depends,
                wire: match kind {
                    Kind::Weaker => Some("weaker wire".to_owned()),
                    Kind::Stronger => Some("stronger wire".to_owned()),
                    _ => None,
                },
                change: Some(match kind {
                    Kind::Gained => Change::Gained,
                    Kind::Lost => Change::Lost,
                    _ => Change::Changed,
                }),
            });
        let nodes = self.nodes.iter().map(|((space, name), many)| Node {
            name: if space.is_empty() {
                name.clone()
            } else {
                format!("{space}/{name}")
            },
            label: name.clone(),
            group: groups.iter().position(|g| g == space),
            many: *many,
            outside: space.is_empty(),
        });
        Graph {
            links: links.collect(),
            nodes: nodes.collect(),
            groups: groups.clone(),
        }
    }
}
