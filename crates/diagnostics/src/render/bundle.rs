//! Links of a graph made few: whole groups as one end, and a knot where many meet many.

use crate::{Change, Graph, Link};
use std::collections::{BTreeMap, BTreeSet};

/// One end of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// A whole group, as an index.
    Group(usize),
    /// A node.
    Node(usize),
}

/// Connections between two sets, all of the one with all of the other.
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

/// Sets of nodes, all of the one with all of the other, and what is said of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Product {
    from: Vec<usize>,
    to: Vec<usize>,
    labels: Vec<String>,
    certain: bool,
    change: Option<Change>,
}

/// The links of a graph in few bundles: the same connections, in the fewest of four ways to put them together.
pub(super) fn bundles(graph: &Graph) -> Vec<Bundle> {
    let members = members(graph);
    let single = |link: &Link| Product {
        from: link.from.clone(),
        to: link.to.clone(),
        labels: vec![label(link)],
        certain: link.certain,
        change: link.change,
    };
    let links: Vec<Product> = graph.links.iter().map(single).collect();
    let pairs = labelled(links.clone());
    let ways = [
        widened(widened(pairs.clone(), Side::To), Side::From),
        widened(widened(pairs, Side::From), Side::To),
        labelled(widened(widened(links.clone(), Side::To), Side::From)),
        labelled(widened(widened(links, Side::From), Side::To)),
    ];
    let fewest = ways.into_iter().min_by_key(Vec::len).unwrap_or_default();
    let bundle = |product: Product| Bundle {
        from: ends(&members, &product.from),
        to: ends(&members, &product.to),
        labels: product.labels,
        certain: product.certain,
        change: product.change,
    };
    fewest.into_iter().map(bundle).collect()
}

/// Products of the same two sets as one that says all of it.
fn labelled(products: Vec<Product>) -> Vec<Product> {
    let mut at: BTreeMap<_, usize> = BTreeMap::new();
    let mut out: Vec<Product> = Vec::new();
    for product in products {
        let key = (product.from.clone(), product.to.clone(), product.change);
        let place = *at.entry(key).or_insert(out.len());
        match out.get_mut(place) {
            Some(known) => {
                known.labels.extend(product.labels);
                known.certain &= product.certain;
            }
            None => out.push(product),
        }
    }
    out
}

/// The side of a product that grows.
#[derive(Clone, Copy)]
enum Side {
    From,
    To,
}

/// Products that say the same of the same ends at one side, as one with all ends of the other side.
fn widened(products: Vec<Product>, side: Side) -> Vec<Product> {
    let mut at: BTreeMap<_, usize> = BTreeMap::new();
    let mut out: Vec<Product> = Vec::new();
    for product in products {
        let fixed = match side {
            Side::From => &product.to,
            Side::To => &product.from,
        };
        let key = (fixed.clone(), product.labels.clone(), product.change);
        let place = *at.entry(key).or_insert(out.len());
        match out.get_mut(place) {
            Some(known) => {
                let (grows, more) = match side {
                    Side::From => (&mut known.from, product.from),
                    Side::To => (&mut known.to, product.to),
                };
                grows.extend(more);
                grows.sort_unstable();
                grows.dedup();
            }
            None => out.push(product),
        }
    }
    out
}

/// Ports, and what else there is to say of a link.
fn label(link: &Link) -> String {
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

#[cfg(test)]
mod tests {
    use super::{End, bundles};
    use crate::{Graph, Link, Node};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn graph(links: &[(Vec<usize>, Vec<usize>, u16)]) -> Graph {
        let node = |n: usize| Node {
            name: format!("space-{}/{n}", n / 3),
            label: n.to_string(),
            group: Some(n / 3),
            many: true,
            outside: false,
        };
        let link = |(from, to, port): &(Vec<usize>, Vec<usize>, u16)| Link {
            from: from.clone(),
            to: to.clone(),
            ports: format!("{port}/TCP"),
            certain: true,
            wire: None,
            change: None,
        };
        Graph {
            groups: (0..3).map(|n| format!("space-{n}")).collect(),
            nodes: (0..9).map(node).collect(),
            links: links.iter().map(link).collect(),
        }
    }

    /// Somebody who calls many on the same port is one bundle, and so are many who call one.
    #[test]
    fn the_same_port_is_one_bundle() {
        let scrapes = (1..9).map(|n| (vec![0], vec![n], 9090)).collect::<Vec<_>>();
        assert_eq!(bundles(&graph(&scrapes)).len(), 1);
        let calls = (1..9).map(|n| (vec![n], vec![0], 80)).collect::<Vec<_>>();
        assert_eq!(bundles(&graph(&calls)).len(), 1);
    }

    fn set() -> impl Strategy<Value = Vec<usize>> {
        let set = proptest::collection::btree_set(0_usize..9, 1..5);
        set.prop_map(|set| set.into_iter().collect())
    }

    proptest! {
        /// Whatever is put together, the same pairs have the same words.
        #[test]
        fn no_connection_is_added_or_lost(
            links in proptest::collection::vec((set(), set(), 1_u16..4), 0..12),
        ) {
            let graph = graph(&links);
            let mut expected = BTreeSet::new();
            for (from, to, port) in &links {
                for (source, destination) in pairs(from, to) {
                    expected.insert((source, destination, format!("{port}/TCP")));
                }
            }
            let mut found = BTreeSet::new();
            for bundle in bundles(&graph) {
                let nodes = |ends: &[End]| -> Vec<usize> {
                    let of = |end: &End| match end {
                        End::Node(node) => vec![*node],
                        End::Group(group) => (group * 3..group * 3 + 3).collect(),
                    };
                    ends.iter().flat_map(of).collect()
                };
                for (source, destination) in pairs(&nodes(&bundle.from), &nodes(&bundle.to)) {
                    for label in &bundle.labels {
                        found.insert((source, destination, label.clone()));
                    }
                }
            }
            prop_assert_eq!(found, expected);
        }
    }

    fn pairs(from: &[usize], to: &[usize]) -> Vec<(usize, usize)> {
        let pair = |source: &usize| to.iter().map(|d| (*source, *d)).collect::<Vec<_>>();
        from.iter().flat_map(pair).collect()
    }
}
