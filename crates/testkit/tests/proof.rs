//! The proof against brute force: on random worlds and intents, one flow that the reference lets pass
//! and nothing declares, or that is declared and refused, or that is weaker than demanded, must not be
//! overlooked; and what the proof finds is never disputed by the reference.

use palisade_diagnostics::Verdict;
use palisade_netmodel::{
    Encryption, Endpoint, Flow, Intent, Outcome, Requirement, World, reference,
};
use palisade_testkit::ambient::{ambient_flows, ambient_world};
use palisade_testkit::intents::{claimed, declares, intent, is_own_node};
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_verify::{Options, prove};
use proptest::prelude::*;

/// Something that a proof must not overlook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Undeclared,
    Blocked,
    Weak,
}

impl Flaw {
    /// The codes of findings that tell it.
    fn codes(self) -> &'static [&'static str] {
        match self {
            Self::Undeclared => &["PAL0301", "PAL0302"],
            Self::Blocked => &["PAL0303", "PAL0304", "PAL0305"],
            Self::Weak => &["PAL0306", "PAL0307"],
        }
    }
}

/// The flaws among some flows, judged one by one.
fn brute_force(world: &World, intent: &Intent, flows: &[Flow]) -> Vec<(Flaw, Flow)> {
    flows
        .iter()
        .filter_map(|flow| {
            // What no policy can keep out never leaves its node: no proof is about it.
            if flow.source == flow.destination || is_own_node(world, flow) {
                return None;
            }
            let decision = reference::decide(world, flow);
            let grants: Vec<_> = intent
                .grants
                .iter()
                .filter(|g| declares(world, g, flow))
                .collect();
            let certain = decision.outcome == Outcome::Allow;
            let open = certain && grants.is_empty();
            if open && claimed(world, intent, flow) {
                return Some((Flaw::Undeclared, *flow));
            }
            let pods = |end| matches!(end, Endpoint::Pod(_));
            let both = pods(flow.source) && pods(flow.destination);
            let lives = |end| match end {
                Endpoint::Pod(id) => world
                    .pod(id)
                    .is_some_and(|p| p.phase == palisade_netmodel::Phase::Live && !p.host_group),
                Endpoint::Address(_) => true,
            };
            let exist = lives(flow.source) && lives(flow.destination);
            // A block never means a pod as a client of a declared flow: addresses stand for themselves.
            let by_label = |g: &&palisade_netmodel::Grant| {
                let list = |p: &palisade_netmodel::Party| match &p.peers {
                    palisade_netmodel::Peers::Any => true,
                    palisade_netmodel::Peers::List(peers) => peers
                        .iter()
                        .all(|p| matches!(p, palisade_netmodel::Peer::Pods { .. })),
                };
                list(&g.from) && list(&g.to)
            };
            let whole = grants
                .iter()
                .copied()
                .find(|g| g.ingress && g.egress && by_label(g));
            if decision.outcome == Outcome::Deny && both && exist && whole.is_some() {
                return Some((Flaw::Blocked, *flow));
            }
            let demands = |g: &&&palisade_netmodel::Grant| {
                g.encryption == Requirement::MeshMtls && by_label(g)
            };
            let strict = grants.iter().any(|g| demands(&g));
            let weak =
                decision.outcome != Outcome::Deny && decision.encryption < Encryption::MeshMtls;
            if strict && weak && pods(flow.destination) && exist {
                return Some((Flaw::Weak, *flow));
            }
            None
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        max_shrink_iters: 5_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_flaw_is_overlooked(world in world(), intent in intent()) {
        compare(&world, &intent, interesting_flows)?;
    }

    #[test]
    fn no_flaw_is_overlooked_in_ambient_mode(world in ambient_world(), intent in intent()) {
        compare(&world, &intent, ambient_flows)?;
    }
}

fn compare(
    world: &World,
    intent: &Intent,
    flows_of: fn(&World) -> Vec<Flow>,
) -> Result<(), TestCaseError> {
    let proof = prove(intent, world, &Options::default());
    let disputed = proof.findings.iter().find(|d| d.code.0 == "PAL0399");
    prop_assert!(disputed.is_none(), "{disputed:?}\n{intent:#?}\n{world:#?}");
    let flows: Vec<Flow> = flows_of(world).into_iter().step_by(2).collect();
    for (flaw, flow) in brute_force(world, intent, &flows) {
        let mut findings = proof.findings.iter();
        let told = findings.any(|d| flaw.codes().contains(&d.code.0));
        prop_assert!(told, "{flaw:?} {flow:?}\n{intent:#?}\n{world:#?}");
        prop_assert_eq!(proof.verdict, Verdict::Fails);
    }
    Ok(())
}
