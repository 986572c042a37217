//! Who a name means: a component, an endpoint or a zone.

use super::environment::Environment;
use crate::syntax::{Component, Endpoint, EndpointKind, FidelityWord, Peer, Text, Variant, Zone};
use ipnet::IpNet;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Fidelity, NamespaceMatch, Party, Peer as ModelPeer, Peers, Selector, ZoneKind,
};

/// What a name stands for.
pub(crate) enum Named<'m> {
    Component(&'m Component),
    Endpoint(&'m Endpoint),
    Zone(&'m Zone),
}

impl Named<'_> {
    /// The zone, for cells.
    pub(crate) fn zone(&self) -> Option<&str> {
        match self {
            Self::Component(c) => Some(&c.zone.value),
            Self::Endpoint(e) => e.zone.as_ref().map(|z| z.value.as_str()),
            Self::Zone(z) => Some(&z.name.value),
        }
    }
}

/// Finds a name. Names are unique over components, endpoints and zones.
pub(crate) fn find<'m>(environment: &Environment<'m>, name: &str) -> Option<Named<'m>> {
    let matrix = environment.matrix;
    let component = matrix.components.iter().find(|c| c.name.value == name);
    let endpoint = || matrix.endpoints.iter().find(|e| e.name.value == name);
    let zone = || matrix.zones.iter().find(|z| z.name.value == name);
    component
        .map(Named::Component)
        .or_else(|| endpoint().map(Named::Endpoint))
        .or_else(|| zone().map(Named::Zone))
}

/// The side of a grant that a name stands for; `None` if its `when` does not hold here.
pub(crate) fn party(
    environment: &Environment<'_>,
    name: &Text,
    out: &mut Vec<Diagnostic>,
) -> Option<Party> {
    match find(environment, &name.value)? {
        Named::Component(component) => environment
            .holds(component.when.as_ref())
            .then(|| of_component(environment, component)),
        Named::Endpoint(endpoint) => environment
            .holds(endpoint.when.as_ref())
            .then(|| of_endpoint(environment, endpoint, out)),
        Named::Zone(zone) => Some(of_zone(environment, zone)),
    }
}

fn of_component(environment: &Environment<'_>, component: &Component) -> Party {
    Party {
        name: component.name.value.clone(),
        component: Some(component.name.value.clone()),
        peers: Peers::List(vec![ModelPeer::Pods {
            namespaces: NamespaceMatch::Named(environment.text(&component.namespace)),
            pods: environment.selector(&component.selector),
        }]),
        fidelity: Fidelity::Exact,
        hosts: Vec::new(),
    }
}

/// The namespaces of a zone.
pub(crate) fn namespaces(environment: &Environment<'_>, zone: &Zone) -> Vec<NamespaceMatch> {
    let names = environment.texts(&zone.namespaces.names);
    let mut out: Vec<NamespaceMatch> = Vec::new();
    for name in names {
        let named = NamespaceMatch::Named(name.value);
        if !out.contains(&named) {
            out.push(named);
        }
    }
    if let Some(selector) = &zone.namespaces.selector {
        out.push(NamespaceMatch::Selector(environment.selector(selector)));
    }
    out
}

/// All pods of a zone's namespaces; all addresses outside for an External zone.
pub(crate) fn of_zone(environment: &Environment<'_>, zone: &Zone) -> Party {
    let peers = if zone.kind == ZoneKind::External {
        everywhere_outside()
    } else {
        namespaces(environment, zone)
            .into_iter()
            .map(|namespaces| ModelPeer::Pods {
                namespaces,
                pods: Selector::everything(),
            })
            .collect()
    };
    Party {
        name: zone.name.value.clone(),
        component: None,
        peers: Peers::List(peers),
        fidelity: Fidelity::Exact,
        hosts: Vec::new(),
    }
}

fn everywhere_outside() -> Vec<ModelPeer> {
    [
        IpNet::V4(ipnet::Ipv4Net::default()),
        IpNet::V6(ipnet::Ipv6Net::default()),
    ]
    .into_iter()
    .map(block)
    .collect()
}

fn block(cidr: IpNet) -> ModelPeer {
    ModelPeer::Block {
        cidr,
        except: Vec::new(),
    }
}

fn of_endpoint(
    environment: &Environment<'_>,
    endpoint: &Endpoint,
    out: &mut Vec<Diagnostic>,
) -> Party {
    let hosts = environment.texts(&endpoint.hosts);
    let mut party = Party {
        name: endpoint.name.value.clone(),
        component: None,
        peers: Peers::List(Vec::new()),
        fidelity: Fidelity::Exact,
        hosts: hosts.into_iter().map(|h| h.value).collect(),
    };
    let variant = endpoint
        .variants
        .iter()
        .find(|v| environment.holds(v.when.as_ref()));
    if let Some(variant) = variant {
        party.peers = of_variant(environment, variant, out);
        party.fidelity = fidelity(variant);
        return party;
    }
    match endpoint.kind {
        EndpointKind::Any => party.peers = Peers::Any,
        EndpointKind::Cidr => {
            let nets = environment.texts(&endpoint.cidrs);
            let nets = nets.iter().filter_map(|n| environment.cidr(n, out));
            party.peers = Peers::List(nets.map(block).collect());
        }
        EndpointKind::Peers => {
            let peers = environment.peers(&endpoint.peers);
            party.peers = Peers::List(model_peers(environment, &peers, out));
        }
        EndpointKind::Dns => party.peers = Peers::List(vec![dns(environment)]),
        // Traffic of the node itself is always allowed, so nothing is to be granted.
        EndpointKind::Kubelet | EndpointKind::Node => {}
        EndpointKind::Hosts | EndpointKind::KubeApiServer => {
            let why = "no variant applies here, so nobody is admitted".to_owned();
            party.fidelity = Fidelity::Narrower(why);
            out.push(
                Diagnostic::warning(
                    "PAL0234",
                    format!(
                        "no variant of endpoint `{}` applies here",
                        endpoint.name.value
                    ),
                )
                .at(endpoint.name.span, "")
                .help("add a last variant without `when`")
                .leaving_out(),
            );
        }
    }
    party
}

/// The pods of cluster DNS on this platform.
pub(crate) fn dns(environment: &Environment<'_>) -> ModelPeer {
    match environment.platform.and_then(|p| p.dns.as_ref()) {
        Some(dns) => ModelPeer::Pods {
            namespaces: NamespaceMatch::Named(environment.text(&dns.namespace)),
            pods: environment.selector(&dns.pods),
        },
        None => ModelPeer::Pods {
            namespaces: NamespaceMatch::Named("kube-system".to_owned()),
            pods: Selector::of([("k8s-app", "kube-dns")]),
        },
    }
}

fn fidelity(variant: &Variant) -> Fidelity {
    let note = variant.note.clone().unwrap_or_default();
    match variant.fidelity {
        None | Some(FidelityWord::Exact) => Fidelity::Exact,
        Some(FidelityWord::Wider) => Fidelity::Wider(note),
        Some(FidelityWord::Narrower) => Fidelity::Narrower(note),
    }
}

fn of_variant(
    environment: &Environment<'_>,
    variant: &Variant,
    out: &mut Vec<Diagnostic>,
) -> Peers {
    if variant.any {
        return Peers::Any;
    }
    let nets = environment.texts(&variant.cidrs);
    let mut peers: Vec<ModelPeer> = nets
        .iter()
        .filter_map(|n| environment.cidr(n, out))
        .map(block)
        .collect();
    let listed = environment.peers(&variant.peers);
    peers.extend(model_peers(environment, &listed, out));
    if let Some(selector) = &variant.namespace_selector {
        peers.push(ModelPeer::Pods {
            namespaces: NamespaceMatch::Selector(environment.selector(selector)),
            pods: Selector::everything(),
        });
    }
    Peers::List(peers)
}

fn model_peers(
    environment: &Environment<'_>,
    peers: &[Peer],
    out: &mut Vec<Diagnostic>,
) -> Vec<ModelPeer> {
    peers
        .iter()
        .filter_map(|peer| model_peer(environment, peer, out))
        .collect()
}

fn model_peer(
    environment: &Environment<'_>,
    peer: &Peer,
    out: &mut Vec<Diagnostic>,
) -> Option<ModelPeer> {
    let resolved = |text: &Text| palisade_yaml::Spanned {
        value: environment.text(text),
        span: text.span,
    };
    if let Some(title) = ambiguous(peer) {
        out.push(
            Diagnostic::error("PAL0229", title)
                .at_opt(peer.span, "")
                .help("make two peers of it, or remove one of the two"),
        );
        return None;
    }
    if let Some(cidr) = &peer.cidr {
        let cidr = environment.cidr(&resolved(cidr), out)?;
        let mut except = Vec::new();
        for text in &peer.except {
            let Some(hole) = environment.cidr(&resolved(text), out) else {
                continue;
            };
            if cidr.contains(&hole) && hole != cidr {
                except.push(hole);
            } else {
                out.push(
                    Diagnostic::error("PAL0231", format!("`{hole}` does not lie inside {cidr}"))
                        .at(text.span, "")
                        .help("leave out a smaller block of the `cidr`, or nothing"),
                );
            }
        }
        return Some(ModelPeer::Block { cidr, except });
    }
    let namespaces = match (&peer.namespace, &peer.namespace_selector) {
        (Some(name), _) => NamespaceMatch::Named(environment.text(name)),
        (None, Some(selector)) => NamespaceMatch::Selector(environment.selector(selector)),
        (None, None) => NamespaceMatch::Selector(Selector::everything()),
    };
    let pods = peer
        .pod_selector
        .as_ref()
        .map(|s| environment.selector(s))
        .unwrap_or_default();
    Some(ModelPeer::Pods { namespaces, pods })
}

/// What is unclear of a peer that says two things, of which one would be ignored.
fn ambiguous(peer: &Peer) -> Option<&'static str> {
    let pods = peer.namespace.is_some()
        || peer.namespace_selector.is_some()
        || peer.pod_selector.is_some();
    if peer.cidr.is_some() && pods {
        return Some("a peer is addresses or pods, not both");
    }
    (peer.namespace.is_some() && peer.namespace_selector.is_some())
        .then_some("a peer has `namespace` or `namespaceSelector`, not both")
}
