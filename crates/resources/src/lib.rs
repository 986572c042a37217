//! Kubernetes and Istio objects, one module per kind, read with spans and written in order.
//!
//! [`load`] turns texts into a [`World`](palisade_netmodel::World): every document is validated as
//! the API server and Istio's webhook do it, every violation is told, and an object in error is
//! left out. [`emit`] writes objects; what it writes reads back as the same model.

mod administrators;
mod ambient;
mod assemble;
mod cidr;
mod cni;
mod codes;
pub mod emit;
mod gateway_api;
mod head;
mod istio;
mod kinds;
mod labels;
mod load;
mod names;
mod objects;
mod pods;
mod ports;
mod proxy;
mod read;
pub mod served;
mod skip;
mod told;
mod waypoints;
mod words;
mod workload;
mod written;

pub use kinds::{KINDS, Kind, Part};
pub use load::{Input, Loaded, Loader, Options, Role, load};
pub use written::{SKIP, SKIP_REASON, TOLD_BY_LINTS, written};
