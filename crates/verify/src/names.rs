//! How ends of connections are called in findings.

use crate::engine::{EndpointId, Engine};
use palisade_netmodel::{Endpoint, Flow, World};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How many names a list shows before it counts the rest.
const SHOWN: usize = 6;

/// Names for the endpoints of one engine.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    engine: &'a Engine<'a>,
}

impl<'a> Names<'a> {
    /// Names for an engine's endpoints.
    #[must_use]
    pub fn new(engine: &'a Engine<'a>) -> Self {
        Self { engine }
    }

    /// The workload of a class as `namespace/name`, or what a cell of addresses stands for.
    #[must_use]
    pub fn endpoint(&self, endpoint: EndpointId) -> String {
        match (self.engine.pod(endpoint), self.engine.address(endpoint)) {
            (Some(pod), _) if pod.host_group => {
                format!("the nodes' host network ({})", pod.namespace)
            }
            (Some(pod), _) => format!("{}/{}", pod.namespace, pod.workload.name),
            (None, Some(address)) if address.is_ipv6() => {
                format!("IPv6 addresses like {address}")
            }
            (None, Some(address)) => format!("addresses like {address}"),
            (None, None) => "nobody".to_owned(),
        }
    }

    /// The first endpoint, and how many there are besides, for a title.
    #[must_use]
    pub fn few(&self, endpoints: impl IntoIterator<Item = EndpointId>) -> String {
        let names: BTreeSet<_> = endpoints.into_iter().map(|e| self.endpoint(e)).collect();
        match (names.first(), names.len()) {
            (Some(first), 1) => format!("`{first}`"),
            (Some(first), n) => format!("`{first}` and {} more", n - 1),
            (None, _) => "nobody".to_owned(),
        }
    }

    /// Several endpoints: sorted, without repetition, the long tail counted.
    #[must_use]
    pub fn list(&self, endpoints: impl IntoIterator<Item = EndpointId>) -> String {
        let names: BTreeSet<_> = endpoints.into_iter().map(|e| self.endpoint(e)).collect();
        shortened(names.iter().map(String::as_str))
    }
}

/// `a, b, c and 4 more`.
pub(crate) fn shortened<'s>(names: impl IntoIterator<Item = &'s str>) -> String {
    let all: Vec<&str> = names.into_iter().collect();
    let shown = if all.len() == SHOWN + 1 {
        SHOWN + 1
    } else {
        SHOWN
    };
    let mut out = all
        .iter()
        .take(shown)
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if all.len() > shown {
        // Writing to a string cannot fail.
        let _ = write!(out, " and {} more", all.len() - shown);
    }
    out
}

/// One flow: `` `shop/web-0` → `shop/db-0` 5432/TCP ``.
pub(crate) fn flow(world: &World, flow: &Flow) -> String {
    let end = |end: Endpoint| match end {
        Endpoint::Pod(pod) => world.pod(pod).map_or_else(
            || "a pod that does not exist".to_owned(),
            |pod| pod.object().to_string(),
        ),
        Endpoint::Address(address) => address.to_string(),
    };
    format!(
        "`{}` → `{}` {}/{}",
        end(flow.source),
        end(flow.destination),
        flow.port,
        flow.protocol
    )
}
