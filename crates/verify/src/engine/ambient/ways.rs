//! The ways that a connection may take past ztunnel, through it, and in tunnels, and what they sum up to.

use super::super::authorization::Judgement;
use super::super::mesh::on;
use super::super::{Pair, Passage};
use palisade_netmodel::{Capture, HBONE_PORT, Pod, PortSet, Protocol, Proxy};

/// How a connection reaches its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Way {
    Tunnel,
    Plain,
    Uncaptured,
}

/// The ways of a pair that ambient mode has a part in; none for all others.
pub(in crate::engine) fn ways(source: Option<&Pod>, destination: Option<&Pod>) -> &'static [Way] {
    let caller = source.map(|pod| &pod.proxy);
    let tunnels = match caller {
        Some(Proxy::Waypoint) => Some(true),
        Some(Proxy::Ambient { capture, .. }) => (*capture != Capture::Unclear).then_some(true),
        Some(Proxy::Sidecar { .. } | Proxy::Gateway) => None,
        Some(Proxy::None { .. }) | None => Some(false),
    };
    match destination.map(|pod| &pod.proxy) {
        Some(Proxy::Sidecar { .. }) => match caller {
            Some(Proxy::Ambient { .. } | Proxy::Waypoint) => &[Way::Tunnel, Way::Plain],
            _ => &[],
        },
        Some(Proxy::Ambient { capture, .. }) => match (tunnels, capture) {
            (Some(true), Capture::Unclear) => &[Way::Tunnel, Way::Uncaptured],
            (Some(true), _) => &[Way::Tunnel],
            (Some(false), Capture::Unclear) => &[Way::Plain, Way::Uncaptured],
            (Some(false), _) => &[Way::Plain],
            (None, Capture::Unclear) => &[Way::Tunnel, Way::Plain, Way::Uncaptured],
            (None, _) => &[Way::Tunnel, Way::Plain],
        },
        _ => &[],
    }
}

/// Several ways that are possible: certain is what passes by all.
#[derive(Debug)]
pub(in crate::engine) struct Sum {
    pub(super) passage: Passage,
    /// What may pass outside tunnels.
    plain: PortSet,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            passage: Passage {
                must: PortSet::all(),
                may: PortSet::empty(),
            },
            plain: PortSet::empty(),
        }
    }
}

impl Sum {
    pub(in crate::engine) fn add(&mut self, passage: &Passage, tunnel: bool) {
        self.passage.must = self.passage.must.intersection(&passage.must);
        self.passage.may = self.passage.may.union(&passage.may);
        if !tunnel {
            self.plain = self.plain.union(&passage.may);
        }
    }

    /// What passes, and how.
    pub(in crate::engine) fn pair(self) -> Pair {
        let tcp = PortSet::protocol(Protocol::Tcp);
        let tcp = self.passage.may.intersection(&tcp);
        Pair {
            mesh_mtls: tcp.difference(&self.plain),
            passage: self.passage,
            tls: PortSet::empty(),
            by_certificate: PortSet::empty(),
        }
    }
}

/// The network's word on tunnels.
pub(in crate::engine) fn at_tunnel(passage: &Passage) -> Judgement {
    let at = |set: &PortSet| set.contains(Protocol::Tcp, HBONE_PORT);
    match (at(&passage.must), at(&passage.may)) {
        (true, _) => Judgement::Allow,
        (false, true) => Judgement::Depends,
        (false, false) => Judgement::Deny,
    }
}

/// One word on all TCP ports, and the network's on the rest.
pub(in crate::engine) fn tcp_as(network: &Passage, tcp: Judgement) -> Passage {
    let all = PortSet::protocol(Protocol::Tcp);
    Passage {
        must: network.must.union(&all),
        may: network.may.union(&all),
    }
    .and(&on(&all, tcp))
}
