//! Envoy ends with the process that started it, also when that is killed.

use crate::rights::with_rights;
use crate::scenarios::envoy;
use palisade_netlab::{Lab, Layout, Plan};
use palisade_sidecar::ADMIN;
use palisade_testkit::processes::{children, runs};
use palisade_trial::mesh::Envoy;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Says in a child that it is the one to be killed.
const CHILD: &str = "PALISADE_TEST_ENVOY_CHILD";
/// What it says once Envoy is ready.
const READY: &str = "Envoy is ready";
const NAME: &str = "process::an_envoy_ends_with_its_process";

#[test]
fn an_envoy_ends_with_its_process() {
    with_rights(NAME, || {
        let Some(program) = envoy() else { return };
        if std::env::var_os(CHILD).is_some() {
            let lab = Lab::build(&Plan::uniform(Layout::Routed, 1, 1)).unwrap();
            let (_, pod) = lab.pods().next().unwrap();
            let bootstrap = format!(
                r#"{{"admin":{{"address":{{"socket_address":{{"address":"127.0.0.1","port_value":{ADMIN}}}}}}}}}"#
            );
            let _envoy = Envoy::start(pod.namespace(), &program, &bootstrap).unwrap();
            println!("\n{READY}");
            sleep(Duration::from_secs(600));
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(CHILD, "yes")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == READY));
        let found = children(child.id());
        assert_eq!(found.len(), 1, "one Envoy runs: {found:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        let begun = Instant::now();
        while found.iter().any(|id| runs(*id)) {
            assert!(begun.elapsed() < Duration::from_secs(20), "Envoy lives on");
            sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn what_envoy_refuses_is_told() {
    with_rights("process::what_envoy_refuses_is_told", || {
        let Some(program) = envoy() else { return };
        let lab = Lab::build(&Plan::uniform(Layout::Routed, 1, 1)).unwrap();
        let (_, pod) = lab.pods().next().unwrap();
        let error = Envoy::start(pod.namespace(), &program, r#"{"no_such_field": 1}"#);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("no_such_field"), "{error}");
    });
}
