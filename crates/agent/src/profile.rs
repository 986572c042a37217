//! What this enforcement does where the documents leave a choice.

use palisade_netmodel::{AdminKind, Cni, Enforcement, OwnNode, Profile};

/// An `ipBlock` is about addresses, whoever has them; every kind of policy has effect; a pod and its own node
/// always reach each other.
#[must_use]
pub fn profile() -> Profile {
    Profile {
        ip_block_matches_pods: true,
        own_node: OwnNode::BothWays,
        sctp: true,
        admin_kinds: AdminKind::ALL.to_vec(),
        cni: Cni {
            name: Some("palisade".to_owned()),
            enforcement: Enforcement::Enforced,
        },
    }
}
