//! `apps/v1 StatefulSet`: two pods stand for its replicas.

use super::{Kind, Part};
use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use crate::workload;
use palisade_diagnostics::Diagnostic;
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "StatefulSet",
    group: "apps",
    versions: &["v1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

/// Fields of the spec without meaning for the network.
const IGNORED: &[&str] = &[
    "minReadySeconds",
    "ordinals",
    "persistentVolumeClaimRetentionPolicy",
    "podManagementPolicy",
    "revisionHistoryLimit",
    "serviceName",
    "updateStrategy",
    "volumeClaimTemplates",
];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    workload::replicated(KIND.name, IGNORED, head, fields, out)
}
