//! The one list of differences between what others expect and what we answer, each with the sentence
//! of the specification that decides it.

use palisade_netmodel::Pod;

/// A difference that stays.
pub(crate) struct Exception {
    /// Which rows.
    pub(crate) rows: Rows,
    /// The cases that have such rows.
    pub(crate) cases: &'static [&'static str],
    /// What the other project assumes.
    pub(crate) they_say: &'static str,
    /// What decides, word for word.
    pub(crate) specification: &'static str,
    /// Where it is written.
    pub(crate) source: &'static str,
}

/// What makes a row an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rows {
    /// An end is a pod on the host network.
    HostNetwork,
}

pub(crate) const EXCEPTIONS: &[Exception] = &[Exception {
    rows: Rows::HostNetwork,
    cases: &[
        "ipblockstest",
        "ipblockstest_4",
        "multiple_topology_resources_2",
        "semanticDiff-same-topologies-old1",
        "semanticDiff-same-topologies-old2",
    ],
    they_say: "policies select pods on the host network like all others",
    specification: "The network plugin cannot properly distinguish hostNetwork pod traffic, \
            and so it ignores hostNetwork pods when matching podSelector and namespaceSelector. \
            Traffic to/from hostNetwork pods is treated the same as all other traffic to/from the \
            node IP. (This is the most common implementation.)",
    source: "https://kubernetes.io/docs/concepts/services-networking/network-policies/#networkpolicy-and-hostnetwork-pods",
}];

/// The exception that a row with these ends falls under; `None` is an address that is no pod's.
pub(crate) fn kind(source: Option<&Pod>, destination: Option<&Pod>) -> Option<Rows> {
    let mut pods = source.into_iter().chain(destination);
    pods.any(|pod| pod.host_network)
        .then_some(Rows::HostNetwork)
}

#[test]
fn exceptions_are_few_and_justified() {
    assert!(EXCEPTIONS.len() < 5);
    for exception in EXCEPTIONS {
        assert!(!exception.cases.is_empty() && !exception.they_say.is_empty());
        assert!(exception.specification.len() > 40 && exception.source.starts_with("https://"));
    }
}
