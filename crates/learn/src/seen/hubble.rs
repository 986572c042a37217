//! A flow as Hubble prints it (`hubble observe -o json`; fields of `flow.Flow`, Cilium's `api/v1/flow`).

use super::{End, Record, Seen, address, owned, port, text};
use palisade_netmodel::Protocol;
use serde_json::Value;
use std::collections::BTreeMap;

/// Ports from here on are mostly those that a client is given.
const EPHEMERAL: u16 = 32_768;

pub(super) fn record(flow: &Value) -> Record {
    if text(flow, "verdict").is_some_and(|verdict| {
        !matches!(
            verdict,
            "FORWARDED" | "REDIRECTED" | "TRACED" | "TRANSLATED"
        )
    }) {
        return Err("the flow did not pass");
    }
    let is_reply = flow.get("is_reply").and_then(Value::as_bool);
    if is_reply == Some(true) {
        return Err("the flow is a reply");
    }
    let Some((protocol, l4)) = layer4(flow) else {
        return Err("the flow is neither TCP, UDP nor SCTP");
    };
    let (source, destination) = (
        port(l4.get("source_port")),
        port(l4.get("destination_port")),
    );
    let Some(number) = destination else {
        return Err("the flow has no port");
    };
    // Absent means that it is not known: then the lower port is taken for the one that serves.
    let guess = source.is_none_or(|source| number < EPHEMERAL || number < source);
    if is_reply.is_none() && !opens(l4) && !(guess && number < EPHEMERAL) {
        return Err("it is not known who opened the flow");
    }
    Ok(Seen {
        from: end(flow, "source"),
        to: end(flow, "destination"),
        protocol,
        port: number,
    })
}

fn layer4(flow: &Value) -> Option<(Protocol, &Value)> {
    let l4 = flow.get("l4")?;
    Protocol::ALL
        .into_iter()
        .find_map(|protocol| Some((protocol, l4.get(protocol.name())?)))
}

/// A SYN without ACK opens a connection.
fn opens(l4: &Value) -> bool {
    let flag = |name: &str| {
        l4.get("flags")
            .and_then(|flags| flags.get(name))
            .and_then(Value::as_bool)
            == Some(true)
    };
    flag("SYN") && !flag("ACK")
}

fn end(flow: &Value, side: &str) -> End {
    let ip = flow.get("IP");
    let mut out = End {
        address: address(ip.and_then(|ip| text(ip, side))),
        ..End::default()
    };
    if let Some(end) = flow.get(side) {
        out.namespace = owned(end, "namespace");
        out.pod = owned(end, "pod_name");
        let workloads = end.get("workloads").and_then(Value::as_array);
        out.workload = workloads.and_then(|list| owned(list.first()?, "name"));
        let labels = end.get("labels").and_then(Value::as_array);
        out.labels = labels.map_or_else(BTreeMap::new, |list| own_labels(list));
    }
    out
}

/// `k8s:app=web`; those that Cilium adds are no labels of the pod.
fn own_labels(list: &[Value]) -> BTreeMap<String, String> {
    let pairs = list.iter().filter_map(|label| {
        let label = label.as_str()?.strip_prefix("k8s:")?;
        let (key, value) = label.split_once('=')?;
        let added = key.starts_with("io.kubernetes.pod.") || key.starts_with("io.cilium.k8s.");
        (!added).then(|| (key.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use crate::seen::read;
    use crate::seen::tests::shown;

    const FLOW: &str = r#"{"flow":{"time":"2026-01-01T00:00:00Z","verdict":"FORWARDED","IP":{"source":"10.0.1.4","destination":"10.0.2.5","ipVersion":"IPv4"},"l4":{"TCP":{"source_port":43210,"destination_port":8080,"flags":{"SYN":true}}},"source":{"namespace":"shop","labels":["k8s:app=web","k8s:io.kubernetes.pod.namespace=shop"],"pod_name":"web-7d9-x2","workloads":[{"name":"web","kind":"Deployment"}]},"destination":{"namespace":"shop","labels":["k8s:app=db"],"pod_name":"db-0"},"Type":"L3_L4","is_reply":false},"node_name":"n1"}"#;

    #[test]
    fn a_flow_that_passed_is_a_connection() {
        let (seen, skipped) = read(FLOW);
        assert_eq!(
            shown(&seen),
            ["shop/web-7d9-x2(web)@10.0.1.4 > shop/db-0@10.0.2.5 8080/TCP"]
        );
        assert!(skipped.is_empty());
        assert_eq!(seen[0].from.labels.len(), 1);
        assert_eq!(seen[0].from.labels["app"], "web");
        // The same with the flow alone, as the file exporter may write it, and twice.
        let bare = FLOW
            .replace("{\"flow\":", "")
            .replace(",\"node_name\":\"n1\"}", "");
        let (again, _) = read(&format!("{bare}\n{FLOW}\n"));
        assert_eq!(again, seen);
    }

    #[test]
    fn replies_and_drops_are_none() {
        for (old, new, why) in [
            (
                "\"is_reply\":false",
                "\"is_reply\":true",
                "the flow is a reply",
            ),
            ("FORWARDED", "DROPPED", "the flow did not pass"),
            (
                "\"TCP\"",
                "\"ICMPv4\"",
                "the flow is neither TCP, UDP nor SCTP",
            ),
            ("\"destination_port\":8080,", "", "the flow has no port"),
        ] {
            let (seen, skipped) = read(&FLOW.replace(old, new));
            assert_eq!(seen, []);
            assert_eq!(skipped.get(why), Some(&1), "{skipped:?}");
        }
    }

    #[test]
    fn without_a_direction_the_flags_and_the_ports_decide() {
        let unknown = FLOW.replace(",\"is_reply\":false", "");
        assert_eq!(read(&unknown).0.len(), 1);
        let no_flags = unknown.replace(",\"flags\":{\"SYN\":true}", "");
        assert_eq!(read(&no_flags).0.len(), 1);
        let back = no_flags.replace(
            "\"source_port\":43210,\"destination_port\":8080",
            "\"source_port\":8080,\"destination_port\":43210",
        );
        let (seen, skipped) = read(&back);
        assert_eq!(seen, []);
        assert_eq!(skipped.get("it is not known who opened the flow"), Some(&1));
    }
}
