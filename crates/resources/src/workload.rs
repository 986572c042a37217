//! What Deployment, StatefulSet, DaemonSet, ReplicaSet, Job and CronJob share.

use crate::codes;
use crate::head::{Head, required_map};
use crate::labels::selector;
use crate::objects::{Add, Template};
use crate::pods::{self, PodShape};
use palisade_diagnostics::Diagnostic;
use palisade_yaml::Fields;

/// Pods that stand for a workload that runs any number of them: two, so that traffic among
/// replicas is in every answer and scaling changes none.
pub(crate) const REPLICATED: u32 = 2;

/// Reads a workload with `spec.selector` and `spec.template`. `ignored` are the other fields of
/// its spec.
pub(crate) fn replicated(
    kind: &'static str,
    ignored: &'static [&'static str],
    head: &Head,
    fields: &mut Fields<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a workload", out)?;
    let at_zero = zero(&mut spec, "replicas", out);
    let shape = template(&mut spec, out);
    check_selector(kind, &mut spec, shape.as_ref(), out);
    spec.ignore(ignored);
    spec.finish(out);
    fields.ignore(&["status"]);
    Some(add(kind, head, shape?, REPLICATED, at_zero))
}

/// Whether a count is written as 0.
pub(crate) fn zero(spec: &mut Fields<'_>, key: &'static str, out: &mut Vec<Diagnostic>) -> bool {
    spec.int(key, 0..=i64::from(i32::MAX), out)
        .is_some_and(|count| count.value == 0)
}

/// How many pods of a Job stand for those that run at once: two for several, as of any template.
pub(crate) fn parallelism(spec: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> u32 {
    let count = spec.int("parallelism", 0..=i64::from(i32::MAX), out);
    match count.map_or(1, |count| count.value) {
        0 => 0,
        1 => 1,
        _ => REPLICATED,
    }
}

/// Reads `template`.
pub(crate) fn template(spec: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<PodShape> {
    let fields = required_map(spec, "template", "a pod template", out)?;
    Some(pods::template(fields, out))
}

/// The object as it joins the others.
pub(crate) fn add(
    kind: &'static str,
    head: &Head,
    shape: PodShape,
    copies: u32,
    at_zero: bool,
) -> Add {
    let template = Template {
        kind,
        head: head.clone(),
        shape,
        copies,
        at_zero,
    };
    Box::new(move |objects| objects.templates.push(template))
}

/// The API server refuses a workload that does not select its own pods, or selects every pod.
fn check_selector(
    kind: &str,
    spec: &mut Fields<'_>,
    shape: Option<&PodShape>,
    out: &mut Vec<Diagnostic>,
) {
    let Some(node) = spec.node("selector") else {
        out.push(spec.missing("selector"));
        return;
    };
    let before = out.len();
    let selector = selector(node, out);
    if out.len() > before {
        return;
    }
    if selector.is_everything() {
        out.push(
            Diagnostic::error(
                codes::SELECTOR_REQUIRED,
                format!("the selector of a {kind} cannot be empty"),
            )
            .at(node.span(), "selects every pod")
            .help("add the labels of the template under `matchLabels`"),
        );
    } else if let Some(shape) = shape
        && !selector.matches(&shape.labels)
    {
        out.push(
            Diagnostic::error(
                codes::SELECTOR_MISMATCH,
                format!("the selector of a {kind} does not match the labels of its template"),
            )
            .at(node.span(), format!("wants {selector}"))
            .note(format!("The template has the labels {}.", shape.labels))
            .help("make `selector` and `template.metadata.labels` agree"),
        );
    }
}
