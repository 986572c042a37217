//! The shape of what the cluster is: platforms, DNS, the mesh as a whole, prerequisites.

use super::Shape::{Bool, Enum, List, Name, Text};
use super::inputs::WHEN_FIELD;
use super::peers::{PORT, SELECTOR};
use super::{Object, Shape, may, need};

pub(super) static PLATFORM: Object = Object {
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

pub(super) static REQUIRES: Object = Object {
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

pub(super) static MESH_FACTS: Object = Object {
    name: "mesh",
    fields: &[may("istio", Shape::Object(&ISTIO), "Istio")],
};

pub(super) const MTLS: Shape = Enum(&["Disable", "Permissive", "Strict"]);

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
