//! Rules as numbers of lists of peers.

use super::nodes::{lives_on, of_node};
use super::ports::fails_closed;
use crate::engine::endpoints::Endpoints;
use crate::engine::peers::{Directory, Peers};
use crate::engine::policies::representative;
use palisade_netmodel::{AdminAction, AdminPeer, AdminPolicy, AdminRule, Selector, World};
use rustc_hash::FxHashMap;

/// A rule, compiled: who is meant (a number of `Tiers::peers`), and what becomes of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compiled {
    pub(super) peers: u32,
    pub(super) action: AdminAction,
}

/// The rules of one policy.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) ingress: Vec<Compiled>,
    pub(super) egress: Vec<Compiled>,
}

/// Compiles policies; each distinct list of peers is looked up once.
pub(super) struct Compiler<'w, 'd> {
    pub(super) world: &'w World,
    pub(super) endpoints: &'w Endpoints,
    pub(super) directory: &'d mut Directory<'w>,
    pub(super) peers: Vec<Peers>,
    pub(super) numbers: FxHashMap<(bool, &'w [AdminPeer]), u32>,
}

impl<'w> Compiler<'w, '_> {
    pub(super) fn rules(&mut self, policy: &'w AdminPolicy) -> Rules {
        let mut list = |rules: &'w [AdminRule]| {
            let compiled = rules.iter().map(|rule| self.rule(rule));
            compiled.collect()
        };
        Rules {
            ingress: list(&policy.ingress),
            egress: list(&policy.egress),
        }
    }

    fn rule(&mut self, rule: &'w AdminRule) -> Compiled {
        let closed = fails_closed(rule);
        let accepts = rule.action == AdminAction::Accept;
        let key = (closed && accepts, rule.peers.as_slice());
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
                let peers = match (closed, accepts) {
                    (true, true) => Peers::default(),
                    (true, false) => self.everybody(),
                    (false, _) => self.union(&rule.peers),
                };
                self.peers.push(peers);
                self.numbers.insert(key, number);
                number
            }
        };
        Compiled {
            peers: number,
            action: if closed {
                AdminAction::Deny
            } else {
                rule.action
            },
        }
    }

    fn everybody(&self) -> Peers {
        let mut out = Peers::default();
        out.yes.extend(self.endpoints.ids().map(|e| e.0));
        out
    }

    fn union(&mut self, peers: &'w [AdminPeer]) -> Peers {
        let mut out = Peers::default();
        for peer in peers {
            match peer {
                AdminPeer::Pods(pods) => out.yes |= self.directory.namespaced(pods),
                AdminPeer::Networks(networks) => {
                    let found = self.directory.networks(networks);
                    out.yes |= found.yes;
                    out.perhaps |= found.perhaps;
                }
                AdminPeer::Nodes(labels) => self.nodes(labels, &mut out),
                AdminPeer::DomainNames(_) => {
                    let cells = self.endpoints.ids().map(|e| e.0);
                    out.perhaps
                        .extend(cells.skip(self.endpoints.classes() as usize));
                }
                AdminPeer::Unknown => {}
            }
        }
        out.perhaps -= &out.yes;
        out
    }

    /// Addresses of nodes, and pods that live on their host network.
    fn nodes(&self, labels: &Selector, out: &mut Peers) {
        for endpoint in self.endpoints.ids() {
            let matches = match self.endpoints.sample(endpoint) {
                Some(sample) => of_node(self.world, labels, sample.address),
                _ => representative(self.world, self.endpoints, endpoint)
                    .map_or(Some(false), |pod| {
                        lives_on(labels, pod, |at| of_node(self.world, labels, at))
                    }),
            };
            match matches {
                Some(true) => out.yes.insert(endpoint.0),
                Some(false) => false,
                None => out.perhaps.insert(endpoint.0),
            };
        }
    }
}
