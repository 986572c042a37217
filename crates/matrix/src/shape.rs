//! The shape of the language, once: the parser checks texts against it, and the JSON Schema is
//! written from it, so the two cannot drift.

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A string, in which `${name}` stands for a parameter.
    Text,
    /// A string that is not empty and is no parameter: a name.
    Name,
    /// true or false.
    Bool,
    /// A port number, or `${name}` of a parameter of type Port.
    Port,
    /// Any integer.
    Int,
    /// Any value.
    Any,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// A list.
    List(&'static Shape),
    /// A list, or `${name}` of a parameter that is a list.
    ListParameter(&'static Shape),
    /// One value, or a list of them.
    OneOrMore(&'static Shape),
    /// A map of strings.
    Labels,
    /// A map with these fields.
    Object(&'static Object),
    /// One of several shapes, told apart by their kind.
    Choice(&'static [Shape]),
}

/// A field of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) key: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    pub(crate) about: &'static str,
}

/// A map with known fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object {
    /// Name, for messages and schema definitions.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
}

const fn need(key: &'static str, shape: Shape, about: &'static str) -> Field {
    Field {
        key,
        shape,
        required: true,
        about,
    }
}

const fn may(key: &'static str, shape: Shape, about: &'static str) -> Field {
    Field {
        key,
        shape,
        required: false,
        about,
    }
}

use Shape::{
    Any, Bool, Choice, Enum, Int, Labels, List, ListParameter, Name, OneOrMore, Port, Text,
};

const WHEN_FIELD: Field = may("when", Shape::Object(&WHEN), "absent unless this holds");
const TEXT: Shape = Text;
const NAME: Shape = Name;

/// The whole document.
pub(crate) static MATRIX: Object = Object {
    name: "TrafficMatrix",
    fields: &[
        need(
            "apiVersion",
            Enum(&["palisade.dev/v1alpha1"]),
            "version of the language",
        ),
        need(
            "kind",
            Enum(&["TrafficMatrix", "TrafficMatrixFragment"]),
            "a whole matrix, or lists that are merged into one",
        ),
        need("metadata", Shape::Object(&METADATA), "name of the matrix"),
        need("spec", Shape::Object(&SPEC), "what is declared"),
    ],
};

static METADATA: Object = Object {
    name: "metadata",
    fields: &[
        need("name", Name, "name of the matrix"),
        may("labels", Labels, "labels"),
        may("annotations", Labels, "annotations"),
    ],
};

static SPEC: Object = Object {
    name: "spec",
    fields: &[
        may("title", Text, "title of the documents"),
        may("docs", Shape::Object(&SPEC_DOCS), "texts for the documents"),
        may(
            "parameters",
            List(&Shape::Object(&PARAMETER)),
            "typed inputs, used as ${name}",
        ),
        may("toggles", List(&Shape::Object(&TOGGLE)), "named switches"),
        may(
            "platforms",
            List(&Shape::Object(&PLATFORM)),
            "named variants, chosen by --platform",
        ),
        may(
            "requires",
            List(&Shape::Object(&REQUIRES)),
            "what the proof depends on",
        ),
        may(
            "mesh",
            Shape::Object(&MESH_FACTS),
            "facts of the whole mesh",
        ),
        may(
            "zones",
            List(&Shape::Object(&ZONE)),
            "groups of namespaces with one posture",
        ),
        may(
            "endpoints",
            List(&Shape::Object(&ENDPOINT)),
            "peers that are no declared pods",
        ),
        may(
            "components",
            List(&Shape::Object(&COMPONENT)),
            "declared pods",
        ),
        may(
            "cells",
            List(&Shape::Object(&CELL)),
            "zone by zone: what is admitted at most",
        ),
        may(
            "flows",
            List(&Shape::Object(&FLOW)),
            "the connections that may be made",
        ),
        may(
            "exceptions",
            List(&Shape::Object(&EXCEPTION)),
            "accepted findings",
        ),
    ],
};

static SPEC_DOCS: Object = Object {
    name: "docs",
    fields: &[may("introduction", Text, "first paragraph")],
};

/// The one condition of the language.
pub(crate) static WHEN: Object = Object {
    name: "when",
    fields: &[
        may("toggle", Name, "this toggle is on"),
        may("platform", Name, "this platform is chosen"),
        may(
            "cni",
            OneOrMore(&NAME),
            "the network plugin is one of these",
        ),
        may("parameter", Name, "this parameter has a value"),
        may(
            "not",
            Shape::Object(&WHEN),
            "the nested condition does not hold",
        ),
    ],
};

static SET_BY: Object = Object {
    name: "setBy",
    fields: &[
        WHEN_FIELD,
        need(
            "kind",
            Enum(&["HelmValue", "Env", "Field", "Command"]),
            "how people set it",
        ),
        need("name", Text, "Helm value path, variable, field or command"),
        may("object", Text, "the object that carries it"),
        may("note", Text, "a remark"),
    ],
};

static PARAMETER: Object = Object {
    name: "parameter",
    fields: &[
        need("name", Name, "name, used as ${name}"),
        need(
            "type",
            Enum(&[
                "Port",
                "Namespace",
                "String",
                "StringList",
                "CIDRList",
                "PeerList",
                "SecretRef",
                "SecretRefList",
                "Bool",
            ]),
            "type",
        ),
        may("default", Any, "value if none is given"),
        may(
            "required",
            Bool,
            "whether a value must be given; true unless there is a default",
        ),
        may("userSupplied", Bool, "documents print \"User Supplied\""),
        may(
            "placeholder",
            Any,
            "value for proofs and examples when none is given",
        ),
        may("each", Bool, "documents show one row for each value"),
        may("description", Text, "what it is"),
        may("setBy", List(&Shape::Object(&SET_BY)), "how people set it"),
    ],
};

static TOGGLE: Object = Object {
    name: "toggle",
    fields: &[
        need("name", Name, "name"),
        need("default", Bool, "on or off"),
        need("reason", Text, "why it is a choice"),
        may(
            "onEnable",
            Shape::Object(&ON_ENABLE),
            "what enabling demands",
        ),
        may("setBy", List(&Shape::Object(&SET_BY)), "how people set it"),
    ],
};

static ON_ENABLE: Object = Object {
    name: "onEnable",
    fields: &[may("restart", Enum(&["Pods"]), "what must be restarted")],
};

static PLATFORM: Object = Object {
    name: "platform",
    fields: &[
        need("name", Name, "name"),
        may("detect", Shape::Object(&DETECT), "how to recognise it"),
        may("dns", Shape::Object(&DNS), "where cluster DNS runs"),
    ],
};

static DETECT: Object = Object {
    name: "detect",
    fields: &[may("apiGroup", Text, "an API group that only it serves")],
};

static DNS: Object = Object {
    name: "dns",
    fields: &[
        need("namespace", Text, "namespace"),
        may("podSelector", Shape::Object(&SELECTOR), "its pods"),
        may(
            "ports",
            List(&Shape::Object(&PORT)),
            "ports besides 53 UDP and TCP",
        ),
    ],
};

static REQUIRES: Object = Object {
    name: "requires",
    fields: &[
        WHEN_FIELD,
        need(
            "capability",
            Name,
            "NetworkPolicyEnforced, SidecarInjectionWebhook, IstioVersion, ...",
        ),
        may("min", Text, "least version"),
        need("reason", Text, "why"),
    ],
};

static MESH_FACTS: Object = Object {
    name: "mesh",
    fields: &[may("istio", Shape::Object(&ISTIO), "Istio")],
};

const MTLS: Shape = Enum(&["Disable", "Permissive", "Strict"]);

static ISTIO: Object = Object {
    name: "istio",
    fields: &[
        may(
            "rootNamespace",
            Text,
            "root namespace, istio-system by default",
        ),
        may(
            "trustDomain",
            Text,
            "trust domain, cluster.local by default",
        ),
        may("meshPeerAuthentication", MTLS, "mode of the whole mesh"),
        may("autoMtls", Bool, "enableAutoMtls, true by default"),
    ],
};

static ZONE: Object = Object {
    name: "zone",
    fields: &[
        need("name", Name, "name"),
        may("title", Text, "title for documents"),
        need("kind", Enum(&["External", "Apps", "System"]), "kind"),
        may("namespaces", Shape::Object(&NAMESPACES), "its namespaces"),
        may(
            "isolation",
            Shape::Object(&ISOLATION),
            "default deny, per direction",
        ),
        may(
            "mesh",
            Shape::Object(&MESH),
            "how its pods take part in the mesh",
        ),
        may(
            "implied",
            List(&Enum(&["DNS", "MeshControlPlane", "Probes"])),
            "flows that everything in it needs",
        ),
    ],
};

static NAMESPACES: Object = Object {
    name: "namespaces",
    fields: &[
        may("names", ListParameter(&TEXT), "names"),
        may("selector", Shape::Object(&SELECTOR), "labels"),
    ],
};

const ISOLATION_WORD: Shape = Enum(&["None", "Component", "Namespace"]);

static ISOLATION: Object = Object {
    name: "isolation",
    fields: &[
        may("ingress", ISOLATION_WORD, "default deny for ingress"),
        may("egress", ISOLATION_WORD, "default deny for egress"),
        may(
            "overrides",
            List(&Shape::Object(&ISOLATION_OVERRIDE)),
            "values that depend on a condition",
        ),
    ],
};

static ISOLATION_OVERRIDE: Object = Object {
    name: "override",
    fields: &[
        need("when", Shape::Object(&WHEN), "condition"),
        may("ingress", ISOLATION_WORD, "default deny for ingress"),
        may("egress", ISOLATION_WORD, "default deny for egress"),
    ],
};

const MESH_MODE: Shape = Enum(&["None", "Sidecar"]);
const OUTBOUND: Shape = Enum(&["AllowAny", "RegistryOnly"]);

static MESH: Object = Object {
    name: "mesh",
    fields: &[
        WHEN_FIELD,
        may("mode", MESH_MODE, "sidecar or none"),
        may("mtls", MTLS, "what receivers accept"),
        may("outbound", OUTBOUND, "outboundTrafficPolicy"),
        may(
            "inject",
            Enum(&["Namespace"]),
            "the matrix writes the injection label of the namespaces",
        ),
        may(
            "overrides",
            List(&Shape::Object(&MESH_OVERRIDE)),
            "values that depend on a condition",
        ),
    ],
};

static MESH_OVERRIDE: Object = Object {
    name: "override",
    fields: &[
        need("when", Shape::Object(&WHEN), "condition"),
        may("mode", MESH_MODE, "sidecar or none"),
        may("mtls", MTLS, "what receivers accept"),
        may("outbound", OUTBOUND, "outboundTrafficPolicy"),
    ],
};

static SELECTOR: Object = Object {
    name: "selector",
    fields: &[
        may("matchLabels", Labels, "labels with these values"),
        may(
            "matchExpressions",
            List(&Shape::Object(&EXPRESSION)),
            "further requirements",
        ),
    ],
};

static EXPRESSION: Object = Object {
    name: "requirement",
    fields: &[
        need("key", Text, "label key"),
        need(
            "operator",
            Enum(&["In", "NotIn", "Exists", "DoesNotExist"]),
            "operator",
        ),
        may("values", List(&TEXT), "values of In and NotIn"),
    ],
};

const PROTOCOL: Shape = Enum(&["TCP", "UDP", "SCTP"]);

static PORT: Object = Object {
    name: "port",
    fields: &[
        may("name", Text, "name of a container port"),
        may("port", Port, "number"),
        may("endPort", Port, "last number of a range"),
        may("protocol", PROTOCOL, "protocol, TCP by default"),
    ],
};

static PEER: Object = Object {
    name: "peer",
    fields: &[
        may("cidr", Text, "addresses"),
        may("except", List(&TEXT), "addresses left out"),
        may("namespace", Text, "one namespace"),
        may(
            "namespaceSelector",
            Shape::Object(&SELECTOR),
            "namespaces by label",
        ),
        may("podSelector", Shape::Object(&SELECTOR), "pods by label"),
    ],
};

const FIDELITY: Shape = Enum(&["Exact", "Wider", "Narrower"]);

static ENDPOINT: Object = Object {
    name: "endpoint",
    fields: &[
        WHEN_FIELD,
        need("name", Name, "name"),
        may("zone", Name, "zone, for cells"),
        need(
            "kind",
            Enum(&[
                "Any",
                "CIDR",
                "Hosts",
                "KubeAPIServer",
                "Kubelet",
                "Node",
                "DNS",
                "Peers",
            ]),
            "what it is",
        ),
        may("cidrs", ListParameter(&TEXT), "addresses, for CIDR"),
        may("hosts", ListParameter(&TEXT), "names, for Hosts"),
        may("port", Port, "port, for Hosts"),
        may(
            "peers",
            ListParameter(&Shape::Object(&PEER)),
            "peers, for Peers",
        ),
        may("caBundle", Text, "Secrets with the CAs of the far end"),
        may("docs", Text, "what documents call it"),
        may(
            "variants",
            List(&Shape::Object(&VARIANT)),
            "the first that holds says who it is",
        ),
    ],
};

static VARIANT: Object = Object {
    name: "variant",
    fields: &[
        WHEN_FIELD,
        may("any", Bool, "everybody"),
        may("cidrs", ListParameter(&TEXT), "addresses"),
        may("peers", ListParameter(&Shape::Object(&PEER)), "peers"),
        may(
            "namespaceSelector",
            Shape::Object(&SELECTOR),
            "every pod of these namespaces",
        ),
        may("fidelity", FIDELITY, "how well it says what is meant"),
        may("note", Text, "what is wider or narrower"),
    ],
};

static COMPONENT: Object = Object {
    name: "component",
    fields: &[
        WHEN_FIELD,
        need("name", Name, "name"),
        may("title", Text, "title for documents"),
        need("zone", Name, "zone"),
        need("namespace", Text, "namespace"),
        need(
            "podSelector",
            Shape::Object(&SELECTOR),
            "its pods; {} is every pod of the namespace",
        ),
        may("serviceAccount", Text, "service account of its pods"),
        may("role", Enum(&["Gateway"]), "an Istio gateway"),
        may("open", Bool, "a class that others join by label"),
        may(
            "ports",
            List(&Shape::Object(&COMPONENT_PORT)),
            "named ports",
        ),
        may(
            "policies",
            Shape::Object(&POLICIES),
            "whether its objects are written",
        ),
        may(
            "acceptsFrom",
            List(&Shape::Object(&ACCEPTS)),
            "who may name it as destination",
        ),
        may(
            "isolation",
            Shape::Object(&ISOLATION),
            "its own, instead of the zone's",
        ),
        may(
            "mesh",
            Shape::Object(&MESH),
            "its own, instead of the zone's",
        ),
        may(
            "docs",
            Shape::Object(&COMPONENT_DOCS),
            "texts for documents",
        ),
    ],
};

static COMPONENT_PORT: Object = Object {
    name: "port",
    fields: &[
        need("name", Name, "name within the component"),
        need("port", Port, "number"),
        may("endPort", Port, "last number of a range"),
        may("protocol", PROTOCOL, "protocol, TCP by default"),
        may(
            "serves",
            Enum(&["TLS"]),
            "the component terminates TLS itself",
        ),
        may("meshBypass", Bool, "the port bypasses the sidecar"),
        may(
            "credential",
            Text,
            "Secret with the certificate, for a gateway",
        ),
        may(
            "credentials",
            ListParameter(&TEXT),
            "Secrets with certificates, for a gateway",
        ),
        may("hosts", ListParameter(&TEXT), "hosts, for a gateway"),
    ],
};

static POLICIES: Object = Object {
    name: "policies",
    fields: &[WHEN_FIELD],
};

static ACCEPTS: Object = Object {
    name: "acceptsFrom",
    fields: &[
        may("zone", Name, "everything of a zone"),
        may("component", Name, "a component"),
        may("endpoint", Name, "an endpoint"),
    ],
};

static COMPONENT_DOCS: Object = Object {
    name: "docs",
    fields: &[
        may("inboundTitle", Text, "heading of its inbound table"),
        may("outboundTitle", Text, "heading of its outbound table"),
        may("notes", List(&TEXT), "paragraphs below its tables"),
    ],
};

const REQUIRE: Shape = Enum(&["None", "TLS", "MTLS", "MeshMTLS"]);

static ENCRYPTION: Object = Object {
    name: "encryption",
    fields: &[
        need("require", REQUIRE, "least encryption"),
        may("reason", Text, "why"),
    ],
};

static CELL: Object = Object {
    name: "cell",
    fields: &[
        WHEN_FIELD,
        need("from", Name, "source zone"),
        need("to", Name, "destination zone"),
        need("posture", POSTURE, "what is admitted at most"),
        may("encryption", Shape::Object(&ENCRYPTION), "least encryption"),
        may(
            "hops",
            List(&Shape::Object(&CELL_HOP)),
            "the path through a gateway",
        ),
        may("mechanism", Text, "how it is secured, in words"),
        may("footnotes", List(&Shape::Object(&FOOTNOTE)), "footnotes"),
        may(
            "overrides",
            List(&Shape::Object(&CELL_OVERRIDE)),
            "values that depend on a condition",
        ),
    ],
};

const POSTURE: Shape = Enum(&["NotApplicable", "Deny", "Listed", "Allow"]);

static CELL_HOP: Object = Object {
    name: "hop",
    fields: &[
        may("at", Name, "gateway where the hop ends"),
        need("require", REQUIRE, "least encryption of the hop"),
        may("credential", Text, "Secret with the gateway's certificate"),
    ],
};

static FOOTNOTE: Object = Object {
    name: "footnote",
    fields: &[need("id", Int, "number"), need("text", Text, "text")],
};

static CELL_OVERRIDE: Object = Object {
    name: "override",
    fields: &[
        need("when", Shape::Object(&WHEN), "condition"),
        may("posture", POSTURE, "what is admitted at most"),
        may("encryption", Shape::Object(&ENCRYPTION), "least encryption"),
        may("mechanism", Text, "how it is secured, in words"),
    ],
};

static FLOW: Object = Object {
    name: "flow",
    fields: &[
        WHEN_FIELD,
        need("id", Name, "id"),
        need(
            "from",
            OneOrMore(&NAME),
            "component, endpoint or zone; or a list",
        ),
        need(
            "to",
            OneOrMore(&NAME),
            "component, endpoint or zone; or a list",
        ),
        may("via", Name, "gateway component that the flow passes"),
        need("ports", FLOW_PORTS, "ports of the destination"),
        need("reason", Text, "why the flow is needed"),
        may(
            "enforce",
            List(&Enum(&["Ingress", "Egress"])),
            "which halves; both by default",
        ),
        may(
            "encryption",
            Shape::Object(&ENCRYPTION),
            "least encryption; the cell's by default",
        ),
        may("http", Shape::Object(&HTTP), "requests, if restricted"),
        may("docs", Shape::Object(&FLOW_DOCS), "texts for documents"),
    ],
};

const FLOW_PORTS: Shape = Choice(&[
    Enum(&["All"]),
    List(&Choice(&[Name, Port, Shape::Object(&PORT)])),
]);

static HTTP: Object = Object {
    name: "http",
    fields: &[
        may("methods", List(&TEXT), "methods"),
        may("paths", List(&TEXT), "paths"),
    ],
};

static FLOW_DOCS: Object = Object {
    name: "docs",
    fields: &[
        may("peer", Text, "Origin or Destination"),
        may("podLabel", Text, "Pod Label"),
        may("enabled", Text, "Enabled in policy"),
    ],
};

static EXCEPTION: Object = Object {
    name: "exception",
    fields: &[
        WHEN_FIELD,
        need("id", Name, "id"),
        need("flow", Name, "flow that it excuses"),
        need("kind", Enum(&["Encryption"]), "which finding is accepted"),
        need("owner", Text, "who answers for it"),
        may("expires", Text, "date, as 2027-12-31"),
        need("reason", Text, "why"),
    ],
};
