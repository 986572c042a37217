//! ClusterNetworkPolicies (`policy.networking.k8s.io/v1alpha2`): what administrators hold on to, whatever
//! NetworkPolicies are added to namespaces or taken away from them.
//!
//! - Admin tier: the ceilings between zones. A zone refuses what comes from the pods of a zone whose cell
//!   says `Deny` or `Listed`, but for declared flows. These are passed on to the NetworkPolicies, never
//!   accepted: an Accept here would overrule them.
//! - Baseline tier: the default deny of zones that isolate whole namespaces, for pods that no
//!   NetworkPolicy selects yet, with what the zone as a whole may do.
//!
//! Cells with the outside stay with NetworkPolicies: rules for what arrives have no addresses, and a
//! network of a rule for what leaves would mean pods and nodes as well.

mod ceilings;
mod defaults;
mod rule;
mod write;

use super::Target;
use crate::Object;
use crate::rules::Style;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Intent, NamespaceMatch, Selector, Tier, World};
use rule::Rule;

/// This target. It is asked for by name: a cluster has the kind only if its administrators installed it.
pub(super) const TARGET: Target = Target {
    name: "cluster-network-policy",
    standard: false,
    compile,
};

/// One subject's rules in one tier, before they are cut to the limits of the API.
struct Guard {
    tier: Tier,
    /// Name of the zone.
    zone: String,
    /// Namespaces of the subject.
    subject: Selector,
    ingress: Vec<Rule>,
    egress: Vec<Rule>,
}

fn compile(intent: &Intent, world: &World, style: Style) -> (Vec<Object>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let mut guards = ceilings::guards(intent, world, style, &mut out);
    guards.extend(defaults::guards(intent, style));
    (write::objects(intent, guards, &mut out), out)
}

/// The namespaces of a zone as selectors: those with names as one.
fn selectors(namespaces: &[NamespaceMatch]) -> Vec<Selector> {
    let mut names = Vec::new();
    let mut selectors = Vec::new();
    for wanted in namespaces {
        match wanted {
            NamespaceMatch::Named(name) => names.push(name.clone()),
            NamespaceMatch::Selector(selector) => selectors.push(selector.clone()),
        }
    }
    names.sort();
    names.dedup();
    let named = (!names.is_empty()).then(|| rule::named(names));
    named.into_iter().chain(selectors).collect()
}
