//! `batch/v1 CronJob`: one pod stands for the run at its next time, or two if several run at once.

use super::{Kind, Part, job};
use crate::head::{Head, required_map};
use crate::names::NameRule;
use crate::objects::Add;
use crate::workload;
use palisade_diagnostics::Diagnostic;
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "CronJob",
    group: "batch",
    versions: &["v1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::CronJob,
    read,
};

/// Fields of the spec without meaning for the network.
const IGNORED: &[&str] = &[
    "concurrencyPolicy",
    "failedJobsHistoryLimit",
    "schedule",
    "startingDeadlineSeconds",
    "successfulJobsHistoryLimit",
    "timeZone",
];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a CronJob", out)?;
    let suspended = spec.bool("suspend", out).is_some_and(|b| b.value);
    let shape = required_map(&mut spec, "jobTemplate", "a Job template", out)
        .and_then(|template| job_template(template, out));
    spec.ignore(IGNORED);
    spec.finish(out);
    fields.ignore(&["status"]);
    let (shape, parallel) = shape?;
    let at_zero = parallel == 0 || suspended;
    Some(workload::add(
        KIND.name,
        head,
        shape,
        parallel.max(1),
        at_zero,
    ))
}

fn job_template(
    mut fields: Fields<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<(crate::pods::PodShape, u32)> {
    let mut spec = required_map(&mut fields, "spec", "the spec of a Job", out)?;
    let parallel = workload::parallelism(&mut spec, out);
    let shape = workload::template(&mut spec, out);
    spec.ignore(job::IGNORED);
    spec.ignore(&["suspend"]);
    spec.finish(out);
    fields.ignore(&["metadata"]);
    fields.finish(out);
    Some((shape?, parallel))
}
