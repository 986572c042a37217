//! Keeps a node's nftables equal to the policy set.
//!
//! [`Kernel`] is the table in the kernel, one transaction at a time. [`Enforcer`] leads it from one policy set to
//! the next, and keeps what cannot be programmed closed.

mod enforce;
mod kernel;

pub use enforce::{Enforcer, Report};
pub use kernel::{Error, Kernel};
