//! The shape of components and endpoints.

use super::Shape::{Bool, Enum, List, ListParameter, Name, Port, Text};
use super::inputs::WHEN_FIELD;
use super::peers::{PEER, PROTOCOL, SELECTOR};
use super::zones::{ISOLATION, MESH};
use super::{Object, Shape, TEXT, may, need};

const FIDELITY: Shape = Enum(&["Exact", "Wider", "Narrower"]);

pub(super) static ENDPOINT: Object = Object {
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

pub(super) static COMPONENT: Object = Object {
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
