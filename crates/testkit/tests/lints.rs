//! Whatever a lint claims of a connection in a random world, the reference confirms it; and no world
//! makes a lint panic.

use palisade_diagnostics::Sources;
use palisade_netmodel::World;
use palisade_resources::{Input, Options, Role, load, written};
use palisade_testkit::ambient::ambient_world;
use palisade_testkit::print::manifests;
use palisade_testkit::worlds::world;
use palisade_verify::{LINTS, Lint, lint, lint_engine};
use palisade_yaml::Limits;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// Worlds per kind.
const WORLDS: u32 = 700;

/// How many findings showed a connection, and which lints found anything.
fn confirm(
    worlds: &impl Strategy<Value = World>,
) -> Result<(usize, BTreeSet<&'static str>), String> {
    let lints: Vec<&'static Lint> = LINTS.iter().collect();
    let (shown, spoke) = (Cell::new(0), RefCell::new(BTreeSet::new()));
    let mut runner = TestRunner::new(Config {
        cases: WORLDS,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(worlds, |world| {
        let text = manifests(&world);
        let mut sources = Sources::new();
        let file = sources.add("world.yaml", text.as_str());
        let input = [Input {
            file,
            text: (&text).into(),
            role: Role::Both,
        }];
        let loaded = load(&input, &Options::default());
        let written = written(&input, &Limits::default());
        let engine = lint_engine(&loaded.world);
        for finding in lint(&engine, &written, &sources, &lints, |_| {}) {
            prop_assert!(finding.code.0 != "PAL0399", "{:#?}\n{}", finding, text);
            shown.set(shown.get() + usize::from(finding.witness.is_some()));
            spoke.borrow_mut().extend(finding.lint);
        }
        Ok(())
    });
    result.map_err(|error| error.to_string())?;
    Ok((shown.get(), spoke.into_inner()))
}

#[test]
fn what_lints_claim_is_so() {
    let (shown, spoke) = confirm(&world()).unwrap();
    println!("{WORLDS} worlds, {shown} connections shown, {spoke:?}");
    // Most lints of policies and of the mesh must have had something to say.
    assert!(
        shown > 500 && spoke.len() > 20,
        "{shown} connections, {spoke:?}"
    );
}

#[test]
fn what_lints_claim_in_ambient_mode_is_so() {
    let (shown, spoke) = confirm(&ambient_world()).unwrap();
    println!("{WORLDS} worlds of ambient mode, {shown} connections shown, {spoke:?}");
    assert!(shown > 100, "{shown} connections, {spoke:?}");
}
