//! A random world written as manifests reads back as a world in which every flow fares the same.

use palisade_diagnostics::{FileId, Severity};
use palisade_netmodel::{Endpoint, Flow, Profile, World};
use palisade_resources::{Input, Options, Role, load};
use palisade_testkit::ambient::{ambient_flows, ambient_world};
use palisade_testkit::print::{manifests, pod_name, profile};
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_testkit::{Contract, Reference};
use proptest::prelude::*;

/// The same end in the world that was read back.
fn there(before: &World, after: &World, end: Endpoint) -> Option<Endpoint> {
    let Endpoint::Pod(id) = end else {
        return Some(end);
    };
    let name = pod_name(before.pod(id)?);
    let mut pods = after.pods();
    let found = pods.find(|(_, pod)| pod.object().to_string() == name);
    found.map(|(id, _)| Endpoint::Pod(id))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn written_worlds_read_back(world in world()) {
        check(world, interesting_flows)?;
    }

    #[test]
    fn written_worlds_with_ambient_mode_read_back(world in ambient_world()) {
        check(world, ambient_flows)?;
    }
}

fn check(mut before: World, flows_of: fn(&World) -> Vec<Flow>) -> Result<(), TestCaseError> {
    before.pods.retain(|pod| !pod.host_group);
    let text = manifests(&before);
    let input = Input {
        file: FileId(0),
        text: (&text).into(),
        role: Role::Both,
    };
    let loaded = load(&[input], &Options::default());
    let errors = loaded.diagnostics.iter();
    let errors: Vec<_> = errors.filter(|d| d.severity == Severity::Error).collect();
    prop_assert!(errors.is_empty(), "{:#?}\n{}", errors, text);
    let mut after = loaded.world;
    after.profile = match profile(&before) {
        None => Profile::default(),
        Some(name) => {
            let known = Profile::named(name);
            known.ok_or_else(|| TestCaseError::fail("no such profile"))?
        }
    };
    let flows: Vec<Flow> = flows_of(&before).into_iter().step_by(11).collect();
    let moved: Option<Vec<Flow>> = flows
        .iter()
        .map(|flow| {
            Some(Flow {
                source: there(&before, &after, flow.source)?,
                destination: there(&before, &after, flow.destination)?,
                ..*flow
            })
        })
        .collect();
    let moved = moved.ok_or_else(|| TestCaseError::fail("a pod is not there"))?;
    let expected = Reference.decide(&before, &flows);
    let found = Reference.decide(&after, &moved);
    for ((flow, expected), found) in flows.iter().zip(expected).zip(found) {
        prop_assert_eq!(found, expected, "{:?}\n{}", flow, text);
    }
    Ok(())
}
