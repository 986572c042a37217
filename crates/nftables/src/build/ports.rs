//! Ports of rules, as numbers where they can be known without the peer.

use super::peers::Named;
use palisade_netmodel::{AdminPort, Direction, PolicyPort, PortSet, Protocol, Template};
use std::collections::BTreeSet;

/// Ports of a rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Ports {
    /// By number.
    pub(super) numbers: PortSet,
    /// By name, to be looked up on each peer.
    pub(super) names: BTreeSet<Named>,
}

impl Ports {
    /// `.ports[]` of a NetworkPolicy rule; missing or empty means every port.
    pub(super) fn of(ports: Option<&[PolicyPort]>, direction: Direction, own: &Template) -> Self {
        let mut all = Self::default();
        let Some(ports) = ports else {
            all.numbers = PortSet::all();
            return all;
        };
        for port in ports {
            match port {
                PolicyPort::Range {
                    protocol,
                    first,
                    last,
                } => all.add(&PortSet::range(*protocol, *first, *last)),
                PolicyPort::Named { protocol, name } => all.name(
                    Named {
                        protocol: Some(*protocol),
                        name: name.clone(),
                    },
                    direction,
                    own,
                ),
            }
        }
        all
    }

    /// `.protocols[]` or `.ports[]` of an administrator's rule.
    pub(super) fn of_administrators(
        ports: Option<&[AdminPort]>,
        direction: Direction,
        own: &Template,
    ) -> Self {
        let mut all = Self::default();
        let Some(ports) = ports else {
            all.numbers = PortSet::all();
            return all;
        };
        for port in ports {
            match port {
                AdminPort::Range {
                    protocol,
                    first,
                    last,
                } => all.add(&PortSet::range(*protocol, *first, *last)),
                AdminPort::Named(name) => all.name(
                    Named {
                        protocol: None,
                        name: name.clone(),
                    },
                    direction,
                    own,
                ),
            }
        }
        all
    }

    /// How many ports it means by number.
    pub(super) fn count(&self) -> usize {
        let ranges = Protocol::ALL.iter().flat_map(|p| self.numbers.ranges(*p));
        ranges
            .map(|(first, last)| usize::from(*last) - usize::from(*first) + 1)
            .sum()
    }

    fn add(&mut self, ports: &PortSet) {
        self.numbers = self.numbers.union(ports);
    }

    /// A name is looked up on the destination: for ingress on the pod itself.
    fn name(&mut self, named: Named, direction: Direction, own: &Template) {
        match direction {
            Direction::Ingress => {
                let meant = own.named_ports.iter().filter(|p| named.means(p));
                for port in meant {
                    self.add(&PortSet::single(port.protocol, port.port));
                }
            }
            Direction::Egress => {
                self.names.insert(named);
            }
        }
    }
}
