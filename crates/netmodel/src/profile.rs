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
