//! Pods of templates and real pods, and what is said of them.

use super::{names, pod, workload, world};
use palisade_netmodel::{AddressSet, Phase};
use std::sync::Arc;

#[test]
fn templates_become_pods() {
    let cron = "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tidy, namespace: shop}\n\
        spec:\n  schedule: '@daily'\n  suspend: true\n  jobTemplate:\n    spec:\n      template:\n        \
        spec: {containers: [{name: a}]}\n";
    let text = [
        workload("Deployment", "web", "  replicas: 1"),
        workload("ReplicaSet", "rs", ""),
        workload("StatefulSet", "db", "  replicas: 0"),
        workload("DaemonSet", "agent", ""),
        workload("Job", "once", ""),
        cron.to_owned(),
    ]
    .concat();
    let world = world(&text);
    let found: Vec<_> = world
        .pods
        .iter()
        .map(|p| (p.name.as_str(), p.workload.kind.as_str(), p.phase))
        .collect();
    assert_eq!(
        found,
        [
            ("agent-0", "DaemonSet", Phase::Live),
            ("agent-1", "DaemonSet", Phase::Live),
            ("db-0", "StatefulSet", Phase::ScaledToZero),
            ("db-1", "StatefulSet", Phase::ScaledToZero),
            ("once-0", "Job", Phase::Live),
            ("rs-0", "ReplicaSet", Phase::Live),
            ("rs-1", "ReplicaSet", Phase::Live),
            ("tidy-0", "CronJob", Phase::ScaledToZero),
            ("web-0", "Deployment", Phase::Live),
            ("web-1", "Deployment", Phase::Live),
        ]
    );
    let labels = |name: &str| {
        let pod = world.pods.iter().find(|p| p.name == name).unwrap();
        pod.labels.to_string()
    };
    assert_eq!(labels("web-0"), "app=web");
    assert!(labels("db-1").contains("statefulset.kubernetes.io/pod-name=db-1"));
    assert!(labels("once-0").contains("job-name=once"));
    assert!(
        world.namespaces.contains_key("shop"),
        "named by objects only"
    );
}

#[test]
fn real_pods_replace_those_of_their_template() {
    let owner = |kind: &str, name: &str| {
        format!(
            "namespace: shop, ownerReferences: [{{apiVersion: x/v1, kind: {kind}, name: {name}, controller: true, uid: u}}]"
        )
    };
    let live = "phase: Running, podIP: 10.0.0.7, podIPs: [{ip: 10.0.0.7}, {ip: 'fd00::7'}], hostIP: 192.0.2.1";
    let hash = "labels: {app: web, pod-template-hash: 5d4}";
    let text = [
        workload("Deployment", "web", ""),
        workload("Deployment", "api", ""),
        workload("ReplicaSet", "api-77", "").replace(
            "namespace: shop}",
            &format!("{}}}", owner("Deployment", "api")),
        ),
        workload("Job", "once", ""),
        workload("StatefulSet", "db", ""),
        pod(
            &format!(
                "name: web-5d4-x, {hash}, {}",
                owner("ReplicaSet", "web-5d4")
            ),
            "",
            live,
        ),
        pod(
            &format!("name: api-77-y, {}", owner("ReplicaSet", "api-77")),
            "",
            live,
        ),
        pod(
            &format!("name: once-z, {}", owner("Job", "once")),
            "",
            "phase: Succeeded",
        ),
    ]
    .concat();
    let world = world(&text);
    let found: Vec<_> = world
        .pods
        .iter()
        .map(|p| {
            format!(
                "{} {} {} {:?}",
                p.name, p.workload.kind, p.workload.name, p.phase
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "api-77-y Deployment api Live",
            "db-0 StatefulSet db Live",
            "db-1 StatefulSet db Live",
            "once-z Job once Completed",
            "web-5d4-x Deployment web Live",
        ]
    );
    let known = |list: &[&str]| AddressSet {
        known: list.iter().map(|a| a.parse().unwrap()).collect(),
    };
    assert_eq!(world.pods[0].addresses, known(&["10.0.0.7", "fd00::7"]));
    assert_eq!(world.pods[0].node_addresses, known(&["192.0.2.1"]));
}

#[test]
fn a_finished_run_of_a_cron_job_leaves_the_next() {
    let cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tidy, namespace: shop}\n\
        spec: {schedule: '@daily', jobTemplate: {spec: {template: {spec: {containers: [{name: a}]}}}}}\n";
    let owner =
        "namespace: shop, ownerReferences: [{kind: Job, name: tidy-28000, controller: true}]";
    let run = |status: &str| pod(&format!("name: tidy-28000-x, {owner}"), "", status);
    let found = |status: &str| names(&world(&format!("{cron}{}", run(status))));
    assert_eq!(found("phase: Running"), ["shop/tidy-28000-x"]);
    assert_eq!(found("phase: Failed"), ["shop/tidy-0", "shop/tidy-28000-x"]);
}

/// Pods of one Job that run at once may call each other, as replicas do.
#[test]
fn a_job_of_several_pods_has_two() {
    let template = "template: {spec: {containers: [{name: a}]}}";
    let job = |kind: &str, spec: &str| {
        let text = format!(
            "apiVersion: batch/v1\nkind: {kind}\nmetadata: {{name: tidy, namespace: shop}}\nspec: {{{spec}}}\n"
        );
        names(&world(&text))
    };
    let cron = |spec: &str| {
        let spec = format!("schedule: '@daily', jobTemplate: {{spec: {{{spec}}}}}");
        job("CronJob", &spec)
    };
    for (parallelism, pods) in [
        ("", &["shop/tidy-0"][..]),
        ("parallelism: 1, ", &["shop/tidy-0"]),
        ("parallelism: 5, ", &["shop/tidy-0", "shop/tidy-1"]),
    ] {
        let spec = format!("{parallelism}{template}");
        assert_eq!(job("Job", &spec), pods, "{spec}");
        assert_eq!(cron(&spec), pods, "{spec}");
    }
}

#[test]
fn named_ports_include_native_sidecars_only() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  serviceAccountName: robot\n  \
        initContainers:\n  - {name: init, ports: [{name: boot, containerPort: 1}]}\n  \
        - {name: side, restartPolicy: Always, ports: [{name: side, containerPort: 2, protocol: UDP}]}\n  \
        containers:\n  - {name: app, ports: [{name: web, containerPort: 80}, {containerPort: 90}]}\n";
    let world = world(text);
    let pod = &world.pods[0];
    let ports: Vec<_> = pod
        .named_ports
        .iter()
        .map(|p| format!("{} {}/{}", p.name, p.port, p.protocol))
        .collect();
    assert_eq!(ports, ["side 2/UDP", "web 80/TCP"]);
    assert_eq!(pod.container_ports.to_string(), "80/TCP, 90/TCP, 2/UDP");
    assert_eq!(pod.service_account, "robot");
    assert_eq!(pod.namespace, "default");
}

#[test]
fn replicas_share_what_they_have_in_common() {
    let pod = |name: &str, app: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {app}}}, \
            ownerReferences: [{{kind: ReplicaSet, name: web-1, controller: true}}]}}\n\
            spec: {{containers: [{{name: c}}]}}\n---\n"
        )
    };
    let text = [pod("a", "web"), pod("b", "web"), pod("c", "db")].concat();
    let mut world = world(&text);
    let [a, b, c] = world.pods.as_mut_slice() else {
        panic!("{:?}", world.pods);
    };
    assert!(Arc::ptr_eq(&a.template, &b.template));
    assert_ne!(a.labels, c.labels);
    // A change of one leaves the other as it is.
    a.host_network = true;
    assert!(a.host_network && !b.host_network);
}

#[test]
fn host_network_group_of_openshift() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: openshift-host-network\n  \
        labels: {policy-group.network.openshift.io/host-network: ''}\n";
    let world = world(text);
    let [pod] = world.pods.as_slice() else {
        panic!("{:?}", world.pods);
    };
    assert!(pod.host_group);
    assert_eq!(pod.name, "host-network");
}
