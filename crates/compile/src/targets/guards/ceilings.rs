//! Cells of the zone matrix, in the Admin tier of the zone that is called.

use super::rule::{Action, Peer as Callers, Rule, passed};
use super::{Guard, selectors};
use crate::rules::{Style, rules};
use crate::selectors::{NAMESPACE_NAME, intersect};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Cell, CellPosture, Direction, Grant, Intent, NamespaceMatch, Party, Peer, Peers, Selector,
    Tier, World, Zone,
};

/// A chain for each zone that some cell keeps others out of: what is declared passes, the rest of those
/// zones is refused.
pub(super) fn guards(
    intent: &Intent,
    world: &World,
    style: Style,
    out: &mut Vec<Diagnostic>,
) -> Vec<Guard> {
    let mut guards = Vec::new();
    for zone in &intent.zones {
        let callers = kept_out(intent, world, zone, out);
        if callers.is_empty() {
            continue;
        }
        let declared: Vec<&Grant> = intent
            .grants
            .iter()
            .filter(|grant| may_mean(&grant.to, zone, world))
            .filter(|grant| callers.iter().any(|c| may_mean(&grant.from, c, world)))
            .collect();
        let mut ingress: Vec<Rule> = rules(&declared, Direction::Ingress, style)
            .iter()
            .flat_map(|rule| passed(rule, Action::Pass, Direction::Ingress))
            .collect();
        ingress.extend(callers.iter().map(|caller| refused(caller, zone)));
        guards.extend(
            selectors(&zone.namespaces)
                .into_iter()
                .map(|subject| Guard {
                    tier: Tier::Admin,
                    zone: zone.name.clone(),
                    subject,
                    ingress: ingress.clone(),
                    egress: Vec::new(),
                }),
        );
    }
    guards
}

/// The zones of the cluster that a zone admits by declared flows only, or not at all.
fn kept_out<'i>(
    intent: &'i Intent,
    world: &World,
    zone: &Zone,
    out: &mut Vec<Diagnostic>,
) -> Vec<&'i Zone> {
    let limits = |cell: &&Cell| cell.to == zone.name && cell.posture != CellPosture::Allow;
    let mut callers = Vec::new();
    for cell in intent.cells.iter().filter(limits) {
        let caller = intent.zones.iter().find(|z| z.name == cell.from);
        let Some(caller) = caller.filter(|z| !z.namespaces.is_empty()) else {
            continue;
        };
        if zone.namespaces.is_empty() {
            continue;
        }
        if caller.name != zone.name && share(caller, zone, world) {
            out.push(shared(cell));
        } else {
            callers.push(caller);
        }
    }
    callers
}

/// Whether two zones may have a namespace in common.
fn share(a: &Zone, b: &Zone, world: &World) -> bool {
    let mut pairs = a
        .namespaces
        .iter()
        .flat_map(|x| b.namespaces.iter().map(move |y| (x, y)));
    pairs.any(|(x, y)| may_meet(x, y, world))
}

/// Whether a party may mean pods of a zone.
fn may_mean(party: &Party, zone: &Zone, world: &World) -> bool {
    let Peers::List(peers) = &party.peers else {
        return true;
    };
    peers.iter().any(|peer| match peer {
        Peer::Pods { namespaces, .. } => zone
            .namespaces
            .iter()
            .any(|own| may_meet(namespaces, own, world)),
        Peer::Block { .. } => false,
    })
}

/// Whether a namespace may be meant by both. What the labels of a namespace are is known only of
/// namespaces that the manifests show; of others it may be anything.
fn may_meet(a: &NamespaceMatch, b: &NamespaceMatch, world: &World) -> bool {
    let own = |wanted: &NamespaceMatch| match wanted {
        NamespaceMatch::Named(name) => Selector::of([(NAMESPACE_NAME, name.as_str())]),
        NamespaceMatch::Selector(selector) => selector.clone(),
    };
    let ((NamespaceMatch::Named(name), NamespaceMatch::Selector(selector))
    | (NamespaceMatch::Selector(selector), NamespaceMatch::Named(name))) = (a, b)
    else {
        return intersect(&own(a), &own(b)).is_some();
    };
    match world.namespaces.get(name) {
        Some(namespace) => selector.matches(&namespace.labels),
        None => intersect(&own(a), &own(b)).is_some(),
    }
}

/// Everything else that comes from the pods of a zone.
fn refused(caller: &Zone, zone: &Zone) -> Rule {
    Rule {
        action: Action::Deny,
        name: format!("{} to {}", caller.name, zone.name),
        peers: selectors(&caller.namespaces)
            .iter()
            .map(|namespaces| Callers::namespaces(namespaces.clone()))
            .collect(),
        ports: None,
        flows: Vec::new(),
        remarks: vec![format!(
            "the zone matrix admits nothing else from {} to {}",
            caller.name, zone.name
        )],
    }
}

/// Zones that share a namespace cannot be kept apart by namespaces.
fn shared(cell: &Cell) -> Diagnostic {
    Diagnostic::warning(
        "PAL0413",
        format!(
            "no ClusterNetworkPolicy keeps zone `{}` out of zone `{}`",
            cell.from, cell.to
        ),
    )
    .at_opt(cell.origin.0, "the zones may have a namespace in common")
    .help("give each namespace to one zone")
}
