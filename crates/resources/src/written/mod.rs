//! How objects are written, for lints: places of peers and ports, what is left to defaults, old
//! names of fields, annotations that switch lints off.
//!
//! It reads the texts a second time, so that no other command pays for it. What is wrong is told by
//! [`load`](crate::load) and passed over here.

mod pods;
mod roles;

use crate::{Input, KINDS, Role, codes};
use ipnet::IpNet;
use palisade_diagnostics::{FileId, Span, Text};
use palisade_netmodel::{Direction, ObjectRef, Skip, Webhook, Written, WrittenPolicy, WrittenRule};
use palisade_yaml::{
    Around, Items, Key, Kind as Shape, Limits, List, Node, Piece, Plan, Spare, Take, Window,
};
use roles::Roles;
use std::ops::Range;

/// The annotation that names the lints to leave out for an object.
pub const SKIP: &str = "palisade.dev/lint-skip";
/// The annotation that says why.
pub const SKIP_REASON: &str = "palisade.dev/lint-skip-reason";

/// What [`load`](crate::load) tells and a lint tells better.
pub const TOLD_BY_LINTS: [&str; 1] = [codes::HOST_BITS];

/// Lists of lists, as deep as the API server makes them.
const MAX_LISTS: usize = 4;

/// Reads texts, object by object: of trees, only one is there at a time.
#[must_use]
pub fn written(inputs: &[Input<'_>], limits: &Limits) -> Written {
    let mut out = Written::default();
    let mut roles = Roles::default();
    for input in inputs {
        let mut finder = Finder {
            file: input.file,
            role: input.role,
            limits,
            found: (&mut out, &mut roles),
            kind: String::new(),
            read: 0,
            skip: 0,
        };
        match input.text {
            Text::Whole(text) => finder.whole(text),
            Text::Blocks(blocks) => {
                palisade_yaml::stream(input.file, blocks, limits, &mut finder);
            }
        }
    }
    roles.finish(&mut out);
    out
}

/// What is found, and roles and bindings, which are joined at the end.
type Found<'o> = (&'o mut Written, &'o mut Roles);

/// Looks through one text.
struct Finder<'l, 'o> {
    file: FileId,
    role: Role,
    limits: &'l Limits,
    found: Found<'o>,
    /// The kind of the items of a list.
    kind: String,
    /// How many of them have been read.
    read: usize,
    /// How many items of the list that is read as a whole have been read before.
    skip: usize,
}

impl Finder<'_, '_> {
    fn whole(&mut self, text: &str) {
        let (pieces, _) = palisade_yaml::cut(self.file, text, self.limits);
        let window = Window::whole(text);
        for piece in &pieces {
            match piece {
                Piece::Document(range) => self.documents(window, std::slice::from_ref(range)),
                Piece::List(list) => {
                    if !self.list(text, list) {
                        self.back();
                        self.documents(window, &[list.whole()]);
                    }
                }
            }
        }
    }

    /// Reads a large list item by item; false if what is not read yet has to be read with all of it.
    fn list(&mut self, text: &str, list: &List) -> bool {
        self.mark();
        let Some(around) = list.around(self.file, text, self.limits) else {
            return false;
        };
        self.around(around.root(), true) != Around::Whole
            && self.items(list.form(), Window::whole(text), list.items())
    }
}

impl Take for Finder<'_, '_> {
    // Nothing that was found is taken back.
    const GUESSES: bool = false;

    /// Reads documents, and drops each tree. What was read of the first by items is passed over.
    fn documents(&mut self, window: Window<'_>, ranges: &[Range<usize>]) {
        for range in ranges {
            let skip = std::mem::take(&mut self.skip);
            let plan = Plan::default();
            let (documents, _) = palisade_yaml::read(self.file, window, range, self.limits, plan);
            for document in &documents {
                let root = document.root();
                match (skip, item_kind(root)) {
                    (1.., Some(item)) => {
                        let items = root.get("items").into_iter().flat_map(Node::items);
                        let rest = items.skip(skip);
                        rest.for_each(|node| object(node, item, (self.role, 1), &mut self.found));
                    }
                    _ => object(root, "", (self.role, 0), &mut self.found),
                }
            }
        }
    }

    fn mark(&mut self) {
        self.read = 0;
        self.kind.clear();
    }

    fn back(&mut self) {
        self.skip = self.read;
    }

    fn around(&mut self, around: Node<'_>, _all: bool) -> Around {
        let Some(kind) = item_kind(around) else {
            return Around::Whole;
        };
        kind.clone_into(&mut self.kind);
        Around::Go
    }

    fn items(&mut self, items: Items, window: Window<'_>, ranges: &[Range<usize>]) -> bool {
        // Documents of their own are no items, and none of them is read if one of them is wrong.
        let depth = usize::from(!items.are_documents());
        let mut spare = Spare::default();
        for range in ranges {
            let plan = Plan::default();
            let how = (self.limits, plan);
            let Some(item) = items.read(self.file, (window, range), how, &mut spare) else {
                return false;
            };
            let root = item.root();
            let node = match items.is_wrapped() {
                true => root.items().next(),
                false => Some(root),
            };
            if let Some(node) = node {
                object(node, &self.kind, (self.role, depth), &mut self.found);
            }
            spare.keep(item);
            self.read += 1;
        }
        true
    }
}

/// The kind of the items of a list.
fn item_kind(node: Node<'_>) -> Option<&str> {
    text(node, "kind")?.strip_suffix("List")
}

/// One object or list; `inherited` is the kind of the items of a typed list.
fn object(node: Node<'_>, inherited: &str, (role, depth): (Role, usize), found: &mut Found<'_>) {
    let kind = text(node, "kind").unwrap_or(inherited);
    if let (Some(item), Some(items)) = (kind.strip_suffix("List"), node.get("items")) {
        if depth < MAX_LISTS {
            items
                .items()
                .for_each(|node| object(node, item, (role, depth + 1), found));
        }
        return;
    }
    // What the loader does not take from this input is not judged either.
    let known = KINDS.iter().find(|known| known.name == kind);
    if !known.is_none_or(|known| role.takes(known.part)) {
        return;
    }
    let (out, roles) = found;
    out.skips.extend(skip(node));
    match kind {
        "NetworkPolicy" => network_policy(node, out),
        "Service" => service(node, out),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => webhooks(node, out),
        "AuthorizationPolicy" => authorization_policy(node, out),
        "CustomResourceDefinition" => conversion(node, out),
        "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => roles.read(node, kind),
        _ => pods::read(node, kind, out),
    }
}

fn text<'d>(node: Node<'d>, key: &str) -> Option<&'d str> {
    node.get(key).and_then(Node::as_str)
}

/// The key of an entry.
fn key<'d>(node: Node<'d>, name: &str) -> Option<Key<'d>> {
    let mut entries = node.entries();
    entries
        .find(|(key, _)| key.text == name)
        .map(|(key, _)| key)
}

/// Namespace and name, as the loader makes them.
fn reference(node: Node<'_>) -> Option<ObjectRef> {
    let meta = node.get("metadata")?;
    let namespace = text(meta, "namespace").filter(|name| !name.is_empty());
    let name = match text(meta, "name") {
        Some(name) => name.to_owned(),
        None => format!("{}0", text(meta, "generateName")?),
    };
    Some(ObjectRef::new(namespace.unwrap_or("default"), name))
}

fn skip(node: Node<'_>) -> Option<Skip> {
    let annotations = node.get("metadata")?.get("annotations")?;
    let value = annotations.get(SKIP)?;
    let names = value.as_str()?.split(',').map(str::trim);
    Some(Skip {
        object: node.span(),
        span: value.span(),
        lints: names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        reason: text(annotations, SKIP_REASON)
            .map(|reason| reason.trim().to_owned())
            .filter(|reason| !reason.is_empty()),
    })
}

fn network_policy(node: Node<'_>, out: &mut Written) {
    let (Some(object), Some(spec)) = (reference(node), node.get("spec")) else {
        return;
    };
    let given = |name| {
        let node = spec.get(name)?;
        let empty = node.is_null() || (node.kind() == Shape::List && node.items().count() == 0);
        (!empty).then(|| node.span())
    };
    let mut policy = WrittenPolicy {
        pod_selector: spec.get("podSelector").map(Node::span),
        policy_types: given("policyTypes"),
        first_key: spec.entries().next().map(|(key, _)| key.span),
        ..WrittenPolicy::default()
    };
    for direction in [Direction::Ingress, Direction::Egress] {
        let (field, peers, rules) = match direction {
            Direction::Ingress => ("ingress", "from", &mut policy.ingress),
            Direction::Egress => ("egress", "to", &mut policy.egress),
        };
        let nodes = spec.get(field).into_iter().flat_map(Node::items);
        rules.extend(nodes.map(|node| rule(node, peers, &mut out.loose_cidrs)));
    }
    out.policies.insert(object, policy);
}

fn rule(node: Node<'_>, peers: &str, loose: &mut Vec<(Span, IpNet)>) -> WrittenRule {
    let places = |name| -> Vec<Span> {
        let list = node.get(name).into_iter().flat_map(Node::items);
        list.map(Node::span).collect()
    };
    let blocks = node.get(peers).into_iter().flat_map(Node::items);
    for block in blocks.filter_map(|peer| peer.get("ipBlock")) {
        let except = block.get("except").into_iter().flat_map(Node::items);
        loose.extend(
            block
                .get("cidr")
                .into_iter()
                .chain(except)
                .filter_map(loose_cidr),
        );
    }
    WrittenRule {
        peers: places(peers),
        ports: places("ports"),
        empty_peers: empty(node, peers),
        empty_ports: empty(node, "ports"),
    }
}

/// The key of a list that is there and holds nothing.
fn empty(node: Node<'_>, name: &str) -> Option<Span> {
    let list = node.get(name)?;
    let nothing = list.is_null() || (list.kind() == Shape::List && list.items().count() == 0);
    nothing.then(|| key(node, name).map(|key| key.span))?
}

fn authorization_policy(node: Node<'_>, out: &mut Written) {
    let (Some(object), Some(spec)) = (reference(node), node.get("spec")) else {
        return;
    };
    for rule in spec.get("rules").into_iter().flat_map(Node::items) {
        let found = empty(rule, "from").map(|span| (span, object.clone()));
        out.empty_sources.extend(found);
    }
}

/// A CIDR with bits beyond its prefix, and what it is read as.
fn loose_cidr(node: Node<'_>) -> Option<(Span, IpNet)> {
    let net: IpNet = node.as_str()?.parse().ok()?;
    let clear = net.trunc();
    (clear != net).then(|| (node.span(), clear))
}

fn service(node: Node<'_>, out: &mut Written) {
    let (Some(object), Some(spec)) = (reference(node), node.get("spec")) else {
        return;
    };
    let ports = spec.get("ports").into_iter().flat_map(Node::items);
    out.service_ports
        .insert(object.clone(), ports.map(Node::span).collect());
    let many = spec.get("clusterIPs").into_iter().flat_map(Node::items);
    for node in spec.get("clusterIP").into_iter().chain(many) {
        if let Some(address) = node.as_str().and_then(|text| text.parse().ok()) {
            out.cluster_ips.insert(address, object.clone());
        }
    }
}

fn webhooks(node: Node<'_>, out: &mut Written) {
    for hook in node.get("webhooks").into_iter().flat_map(Node::items) {
        let name = text(hook, "name").unwrap_or_default();
        let found = hook.get("clientConfig").and_then(|c| webhook(c, name));
        out.webhooks.extend(found);
    }
}

/// `spec.conversion.webhook` of a CustomResourceDefinition.
fn conversion(node: Node<'_>, out: &mut Written) {
    let webhook_of = |node: Node<'_>| {
        let name = text(node.get("metadata")?, "name").unwrap_or_default();
        let conversion = node.get("spec")?.get("conversion")?;
        webhook(conversion.get("webhook")?.get("clientConfig")?, name)
    };
    out.webhooks.extend(webhook_of(node));
}

fn webhook(client: Node<'_>, name: &str) -> Option<Webhook> {
    let service = client.get("service")?;
    let port = service.get("port").and_then(Node::as_int).unwrap_or(443);
    Some(Webhook {
        span: service.span(),
        name: name.to_owned(),
        service: ObjectRef::new(text(service, "namespace")?, text(service, "name")?),
        port: u16::try_from(port).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Roles, Written, object, written};
    use crate::Input;
    use crate::Role;
    use palisade_diagnostics::{Blocks, FileId, Sources, Text};
    use palisade_netmodel::{ObjectRef, TargetPort};
    use palisade_yaml::{Limits, Sizes};

    const TEXT: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
  annotations:
    palisade.dev/lint-skip: no-ports, metadata-address
    palisade.dev/lint-skip-reason: the gateway is trusted
spec:
  podSelector: {}
  policyTypes: []
  ingress:
  - from:
    - ipBlock: {cidr: 10.1.2.3/8, except: [10.9.0.0/16]}
  - from: []
    ports: null
---
kind: PodList
items:
- metadata:
    name: old
    annotations:
      prometheus.io/scrape: 'true'
      prometheus.io/port: '9100'
      sidecar.istio.io/rewriteAppHTTPProbers: 'false'
  spec:
    serviceAccount: web
    automountServiceAccountToken: false
    containers:
    - name: a
      livenessProbe: {httpGet: {port: live}}
      readinessProbe: {tcpSocket: {port: 1}}
      startupProbe: {grpc: {port: 50051}}
---
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.7, ports: [{port: 80}]}
---
kind: ValidatingWebhookConfiguration
metadata: {name: check}
webhooks:
- name: check.shop.example
  clientConfig: {service: {namespace: shop, name: web}}
---
kind: RoleBinding
metadata: {name: a, namespace: shop}
roleRef: {kind: Role, name: reads}
subjects: [{kind: ServiceAccount, name: web}, {kind: User, name: jane}]
---
kind: ClusterRoleBinding
metadata: {name: b}
roleRef: {kind: ClusterRole, name: psp}
subjects: [{kind: ServiceAccount, name: runs, namespace: shop}]
---
kind: ClusterRole
metadata: {name: psp}
rules: [{apiGroups: [policy], resources: [podsecuritypolicies], verbs: [use]}]
";

    #[test]
    fn places_defaults_and_annotations_are_found() {
        let mut sources = Sources::new();
        let file = sources.add("a", TEXT);
        let input = Input {
            file,
            text: TEXT.into(),
            role: Role::Both,
        };
        let found = written(&[input], &Limits::default());
        let policy = found.policies.get(&ObjectRef::new("shop", "web")).unwrap();
        assert_eq!(policy.policy_types, None);
        assert_eq!(sources.text(policy.first_key.unwrap()), "podSelector");
        let [first, second] = policy.ingress.as_slice() else {
            panic!("two rules")
        };
        assert!(sources.text(first.peers[0]).starts_with("ipBlock: {cidr"));
        assert_eq!(sources.text(second.empty_peers.unwrap()), "from");
        assert_eq!(sources.text(second.empty_ports.unwrap()), "ports");
        let [(span, net)] = found.loose_cidrs.as_slice() else {
            panic!("one CIDR")
        };
        assert_eq!(
            (&*sources.text(*span), net.to_string()),
            ("10.1.2.3/8", "10.0.0.0/8".to_owned())
        );
        let skip = &found.skips[0];
        assert_eq!(skip.lints, ["no-ports", "metadata-address"]);
        assert_eq!(skip.reason.as_deref(), Some("the gateway is trusted"));
        assert_eq!(skip.object.file, FileId(0));
        assert_eq!(sources.text(found.old_fields[0].span), "serviceAccount");
        assert_eq!(found.webhooks[0].port, 443);
        let ports: Vec<_> = found.bare_probes.iter().map(|p| p.port.clone()).collect();
        assert_eq!(
            ports,
            [
                TargetPort::Name("live".to_owned()),
                TargetPort::Number(50051)
            ]
        );
        let [scrape] = found.scrapes.as_slice() else {
            panic!("one port")
        };
        assert_eq!(
            (&*sources.text(scrape.owner), &scrape.port),
            ("old", &TargetPort::Number(9100))
        );
        assert!(found.tokenless.contains(&scrape.owner));
        let bound: Vec<String> = found.bound.keys().map(ToString::to_string).collect();
        assert_eq!(bound, ["shop/web"], "a role that lets pods run is left out");
        assert_eq!(
            found.cluster_ips[&"10.96.0.7".parse().unwrap()],
            ObjectRef::new("shop", "web")
        );
    }

    /// The same from the trees of whole texts.
    fn from_trees(input: Input<'_>, text: &str) -> Written {
        let (mut out, mut roles) = (Written::default(), Roles::default());
        let parsed = palisade_yaml::parse(input.file, text, &Limits::default());
        for document in &parsed.documents {
            let both = &mut (&mut out, &mut roles);
            object(document.root(), "", (input.role, 0), both);
        }
        roles.finish(&mut out);
        out
    }

    #[test]
    fn a_large_list_is_read_item_by_item_like_a_whole() {
        let item = |i: usize| {
            format!(
                r#"{{"kind":"NetworkPolicy","metadata":{{"name":"p{i}","annotations":{{"palisade.dev/lint-skip":"no-ports"}}}},"spec":{{"podSelector":{{}},"ingress":[{{"from":[]}}],"x":"{}"}}}}"#,
                "y".repeat(i % 700)
            )
        };
        let items: Vec<String> = (0..1500).map(item).collect();
        let json = format!(r#"{{"items":[{}],"kind":"List"}}"#, items.join(","));
        let typed = json
            .replace(r#""kind":"NetworkPolicy","#, "")
            .replace(r#":"List""#, r#":"NetworkPolicyList""#);
        let yaml = format!("items:\n- {}\nkind: List\n", items.join("\n- "));
        // An item in the middle that needs another one.
        let named = yaml
            .replacen("\"p10\"", "&name p10", 1)
            .replacen("\"p900\"", "*name", 1);
        let several = format!("{yaml}---\n{TEXT}---\n{yaml}");
        let lines = items.join("\n");
        for text in [json, typed, yaml, named, several, lines] {
            assert!(text.len() > 1 << 19);
            let input = Input {
                file: FileId(0),
                text: (&text).into(),
                role: Role::Both,
            };
            let found = written(&[input], &Limits::default());
            assert!(found.policies.len() >= 1499);
            let expected = format!("{:?}", from_trees(input, &text));
            assert!(format!("{found:?}") == expected);
            for size in [300, 70_000] {
                let parts = text.as_bytes().chunks(size);
                let blocks = Blocks::of(parts.map(|part| std::str::from_utf8(part).unwrap()));
                let input = Input {
                    text: Text::Blocks(&blocks),
                    ..input
                };
                let sizes = Sizes {
                    window: 50_000,
                    list: 1 << 18,
                };
                let limits = Limits {
                    sizes,
                    ..Limits::default()
                };
                let found = written(&[input], &limits);
                assert!(format!("{found:?}") == expected, "{size} {}", &text[..60]);
            }
        }
    }
}
