//! A line of `conntrack -L`, also with `-o extended`: the addresses of the first packet, then those of the
//! answer, which show who answers behind a Service (conntrack(8)).

use super::{End, Record, Seen, address, protocol};
use palisade_netmodel::Protocol;

pub(super) fn record(line: &str) -> Record {
    // `ipv4 2` stands before the protocol in the extended form, `[NEW]` in the form of events.
    let found = line.split_whitespace().take(4).find_map(protocol);
    let mut ways = [[None; 4]; 2];
    let mut way = 0;
    let mut unanswered = false;
    for word in line.split_whitespace() {
        unanswered |= word == "[UNREPLIED]";
        let Some((key, value)) = word.split_once('=') else {
            continue;
        };
        let Some(slot) = ["src", "dst", "sport", "dport"]
            .iter()
            .position(|k| *k == key)
        else {
            continue;
        };
        // The second `src` begins the way back.
        if slot == 0 && ways.iter().flatten().any(Option::is_some) {
            way = 1;
        }
        if let Some(place) = ways.get_mut(way).and_then(|way| way.get_mut(slot)) {
            *place = Some(value);
        }
    }
    let [[source, target, _, port], [answers, _, answering, _]] = ways;
    if source.is_none() || target.is_none() {
        return Err("the line is no connection");
    }
    let Some(protocol) = found else {
        return Err("the line is neither of TCP, UDP nor SCTP");
    };
    if unanswered && protocol == Protocol::Tcp {
        return Err("nobody answered");
    }
    let from = address(source);
    let to = address(answers.or(target));
    let port = answering.or(port).and_then(|port| port.parse().ok());
    let (Some(from), Some(to), Some(port)) = (from, to, port.filter(|port| *port > 0)) else {
        return Err("an address or port of the line cannot be read");
    };
    let end = |address| End {
        address: Some(address),
        ..End::default()
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

    #[test]
    fn the_answer_shows_who_is_behind_a_service() {
        let text = "tcp      6 431999 ESTABLISHED src=10.0.0.4 dst=10.96.0.1 sport=40000 dport=443 src=10.0.0.5 dst=10.0.0.4 sport=8443 dport=40000 [ASSURED] mark=0 use=1
ipv4     2 udp      17 29 src=10.0.0.4 dst=10.0.0.9 sport=5000 dport=53 [UNREPLIED] src=10.0.0.9 dst=10.0.0.4 sport=53 dport=5000 mark=0 use=1
ipv6     10 tcp      6 5 TIME_WAIT src=2001:db8::1 dst=2001:db8::2 sport=1 dport=80 src=2001:db8::2 dst=2001:db8::1 sport=80 dport=1 [ASSURED]
";
        let (seen, skipped) = read(text);
        assert_eq!(
            shown(&seen),
            [
                "@10.0.0.4 > @10.0.0.5 8443/TCP",
                "@10.0.0.4 > @10.0.0.9 53/UDP",
                "@2001:db8::1 > @2001:db8::2 80/TCP",
            ]
        );
        assert!(skipped.is_empty());
    }

    #[test]
    fn other_lines_are_counted() {
        for (line, why) in [
            (
                "conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.",
                "the line is no connection",
            ),
            (
                "icmp     1 29 src=10.0.0.4 dst=10.0.0.9 type=8 code=0 id=1",
                "the line is neither of TCP, UDP nor SCTP",
            ),
            (
                "tcp 6 10 SYN_SENT src=10.0.0.4 dst=10.0.0.9 sport=1 dport=2 [UNREPLIED] src=10.0.0.9 dst=10.0.0.4 sport=2 dport=1",
                "nobody answered",
            ),
            (
                "tcp 6 10 ESTABLISHED src=10.0.0.4 dst=x sport=1 dport=99999",
                "an address or port of the line cannot be read",
            ),
        ] {
            let (seen, skipped) = read(line);
            assert_eq!(seen, []);
            assert_eq!(skipped.get(why), Some(&1), "{skipped:?}");
        }
    }
}
