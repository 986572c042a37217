//! One file per object, in a folder per namespace.

use super::{Files, Layout, each};
use crate::{Artefacts, Proven};

pub(super) const LAYOUT: Layout = Layout {
    name: "directory",
    about: "one file per object, in a folder per namespace",
    write,
};

fn write(artefacts: &Proven<Artefacts>) -> Files {
    each(artefacts.get())
}
