//! `admissionregistration.k8s.io/v1 MutatingWebhookConfiguration`: shows Istio's injector.

use super::{Kind, Part};
use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use palisade_diagnostics::Diagnostic;
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "MutatingWebhookConfiguration",
    group: "admissionregistration.k8s.io",
    versions: &["v1"],
    namespaced: false,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

/// How the names of Istio's injection webhooks end.
const INJECTOR: &str = "sidecar-injector.istio.io";

fn read(_: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let webhooks = fields.list("webhooks", out);
    let names = webhooks.iter().filter_map(|webhook| webhook.get("name"));
    let found = names
        .filter_map(|name| name.as_str())
        .any(|name| name.ends_with(INJECTOR));
    Some(Box::new(move |objects| objects.injector |= found))
}
