//! Scenarios, generators and the contract that every engine meets (tests only).

pub mod ambient;
#[cfg(feature = "apiserver")]
pub mod apiserver;
pub mod clusters;
mod contract;
pub mod cyclonus;
pub mod fuzz;
pub mod intents;
pub mod print;
pub mod processes;
pub mod soak;
pub mod specs;
pub mod wire;
pub mod worlds;

pub use contract::{Contract, Reference, Symbolic};
