//! Everything that can talk, in as few rows as say exactly that.
//!
//! A row covers pairs: each of its sources with each other end of its destinations. It says for every one
//! of them what passes, and every pair that passes is covered by one row.

mod namespaces;
mod parties;
mod picture;
mod relation;
mod select;
mod sets;
mod words;

pub(crate) use parties::{Parties, Role};
pub(crate) use relation::{Answer, Relation, Side, facts};
pub use select::Selection;
pub(crate) use words::{count, enforcement, wire};

use crate::engine::{EndpointId, Engine};
use ipnet::IpNet;
use palisade_diagnostics::{Diagnostic, Report, Section, Table};
use palisade_netmodel::{PortSet, World};
use picture::Row;
use relation::Group;
use sets::NamedSets;
use std::collections::BTreeSet;

/// Most names of a title; more stand below it.
const MAX_TITLE: usize = 4;

/// What rows are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// Single pods.
    Pod,
    /// Workloads.
    #[default]
    Workload,
    /// Namespaces.
    Namespace,
}

/// Which connections are asked for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// What rows are about.
    pub by: By,
    /// Sources; none given: all.
    pub from: Vec<Selection>,
    /// Destinations; none given: all.
    pub to: Vec<Selection>,
    /// Ports; none given: all.
    pub ports: Option<PortSet>,
}

/// All connections of a world that a query asks for. `tick` hears how much of the work is done.
///
/// # Errors
/// A diagnostic if the answer would be too large.
pub fn list(
    world: &World,
    query: &Query,
    tick: &mut dyn FnMut(usize, usize),
) -> Result<Report, Diagnostic> {
    let engine = Engine::with_blocks(world, &blocks(query));
    let sources = chosen(&engine, &query.from, |e| engine.is_source(e));
    let destinations = chosen(&engine, &query.to, |e| engine.is_destination(e));
    let relation = Relation::new(&engine, sources, destinations, query.ports.as_ref(), tick)
        .map_err(|large| too_large(large.pairs))?;
    let mut report = match query.by {
        By::Namespace => namespaces::report(&engine, &relation),
        By::Pod | By::Workload => rows(&engine, &relation, query),
    };
    report.prerequisites.push(words::enforcement(world));
    Ok(report)
}

pub(crate) fn too_large(pairs: usize) -> Diagnostic {
    Diagnostic::error(
        "PAL0340",
        format!("the answer has {pairs} pairs of ends that behave differently, which is too many"),
    )
    .help("ask for a part: `--from`, `--to`")
}

/// The blocks that cells must not cross.
fn blocks(query: &Query) -> Vec<IpNet> {
    let all = query.from.iter().chain(&query.to);
    all.filter_map(|selection| match selection {
        Selection::Block(block) => Some(*block),
        _ => None,
    })
    .collect()
}

fn chosen(
    engine: &Engine<'_>,
    wanted: &[Selection],
    role: impl Fn(EndpointId) -> bool,
) -> Vec<EndpointId> {
    let is_wanted =
        |e| wanted.is_empty() || wanted.iter().any(|selection| selection.holds(engine, e));
    let all = engine.endpoints();
    all.filter(|e| role(*e) && is_wanted(*e)).collect()
}

/// Sections of ends that are reached alike, or that reach alike if only sources are asked for.
fn rows(engine: &Engine<'_>, relation: &Relation, query: &Query) -> Report {
    let side = if !query.from.is_empty() && query.to.is_empty() {
        Side::Source
    } else {
        Side::Destination
    };
    let parties = Parties::new(engine, query.by == By::Pod);
    let mut report = sections(&parties, &[(relation, side)]);
    summarise(&mut report, engine, relation, &parties);
    report
}

/// One section for each group of ends of each relation, told from one of its sides, and all as a graph.
pub(crate) fn sections(parties: &Parties<'_>, relations: &[(&Relation, Side)]) -> Report {
    let engine = parties.engine();
    let mesh = words::has_mesh(engine.world());
    let groups: Vec<(Side, Vec<Group>)> = relations
        .iter()
        .map(|(relation, side)| (*side, relation.groups(*side)))
        .collect();
    let mut ordered: Vec<(usize, Vec<String>, Side, &Group)> = Vec::new();
    for (index, (side, groups)) in groups.iter().enumerate() {
        let busy = groups.iter().filter(|group| !group.rows.is_empty());
        ordered.extend(busy.map(|group| {
            let names = parties.describe(&group.subjects, subjects_of(*side));
            (index, names, *side, group)
        }));
    }
    ordered.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let peers = ordered
        .iter()
        .flat_map(|(_, _, side, group)| group.rows.iter().map(|(_, set)| (*side, set)));
    let named = NamedSets::new(peers.map(|(side, set)| parties.describe(set, peers_of(side))));
    let mut report = Report::new("");
    report.sections = ordered
        .iter()
        .map(|(_, names, side, group)| section(parties, *side, names, group, &named, mesh))
        .collect();
    let idle = groups
        .iter()
        .filter_map(|(side, groups)| idle(parties, *side, groups));
    report.sections.extend(idle);
    report.sections.extend(named.section());
    let rows: Vec<Row> = groups
        .iter()
        .flat_map(|(side, groups)| picture_rows(*side, groups))
        .collect();
    report.graph = Some(picture::graph(engine, parties, &rows, mesh));
    report
}

/// One row of the picture for each answer of a group.
fn picture_rows(side: Side, groups: &[Group]) -> Vec<Row> {
    let all = groups
        .iter()
        .flat_map(|group| group.rows.iter().map(move |row| (group, row)));
    all.map(|(group, (answer, peers))| {
        let (from, to) = match side {
            Side::Source => (&group.subjects, peers),
            Side::Destination => (peers, &group.subjects),
        };
        Row {
            from: from.clone(),
            to: to.clone(),
            answer: answer.clone(),
            change: None,
        }
    })
    .collect()
}

fn subjects_of(side: Side) -> Role {
    match side {
        Side::Source => Role::Source,
        Side::Destination => Role::Destination,
    }
}

fn peers_of(side: Side) -> Role {
    match side {
        Side::Source => Role::Destination,
        Side::Destination => Role::Source,
    }
}

/// The ends of one group as a title, and a row for each of its answers.
fn section(
    parties: &Parties<'_>,
    side: Side,
    names: &[String],
    group: &Group,
    named: &NamedSets,
    mesh: bool,
) -> Section {
    let (word, column) = match side {
        Side::Source => ("From", "to"),
        Side::Destination => ("To", "from"),
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (answer, peers) in &group.rows {
        let mut peers = named.shown(&parties.describe(peers, peers_of(side)));
        for fact in answer {
            let mut row = vec![
                std::mem::take(&mut peers),
                fact.ports.to_string(),
                if fact.certain { "yes" } else { "depends" }.to_owned(),
            ];
            row.extend(mesh.then(|| words::wire(fact.wire).to_owned()));
            rows.push(row);
        }
    }
    let mut columns = vec![column.to_owned(), "ports".to_owned(), "passes".to_owned()];
    columns.extend(mesh.then(|| "wire".to_owned()));
    let (title, paragraphs) = match names {
        [first, rest @ ..] if names.len() > MAX_TITLE => {
            let title = format!("{word} {first} and {} more", rest.len());
            (title, vec![names.join(", ")])
        }
        _ => (format!("{word} {}", names.join(", ")), Vec::new()),
    };
    Section {
        title,
        paragraphs,
        table: Some(Table { columns, rows }),
    }
}

/// The ends that have no connection.
fn idle(parties: &Parties<'_>, side: Side, groups: &[Group]) -> Option<Section> {
    let title = match side {
        Side::Source => "Reach nobody",
        Side::Destination => "Reached by nobody",
    };
    let idle: Vec<EndpointId> = groups
        .iter()
        .filter(|group| group.rows.is_empty())
        .flat_map(|group| group.subjects.iter().copied())
        .collect();
    let names = parties.describe(&idle, subjects_of(side));
    (!names.is_empty()).then(|| Section {
        title: title.to_owned(),
        paragraphs: vec![names.join(", ")],
        table: None,
    })
}

/// How many workloads are asked about, and how many of them the outside reaches.
fn summarise(report: &mut Report, engine: &Engine<'_>, relation: &Relation, parties: &Parties<'_>) {
    let mut exposed = BTreeSet::new();
    let mut reached = BTreeSet::new();
    let mut undecided = 0_usize;
    for (source, destination, answer) in relation.pairs() {
        if answer.is_empty() {
            continue;
        }
        undecided += usize::from(answer.iter().any(|fact| !fact.certain));
        reached.insert(destination);
        if engine.address(source).is_some() {
            exposed.insert(destination);
        }
    }
    let of = |set: &BTreeSet<EndpointId>| {
        let workloads = parties.workloads(Role::Destination);
        workloads
            .filter(|w| w.iter().any(|e| set.contains(e)))
            .count()
    };
    let asked = relation.destinations.iter().copied().collect();
    let depends = if undecided > 0 {
        "; `depends`: not decided by the input"
    } else {
        ""
    };
    report.summary.text = format!(
        "{} can be reached, {} from addresses outside, of {} asked about{depends}",
        words::count(of(&reached), "workload"),
        of(&exposed),
        of(&asked),
    );
}
