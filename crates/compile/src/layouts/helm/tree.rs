//! Many variants of one object as one tree, in which every part knows when it is there.

use super::expr::{Assignment, Expr, Observations};
use crate::Object;
use palisade_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A part of an object.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// The same in every variant.
    Plain(Value),
    /// A map with keys that come and go.
    Map(Vec<(String, Expr, Node)>),
    /// A list with items that come and go.
    List(Vec<(Expr, Value)>),
    /// One of several values.
    OneOf(Vec<(Expr, Value)>),
}

/// An object of a chart.
#[derive(Debug, Clone)]
pub(crate) struct Conditional {
    pub(crate) kind: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// When it exists.
    pub(crate) when: Expr,
    pub(crate) node: Node,
}

/// Why a set of variants is no chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undecided {
    /// The object, for people.
    pub(crate) object: String,
    /// More samples that would help; empty if nothing more can be asked.
    pub(crate) ask: BTreeSet<Assignment>,
}

/// More switches than this in one condition are no longer read by anybody.
const MOST_SWITCHES: usize = 7;

type Sample = Rc<Assignment>;
/// A value with the samples in which it is there.
type Variants<'v> = Vec<(Sample, &'v Value)>;

/// Folds the samples into conditional objects. `Err`: what else has to be sampled.
pub(crate) fn fold(
    samples: &BTreeMap<Sample, Vec<Object>>,
) -> Result<Vec<Conditional>, Vec<Undecided>> {
    let everywhere: Vec<Sample> = samples.keys().cloned().collect();
    let mut by_key: BTreeMap<(&str, &'static str, &str), Variants<'_>> = BTreeMap::new();
    for (sample, objects) in samples {
        for object in objects {
            let key = (object.namespace.as_str(), object.kind, object.name.as_str());
            let variants = by_key.entry(key).or_default();
            variants.push((Rc::clone(sample), &object.value));
        }
    }
    let mut out = Vec::new();
    let mut undecided = Vec::new();
    for ((namespace, kind, name), variants) in by_key {
        let mut ask = BTreeSet::new();
        let when = when(&everywhere, &variants, &mut ask);
        let node = node(&variants, &mut ask);
        match (when, node) {
            (Some(when), Some(node)) if ask.is_empty() => out.push(Conditional {
                kind,
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                when,
                node,
            }),
            _ => undecided.push(Undecided {
                object: format!("{kind} {namespace}/{name}"),
                ask,
            }),
        }
    }
    if undecided.is_empty() {
        Ok(out)
    } else {
        Err(undecided)
    }
}

/// When a part is there, among the samples in which its parent is.
fn when(
    parent: &[Sample],
    variants: &Variants<'_>,
    ask: &mut BTreeSet<Assignment>,
) -> Option<Expr> {
    let present: BTreeSet<&Sample> = variants.iter().map(|(s, _)| s).collect();
    if present.len() == parent.len() {
        return Some(Expr::Const(true));
    }
    let seen = parent.iter().map(|s| (Rc::clone(s), present.contains(s)));
    let seen = Observations::new(seen.collect());
    let switches = seen.dependencies();
    if switches.len() > MOST_SWITCHES {
        return None;
    }
    missing(parent, &switches, ask);
    let condition = seen.condition(&switches);
    if condition.is_none() {
        // Some switch matters that no pair of samples shows: turn every switch of a sample that has the
        // part, and of one that has not.
        let absent = parent.iter().find(|s| !present.contains(s));
        for sample in present.first().copied().into_iter().chain(absent) {
            ask.extend(neighbours(sample, parent));
        }
    }
    condition
}

/// A sample with each switch turned.
fn neighbours(sample: &Assignment, parent: &[Sample]) -> BTreeSet<Assignment> {
    let mut out = BTreeSet::new();
    for switch in 0..sample.len() {
        let values = parent.iter().filter_map(|s| s.get(switch).copied());
        for value in values.collect::<BTreeSet<usize>>() {
            let mut other = sample.clone();
            if let Some(slot) = other.get_mut(switch) {
                *slot = value;
            }
            out.insert(other);
        }
    }
    out
}

/// Combinations of these switches that no sample shows yet, the other switches as in the first sample
/// that shares most of them.
fn missing(parent: &[Sample], switches: &BTreeSet<usize>, ask: &mut BTreeSet<Assignment>) {
    let Some(base) = parent.first() else { return };
    let project = |a: &[usize]| -> Vec<usize> {
        switches.iter().filter_map(|s| a.get(*s).copied()).collect()
    };
    let shown: BTreeSet<Vec<usize>> = parent.iter().map(|s| project(s)).collect();
    let mut values: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for sample in parent {
        for switch in switches {
            let value = sample.get(*switch).copied().unwrap_or_default();
            values.entry(*switch).or_default().insert(value);
        }
    }
    let mut combinations: Vec<Assignment> = vec![base.to_vec()];
    for (switch, values) in &values {
        let mut next = Vec::new();
        for assignment in &combinations {
            for value in values {
                let mut assignment = assignment.clone();
                if let Some(slot) = assignment.get_mut(*switch) {
                    *slot = *value;
                }
                next.push(assignment);
            }
        }
        combinations = next;
    }
    ask.extend(
        combinations
            .into_iter()
            .filter(|a| !shown.contains(&project(a))),
    );
}

/// The tree of some variants. `None`: no condition of a bearable size tells them apart.
fn node(variants: &Variants<'_>, ask: &mut BTreeSet<Assignment>) -> Option<Node> {
    let (_, first) = variants.first()?;
    if variants.iter().all(|(_, v)| v == first) {
        return Some(Node::Plain((*first).clone()));
    }
    let maps = variants.iter().map(|(s, v)| match v {
        Value::Map(entries) if !entries.is_empty() => Some((Rc::clone(s), entries)),
        _ => None,
    });
    if let Some(maps) = maps.collect::<Option<Vec<_>>>() {
        return map(&maps, ask);
    }
    let lists = variants.iter().map(|(s, v)| match v {
        Value::List(items) if !items.is_empty() => Some((Rc::clone(s), items)),
        _ => None,
    });
    if let Some(lists) = lists.collect::<Option<Vec<_>>>() {
        let parent: Vec<Sample> = variants.iter().map(|(s, _)| Rc::clone(s)).collect();
        return list(&parent, &lists, ask).map(Node::List);
    }
    one_of(variants, ask)
}

fn map(maps: &[(Sample, &Vec<(String, Value)>)], ask: &mut BTreeSet<Assignment>) -> Option<Node> {
    let parent: Vec<Sample> = maps.iter().map(|(s, _)| Rc::clone(s)).collect();
    let mut keys: Vec<&String> = Vec::new();
    for (_, entries) in maps {
        let mut place = 0;
        for (key, _) in *entries {
            match keys.iter().position(|k| *k == key) {
                Some(at) => place = at + 1,
                None => {
                    keys.insert(place, key);
                    place += 1;
                }
            }
        }
    }
    let mut out = Vec::new();
    for key in keys {
        let variants: Variants<'_> = maps
            .iter()
            .flat_map(|(s, entries)| {
                let found = entries.iter().find(|(k, _)| k == key);
                found.map(|(_, v)| (Rc::clone(s), v))
            })
            .collect();
        let mut own = BTreeSet::new();
        let found = when(&parent, &variants, &mut own);
        let more = !own.is_empty();
        ask.extend(own);
        if let Some(when) = found {
            out.push((key.clone(), when, node(&variants, ask)?));
        } else if more {
            return None;
        } else {
            // A list that is there when any item is: without its items it is null, which means absent.
            let lists = variants.iter().map(|(s, v)| match v {
                Value::List(items) => Some((Rc::clone(s), items)),
                _ => None,
            });
            let lists = lists.collect::<Option<Vec<_>>>()?;
            let items = list(&parent, &lists, ask)?;
            out.push((key.clone(), Expr::Const(true), Node::List(items)));
        }
    }
    Some(Node::Map(out))
}

fn list(
    parent: &[Sample],
    lists: &[(Sample, &Vec<Value>)],
    ask: &mut BTreeSet<Assignment>,
) -> Option<Vec<(Expr, Value)>> {
    let mut items: BTreeMap<String, Variants<'_>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for (sample, list) in lists {
        let mut place = 0;
        for item in *list {
            let text = item.to_yaml();
            match order.iter().position(|t| *t == text) {
                Some(at) => place = at + 1,
                None => {
                    order.insert(place, text.clone());
                    place += 1;
                }
            }
            items
                .entry(text)
                .or_default()
                .push((Rc::clone(sample), item));
        }
    }
    let mut out = Vec::new();
    for text in order {
        let variants = items.get(&text)?;
        let when = when(parent, variants, ask)?;
        out.push((when, variants.first()?.1.clone()));
    }
    Some(out)
}

fn one_of(variants: &Variants<'_>, ask: &mut BTreeSet<Assignment>) -> Option<Node> {
    let parent: Vec<Sample> = variants.iter().map(|(s, _)| Rc::clone(s)).collect();
    let mut values: BTreeMap<String, Variants<'_>> = BTreeMap::new();
    for (sample, value) in variants {
        let group = values.entry(value.to_yaml()).or_default();
        group.push((Rc::clone(sample), value));
    }
    let mut out = Vec::new();
    for variants in values.values() {
        let when = when(&parent, variants, ask)?;
        out.push((when, variants.first()?.1.clone()));
    }
    Some(Node::OneOf(out))
}

impl Conditional {
    /// The object under these switches, if it exists.
    pub(crate) fn at(&self, assignment: &[usize]) -> Option<Value> {
        self.when.eval(assignment).then(|| self.node.at(assignment))
    }
}

impl Node {
    fn at(&self, assignment: &[usize]) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Map(entries) => {
                let here = entries.iter().filter(|(_, when, _)| when.eval(assignment));
                let values = here.map(|(key, _, node)| (key.as_str(), node.at(assignment)));
                Value::map(values.filter(|(_, v)| !matches!(v, Value::List(l) if l.is_empty())))
            }
            Self::List(items) => {
                let here = items.iter().filter(|(when, _)| when.eval(assignment));
                Value::List(here.map(|(_, item)| item.clone()).collect())
            }
            Self::OneOf(values) => {
                let mut here = values.iter().filter(|(when, _)| when.eval(assignment));
                here.next().map_or(Value::Null, |(_, value)| value.clone())
            }
        }
    }
}
