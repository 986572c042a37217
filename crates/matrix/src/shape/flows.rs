//! The shape of flows, cells and exceptions.

use super::Shape::{Choice, Enum, Int, List, Name, OneOrMore, Port, Text};
use super::inputs::{WHEN, WHEN_FIELD};
use super::peers::PORT;
use super::{NAME, Object, Shape, TEXT, may, need};

const REQUIRE: Shape = Enum(&["None", "TLS", "MTLS", "MeshMTLS"]);

static ENCRYPTION: Object = Object {
    name: "encryption",
    fields: &[
        need("require", REQUIRE, "least encryption"),
        may("reason", Text, "why"),
    ],
};

pub(super) static CELL: Object = Object {
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

pub(super) static FLOW: Object = Object {
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

pub(super) static EXCEPTION: Object = Object {
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
