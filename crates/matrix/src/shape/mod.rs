//! The shape of the language, once: the parser checks texts against it, and the JSON Schema is
//! written from it, so the two cannot drift. Here are the kinds of values and the outermost fields;
//! each part of the language has a file, named as in `syntax/`.

mod cluster;
mod flows;
mod inputs;
mod parties;
mod peers;
mod zones;

use Shape::{Enum, Labels, List, Name, Text};
use cluster::{MESH_FACTS, PLATFORM, REQUIRES};
use flows::{CELL, EXCEPTION, FLOW};
use inputs::{PARAMETER, TOGGLE};
use parties::{COMPONENT, ENDPOINT};
use zones::ZONE;

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
