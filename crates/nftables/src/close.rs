//! A ruleset with the pods of some signatures closed, for a kernel that does not take their rules.

use crate::build::{deny, is_deny};
use crate::model::{Family, Match, Ruleset, Verdict};
use std::collections::BTreeSet;

impl Ruleset {
    /// The chains that addresses of pods lead to, without the one that refuses everything.
    #[must_use]
    pub fn heads(&self) -> BTreeSet<String> {
        let heads = self.maps.values().flat_map(|map| map.elements.values());
        heads.filter(|head| !is_deny(head)).cloned().collect()
    }

    /// The same with every address that leads to one of some chains refused, and without what nothing leads to then.
    #[must_use]
    pub fn closing(&self, heads: &BTreeSet<String>) -> Self {
        let mut out = self.clone();
        for map in out.maps.values_mut() {
            let closed = map.elements.values_mut();
            for chain in closed.filter(|chain| heads.contains(*chain)) {
                *chain = deny(map.family);
            }
        }
        let reached = out.reached();
        out.chains.retain(|name, _| reached.contains(name));
        let rules = out.chains.values().flat_map(|chain| &chain.rules);
        let matches = rules.flat_map(|rule| &rule.matches);
        let used: BTreeSet<&str> = matches.filter_map(set_of).collect();
        let unused: Vec<String> = out
            .sets
            .keys()
            .filter(|name| !used.contains(name.as_str()))
            .cloned()
            .collect();
        for name in unused {
            out.sets.remove(&name);
        }
        out
    }

    /// The chains that packets may meet.
    fn reached(&self) -> BTreeSet<String> {
        let bases = self.chains.iter().filter(|(_, chain)| chain.base);
        let mut open: Vec<&str> = bases.map(|(name, _)| name.as_str()).collect();
        let denials = Family::ALL.map(deny);
        open.extend(denials.iter().map(String::as_str));
        let led = self.maps.values().flat_map(|map| map.elements.values());
        open.extend(led.map(String::as_str));
        let mut reached = BTreeSet::new();
        while let Some(name) = open.pop() {
            if !reached.insert(name.to_owned()) {
                continue;
            }
            let rules = self.chains.get(name).into_iter().flat_map(|c| &c.rules);
            open.extend(rules.filter_map(|rule| match &rule.verdict {
                Some(Verdict::Jump(chain) | Verdict::Goto(chain)) => Some(chain.as_str()),
                _ => None,
            }));
        }
        reached
    }
}

fn set_of(condition: &Match) -> Option<&str> {
    match condition {
        Match::Address { set, .. } | Match::Ports(set) | Match::Socket(_, set) => Some(set),
        _ => None,
    }
}
