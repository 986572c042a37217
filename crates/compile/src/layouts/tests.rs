//! Every layout carries every object, whole, under paths that stay inside their folder.

use super::{Files, LAYOUTS};
use crate::{Artefacts, Object, Proven};
use palisade_yaml::Value;

fn object(namespace: &str, kind: &'static str, name: &str) -> Object {
    let metadata = Value::map([
        ("name", Value::string(name)),
        ("namespace", Value::string(namespace)),
    ]);
    Object {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        value: Value::map([("kind", Value::string(kind)), ("metadata", metadata)]),
        flows: Vec::new(),
    }
}

fn written(layout: &str) -> Files {
    let artefacts = Artefacts {
        matrix: "shop".to_owned(),
        objects: vec![
            object("", "Namespace", "shop"),
            object("shop", "NetworkPolicy", "web"),
            object("shop", "AuthorizationPolicy", "web"),
            object("../../etc", "NetworkPolicy", "../passwd"),
        ],
        ..Artefacts::default()
    };
    let layout = LAYOUTS.iter().find(|l| l.name == layout).expect("a layout");
    (layout.write)(&Proven::unproven(artefacts))
}

fn paths(files: &Files) -> Vec<&str> {
    files.iter().map(|(path, _)| path.as_str()).collect()
}

#[test]
fn directory() {
    let files = written("directory");
    assert_eq!(
        paths(&files),
        [
            "cluster/namespace-shop.yaml",
            "etc-e2c00c1f/networkpolicy-passwd-78172bac.yaml",
            "shop/authorizationpolicy-web.yaml",
            "shop/networkpolicy-web.yaml",
        ]
    );
}

#[test]
fn stream() {
    let files = written("stream");
    assert_eq!(paths(&files), ["shop.yaml"]);
    assert_eq!(files[0].1.matches("---\n").count(), 3);
}

#[test]
fn kustomize() {
    let files = written("kustomize");
    let base = files.iter().find(|(path, _)| path == "kustomization.yaml");
    let (_, base) = base.expect("written");
    for (path, _) in files
        .iter()
        .filter(|(path, _)| path != "kustomization.yaml")
    {
        assert!(base.contains(&format!("- {path}\n")), "{path} in {base}");
    }
}
