//! From one ruleset to the next without a moment in which a packet meets neither.
//!
//! Three transactions. *Publish* adds sets and chains that nothing leads to yet. *Switch* changes elements,
//! maps and the chains with fixed names, all at once. *Collect* removes what nothing leads to any more.
//! A chain that is added and jumped to in one transaction could be met while it is still empty, by a packet
//! that read the generation of the rules before, and the map after the change; published first, it cannot.

use crate::model::{Chain, Element, Elements, Family, Map, Rule, Ruleset, Set};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// One command to the kernel, about one of the tables of its ruleset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<'r> {
    /// The family of the table.
    pub family: Family,
    /// What to do.
    pub command: Command<'r>,
}

/// What to do to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'r> {
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

impl<'r> Operation<'r> {
    /// A command about the table of a family.
    #[must_use]
    pub fn new(family: Family, command: Command<'r>) -> Self {
        Self { family, command }
    }
}

impl fmt::Display for Command<'_> {
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

/// The names in a kernel's tables, each with the family of its table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Present {
    /// Its sets and maps.
    pub sets: BTreeSet<(Family, String)>,
    /// Its chains.
    pub chains: BTreeSet<(Family, String)>,
}

impl<'r> Update<'r> {
    /// What changes the elements of sets, and nothing else.
    #[must_use]
    pub fn of_elements(changed: &'r [Elements]) -> Self {
        let mut update = Self::default();
        for one in changed {
            update.change(one.family, &one.set, one.gone.clone(), one.new.clone());
        }
        update
    }

    fn change(&mut self, family: Family, set: &'r str, gone: Vec<Element>, new: Vec<Element>) {
        let mut switch = |command| self.switch.push(Operation::new(family, command));
        if !gone.is_empty() {
            switch(Command::DeleteElements(set, gone));
        }
        if !new.is_empty() {
            switch(Command::AddElements(set, new));
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
        let family = set.kind.family();
        let mut publish = |command| self.publish.push(Operation::new(family, command));
        publish(Command::AddSet(name, set));
        if !set.elements.is_empty() {
            publish(Command::AddElements(name, set.elements.to_vec()));
        }
    }

    fn add_chains(&mut self, chains: &[(&'r str, &'r Chain)]) {
        // Chains before rules, which may lead to any of them.
        for (name, chain) in chains {
            let added = Command::AddChain(name, chain);
            self.step(chain).push(Operation::new(chain.family, added));
        }
        for (name, chain) in chains {
            let filled = Command::AddRules(name, &chain.rules);
            self.step(chain).push(Operation::new(chain.family, filled));
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
        let mut switch = |command| self.switch.push(Operation::new(chain.family, command));
        switch(Command::FlushChain(name));
        switch(Command::AddRules(name, &chain.rules));
    }

    fn collect(
        &mut self,
        chains: &[(Family, &'r str)],
        sets: impl Iterator<Item = (Family, &'r str)>,
    ) {
        let each = |(family, command)| Operation::new(family, command);
        let flushed = chains.iter().map(|(f, n)| (*f, Command::FlushChain(n)));
        let deleted = chains.iter().map(|(f, n)| (*f, Command::DeleteChain(n)));
        // Rules before chains, since they may lead to one another.
        self.collect.extend(flushed.chain(deleted).map(each));
        let sets = sets.map(|(family, name)| (family, Command::DeleteSet(name)));
        self.collect.extend(sets.map(each));
    }
}

impl Ruleset {
    /// The names of what it has.
    #[must_use]
    pub fn names(&self) -> Present {
        let sets = self.sets.iter();
        let sets = sets.map(|(name, set)| (set.kind.family(), name.clone()));
        let maps = self.maps.iter();
        let maps = maps.map(|(name, map)| (map.family, name.clone()));
        let chains = self.chains.iter();
        let chains = chains.map(|(name, chain)| (chain.family, name.clone()));
        Present {
            sets: sets.chain(maps).collect(),
            chains: chains.collect(),
        }
    }

    /// What turns the kernel's tables, which are `old`, into these. Neither may be of other tables.
    #[must_use]
    pub fn update_from<'r>(&'r self, old: &'r Self) -> Update<'r> {
        let mut update = Update::default();
        for (name, set) in &self.sets {
            match old.sets.get(name) {
                Some(before) => {
                    let (gone, new) = set.elements.changed_since(&before.elements);
                    update.change(set.kind.family(), name, gone, new);
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
        let chains: Vec<(Family, &str)> = old
            .chains
            .iter()
            .filter(|(name, _)| !self.chains.contains_key(*name))
            .map(|(name, chain)| (chain.family, name.as_str()))
            .collect();
        let sets = old.sets.iter();
        let sets = sets.filter(|(name, _)| !self.sets.contains_key(*name));
        let sets = sets.map(|(name, set)| (set.kind.family(), name.as_str()));
        update.collect(&chains, sets);
        update
    }

    /// What makes the kernel's tables these, whatever is in them: only the names of what they have are known.
    /// Everything that stays is filled anew in one transaction, so packets notice nothing.
    #[must_use]
    pub fn update_from_names<'r>(&'r self, present: &'r Present) -> Update<'r> {
        let mut update = Update::default();
        let tables = Family::ALL.map(|family| Operation::new(family, Command::AddTable));
        update.publish.extend(tables);
        let has = |all: &BTreeSet<(Family, String)>, family: Family, name: &String| {
            all.contains(&(family, name.clone()))
        };
        for (name, set) in &self.sets {
            let family = set.kind.family();
            if has(&present.sets, family, name) {
                let flush = Command::FlushElements(name);
                update.switch.push(Operation::new(family, flush));
                update.change(family, name, Vec::new(), set.elements.to_vec());
            } else {
                update.add_set(name, set);
            }
        }
        let (there, new): (Vec<_>, Vec<_>) = self
            .chains
            .iter()
            .partition(|(name, chain)| has(&present.chains, chain.family, name));
        let new: Vec<(&str, &Chain)> = new.into_iter().map(|(n, c)| (n.as_str(), c)).collect();
        update.add_chains(&new);
        for (name, chain) in there {
            update.refill(name, chain);
        }
        for (name, map) in &self.maps {
            if has(&present.sets, map.family, name) {
                let flush = Command::FlushElements(name);
                update.switch.push(Operation::new(map.family, flush));
            } else {
                let add = Command::AddMap(name, map);
                update.publish.push(Operation::new(map.family, add));
            }
            add_jumps(&mut update, name, map, map.elements.iter());
        }
        let ours = self.names();
        let chains = present.chains.iter();
        let chains = chains.filter(|one| !ours.chains.contains(one));
        let chains: Vec<_> = chains.map(|(f, name)| (*f, name.as_str())).collect();
        let sets = present.sets.iter();
        let sets = sets.filter(|one| !ours.sets.contains(one));
        update.collect(&chains, sets.map(|(f, name)| (*f, name.as_str())));
        update
    }
}

fn jumps<'r>(update: &mut Update<'r>, name: &'r str, map: &'r Map, old: Option<&'r Map>) {
    let Some(old) = old else {
        let add = Command::AddMap(name, map);
        update.publish.push(Operation::new(map.family, add));
        add_jumps(update, name, map, map.elements.iter());
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
        let delete = Command::DeleteJumps(name, gone);
        update.switch.push(Operation::new(map.family, delete));
    }
    let new = map
        .elements
        .iter()
        .filter(|(address, chain)| old.elements.get(*address) != Some(*chain));
    add_jumps(update, name, map, new);
}

fn add_jumps<'r>(
    update: &mut Update<'r>,
    name: &'r str,
    map: &Map,
    elements: impl Iterator<Item = (&'r IpAddr, &'r String)>,
) {
    let elements: Vec<(IpAddr, &str)> = elements.map(|(a, chain)| (*a, chain.as_str())).collect();
    if !elements.is_empty() {
        let add = Command::AddJumps(name, elements);
        update.switch.push(Operation::new(map.family, add));
    }
}
