//! Reasoning about label selectors: intersection, emptiness and implication, and how they are written.

use palisade_netmodel::{
    LabelRequirement as Requirement, NamespaceMatch, Operator, Selector, World,
};
use palisade_resources::emit;
use palisade_yaml::Value;
use std::collections::BTreeMap;

/// The label that the API server sets on every namespace.
pub(crate) const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Sorted, without repetition: equal meaning in the plain cases, equal value.
pub(crate) fn canonical(selector: &Selector) -> Selector {
    let mut requirements = selector.requirements.clone();
    for requirement in &mut requirements {
        if let Operator::In(values) | Operator::NotIn(values) = &mut requirement.operator {
            values.sort();
            values.dedup();
        }
    }
    requirements.sort();
    requirements.dedup();
    Selector { requirements }
}

/// Both; `None` if no labels can satisfy both.
pub(crate) fn intersect(a: &Selector, b: &Selector) -> Option<Selector> {
    let requirements = a.requirements.iter().chain(&b.requirements).cloned();
    let both = canonical(&Selector {
        requirements: requirements.collect(),
    });
    let clash = both
        .requirements
        .iter()
        .any(|x| both.requirements.iter().any(|y| contradict(x, y)));
    (!clash).then_some(both)
}

/// Whether no value of a label can satisfy both requirements.
fn contradict(a: &Requirement, b: &Requirement) -> bool {
    if a.key != b.key {
        return false;
    }
    match (&a.operator, &b.operator) {
        (Operator::In(x), Operator::In(y)) => !x.iter().any(|v| y.contains(v)),
        (Operator::In(x), Operator::NotIn(y)) => x.iter().all(|v| y.contains(v)),
        (Operator::In(_) | Operator::Exists, Operator::DoesNotExist) => true,
        _ => false,
    }
}

/// Whether everything that `a` selects is surely selected by `b`.
pub(crate) fn implies(a: &Selector, b: &Selector) -> bool {
    b.requirements
        .iter()
        .all(|wanted| a.requirements.iter().any(|given| entails(given, wanted)))
}

/// Whether one requirement makes another true.
fn entails(a: &Requirement, b: &Requirement) -> bool {
    if a.key != b.key {
        return false;
    }
    match (&a.operator, &b.operator) {
        (Operator::In(x), Operator::In(y)) => x.iter().all(|v| y.contains(v)),
        (Operator::In(x), Operator::NotIn(y)) => !x.iter().any(|v| y.contains(v)),
        (Operator::NotIn(x), Operator::NotIn(y)) => y.iter().all(|v| x.contains(v)),
        (Operator::In(_) | Operator::Exists, Operator::Exists)
        | (Operator::DoesNotExist, Operator::DoesNotExist | Operator::NotIn(_)) => true,
        _ => false,
    }
}

/// Whether every namespace that `a` means is surely meant by `b`.
pub(crate) fn namespace_implies(a: &NamespaceMatch, b: &NamespaceMatch) -> bool {
    match (a, b) {
        (NamespaceMatch::Named(x), NamespaceMatch::Named(y)) => x == y,
        (NamespaceMatch::Named(x), NamespaceMatch::Selector(y)) => {
            implies(&Selector::of([(NAMESPACE_NAME, x.as_str())]), y)
        }
        (NamespaceMatch::Selector(x), NamespaceMatch::Selector(y)) => implies(x, y),
        (NamespaceMatch::Selector(x), NamespaceMatch::Named(y)) => {
            implies(x, &Selector::of([(NAMESPACE_NAME, y.as_str())]))
        }
    }
}

/// The namespaces of the world that are meant; a named one is meant also if nothing shows it.
pub(crate) fn namespaces(wanted: &NamespaceMatch, world: &World) -> Vec<String> {
    match wanted {
        NamespaceMatch::Named(name) => vec![name.clone()],
        NamespaceMatch::Selector(selector) => world
            .namespaces
            .values()
            .filter(|n| selector.matches(&n.labels))
            .map(|n| n.name.clone())
            .collect(),
    }
}

/// `LabelSelector` of the canonical selector: `matchLabels` as far as they go, the rest as `matchExpressions`.
pub(crate) fn value(selector: &Selector) -> Value {
    emit::label_selector(&canonical(selector))
}

/// The selector as `matchLabels` alone, which is all that Istio has; `In` with several values becomes
/// several of them. `None` if it cannot be said so.
pub(crate) fn match_labels(selector: &Selector) -> Option<Vec<BTreeMap<String, String>>> {
    let mut all = vec![BTreeMap::new()];
    for requirement in &canonical(selector).requirements {
        let Operator::In(values) = &requirement.operator else {
            return None;
        };
        let mut next = Vec::new();
        for labels in &all {
            for value in values {
                let mut labels: BTreeMap<String, String> = labels.clone();
                let previous = labels.insert(requirement.key.to_string(), value.to_string());
                if previous.is_none_or(|p| p == *value) {
                    next.push(labels);
                }
            }
        }
        all = next;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::{implies, intersect, match_labels};
    use palisade_netmodel::{LabelRequirement as Requirement, Operator, Selector, SmolStr};

    fn one(key: &str, operator: Operator) -> Selector {
        let key = key.into();
        Selector {
            requirements: vec![Requirement { key, operator }],
        }
    }

    fn set(values: &[&str]) -> Vec<SmolStr> {
        values.iter().map(|v| (*v).into()).collect()
    }

    #[test]
    fn implication() {
        let a = Selector::of([("app", "x"), ("tier", "db")]);
        assert!(implies(&a, &Selector::of([("app", "x")])));
        assert!(implies(&a, &Selector::everything()));
        assert!(!implies(&Selector::of([("app", "x")]), &a));
        assert!(implies(&a, &one("app", Operator::In(set(&["x", "y"])))));
        assert!(implies(&a, &one("app", Operator::Exists)));
        assert!(!implies(
            &one("app", Operator::Exists),
            &Selector::of([("app", "x")])
        ));
    }

    #[test]
    fn emptiness() {
        let (x, y) = (Selector::of([("app", "x")]), Selector::of([("app", "y")]));
        assert_eq!(intersect(&x, &y), None);
        assert_eq!(intersect(&x, &one("app", Operator::DoesNotExist)), None);
        assert!(intersect(&x, &Selector::of([("tier", "db")])).is_some());
    }

    #[test]
    fn match_labels_only() {
        let two = one("app", Operator::In(set(&["x", "y"])));
        assert_eq!(match_labels(&two).map(|all| all.len()), Some(2));
        assert_eq!(match_labels(&one("app", Operator::Exists)), None);
    }
}
