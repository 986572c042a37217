//! A kustomize base: the files of the directory layout and the list of them.

use super::{Files, Layout, each};
use crate::{Artefacts, Proven};
use palisade_yaml::Value;

pub(super) const LAYOUT: Layout = Layout {
    name: "kustomize",
    about: "a kustomize base",
    write,
};

fn write(artefacts: &Proven<Artefacts>) -> Files {
    let mut files = each(artefacts.get());
    let resources = files.iter().map(|(path, _)| Value::string(path.as_str()));
    let base = Value::map([
        (
            "apiVersion",
            Value::string("kustomize.config.k8s.io/v1beta1"),
        ),
        ("kind", Value::string("Kustomization")),
        ("resources", Value::List(resources.collect())),
    ]);
    files.push(("kustomization.yaml".to_owned(), base.to_yaml()));
    files.sort();
    files
}
