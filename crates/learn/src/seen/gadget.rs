//! A record of Inspektor Gadget: `trace_tcp` and `trace_tcpconnect` (fields `k8s`, `src`, `dst`), and the older
//! `trace network`, which `advise networkpolicy` reads (`pktType`, `port`, `dst`).

use super::{End, Record, Seen, address, labels, owned, port, protocol, text};
use serde_json::Value;

pub(super) fn record(value: &Value) -> Record {
    if text(value, "type")
        .is_some_and(|kind| matches!(kind, "accept" | "close" | "debug" | "err" | "ready"))
    {
        return Err("the record opens no connection");
    }
    let failed = value.get("error").is_some_and(|error| match error {
        Value::String(text) => !text.is_empty() && text != "0",
        Value::Number(number) => number.as_i64() != Some(0),
        _ => false,
    });
    if failed {
        return Err("the connection failed");
    }
    let Some(there) = value.get("dst") else {
        return Err("the record has no far end");
    };
    // Newer records name the protocol at the ends, older ones beside them; a connect is of TCP.
    let word = text(value, "proto")
        .or_else(|| text(there, "proto"))
        .unwrap_or("TCP");
    let Some(protocol) = protocol(word) else {
        return Err("the record is neither of TCP, UDP nor SCTP");
    };
    let Some(port) = port(there.get("port")).or_else(|| port(value.get("port"))) else {
        return Err("the record has no port");
    };
    let (own, far) = (own(value), far(there));
    // `HOST`: a packet that came in. `OUTGOING`, and every connect: one that went out.
    let (from, to) = match text(value, "pktType") {
        Some("HOST") => (far, own),
        Some("OUTGOING") | None => (own, far),
        Some(_) => return Err("the packet is for many"),
    };
    Ok(Seen {
        from,
        to,
        protocol,
        port,
    })
}

/// The pod that was watched.
fn own(value: &Value) -> End {
    let k8s = value.get("k8s").unwrap_or(value);
    let source = value.get("src");
    End {
        namespace: owned(k8s, "namespace"),
        pod: owned(k8s, "podName")
            .or_else(|| owned(k8s, "podname"))
            .or_else(|| owned(k8s, "pod")),
        workload: k8s.get("owner").and_then(|owner| owned(owner, "name")),
        labels: labels(value.get("podLabels").or_else(|| k8s.get("podLabels"))),
        address: address(
            text(value, "podIP").or_else(|| source.and_then(|source| text(source, "addr"))),
        ),
    }
}

/// The far end; a Service is known by its selector alone.
fn far(there: &Value) -> End {
    let k8s = there.get("k8s").unwrap_or(there);
    let is_pod = text(k8s, "kind").is_none_or(|kind| kind == "pod");
    End {
        namespace: owned(k8s, "namespace"),
        pod: owned(k8s, "name")
            .or_else(|| owned(k8s, "podname"))
            .filter(|_| is_pod),
        workload: None,
        labels: labels(k8s.get("podLabels").or_else(|| k8s.get("labels"))),
        address: address(text(there, "addr")),
    }
}

#[cfg(test)]
mod tests {
    use crate::seen::read;
    use crate::seen::tests::shown;

    #[test]
    fn connects_and_packets_are_connections() {
        for (line, expected) in [
            (
                r#"{"k8s":{"namespace":"shop","podName":"web-1","owner":{"kind":"Deployment","name":"web"}},"src":{"addr":"10.0.0.4","port":40000},"dst":{"addr":"10.0.0.5","port":5432,"k8s":{"kind":"pod","namespace":"shop","name":"db-0"}},"type":"connect","error":""}"#,
                "shop/web-1(web)@10.0.0.4 > shop/db-0@10.0.0.5 5432/TCP",
            ),
            (
                r#"{"type":"normal","namespace":"shop","pod":"web-1","podLabels":{"app":"web"},"podIP":"10.0.0.4","pktType":"OUTGOING","proto":"UDP","port":53,"dst":{"addr":"10.0.0.9","namespace":"kube-system","podname":"dns-1","kind":"pod"}}"#,
                "shop/web-1@10.0.0.4 > kube-system/dns-1@10.0.0.9 53/UDP",
            ),
            (
                r#"{"type":"normal","namespace":"shop","pod":"web-1","pktType":"HOST","proto":"TCP","port":8080,"dst":{"addr":"203.0.113.4","kind":"raw"}}"#,
                "@203.0.113.4 > shop/web-1 8080/TCP",
            ),
        ] {
            let (seen, skipped) = read(line);
            assert_eq!(shown(&seen), [expected], "{skipped:?}");
        }
    }

    #[test]
    fn what_opens_nothing_is_counted() {
        for (line, why) in [
            (
                r#"{"type":"accept","dst":{"port":1}}"#,
                "the record opens no connection",
            ),
            (
                r#"{"type":"connect","error":"ECONNREFUSED","dst":{"port":1}}"#,
                "the connection failed",
            ),
            (
                r#"{"pktType":"HOST","port":1}"#,
                "the record has no far end",
            ),
            (r#"{"dst":{"port":70000}}"#, "the record has no port"),
            (
                r#"{"dst":{"port":1},"proto":"ICMP"}"#,
                "the record is neither of TCP, UDP nor SCTP",
            ),
            (
                r#"{"dst":{"port":1},"pktType":"MULTICAST"}"#,
                "the packet is for many",
            ),
        ] {
            assert_eq!(read(line).1.get(why), Some(&1), "{line}");
        }
    }
}
