//! Rules in the words of ClusterNetworkPolicy.

use crate::rules::CompiledRule;
use crate::selectors::NAMESPACE_NAME;
use ipnet::IpNet;
use palisade_netmodel::{
    Direction, LabelRequirement, NamespaceMatch, Operator, PolicyPort, Selector,
};

/// `.action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Accept,
    Deny,
    Pass,
}

impl Action {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::Deny => "Deny",
            Self::Pass => "Pass",
        }
    }
}

/// An item of `from` or `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Peer {
    /// `namespaces`, or `pods` if it selects among them.
    Pods {
        namespaces: Selector,
        pods: Selector,
    },
    /// `networks`.
    Networks(Vec<IpNet>),
}

impl Peer {
    pub(super) fn namespaces(namespaces: Selector) -> Self {
        Self::Pods {
            namespaces,
            pods: Selector::everything(),
        }
    }
}

/// An item of `ingress` or `egress`, of any length.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) action: Action,
    pub(super) name: String,
    pub(super) peers: Vec<Peer>,
    /// `None`: every port of every protocol.
    pub(super) ports: Option<Vec<PolicyPort>>,
    /// Ids of the flows that it exists for.
    pub(super) flows: Vec<String>,
    pub(super) remarks: Vec<String>,
}

/// Namespaces by their names.
pub(super) fn named(names: Vec<String>) -> Selector {
    Selector {
        requirements: vec![LabelRequirement {
            key: NAMESPACE_NAME.into(),
            operator: Operator::In(names.into_iter().map(Into::into).collect()),
        }],
    }
}

/// All pods and all addresses, as peers of what leaves.
pub(super) fn everywhere() -> Vec<Peer> {
    let all = ["0.0.0.0/0", "::/0"].iter().filter_map(|n| n.parse().ok());
    vec![
        Peer::namespaces(Selector::everything()),
        Peer::Networks(all.collect()),
    ]
}

/// A compiled rule with an action. Addresses are peers of what leaves only, and have no named ports: they
/// get a rule of their own, with the numbers. What cannot be said is left out.
pub(super) fn passed(rule: &CompiledRule, action: Action, direction: Direction) -> Vec<Rule> {
    let (pods, networks) = peers(rule, direction);
    let of = |peers: Vec<Peer>, ports: Option<Vec<PolicyPort>>| Rule {
        action,
        name: name(rule),
        peers,
        ports,
        flows: rule.flows.keys().cloned().collect(),
        remarks: rule.remarks(),
    };
    let numbers = rule.ports.as_ref().map(|ports| {
        let numbers = ports
            .iter()
            .filter(|p| matches!(p, PolicyPort::Range { .. }));
        numbers.cloned().collect::<Vec<_>>()
    });
    if numbers == rule.ports {
        let all: Vec<Peer> = pods.into_iter().chain(networks).collect();
        return (!all.is_empty())
            .then(|| of(all, numbers))
            .into_iter()
            .collect();
    }
    let mut out = Vec::new();
    if !pods.is_empty() {
        out.push(of(pods, rule.ports.clone()));
    }
    if !networks.is_empty() && numbers.as_ref().is_some_and(|n| !n.is_empty()) {
        out.push(of(networks, numbers));
    }
    out
}

/// The pods and the addresses that a rule means.
fn peers(rule: &CompiledRule, direction: Direction) -> (Vec<Peer>, Vec<Peer>) {
    let Some(list) = &rule.peers else {
        let mut all = everywhere();
        let networks = all.split_off(1);
        return (all, keep(networks, direction));
    };
    let mut pods = Vec::new();
    let mut networks = Vec::new();
    for peer in list {
        match peer {
            palisade_netmodel::Peer::Pods {
                namespaces,
                pods: selector,
            } => pods.push(Peer::Pods {
                namespaces: match namespaces {
                    NamespaceMatch::Named(name) => named(vec![name.clone()]),
                    NamespaceMatch::Selector(selector) => selector.clone(),
                },
                pods: selector.clone(),
            }),
            palisade_netmodel::Peer::Block { cidr, except } => {
                networks.extend(without(*cidr, except));
            }
        }
    }
    let networks = (!networks.is_empty()).then_some(Peer::Networks(networks));
    (pods, keep(networks.into_iter().collect(), direction))
}

fn keep(networks: Vec<Peer>, direction: Direction) -> Vec<Peer> {
    match direction {
        Direction::Ingress => Vec::new(),
        Direction::Egress => networks,
    }
}

/// A network without others: there is no `except`. Each exception takes at most as many pieces as an
/// address has bits.
fn without(cidr: IpNet, except: &[IpNet]) -> Vec<IpNet> {
    if except.iter().any(|e| e.contains(&cidr)) {
        return Vec::new();
    }
    if !except.iter().any(|e| cidr.contains(e)) {
        return vec![cidr];
    }
    let halves = cidr.subnets(cidr.prefix_len() + 1);
    let halves = halves.into_iter().flatten();
    halves.flat_map(|half| without(half, except)).collect()
}

/// Longest `.name`.
const NAME: usize = 100;

/// The flows of a rule, as many as a name may hold.
fn name(rule: &CompiledRule) -> String {
    let mut name = String::new();
    for id in rule.flows.keys() {
        let long = name.len() + id.len() + 2 > NAME;
        if long {
            break;
        }
        if !name.is_empty() {
            name.push_str(", ");
        }
        name.push_str(id);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn exceptions_are_cut_out() {
        let net = |text: &str| text.parse().expect("a network");
        let pieces = without(
            net("10.0.0.0/8"),
            &[net("10.128.0.0/9"), net("10.0.0.0/10")],
        );
        assert_eq!(pieces, [net("10.64.0.0/10")]);
        assert_eq!(without(net("10.0.0.0/8"), &[net("10.0.0.0/8")]), []);
        assert_eq!(
            without(net("fd00::/8"), &[net("10.0.0.0/8")]),
            [net("fd00::/8")]
        );
        let host = without(net("192.0.2.0/24"), &[net("192.0.2.7/32")]);
        assert_eq!(host.len(), 8);
    }
}
