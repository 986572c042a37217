//! What the policies of cluster administrators share (`policy.networking.k8s.io`): subjects, rules,
//! peers and ports in both versions, validated as their schemas and the rules beside them demand.

use crate::head::{Head, required_map};
use crate::labels::selector;
use crate::names::is_domain;
use crate::objects::Add;
use crate::words::choice;
use crate::{cidr, codes, ports};
use palisade_diagnostics::{Diagnostic, Span};
use palisade_netmodel::{
    AdminAction, AdminKind, AdminPeer, AdminPolicy, AdminPort, AdminRule, Direction,
    NamespacedPods, Origin, Protocol, Selector, Tier,
};
use palisade_yaml::{Fields, Node};

/// The group of all of them.
pub(crate) const GROUP: &str = "policy.networking.k8s.io";

/// Networks or domain names of one peer (`MaxItems` in both versions).
const ADDRESSES: usize = 25;

/// How a kind is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// The kind.
    pub(crate) kind: AdminKind,
    /// What `tier` says; `None` if it is a field.
    pub(crate) tier: Option<Tier>,
    /// Whether there is a priority.
    pub(crate) priority: bool,
    /// The words of `action`.
    pub(crate) actions: &'static [(&'static str, AdminAction)],
    /// `MaxItems` of rules, peers and ports.
    pub(crate) limit: usize,
    /// The field of ports, and how one is read.
    pub(crate) ports: (&'static str, ReadPort),
    /// Whether a subject or peer `pods` must name its `namespaceSelector`.
    pub(crate) namespace_selector: bool,
}

/// Reads one item of `protocols` or `ports`.
type ReadPort = fn(Node<'_>, &mut Vec<Diagnostic>) -> Option<AdminPort>;

const TIERS: &[(&str, Tier)] = &[("Admin", Tier::Admin), ("Baseline", Tier::Baseline)];

/// Reads a policy.
pub(crate) fn read(
    schema: Schema,
    head: &Head,
    fields: &mut Fields<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a policy", out)?;
    fields.ignore(&["status"]);
    let tier = match schema.tier {
        Some(tier) => Some(tier),
        None => required_choice(&mut spec, "tier", "a tier", TIERS, out),
    };
    let priority = if schema.priority {
        priority(&mut spec, out)
    } else {
        Some(0)
    };
    let subject = required_map(&mut spec, "subject", "the subject of a policy", out)
        .and_then(|subject| self::subject(schema, subject, out));
    let mut rules = |direction, out: &mut Vec<Diagnostic>| {
        let key = match direction {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        };
        let nodes = limited(&mut spec, key, schema.limit, out);
        let rules = nodes.into_iter();
        rules
            .filter_map(|node| rule(schema, direction, node, out))
            .collect()
    };
    let (ingress, egress) = (
        rules(Direction::Ingress, out),
        rules(Direction::Egress, out),
    );
    spec.finish(out);
    let policy = AdminPolicy {
        origin: head.origin(),
        object: head.object.clone(),
        kind: schema.kind,
        tier: tier?,
        priority: priority?,
        subject: subject?,
        ingress,
        egress,
    };
    Some(Box::new(move |objects| objects.admin_policies.push(policy)))
}

fn priority(spec: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<u16> {
    if spec.node("priority").is_none() {
        out.push(spec.missing("priority"));
        return None;
    }
    let priority = spec.int("priority", 0..=1000, out)?;
    u16::try_from(priority.value).ok()
}

fn required_choice<T: Copy>(
    fields: &mut Fields<'_>,
    key: &'static str,
    what: &str,
    set: &[(&str, T)],
    out: &mut Vec<Diagnostic>,
) -> Option<T> {
    if fields.node(key).is_none() {
        out.push(fields.missing(key));
        return None;
    }
    choice(fields, key, what, set, out)
}

/// The items of a list, which may not be more than `limit`.
fn limited<'d>(
    fields: &mut Fields<'d>,
    key: &'static str,
    limit: usize,
    out: &mut Vec<Diagnostic>,
) -> Vec<Node<'d>> {
    let nodes = fields.list(key, out);
    if let Some(node) = nodes.get(limit) {
        out.push(
            Diagnostic::error(
                codes::TOO_MANY_ITEMS,
                format!("`{key}` has {} items, more than {limit}", nodes.len()),
            )
            .at(node.span(), "the first one too many")
            .help("spread them over several rules or policies of consecutive priorities"),
        );
    }
    nodes
}

/// A list that must have an item.
fn required_list<'d>(
    fields: &mut Fields<'d>,
    key: &'static str,
    limit: usize,
    out: &mut Vec<Diagnostic>,
) -> Vec<Node<'d>> {
    let nodes = limited(fields, key, limit, out);
    if nodes.is_empty() {
        out.push(
            Diagnostic::error(codes::NO_ITEMS, format!("`{key}` is missing or empty"))
                .at(fields.span(), "the API server refuses it")
                .note("It does not mean everybody.")
                .help(format!("add an item to `{key}`")),
        );
    }
    nodes
}

/// Exactly one of some fields: not several at once, and none only if `unknown` ones are there.
fn check_one(span: Span, present: &[&str], set: &str, out: &mut Vec<Diagnostic>) {
    let title = match present {
        [_] => return,
        [] => format!("none of {set} is given"),
        [first, second, ..] => format!("`{first}` beside `{second}`"),
    };
    out.push(
        Diagnostic::error(codes::ONE_OF, title)
            .at(span, "exactly one is allowed")
            .help(format!("give one of {set}")),
    );
}

fn subject(
    schema: Schema,
    mut fields: Fields<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<NamespacedPods> {
    let namespaces = fields.node("namespaces");
    let pods = fields.node("pods");
    let mut present = Vec::new();
    present.extend(namespaces.map(|_| "namespaces"));
    present.extend(pods.map(|_| "pods"));
    check_one(fields.span(), &present, "`namespaces` and `pods`", out);
    let found = match (namespaces, pods) {
        (Some(node), None) => Some(NamespacedPods {
            namespaces: selector(node, out),
            pods: Selector::everything(),
        }),
        (None, Some(node)) => namespaced(schema, node, out),
        _ => None,
    };
    fields.finish(out);
    found
}

/// `pods`: a selector of namespaces and one of pods. Before v0.1.3 the first one of a peer was a map
/// `namespaces` with one of several ways to select.
fn namespaced(schema: Schema, node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<NamespacedPods> {
    let mut fields = Fields::of(node, "a selection of pods", out)?;
    let old = schema.kind != AdminKind::ClusterNetworkPolicy;
    let namespaces = match fields.node("namespaceSelector") {
        Some(node) => selector(node, out),
        None => match fields.node("namespaces").filter(|_| old) {
            Some(node) => namespaces(node, out)?,
            None if schema.namespace_selector => {
                out.push(fields.missing("namespaceSelector"));
                return None;
            }
            None => Selector::everything(),
        },
    };
    let Some(pods) = fields.node("podSelector") else {
        out.push(fields.missing("podSelector"));
        return None;
    };
    let pods = selector(pods, out);
    fields.finish(out);
    Some(NamespacedPods { namespaces, pods })
}

/// `namespaces` of a peer in v1alpha1: a selector, or before v0.1.3 a map with a selector in it.
fn namespaces(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<Selector> {
    for gone in ["sameLabels", "notSameLabels", "self", "notSelf"] {
        if let Some(written) = node.get(gone) {
            out.push(
                Diagnostic::error(codes::NOT_MODELLED, format!("`{gone}` is no longer served"))
                    .at(written.span(), "removed from the API in v0.1.3")
                    .note("Where the API server drops it, the peer means all namespaces.")
                    .help("select the namespaces by their labels"),
            );
            return None;
        }
    }
    match node
        .get("namespaceSelector")
        .filter(|inner| !inner.is_null())
    {
        Some(inner) => {
            let mut fields = Fields::of(node, "a selection of namespaces", out)?;
            fields.ignore(&["namespaceSelector"]);
            fields.finish(out);
            Some(selector(inner, out))
        }
        None => Some(selector(node, out)),
    }
}

fn rule(
    schema: Schema,
    direction: Direction,
    node: Node<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<AdminRule> {
    let mut fields = Fields::of(node, "a rule of a policy", out)?;
    let name = fields.string("name", out);
    if let Some(name) = name.as_ref().filter(|n| n.value.chars().count() > 100) {
        out.push(
            Diagnostic::error(codes::LONG_NAME, "the name of a rule is too long")
                .at(name.span, "more than 100 characters")
                .help("shorten it"),
        );
    }
    let action = required_choice(&mut fields, "action", "an action", schema.actions, out);
    let key = match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let nodes = required_list(&mut fields, key, schema.limit, out);
    let peers: Vec<_> = nodes
        .iter()
        .filter_map(|node| peer(schema, (direction, action), *node, out))
        .collect();
    let (key, read_port) = schema.ports;
    let written = fields.node(key).is_some();
    let ports = if written {
        let nodes = required_list(&mut fields, key, schema.limit, out);
        let items = nodes.iter().filter_map(|node| read_port(*node, out));
        Some(items.collect::<Vec<_>>())
    } else {
        None
    };
    if let Some(node) = fields.node(key) {
        check_names(node.span(), &peers, ports.as_deref(), out);
    }
    fields.finish(out);
    Some(AdminRule {
        origin: Origin(Some(node.span())),
        name: name.map(|name| name.value).unwrap_or_default(),
        action: action?,
        peers,
        ports,
    })
}

/// Addresses have no names of ports.
fn check_names(
    span: Span,
    peers: &[AdminPeer],
    ports: Option<&[AdminPort]>,
    out: &mut Vec<Diagnostic>,
) {
    let addresses = peers.iter().any(|peer| {
        matches!(
            peer,
            AdminPeer::Networks(_) | AdminPeer::Nodes(_) | AdminPeer::DomainNames(_)
        )
    });
    let mut ports = ports.unwrap_or_default().iter();
    if addresses && ports.any(|port| matches!(port, AdminPort::Named(_))) {
        out.push(
            Diagnostic::error(codes::NAMED_ADDRESS, "the name of a port beside addresses")
                .at(
                    span,
                    "`networks`, `nodes` and `domainNames` have no named ports",
                )
                .help("give the port by its number, or write a rule of its own for the pods"),
        );
    }
}

fn peer(
    schema: Schema,
    (direction, action): (Direction, Option<AdminAction>),
    node: Node<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<AdminPeer> {
    let fields = Fields::of(node, "a peer of a policy", out)?;
    let mut known = vec!["namespaces", "pods"];
    if direction == Direction::Egress {
        known.extend(["networks", "nodes"]);
        if schema.kind != AdminKind::BaselineAdminNetworkPolicy {
            known.push("domainNames");
        }
    }
    let is_set = |key: &str| node.get(key).is_some_and(|value| !value.is_null());
    let present: Vec<&str> = known.iter().copied().filter(|key| is_set(key)).collect();
    let others: Vec<&str> = node.entries().map(|(key, _)| key.text).collect();
    let others: Vec<&str> = others.into_iter().filter(|k| !known.contains(k)).collect();
    if let ([], [other, ..]) = (present.as_slice(), others.as_slice()) {
        out.push(unknown_peer(fields.span(), other, direction));
        return Some(AdminPeer::Unknown);
    }
    let set: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    check_one(fields.span(), &present, &set.join(", "), out);
    match present.as_slice() {
        [only] => one_peer(schema, action, fields, only, out),
        _ => None,
    }
}

fn unknown_peer(span: Span, field: &str, direction: Direction) -> Diagnostic {
    let only_out =
        direction == Direction::Ingress && ["networks", "nodes", "domainNames"].contains(&field);
    let diagnostic = Diagnostic::warning(
        codes::UNKNOWN_PEER,
        format!("a peer of an unknown kind: `{field}`"),
    )
    .at(span, "its rule fails closed")
    .note(
        "A rule with such a peer accepts nothing; with action Deny or Pass it refuses everything.",
    );
    if only_out {
        diagnostic.help("addresses are peers of egress rules only: the API has none for ingress")
    } else {
        diagnostic.help("use a peer that this version of the API has")
    }
}

fn one_peer(
    schema: Schema,
    action: Option<AdminAction>,
    mut fields: Fields<'_>,
    key: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Option<AdminPeer> {
    let node = fields.node(key)?;
    let old = schema.kind != AdminKind::ClusterNetworkPolicy;
    let found = match key {
        "namespaces" => {
            let namespaces = if old {
                namespaces(node, out)?
            } else {
                selector(node, out)
            };
            AdminPeer::Pods(NamespacedPods {
                namespaces,
                pods: Selector::everything(),
            })
        }
        "pods" => AdminPeer::Pods(namespaced(schema, node, out)?),
        "nodes" => AdminPeer::Nodes(selector(node, out)),
        "networks" => {
            required_list(&mut fields, "networks", ADDRESSES, out);
            let texts = fields.strings("networks", out);
            let nets = texts.iter().filter_map(|text| cidr::read(text, out));
            AdminPeer::Networks(nets.collect())
        }
        _ => domain_names(&mut fields, node, action, out),
    };
    fields.finish(out);
    Some(found)
}

/// `domainNames`: "only supported for Accept rules".
fn domain_names(
    fields: &mut Fields<'_>,
    node: Node<'_>,
    action: Option<AdminAction>,
    out: &mut Vec<Diagnostic>,
) -> AdminPeer {
    if matches!(action, Some(AdminAction::Deny | AdminAction::Pass)) {
        out.push(
            Diagnostic::error(
                codes::DOMAIN_NAME,
                "domain names in a rule that accepts nothing",
            )
            .at(node.span(), "`domainNames` may only be accepted")
            .help("deny everything in a later rule, and accept these names before it"),
        );
    }
    required_list(fields, "domainNames", ADDRESSES, out);
    let names = fields.strings("domainNames", out);
    for name in &names {
        let rest = name.value.strip_prefix("*.").unwrap_or(&name.value);
        if !is_domain(rest) {
            out.push(
                Diagnostic::error(
                    codes::DOMAIN_NAME,
                    format!("{:?} is not a domain name", name.value),
                )
                .at(name.span, "labels and dots, and `*.` at most in front")
                .help("write it as `example.com` or `*.example.com`"),
            );
        }
    }
    let lower = |text: &str| text.trim_end_matches('.').to_lowercase();
    AdminPeer::DomainNames(names.iter().map(|name| lower(&name.value)).collect())
}

/// An item of `protocols` in v1alpha2.
pub(crate) fn protocol(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<AdminPort> {
    const SET: [&str; 4] = ["tcp", "udp", "sctp", "destinationNamedPort"];
    let mut fields = Fields::of(node, "a protocol of a rule", out)?;
    let present: Vec<&str> = SET
        .into_iter()
        .filter(|key| fields.node(key).is_some())
        .collect();
    let set = "`tcp`, `udp`, `sctp` and `destinationNamedPort`";
    check_one(fields.span(), &present, set, out);
    let [only] = present.as_slice() else {
        fields.finish(out);
        return None;
    };
    let protocol = match *only {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => {
            let name = port_name(&mut fields, "destinationNamedPort", out);
            fields.finish(out);
            return name.map(AdminPort::Named);
        }
    };
    let inner = fields.map(only, "a protocol", out);
    fields.finish(out);
    let mut inner = inner?;
    let port = required_map(&mut inner, "destinationPort", "a destination port", out);
    inner.finish(out);
    destination(protocol, port?, out)
}

/// `destinationPort`: a number or a range.
fn destination(
    protocol: Protocol,
    mut port: Fields<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<AdminPort> {
    let mut present = Vec::new();
    present.extend(port.node("number").map(|_| "number"));
    present.extend(port.node("range").map(|_| "range"));
    check_one(port.span(), &present, "`number` and `range`", out);
    let number = ports::number_at(&mut port, "number", out);
    let range = port.map("range", "a range of ports", out);
    port.finish(out);
    if let Some(range) = range {
        return bounds(protocol, range, out);
    }
    number.map(|port| AdminPort::Range {
        protocol,
        first: port,
        last: port,
    })
}

/// `start` and `end`, the first below the second.
fn bounds(
    protocol: Protocol,
    mut range: Fields<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<AdminPort> {
    let first = ports::required_number(&mut range, "start", out);
    let last = ports::required_number(&mut range, "end", out);
    let span = range.span();
    range.finish(out);
    let (first, last) = (first?, last?);
    if first >= last {
        out.push(
            Diagnostic::error(
                codes::RANGE_ORDER,
                format!("a range of ports from {first} to {last}"),
            )
            .at(span, "`start` must be below `end`")
            .help("exchange the two, or name a single port"),
        );
    }
    Some(AdminPort::Range {
        protocol,
        first,
        last: last.max(first),
    })
}

/// An item of `ports` in v1alpha1.
pub(crate) fn port(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<AdminPort> {
    const SET: [&str; 3] = ["portNumber", "portRange", "namedPort"];
    let mut fields = Fields::of(node, "a port of a rule", out)?;
    let present: Vec<&str> = SET
        .into_iter()
        .filter(|key| fields.node(key).is_some())
        .collect();
    let set = "`portNumber`, `portRange` and `namedPort`";
    check_one(fields.span(), &present, set, out);
    let found = match present.as_slice() {
        ["portNumber"] => fields
            .map("portNumber", "a port", out)
            .and_then(|mut port| {
                let protocol = ports::protocol(&mut port, out);
                let number = ports::required_number(&mut port, "port", out);
                port.finish(out);
                let (protocol, first) = (protocol?, number?);
                Some(AdminPort::Range {
                    protocol,
                    first,
                    last: first,
                })
            }),
        ["portRange"] => fields
            .map("portRange", "a range of ports", out)
            .and_then(|mut range| {
                let protocol = ports::protocol(&mut range, out)?;
                bounds(protocol, range, out)
            }),
        ["namedPort"] => port_name(&mut fields, "namedPort", out).map(AdminPort::Named),
        _ => None,
    };
    fields.finish(out);
    found
}

fn port_name(
    fields: &mut Fields<'_>,
    key: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Option<String> {
    let name = fields.string(key, out)?;
    ports::check_name(&name.value, name.span, out).then_some(name.value)
}
