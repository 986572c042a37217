//! Intent to artefacts, proven before they leave.
//!
//! [`TARGETS`] turn a closed matrix into objects ([`Artefacts`]), one file per target. [`LAYOUTS`] turn
//! proven artefacts into named texts; writing those to disk is the caller's.

mod artefacts;
mod halves;
mod layouts;
mod names;
mod proven;
mod rules;
mod selectors;
mod synthetic;
mod targets;

pub use artefacts::{Artefacts, Object};
pub use layouts::helm::{Chart, chart_of};
pub use layouts::{Files, LAYOUTS, Layout};
pub use proven::{Deployed, Proven, Refusal, compile, compile_also, prove, prove_chart};
pub use synthetic::synthetic_world;
pub use targets::docs;
pub use targets::{TARGETS, Target};
