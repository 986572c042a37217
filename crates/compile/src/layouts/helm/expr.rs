//! Conditions over switches, learned from examples and written in Go template syntax.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A value for each switch: index 0 is the platform, the others are toggles (0 off, 1 on).
pub(crate) type Assignment = Vec<usize>;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Expr {
    /// Always, or never.
    Const(bool),
    /// A switch has one of these values.
    Is(usize, BTreeSet<usize>),
    /// All of these.
    And(Vec<Expr>),
    /// Any of these.
    Or(Vec<Expr>),
}

impl Expr {
    /// Whether the condition holds.
    pub(crate) fn eval(&self, assignment: &[usize]) -> bool {
        match self {
            Self::Const(value) => *value,
            Self::Is(switch, values) => assignment.get(*switch).is_some_and(|v| values.contains(v)),
            Self::And(all) => all.iter().all(|e| e.eval(assignment)),
            Self::Or(any) => any.iter().any(|e| e.eval(assignment)),
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Const(false), _) | (_, Self::Const(false)) => Self::Const(false),
            (Self::Const(true), e) | (e, Self::Const(true)) => e,
            (Self::And(mut a), Self::And(b)) => {
                a.extend(b);
                Self::And(a)
            }
            (a, Self::And(mut b)) => {
                b.insert(0, a);
                Self::And(b)
            }
            (a, b) => Self::And(vec![a, b]),
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Const(true), _) | (_, Self::Const(true)) => Self::Const(true),
            (Self::Const(false), e) | (e, Self::Const(false)) => e,
            (Self::Or(mut a), Self::Or(b)) => {
                a.extend(b);
                Self::Or(a)
            }
            (a, b) => Self::Or(vec![a, b]),
        }
    }
}

/// What the samples say of one thing: where it could have been, and where it was.
#[derive(Debug, Clone)]
pub(crate) struct Observations {
    seen: Vec<(Rc<Assignment>, bool)>,
}

impl Observations {
    pub(crate) fn new(seen: Vec<(Rc<Assignment>, bool)>) -> Self {
        Self { seen }
    }

    /// The switches that matter: two samples differ in that switch alone and in the answer.
    pub(crate) fn dependencies(&self) -> BTreeSet<usize> {
        let answers: BTreeMap<&[usize], bool> = self
            .seen
            .iter()
            .map(|(a, yes)| (a.as_slice(), *yes))
            .collect();
        let mut known: Vec<BTreeSet<usize>> = Vec::new();
        for (assignment, _) in &self.seen {
            known.resize(assignment.len().max(known.len()), BTreeSet::new());
            for (values, value) in known.iter_mut().zip(assignment.iter()) {
                values.insert(*value);
            }
        }
        let mut out = BTreeSet::new();
        for (assignment, yes) in &self.seen {
            for (switch, values) in known.iter().enumerate() {
                if out.contains(&switch) {
                    continue;
                }
                let mut other = assignment.to_vec();
                for value in values {
                    if let Some(slot) = other.get_mut(switch) {
                        *slot = *value;
                    }
                    if answers.get(other.as_slice()).is_some_and(|o| o != yes) {
                        out.insert(switch);
                        break;
                    }
                }
            }
        }
        out
    }

    /// The condition over these switches; `None` if they do not decide the answer.
    pub(crate) fn condition(&self, switches: &BTreeSet<usize>) -> Option<Expr> {
        let mut table: BTreeMap<Vec<usize>, bool> = BTreeMap::new();
        for (assignment, yes) in &self.seen {
            let key: Vec<usize> = switches
                .iter()
                .map(|s| assignment.get(*s).copied().unwrap_or_default())
                .collect();
            if table.insert(key, *yes).is_some_and(|before| before != *yes) {
                return None;
            }
        }
        let order: Vec<usize> = switches.iter().copied().collect();
        Some(build(&table, &order))
    }
}

/// A decision over the first switch of the table, then over the rest.
fn build(table: &BTreeMap<Vec<usize>, bool>, switches: &[usize]) -> Expr {
    let answers: BTreeSet<bool> = table.values().copied().collect();
    if answers.len() <= 1 {
        return Expr::Const(answers.contains(&true));
    }
    let Some((switch, rest)) = switches.split_first() else {
        return Expr::Const(false);
    };
    let mut parts: BTreeMap<usize, BTreeMap<Vec<usize>, bool>> = BTreeMap::new();
    for (key, yes) in table {
        if let Some((value, tail)) = key.split_first() {
            parts.entry(*value).or_default().insert(tail.to_vec(), *yes);
        }
    }
    let mut by_rest: BTreeMap<Expr, BTreeSet<usize>> = BTreeMap::new();
    for (value, part) in &parts {
        by_rest.entry(build(part, rest)).or_default().insert(*value);
    }
    if by_rest.len() == 1 {
        return by_rest.into_keys().next().unwrap_or(Expr::Const(false));
    }
    // `A or (not A and B)` is `A or B`.
    let always = by_rest.remove(&Expr::Const(true));
    let start = always.map_or(Expr::Const(false), |values| Expr::Is(*switch, values));
    if start != Expr::Const(false)
        && let [only] = by_rest.keys().collect::<Vec<_>>().as_slice()
    {
        return start.or((*only).clone());
    }
    by_rest.into_iter().fold(start, |all, (expr, values)| {
        all.or(Expr::Is(*switch, values).and(expr))
    })
}
#[cfg(test)]
mod tests {
    use super::{Assignment, Expr, Observations};
    use std::rc::Rc;

    fn all(switches: u32) -> Vec<Assignment> {
        (0..2_usize.pow(switches))
            .map(|n| (0..switches).map(|i| n >> i & 1).collect())
            .collect()
    }

    #[test]
    fn learns_what_it_sees() {
        let truths: [fn(&[usize]) -> bool; 4] = [
            |a| a[1] == 1,
            |a| a[0] == 1 && a[2] == 0,
            |a| a[0] == 1 || (a[1] == 1 && a[3] == 0),
            |a| (a[0] + a[1] + a[2]) % 2 == 1,
        ];
        for truth in truths {
            let seen = all(4).into_iter().map(|a| {
                let yes = truth(&a);
                (Rc::new(a), yes)
            });
            let seen = Observations::new(seen.collect());
            let expr = seen.condition(&seen.dependencies()).expect("decided");
            for assignment in all(4) {
                assert_eq!(expr.eval(&assignment), truth(&assignment), "{expr:?}");
            }
        }
    }

    #[test]
    fn one_switch_is_one_literal() {
        let seen = all(3).into_iter().map(|a| {
            let yes = a[2] == 1;
            (Rc::new(a), yes)
        });
        let seen = Observations::new(seen.collect());
        let expected = Expr::Is(2, std::collections::BTreeSet::from([1]));
        assert_eq!(seen.condition(&seen.dependencies()), Some(expected));
    }
}
