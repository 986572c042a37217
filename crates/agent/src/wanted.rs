//! What a node is to enforce, kept current with what texts say: a change costs what depends on it.

use crate::merged::Step;
use crate::texts::Texts;
use palisade_netmodel::World;
use palisade_nftables::{Live, Node, Settings};

/// The ruleset of a node, of what texts say.
#[derive(Debug)]
pub struct Wanted {
    settings: Settings,
    live: Option<Live>,
}

impl Wanted {
    /// For a node of which nothing is known yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            live: None,
        }
    }

    /// Takes what texts say, of which the world was read just now.
    pub fn follow(&mut self, texts: &mut Texts, world: &World, node: &Node) -> &mut Live {
        let steps = texts.steps();
        self.steps(steps.as_deref(), world, node)
    }

    /// Takes what happened to the world since the last time; `None`: it may be another one.
    pub(crate) fn steps(
        &mut self,
        steps: Option<&[Step]>,
        world: &World,
        node: &Node,
    ) -> &mut Live {
        let before = self.live.take().filter(|live| live.node() == node);
        let live = match (before, steps) {
            (Some(mut live), Some(steps)) => {
                steps.iter().for_each(|step| step.follow(&mut live, world));
                live
            }
            _ => Live::of(world, node, &self.settings),
        };
        self.live.insert(live)
    }
}
