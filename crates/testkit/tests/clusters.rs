//! What the generator of clusters writes is read back as the world that it means, in every style.

#![cfg(test)]

use palisade_diagnostics::FileId;
use palisade_netmodel::{Origin, Service, World};
use palisade_resources::{Input, Options, Role, load};
use palisade_testkit::clusters::{Shape, Style, text, world};

/// The world without places, and without what only the text says.
fn without_places(mut world: World) -> World {
    let nowhere = Origin::default();
    for namespace in world.namespaces.values_mut() {
        namespace.origin = nowhere;
    }
    for pod in &mut world.pods {
        pod.origin = nowhere;
    }
    for Service { origin, .. } in &mut world.services {
        *origin = nowhere;
    }
    for policy in &mut world.network_policies {
        policy.origin = nowhere;
        let rules = policy.ingress.iter_mut().chain(&mut policy.egress);
        for rule in rules.flatten() {
            rule.origin = nowhere;
        }
    }
    for policy in &mut world.peer_authentications {
        policy.origin = nowhere;
    }
    for policy in &mut world.authorization_policies {
        policy.origin = nowhere;
        for rule in &mut policy.rules {
            rule.origin = nowhere;
        }
    }
    world
}

fn shapes() -> [Shape; 3] {
    let small = Shape {
        pods: 60,
        workloads: 17,
        namespaces: 3,
        policies: 40,
        ..Shape::default()
    };
    let odd = Shape {
        unique_labels: true,
        dual_stack: true,
        blocks: 7,
        not_in: 9,
        ..small
    };
    let mesh = Shape {
        mesh: true,
        ..small
    };
    [small, odd, mesh]
}

#[test]
fn every_style_reads_back_as_the_same_world() {
    for shape in shapes() {
        let meant = world(&shape);
        assert_eq!(meant.pods.len(), shape.pods);
        assert_eq!(meant.network_policies.len(), shape.policies);
        for style in Style::ALL {
            let text = text(&shape, style);
            let input = Input {
                file: FileId(0),
                text: (&text).into(),
                role: Role::Both,
            };
            let loaded = load(&[input], &Options::default());
            assert_eq!(loaded.diagnostics, [], "{style:?}");
            let read = without_places(loaded.world);
            let (read, meant) = (format!("{read:#?}"), format!("{meant:#?}"));
            let differ = read.lines().zip(meant.lines()).find(|(a, b)| a != b);
            assert!(read == meant, "{style:?} {shape:?} {differ:?}");
        }
    }
}
