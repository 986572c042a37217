//! The same matrix compiles to the same bytes, in whatever order its items come.

use crate::support::shop;
use palisade_compile::{compile, synthetic_world};
use palisade_netmodel::{MeshMode, Peers};

/// A small fixed generator (Knuth's MMIX constants): the test needs many orders, not good randomness.
struct Orders(u64);

impl Orders {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % below.max(1)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.next(i + 1));
        }
    }
}

#[test]
fn order_of_items_does_not_matter() {
    for mesh in [MeshMode::None, MeshMode::Sidecar] {
        let intent = shop(mesh);
        let expected = compile(&intent, &synthetic_world(&intent)).to_yaml();
        let mut orders = Orders(7);
        for _ in 0..200 {
            let mut other = intent.clone();
            orders.shuffle(&mut other.zones);
            orders.shuffle(&mut other.components);
            orders.shuffle(&mut other.claims);
            orders.shuffle(&mut other.grants);
            for grant in &mut other.grants {
                orders.shuffle(grant.ports.as_deref_mut().unwrap_or_default());
                for party in [&mut grant.from, &mut grant.to] {
                    if let Peers::List(peers) = &mut party.peers {
                        orders.shuffle(peers);
                    }
                }
            }
            let compiled = compile(&other, &synthetic_world(&other)).to_yaml();
            assert_eq!(compiled, expected);
        }
    }
}
