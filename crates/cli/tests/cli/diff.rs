//! `palisade diff` over git revisions, files and directories, and the object that it names.

use crate::run::{Ended, palisade};
use std::fs;
use std::path::Path;
use std::process::Command;

const WORKLOADS: &str = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: db, ports: [{containerPort: 5432}]}]}
";

const POLICY: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
";

fn git(directory: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
    let ended = Command::new("git")
        .current_dir(directory)
        .args(identity)
        .args(["-c", "commit.gpgsign=false"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

/// A repository whose first revision has no policy and whose second has one.
fn repository() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    git(root, &["init", "-q", "-b", "main"]);
    fs::create_dir(root.join("k8s")).unwrap();
    fs::write(root.join("k8s/workloads.yaml"), WORKLOADS).unwrap();
    git(root, &["add", "-A"]);
    git(root, &["commit", "-q", "-m", "first"]);
    git(root, &["tag", "v1"]);
    fs::write(root.join("k8s/policies.yaml"), POLICY).unwrap();
    git(root, &["add", "-A"]);
    git(root, &["commit", "-q", "-m", "second"]);
    directory
}

fn diff(directory: &Path, before: &str, after: &str) -> Ended {
    palisade(directory, &["diff", before, after])
}

#[test]
fn revisions_of_git_are_worlds() {
    let directory = repository();
    let ended = diff(directory.path(), "v1:k8s", "k8s");
    assert_eq!(ended.code, 1, "{}", ended.err);
    for part in [
        "warning[PAL0342]",
        "k8s/policies.yaml:3:18",
        "NetworkPolicy shop/db: isolates for ingress",
        "anywhere outside → shop/db on all ports",
        "shop/web → shop/db on 1-5431/TCP, 5433-65535/TCP, all UDP ports, all SCTP ports",
    ] {
        assert!(ended.out.contains(part), "{part} is not in\n{}", ended.out);
    }
    // The other way round the same connections are gained, and the place is in the revision.
    let ended = diff(directory.path(), "HEAD:k8s", "v1:k8s");
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("PAL0341"), "{}", ended.out);
    let place = "HEAD:k8s/policies.yaml:3:18";
    assert!(ended.out.contains(place), "{}", ended.out);
    assert_eq!(diff(directory.path(), "main:k8s", "k8s").code, 0);
    // From within a directory the path is relative, as everywhere.
    let inside = directory.path().join("k8s");
    assert_eq!(diff(&inside, "main:.", ".").code, 0);
}

#[test]
fn a_revision_that_cannot_be_read_is_an_error_of_the_environment() {
    let directory = repository();
    for (before, part) in [
        ("v9:k8s", "git does not know the revision `v9`"),
        ("v1:nothing", "no manifests in `nothing` of revision `v1`"),
    ] {
        let ended = diff(directory.path(), before, "k8s");
        assert_eq!(ended.code, 4, "{}", ended.err);
        assert!(ended.err.contains(part), "{}", ended.err);
    }
    let outside = tempfile::tempdir().unwrap();
    assert_eq!(diff(outside.path(), "v1:k8s", "k8s").code, 4);
}

/// A workload that comes is told as one, with what reaches it, and not as gained connections.
#[test]
fn a_new_workload_is_told_as_such() {
    let directory = repository();
    let new = "apiVersion: v1\nkind: Pod\nmetadata: {name: new, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: new}]}\n";
    fs::write(directory.path().join("k8s/new.yaml"), new).unwrap();
    let ended = diff(directory.path(), "main:k8s", "k8s");
    assert_eq!(ended.code, 1, "{}", ended.err);
    let title = "note[PAL0346]: `shop/new` is new";
    assert!(ended.out.contains(title), "{}", ended.out);
    assert!(!ended.out.contains("PAL0341"), "{}", ended.out);
    let reach = "reaches shop/db on 5432/TCP";
    assert!(ended.out.contains(reach), "{}", ended.out);
}
