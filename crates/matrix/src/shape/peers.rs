//! The shape of selectors, ports and peers.

use super::Shape::{Enum, Labels, List, Port, Text};
use super::{Object, Shape, TEXT, may, need};

pub(super) static SELECTOR: Object = Object {
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

pub(super) const PROTOCOL: Shape = Enum(&["TCP", "UDP", "SCTP"]);

pub(super) static PORT: Object = Object {
    name: "port",
    fields: &[
        may("name", Text, "name of a container port"),
        may("port", Port, "number"),
        may("endPort", Port, "last number of a range"),
        may("protocol", PROTOCOL, "protocol, TCP by default"),
    ],
};

pub(super) static PEER: Object = Object {
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
