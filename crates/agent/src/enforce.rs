//! From one policy set to the next.

use crate::conntrack::Conntrack;
use crate::culprits::culprits;
use crate::kernel::{Error, Kernel};
use crate::revoke::{self, Revoked};
use crate::revoker::Order;
use palisade_netmodel::World;
use palisade_nftables::{Built, Denial, Node, Refused, Ruleset, Settings, build};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Keeps one node's table equal to the policy set that it was given last.
#[derive(Debug)]
pub struct Enforcer {
    kernel: Kernel,
    conntrack: Conntrack,
    settings: Settings,
    /// What is in the kernel, as far as is known: not before the first time, and not after a failure.
    applied: Option<Arc<Ruleset>>,
    /// What the prefixes of logged packets mean.
    denials: BTreeMap<String, Denial>,
    /// The node's addresses.
    node: Vec<IpAddr>,
}

/// What became of a policy set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What is not enforced as written, always on the closed side.
    pub refused: Vec<Refused>,
    /// Whether the kernel's table had to be filled anew, since it was not as it was left.
    pub filled_anew: bool,
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
            applied: None,
            denials: BTreeMap::new(),
            node: Vec::new(),
        })
    }

    /// What is in force.
    #[must_use]
    pub fn applied(&self) -> Option<&Ruleset> {
        self.applied.as_deref()
    }

    /// Whether rules log what they refuse.
    #[must_use]
    pub fn logs(&self) -> bool {
        self.settings.log.is_some()
    }

    /// What the prefixes of packets mean that rules in force log.
    #[must_use]
    pub fn denials(&self) -> &BTreeMap<String, Denial> {
        &self.denials
    }

    /// Whether the kernel's table has the objects that were left there, by name; also if the kernel does not say.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        let (Some(applied), Ok(present)) = (&self.applied, self.kernel.present()) else {
            return true;
        };
        let sets = applied.sets.keys().chain(applied.maps.keys());
        present.chains.iter().eq(applied.chains.keys())
            && present.sets == sets.cloned().collect::<BTreeSet<String>>()
    }

    /// Takes the table for one whose content is not known: the next policy set fills it anew.
    pub fn distrust(&mut self) {
        self.applied = None;
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
        let Built {
            mut ruleset,
            mut refused,
            denials,
        } = built;
        let filled_anew = match self.apply(&ruleset) {
            Ok(filled_anew) => filled_anew,
            Err(error) => {
                let closed = self.culprits(&ruleset).ok_or_else(|| error.clone())?;
                refused.extend(closed_pods(world, &ruleset, &closed, &error));
                refused.sort();
                refused.dedup();
                ruleset = ruleset.closing(&closed);
                self.apply(&ruleset)?
            }
        };
        self.applied = Some(Arc::new(ruleset));
        self.denials = denials;
        self.node.clone_from(&node.addresses);
        Ok(Report {
            refused,
            filled_anew,
        })
    }

    /// Ends the connections that what is in force does not let pass any more, and spares those that it lets pass
    /// again. Takes as long as listing all connections; an agent has a [`Revoker`](crate::Revoker) do it.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn revoke(&self) -> Result<Revoked, Error> {
        match &self.applied {
            None => Ok(Revoked::default()),
            Some(ruleset) => {
                let (node, bit) = (&self.node, self.settings.revoked);
                revoke::revoke(&self.conntrack, ruleset, node, bit, &|| true)
            }
        }
    }

    /// What a [`Revoker`](crate::Revoker) judges by.
    #[must_use]
    pub fn order(&self) -> Option<Order> {
        Some(Order {
            ruleset: Arc::clone(self.applied.as_ref()?),
            node: self.node.clone(),
        })
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
    fn apply(&mut self, ruleset: &Ruleset) -> Result<bool, Error> {
        if let Some(applied) = self.applied.take()
            && self.kernel.update(&ruleset.update_from(&applied)).is_ok()
        {
            return Ok(false);
        }
        let present = self.kernel.present()?;
        self.kernel.update(&ruleset.update_from_names(&present))?;
        Ok(true)
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
