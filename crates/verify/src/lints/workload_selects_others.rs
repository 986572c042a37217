//! Workloads whose selectors also take the pods of another one.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Pod, WrittenWorkload};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "workload-selects-others",
    code: "PAL0652",
    severity: Severity::Warning,
    summary: "The selector of a workload also takes the pods of another one, so no label tells them apart.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let workloads = cx.written.workloads.iter();
    workloads
        .filter_map(|workload| judge(cx, workload))
        .collect()
}

fn judge(cx: &Context<'_>, workload: &WrittenWorkload) -> Option<Diagnostic> {
    let here = cx.pods_in(&workload.object.namespace).iter().copied();
    let is_others = |pod: &Pod| {
        let made_by = &pod.template.workload;
        // A bare pod is adopted, or of a controller that the input does not show.
        let other = made_by.name != workload.object.name || made_by.kind != workload.kind;
        other && made_by.kind != "Pod" && !pod.host_group && pod.labels.include(&workload.selector)
    };
    let others: Vec<_> = here
        .filter(|e| cx.engine.pod(*e).is_some_and(is_others))
        .collect();
    let other = cx.engine.pod(*others.first()?)?;
    Some(
        LINT.finding(format!(
            "{} `{}` also selects the pods of {}",
            workload.kind,
            workload.object,
            cx.names().few(others.iter().copied())
        ))
        .at(workload.span, format!("selects {}", workload.selector))
        .at_opt(other.origin.0, "its pods have these labels too")
        .note("a policy or Service that goes by these labels takes both")
        .help("add a label to the selector and to the template that only this workload has"),
    )
}
