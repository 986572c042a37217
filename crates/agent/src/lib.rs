//! Keeps a node's nftables equal to the policy set.
//!
//! [`Kernel`] is the table in the kernel, one transaction at a time. [`Enforcer`] leads it from one policy set to
//! the next, and keeps what cannot be programmed closed.

mod conntrack;
mod enforce;
mod kernel;
mod revoke;
mod socket;

pub use conntrack::{Connection, Conntrack, Tuple};
pub use enforce::{Enforcer, Report};
pub use kernel::{Error, Kernel};
pub use revoke::Revoked;
