//! The shape of zones: namespaces, isolation, mesh.

use super::Shape::{Enum, List, ListParameter, Name, Text};
use super::cluster::MTLS;
use super::inputs::{WHEN, WHEN_FIELD};
use super::peers::SELECTOR;
use super::{Object, Shape, TEXT, may, need};

pub(super) static ZONE: Object = Object {
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

pub(super) static ISOLATION: Object = Object {
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

pub(super) static MESH: Object = Object {
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
