//! The symbolic engine: what can talk, what was declared, and a witness for each difference.
//!
//! [`Engine`] answers for classes of pods and cells of addresses. [`prove`] compares an
//! [`Intent`](palisade_netmodel::Intent) with a [`World`](palisade_netmodel::World) in both
//! directions and for encryption. [`difference`] compares two worlds. No counterexample leaves this
//! crate before `netmodel::reference` has confirmed it.

mod compare;
mod difference;
mod engine;
mod explain;
mod exposure;
mod lints;
mod list;
mod names;
mod profiles;
mod prove;
mod ways_in;

pub use compare::compare;
pub use difference::{Change, Difference, difference, impact};
pub use engine::{
    AdminRuleId, Connection, Cuts, Edit, Effect, EndpointId, Engine, Flaw, HalfChange, Live,
    MeshChange, Moved, Pair, Passage, Relation, RuleId, Standing, Tunnels, Unfollowed,
};
pub use explain::explain;
pub use exposure::exposure;
pub use lints::{LINTS, Lint, lint, lint_engine, lint_named};
pub use list::{By, Query, Selection, list};
pub use names::Names;
pub use profiles::{against_declared, on_profiles, profiles};
pub use prove::{Options, Proof, concerns, prove};
pub use ways_in::{Behind, Door, DoorKind, SeenAs, WayIn, WaysIn, ways_in};
