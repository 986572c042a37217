//! What the specification leaves to the network plugin, as named choices (never silent assumptions).

use crate::{AdminKind, Direction, PortSet, Protocol};

/// Choices of the network plugin, shown with every answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Whether an `ipBlock` also matches the addresses of pods. Calico and kube-network-policies say
    /// yes, Cilium no; the specification leaves it open.
    pub ip_block_matches_pods: bool,
    /// What passes between a pod and the node that it runs on.
    pub own_node: OwnNode,
    /// Whether it carries SCTP without being told to.
    pub sctp: bool,
    /// The kinds of administrators' policies that it enforces; all of them if the plugin is not known.
    pub admin_kinds: Vec<AdminKind>,
    /// Which network plugin, if known.
    pub cni: Cni,
}

impl Default for Profile {
    /// What is declared: `ipBlock` means addresses outside the cluster, a pod and its own node always
    /// reach each other, every protocol is carried and every kind of policy has effect; the plugin is
    /// not known.
    fn default() -> Self {
        Self {
            ip_block_matches_pods: false,
            own_node: OwnNode::BothWays,
            sctp: true,
            admin_kinds: AdminKind::ALL.to_vec(),
            cni: Cni {
                name: None,
                enforcement: Enforcement::NotShown,
            },
        }
    }
}

/// The network plugin and whether it enforces NetworkPolicy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cni {
    /// Its name, for example `calico`.
    pub name: Option<String>,
    /// Whether policies have effect.
    pub enforcement: Enforcement,
}

/// Whether NetworkPolicy has effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// A plugin that enforces is shown or stated.
    Enforced,
    /// A plugin that does not enforce is shown or stated: every flow is allowed by this layer.
    NotEnforced,
    /// Nothing shows it: answers assume enforcement and say so.
    NotShown,
}

/// What policies cannot refuse between a pod and its own node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnNode {
    /// Neither direction (`Kubernetes documentation, Network Policies`: traffic to and from the node
    /// where a pod is running is always allowed).
    BothWays,
    /// What the node sends to the pod; what the pod sends to its node is up to its egress policies.
    FromNode,
}

/// A plugin with its documented choices.
struct Known {
    name: &'static str,
    ip_block_matches_pods: bool,
    own_node: OwnNode,
    sctp: bool,
    enforcement: Enforcement,
    /// The table of implementations of network-policy-api (21 April 2026).
    admin_kinds: &'static [AdminKind],
}

/// What most plugins that enforce do.
const ENFORCES: Known = Known {
    name: "",
    ip_block_matches_pods: true,
    own_node: OwnNode::BothWays,
    sctp: true,
    enforcement: Enforcement::Enforced,
    admin_kinds: &[],
};

/// What all plugins do that enforce nothing.
const IGNORES: Known = Known {
    ip_block_matches_pods: false,
    enforcement: Enforcement::NotEnforced,
    ..ENFORCES
};

const V1ALPHA1: &[AdminKind] = &[
    AdminKind::AdminNetworkPolicy,
    AdminKind::BaselineAdminNetworkPolicy,
];
const V1ALPHA2: &[AdminKind] = &[AdminKind::ClusterNetworkPolicy];

/// What `palisade-agent` does. An `ipBlock` is about addresses, whoever has them: the kernel compares the two
/// ends of a packet with it. A pod and its own node always reach each other, as the specification says: such packets
/// are not forwarded, and only those meet the rules. Every kind of administrators' policies has effect, in both
/// spellings of their schema, and SCTP is a protocol like the others.
const PALISADE: Known = Known {
    name: "palisade",
    admin_kinds: &AdminKind::ALL,
    ..ENFORCES
};

/// Every plugin that is known, by name.
///
/// Own nodes: Calico goes through the egress policies of a pod before it looks at
/// `defaultEndpointToHostAction` (Felix configuration); Cilium adds an entry for the local host to the
/// ingress side of a pod's policies (`allow-localhost-ingress` in its `pkg/policy`), and none to the egress
/// side. SCTP: off in Cilium unless `sctp.enabled` (Cilium documentation, SCTP support).
const KNOWN: [Known; 11] = [
    Known {
        name: "antrea",
        admin_kinds: V1ALPHA1,
        ..ENFORCES
    },
    Known {
        name: "aws-vpc-cni",
        ..ENFORCES
    },
    Known {
        name: "calico",
        own_node: OwnNode::FromNode,
        admin_kinds: V1ALPHA2,
        ..ENFORCES
    },
    Known {
        name: "cilium",
        ip_block_matches_pods: false,
        own_node: OwnNode::FromNode,
        sctp: false,
        ..ENFORCES
    },
    Known {
        name: "flannel",
        ..IGNORES
    },
    Known {
        name: "kube-network-policies",
        admin_kinds: V1ALPHA2,
        ..ENFORCES
    },
    Known {
        name: "kube-router",
        ..ENFORCES
    },
    Known {
        name: "none",
        ..IGNORES
    },
    Known {
        name: "ovn-kubernetes",
        admin_kinds: V1ALPHA1,
        ..ENFORCES
    },
    PALISADE,
    Known {
        name: "weave-net",
        ..ENFORCES
    },
];

impl Profile {
    /// The names that [`Profile::named`] knows, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|known| known.name)
    }

    /// The profile of a network plugin, if it is known.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        KNOWN.iter().find(|known| known.name == name).map(Self::of)
    }

    /// The profile of this project's own agent.
    #[must_use]
    pub fn palisade() -> Self {
        Self::of(&PALISADE)
    }

    fn of(known: &Known) -> Self {
        Self {
            ip_block_matches_pods: known.ip_block_matches_pods,
            own_node: known.own_node,
            sctp: known.sctp,
            admin_kinds: known.admin_kinds.to_vec(),
            cni: Cni {
                name: Some(known.name.to_owned()),
                enforcement: known.enforcement,
            },
        }
    }

    /// Whether no policy refuses what passes between a pod and its own node. `direction` is that of
    /// the pod.
    #[must_use]
    pub fn exempts_own_node(&self, direction: Direction) -> bool {
        self.own_node == OwnNode::BothWays || direction == Direction::Ingress
    }

    /// Whether packets of a protocol are carried for certain.
    #[must_use]
    pub fn carries(&self, protocol: Protocol) -> bool {
        self.sctp || protocol != Protocol::Sctp
    }

    /// Every port of the protocols that are carried for certain.
    #[must_use]
    pub fn carried(&self) -> PortSet {
        let protocols = Protocol::ALL.into_iter().filter(|p| self.carries(*p));
        protocols.fold(PortSet::empty(), |all, p| all.union(&PortSet::protocol(p)))
    }

    /// Whether policies of a kind have effect.
    #[must_use]
    pub fn enforces(&self, kind: AdminKind) -> bool {
        self.admin_kinds.contains(&kind)
    }

    /// What to call the plugin in a sentence.
    #[must_use]
    pub fn plugin(&self) -> String {
        match &self.cni.name {
            Some(name) => format!("the network plugin `{name}`"),
            None => "the network plugin".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, Profile};
    use crate::{AdminKind, Direction, Enforcement, Protocol};

    #[test]
    fn names_are_sorted_and_found() {
        let names: Vec<&str> = Profile::names().collect();
        assert!(names.is_sorted());
        assert_eq!(names.len(), KNOWN.len());
        for name in names {
            let found = Profile::named(name).unwrap();
            assert_eq!(found.cni.name.as_deref(), Some(name));
        }
        assert_eq!(Profile::named("nobody"), None);
    }

    #[test]
    fn the_profile_of_the_agent_is_among_them() {
        let own = Profile::palisade();
        assert_eq!(Profile::named("palisade").as_ref(), Some(&own));
        assert_eq!(own.cni.enforcement, Enforcement::Enforced);
        assert!(AdminKind::ALL.into_iter().all(|kind| own.enforces(kind)));
        assert!(Protocol::ALL.into_iter().all(|p| own.carries(p)));
        assert!(own.ip_block_matches_pods);
        assert!(own.exempts_own_node(Direction::Egress));
        assert!(own.exempts_own_node(Direction::Ingress));
    }
}
