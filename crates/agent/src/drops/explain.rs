//! Which pods the ends of a refused packet are, and which policies refuse it: by the plain definition of what a flow
//! may do, asked about this one connection.

use super::headers::{Header, SCTP, TCP, UDP};
use super::tally::Fields;
use crate::merged::{Standing, Step};
use palisade_netmodel::reference::{Candidates, View, decide_in};
use palisade_netmodel::{
    Cause, Direction, Endpoint, Flow, Layer, Outcome, Phase, Pod, PodId, Protocol, Subject, World,
};
use palisade_nftables::Denial;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// The policy set in force, shared between who enforces and who explains.
#[derive(Debug, Clone, Default)]
pub struct InForce(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    standing: Standing,
    denials: BTreeMap<String, Denial>,
}

impl InForce {
    /// Takes the policy set that came into force, and what prefixes of its rules mean.
    pub fn put(&self, world: Arc<World>, denials: BTreeMap<String, Denial>) {
        self.replace(Standing::of(world), denials);
    }

    pub(crate) fn replace(&self, standing: Standing, denials: BTreeMap<String, Denial>) {
        let new = Known { standing, denials };
        // What was before is dropped after the lock is open again.
        let _old = std::mem::replace(
            &mut *self.0.write().unwrap_or_else(PoisonError::into_inner),
            new,
        );
    }

    /// Takes what happened to the policy set, and what prefixes mean if that is something else now.
    pub(crate) fn follow(&self, steps: &[Step], denials: Option<BTreeMap<String, Denial>>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        steps.iter().for_each(|step| known.standing.step(step));
        if let Some(denials) = denials {
            known.denials = denials;
        }
    }

    pub(super) fn knows(&self, prefix: &str) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.denials.contains_key(prefix)
    }

    /// What a line says of a packet.
    pub(super) fn fields(&self, prefix: &str, header: &Header) -> Fields {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.fields(prefix, header)
    }
}

impl Known {
    fn fields(&self, prefix: &str, header: &Header) -> Fields {
        let ends = [header.source, header.destination].map(|address| self.pod(address));
        let [source, destination] = [header.source, header.destination]
            .into_iter()
            .zip(ends)
            .map(|(address, end)| self.end(address, end))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or_default();
        let mut fields = vec![
            ("source", source),
            ("destination", destination),
            ("protocol", protocol(header.protocol)),
        ];
        fields.extend(header.port.map(|port| ("port", json!(port))));
        let Some(denial) = self.denials.get(prefix) else {
            let why = "a pod of this node that is closed, or an address that no known pod has";
            fields.push(("why", json!(why)));
            return fields;
        };
        fields.push(("direction", json!(denial.direction.to_string())));
        fields.push(("policies", json!(self.policies(denial, header, ends))));
        fields.push(("rules", json!(prefix)));
        fields
    }

    /// Who has an address: the first live pod that is not on the host network, as the reference has it.
    fn pod(&self, address: IpAddr) -> Option<(PodId, &Pod)> {
        let mut pods = self.standing.world.pods();
        pods.find(|(_, pod)| {
            pod.phase == Phase::Live && !pod.host_network && pod.addresses.known.contains(&address)
        })
    }

    fn end(&self, address: IpAddr, pod: Option<(PodId, &Pod)>) -> Value {
        let mut end = Map::new();
        end.insert("address".to_owned(), json!(address.to_string()));
        if let Some((_, pod)) = pod {
            end.insert("namespace".to_owned(), json!(pod.namespace));
            end.insert("pod".to_owned(), json!(pod.name));
        } else {
            let mut nodes = self.standing.world.nodes.iter();
            let node = nodes.find(|node| node.addresses.contains(&address));
            end.extend(node.map(|node| ("node".to_owned(), json!(node.name))));
        }
        Value::Object(end)
    }

    /// The policies that refuse a packet. If the definition does not say it of this connection, since it is none or
    /// policies changed meanwhile: all of those whose chain refused it.
    fn policies(
        &self,
        denial: &Denial,
        header: &Header,
        ends: [Option<(PodId, &Pod)>; 2],
    ) -> Vec<Value> {
        let causes = flow(header, ends).map(|flow| self.causes(denial.direction, &flow, ends));
        let causes: Vec<Cause> = causes.unwrap_or_default();
        let named: Vec<Value> = causes
            .iter()
            .filter_map(|cause| Some((cause.subject.as_ref()?, cause)))
            .filter(|(subject, _)| denial.policies.contains(subject))
            .map(|(subject, cause)| policy(subject, Some(&cause.text)))
            .collect();
        match named.is_empty() {
            false => named,
            true => denial.policies.iter().map(|p| policy(p, None)).collect(),
        }
    }

    /// Why a flow is refused in a direction.
    fn causes(
        &self,
        direction: Direction,
        flow: &Flow,
        ends: [Option<(PodId, &Pod)>; 2],
    ) -> Vec<Cause> {
        let namespaces = ends.map(|end| end.map(|(_, pod)| pod.namespace.as_str()));
        let policies = self.standing.world.network_policies.iter().enumerate();
        let matter = policies.filter(|(_, p)| namespaces.contains(&Some(&p.object.namespace)));
        let candidates = Candidates {
            network_policies: matter.map(|(index, _)| index).collect(),
            admin_policies: (0..self.standing.world.admin_policies.len()).collect(),
            ..Candidates::default()
        };
        let decision = decide_in(View::among(&self.standing.world, &candidates), flow);
        let mut causes = decision.because;
        causes.retain(|cause| cause.outcome == Outcome::Deny && is_of(cause.layer, direction));
        causes
    }
}

fn is_of(layer: Layer, direction: Direction) -> bool {
    use Layer::{AdminEgress, AdminIngress, BaselineEgress, BaselineIngress, Egress, Ingress};
    match direction {
        Direction::Egress => matches!(layer, AdminEgress | Egress | BaselineEgress),
        Direction::Ingress => matches!(layer, AdminIngress | Ingress | BaselineIngress),
    }
}

fn flow(header: &Header, ends: [Option<(PodId, &Pod)>; 2]) -> Option<Flow> {
    let end = |end: Option<(PodId, &Pod)>, address| match end {
        Some((id, _)) => Endpoint::Pod(id),
        None => Endpoint::Address(address),
    };
    let [source, destination] = ends;
    Some(Flow {
        source: end(source, header.source),
        destination: end(destination, header.destination),
        protocol: match header.protocol {
            TCP => Protocol::Tcp,
            UDP => Protocol::Udp,
            SCTP => Protocol::Sctp,
            _ => return None,
        },
        port: header.port?,
    })
}

fn policy(subject: &Subject, why: Option<&str>) -> Value {
    let mut out = Map::new();
    out.insert("kind".to_owned(), json!(subject.kind));
    if !subject.object.namespace.is_empty() {
        out.insert("namespace".to_owned(), json!(subject.object.namespace));
    }
    out.insert("name".to_owned(), json!(subject.object.name));
    out.extend(why.map(|why| ("why".to_owned(), json!(why))));
    Value::Object(out)
}

/// `TCP`, or its number if nobody here has a name for it.
fn protocol(number: u8) -> Value {
    match number {
        TCP => json!("TCP"),
        UDP => json!("UDP"),
        SCTP => json!("SCTP"),
        1 => json!("ICMP"),
        58 => json!("ICMPv6"),
        other => json!(other),
    }
}
