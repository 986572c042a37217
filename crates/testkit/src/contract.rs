//! The contract: for one flow of one world, an outcome and what is proven of the wire.

use palisade_netmodel::{Encryption, Flow, Outcome, World, reference};
use palisade_verify::Engine;

/// Anything that answers for flows.
pub trait Contract {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// The answers for flows of one world, in order.
    fn decide(&self, world: &World, flows: &[Flow]) -> Vec<(Outcome, Encryption)>;
}

/// `netmodel::reference`.
#[derive(Debug, Clone, Copy)]
pub struct Reference;

impl Contract for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn decide(&self, world: &World, flows: &[Flow]) -> Vec<(Outcome, Encryption)> {
        flows
            .iter()
            .map(|flow| {
                let decision = reference::decide(world, flow);
                (decision.outcome, decision.encryption)
            })
            .collect()
    }
}

/// `verify::Engine`.
#[derive(Debug, Clone, Copy)]
pub struct Symbolic;

impl Contract for Symbolic {
    fn name(&self) -> &'static str {
        "symbolic engine"
    }

    fn decide(&self, world: &World, flows: &[Flow]) -> Vec<(Outcome, Encryption)> {
        let engine = Engine::new(world);
        flows.iter().map(|flow| engine.decide(flow)).collect()
    }
}
