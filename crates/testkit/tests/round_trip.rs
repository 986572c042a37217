//! A random world written as manifests reads back as a world in which every flow fares the same.

use palisade_diagnostics::{FileId, Severity};
use palisade_netmodel::{Endpoint, Flow, Profile, World};
use palisade_resources::{Input, Options, Role, load};
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
    fn written_worlds_read_back(mut before in world()) {
        before.pods.retain(|pod| !pod.host_group);
        let text = manifests(&before);
        let input = Input { file: FileId(0), text: &text, role: Role::Both };
        let loaded = load(&[input], &Options::default());
        let errors: Vec<_> =
            loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        prop_assert!(errors.is_empty(), "{:#?}\n{}", errors, text);
        let mut after = loaded.world;
        after.profile = profile(&before)
            .map(|name| Profile::named(name).expect("a known profile"))
            .unwrap_or_default();
        let flows: Vec<Flow> = interesting_flows(&before).into_iter().step_by(11).collect();
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
        let moved = moved.expect("every pod is there");
        let expected = Reference.decide(&before, &flows);
        let found = Reference.decide(&after, &moved);
        for ((flow, expected), found) in flows.iter().zip(expected).zip(found) {
            prop_assert_eq!(found, expected, "{:?}\n{}", flow, text);
        }
    }
}
