//! All objects in one YAML stream, namespaces first.

use super::{Files, Layout};
use crate::{Artefacts, Proven, names};

pub(super) const LAYOUT: Layout = Layout {
    name: "stream",
    about: "all objects in one YAML stream",
    write,
};

fn write(artefacts: &Proven<Artefacts>) -> Files {
    let artefacts = artefacts.get();
    let name = format!("{}.yaml", names::object_name(&artefacts.matrix));
    vec![(name, artefacts.to_yaml())]
}
