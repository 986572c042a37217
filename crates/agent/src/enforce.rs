//! From one policy set to the next.

use crate::kernel::{Error, Kernel};
use palisade_netmodel::World;
use palisade_nftables::{Built, Node, Refused, Ruleset, Settings, build};

/// Keeps one node's table equal to the policy set that it was given last.
#[derive(Debug)]
pub struct Enforcer {
    kernel: Kernel,
    settings: Settings,
    /// What is in the kernel, as far as is known: not before the first time, and not after a failure.
    applied: Option<Ruleset>,
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
            settings,
            applied: None,
        })
    }

    /// What is in force.
    #[must_use]
    pub fn applied(&self) -> Option<&Ruleset> {
        self.applied.as_ref()
    }

    /// Makes a policy set the one in force.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it. What was in force before stays so.
    pub fn enforce(&mut self, world: &World, node: &Node) -> Result<Report, Error> {
        let Built { ruleset, refused } = build(world, node, &self.settings);
        let filled_anew = self.apply(&ruleset)?;
        self.applied = Some(ruleset);
        Ok(Report {
            refused,
            filled_anew,
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
