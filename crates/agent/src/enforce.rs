//! From one policy set to the next.

use crate::conntrack::Conntrack;
use crate::culprits::culprits;
use crate::kernel::{Error, Kernel};
use crate::revoke::{self, Revoked};
use crate::revoker::{Order, Revoker};
use palisade_netmodel::World;
use palisade_nftables::{
    Built, Change, Denial, Elements, Live, Node, Refused, Ruleset, Settings, Update, build,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Keeps one node's tables equal to the policy set that it was given last.
#[derive(Debug)]
pub struct Enforcer {
    kernel: Kernel,
    conntrack: Conntrack,
    settings: Settings,
    /// What packets meet; not known before the first time.
    in_force: Option<Arc<Set>>,
    /// Whether that is all that the kernel's table has: not after a failure.
    exact: bool,
    /// The generation of the kernel's rules when it was seen to have what was left there.
    intact: Option<u32>,
    revoker: Option<Revoker>,
}

/// A policy set as it is enforced.
#[derive(Debug, Clone)]
struct Set {
    ruleset: Arc<Ruleset>,
    /// What is not enforced as written.
    refused: Vec<Refused>,
    /// Whether that is so because of the kernel.
    closed: bool,
    /// What the prefixes of logged packets mean.
    denials: BTreeMap<String, Denial>,
    /// The node's addresses.
    node: Vec<IpAddr>,
}

impl Set {
    fn order(&self) -> Order {
        Order {
            ruleset: Arc::clone(&self.ruleset),
            node: self.node.clone(),
        }
    }
}

/// What became of a policy set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What is not enforced as written, always on the closed side.
    pub refused: Vec<Refused>,
    /// Whether the kernel's table had to be filled anew, since it was not as it was left.
    pub filled_anew: bool,
    /// Whether elements of sets are all that may be different.
    pub elements_alone: bool,
}

impl Enforcer {
    /// Takes over the table, whatever is in it; it stays in force until the first policy set comes.
    ///
    /// # Errors
    ///
    /// If the kernel has no nf_tables, or the process no right to it.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        Ok(Self {
            kernel: Kernel::open(&settings.table)?,
            conntrack: Conntrack::open()?,
            settings,
            in_force: None,
            exact: false,
            intact: None,
            revoker: None,
        })
    }

    /// Has connections judged anew, by another thread, whenever other rules come into force.
    #[must_use]
    pub fn revoked_by(mut self, revoker: Revoker) -> Self {
        self.revoker = Some(revoker);
        self
    }

    /// What is in force.
    #[must_use]
    pub fn applied(&self) -> Option<&Ruleset> {
        self.in_force.as_ref().map(|set| &*set.ruleset)
    }

    /// What can be chosen.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether rules log what they refuse.
    #[must_use]
    pub fn logs(&self) -> bool {
        self.settings.log.is_some()
    }

    /// What the prefixes of packets mean that rules in force log.
    #[must_use]
    pub fn denials(&self) -> BTreeMap<String, Denial> {
        let set = self.in_force.as_ref();
        set.map_or_else(BTreeMap::new, |set| set.denials.clone())
    }

    /// Whether the kernel's tables have the objects that were left there, by name; also if the kernel does not say.
    /// They are listed only if somebody changed rules since the last time, of whatever table: all those of a node are
    /// many.
    #[must_use]
    pub fn is_intact(&mut self) -> bool {
        let Some(applied) = self.applied().filter(|_| self.exact) else {
            return true;
        };
        let Ok(generation) = self.kernel.generation() else {
            return true;
        };
        if self.intact == Some(generation) {
            return true;
        }
        let Ok(present) = self.kernel.present() else {
            return true;
        };
        let intact = present == applied.names();
        self.intact = Some(generation).filter(|_| intact);
        intact
    }

    /// Takes the table for one whose content is not known: the next policy set fills it anew.
    pub fn distrust(&mut self) {
        self.exact = false;
    }

    /// Makes a policy set the one in force.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it. What was in force before stays so.
    pub fn enforce(&mut self, world: &World, node: &Node) -> Result<Report, Error> {
        self.put(world, node, build(world, node, &self.settings))
    }

    /// Makes a ruleset the one in force, which is built of a world and a node. If the kernel does not take all of it,
    /// the pods whose rules it does not take are closed, and the rest is in force.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it whoever is closed. What was in force before stays so.
    pub fn put(&mut self, world: &World, node: &Node, built: Built) -> Result<Report, Error> {
        let mut whole = Set {
            ruleset: Arc::new(built.ruleset),
            refused: built.refused,
            closed: false,
            denials: built.denials,
            node: node.addresses.clone(),
        };
        let filled_anew = match self.apply(&Arc::new(whole.clone())) {
            Ok(filled_anew) => filled_anew,
            Err(error) => {
                let heads = self.culprits(&whole.ruleset);
                let heads = heads.ok_or_else(|| error.clone())?;
                let pods = closed_pods(world, &whole.ruleset, &heads, &error);
                whole.refused.extend(pods);
                whole.refused.sort();
                whole.refused.dedup();
                whole.ruleset = Arc::new(whole.ruleset.closing(&heads));
                whole.closed = true;
                self.apply(&Arc::new(whole.clone()))?
            }
        };
        Ok(Report {
            refused: whole.refused,
            filled_anew,
            elements_alone: false,
        })
    }

    /// Makes what a node's ruleset became the one in force.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it whoever is closed. What was in force before stays so.
    pub fn follow(&mut self, world: &World, live: &mut Live) -> Result<Report, Error> {
        let built = match live.take() {
            Change::Whole(built) => built,
            Change::Elements(changed) => match self.elements(&changed) {
                Some(report) => return Ok(report),
                None => live.whole(),
            },
        };
        let node = live.node().clone();
        self.put(world, &node, built)
    }

    /// Changes elements alone; `None` if that does not do.
    fn elements(&mut self, changed: &[Elements]) -> Option<Report> {
        let set = self.in_force.as_mut()?;
        if !self.exact || set.closed {
            return None;
        }
        if !changed.is_empty() {
            self.exact = false;
            let change = self.revoker.as_ref().map(Revoker::change);
            let update = Update::of_elements(changed);
            self.kernel.commit(&update.switch).ok()?;
            let set = Arc::make_mut(set);
            Arc::make_mut(&mut set.ruleset).set_elements(changed);
            if let Some(change) = change {
                change.done(set.order());
            }
            self.exact = true;
        }
        Some(Report {
            refused: set.refused.clone(),
            filled_anew: false,
            elements_alone: true,
        })
    }

    /// Ends the connections that what is in force does not let pass any more, and spares those that it lets pass
    /// again. Takes as long as listing all connections; an agent has a [`Revoker`](crate::Revoker) do it.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn revoke(&self) -> Result<Revoked, Error> {
        match &self.in_force {
            None => Ok(Revoked::default()),
            Some(set) => {
                let (node, bit) = (&set.node, self.settings.revoked);
                revoke::revoke(&self.conntrack, &set.ruleset, node, bit, &|| true)
            }
        }
    }

    /// The chains that the kernel does not take. It is asked, and nothing happens.
    fn culprits(&self, ruleset: &Ruleset) -> Option<BTreeSet<String>> {
        let present = self.kernel.present().ok()?;
        culprits(ruleset, &mut |fewer| {
            let update = fewer.update_from_names(&present);
            self.kernel.check(&update.steps().concat()).is_ok()
        })
    }

    /// Changes what is different; if the table is not as it was left, fills it anew.
    fn apply(&mut self, set: &Arc<Set>) -> Result<bool, Error> {
        if std::mem::take(&mut self.exact)
            && let Some(before) = self.in_force.clone()
            && self
                .lead(set, &set.ruleset.update_from(&before.ruleset))
                .is_ok()
        {
            return Ok(false);
        }
        let present = self.kernel.present()?;
        self.lead(set, &set.ruleset.update_from_names(&present))?;
        Ok(true)
    }

    /// Leads the kernel's table to a policy set. If that fails, one of the two is in force as a whole.
    fn lead(&mut self, set: &Arc<Set>, update: &Update<'_>) -> Result<(), Error> {
        self.kernel.commit(&update.publish)?;
        let before = self.in_force.as_ref();
        let same = update.switch.is_empty() && before.is_some_and(|b| b.node == set.node);
        let revoker = self.revoker.as_ref().filter(|_| !same);
        let change = revoker.map(Revoker::change);
        // A transaction that is refused has not happened, and what was ordered before holds on.
        self.kernel.commit(&update.switch)?;
        if let Some(change) = change {
            change.done(set.order());
        }
        self.in_force = Some(Arc::clone(set));
        self.kernel.commit(&update.collect)?;
        self.exact = true;
        Ok(())
    }
}

/// The pods whose addresses lead to chains that the kernel does not take.
fn closed_pods(
    world: &World,
    ruleset: &Ruleset,
    closed: &BTreeSet<String>,
    error: &Error,
) -> Vec<Refused> {
    let mut out = Vec::new();
    for (address, head) in ruleset.maps.values().flat_map(|map| &map.elements) {
        if !closed.contains(head) {
            continue;
        }
        let policies = ruleset.chains.get(head).map(|chain| chain.comment.as_str());
        let policies = policies.unwrap_or_default();
        let cause = error.cause.desc();
        let why = format!("the kernel does not take the rules of {policies}: {cause}");
        let mut pods = world.pods.iter();
        let pod = pods.find(|pod| pod.addresses.known.contains(address));
        out.extend(pod.map(|pod| Refused::Pod(pod.object(), why)));
    }
    out
}
