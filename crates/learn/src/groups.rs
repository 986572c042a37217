//! Pods that no selector can tell apart, each group with the shortest selector that means exactly it.

use palisade_netmodel::{LabelRequirement, Labels, Operator, Phase, Pod, PodId, Selector, World};
use std::collections::{BTreeMap, BTreeSet};

/// Labels that controllers make up for each pod or each version of a workload.
const MADE_UP: [&str; 8] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
];

/// Keys that say what a workload is, the most telling first.
const TELLING: [&str; 6] = [
    "app",
    "app.kubernetes.io/name",
    "app.kubernetes.io/component",
    "k8s-app",
    "component",
    "name",
];

/// Most keys that are tried in pairs.
const MAX_KEYS: usize = 24;

/// Pods of one namespace with equal labels.
#[derive(Debug)]
pub(crate) struct Group {
    /// Its name in the matrix.
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) selector: Selector,
    pub(crate) pods: Vec<PodId>,
    /// No policy selects pods on the host network.
    pub(crate) selectable: bool,
    /// The service account of all its pods, if they have one.
    pub(crate) account: Option<String>,
}

/// All groups that hold a live pod, in order. `taken`: names that others have.
pub(crate) fn groups(world: &World, taken: &mut BTreeSet<String>) -> Vec<Group> {
    let mut by_labels: BTreeMap<(&str, Labels), Vec<PodId>> = BTreeMap::new();
    for (id, pod) in world.pods().filter(|(_, pod)| !pod.host_group) {
        let key = (pod.namespace.as_str(), kept(&pod.labels));
        by_labels.entry(key).or_default().push(id);
    }
    let mut spaces: BTreeMap<&str, Vec<&Labels>> = BTreeMap::new();
    for (namespace, labels) in by_labels.keys() {
        spaces.entry(namespace).or_default().push(labels);
    }
    let mut out = Vec::new();
    for ((namespace, labels), ids) in &by_labels {
        let pods: Vec<&Pod> = ids.iter().filter_map(|id| world.pod(*id)).collect();
        let Some(first) = pods.iter().find(|pod| pod.phase == Phase::Live) else {
            continue;
        };
        let others = spaces.get(namespace).map_or(&[][..], Vec::as_slice);
        let accounts: BTreeSet<&str> = pods.iter().map(|p| p.service_account.as_str()).collect();
        let account = accounts
            .first()
            .filter(|a| accounts.len() == 1 && !a.is_empty());
        out.push(Group {
            name: free(taken, &first.workload.name, namespace),
            namespace: (*namespace).to_owned(),
            selector: exact(labels, others),
            selectable: pods.iter().any(|pod| pod.is_selectable()),
            account: account.map(|a| (*a).to_owned()),
            pods: ids.clone(),
        });
    }
    out
}

/// A name that nothing else has: the workload's, or with its namespace, or with a number.
pub(crate) fn free(taken: &mut BTreeSet<String>, name: &str, namespace: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).collect();
    let long = format!("{namespace}-{name}");
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    let mut names = [name.clone(), long.clone()].into_iter().chain(numbered);
    let free = names.find(|name| !taken.contains(name)).unwrap_or(long);
    taken.insert(free.clone());
    free
}

fn kept(labels: &Labels) -> Labels {
    let own = labels.iter().filter(|(key, _)| !MADE_UP.contains(key));
    own.collect()
}

/// The shortest selector that means these labels and none of the others (which hold these too).
fn exact(labels: &Labels, others: &[&Labels]) -> Selector {
    let others: Vec<&Labels> = others
        .iter()
        .copied()
        .filter(|other| *other != labels)
        .collect();
    let alone = |selector: &Selector| !others.iter().any(|other| selector.matches(other));
    let telling = TELLING
        .iter()
        .filter_map(|key| Some((*key, labels.get(key)?)));
    let rest = labels.iter().filter(|(key, _)| !TELLING.contains(key));
    let pairs: Vec<(&str, &str)> = telling.chain(rest).collect();
    for pair in &pairs {
        let selector = Selector::of([*pair]);
        if alone(&selector) {
            return selector;
        }
    }
    for (index, a) in pairs.iter().take(MAX_KEYS).enumerate() {
        for b in pairs.iter().take(MAX_KEYS).skip(index + 1) {
            let selector = Selector::of([*a, *b]);
            if alone(&selector) {
                return selector;
            }
        }
    }
    let mut selector = Selector::of(pairs);
    // Who has all these labels has more of them: its further keys must be absent.
    let more: BTreeSet<&str> = others
        .iter()
        .filter(|other| selector.matches(other))
        .filter_map(|other| other.keys().find(|key| !labels.contains_key(key)))
        .collect();
    selector
        .requirements
        .extend(more.into_iter().map(|key| LabelRequirement {
            key: key.into(),
            operator: Operator::DoesNotExist,
        }));
    selector
}

#[cfg(test)]
mod tests {
    use super::exact;
    use palisade_netmodel::Labels;

    fn labels(text: &str) -> Labels {
        text.split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .collect()
    }

    #[test]
    fn a_selector_is_short_and_exact() {
        for (own, others, expected) in [
            ("app=web tier=x", "app=db", "app=web"),
            ("app=web tier=x", "app=web tier=y", "tier=x"),
            (
                "app=web tier=x",
                "app=web tier=y|app=db tier=x",
                "app=web,tier=x",
            ),
            (
                "app=web",
                "app=web tier=x|app=web zone=y",
                "app=web,!tier,!zone",
            ),
            ("", "app=web|tier=x", "!app,!tier"),
            ("", "", "{}"),
        ] {
            let others: Vec<Labels> = others.split('|').map(labels).collect();
            let all: Vec<&Labels> = others.iter().filter(|o| !o.is_empty()).collect();
            let selector = exact(&labels(own), &all);
            assert_eq!(selector.to_string(), expected);
            assert!(selector.matches(&labels(own)));
            assert!(!all.iter().any(|other| selector.matches(other)));
        }
    }
}
