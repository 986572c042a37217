//! Defaults and zero values of Istio's objects.

#![cfg(test)]

use palisade_diagnostics::FileId;
use palisade_netmodel::{
    AuthorizationAction, ClientTls, MtlsMode, OutboundMode, PolicyTarget, ServerTls, World,
};
use palisade_resources::{Input, Options, Role, load};

fn world(group: &str, kind: &str, spec: &str) -> World {
    let text = format!(
        "apiVersion: {group}.istio.io/v1beta1\nkind: {kind}\nmetadata:\n  name: x\n  namespace: shop\n{spec}"
    );
    let input = Input {
        file: FileId(0),
        text: (&text).into(),
        role: Role::Both,
    };
    let loaded = load(&[input], &Options::default());
    assert_eq!(loaded.diagnostics, [], "{text}");
    loaded.world
}

#[test]
fn every_served_version_is_read() {
    for (version, group, kind) in [
        ("v1", "security", "PeerAuthentication"),
        ("v1beta1", "security", "PeerAuthentication"),
        ("v1", "networking", "Sidecar"),
        ("v1beta1", "networking", "Sidecar"),
        ("v1alpha3", "networking", "Sidecar"),
    ] {
        let text = format!(
            "apiVersion: {group}.istio.io/{version}\nkind: {kind}\nmetadata: {{name: x}}\n"
        );
        let input = Input {
            file: FileId(0),
            text: (&text).into(),
            role: Role::Policies,
        };
        let loaded = load(&[input], &Options::default());
        assert_eq!(loaded.counts.get(kind), Some(&1), "{text}");
    }
}

#[test]
fn peer_authentication_inherits_by_default() {
    let read =
        |spec: &str| world("security", "PeerAuthentication", spec).peer_authentications[0].clone();
    assert_eq!(read("").mode, None);
    assert_eq!(read("spec: {mtls: {}}\n").mode, None);
    assert_eq!(read("spec: {mtls: {mode: UNSET}}\n").mode, None);
    assert_eq!(
        read("spec: {mtls: {mode: STRICT}}\n").mode,
        Some(MtlsMode::Strict)
    );
    let spec =
        "spec: {selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: DISABLE}, '81': {}}}\n";
    let ports: Vec<_> = read(spec).ports.into_iter().collect();
    assert_eq!(ports, [(80, Some(MtlsMode::Disable)), (81, None)]);
}

#[test]
fn authorization_policy_allows_by_default() {
    let read = |spec: &str| {
        world("security", "AuthorizationPolicy", spec).authorization_policies[0].clone()
    };
    let nothing = read("spec: {}\n");
    assert_eq!(
        (nothing.action, nothing.rules.len()),
        (AuthorizationAction::Allow, 0)
    );
    assert!(!nothing.dry_run && nothing.targets.is_empty());
    assert!(read("  annotations: {istio.io/dry-run: 'true'}\n").dry_run);
    let targeted = read("spec: {targetRefs: [{kind: Service, name: a}], rules: [{}]}\n");
    assert_eq!(targeted.targets, [PolicyTarget::Service("a".to_owned())]);
    let rule =
        &read("spec: {rules: [{from: null, to: [{operation: {ports: ['80']}}]}]}\n").rules[0];
    assert_eq!(
        (rule.from.len(), rule.to[0].ports.as_slice()),
        (0, [80].as_slice())
    );
}

#[test]
fn destination_rule_without_mode_disables() {
    let read =
        |spec: &str| world("networking", "DestinationRule", spec).destination_rules[0].clone();
    assert_eq!(read("spec: {host: web}\n").tls, None);
    assert_eq!(
        read("spec: {host: web, trafficPolicy: {tls: {}}}\n").tls,
        Some(ClientTls::Disable)
    );
    let spec = "spec: {host: web, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}}\n";
    let rule = read(spec);
    assert_eq!(
        (rule.tls, rule.ports.get(&80)),
        (None, Some(&Some(ClientTls::Simple)))
    );
    for (host, full) in [
        ("web", "web.shop.svc.cluster.local"),
        ("web.other", "web.other"),
        ("'*'", "*"),
        ("'*.example.com'", "*.example.com"),
    ] {
        assert_eq!(read(&format!("spec: {{host: {host}}}\n")).host, full);
    }
}

#[test]
fn sidecar_outbound_without_mode_is_registry_only() {
    let read = |spec: &str| world("networking", "Sidecar", spec).sidecars[0].clone();
    assert_eq!(read("").outbound, None);
    let spec = "spec: {outboundTrafficPolicy: {}, egress: [{hosts: [a/b]}, {hosts: [./*]}]}\n";
    let scope = read(spec);
    assert_eq!(scope.outbound, Some(OutboundMode::RegistryOnly));
    assert_eq!(scope.egress_hosts, ["a/b", "./*"]);
}

#[test]
fn service_entry_is_outside_by_default() {
    let read = |more: &str| {
        let spec = format!(
            "spec: {{hosts: [a.example.com], ports: [{{number: 443, name: t, protocol: TLS}}]{more}}}\n"
        );
        world("networking", "ServiceEntry", &spec).service_entries[0].external
    };
    assert!(read("") && read(", location: MESH_EXTERNAL") && !read(", location: MESH_INTERNAL"));
}

#[test]
fn gateway_tls_follows_the_protocol() {
    let read = |protocol: &str, tls: &str| {
        let spec = format!(
            "spec: {{servers: [{{port: {{number: 1, name: a, protocol: {protocol}}}, hosts: ['*']{tls}}}]}}\n"
        );
        let server = world("networking", "Gateway", &spec).gateways[0].servers[0].clone();
        (server.tls, server.https_redirect)
    };
    assert_eq!(read("HTTP", ""), (ServerTls::None, false));
    assert_eq!(
        read("HTTP", ", tls: {httpsRedirect: true}"),
        (ServerTls::None, true)
    );
    assert_eq!(read("TLS", ", tls: {}"), (ServerTls::Passthrough, false));
    let simple = ", tls: {mode: OPTIONAL_MUTUAL, credentialName: c}";
    assert_eq!(read("HTTPS", simple), (ServerTls::Simple, false));
}
