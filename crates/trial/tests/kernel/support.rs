//! A node to work in, and random worlds.

pub(crate) use crate::rights::with_rights;
use palisade_netlab::{HostId, Lab, Layout, Plan};
use palisade_netmodel::{AddressSet, World};
use palisade_testkit::wire::wire;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::process::Command;

/// Nodes without pods.
pub(crate) fn bare_nodes(count: usize) -> (Lab, Vec<HostId>) {
    let lab = Lab::build(&Plan::uniform(Layout::Routed, count, 0)).expect("the lab is built");
    let nodes = lab.nodes().map(|(id, _)| id).collect();
    (lab, nodes)
}

/// Runs `nft` in a node, which must succeed, and gives what it says.
#[track_caller]
pub(crate) fn nft(lab: &Lab, node: HostId, arguments: &[&str], input: &str) -> String {
    let namespace = lab.host(node).expect("there is the node").namespace();
    let mut command = Command::new("nft");
    let output = namespace
        .command(command.args(arguments), input)
        .expect("nft runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "nft {arguments:?}: {said}\n{input}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What nft lists of our tables.
#[track_caller]
pub(crate) fn tables(lab: &Lab, node: HostId) -> String {
    let list = |family| nft(lab, node, &["list", "table", family, "palisade"], "");
    ["ip", "ip6"].map(list).concat()
}

/// Random values, other ones in each run; the seed is printed.
pub(crate) fn random<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
) -> impl Iterator<Item = T> {
    let seed: [u8; 32] = std::array::from_fn(|_| {
        std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0).to_le_bytes()[0]
    });
    println!("seed {seed:?}");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    std::iter::from_fn(move || Some(strategy.new_tree(&mut runner).ok()?.current()))
}

/// Random worlds on the wire: of one version of IP, of the other, or of both.
pub(crate) fn worlds() -> impl Iterator<Item = World> {
    let strategy = (palisade_testkit::worlds::world(), 0..3);
    random(strategy.prop_map(|(world, versions)| match versions {
        0 => wire(&world, false),
        1 => wire(&world, true),
        _ => on_both(&world),
    }))
}

fn on_both(world: &World) -> World {
    let [mut all, six] = [false, true].map(|v6| wire(world, v6));
    for (pod, six) in all.pods.iter_mut().zip(six.pods) {
        pod.addresses = both(&pod.addresses, &six.addresses);
        pod.node_addresses = both(&pod.node_addresses, &six.node_addresses);
    }
    all
}

fn both(one: &AddressSet, other: &AddressSet) -> AddressSet {
    let known = one.known.iter().chain(&other.known).copied().collect();
    AddressSet { known }
}
