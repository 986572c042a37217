//! The intent that a cluster's NetworkPolicies would have been compiled from: every rule a grant, every
//! isolation a claim. The cluster keeps to it exactly.

use palisade_netmodel::{
    Claim, ClaimScope, Component, Direction, Fidelity, Grant, Hop, Intent, MeshMode, MtlsMode,
    NamespaceMatch, NetworkPolicy, Origin, Party, Peer, Peers, Requirement, Rule, World,
};

/// What the NetworkPolicies of a world say, as a declaration. Cost: linear in their rules.
#[must_use]
pub fn intent(world: &World) -> Intent {
    let mut intent = Intent {
        name: "cluster".to_owned(),
        ..Intent::default()
    };
    for policy in &world.network_policies {
        intent.components.push(component(policy));
        for direction in [Direction::Ingress, Direction::Egress] {
            let Some(rules) = policy.rules(direction) else {
                continue;
            };
            intent.claims.push(claim(policy, direction));
            for (index, rule) in rules.iter().enumerate() {
                intent.grants.push(grant(policy, direction, index, rule));
            }
        }
    }
    intent
}

fn name(policy: &NetworkPolicy) -> String {
    format!("{}-{}", policy.object.namespace, policy.object.name)
}

fn component(policy: &NetworkPolicy) -> Component {
    Component {
        origin: Origin::default(),
        name: name(policy),
        title: String::new(),
        zone: String::new(),
        namespace: policy.object.namespace.clone(),
        selector: policy.pod_selector.clone(),
        service_account: None,
        ports: Vec::new(),
        managed: true,
        mesh: MeshMode::None,
        mtls: MtlsMode::Permissive,
        gateway: false,
        open: false,
    }
}

fn claim(policy: &NetworkPolicy, direction: Direction) -> Claim {
    Claim {
        origin: Origin::default(),
        direction,
        scope: ClaimScope::Component(name(policy)),
        namespaces: NamespaceMatch::Named(policy.object.namespace.clone()),
        pods: policy.pod_selector.clone(),
    }
}

fn grant(policy: &NetworkPolicy, direction: Direction, index: usize, rule: &Rule) -> Grant {
    let own = Party {
        name: name(policy),
        component: Some(name(policy)),
        peers: Peers::List(vec![Peer::Pods {
            namespaces: NamespaceMatch::Named(policy.object.namespace.clone()),
            pods: policy.pod_selector.clone(),
        }]),
        fidelity: Fidelity::Exact,
        hosts: Vec::new(),
    };
    let other = Party {
        name: format!("{}-peer-{index}", name(policy)),
        component: None,
        peers: rule.peers.clone().map_or(Peers::Any, Peers::List),
        fidelity: Fidelity::Exact,
        hosts: Vec::new(),
    };
    let (from, to) = match direction {
        Direction::Ingress => (other, own),
        Direction::Egress => (own, other),
    };
    Grant {
        origin: Origin::default(),
        id: format!("{}-{direction}-{index}", name(policy)),
        reason: "the policy says so".to_owned(),
        from,
        to,
        ports: rule.ports.clone(),
        ingress: direction == Direction::Ingress,
        egress: direction == Direction::Egress,
        encryption: Requirement::None,
        exception: None,
        hop: Hop::Direct,
        http: None,
        implied: false,
    }
}
