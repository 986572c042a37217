//! The tables of the two systems that had some, word for word in the columns that they had.

use crate::examples::example;
use palisade_compile::docs;
use palisade_matrix::{Choice, resolve};

fn markdown(name: &str) -> String {
    let example = example(name);
    let (intent, _) = resolve(&example.matrix, &Choice::default());
    docs::markdown(&example.matrix, &intent)
}

/// The rows of a table as a reader of the page sees them, with the table's heads.
fn tables(text: &str) -> Vec<(String, Vec<Vec<String>>)> {
    let mut heading = String::new();
    let mut chapter = String::new();
    let mut out: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            chapter = title.to_owned();
            heading.clear();
        } else if let Some(title) = line.strip_prefix("### ") {
            heading = title.to_owned();
        }
        let row = line.starts_with("| ");
        if row && !inside {
            out.push((format!("{chapter} / {heading}"), Vec::new()));
        }
        inside = row;
        if row && !line.contains("| ---") {
            let cells = line.trim_matches('|').split(" | ");
            let cells = cells.map(|c| c.trim().replace("**", "").replace('\\', ""));
            out.last_mut().expect("a table").1.push(cells.collect());
        }
    }
    out
}

/// The columns of a table by their heads.
fn columns(table: &[Vec<String>], heads: &[&str]) -> Vec<Vec<String>> {
    let (head, rows) = table.split_first().expect("a head");
    let places: Vec<usize> = heads
        .iter()
        .map(|wanted| head.iter().position(|h| h == wanted).expect("a column"))
        .collect();
    rows.iter()
        .map(|row| places.iter().map(|place| row[*place].clone()).collect())
        .collect()
}

#[test]
fn event_endpoint_management() {
    let text = markdown("eem");
    let tables = tables(&text);
    let rows = |chapter: &str, component: &str, heads: &[&str]| {
        let name = format!("{chapter} / {component}");
        let (_, table) = tables.iter().find(|(n, _)| *n == name).expect("a table");
        columns(table, heads)
    };
    let inbound = |component: &str| {
        let heads = ["Type", "Origin", "Port", "Reason", "Enabled in policy"];
        rows("Inbound network connections (ingress)", component, &heads)
    };
    let outbound = |component: &str| {
        let heads = ["Type", "Destination", "Pod Label", "Port", "Reason"];
        rows("Outbound network connections (egress)", component, &heads)
    };
    assert_eq!(
        inbound("Event Endpoint Management operator pod"),
        [[
            "TCP",
            "See details below",
            "8443",
            "Operator validating webhook",
            "Always"
        ]]
    );
    assert_eq!(
        inbound("Event Manager pod"),
        [
            ["TCP", "Anywhere", "3000", "External access to UI", "Always"],
            ["TCP", "Anywhere", "8081", "Readiness probe", "Always"],
        ]
    );
    assert_eq!(
        inbound("Event Gateway pod"),
        [[
            "TCP",
            "Anywhere",
            "8092",
            "Kafka client communication",
            "Always"
        ]]
    );
    let label = "eem.ei.ibm.com/component=<INSTANCE_NAME>";
    assert_eq!(
        outbound("Event Endpoint Management operator pod"),
        [[
            "TCP",
            "Event Manager instance",
            label,
            "8081",
            "Readiness check"
        ]]
    );
    assert_eq!(
        outbound("Event Manager pod"),
        [[
            "TCP",
            "Licensing Service",
            "",
            "User Supplied",
            "Licensing metrics in usage-based licensing mode",
        ]]
    );
    assert_eq!(
        outbound("Event Gateway pod"),
        [
            [
                "TCP",
                "Event Endpoint Management",
                label,
                "3000",
                "Registering with Event Endpoint Management",
            ],
            [
                "TCP",
                "Kafka",
                "",
                "User Supplied",
                "Configuring gateway for Kafka"
            ],
        ]
    );
    assert!(text.contains("**Note:** Egress policies are not added by default."));
    assert!(text.contains("`spec.deployNetworkPolicies`"));
}

/// Egress is in the policies only when its toggle is on, and the tables say so.
#[test]
fn what_is_not_in_a_policy_is_said() {
    let text = markdown("eem");
    let tables = tables(&text);
    let name = "Outbound network connections (egress) / Event Gateway pod";
    let (_, table) = tables.iter().find(|(n, _)| n == name).expect("a table");
    for row in columns(table, &["Enabled in policy"]) {
        assert_eq!(row, ["When egressPolicies is on"]);
    }
}

#[test]
fn cloud_foundry_zones() {
    let text = markdown("cf-for-k8s");
    let tables = tables(&text);
    let (_, table) = tables
        .iter()
        .find(|(n, _)| n == "Zones / ")
        .expect("a table");
    let mtls = "[Istio Mesh mTLS](#istio-mesh-mtls)";
    let gateway = |certs: &str| {
        format!("{certs} to Ingress Gateway. Gateway to backend is secured using {mtls}")
    };
    let expected: Vec<Vec<String>> = vec![
        ["SourceDestination", "External", "Apps", "System Components"]
            .map(str::to_owned)
            .to_vec(),
        vec![
            "External".to_owned(),
            "N/A".to_owned(),
            gateway("Operator provides wildcard certs"),
            gateway("Operator provides wildcard certs for the system domain"),
        ],
        vec![
            "Apps".to_owned(),
            "Mesh can be leveraged with Istio Destination Rules and Service Entries. [Istio \
             defaults to PERMISSIVE egress](https://istio.io/docs/tasks/traffic-management/egress/\
             egress-control/)."
                .to_owned(),
            format!(
                "App-to-app traffic will be denied by default. If enabled, will be secured using \
                 {mtls}"
            ),
            format!("{mtls}<sup>0</sup>"),
        ],
        vec![
            "System Components".to_owned(),
            "CAs for external destinations can be provided<sup>1</sup>".to_owned(),
            format!("{mtls}<sup>2</sup>"),
            mtls.to_owned(),
        ],
    ];
    assert_eq!(*table, expected);
    assert!(text.contains("<sup>0</sup> System components that do not expect"));
}

#[test]
fn html_stands_alone() {
    for name in ["eem", "fybrik", "cf-for-k8s"] {
        let example = example(name);
        let (intent, _) = resolve(&example.matrix, &Choice::default());
        let text = docs::html(&example.matrix, &intent);
        for forbidden in [
            "<script",
            "<link",
            "<img",
            "src=",
            "url(",
            "@import",
            "javascript:",
        ] {
            assert!(!text.contains(forbidden), "{name}: {forbidden}");
        }
        for needed in [
            "prefers-color-scheme",
            "@media print",
            "width=device-width",
            "<h2",
        ] {
            assert!(text.contains(needed), "{name}: {needed}");
        }
        assert_eq!(text.matches("<tr>").count(), text.matches("</tr>").count());
    }
}
