//! `palisade-agent`: keeps a node's nftables equal to the policy set.
//!
//! ```text
//! directory ─┐                        ┌─► Kernel: the tables, one transaction at a time
//! cluster   ─┴─► Texts ─► Keeper ─► Enforcer
//!                last version that reads   └─► Status: metrics, readiness, log
//!                refused packets ─► Drops ─► a line with the policies that refuse them
//! ```
//!
//! [`Kernel`] is the tables in the kernel. [`Enforcer`] leads it from one policy set to the next, and keeps what
//! cannot be programmed closed. [`Texts`] is what the policy set is made of; [`Keeper`] brings the three together.

mod commands;
mod conntrack;
mod culprits;
mod directory;
mod doctor;
mod drops;
mod enforce;
mod http;
mod keeper;
mod kernel;
mod live;
mod log;
mod merged;
mod notices;
mod place;
mod revoke;
mod revoker;
mod socket;
mod status;
mod texts;
mod wanted;

pub use commands::main;
pub use conntrack::{Connection, Conntrack, Tuple};
pub use culprits::culprits;
pub use directory::{Directory, Looked};
pub use doctor::{Finding, State, examine};
pub use drops::{Drops, InForce};
pub use enforce::{Enforcer, Report};
pub use http::serve;
pub use keeper::Keeper;
pub use kernel::{Error, Kernel, is_ours};
pub use live::Live;
pub use log::{Level, Log};
pub use place::own;
pub use revoke::Revoked;
pub use revoker::{Change, Holds, Order, Revoker};
pub use status::{Dropped, Shared, Status};
pub use texts::{Reading, Texts};
pub use wanted::Wanted;
