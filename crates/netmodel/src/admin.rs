//! The policies of cluster administrators: ClusterNetworkPolicy, AdminNetworkPolicy and
//! BaselineAdminNetworkPolicy (`policy.networking.k8s.io`) as one type, after the API server's
//! defaulting and validation.

use crate::{Direction, Labels, ObjectRef, Origin, Protocol, Selector};
use ipnet::IpNet;
use std::fmt;

/// Which kind a policy is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminKind {
    /// `v1alpha1 AdminNetworkPolicy`: the Admin tier.
    AdminNetworkPolicy,
    /// `v1alpha1 BaselineAdminNetworkPolicy`: the Baseline tier, at most one.
    BaselineAdminNetworkPolicy,
    /// `v1alpha2 ClusterNetworkPolicy`: either tier.
    ClusterNetworkPolicy,
}

impl AdminKind {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 3] = [
        Self::AdminNetworkPolicy,
        Self::BaselineAdminNetworkPolicy,
        Self::ClusterNetworkPolicy,
    ];

    /// The word of `kind`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
        }
    }
}

impl fmt::Display for AdminKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Before or after the NetworkPolicies (`v1alpha2 ClusterNetworkPolicy, .spec.tier`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Before them: cannot be overridden.
    Admin,
    /// After them: for pods that no NetworkPolicy isolates in the direction.
    Baseline,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "Admin",
            Self::Baseline => "Baseline",
        })
    }
}

/// What a rule does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminAction {
    /// Admits it, finally, in this direction (`Allow` in v1alpha1).
    Accept,
    /// Refuses it, finally.
    Deny,
    /// Leaves the rest of the tier out, and goes on to the next.
    Pass,
}

/// One policy of a tier.
///
/// A policy isolates nobody: what none of its rules matches goes on. Within a tier and a kind, lower
/// priority numbers come first. Which of several policies with the same number decides is left to the
/// network plugin, and so is the order of kinds: no document orders `v1alpha1` and `v1alpha2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminPolicy {
    /// Where it is written.
    pub origin: Origin,
    /// Its name; it belongs to no namespace.
    pub object: ObjectRef,
    /// What it is written as.
    pub kind: AdminKind,
    /// Before or after the NetworkPolicies.
    pub tier: Tier,
    /// `.spec.priority`, 0 to 1000; 0 for a BaselineAdminNetworkPolicy, which has none.
    pub priority: u16,
    /// Whose traffic it is about. Pods on the host network are never among them.
    pub subject: NamespacedPods,
    /// Rules for what arrives, first match first.
    pub ingress: Vec<AdminRule>,
    /// Rules for what leaves, first match first.
    pub egress: Vec<AdminRule>,
}

impl AdminPolicy {
    /// The rules of a direction, in their order.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> &[AdminRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// Pods by their labels and those of their namespaces. `namespaces` alone, as a subject or as a peer,
/// means all pods of these namespaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NamespacedPods {
    /// `namespaceSelector`, or `namespaces`.
    pub namespaces: Selector,
    /// `podSelector`.
    pub pods: Selector,
}

impl NamespacedPods {
    /// Whether both selectors match.
    #[must_use]
    pub fn matches(&self, namespace: &Labels, pod: &Labels) -> bool {
        self.namespaces.matches(namespace) && self.pods.matches(pod)
    }
}

/// One item of `.spec.ingress` or `.spec.egress`: any of the peers, on any of the ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminRule {
    /// Where it is written.
    pub origin: Origin,
    /// Its name, empty if it has none.
    pub name: String,
    /// What becomes of what it matches.
    pub action: AdminAction,
    /// `from` or `to`, at least one.
    pub peers: Vec<AdminPeer>,
    /// `protocols` or `ports`. `None` (missing): every port of every protocol.
    pub ports: Option<Vec<AdminPort>>,
}

/// A peer of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminPeer {
    /// `pods`, `namespaces`: never addresses outside, never pods on the host network.
    Pods(NamespacedPods),
    /// `networks` (egress): every address in them, those of pods too. Host bits are cleared.
    Networks(Vec<IpNet>),
    /// `nodes` (egress): the addresses of the nodes with these labels.
    Nodes(Selector),
    /// `domainNames` (egress, Accept): lower case, without the dot at the end.
    DomainNames(Vec<String>),
    /// A kind of peer that is not known. Its rule fails closed: Accept matches nothing, Deny and
    /// Pass refuse everything.
    Unknown,
}

/// One item of `protocols` or `ports`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminPort {
    /// Ports of one protocol, inclusive; without a port 1 to 65535.
    Range {
        /// The protocol.
        protocol: Protocol,
        /// First port.
        first: u16,
        /// Last port, at least `first`.
        last: u16,
    },
    /// A container port's name, looked up on the destination pod, with whatever protocol it has
    /// there.
    Named(String),
}
