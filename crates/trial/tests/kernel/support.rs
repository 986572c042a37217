//! Rights, and a node to work in.

use palisade_netlab::{HostId, Lab, Layout, Plan, Privilege, privilege};
use palisade_netmodel::World;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::process::Command;

/// Runs a test where it may make namespaces: here, or as the only test of a child in a user namespace. `test` is
/// its whole name.
#[track_caller]
pub(crate) fn with_rights(test: &str, body: impl FnOnce()) {
    let missing = match privilege() {
        Privilege::Direct => match lacks_nft() {
            None => return body(),
            Some(why) => why,
        },
        Privilege::UserNamespace => return again(test),
        Privilege::Missing { why } => why,
    };
    let must = std::env::var_os("CI").is_some();
    assert!(!must, "{test} cannot run: {missing}");
    eprintln!("skipped: {test}: {missing}");
}

fn lacks_nft() -> Option<String> {
    let found = Command::new("nft").arg("--version").output();
    found
        .err()
        .map(|why| format!("nft (package nftables): {why}"))
}

/// The test once more, as root of a user namespace.
#[track_caller]
fn again(test: &str) {
    let own = std::env::current_exe().expect("the test knows itself");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--kill-child"])
        .arg(own)
        .args([test, "--exact", "--nocapture"])
        .output()
        .expect("unshare runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "in its user namespace: {said}");
    assert!(said.contains("1 passed"), "no test is named {test}: {said}");
}

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

/// Random worlds on the wire.
pub(crate) fn worlds() -> impl Iterator<Item = World> {
    let strategy = (palisade_testkit::worlds::world(), proptest::bool::ANY);
    random(strategy.prop_map(|(world, v6)| palisade_testkit::wire::wire(&world, v6)))
}
