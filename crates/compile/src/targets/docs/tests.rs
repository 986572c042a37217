//! The tables of seed-like content, in both formats.

use super::content::{
    CellEntry, ComponentEntry, Connection, Content, ParameterEntry, Side, ToggleEntry, ZoneEntry,
};
use super::{html, markdown, tables};

fn side(title: &str, pod_label: &str, component: &str) -> Side {
    Side {
        title: title.to_owned(),
        pod_label: pod_label.to_owned(),
        components: vec![component.to_owned()],
    }
}

fn content() -> Content {
    let zone = |name: &str, title: &str| ZoneEntry {
        name: name.to_owned(),
        title: title.to_owned(),
    };
    let component = |name: &str, off: &[&str]| ComponentEntry {
        name: name.to_owned(),
        inbound_title: format!("{name} pod"),
        outbound_title: format!("{name} pod"),
        notes: vec![format!("Set `{name}` | see [zones](#zones).")],
        off: off.iter().map(|o| (*o).to_owned()).collect(),
    };
    let connection = |id: &str, from: Side, to: Side, port: &str, reason: &str| Connection {
        id: id.to_owned(),
        from,
        to,
        protocol: "TCP".to_owned(),
        port: port.to_owned(),
        reason: reason.to_owned(),
        enabled_inbound: "Always".to_owned(),
        enabled_outbound: "When egress is on".to_owned(),
        enabled: "Always".to_owned(),
        encryption: "TLS".to_owned(),
        exception: String::new(),
        ingress: true,
        egress: true,
    };
    Content {
        title: "Network policies <1>".to_owned(),
        notes: vec!["An *introduction*.".to_owned()],
        outbound_notes: vec!["Egress policies are not added by default.".to_owned()],
        components: vec![
            component("manager", &["Switch it off with `spec.x`."]),
            component("gateway", &[]),
        ],
        zones: vec![zone("external", "External"), zone("system", "System")],
        cells: vec![
            CellEntry {
                from: "external".to_owned(),
                to: "system".to_owned(),
                text: "[mTLS](#mtls) or [TLS](https://example.com/a)".to_owned(),
                footnotes: vec![(0, "one".to_owned()), (1, "two".to_owned())],
            },
            CellEntry {
                from: "system".to_owned(),
                to: "system".to_owned(),
                text: "Nothing".to_owned(),
                footnotes: vec![(1, "two".to_owned())],
            },
        ],
        connections: vec![
            connection(
                "ui",
                side("Anywhere", "", ""),
                side("Manager", "app=manager", "manager"),
                "3000",
                "External access to UI",
            ),
            connection(
                "register",
                side("Gateway", "app=gateway", "gateway"),
                side(
                    "Manager",
                    "eem.ei.ibm.com/component=<INSTANCE_NAME>",
                    "manager",
                ),
                "User Supplied",
                "Registering | with\nManager",
            ),
        ],
        implied: Vec::new(),
        toggles: vec![ToggleEntry {
            name: "policies".to_owned(),
            default: true,
            reason: "can be switched off".to_owned(),
            set_by: vec!["`a`".to_owned(), "b".to_owned()],
            on_enable: "restart the pods".to_owned(),
        }],
        parameters: vec![ParameterEntry {
            name: "port".to_owned(),
            kind: "Port".to_owned(),
            default: "User Supplied".to_owned(),
            description: "a port".to_owned(),
            set_by: Vec::new(),
        }],
        resolution: vec![("platform".to_owned(), "kubernetes".to_owned())],
    }
}

#[test]
fn as_markdown() {
    insta::assert_snapshot!(markdown::write(&tables::book(&content())));
}

#[test]
fn as_html() {
    insta::assert_snapshot!(html::write(&tables::book(&content())));
}
