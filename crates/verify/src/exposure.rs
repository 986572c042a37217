//! Who reaches a workload, and whom it reaches, with the policies that select it: for one that is still
//! to come.

use crate::engine::{EndpointId, Engine};
use crate::list::{Parties, Relation, Role, Side, count, enforcement, sections, too_large};
use palisade_diagnostics::{Diagnostic, Fact, Report, Section, Table};
use palisade_netmodel::{Direction, Endpoint, Pod, PodId, PortSet, Proxy, World};
use std::collections::{BTreeMap, BTreeSet};

/// All connections of some pods that are treated alike, for example the replicas of one workload.
///
/// # Errors
/// A diagnostic if the answer would be too large.
pub fn exposure(
    world: &World,
    pods: &[PodId],
    ports: Option<&PortSet>,
    tick: &mut dyn FnMut(usize, usize),
) -> Result<Report, Diagnostic> {
    let engine = Engine::new(world);
    let subjects: BTreeSet<EndpointId> = pods
        .iter()
        .filter_map(|pod| engine.endpoint_of(Endpoint::Pod(*pod)))
        .collect();
    let subjects: Vec<EndpointId> = subjects.into_iter().collect();
    let of = |role: &dyn Fn(EndpointId) -> bool| engine.endpoints().filter(|e| role(*e)).collect();
    let (sources, destinations) = (
        of(&|e| engine.is_source(e)),
        of(&|e| engine.is_destination(e)),
    );
    let mut relate = |from, to| {
        Relation::new(&engine, from, to, ports, tick).map_err(|large| too_large(large.pairs))
    };
    let reached = relate(sources, subjects.clone())?;
    let reaches = relate(subjects.clone(), destinations)?;
    let parties = Parties::new(&engine, false);
    let told = [(&reached, Side::Destination), (&reaches, Side::Source)];
    let mut report = sections(&parties, &told);
    if let Some(graph) = &mut report.graph {
        // What the pods do among each other is in both halves.
        let mut seen = Vec::new();
        graph.links.retain(|link| {
            let new = !seen.contains(link);
            seen.push(link.clone());
            new
        });
    }
    report.sections.push(policies(&engine, &subjects));
    report.facts = subjects
        .first()
        .and_then(|e| engine.pod(*e))
        .map_or_else(Vec::new, facts);
    report.prerequisites.push(enforcement(world));
    report.summary.text = format!(
        "it is reached by {}, and reaches {}",
        peers(&parties, &reached, Role::Source),
        peers(&parties, &reaches, Role::Destination),
    );
    Ok(report)
}

fn facts(pod: &Pod) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    let labels = match pod.labels.is_empty() {
        true => "none".to_owned(),
        false => pod.labels.to_string(),
    };
    let proxy = match &pod.proxy {
        Proxy::None { reason } => format!("none: {reason}"),
        Proxy::Sidecar { .. } => "a sidecar".to_owned(),
        Proxy::Ambient { .. } => "ztunnel of its node".to_owned(),
        Proxy::Gateway | Proxy::Waypoint => "it is one itself".to_owned(),
    };
    vec![
        fact("namespace", pod.namespace.clone()),
        fact("labels", labels),
        fact("service account", pod.service_account.clone()),
        fact("mesh proxy", proxy),
    ]
}

/// The NetworkPolicies that select the pods, and what they close.
fn policies(engine: &Engine<'_>, subjects: &[EndpointId]) -> Section {
    let mut closed: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for (direction, word) in [
        (Direction::Ingress, "ingress"),
        (Direction::Egress, "egress"),
    ] {
        for policy in subjects
            .iter()
            .flat_map(|e| engine.isolating(direction, *e))
        {
            closed.entry(*policy).or_default().insert(word);
        }
    }
    let rows: Vec<Vec<String>> = closed
        .iter()
        .filter_map(|(policy, words)| {
            let policy = engine.world().network_policies.get(*policy)?;
            let words: Vec<&str> = words.iter().rev().copied().collect();
            Some(vec![policy.object.to_string(), words.join(", ")])
        })
        .collect();
    let none = "none: it is isolated in neither direction";
    Section {
        title: "NetworkPolicies that select it".to_owned(),
        paragraphs: rows
            .is_empty()
            .then(|| none.to_owned())
            .into_iter()
            .collect(),
        table: (!rows.is_empty()).then(|| Table {
            columns: ["policy", "isolates for"].map(str::to_owned).to_vec(),
            rows,
        }),
    }
}

/// How many workloads are at the other end of something that may pass, and whether the outside is.
fn peers(parties: &Parties<'_>, relation: &Relation, role: Role) -> String {
    let peers: BTreeSet<EndpointId> = relation
        .pairs()
        .filter(|(_, _, answer)| !answer.is_empty())
        .map(|(source, destination, _)| match role {
            Role::Source => source,
            Role::Destination => destination,
        })
        .collect();
    let workloads = parties.workloads(role);
    let workloads = workloads.filter(|w| w.iter().any(|e| peers.contains(e)));
    let outside = peers.iter().any(|e| parties.engine().address(*e).is_some());
    let and = if outside {
        " and addresses outside"
    } else {
        ""
    };
    format!("{}{and}", count(workloads.count(), "workload"))
}
