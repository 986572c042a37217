//! Established streams while rules change.

use crate::support::{PORT, eventually, lab, load, with_rights};
use palisade_netlab::{Lab, Layout, Stream, StreamState};
use palisade_netmodel::Protocol;
use std::net::SocketAddr;
use std::time::Duration;

/// Long enough to see that a stream flows.
const LOOK: Duration = Duration::from_millis(300);
/// Long enough for the end of one.
const LONG: Duration = Duration::from_secs(20);
/// Silence is believed after this.
const QUIET: Duration = Duration::from_millis(400);

/// A stream for each protocol and family, flowing.
fn streams(lab: &Lab) -> Vec<(String, Stream<'_>)> {
    let [from, to] = ["pod-0-0", "pod-1-0"].map(|name| lab.find(name).expect("it exists"));
    let addresses = lab.host(to).expect("it exists").addresses();
    let mut streams = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for address in addresses {
            let to = SocketAddr::new(address, PORT);
            let name = format!("{protocol} {to}");
            let stream = lab.stream(from, to, protocol);
            streams.push((name, stream.expect("the stream opens")));
        }
    }
    for (name, stream) in &mut streams {
        let seen = stream.watch(LOOK, QUIET).expect("it is watched");
        assert_eq!(seen.state, StreamState::Flowing, "{name}");
        assert!(seen.records > 0, "{name}");
    }
    streams
}

fn rule(lab: &Lab, rule: &str) {
    let node = lab.find("node-0").expect("it exists");
    let script = format!(
        "table inet test {{\nchain f {{ type filter hook forward priority 0;\n{rule}\n}}\n}}\n"
    );
    load(lab, node, &script);
}

#[test]
fn a_rule_that_accepts_what_is_established_ends_nothing() {
    let name = "streams::a_rule_that_accepts_what_is_established_ends_nothing";
    with_rights(name, || {
        let lab = lab(Layout::Routed, 2, 1);
        // Somebody looks at connections from the beginning, as where policies are enforced.
        rule(&lab, "ct state established accept");
        let mut streams = streams(&lab);
        rule(&lab, "drop");
        for (name, stream) in &mut streams {
            let seen = stream.watch(LOOK, QUIET).expect("it is watched");
            assert_eq!(seen.state, StreamState::Flowing, "{name}");
        }
    });
}

#[test]
fn a_rule_that_drops_everything_is_noticed_as_silence() {
    let name = "streams::a_rule_that_drops_everything_is_noticed_as_silence";
    with_rights(name, || {
        let lab = lab(Layout::Routed, 2, 1);
        let mut streams = streams(&lab);
        rule(&lab, "drop");
        for (name, stream) in &mut streams {
            let seen = stream.watch(LONG, QUIET).expect("it is watched");
            assert_eq!(seen.state, StreamState::Silent, "{name}");
            assert!(seen.last < QUIET, "{name}: {seen:?}");
        }
    });
}

#[test]
fn a_rule_that_resets_is_noticed_at_both_ends() {
    let name = "streams::a_rule_that_resets_is_noticed_at_both_ends";
    with_rights(name, || {
        let lab = lab(Layout::Routed, 2, 1);
        let mut streams = streams(&lab);
        rule(&lab, "meta l4proto tcp reject with tcp reset");
        for (name, stream) in streams.iter_mut().take(2) {
            assert!(name.starts_with("TCP"), "{name}");
            let seen = stream.watch(LONG, QUIET).expect("it is watched");
            let ended = [StreamState::Reset, StreamState::Silent];
            assert!(ended.contains(&seen.state), "{name}: {seen:?}");
            eventually("the server is reset", || stream.server_gave_up());
        }
        for (name, stream) in streams.iter_mut().skip(2) {
            let seen = stream.watch(LOOK, QUIET).expect("it is watched");
            assert_eq!(seen.state, StreamState::Flowing, "{name}");
        }
    });
}

#[test]
fn no_stream_opens_where_rules_forbid_it() {
    with_rights("streams::no_stream_opens_where_rules_forbid_it", || {
        let lab = lab(Layout::Routed, 2, 1);
        rule(&lab, "drop");
        let [from, to] = ["pod-0-0", "pod-1-0"].map(|name| lab.find(name).expect("it exists"));
        let to = SocketAddr::new(lab.host(to).expect("it exists").v4, PORT);
        assert!(lab.stream(from, to, Protocol::Tcp).is_err());
    });
}
