//! The flows of a world at which something can change.

use super::alphabet::{ADDRESSES, PORTS};
use palisade_netmodel::{Endpoint, Flow, PodId, Protocol, World};
use std::collections::BTreeSet;

/// All flows at which something can change: every pair of ends, the ports that occur and their
/// neighbours, every protocol.
#[must_use]
pub fn interesting_flows(world: &World) -> Vec<Flow> {
    let mut ends: Vec<Endpoint> = (0..world.pods.len())
        .filter_map(|i| u32::try_from(i).ok())
        .map(|i| Endpoint::Pod(PodId(i)))
        .collect();
    ends.extend(
        ADDRESSES
            .iter()
            .chain(&["8.8.8.8", "255.255.255.255"])
            .filter_map(|a| a.parse().ok())
            .map(Endpoint::Address),
    );
    let mut ports: BTreeSet<u16> = BTreeSet::new();
    for port in PORTS {
        ports.extend([port.saturating_sub(1).max(1), port, port.saturating_add(1)]);
    }
    let mut out = Vec::new();
    for source in &ends {
        for destination in &ends {
            let both_outside = matches!(source, Endpoint::Address(_))
                && matches!(destination, Endpoint::Address(_));
            if both_outside {
                continue;
            }
            for port in &ports {
                out.extend(Protocol::ALL.map(|protocol| Flow {
                    source: *source,
                    destination: *destination,
                    protocol,
                    port: *port,
                }));
            }
        }
    }
    out
}
