//! Which proxy leads to the API server: the one of the kubeconfig, else that of the environment, as kubectl takes it.
//!
//! kube 5.0.0 compares NO_PROXY with the proxy and not with the server, so the environment is judged here.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::Kubeconfig;
use std::net::IpAddr;

/// Whether the cluster of a context has a proxy of its own.
pub(crate) fn is_own(kubeconfig: &Kubeconfig, context: Option<&str>) -> bool {
    let name = context.or(kubeconfig.current_context.as_deref());
    let contexts = kubeconfig.contexts.iter();
    let context = contexts
        .filter(|named| Some(named.name.as_str()) == name)
        .find_map(|named| named.context.as_ref());
    let clusters = kubeconfig.clusters.iter();
    let cluster = clusters
        .filter(|named| context.is_some_and(|context| context.cluster == named.name))
        .find_map(|named| named.cluster.as_ref());
    let proxy = cluster.and_then(|cluster| cluster.proxy_url.as_deref());
    proxy.is_some_and(|proxy| !proxy.is_empty())
}

/// The proxy of the environment for a server, if it has one; `known` is the same with its password.
pub(crate) fn of_environment(server: &Uri, known: Option<Uri>) -> Option<Uri> {
    let found = chosen(server, |name| {
        let lower = || std::env::var(name.to_lowercase());
        std::env::var(name).or_else(|_| lower()).unwrap_or_default()
    })?;
    let is_https = server.scheme_str() == Some("https");
    Some(known.filter(|_| is_https).unwrap_or(found))
}

fn chosen(server: &Uri, variable: impl Fn(&str) -> String) -> Option<Uri> {
    let host = server.host()?;
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    if host == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
        return None;
    }
    let matcher = Matcher::builder()
        .http(variable("HTTP_PROXY"))
        .https(variable("HTTPS_PROXY"))
        .no(variable("NO_PROXY"))
        .build();
    Some(matcher.intercept(server)?.uri().clone())
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn the_environment_is_taken_as_kubectl_takes_it() {
        let variable = |name: &str| {
            let value = match name {
                "HTTP_PROXY" => "http://plain.example:1",
                "HTTPS_PROXY" => "http://proxy.example:3128",
                _ => "10.0.0.0/8,.inner.example,api.example",
            };
            value.to_owned()
        };
        for (server, expected) in [
            (
                "https://api.other.example:6443",
                Some("http://proxy.example:3128/"),
            ),
            ("http://api.other.example", Some("http://plain.example:1/")),
            ("https://172.16.0.1", Some("http://proxy.example:3128/")),
            ("https://10.1.2.3:6443", None),
            ("https://a.inner.example", None),
            ("https://api.example:6443", None),
            ("https://127.0.0.1:6443", None),
            ("https://[::1]:6443", None),
            ("https://localhost", None),
        ] {
            let found = chosen(&server.parse().unwrap(), variable);
            let found = found.map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{server}");
        }
        let none = chosen(&"https://api.example".parse().unwrap(), |_| String::new());
        assert_eq!(none, None);
    }
}
