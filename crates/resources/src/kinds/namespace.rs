//! `v1 Namespace`: a name and labels.

use super::{Kind, Part};
use crate::codes;
use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::Namespace;
use palisade_yaml::Fields;

/// The label that the API server sets on every namespace.
pub(crate) const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "Namespace",
    group: "",
    versions: &["v1"],
    namespaced: false,
    part: Part::Both,
    names: NameRule::Label,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    fields.ignore(&["spec", "status"]);
    let name = head.object.name.clone();
    let mut labels = head.labels.clone();
    let written = labels.insert(NAME_LABEL, &name);
    if let Some(written) = written.filter(|written| *written != name) {
        out.push(
            Diagnostic::warning(
                codes::NAME_LABEL,
                format!("label {NAME_LABEL} is always the name of the namespace"),
            )
            .at(head.span, format!("{written:?} is replaced by {name:?}"))
            .help("remove the label"),
        );
    }
    let namespace = Namespace {
        origin: head.origin(),
        name,
        labels,
    };
    Some(Box::new(move |objects| objects.namespaces.push(namespace)))
}
