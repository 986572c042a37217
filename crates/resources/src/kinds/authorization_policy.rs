//! `security.istio.io AuthorizationPolicy`: whom receivers admit.

use super::{Kind, Part};
use crate::codes;
use crate::emit::{Meta, commented, object, strings};
use crate::head::Head;
use crate::istio;
use crate::names::NameRule;
use crate::objects::Add;
use crate::words::choice;
use ipnet::IpNet;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Condition, Operation, Origin,
    PolicyTarget, Source,
};
use palisade_yaml::{Fields, Node, Spanned, Value};
use std::net::IpAddr;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "AuthorizationPolicy",
    group: istio::SECURITY,
    versions: istio::SECURITY_VERSIONS,
    namespaced: true,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

/// The annotation that switches enforcement off.
const DRY_RUN: &str = "istio.io/dry-run";

/// `action`.
const ACTIONS: &[(&str, AuthorizationAction)] = &[
    ("ALLOW", AuthorizationAction::Allow),
    ("DENY", AuthorizationAction::Deny),
    ("AUDIT", AuthorizationAction::Audit),
    ("CUSTOM", AuthorizationAction::Custom),
];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let dry_run = head.annotations.get(DRY_RUN).map(String::as_str);
    let mut policy = AuthorizationPolicy {
        origin: head.origin(),
        object: head.object.clone(),
        selector: Default::default(),
        targets: Vec::new(),
        dry_run: dry_run == Some("true"),
        action: AuthorizationAction::Allow,
        rules: Vec::new(),
    };
    if let Some(mut spec) = fields.map("spec", "the spec of an AuthorizationPolicy", out) {
        read_spec(&mut policy, &mut spec, out);
        spec.finish(out);
    }
    fields.ignore(&["status"]);
    Some(Box::new(move |objects| {
        objects.authorization_policies.push(policy);
    }))
}

fn read_spec(policy: &mut AuthorizationPolicy, spec: &mut Fields<'_>, out: &mut Vec<Diagnostic>) {
    policy.selector = istio::workload_selector(spec, "selector", "matchLabels", out);
    policy.targets = targets(spec, out);
    if !policy.targets.is_empty() && spec.node("selector").is_some() {
        out.push(
            Diagnostic::error(codes::TWO_TARGETS, "selector beside targetRefs")
                .at(spec.span(), "only one of the two may be given")
                .help("remove one of them"),
        );
    }
    let action = choice(spec, "action", "an action", ACTIONS, out);
    policy.action = action.unwrap_or(AuthorizationAction::Allow);
    let provider = spec.node("provider").is_some();
    if policy.action == AuthorizationAction::Custom && !provider {
        out.push(
            Diagnostic::error(codes::NO_PROVIDER, "action CUSTOM without a provider")
                .at(spec.span(), "needs `provider.name`")
                .help("name an extension provider of the mesh configuration"),
        );
    }
    let nodes = spec.list("rules", out);
    let needs_rules = policy.action != AuthorizationAction::Allow;
    if nodes.is_empty() && needs_rules {
        out.push(
            Diagnostic::error(codes::RULES_REQUIRED, "a policy that can never match")
                .at(spec.span(), "this action needs `rules`")
                .help("add a rule; `rules: [{}]` matches everything"),
        );
    }
    policy.rules = nodes
        .into_iter()
        .filter_map(|node| rule(node, out))
        .collect();
}

/// `targetRefs`, and the older `targetRef`.
fn targets(spec: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Vec<PolicyTarget> {
    let one = spec.node("targetRef");
    let nodes = spec.list("targetRefs", out).into_iter().chain(one);
    nodes.filter_map(|node| target(node, out)).collect()
}

fn target(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<PolicyTarget> {
    let mut fields = Fields::of(node, "a target of a policy", out)?;
    let group = fields.string("group", out).map(|group| group.value);
    let kind = fields.required_string("kind", out);
    let name = fields.required_string("name", out);
    let namespace = fields.string("namespace", out);
    if let Some(namespace) = namespace.filter(|n| !n.value.is_empty()) {
        out.push(
            Diagnostic::error(codes::BAD_TARGET, "a target in another namespace")
                .at(namespace.span, "Istio refuses `namespace` in a target")
                .help("put the policy into the namespace of its target"),
        );
    }
    fields.finish(out);
    let (group, kind, name) = (group.unwrap_or_default(), kind?, name?.value);
    Some(match (group.as_str(), kind.value.as_str()) {
        ("gateway.networking.k8s.io", "Gateway") => PolicyTarget::Gateway(name),
        ("gateway.networking.k8s.io", "GatewayClass") => PolicyTarget::GatewayClass(name),
        ("" | "core", "Service") => PolicyTarget::Service(name),
        (istio::NETWORKING, "ServiceEntry") => PolicyTarget::ServiceEntry(name),
        _ => {
            let what = format!("{} is not a target that Istio knows", kind.value);
            out.push(
                Diagnostic::error(codes::BAD_TARGET, what)
                    .at(kind.span, "Istio refuses this group and kind")
                    .help("use a Gateway or GatewayClass of gateway.networking.k8s.io, a Service, or a ServiceEntry"),
            );
            return None;
        }
    })
}

fn rule(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<AuthorizationRule> {
    let mut fields = Fields::of(node, "a rule of an AuthorizationPolicy", out)?;
    let mut found = AuthorizationRule {
        origin: Origin(Some(node.span())),
        ..AuthorizationRule::default()
    };
    for (key, inner) in [("from", "source"), ("to", "operation")] {
        let Some(list) = fields.node(key) else {
            continue;
        };
        let nodes = fields.list(key, out);
        if nodes.is_empty() {
            out.push(istio::empty(list.span(), key));
        }
        for node in nodes {
            let Some(mut item) = Fields::of(node, "an item of a rule", out) else {
                continue;
            };
            match item.map(inner, "a source or operation", out) {
                Some(fields) if key == "from" => found.from.push(source(fields, out)),
                Some(fields) => found.to.push(operation(fields, out)),
                None => out.push(istio::empty(node.span(), inner)),
            }
            item.finish(out);
        }
    }
    for node in fields.list("when", out) {
        found.when.extend(condition(node, out));
    }
    fields.finish(out);
    Some(found)
}

/// The texts under `key`; a list that is written must not be empty. Counts the lists found.
fn list(
    fields: &mut Fields<'_>,
    key: &'static str,
    count: &mut usize,
    out: &mut Vec<Diagnostic>,
) -> Vec<Spanned<String>> {
    let Some(node) = fields.node(key) else {
        return Vec::new();
    };
    *count += 1;
    let items = fields.strings(key, out);
    if items.is_empty() && node.items().next().is_none() {
        out.push(istio::empty(node.span(), key));
    }
    items
}

fn source(mut fields: Fields<'_>, out: &mut Vec<Diagnostic>) -> Source {
    let mut count = 0;
    let mut texts = |key, out: &mut Vec<Diagnostic>| {
        let items = list(&mut fields, key, &mut count, out);
        if key.to_lowercase().ends_with("ipblocks") {
            items.iter().for_each(|item| check_block(item, out));
        }
        istio::texts(items)
    };
    let source = Source {
        principals: texts("principals", out),
        not_principals: texts("notPrincipals", out),
        namespaces: texts("namespaces", out),
        not_namespaces: texts("notNamespaces", out),
        service_accounts: texts("serviceAccounts", out),
        not_service_accounts: texts("notServiceAccounts", out),
        ip_blocks: texts("ipBlocks", out),
        not_ip_blocks: texts("notIpBlocks", out),
        remote_ip_blocks: texts("remoteIpBlocks", out),
        not_remote_ip_blocks: texts("notRemoteIpBlocks", out),
        request_principals: texts("requestPrincipals", out),
        not_request_principals: texts("notRequestPrincipals", out),
    };
    refuse_trust_domains(&mut fields, &mut count, out);
    if count == 0 {
        out.push(istio::empty(fields.span(), "source"));
    }
    let accounts = source.service_accounts.len() + source.not_service_accounts.len();
    let others = [
        &source.principals,
        &source.not_principals,
        &source.namespaces,
        &source.not_namespaces,
    ];
    if accounts > 0 && others.iter().any(|list| !list.is_empty()) {
        out.push(
            Diagnostic::error(
                codes::TWO_IDENTITIES,
                "serviceAccounts beside principals or namespaces",
            )
            .at(fields.span(), "Istio refuses the combination")
            .help("keep one way of naming the caller"),
        );
    }
    fields.finish(out);
    source
}

/// Leaving these fields out of the model would widen or narrow the rule.
fn refuse_trust_domains(fields: &mut Fields<'_>, count: &mut usize, out: &mut Vec<Diagnostic>) {
    for key in ["trustDomains", "notTrustDomains"] {
        if let Some(node) = fields.node(key) {
            *count += 1;
            out.push(
                Diagnostic::error(codes::NOT_MODELLED, format!("`{key}` is not understood"))
                    .at(node.span(), "would change whom the rule admits")
                    .help("name the trust domain in `principals`"),
            );
        }
    }
}

fn check_block(item: &Spanned<String>, out: &mut Vec<Diagnostic>) {
    let text = item.value.as_str();
    if text.parse::<IpNet>().is_err() && text.parse::<IpAddr>().is_err() {
        out.push(
            Diagnostic::error(
                codes::BAD_CIDR,
                format!("{text:?} is neither an address nor a CIDR"),
            )
            .at(
                item.span,
                "an address, or an address, `/` and a prefix length",
            )
            .help("write it as `10.0.0.1` or `10.0.0.0/8`"),
        );
    }
}

fn operation(mut fields: Fields<'_>, out: &mut Vec<Diagnostic>) -> Operation {
    let mut count = 0;
    let ports = list(&mut fields, "ports", &mut count, out);
    let not_ports = list(&mut fields, "notPorts", &mut count, out);
    let mut texts =
        |key, out: &mut Vec<Diagnostic>| istio::texts(list(&mut fields, key, &mut count, out));
    let operation = Operation {
        ports: ports.iter().filter_map(|port| number(port, out)).collect(),
        not_ports: not_ports
            .iter()
            .filter_map(|port| number(port, out))
            .collect(),
        methods: texts("methods", out),
        not_methods: texts("notMethods", out),
        paths: texts("paths", out),
        not_paths: texts("notPaths", out),
        hosts: texts("hosts", out),
        not_hosts: texts("notHosts", out),
    };
    if count == 0 {
        out.push(istio::empty(fields.span(), "operation"));
    }
    fields.finish(out);
    operation
}

fn number(text: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<u16> {
    let port = text.value.parse::<u16>().ok().filter(|port| *port > 0);
    if port.is_none() {
        out.push(
            Diagnostic::error(codes::BAD_PORT, format!("{:?} is not a port", text.value))
                .at(text.span, "1 to 65535, as a string")
                .help("use one number for each item; ranges and names are not possible"),
        );
    }
    port
}

fn condition(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<Condition> {
    let mut fields = Fields::of(node, "a condition", out)?;
    let key = fields.required_string("key", out);
    let values = istio::texts(fields.strings("values", out));
    let not_values = istio::texts(fields.strings("notValues", out));
    if values.is_empty() && not_values.is_empty() {
        out.push(
            Diagnostic::error(codes::NO_VALUES, "a condition without values")
                .at(fields.span(), "needs `values` or `notValues`")
                .help("add one of the two, or remove the condition"),
        );
    }
    fields.finish(out);
    Some(Condition {
        key: key?.value,
        values,
        not_values,
    })
}

/// Writes an AuthorizationPolicy. The provider of CUSTOM is not part of the model and is not written.
#[must_use]
pub fn write(policy: &AuthorizationPolicy, extra: &Meta) -> Value {
    let word = ACTIONS.iter().find(|(_, action)| *action == policy.action);
    let mut spec = Vec::new();
    spec.extend(istio::write_workload_selector(
        "selector",
        "matchLabels",
        &policy.selector,
    ));
    if !policy.targets.is_empty() {
        let targets = policy.targets.iter().map(write_target);
        spec.push(("targetRefs", Value::List(targets.collect())));
    }
    spec.push((
        "action",
        Value::string(word.map_or("ALLOW", |(word, _)| word)),
    ));
    if !policy.rules.is_empty() {
        let rules = policy.rules.iter().enumerate();
        let rules = rules.map(|(i, rule)| commented(extra.rules.get(i), write_rule(rule)));
        spec.push(("rules", Value::List(rules.collect())));
    }
    let mut extra = extra.clone();
    if policy.dry_run {
        extra
            .annotations
            .insert(DRY_RUN.to_owned(), "true".to_owned());
    }
    object(&KIND, &policy.object, &extra, Value::map(spec))
}

fn write_target(target: &PolicyTarget) -> Value {
    const GATEWAY_API: &str = "gateway.networking.k8s.io";
    let (group, kind, name) = match target {
        PolicyTarget::Gateway(name) => (GATEWAY_API, "Gateway", name.as_str()),
        PolicyTarget::GatewayClass(name) => (GATEWAY_API, "GatewayClass", name.as_str()),
        PolicyTarget::Service(name) => ("", "Service", name.as_str()),
        PolicyTarget::ServiceEntry(name) => (istio::NETWORKING, "ServiceEntry", name.as_str()),
    };
    Value::map([
        ("group", Value::string(group)),
        ("kind", Value::string(kind)),
        ("name", Value::string(name)),
    ])
}

fn write_rule(rule: &AuthorizationRule) -> Value {
    let mut fields = Vec::new();
    if !rule.from.is_empty() {
        let items = rule.from.iter();
        let items = items.map(|source| Value::map([("source", write_source(source))]));
        fields.push(("from", Value::List(items.collect())));
    }
    if !rule.to.is_empty() {
        let items = rule.to.iter();
        let items = items.map(|operation| Value::map([("operation", write_operation(operation))]));
        fields.push(("to", Value::List(items.collect())));
    }
    if !rule.when.is_empty() {
        let items = rule.when.iter().map(|condition| {
            let mut fields = vec![("key", Value::string(&condition.key))];
            fields.extend(filled([
                ("values", &condition.values),
                ("notValues", &condition.not_values),
            ]));
            Value::map(fields)
        });
        fields.push(("when", Value::List(items.collect())));
    }
    Value::map(fields)
}

/// The lists that are not empty.
fn filled<'a>(
    lists: impl IntoIterator<Item = (&'static str, &'a Vec<String>)>,
) -> Vec<(&'static str, Value)> {
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    lists.map(|(key, list)| (key, strings(list))).collect()
}

fn write_source(source: &Source) -> Value {
    Value::map(filled([
        ("principals", &source.principals),
        ("notPrincipals", &source.not_principals),
        ("namespaces", &source.namespaces),
        ("notNamespaces", &source.not_namespaces),
        ("serviceAccounts", &source.service_accounts),
        ("notServiceAccounts", &source.not_service_accounts),
        ("ipBlocks", &source.ip_blocks),
        ("notIpBlocks", &source.not_ip_blocks),
        ("remoteIpBlocks", &source.remote_ip_blocks),
        ("notRemoteIpBlocks", &source.not_remote_ip_blocks),
        ("requestPrincipals", &source.request_principals),
        ("notRequestPrincipals", &source.not_request_principals),
    ]))
}

fn write_operation(operation: &Operation) -> Value {
    let texts = |ports: &[u16]| ports.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (ports, not_ports) = (texts(&operation.ports), texts(&operation.not_ports));
    Value::map(filled([
        ("ports", &ports),
        ("notPorts", &not_ports),
        ("methods", &operation.methods),
        ("notMethods", &operation.not_methods),
        ("paths", &operation.paths),
        ("notPaths", &operation.not_paths),
        ("hosts", &operation.hosts),
        ("notHosts", &operation.not_hosts),
    ]))
}
