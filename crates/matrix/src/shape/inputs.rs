//! The shape of parameters, toggles and conditions.

use super::Shape::{Any, Bool, Enum, List, Name, OneOrMore, Text};
use super::{Field, NAME, Object, Shape, may, need};

pub(super) const WHEN_FIELD: Field = may("when", Shape::Object(&WHEN), "absent unless this holds");

/// The one condition of the language.
pub(super) static WHEN: Object = Object {
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

pub(super) static PARAMETER: Object = Object {
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

pub(super) static TOGGLE: Object = Object {
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
