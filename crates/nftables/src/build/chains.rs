//! The chains of a signature: the Admin tier's rules in their order, then what its NetworkPolicies let pass
//! together, or, without any, the Baseline tier's rules.
//!
//! What is accepted *returns*: it leaves this direction's chains and goes on to the other direction.

use super::cluster::Cluster;
use super::kept::Store;
use super::peers::{Named, Peers};
use super::ports::Ports;
use super::sets::{Addresses, Sets};
use super::signature::Signature;
use super::{Denial, Refused, Settings, base};
use crate::model::{Chain, Family, Match, Rule, Set, Side, Verdict};
use crate::names::{comment, name};
use palisade_netmodel::{
    AdminAction, AdminPeer, AdminPolicy, AdminRule, Direction, PortSet, Protocol, Subject, Template,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) struct Chains<'w> {
    settings: &'w Settings,
    sets: Sets<'w>,
    chains: BTreeMap<String, Chain>,
    refused: BTreeSet<Refused>,
    denials: BTreeMap<String, Denial>,
}

/// Where the addresses of a template's pods lead, and all that belongs to it.
#[derive(Debug)]
pub(super) struct Led {
    /// Also, so that it stays where it is.
    pub(super) template: Arc<Template>,
    /// The chain, if there is one; or why they are closed. Then nothing of the rest is of use but what was refused.
    pub(super) head: Result<Option<String>, String>,
    pub(super) chains: BTreeMap<String, Chain>,
    /// Sets that change when the rules do.
    pub(super) fixed: BTreeMap<String, Set>,
    /// The names of sets that are kept current.
    pub(super) kept: BTreeSet<String>,
    pub(super) refused: BTreeSet<Refused>,
    pub(super) denials: BTreeMap<String, Denial>,
}

/// Where administrators' rules lead to.
struct Ends<'v> {
    /// `Deny`.
    deny: &'v Verdict,
    /// `Pass`.
    next: &'v Verdict,
}

/// What a rule is about, apart from what it does.
struct Traffic {
    peers: Peers,
    ports: Ports,
}

impl<'w> Chains<'w> {
    pub(super) fn new(cluster: &'w Cluster, store: &'w mut Store, settings: &'w Settings) -> Self {
        Self {
            settings,
            sets: Sets::new(cluster, store, settings.most_elements),
            chains: BTreeMap::new(),
            refused: BTreeSet::new(),
            denials: BTreeMap::new(),
        }
    }

    /// What a signature means for addresses of a family of pods of a template.
    pub(super) fn lead(
        mut self,
        signature: &Signature<'_>,
        own: &Arc<Template>,
        family: Family,
    ) -> Led {
        let head = self.of(signature, own, family);
        let (fixed, kept) = self.sets.finish();
        Led {
            template: Arc::clone(own),
            head,
            chains: self.chains,
            fixed,
            kept,
            refused: self.refused,
            denials: self.denials,
        }
    }

    /// The chain of a signature, `None` if nothing is refused by it.
    ///
    /// # Errors
    ///
    /// The limit that it goes beyond, in words.
    fn of(
        &mut self,
        signature: &Signature<'_>,
        own: &Template,
        family: Family,
    ) -> Result<Option<String>, String> {
        let direction = signature.direction;
        let deny = Verdict::Goto(self.denial(signature, family));
        let rest = match self.rest(signature, own, family, &deny)? {
            Some(chain) => Some(self.add(direction, chain)?),
            None => None,
        };
        if signature.admin.is_empty() {
            return Ok(rest);
        }
        let next = rest.map_or(Verdict::Return, Verdict::Goto);
        let ends = Ends {
            deny: &deny,
            next: &next,
        };
        let mut rules = Vec::new();
        for policy in &signature.admin {
            rules.extend(self.administrators(policy, direction, own, family, &ends)?);
        }
        rules.push(Rule::new(vec![], next));
        let names = signature.admin.iter().map(|p| p.object.to_string());
        let chain = Chain::new(family, comment(names), rules);
        self.add(direction, chain).map(Some)
    }

    /// Where packets go that a signature's policies refuse. If they are logged, their prefix says which policies
    /// these are.
    fn denial(&mut self, signature: &Signature<'_>, family: Family) -> String {
        let Some(log) = self.settings.log else {
            return base::deny(family);
        };
        let denial = Denial {
            direction: signature.direction,
            policies: signature.subjects(),
        };
        let word = format!("deny_{}{}", signature.direction, family.digit());
        let name = name(&word, &(log, &denial));
        if !denial.policies.is_empty() && !self.chains.contains_key(&name) {
            let names = denial.policies.iter().map(|p| p.object.to_string());
            let chain = base::logged(family, &name, log, &comment(names));
            self.chains.insert(name.clone(), chain);
            self.denials.insert(name.clone(), denial);
        }
        name
    }

    /// What is asked after the Admin tier.
    fn rest(
        &mut self,
        signature: &Signature<'_>,
        own: &Template,
        family: Family,
        deny: &Verdict,
    ) -> Result<Option<Chain>, String> {
        let mut rules = Vec::new();
        let names: Vec<String>;
        if !signature.policies.is_empty() {
            names = signature
                .policies
                .iter()
                .map(|p| p.object.to_string())
                .collect();
            rules = self.union(signature, own, family)?;
            rules.push(Rule::new(vec![], deny.clone()));
        } else if !signature.baseline.is_empty() {
            names = signature
                .baseline
                .iter()
                .map(|p| p.object.to_string())
                .collect();
            let ends = Ends {
                deny,
                next: &Verdict::Return,
            };
            for policy in &signature.baseline {
                rules.extend(self.administrators(
                    policy,
                    signature.direction,
                    own,
                    family,
                    &ends,
                )?);
            }
        } else {
            return Ok(None);
        }
        Ok(Some(Chain::new(family, comment(names.into_iter()), rules)))
    }

    /// What NetworkPolicies let pass together: "a flow passes if any rule of any policy admits it", so rules
    /// with the same ports become one with the peers of all.
    fn union(
        &mut self,
        signature: &Signature<'_>,
        own: &Template,
        family: Family,
    ) -> Result<Vec<Rule>, String> {
        let direction = signature.direction;
        let mut by_ports: BTreeMap<PortSet, Peers> = BTreeMap::new();
        let mut by_names: BTreeMap<BTreeSet<Named>, Peers> = BTreeMap::new();
        let policies = signature.policies.iter();
        for rule in policies.flat_map(|p| p.rules(direction).unwrap_or_default()) {
            let peers = Peers::of(rule.peers.as_deref());
            let ports = Ports::of(rule.ports.as_deref(), direction, own);
            if !ports.names.is_empty() {
                by_names.entry(ports.names).or_default().join(peers.clone());
            }
            if !ports.numbers.is_empty() {
                by_ports.entry(ports.numbers).or_default().join(peers);
            }
        }
        let numbers = by_ports.into_iter().map(|(numbers, peers)| Traffic {
            peers,
            ports: Ports {
                numbers,
                names: BTreeSet::new(),
            },
        });
        let names = by_names.into_iter().map(|(names, peers)| Traffic {
            peers,
            ports: Ports {
                numbers: PortSet::empty(),
                names,
            },
        });
        let mut all: Vec<Traffic> = numbers.chain(names).collect();
        // In any order they mean the same. The most ports first: to ask for a whole protocol costs least, and lets the
        // most pass.
        all.sort_by_key(|traffic| Reverse(traffic.ports.count()));
        let mut rules = Vec::new();
        for traffic in &all {
            rules.extend(self.rules(traffic, direction, family, &Verdict::Return)?);
        }
        Ok(rules)
    }

    /// The rules of one policy of administrators, in their order.
    fn administrators(
        &mut self,
        policy: &AdminPolicy,
        direction: Direction,
        own: &Template,
        family: Family,
        ends: &Ends<'_>,
    ) -> Result<Vec<Rule>, String> {
        let mut rules = Vec::new();
        for (index, rule) in policy.rules(direction).iter().enumerate() {
            if let Some(why) = unmet(rule) {
                let number = index + 1;
                self.refused.insert(Refused::Rule(
                    Subject {
                        kind: policy.kind.name(),
                        object: policy.object.clone(),
                    },
                    format!("{direction} rule {number} {why}"),
                ));
            }
            // "For "Accept" rules, "fail closed" means: "treat the rule as matching no traffic". For
            // "Deny" and "Pass" rules [...]: "treat the rule as a 'Deny all' rule"."
            if rule.peers.contains(&AdminPeer::Unknown) {
                if rule.action != AdminAction::Accept {
                    rules.push(Rule::new(vec![], ends.deny.clone()));
                }
                continue;
            }
            let traffic = Traffic {
                peers: Peers::of_administrators(&rule.peers),
                ports: Ports::of_administrators(rule.ports.as_deref(), direction, own),
            };
            let verdict = match rule.action {
                AdminAction::Accept => Verdict::Return,
                AdminAction::Deny => ends.deny.clone(),
                AdminAction::Pass => ends.next.clone(),
            };
            rules.extend(self.rules(&traffic, direction, family, &verdict)?);
        }
        Ok(rules)
    }

    /// The rules that give one verdict to some traffic.
    fn rules(
        &mut self,
        traffic: &Traffic,
        direction: Direction,
        family: Family,
        verdict: &Verdict,
    ) -> Result<Vec<Rule>, String> {
        let Traffic { peers, ports } = traffic;
        let mut rules = Vec::new();
        if let Some(numbers) = self.numbers(&ports.numbers, family)? {
            for addresses in self.sets.peers(peers, family)? {
                // Ports first: to compare them is cheaper than to look for an address.
                let mut matches: Vec<Match> = numbers.clone().into_iter().collect();
                matches.extend(address(addresses, direction, family));
                rules.push(Rule::new(matches, verdict.clone()));
            }
        }
        if !ports.names.is_empty() {
            let set = self.sets.sockets(peers, &ports.names, family)?;
            rules.push(Rule::new(vec![Match::Socket(family, set)], verdict.clone()));
        }
        Ok(rules)
    }

    /// How a rule asks for ports; `None` if there is none to ask for.
    fn numbers(
        &mut self,
        ports: &PortSet,
        family: Family,
    ) -> Result<Option<Option<Match>>, String> {
        if ports.is_empty() {
            return Ok(None);
        }
        if ports.is_all() {
            return Ok(Some(None));
        }
        let used = Protocol::ALL
            .iter()
            .filter(|p| !ports.ranges(**p).is_empty());
        let ranges: Vec<(Protocol, u16, u16)> = used
            .flat_map(|p| {
                ports
                    .ranges(*p)
                    .iter()
                    .map(|(first, last)| (*p, *first, *last))
            })
            .collect();
        Ok(Some(Some(match ranges[..] {
            [(protocol, 1, u16::MAX)] => Match::Protocol(protocol),
            [(protocol, first, last)] => Match::Port(protocol, first, last),
            _ => Match::Ports(self.sets.ports(ports, family)?),
        })))
    }

    fn add(&mut self, direction: Direction, chain: Chain) -> Result<String, String> {
        let (found, most) = (chain.rules.len(), self.settings.most_rules);
        if found > most {
            return Err(format!(
                "its {direction} policies need a chain of {found} rules, more than the limit of {most}"
            ));
        }
        let word = format!("{direction}{}", chain.family.digit());
        let name = name(&word, &(&chain.comment, &chain.rules));
        self.chains.insert(name.clone(), chain);
        Ok(name)
    }
}

/// The address of the peer.
fn address(addresses: Addresses, direction: Direction, family: Family) -> Option<Match> {
    let side = match direction {
        Direction::Ingress => Side::Source,
        Direction::Egress => Side::Destination,
    };
    match addresses {
        Addresses::All => None,
        Addresses::In(set) => Some(Match::Address {
            side,
            family,
            set,
            not: false,
        }),
    }
}

/// What of a rule cannot be enforced.
fn unmet(rule: &AdminRule) -> Option<&'static str> {
    let mut peers = rule.peers.iter();
    if rule.peers.contains(&AdminPeer::Unknown) {
        Some("has a peer of an unknown kind: it fails closed")
    } else if peers.any(|p| matches!(p, AdminPeer::DomainNames(_))) {
        Some("names domains, whose addresses are not known: they are not accepted")
    } else {
        None
    }
}
