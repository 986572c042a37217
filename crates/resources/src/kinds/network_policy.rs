//! `networking.k8s.io/v1 NetworkPolicy`: read with the API server's defaults, and written.

use super::{Kind, Part, namespace::NAME_LABEL};
use crate::emit::{Meta, commented, object};
use crate::head::Head;
use crate::labels::{selector, write_selector};
use crate::names::NameRule;
use crate::objects::Add;
use crate::ports::{self, PortRef};
use crate::{cidr, codes};
use ipnet::IpNet;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Direction, NamespaceMatch, NetworkPolicy, Operator, Origin, Peer, PolicyPort, Protocol, Rule,
    Selector,
};
use palisade_yaml::{Fields, Node, Spanned, Value};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "NetworkPolicy",
    group: "networking.k8s.io",
    versions: &["v1"],
    namespaced: true,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut policy = NetworkPolicy {
        origin: head.origin(),
        object: head.object.clone(),
        pod_selector: Selector::everything(),
        ingress: Some(Vec::new()),
        egress: None,
    };
    if let Some(mut spec) = fields.map("spec", "the spec of a NetworkPolicy", out) {
        if let Some(node) = spec.node("podSelector") {
            policy.pod_selector = selector(node, out);
        }
        let namespace = &head.object.namespace;
        let ingress = rules(&mut spec, Direction::Ingress, namespace, out);
        let egress = rules(&mut spec, Direction::Egress, namespace, out);
        let before = out.len();
        let types = policy_types(&mut spec, egress.is_some(), out);
        if out.len() == before {
            report_inert(&types, &spec, [ingress.is_some(), egress.is_some()], out);
        }
        let isolates = |direction| types.contains(&direction);
        policy.ingress = isolates(Direction::Ingress).then(|| ingress.unwrap_or_default());
        policy.egress = isolates(Direction::Egress).then(|| egress.unwrap_or_default());
        spec.finish(out);
    }
    fields.ignore(&["status"]);
    Some(Box::new(move |objects| {
        objects.network_policies.push(policy);
    }))
}

fn field(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

fn peer_field(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    }
}

fn type_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "Ingress",
        Direction::Egress => "Egress",
    }
}

/// `policyTypes`; missing or empty means Ingress, and Egress if there are egress rules.
fn policy_types(spec: &mut Fields<'_>, egress: bool, out: &mut Vec<Diagnostic>) -> Vec<Direction> {
    let words = spec.strings("policyTypes", out);
    if let Some(third) = words.get(2) {
        out.push(
            Diagnostic::error(codes::POLICY_TYPES, "more than two policyTypes")
                .at(third.span, "one too many")
                .help("keep Ingress and Egress at most once each"),
        );
    }
    let set = [
        ("Ingress", Direction::Ingress),
        ("Egress", Direction::Egress),
    ];
    let mut types = Vec::new();
    for word in &words {
        match set.iter().find(|(name, _)| *name == word.value) {
            Some((_, direction)) => types.push(*direction),
            None => out.push(unknown_type(word)),
        }
    }
    if words.is_empty() {
        types.push(Direction::Ingress);
        if egress {
            types.push(Direction::Egress);
        }
    }
    types
}

fn unknown_type(word: &Spanned<String>) -> Diagnostic {
    let help = match word.value.to_lowercase().as_str() {
        "ingress" => "write `Ingress`",
        "egress" => "write `Egress`",
        _ => "use Ingress and Egress",
    };
    let title = format!("{:?} is not a policy type", word.value);
    Diagnostic::error(codes::POLICY_TYPE, title)
        .at(word.span, "Ingress or Egress")
        .help(help)
}

/// Warns of rules that `policyTypes` switches off.
fn report_inert(
    types: &[Direction],
    spec: &Fields<'_>,
    written: [bool; 2],
    out: &mut Vec<Diagnostic>,
) {
    for (direction, written) in [Direction::Ingress, Direction::Egress]
        .into_iter()
        .zip(written)
    {
        if written && !types.contains(&direction) {
            let name = type_name(direction);
            out.push(
                Diagnostic::warning(
                    codes::INERT_RULES,
                    format!("{direction} rules without effect"),
                )
                .at(spec.span(), format!("`policyTypes` leaves {name} out"))
                .help(format!(
                    "add {name} to `policyTypes`, or remove `{direction}`"
                )),
            );
        }
    }
}

/// The rules of a direction; `None` if there are none.
fn rules(
    spec: &mut Fields<'_>,
    direction: Direction,
    namespace: &str,
    out: &mut Vec<Diagnostic>,
) -> Option<Vec<Rule>> {
    let nodes = spec.list(field(direction), out);
    let found: Vec<Rule> = nodes
        .into_iter()
        .filter_map(|node| rule(node, direction, namespace, out))
        .collect();
    (!found.is_empty()).then_some(found)
}

fn rule(
    node: Node<'_>,
    direction: Direction,
    namespace: &str,
    out: &mut Vec<Diagnostic>,
) -> Option<Rule> {
    let mut found = Rule {
        origin: Origin(Some(node.span())),
        peers: None,
        ports: None,
    };
    // The server decodes a null item as `{}`: every peer, every port.
    if node.is_null() {
        return Some(found);
    }
    let mut fields = Fields::of(node, "a rule of a NetworkPolicy", out)?;
    let peers = fields.list(peer_field(direction), out);
    if !peers.is_empty() {
        let peers = peers.into_iter();
        found.peers = Some(
            peers
                .filter_map(|node| peer(node, namespace, out))
                .collect(),
        );
    }
    let ports = fields.list("ports", out);
    if !ports.is_empty() {
        let ports = ports.into_iter();
        found.ports = Some(ports.filter_map(|node| port(node, out)).collect());
    }
    fields.finish(out);
    Some(found)
}

fn peer(node: Node<'_>, namespace: &str, out: &mut Vec<Diagnostic>) -> Option<Peer> {
    if node.is_null() {
        out.push(empty_peer(node));
        return None;
    }
    let mut fields = Fields::of(node, "a peer of a NetworkPolicy", out)?;
    let block = fields.map("ipBlock", "an ipBlock", out);
    let namespaces = fields.node("namespaceSelector");
    let pods = fields.node("podSelector");
    let selected = namespaces.is_some() || pods.is_some();
    let before = out.len();
    let found = match block {
        Some(block) => ip_block(block, out),
        None if selected => {
            let namespaces = namespaces.map(|node| selector(node, out));
            Some(Peer::Pods {
                namespaces: match namespaces {
                    Some(selector) => namespace_match(selector),
                    None => NamespaceMatch::Named(namespace.to_owned()),
                },
                pods: pods.map_or_else(Selector::everything, |node| selector(node, out)),
            })
        }
        None => None,
    };
    if fields.node("ipBlock").is_some() && selected {
        out.push(
            Diagnostic::error(codes::MIXED_PEER, "ipBlock beside a selector in one peer")
                .at(node.span(), "`ipBlock` excludes the selectors")
                .help("write them as two items of the list"),
        );
    } else if found.is_none() && out.len() == before && fields.node("ipBlock").is_none() {
        out.push(empty_peer(node));
    }
    fields.finish(out);
    found
}

/// A selector for one namespace by the label that the API server sets is that namespace.
fn namespace_match(selector: Selector) -> NamespaceMatch {
    if let [only] = selector.requirements.as_slice()
        && only.key == NAME_LABEL
        && let Operator::In(values) = &only.operator
        && let [name] = values.as_slice()
    {
        return NamespaceMatch::Named(name.to_string());
    }
    NamespaceMatch::Selector(selector)
}

fn empty_peer(node: Node<'_>) -> Diagnostic {
    Diagnostic::error(codes::EMPTY_PEER, "a peer without any field")
        .at(node.span(), "the API server refuses it")
        .note("It does not mean everybody: a rule without peers does.")
        .help("add `podSelector`, `namespaceSelector` or `ipBlock`, or leave the list out")
}

fn ip_block(mut fields: Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Peer> {
    let text = fields.required_string("cidr", out);
    let except = fields.strings("except", out);
    fields.finish(out);
    let text = text?;
    let net = cidr::read(&text, out);
    let mut nets: Vec<IpNet> = Vec::new();
    for item in &except {
        if let Some(inner) = cidr::read(item, out) {
            if let Some(net) = &net {
                cidr::check_except(&text, net, &inner, item.span, out);
            }
            nets.push(inner);
        }
    }
    nets.sort();
    nets.dedup();
    Some(Peer::Block {
        cidr: net?,
        except: nets,
    })
}

fn port(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<PolicyPort> {
    // The server decodes a null item as `{}`: every TCP port.
    if node.is_null() {
        return Some(range(Protocol::Tcp, 1, u16::MAX));
    }
    let mut fields = Fields::of(node, "a port of a NetworkPolicy", out)?;
    let protocol = ports::protocol(&mut fields, out);
    let port = fields.node("port");
    let value = port.map(|node| ports::number_or_name(node, out));
    let last_node = fields.node("endPort");
    let last = last_node.map(|node| ports::number(node, out));
    if let Some(node) = last_node
        && !matches!(value, Some(None | Some(PortRef::Number(_))))
    {
        let text = match port {
            Some(_) => "`port` is a name",
            None => "`port` is missing",
        };
        out.push(
            Diagnostic::error(codes::END_PORT_ALONE, "endPort without a numeric port")
                .at(node.span(), text)
                .help("give `port` as a number, or remove `endPort`"),
        );
    }
    fields.finish(out);
    let Some(value) = value else {
        return Some(range(protocol?, 1, u16::MAX));
    };
    match value? {
        PortRef::Name(name) => Some(PolicyPort::Named {
            protocol: protocol?,
            name,
        }),
        PortRef::Number(first) => {
            let last = last.map_or(Some(first), |last| last)?;
            if last < first {
                let span = last_node.map_or(node.span(), Node::span);
                out.push(
                    Diagnostic::error(
                        codes::END_PORT_ORDER,
                        format!("endPort {last} is below port {first}"),
                    )
                    .at(span, format!("at least {first}"))
                    .help("swap the two, or correct one"),
                );
            }
            Some(range(protocol?, first, last))
        }
    }
}

fn range(protocol: Protocol, first: u16, last: u16) -> PolicyPort {
    PolicyPort::Range {
        protocol,
        first,
        last,
    }
}

/// Writes a NetworkPolicy. A rule whose list of peers or ports is present but empty admits nobody
/// and is left out, since Kubernetes reads an empty list as everybody.
#[must_use]
pub fn write(policy: &NetworkPolicy, extra: &Meta) -> Value {
    let namespace = &policy.object.namespace;
    let mut types = Vec::new();
    let mut spec = vec![("podSelector", write_selector(&policy.pod_selector))];
    let directions = [
        (Direction::Ingress, &extra.ingress),
        (Direction::Egress, &extra.egress),
    ];
    let mut lists = Vec::new();
    for (direction, remarks) in directions {
        let Some(rules) = policy.rules(direction) else {
            continue;
        };
        types.push(Value::string(type_name(direction)));
        let items: Vec<Value> = rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| {
                let value = write_rule(rule, direction, namespace)?;
                Some(commented(remarks.get(index), value))
            })
            .collect();
        if !items.is_empty() {
            lists.push((field(direction), Value::List(items)));
        }
    }
    spec.push(("policyTypes", Value::List(types)));
    spec.extend(lists);
    object(&KIND, &policy.object, extra, Value::map(spec))
}

fn write_rule(rule: &Rule, direction: Direction, namespace: &str) -> Option<Value> {
    let mut fields = Vec::new();
    if let Some(peers) = &rule.peers {
        if peers.is_empty() {
            return None;
        }
        let peers = peers.iter().map(|peer| write_peer(peer, namespace));
        fields.push((peer_field(direction), Value::List(peers.collect())));
    }
    if let Some(ports) = &rule.ports {
        if ports.is_empty() {
            return None;
        }
        fields.push(("ports", Value::List(ports.iter().map(write_port).collect())));
    }
    Some(Value::map(fields))
}

fn write_peer(peer: &Peer, namespace: &str) -> Value {
    match peer {
        Peer::Pods { namespaces, pods } => {
            let selector = match namespaces {
                NamespaceMatch::Named(name) if name == namespace => None,
                NamespaceMatch::Named(name) => Some(Selector::of([(NAME_LABEL, name.as_str())])),
                NamespaceMatch::Selector(selector) => Some(selector.clone()),
            };
            let mut fields = Vec::new();
            if let Some(selector) = &selector {
                fields.push(("namespaceSelector", write_selector(selector)));
            }
            if selector.is_none() || !pods.is_everything() {
                fields.push(("podSelector", write_selector(pods)));
            }
            Value::map(fields)
        }
        Peer::Block { cidr, except } => {
            let mut block = vec![("cidr", Value::string(cidr.to_string()))];
            if !except.is_empty() {
                let except = except.iter().map(|net| Value::string(net.to_string()));
                block.push(("except", Value::List(except.collect())));
            }
            Value::map([("ipBlock", Value::map(block))])
        }
    }
}

fn write_port(port: &PolicyPort) -> Value {
    let number = |port: u16| Value::Int(i64::from(port));
    match port {
        PolicyPort::Named { protocol, name } => Value::map([
            ("protocol", Value::string(protocol.name())),
            ("port", Value::string(name)),
        ]),
        PolicyPort::Range {
            protocol,
            first,
            last,
        } => {
            let mut fields = vec![("protocol", Value::string(protocol.name()))];
            if (*first, *last) != (1, u16::MAX) {
                fields.push(("port", number(*first)));
                if last > first {
                    fields.push(("endPort", number(*last)));
                }
            }
            Value::map(fields)
        }
    }
}
