//! Services in the lab: what the network does with calls to them, and what the callers' sidecars make of these.

use super::answers::{Row, Seen, name};
use super::place::{Place, failed};
use crate::exit::Failure;
use palisade_diagnostics::{Prerequisite, Verdict};
use palisade_netmodel::{Endpoint, Flow, Outcome, PodId, reference};
use palisade_trial::mesh::Sent;
use palisade_trial::{Called, Published};
use palisade_verify::Engine;
use std::collections::BTreeMap;
use std::process::Command;

/// Services, and what the network did with calls to them.
#[derive(Debug, Default)]
pub(super) struct Services {
    pub(super) published: Vec<Published>,
    pub(super) called: Vec<Called>,
}

/// Publishes Services, if this machine can translate them; else it is told that they are not there.
pub(super) fn publish(place: &mut Place) -> Result<Vec<Published>, Failure> {
    if place.world.services.is_empty() {
        return Ok(Vec::new());
    }
    if let Err(error) = Command::new("nft").arg("--version").output() {
        place.missing.push(Prerequisite {
            title: "Services lead to their pods".to_owned(),
            verdict: Verdict::Unknown,
            detail: format!("not tried: nft (package nftables): {error}"),
        });
        return Ok(Vec::new());
    }
    place.trial.publish(&place.world).map_err(failed)
}

impl Services {
    /// Publishes them, and has every kind of pod call them.
    pub(super) fn call(place: &mut Place) -> Result<Self, Failure> {
        let published = publish(place)?;
        let called = place.trial.call_services(&place.world, &published);
        Ok(Self {
            called: called.map_err(failed)?,
            published,
        })
    }

    /// A row for each call: what its caller's sidecar made of it, else what the network did. Where packets do not do
    /// what the network's policies say, that stays.
    pub(super) fn rows(&self, place: &Place, sent: &[Sent]) -> Result<Vec<Row>, Failure> {
        let located = |v6| place.trial.located(&place.whole, Some(v6)).map_err(failed);
        let worlds = [located(false)?, located(true)?];
        let [v4, v6] = worlds.each_ref().map(|world| (world, Engine::new(world)));
        let key = |sent: &Sent| (sent.published, sent.source, sent.v6);
        let sent: BTreeMap<_, &Sent> = sent.iter().map(|sent| (key(sent), sent)).collect();
        let row = |called: &Called| {
            let port = self.published.get(called.published)?;
            let row = Row {
                to: format!("Service {}", port.service),
                from: name(&place.world, Endpoint::Pod(called.source)),
                port: (port.protocol, port.port),
                v6: called.v6,
                flow: None,
                seen: Seen::Network(called.seen),
                expected: called.expected,
                engine: called.expected,
                encrypted: false,
                agree: called.agree,
            };
            let Some(sent) = sent.get(&(called.published, called.source, called.v6)) else {
                return Some(row);
            };
            let (world, engine) = if called.v6 { &v6 } else { &v4 };
            let mut flows = port
                .backends
                .iter()
                .map(|to| flow(called.source, port, *to));
            let differs = flows.find(|flow| {
                let decision = reference::decide(world, flow);
                engine.decide(flow) != (decision.outcome, decision.encryption)
            });
            Some(Row {
                seen: Seen::Service(Box::new((*sent).clone())),
                expected: sent.expected,
                engine: differs.map_or(sent.expected, |flow| engine.decide(&flow).0),
                encrypted: sent.mtls && sent.expected != Outcome::Deny,
                agree: if differs.is_none() {
                    sent.agree
                } else {
                    Some(false)
                },
                ..row
            })
        };
        Ok(self.called.iter().filter_map(row).collect())
    }
}

fn flow(source: PodId, port: &Published, (to, number): (PodId, u16)) -> Flow {
    Flow {
        source: Endpoint::Pod(source),
        destination: Endpoint::Pod(to),
        protocol: port.protocol,
        port: number,
    }
}
