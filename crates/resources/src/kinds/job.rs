//! `batch/v1 Job`: one pod stands for it, or two if several run at once.

use super::{Kind, Part};
use crate::head::{Head, required_map};
use crate::names::NameRule;
use crate::objects::Add;
use crate::workload;
use palisade_diagnostics::Diagnostic;
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "Job",
    group: "batch",
    versions: &["v1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

/// Fields of the spec without meaning for the network. The selector of a Job is made by the server.
pub(super) const IGNORED: &[&str] = &[
    "activeDeadlineSeconds",
    "backoffLimit",
    "backoffLimitPerIndex",
    "completionMode",
    "completions",
    "managedBy",
    "manualSelector",
    "maxFailedIndexes",
    "podFailurePolicy",
    "podReplacementPolicy",
    "selector",
    "successPolicy",
    "ttlSecondsAfterFinished",
];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a Job", out)?;
    let suspended = spec.bool("suspend", out).is_some_and(|b| b.value);
    let parallel = workload::parallelism(&mut spec, out);
    let shape = workload::template(&mut spec, out);
    spec.ignore(IGNORED);
    spec.finish(out);
    fields.ignore(&["status"]);
    let mut shape = shape?;
    // The job controller labels its pods with the Job's name.
    for key in ["batch.kubernetes.io/job-name", "job-name"] {
        if !shape.labels.contains_key(key) {
            shape.labels.insert(key, &head.object.name);
        }
    }
    let at_zero = parallel == 0 || suspended;
    Some(workload::add(
        KIND.name,
        head,
        shape,
        parallel.max(1),
        at_zero,
    ))
}
