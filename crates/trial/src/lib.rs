//! A world in the lab: enforced by the agent, probed with real packets, compared with the reference.
//!
//! [`Trial::build`] makes a network of namespaces with a pod for each pod of a world, [`Trial::enforce`] has each
//! node's agent program its kernel, and [`Trial::compare`] asks the kernel with packets what the reference
//! answers from the specification. [`mesh`] puts Envoy before the pods of a service mesh.

mod kinds;
mod matter;
pub mod mesh;
mod place;
mod services;
mod truth;

pub use kinds::{reduce, without_mesh};
pub use matter::{OTHER, addresses_that_matter};
pub use place::{Options, Trial};
pub use services::{Called, Published};
pub use truth::{Answered, Asked, Table};

use std::fmt;

/// Why a trial cannot go on.
#[derive(Debug)]
pub enum Error {
    /// The network of namespaces.
    Lab(palisade_netlab::Error),
    /// The kernel's tables.
    Kernel(palisade_agent::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lab(error) => error.fmt(f),
            Self::Kernel(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<palisade_netlab::Error> for Error {
    fn from(error: palisade_netlab::Error) -> Self {
        Self::Lab(error)
    }
}

impl From<palisade_agent::Error> for Error {
    fn from(error: palisade_agent::Error) -> Self {
        Self::Kernel(error)
    }
}
