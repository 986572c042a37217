//! Text and netlink are two spellings of one ruleset: the kernel shows the same table for both.

use crate::support::{bare_nodes, nft, tables, with_rights, worlds};
use palisade_agent::Kernel;
use palisade_netmodel::World;
use palisade_nftables::{Node, Present, Ruleset, Settings, Update, build, script};
use palisade_testkit::wire::node_address;

/// Models in a run, each an update of the one before.
const MODELS: usize = 1_000;

#[test]
fn text_and_netlink_give_the_same_table() {
    with_rights("backends::text_and_netlink_give_the_same_table", || {
        let (lab, nodes) = bare_nodes(2);
        let kernel = lab
            .inside(nodes[1], || Kernel::open("palisade"))
            .unwrap()
            .unwrap();
        let mut applied: Option<Ruleset> = None;
        let mut rules = 0;
        for (number, world) in worlds().take(MODELS).enumerate() {
            let ruleset = ruleset(&world, number);
            let present = Present::default();
            let update = match &applied {
                None => ruleset.update_from_names(&present),
                Some(applied) => ruleset.update_from(applied),
            };
            for step in update.steps().into_iter().filter(|step| !step.is_empty()) {
                nft(&lab, nodes[0], &["-f", "-"], &script("palisade", step));
            }
            kernel.update(&update).unwrap();
            let list = |node| tables(&lab, node);
            let (text, netlink) = (list(nodes[0]), list(nodes[1]));
            assert_eq!(text, netlink, "{ruleset}");
            rules += ruleset.size().0;
            applied = Some(ruleset);
        }
        println!("{MODELS} models with {rules} rules");
    });
}

/// The table that is shown, loaded again as a whole, is the same table; and names alone suffice to mend one.
#[test]
fn a_table_can_be_read_back_and_mended() {
    with_rights("backends::a_table_can_be_read_back_and_mended", || {
        let (lab, nodes) = bare_nodes(2);
        let kernel = lab
            .inside(nodes[1], || Kernel::open("palisade"))
            .unwrap()
            .unwrap();
        for (number, world) in worlds().take(40).enumerate() {
            let ruleset = ruleset(&world, number);
            nft(
                &lab,
                nodes[0],
                &["-f", "-"],
                &format!("flush ruleset\n{ruleset}"),
            );
            let present = kernel.present().unwrap();
            let update: Update<'_> = ruleset.update_from_names(&present);
            kernel.update(&update).unwrap();
            let list = |node| tables(&lab, node);
            let (text, netlink) = (list(nodes[0]), list(nodes[1]));
            assert_eq!(sorted(&text), sorted(&netlink), "{ruleset}");
        }
    });
}

/// The objects of tables by name: the kernel lists them in the order in which they came.
fn sorted(tables: &str) -> Vec<&str> {
    let objects = |table| str::split_once(table, '\n').map_or(table, |(_, objects)| objects);
    let tables = tables.split("\n}\ntable ").map(objects);
    let mut objects: Vec<&str> = tables
        .flat_map(|objects| objects.split("\n\n"))
        .map(|o| o.trim().trim_end_matches("\n}"))
        .collect();
    objects.sort_unstable();
    objects
}

fn ruleset(world: &World, number: usize) -> Ruleset {
    let node = Node {
        addresses: [false, true].map(|v6| node_address(0, v6)).into(),
        pod_networks: if number.is_multiple_of(2) {
            vec![
                "10.0.0.0/8".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ]
        } else {
            Vec::new()
        },
    };
    let settings = Settings {
        reject: number.is_multiple_of(3),
        log: number.is_multiple_of(5).then_some((77, 10)),
        ..Settings::default()
    };
    build(world, &node, &settings).ruleset
}
