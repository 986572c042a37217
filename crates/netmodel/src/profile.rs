//! What the specification leaves to the network plugin, as named choices (never silent assumptions).

/// Choices of the network plugin, shown with every answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Whether an `ipBlock` also matches the addresses of pods. Calico and kube-network-policies say
    /// yes, Cilium no; the specification leaves it open.
    pub ip_block_matches_pods: bool,
    /// Which network plugin, if known.
    pub cni: Cni,
}

impl Default for Profile {
    /// `ipBlock` means addresses outside the cluster; the plugin is not known.
    fn default() -> Self {
        Self {
            ip_block_matches_pods: false,
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

/// A plugin by name: whether `ipBlock` matches pods, and whether it enforces.
type Known = (&'static str, bool, Enforcement);

/// Plugins with their documented choices.
const KNOWN: [Known; 10] = [
    ("antrea", true, Enforcement::Enforced),
    ("aws-vpc-cni", true, Enforcement::Enforced),
    ("calico", true, Enforcement::Enforced),
    ("cilium", false, Enforcement::Enforced),
    ("flannel", false, Enforcement::NotEnforced),
    ("kube-network-policies", true, Enforcement::Enforced),
    ("kube-router", true, Enforcement::Enforced),
    ("none", false, Enforcement::NotEnforced),
    ("ovn-kubernetes", true, Enforcement::Enforced),
    ("weave-net", true, Enforcement::Enforced),
];

impl Profile {
    /// The names that [`Profile::named`] knows, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|known| known.0)
    }

    /// The profile of a network plugin, if it is known.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (name, ip_block_matches_pods, enforcement) =
            KNOWN.iter().find(|known| known.0 == name)?;
        Some(Self {
            ip_block_matches_pods: *ip_block_matches_pods,
            cni: Cni {
                name: Some((*name).to_owned()),
                enforcement: *enforcement,
            },
        })
    }
}
