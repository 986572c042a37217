//! NetworkPolicy v1 as it acts, after the API server's defaulting and validation.

use crate::{Labels, ObjectRef, Origin, Protocol, Selector};
use ipnet::IpNet;
use std::fmt;

/// Which half of a connection a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// At the destination.
    Ingress,
    /// At the source.
    Egress,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

/// `networking.k8s.io/v1 NetworkPolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name. It selects pods of its own namespace only.
    pub object: ObjectRef,
    /// `.spec.podSelector`; missing means all pods of the namespace.
    pub pod_selector: Selector,
    /// Whether `.spec.policyTypes` (after defaulting) holds Ingress: selected pods are isolated for
    /// ingress, and `ingress` says what is admitted. `None`: the policy says nothing about ingress.
    pub ingress: Option<Vec<Rule>>,
    /// The same for egress.
    pub egress: Option<Vec<Rule>>,
}

impl NetworkPolicy {
    /// The rules of a direction, `None` if the policy does not isolate in it.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }

    /// Whether the policy's selector takes a pod with these labels in this namespace.
    #[must_use]
    pub fn selects(&self, namespace: &str, labels: &Labels) -> bool {
        self.object.namespace == namespace && self.pod_selector.matches(labels)
    }
}

/// One item of `.spec.ingress` or `.spec.egress`: any of the peers, on any of the ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where it is written.
    pub origin: Origin,
    /// `from` or `to`. `None` (missing or empty list): every peer, addresses outside included.
    pub peers: Option<Vec<Peer>>,
    /// `ports`. `None` (missing or empty list): every port of every protocol.
    pub ports: Option<Vec<PolicyPort>>,
}

/// `NetworkPolicyPeer`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// `podSelector` and/or `namespaceSelector`: pods only, never addresses outside.
    Pods {
        /// Whose namespaces.
        namespaces: NamespaceMatch,
        /// Which pods in them; a missing `podSelector` is the empty selector.
        pods: Selector,
    },
    /// `ipBlock`. `except` lies inside `cidr`; host bits are cleared.
    Block {
        /// `.ipBlock.cidr`.
        cidr: IpNet,
        /// `.ipBlock.except`.
        except: Vec<IpNet>,
    },
}

/// Which namespaces a peer means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceMatch {
    /// Exactly this one (a missing `namespaceSelector` means the policy's own namespace, and the
    /// matrix names namespaces).
    Named(String),
    /// `namespaceSelector`.
    Selector(Selector),
}

/// `NetworkPolicyPort`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyPort {
    /// `port` (and `endPort`), inclusive; a missing `port` is 1 to 65535.
    Range {
        /// The protocol.
        protocol: Protocol,
        /// First port.
        first: u16,
        /// Last port, at least `first`.
        last: u16,
    },
    /// A named port, resolved on the destination pod; the protocol must match as well.
    Named {
        /// The protocol.
        protocol: Protocol,
        /// The name.
        name: String,
    },
}
