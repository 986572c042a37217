//! What the specification leaves to the network plugin, as named choices (never silent assumptions).

use crate::AdminKind;

/// Choices of the network plugin, shown with every answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Whether an `ipBlock` also matches the addresses of pods. Calico and kube-network-policies say
    /// yes, Cilium no; the specification leaves it open.
    pub ip_block_matches_pods: bool,
    /// The kinds of administrators' policies that it enforces; all of them if the plugin is not known.
    pub admin_kinds: Vec<AdminKind>,
    /// Which network plugin, if known.
    pub cni: Cni,
}

impl Default for Profile {
    /// What is declared: `ipBlock` means addresses outside the cluster, every kind of policy has
    /// effect; the plugin is not known.
    fn default() -> Self {
        Self {
            ip_block_matches_pods: false,
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

/// A plugin by name: whether `ipBlock` matches pods, whether it enforces NetworkPolicy, and which kinds
/// of administrators' policies.
type Known = (&'static str, bool, Enforcement, &'static [AdminKind]);

const V1ALPHA1: &[AdminKind] = &[
    AdminKind::AdminNetworkPolicy,
    AdminKind::BaselineAdminNetworkPolicy,
];
const V1ALPHA2: &[AdminKind] = &[AdminKind::ClusterNetworkPolicy];

/// Plugins with their documented choices. Kinds of administrators' policies: the table of
/// implementations of network-policy-api (21 April 2026).
const KNOWN: [Known; 10] = [
    ("antrea", true, Enforcement::Enforced, V1ALPHA1),
    ("aws-vpc-cni", true, Enforcement::Enforced, &[]),
    ("calico", true, Enforcement::Enforced, V1ALPHA2),
    ("cilium", false, Enforcement::Enforced, &[]),
    ("flannel", false, Enforcement::NotEnforced, &[]),
    (
        "kube-network-policies",
        true,
        Enforcement::Enforced,
        V1ALPHA2,
    ),
    ("kube-router", true, Enforcement::Enforced, &[]),
    ("none", false, Enforcement::NotEnforced, &[]),
    ("ovn-kubernetes", true, Enforcement::Enforced, V1ALPHA1),
    ("weave-net", true, Enforcement::Enforced, &[]),
];

impl Profile {
    /// The names that [`Profile::named`] knows, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|known| known.0)
    }

    /// The profile of a network plugin, if it is known.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (name, ip_block_matches_pods, enforcement, kinds) =
            KNOWN.iter().find(|known| known.0 == name)?;
        Some(Self {
            ip_block_matches_pods: *ip_block_matches_pods,
            admin_kinds: kinds.to_vec(),
            cni: Cni {
                name: Some((*name).to_owned()),
                enforcement: *enforcement,
            },
        })
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
