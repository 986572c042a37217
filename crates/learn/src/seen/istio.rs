//! A line of a proxy's access log in JSON, with the fields of Istio's default format
//! (`accessLogEncoding: JSON`; the meanings are Envoy's, "Access logging").

use super::{End, Record, Seen, socket, text};
use palisade_netmodel::Protocol;
use serde_json::Value;

pub(super) fn record(value: &Value) -> Record {
    let details = text(value, "response_code_details").unwrap_or_default();
    if details.starts_with("rbac_access_denied") {
        return Err("the request was refused");
    }
    let at = |key: &str| text(value, key).and_then(socket);
    let cluster = text(value, "upstream_cluster").unwrap_or_default();
    let ends = if cluster.starts_with("inbound|") {
        // What arrived at the pod, from the address that the proxy saw.
        at("downstream_remote_address").zip(at("downstream_local_address"))
    } else {
        // What the proxy sent on. A sidecar's caller is its own pod; a gateway sends in its own name.
        at("upstream_local_address")
            .or_else(|| at("downstream_remote_address"))
            .zip(at("upstream_host"))
    };
    let Some(((from, _), (to, port))) = ends else {
        return Err("the request reached nobody");
    };
    if from.is_loopback() || to.is_loopback() {
        return Err("the request stayed within its pod");
    }
    let end = |address| End {
        address: Some(address),
        ..End::default()
    };
    // Envoy's access logs are of TCP, but for HTTP/3.
    let protocol = match text(value, "protocol") {
        Some("HTTP/3") => Protocol::Udp,
        _ => Protocol::Tcp,
    };
    Ok(Seen {
        from: end(from),
        to: end(to),
        protocol,
        port,
    })
}

#[cfg(test)]
mod tests {
    use crate::seen::read;
    use crate::seen::tests::shown;

    const OUTBOUND: &str = r#"{"authority":"db.shop:80","response_code":200,"upstream_cluster":"outbound|80||db.shop.svc.cluster.local","upstream_host":"10.0.0.5:8080","upstream_local_address":"10.0.0.4:51234","downstream_local_address":"10.96.0.7:80","downstream_remote_address":"10.0.0.4:40000","protocol":"HTTP/1.1"}"#;
    const INBOUND: &str = r#"{"response_code":200,"response_code_details":"via_upstream","upstream_cluster":"inbound|8080||","upstream_host":"10.0.0.5:8080","upstream_local_address":"127.0.0.6:47","downstream_local_address":"10.0.0.5:8080","downstream_remote_address":"10.0.0.4:51234"}"#;

    #[test]
    fn both_sides_of_a_request_say_the_same() {
        let (seen, skipped) = read(&format!("[pod/web-1/istio-proxy] {OUTBOUND}\n{INBOUND}\n"));
        assert_eq!(shown(&seen), ["@10.0.0.4 > @10.0.0.5 8080/TCP"]);
        assert!(skipped.is_empty(), "{skipped:?}");
    }

    #[test]
    fn what_reached_nobody_is_counted() {
        let refused = INBOUND.replace("via_upstream", "rbac_access_denied_matched_policy[none]");
        assert_eq!(read(&refused).1.get("the request was refused"), Some(&1));
        let nobody = OUTBOUND.replace("\"10.0.0.5:8080\"", "null");
        assert_eq!(read(&nobody).1.get("the request reached nobody"), Some(&1));
        let own = OUTBOUND.replace("10.0.0.5:8080", "127.0.0.1:8080");
        assert_eq!(
            read(&own).1.get("the request stayed within its pod"),
            Some(&1)
        );
    }
}
