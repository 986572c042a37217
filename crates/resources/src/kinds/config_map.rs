//! `v1 ConfigMap`: the one named `istio` holds the mesh configuration; others are only counted.

use super::{Kind, Part};
use crate::codes;
use crate::head::Head;
use crate::istio::OUTBOUND_MODES;
use crate::names::NameRule;
use crate::objects::{Add, MeshSettings};
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::OutboundMode;
use palisade_yaml::{Document, Fields, Limits, Node};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "ConfigMap",
    group: "",
    versions: &["v1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    fields.ignore(&["binaryData", "immutable"]);
    let data = fields.node("data");
    let mesh = data
        .filter(|_| head.object.name == "istio")
        .and_then(|data| data.get("mesh"));
    let Some(mesh) = mesh else {
        return Some(Box::new(|_| {}));
    };
    let settings = MeshSettings {
        object: head.object.clone(),
        ..settings(mesh, out)
    };
    Some(Box::new(move |objects| {
        objects.mesh_settings.push(settings)
    }))
}

/// The mesh configuration is YAML within a string; its errors are told at that string, since
/// places within it are not places of the file.
fn settings(mesh: Node<'_>, out: &mut Vec<Diagnostic>) -> MeshSettings {
    let span = mesh.span();
    let Some(text) = mesh.as_str() else {
        out.push(unreadable(span, "it is not a string"));
        return MeshSettings::default();
    };
    let parsed = palisade_yaml::parse(span.file, text, &Limits::default());
    let mut inner = parsed.diagnostics;
    let mut found = MeshSettings::default();
    let root = parsed.documents.first().map(Document::root);
    let fields = root.and_then(|root| Fields::of(root, "the mesh configuration", &mut inner));
    if let Some(mut fields) = fields {
        found.root_namespace = text_of(&mut fields, "rootNamespace", &mut inner);
        found.trust_domain = text_of(&mut fields, "trustDomain", &mut inner);
        found.trust_domain_aliases = fields
            .strings("trustDomainAliases", &mut inner)
            .into_iter()
            .map(|text| text.value)
            .collect();
        found.auto_mtls = fields.bool("enableAutoMtls", &mut inner).map(|b| b.value);
        found.outbound = outbound(&mut fields, &mut inner);
    }
    for diagnostic in inner {
        if diagnostic.severity == Severity::Error {
            out.push(unreadable(span, &diagnostic.title));
        }
    }
    found
}

fn text_of(
    fields: &mut Fields<'_>,
    key: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Option<String> {
    let text = fields.string(key, out).map(|text| text.value);
    text.filter(|text| !text.is_empty())
}

fn outbound(fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<OutboundMode> {
    let mut policy = fields.map("outboundTrafficPolicy", "an outbound policy", out)?;
    let mode = policy.string("mode", out)?;
    if mode.value == "ALLOW_ANY_DYNAMIC_DNS" {
        return Some(OutboundMode::AllowAny);
    }
    crate::words::meaning(&mode, "an outbound mode", OUTBOUND_MODES, out)
}

fn unreadable(span: Span, why: &str) -> Diagnostic {
    Diagnostic::error(
        codes::MESH_CONFIG,
        format!("the mesh configuration cannot be read: {why}"),
    )
    .at(span, "in this text")
    .help("correct `data.mesh`, which is YAML itself")
}
