//! Servers that refuse, fail, hang, or do not say what they serve.

use super::{failing, namespaces, only, read_from, read_with, refusing};
use palisade_diagnostics::Severity;
use palisade_testkit::apiserver::{ApiServer, Fault, Request, Setup};
use serde_json::json;
use std::time::{Duration, Instant};

/// A page that is gone starts the list again, and what was read before does not count twice.
#[test]
fn a_list_that_is_lost_in_the_middle_is_read_again() {
    let gone = |times: usize| {
        let left = std::sync::atomic::AtomicUsize::new(times);
        move |request: &Request, _| {
            let second =
                request.path.ends_with("/namespaces") && request.value("continue").is_some();
            let fails = second
                && left
                    .fetch_update(SEQ, SEQ, |left| left.checked_sub(1))
                    .is_ok();
            fails.then(|| {
                Fault::Status(410, "the provided continue parameter is too old".to_owned())
            })
        }
    };
    const SEQ: std::sync::atomic::Ordering = std::sync::atomic::Ordering::SeqCst;
    let start = |times| {
        let mut setup = Setup::new(namespaces(5)).failing(gone(times));
        setup.page = 3;
        ApiServer::start(setup).unwrap()
    };
    let server = start(2);
    let (taken, told) = read_from(&server);
    assert_eq!(told.unwrap(), []);
    assert_eq!(taken.objects.len(), 5);
    let server = start(3);
    let (_, told) = read_from(&server);
    let told = told.unwrap_err();
    assert!(
        only(&told)
            .title
            .contains("changes faster than it can be read"),
        "{told:#?}"
    );
}

/// What may not be read is never taken for what is not there.
#[test]
fn a_kind_that_may_not_be_listed_is_told() {
    for (end, essential) in [
        ("/networkpolicies", true),
        ("/namespaces", true),
        ("/pods", true),
        ("/authorizationpolicies", false),
        ("/ciliumnetworkpolicies", false),
        ("/nodes", false),
        ("/configmaps", false),
        ("/validatingwebhookconfigurations", false),
    ] {
        let (_, told) = read_from(&refusing(end, 403));
        let told = match (told, essential) {
            (Err(errors), true) => errors,
            (Ok(warnings), false) => warnings,
            (other, _) => panic!("{end}: {other:#?}"),
        };
        let told = only(&told);
        assert_eq!(told.code.0, "PAL0543");
        assert_eq!(told.severity == Severity::Error, essential, "{end}");
        assert_eq!(told.left_out, !essential, "{end}");
        assert!(
            told.title
                .starts_with(&format!("not allowed to list `{}", &end[1..])),
            "{told:#?}"
        );
        let rule = told.help.join("\n");
        assert!(
            rule.contains(&format!("resources: [{}]", &end[1..])),
            "{rule}"
        );
    }
}

/// All rights that are missing are told at once.
#[test]
fn every_missing_right_is_told_at_once() {
    let server = failing(|request, _| {
        let here = ["/pods", "/services"]
            .iter()
            .any(|end| request.path.ends_with(end));
        here.then(|| Fault::Status(403, "no".to_owned()))
    });
    let (_, told) = read_from(&server);
    assert_eq!(told.unwrap_err().len(), 2);
}

/// Without Istio nobody misses its configuration.
#[test]
fn a_plain_cluster_needs_no_right_to_read_config_maps() {
    let setup = Setup::new(namespaces(1)).failing(|request, _| {
        let here = request.path.ends_with("/configmaps");
        here.then(|| Fault::Status(403, "no".to_owned()))
    });
    let server = ApiServer::start(setup).unwrap();
    assert_eq!(read_from(&server).1.unwrap(), []);
}

#[test]
fn versions_that_are_not_read_are_told() {
    let policy = json!({"apiVersion": "security.istio.io/v9", "kind": "AuthorizationPolicy",
        "metadata": {"name": "new", "namespace": "shop"}, "spec": {}});
    let server = ApiServer::start(Setup::new(vec![policy])).unwrap();
    let told = read_from(&server).1.unwrap();
    let told = only(&told);
    assert_eq!(told.code.0, "PAL0545");
    assert!(
        told.left_out && told.title.contains("v9 alone"),
        "{told:#?}"
    );
}

/// The group of a kind that is read does not answer: nobody knows what it holds.
#[test]
fn a_group_that_does_not_say_what_it_serves_is_told() {
    let told = read_from(&refusing("/security.istio.io/v1", 503))
        .1
        .unwrap();
    let told = only(&told);
    assert_eq!(told.code.0, "PAL0544");
    assert!(
        told.left_out && told.title.contains("security.istio.io"),
        "{told:#?}"
    );
}

#[test]
fn a_busy_server_is_asked_again() {
    let server = failing(|_, before| (before == 3).then(|| Fault::Status(429, "later".to_owned())));
    let (taken, told) = read_from(&server);
    assert_eq!(told.unwrap(), []);
    assert_eq!(taken.objects.len(), 6);
}

/// Code and words of each way in which a server fails.
#[test]
fn a_server_that_fails_is_told_as_what_it_is() {
    let text = |text: &'static str| {
        move |_: &Request, before| (before == 9).then(|| Fault::Text(text.to_owned()))
    };
    let deep = || "[".repeat(100_000);
    let cases: Vec<(&str, ApiServer, &str, &str)> = vec![
        (
            "401",
            refusing("/pods", 401),
            "PAL0542",
            "does not know who we are",
        ),
        (
            "500",
            refusing("/pods", 500),
            "PAL0544",
            "does not give the list of `pods`",
        ),
        (
            "404 everywhere",
            refusing("", 404),
            "PAL0544",
            "is no Kubernetes API server",
        ),
        (
            "403 everywhere",
            refusing("", 403),
            "PAL0543",
            "does not let us ask what it serves",
        ),
        (
            "html",
            failing(text("<html>Log in</html>")),
            "PAL0544",
            "cannot be read|does not give|does not say|no Kubernetes",
        ),
        (
            "depth",
            failing(move |request, _| request.path.ends_with("/pods").then(|| Fault::Text(deep()))),
            "PAL0544",
            "does not give the list of `pods`",
        ),
        (
            "no list",
            failing(|request, _| {
                request
                    .path
                    .ends_with("/pods")
                    .then(|| Fault::Text("{\"items\": 7}".to_owned()))
            }),
            "PAL0544",
            "does not give the list of `pods`",
        ),
        (
            "item that is no object",
            failing(|request, _| {
                let text = "{\"metadata\": {}, \"items\": [[]]}".to_owned();
                request.path.ends_with("/pods").then_some(Fault::Text(text))
            }),
            "PAL0544",
            "does not give the list of `pods`",
        ),
        (
            "a page after itself",
            failing(|request, _| {
                let text = "{\"metadata\": {\"continue\": \"x\"}, \"items\": null}".to_owned();
                request.path.ends_with("/pods").then_some(Fault::Text(text))
            }),
            "PAL0544",
            "does not give the list of `pods`",
        ),
        (
            "cut",
            failing(|request, _| request.path.ends_with("/pods").then_some(Fault::Cut(20))),
            "PAL0541",
            "ended in the middle",
        ),
    ];
    for (name, server, code, words) in cases {
        let (_, told) = read_from(&server);
        let told = match told {
            Ok(warnings) => warnings,
            Err(errors) => errors,
        };
        let told = only(&told);
        assert_eq!(told.code.0, code, "{name}: {told:#?}");
        let all = told.plain_text();
        assert!(
            words.split('|').any(|words| all.contains(words)),
            "{name}: {all}"
        );
        assert!(!told.help.is_empty(), "{name}: {all}");
    }
}

#[test]
fn a_server_that_hangs_is_left_in_time() {
    let server = failing(|request, _| request.path.ends_with("/pods").then_some(Fault::Hang));
    let start = Instant::now();
    let (_, told) = read_with(&server, &json!({}), &json!({}), Duration::from_secs(1));
    assert!(start.elapsed() < Duration::from_secs(10));
    let told = told.unwrap_err();
    assert!(only(&told).title.contains("no answer from"), "{told:#?}");
    assert!(told[0].help[0].contains("--request-timeout"));
}
