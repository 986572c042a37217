//! Links of a graph made few: whole groups as one end, and a knot where many meet many.

use crate::{Change, Graph};
use std::collections::{BTreeMap, BTreeSet};

/// One end of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// A whole group, as an index.
    Group(usize),
    /// A node.
    Node(usize),
}

/// Links between the same two sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bundle {
    pub(super) from: Vec<End>,
    pub(super) to: Vec<End>,
    /// The text of each link.
    pub(super) labels: Vec<String>,
    /// Whether all of it passes for certain.
    pub(super) certain: bool,
    pub(super) change: Option<Change>,
}

/// What links of one bundle have in common.
type Key<'g> = (&'g [usize], &'g [usize], Option<Change>);

/// The links of a graph, those between the same sets together.
pub(super) fn bundles(graph: &Graph) -> Vec<Bundle> {
    let members = members(graph);
    let mut order: Vec<Key<'_>> = Vec::new();
    let mut texts: BTreeMap<Key<'_>, (Vec<String>, bool)> = BTreeMap::new();
    for link in &graph.links {
        let key = (link.from.as_slice(), link.to.as_slice(), link.change);
        let entry = texts.entry(key).or_insert_with(|| {
            order.push(key);
            (Vec::new(), true)
        });
        entry.0.push(label(link));
        entry.1 &= link.certain;
    }
    let bundle = |key: Key<'_>| {
        let (labels, certain) = texts.get(&key)?;
        Some(Bundle {
            from: ends(&members, key.0),
            to: ends(&members, key.1),
            labels: labels.clone(),
            certain: *certain,
            change: key.2,
        })
    };
    order.into_iter().filter_map(bundle).collect()
}

/// Ports, and what else there is to say of a link.
fn label(link: &crate::Link) -> String {
    let mut text = String::new();
    if let Some(change) = link.change {
        text.push_str(match change {
            Change::Gained => "+ ",
            Change::Lost => "- ",
            Change::Changed => "~ ",
        });
    }
    text.push_str(&link.ports);
    if let Some(wire) = &link.wire {
        text.push_str(", ");
        text.push_str(wire);
    }
    if !link.certain {
        text.push_str(" (depends)");
    }
    text
}

/// The nodes of each group.
pub(super) fn members(graph: &Graph) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); graph.groups.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        if let Some(group) = node.group.and_then(|g| out.get_mut(g)) {
            group.push(index);
        }
    }
    out
}

/// A set of nodes with groups of several nodes that are in it whole as one end.
fn ends(members: &[Vec<usize>], set: &[usize]) -> Vec<End> {
    let mut rest: BTreeSet<usize> = set.iter().copied().collect();
    let mut out = Vec::new();
    for (index, group) in members.iter().enumerate() {
        if group.len() > 1 && group.iter().all(|node| rest.contains(node)) {
            for node in group {
                rest.remove(node);
            }
            out.push(End::Group(index));
        }
    }
    out.extend(rest.into_iter().map(End::Node));
    out
}
