//! `networking.k8s.io/v1 IngressClass`: which controller serves the Ingresses of a class.

use super::{Kind, Part};
use crate::head::{Head, required_map};
use crate::names::NameRule;
use crate::objects::Add;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::IngressClass;
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "IngressClass",
    group: "networking.k8s.io",
    versions: &["v1"],
    namespaced: false,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of an IngressClass", out)?;
    let controller = spec.string("controller", out);
    spec.ignore(&["parameters"]);
    spec.finish(out);
    let default = head
        .annotations
        .get("ingressclass.kubernetes.io/is-default-class");
    let class = IngressClass {
        origin: head.origin(),
        name: head.object.name.clone(),
        controller: controller.map(|text| text.value).unwrap_or_default(),
        is_default: default.is_some_and(|value| value == "true"),
    };
    Some(Box::new(move |objects| {
        objects.doors.ingress_classes.push(class);
    }))
}
