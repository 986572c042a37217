//! A small network on one machine: nodes and pods as network namespaces, real packets, probes.
//!
//! The lab answers one question independently of everything else here: *what does the kernel do?* It knows
//! names, addresses and ports, and no policy; how a ruleset gets into a node is the caller's affair
//! ([`Lab::inside`]).
//!
//! * [`Plan`] says which nodes, pods and outside hosts there are; [`Lab::build`] makes them. Each is a [`Host`]
//!   with a namespace of its own.
//! * A pod hangs on its node by a veth pair ([`Link`]): *routed* (its own /32 and /128, gateway 169.254.1.1 and
//!   fe80::1, host routes in the node) or *bridged* (a subnet and a bridge for each node). Nodes and outside
//!   hosts share an underlay, a bridge in one more namespace.
//! * [`Lab::probe`] sends thousands of single probes at once; [`Lab::stream`] holds a connection open over a change
//!   of rules; [`Lab::flood`] counts packets, each with its number, while rules change.
//!
//! **Nothing is left behind.** Namespaces have no names: file descriptors of this process hold them, and the
//! kernel removes a namespace with its interfaces, addresses and rules once the last descriptor and socket are
//! closed, however the process ends. Nothing in the namespace in which the process started is touched.
//!
//! **No thread is ever in a wrong namespace.** A thread that enters one lives for that job and ends; sockets stay where
//! they were opened, so one thread can serve the sockets of all hosts.
//!
//! **Neighbours are permanent**: the kernel limits learned neighbours over all namespaces together (1,024 by default),
//! and a lab must not depend on it. Two pods of one bridge are made known to each other when a connection between them
//! is tried; only what somebody else sends, by hand or by a sidecar, is learned.

mod error;
mod flood;
mod lab;
mod namespace;
mod neighbours;
mod netlink;
mod plan;
mod privilege;
mod probe;
mod push;
mod responder;
mod sctp;
mod serve;
mod services;
mod socket;
mod stream;

pub use error::{Error, Result};
pub use flood::{Arrival, Count, Expected, Flood, Flows};
pub use lab::{Host, HostId, Lab, Link};
pub use namespace::Namespace;
pub use plan::{HostKind, Layout, NodePlan, OutsidePlan, Plan};
pub use privilege::{Privilege, become_root, privilege};
pub use probe::{Answer, Evidence, Outcome, Patience, Probe};
pub use services::ServicePort;
pub use stream::{Seen, Stream, StreamState};
