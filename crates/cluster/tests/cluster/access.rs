//! The way to a server: tokens, plugins, certificates, proxies, and kubeconfigs that lead nowhere.

use super::{Taken, access, manifests, only, read_with};
use palisade_cluster::{Access, read};
use palisade_testkit::apiserver::{AUTHORITY, ApiServer};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn tokens_are_sent_and_wrong_ones_are_told() {
    let start = || {
        let mut setup = manifests();
        setup.token = Some("right".to_owned());
        ApiServer::start(setup).unwrap()
    };
    let with = |user: &Value| read_with(&start(), &json!({}), user, Duration::from_secs(20)).1;
    assert_eq!(with(&json!({"token": "right"})).unwrap(), []);
    for user in [json!({"token": "wrong"}), json!({})] {
        let told = with(&user).unwrap_err();
        assert_eq!(only(&told).code.0, "PAL0542", "{told:#?}");
    }
}

/// A credential plugin is run; one that is missing is told.
#[test]
fn credential_plugins_are_run() {
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "right"}});
    let exec = |command: &str| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
            "command": command, "args": [credential.to_string()]}})
    };
    let mut setup = manifests();
    setup.token = Some("right".to_owned());
    let server = ApiServer::start(setup).unwrap();
    let with =
        |command: &str| read_with(&server, &json!({}), &exec(command), Duration::from_secs(20)).1;
    assert_eq!(with("echo").unwrap(), []);
    for command in ["no-such-program-anywhere", "false"] {
        let told = with(command).unwrap_err();
        assert_eq!(only(&told).code.0, "PAL0542", "{told:#?}");
    }
}

#[test]
fn certificates_are_checked() {
    let mut setup = manifests();
    setup.tls = true;
    let server = ApiServer::start(setup).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("ca.pem");
    std::fs::write(&authority, AUTHORITY).unwrap();
    let with = |cluster: Value| read_with(&server, &cluster, &json!({}), Duration::from_secs(20));
    let (taken, told) = with(json!({"certificate-authority": authority}));
    assert_eq!(told.unwrap(), []);
    assert_eq!(taken.objects.len(), 6);
    let told = with(json!({})).1.unwrap_err();
    assert_eq!(only(&told).code.0, "PAL0541", "{told:#?}");
    assert!(
        told[0].help[0].contains("certificate-authority-data"),
        "{told:#?}"
    );
}

/// The proxy of the kubeconfig is spoken to; this one refuses.
#[test]
fn the_proxy_of_the_kubeconfig_is_used() {
    let proxy = ApiServer::start(manifests()).unwrap();
    let mut setup = manifests();
    setup.tls = true;
    let server = ApiServer::start(setup).unwrap();
    let cluster = json!({"proxy-url": proxy.url()});
    let told = read_with(&server, &cluster, &json!({}), Duration::from_secs(20)).1;
    let told = told.unwrap_err();
    assert_eq!(only(&told).code.0, "PAL0541", "{told:#?}");
    assert!(
        only(&told).help.join(" ").contains("proxy-url"),
        "{told:#?}"
    );
    let requests = proxy.requests();
    assert!(
        requests.iter().any(|r| r.method == "CONNECT"),
        "{requests:?}"
    );
    assert_eq!(server.requests(), []);
}

#[test]
fn a_kubeconfig_that_leads_nowhere_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let start = |kubeconfig: &str, context: Option<&str>| {
        let mut access = access(directory.path(), kubeconfig);
        access.context = context.map(str::to_owned);
        let told = read(&access, false, &mut Taken::default()).unwrap_err();
        let told = only(&told);
        assert!(!told.help.is_empty());
        (told.code.0, told.plain_text())
    };
    let server = ApiServer::start(manifests()).unwrap();
    let good = server.kubeconfig(&json!({}), &json!({}));
    let (code, text) = start(&good, Some("tests"));
    assert_eq!(code, "PAL0540");
    assert!(
        text.contains("no context `tests`") && text.contains("did you mean `test`"),
        "{text}"
    );
    let (code, _) = start("{]", None);
    assert_eq!(code, "PAL0540");
    let (code, text) = start("apiVersion: v1\nkind: Config\n", None);
    assert_eq!(code, "PAL0540");
    assert!(text.contains("no current context"), "{text}");
    let mut nobody = good.clone();
    drop(server);
    let (code, text) = start(&nobody, None);
    assert_eq!(code, "PAL0541");
    assert!(
        text.contains("cannot reach the cluster") && text.contains("API server runs"),
        "{text}"
    );
    nobody = good.replace("http://127.0.0.1", "http://no-such-host.invalid");
    let (code, text) = start(&nobody, None);
    assert_eq!(code, "PAL0541");
    assert!(text.contains("host name"), "{text}");
    let missing = Access {
        kubeconfig: Some(directory.path().join("none")),
        context: None,
        timeout: Duration::from_secs(1),
    };
    let told = read(&missing, false, &mut Taken::default()).unwrap_err();
    assert_eq!(only(&told).code.0, "PAL0540");
}
