//! NetworkPolicies that nothing enforces.

use super::Lint;
use super::context::{Context, Expect};
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::Enforcement;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "plugin-does-not-enforce",
    code: "PAL0645",
    severity: Severity::Error,
    summary: "The network plugin enforces no NetworkPolicy, so every policy is void.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let profile = &cx.world.profile.cni;
    let Some(policy) = cx.world.network_policies.first() else {
        return Vec::new();
    };
    if profile.enforcement != Enforcement::NotEnforced {
        return Vec::new();
    }
    let name = profile.name.as_deref().unwrap_or("the network plugin");
    let finding = LINT
        .finding(format!(
            "`{name}` enforces no NetworkPolicy, so all {} are void",
            cx.world.network_policies.len()
        ))
        .at_opt(policy.origin.0, "this one, and every other")
        .help("install a plugin that enforces them, as Calico, Cilium or OVN-Kubernetes");
    let mut subjects = cx
        .policies()
        .flat_map(|(index, _, _)| cx.subjects(index).to_vec());
    let shown = subjects.find_map(|pod| {
        let (source, port) = cx.open_to(pod, &[cx.any_port(pod)], |_| true)?;
        Some((source, pod, port))
    });
    vec![match shown {
        Some((source, pod, port)) => cx.shown(finding, (source, pod), port, Expect::Passes),
        None => finding,
    }]
}
