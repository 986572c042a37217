//! The default deny of zones that isolate whole namespaces, in the Baseline tier.
//!
//! It acts on pods that no NetworkPolicy selects: those of a namespace which joined the zone after the
//! NetworkPolicies were written, or whose NetworkPolicies were deleted.

use super::rule::{Action, Peer, Rule, everywhere, passed};
use super::{Guard, selectors};
use crate::rules::{Style, rules};
use palisade_netmodel::{
    Claim, ClaimScope, Direction, Grant, Intent, NamespaceMatch, Party, Selector, Tier, Zone,
};

/// One guard for each zone with such a claim.
pub(super) fn guards(intent: &Intent, style: Style) -> Vec<Guard> {
    let mut guards = Vec::new();
    for zone in &intent.zones {
        let half = |direction| half(intent, zone, direction, style);
        let (ingress, egress) = (half(Direction::Ingress), half(Direction::Egress));
        if ingress.is_empty() && egress.is_empty() {
            continue;
        }
        let guard = |subject| Guard {
            tier: Tier::Baseline,
            zone: zone.name.clone(),
            subject,
            ingress: ingress.clone(),
            egress: egress.clone(),
        };
        guards.extend(selectors(&claimed(intent, zone)).into_iter().map(guard));
    }
    guards
}

/// The namespaces that a zone claims as a whole, in any direction.
fn claimed(intent: &Intent, zone: &Zone) -> Vec<NamespaceMatch> {
    let mut namespaces: Vec<NamespaceMatch> = intent
        .claims
        .iter()
        .filter(|claim| whole(claim, zone))
        .map(|claim| claim.namespaces.clone())
        .collect();
    namespaces.sort();
    namespaces.dedup();
    namespaces
}

fn whole(claim: &Claim, zone: &Zone) -> bool {
    claim.scope == ClaimScope::Zone(zone.name.clone()) && claim.pods.is_everything()
}

/// What any pod of the zone may do, and nothing else; no rule where the zone does not isolate.
fn half(intent: &Intent, zone: &Zone, direction: Direction, style: Style) -> Vec<Rule> {
    let isolates = |claim: &Claim| whole(claim, zone) && claim.direction == direction;
    if !intent.claims.iter().any(isolates) {
        return Vec::new();
    }
    let own = |grant: &&Grant| match direction {
        Direction::Ingress => grant.ingress && is_zone(&grant.to, zone),
        Direction::Egress => grant.egress && is_zone(&grant.from, zone),
    };
    let declared: Vec<&Grant> = intent.grants.iter().filter(own).collect();
    let mut all: Vec<Rule> = rules(&declared, direction, style)
        .iter()
        .flat_map(|rule| passed(rule, Action::Accept, direction))
        .collect();
    all.push(refused(zone, direction));
    all
}

/// Whether a party is the zone as a whole.
fn is_zone(party: &Party, zone: &Zone) -> bool {
    party.component.is_none() && party.name == zone.name
}

fn refused(zone: &Zone, direction: Direction) -> Rule {
    let peers = match direction {
        Direction::Ingress => vec![Peer::namespaces(Selector::everything())],
        Direction::Egress => everywhere(),
    };
    Rule {
        action: Action::Deny,
        name: format!("default deny of {}", zone.name),
        peers,
        ports: None,
        flows: Vec::new(),
        remarks: vec![format!(
            "{} is closed for {direction} where no NetworkPolicy says otherwise",
            zone.name
        )],
    }
}
