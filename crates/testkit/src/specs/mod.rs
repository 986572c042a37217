//! The scenario corpus `specs/**/*.md`: pages that explain a rule to a reader and test it on every
//! engine.
//!
//! A page holds prose, and scenarios. A scenario is a fenced block `yaml manifests` followed by a
//! table; `yaml manifests cni=calico` chooses the network profile. Objects that all scenarios of a
//! page share stand in a block `yaml cluster` above them. A block `yaml rejected PAL0123` holds one
//! object that must be refused with that diagnostic.
//!
//! | From | To | Port | Verdict | Encryption |
//! |---|---|---|---|---|
//! | `shop/web` | `shop/db, 203.0.113.9` | 80, 53/UDP | Allow | None |
//!
//! Ends are pods as `namespace/name` or addresses; lists stand for every combination. The verdict is
//! Allow, Deny or Depends; the encryption None, TLS, MeshMTLS, or `-` where nothing can pass.

mod page;
mod run;

pub use page::{Expectation, Page, Row, Scenario, parse};
pub use run::{run, world, world_of};
