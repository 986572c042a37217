//! From one ruleset to the next without a moment in which a packet meets neither.
//!
//! Three transactions. *Publish* adds sets and chains that nothing leads to yet. *Switch* changes elements,
//! maps and the chains with fixed names, all at once. *Collect* removes what nothing leads to any more.
//! A chain that is added and jumped to in one transaction could be met while it is still empty, by a packet
//! that read the generation of the rules before, and the map after the change; published first, it cannot.

use crate::model::{Chain, Element, Elements, Map, Rule, Ruleset, Set};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// One command to the kernel, about the table of its ruleset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation<'r> {
    /// Adds the table unless it is there.
    AddTable,
    /// Adds a set, without elements.
    AddSet(&'r str, &'r Set),
    /// Adds a map, without elements.
    AddMap(&'r str, &'r Map),
    /// Adds a chain, without rules.
    AddChain(&'r str, &'r Chain),
    /// Appends rules to a chain.
    AddRules(&'r str, &'r [Rule]),
    /// Removes all rules of a chain.
    FlushChain(&'r str),
    /// Removes all elements of a set or map.
    FlushElements(&'r str),
    /// Adds elements to a set.
    AddElements(&'r str, Vec<Element>),
    /// Removes elements of a set.
    DeleteElements(&'r str, Vec<Element>),
    /// Adds jumps to a map.
    AddJumps(&'r str, Vec<(IpAddr, &'r str)>),
    /// Removes the jumps of addresses.
    DeleteJumps(&'r str, Vec<(IpAddr, &'r str)>),
    /// Removes a chain that has no rules and is not led to.
    DeleteChain(&'r str),
    /// Removes a set that no rule names.
    DeleteSet(&'r str),
    /// Removes the table with everything in it: nothing is enforced any more.
    DeleteTable,
}

impl fmt::Display for Operation<'_> {
    /// For messages: `adding 3 rules to chain x`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddTable => f.write_str("adding the table"),
            Self::AddSet(name, _) => write!(f, "adding set {name}"),
            Self::AddMap(name, _) => write!(f, "adding map {name}"),
            Self::AddChain(name, _) => write!(f, "adding chain {name}"),
            Self::AddRules(name, rules) => {
                write!(f, "adding {} rules to chain {name}", rules.len())
            }
            Self::FlushChain(name) => write!(f, "emptying chain {name}"),
            Self::FlushElements(name) => write!(f, "emptying set {name}"),
            Self::AddElements(name, all) => {
                write!(f, "adding {} elements to set {name}", all.len())
            }
            Self::DeleteElements(name, all) => {
                write!(f, "removing {} elements from set {name}", all.len())
            }
            Self::AddJumps(name, all) => write!(f, "adding {} elements to map {name}", all.len()),
            Self::DeleteJumps(name, all) => {
                write!(f, "removing {} elements from map {name}", all.len())
            }
            Self::DeleteChain(name) => write!(f, "removing chain {name}"),
            Self::DeleteSet(name) => write!(f, "removing set {name}"),
            Self::DeleteTable => f.write_str("removing the table"),
        }
    }
}

/// What to do, in this order; each a transaction of its own, empty if there is nothing to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update<'r> {
    /// New sets and chains.
    pub publish: Vec<Operation<'r>>,
    /// What packets notice.
    pub switch: Vec<Operation<'r>>,
    /// What is not needed any more.
    pub collect: Vec<Operation<'r>>,
}

/// The names in a kernel's table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Present {
    /// Its sets and maps.
    pub sets: BTreeSet<String>,
    /// Its chains.
    pub chains: BTreeSet<String>,
}

impl<'r> Update<'r> {
    /// What changes the elements of sets, and nothing else.
    #[must_use]
    pub fn of_elements(changed: &'r [Elements]) -> Self {
        let mut update = Self::default();
        for Elements { set, gone, new, .. } in changed {
            update.change(set, gone.clone(), new.clone());
        }
        update
    }

    fn change(&mut self, set: &'r str, gone: Vec<Element>, new: Vec<Element>) {
        if !gone.is_empty() {
            self.switch.push(Operation::DeleteElements(set, gone));
        }
        if !new.is_empty() {
            self.switch.push(Operation::AddElements(set, new));
        }
    }

    /// Whether nothing is to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps().iter().all(|step| step.is_empty())
    }

    /// The transactions, in their order.
    #[must_use]
    pub fn steps(&self) -> [&[Operation<'r>]; 3] {
        [&self.publish, &self.switch, &self.collect]
    }

    fn add_set(&mut self, name: &'r str, set: &'r Set) {
        self.publish.push(Operation::AddSet(name, set));
        if !set.elements.is_empty() {
            let elements = set.elements.to_vec();
            self.publish.push(Operation::AddElements(name, elements));
        }
    }

    fn add_chains(&mut self, chains: &[(&'r str, &'r Chain)]) {
        // Chains before rules, which may lead to any of them.
        for (name, chain) in chains {
            self.step(chain).push(Operation::AddChain(name, chain));
        }
        for (name, chain) in chains {
            self.step(chain)
                .push(Operation::AddRules(name, &chain.rules));
        }
    }

    /// Where a new chain belongs: packets meet a base chain as soon as it is there.
    fn step(&mut self, chain: &Chain) -> &mut Vec<Operation<'r>> {
        if chain.base {
            &mut self.switch
        } else {
            &mut self.publish
        }
    }

    fn refill(&mut self, name: &'r str, chain: &'r Chain) {
        self.switch.push(Operation::FlushChain(name));
        self.switch.push(Operation::AddRules(name, &chain.rules));
    }

    fn collect(&mut self, chains: &[&'r str], sets: impl Iterator<Item = &'r str>) {
        // Rules before chains, since they may lead to one another.
        self.collect
            .extend(chains.iter().map(|n| Operation::FlushChain(n)));
        self.collect
            .extend(chains.iter().map(|n| Operation::DeleteChain(n)));
        self.collect.extend(sets.map(Operation::DeleteSet));
    }
}

impl Ruleset {
    /// What turns the kernel's table, which is `old`, into this one. Neither may be of another table.
    #[must_use]
    pub fn update_from<'r>(&'r self, old: &'r Self) -> Update<'r> {
        let mut update = Update::default();
        for (name, set) in &self.sets {
            match old.sets.get(name) {
                Some(before) => {
                    let (gone, new) = set.elements.changed_since(&before.elements);
                    update.change(name, gone, new);
                }
                None => update.add_set(name, set),
            }
        }
        let new: Vec<(&str, &Chain)> = self
            .chains
            .iter()
            .filter(|(name, _)| !old.chains.contains_key(*name))
            .map(|(name, chain)| (name.as_str(), chain))
            .collect();
        update.add_chains(&new);
        for (name, chain) in &self.chains {
            if old
                .chains
                .get(name)
                .is_some_and(|before| before.rules != chain.rules)
            {
                update.refill(name, chain);
            }
        }
        for (name, map) in &self.maps {
            jumps(&mut update, name, map, old.maps.get(name));
        }
        let chains: Vec<&str> = old
            .chains
            .keys()
            .filter(|name| !self.chains.contains_key(*name))
            .map(String::as_str)
            .collect();
        let sets = old
            .sets
            .keys()
            .filter(|name| !self.sets.contains_key(*name));
        update.collect(&chains, sets.map(String::as_str));
        update
    }

    /// What makes the kernel's table this one, whatever is in it: only the names of what it has are known.
    /// Everything that stays is filled anew in one transaction, so packets notice nothing.
    #[must_use]
    pub fn update_from_names<'r>(&'r self, present: &'r Present) -> Update<'r> {
        let mut update = Update::default();
        update.publish.push(Operation::AddTable);
        for (name, set) in &self.sets {
            if present.sets.contains(name) {
                update.switch.push(Operation::FlushElements(name));
                let elements = set.elements.to_vec();
                if !elements.is_empty() {
                    update.switch.push(Operation::AddElements(name, elements));
                }
            } else {
                update.add_set(name, set);
            }
        }
        for (name, map) in self
            .maps
            .iter()
            .filter(|(name, _)| !present.sets.contains(*name))
        {
            update.publish.push(Operation::AddMap(name, map));
        }
        let (there, new): (Vec<_>, Vec<_>) = self
            .chains
            .iter()
            .map(|(name, chain)| (name.as_str(), chain))
            .partition(|(name, _)| present.chains.contains(*name));
        update.add_chains(&new);
        for (name, chain) in there {
            update.refill(name, chain);
        }
        for (name, map) in &self.maps {
            if present.sets.contains(name) {
                update.switch.push(Operation::FlushElements(name));
            }
            add_jumps(&mut update, name, map.elements.iter());
        }
        let chains: Vec<&str> = present
            .chains
            .iter()
            .filter(|name| !self.chains.contains_key(*name))
            .map(String::as_str)
            .collect();
        let known =
            |name: &&String| !self.sets.contains_key(*name) && !self.maps.contains_key(*name);
        let sets = present.sets.iter().filter(known);
        update.collect(&chains, sets.map(String::as_str));
        update
    }
}

fn jumps<'r>(update: &mut Update<'r>, name: &'r str, map: &'r Map, old: Option<&'r Map>) {
    let Some(old) = old else {
        update.publish.push(Operation::AddMap(name, map));
        add_jumps(update, name, map.elements.iter());
        return;
    };
    let gone = old
        .elements
        .iter()
        .filter(|(address, chain)| map.elements.get(*address) != Some(*chain));
    let gone: Vec<(IpAddr, &str)> = gone
        .map(|(address, chain)| (*address, chain.as_str()))
        .collect();
    if !gone.is_empty() {
        update.switch.push(Operation::DeleteJumps(name, gone));
    }
    let new = map
        .elements
        .iter()
        .filter(|(address, chain)| old.elements.get(*address) != Some(*chain));
    add_jumps(update, name, new);
}

fn add_jumps<'r>(
    update: &mut Update<'r>,
    name: &'r str,
    elements: impl Iterator<Item = (&'r IpAddr, &'r String)>,
) {
    let elements: Vec<(IpAddr, &str)> = elements.map(|(a, chain)| (*a, chain.as_str())).collect();
    if !elements.is_empty() {
        update.switch.push(Operation::AddJumps(name, elements));
    }
}
