//! The four systems in full: no error, and the same world for any order of documents.

#![cfg(test)]

use palisade_diagnostics::{FileId, Severity};
use palisade_netmodel::{Origin, World};
use palisade_resources::{Input, Loaded, Options, Role, load};
use std::fs;
use std::path::{Path, PathBuf};

/// The manifests of every example, by directory.
fn examples() -> Vec<(PathBuf, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut found = Vec::new();
    let mut queue = vec![root];
    while let Some(directory) = queue.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_dir() {
                continue;
            }
            if path.ends_with("manifests") {
                let mut files: Vec<PathBuf> = fs::read_dir(&path)
                    .unwrap()
                    .map(|e| e.unwrap().path())
                    .collect();
                files.sort();
                let texts = files.iter().map(|f| fs::read_to_string(f).unwrap());
                found.push((path, texts.collect()));
            } else {
                queue.push(path);
            }
        }
    }
    found
}

fn read(texts: &[String]) -> Loaded {
    let inputs: Vec<Input<'_>> = texts
        .iter()
        .zip(0..)
        .map(|(text, id)| Input {
            file: FileId(id),
            text: text.into(),
            role: Role::Both,
        })
        .collect();
    load(&inputs, &Options::default())
}

/// A world without places.
fn placeless(mut world: World) -> World {
    let none = Origin::default();
    world.namespaces.values_mut().for_each(|x| x.origin = none);
    world.pods.iter_mut().for_each(|x| x.origin = none);
    world.services.iter_mut().for_each(|x| x.origin = none);
    for policy in &mut world.network_policies {
        policy.origin = none;
        let rules = policy
            .ingress
            .iter_mut()
            .chain(&mut policy.egress)
            .flatten();
        rules.for_each(|rule| rule.origin = none);
    }
    world
        .peer_authentications
        .iter_mut()
        .for_each(|x| x.origin = none);
    for policy in &mut world.authorization_policies {
        policy.origin = none;
        policy.rules.iter_mut().for_each(|rule| rule.origin = none);
    }
    world
        .destination_rules
        .iter_mut()
        .for_each(|x| x.origin = none);
    world
        .service_entries
        .iter_mut()
        .for_each(|x| x.origin = none);
    world.sidecars.iter_mut().for_each(|x| x.origin = none);
    for gateway in &mut world.gateways {
        gateway.origin = none;
        gateway
            .servers
            .iter_mut()
            .for_each(|server| server.origin = none);
    }
    let doors = &mut world.doors;
    for route in &mut doors.routes {
        route.origin = none;
        route.ways.iter_mut().for_each(|way| way.origin = none);
    }
    for gateway in &mut doors.gateways {
        gateway.origin = none;
        let listeners = gateway.listeners.iter_mut();
        listeners.for_each(|listener| listener.origin = none);
    }
    doors.grants.iter_mut().for_each(|x| x.origin = none);
    let (slices, classes) = (&mut doors.endpoint_slices, &mut doors.ingress_classes);
    slices.iter_mut().for_each(|x| x.origin = none);
    classes.iter_mut().for_each(|x| x.origin = none);
    world
}

#[test]
fn the_examples_are_valid() {
    let examples = examples();
    assert!(examples.len() >= 3, "{} examples", examples.len());
    for (path, texts) in examples {
        let loaded = read(&texts);
        let errors = loaded
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error);
        let errors: Vec<_> = errors.collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        assert!(loaded.unknown.is_empty(), "{:?}", loaded.unknown);
        assert!(loaded.world.pods.len() > 10 && !loaded.world.network_policies.is_empty());
    }
}

#[test]
fn order_of_documents_does_not_matter() {
    for (path, texts) in examples() {
        let straight = placeless(read(&texts).world);
        let mut documents: Vec<&str> = texts
            .iter()
            .flat_map(|text| text.split("\n---\n"))
            .collect();
        for step in [7, 13, 29] {
            // A fixed shuffle: every `step`th document, then the rest, backwards.
            let (every, rest): (Vec<_>, Vec<_>) = documents
                .iter()
                .enumerate()
                .partition(|(i, _)| i % step == 0);
            let mixed = every.into_iter().chain(rest).rev().map(|(_, text)| *text);
            documents = mixed.collect();
            let shuffled = placeless(read(&[documents.join("\n---\n")]).world);
            assert_eq!(shuffled, straight, "{}", path.display());
        }
    }
}
