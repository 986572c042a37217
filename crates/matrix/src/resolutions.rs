//! Which variants a matrix has: platforms times combinations of toggles.

use crate::Choice;
use crate::syntax::{Matrix, When};
use std::collections::{BTreeMap, BTreeSet};

/// Up to this many combinations of toggles per platform, all are listed.
const ALL: usize = 64;
/// Largest set of toggles in one item of which all combinations are listed.
const TOGETHER: usize = 6;

/// Variants of a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolutions {
    /// The variants; the first is the default.
    pub choices: Vec<Choice>,
    /// Whether these are all.
    pub exhaustive: bool,
}

/// The variants that tests and `--all-toggles` go through: per platform, all combinations of toggles if
/// there are at most 64. Else a covering set: the default; all on; all off; each toggle against the
/// default; and for each set of toggles that occurs together (in one item's condition and those of the
/// components and zones that it names) every combination of them.
///
/// Why the covering set says much: allow rules are additive, so whether one pod may reach another on one
/// port depends only on the items that name the two, and those items' toggles are taken in every
/// combination. What it does not show: effects of more than six toggles that meet in one place.
#[must_use]
pub fn resolutions(matrix: &Matrix) -> Resolutions {
    let names: Vec<&str> = matrix
        .toggles
        .iter()
        .map(|t| t.name.value.as_str())
        .collect();
    let combinations = 1_usize.checked_shl(u32::try_from(names.len()).unwrap_or(u32::MAX));
    let exhaustive = combinations.is_some_and(|n| n <= ALL);
    let assignments: BTreeSet<Vec<bool>> = if exhaustive {
        let all: Vec<usize> = (0..names.len()).collect();
        over(&all, &defaults(matrix))
    } else {
        covering(matrix, &names)
    };
    let mut platforms: Vec<Option<String>> = matrix
        .platforms
        .iter()
        .map(|p| Some(p.name.value.clone()))
        .collect();
    if platforms.is_empty() {
        platforms.push(None);
    }
    let mut choices = vec![Choice::default()];
    for platform in platforms {
        for assignment in &assignments {
            let toggles = names.iter().map(|n| (*n).to_owned());
            choices.push(Choice {
                platform: platform.clone(),
                toggles: toggles.zip(assignment.iter().copied()).collect(),
                ..Choice::default()
            });
        }
    }
    Resolutions {
        choices,
        exhaustive,
    }
}

fn defaults(matrix: &Matrix) -> Vec<bool> {
    matrix.toggles.iter().map(|t| t.default).collect()
}

/// Every combination of some toggles, the others as given.
fn over(some: &[usize], base: &[bool]) -> BTreeSet<Vec<bool>> {
    let mut out = BTreeSet::from([base.to_vec()]);
    for index in some {
        let flipped: Vec<Vec<bool>> = out
            .iter()
            .map(|assignment| {
                let mut flipped = assignment.clone();
                if let Some(slot) = flipped.get_mut(*index) {
                    *slot = !*slot;
                }
                flipped
            })
            .collect();
        out.extend(flipped);
    }
    out
}

fn covering(matrix: &Matrix, names: &[&str]) -> BTreeSet<Vec<bool>> {
    let base = defaults(matrix);
    let mut out = BTreeSet::from([
        base.clone(),
        vec![true; names.len()],
        vec![false; names.len()],
    ]);
    for index in 0..names.len() {
        out.extend(over(&[index], &base));
    }
    for set in together(matrix) {
        let indices: Vec<usize> = set
            .iter()
            .filter_map(|name| names.iter().position(|n| n == name))
            .take(TOGETHER)
            .collect();
        out.extend(over(&indices, &base));
    }
    out
}

/// The sets of toggles that meet in one flow: its own, and those of the components and zones it names.
fn together(matrix: &Matrix) -> BTreeSet<BTreeSet<&str>> {
    let mut by_zone: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for zone in &matrix.zones {
        let set = by_zone.entry(&zone.name.value).or_default();
        let overrides = zone.isolation.overrides.iter().map(|o| &o.when);
        let mesh = zone.mesh.iter();
        let mesh = mesh.flat_map(|m| m.when.iter().chain(m.overrides.iter().map(|o| &o.when)));
        for when in overrides.chain(mesh) {
            collect(when, set);
        }
    }
    let mut by_name = by_zone.clone();
    for component in &matrix.components {
        let mut set = by_zone
            .get(component.zone.value.as_str())
            .cloned()
            .unwrap_or_default();
        let isolation = component.isolation.iter().flat_map(|i| &i.overrides);
        let own = component.when.iter().chain(&component.policies);
        let mesh = component.mesh.iter().flat_map(|m| &m.when);
        for when in own.chain(mesh).chain(isolation.map(|o| &o.when)) {
            collect(when, &mut set);
        }
        by_name.insert(&component.name.value, set);
    }
    let mut out = BTreeSet::new();
    for flow in &matrix.flows {
        let mut own = BTreeSet::new();
        if let Some(when) = &flow.when {
            collect(when, &mut own);
        }
        for from in &flow.from {
            for to in &flow.to {
                let mut set = own.clone();
                for name in [Some(from), Some(to), flow.via.as_ref()]
                    .into_iter()
                    .flatten()
                {
                    set.extend(by_name.get(name.value.as_str()).into_iter().flatten());
                }
                if set.len() > 1 {
                    out.insert(set);
                }
            }
        }
    }
    out
}

fn collect<'m>(when: &'m When, out: &mut BTreeSet<&'m str>) {
    out.extend(when.toggle.as_ref().map(|t| t.value.as_str()));
    if let Some(inner) = &when.not {
        collect(inner, out);
    }
}
