//! Observed connections, read from what other programs print: one record a line, whatever the program.
//! A line that is no record of a connection is counted with the reason, and the rest is read.

mod conntrack;
mod gadget;
mod hubble;
mod istio;

use palisade_netmodel::Protocol;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Longest line that is read.
const MAX_LINE: usize = 1 << 20;

/// What a record says of one end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct End {
    /// Namespace of the pod.
    pub namespace: Option<String>,
    /// Name of the pod.
    pub pod: Option<String>,
    /// Name of its workload.
    pub workload: Option<String>,
    /// Labels of the pod.
    pub labels: BTreeMap<String, String>,
    /// Address.
    pub address: Option<IpAddr>,
}

/// One connection: who opened it, to whom, on which port of the one who answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// Who opened it.
    pub from: End,
    /// Who answers.
    pub to: End,
    /// Protocol.
    pub protocol: Protocol,
    /// Port of the one who answers, behind any Service.
    pub port: u16,
}

/// Records that are no connections, by reason.
pub type Skipped = BTreeMap<&'static str, usize>;

/// A record, or why it is none.
type Record = Result<Seen, &'static str>;

/// Reads Hubble's and Inspektor Gadget's JSON, `conntrack -L`, and Istio's access logs in JSON. The form is
/// recognised line by line. Equal connections are returned once.
#[must_use]
pub fn read(text: &str) -> (Vec<Seen>, Skipped) {
    let mut seen = std::collections::BTreeSet::new();
    let mut skipped = Skipped::new();
    let mut take = |record: Record| match record {
        Ok(record) => {
            seen.insert(record);
        }
        Err(why) => *skipped.entry(why).or_default() += 1,
    };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.len() > MAX_LINE {
            take(Err("a line is too long"));
            continue;
        }
        // `kubectl logs --prefix` puts the name of the container before each line.
        let bare = match line.strip_prefix("[pod/") {
            Some(rest) => rest.split_once(' ').map_or(rest, |(_, rest)| rest.trim()),
            None => line,
        };
        let json = bare.starts_with(['{', '[']).then_some(bare);
        match json {
            None => take(conntrack::record(line)),
            Some(json) => match serde_json::from_str::<Value>(json) {
                Ok(Value::Array(items)) => items.iter().for_each(|item| take(record(item))),
                Ok(value) => take(record(&value)),
                Err(_) => take(Err("the line is not JSON")),
            },
        }
    }
    (seen.into_iter().collect(), skipped)
}

/// One JSON record, by the fields that only one program writes.
fn record(value: &Value) -> Record {
    let flow = value.get("flow").unwrap_or(value);
    if flow.get("l4").is_some() || flow.get("IP").is_some() || flow.get("verdict").is_some() {
        return hubble::record(flow);
    }
    if value.get("upstream_cluster").is_some() || value.get("downstream_remote_address").is_some() {
        return istio::record(value);
    }
    if value.get("dst").is_some() || value.get("pktType").is_some() {
        return gadget::record(value);
    }
    Err("the record has no form that is known")
}

/// A text of a field.
fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn owned(value: &Value, key: &str) -> Option<String> {
    text(value, key).map(str::to_owned)
}

/// A port, written as a number or as a text; 0 is none.
fn port(value: Option<&Value>) -> Option<u16> {
    let value = value?;
    let number = match value.as_u64() {
        Some(number) => u16::try_from(number).ok(),
        None => value.as_str()?.parse().ok(),
    };
    number.filter(|port| *port > 0)
}

/// `10.0.0.1:8080` or `[2001:db8::1]:8080`.
fn socket(text: &str) -> Option<(IpAddr, u16)> {
    let socket: std::net::SocketAddr = text.parse().ok()?;
    (socket.port() > 0).then(|| (socket.ip().to_canonical(), socket.port()))
}

fn address(text: Option<&str>) -> Option<IpAddr> {
    let address: IpAddr = text?.parse().ok()?;
    Some(address.to_canonical())
}

fn protocol(word: &str) -> Option<Protocol> {
    Protocol::parse(&word.to_ascii_uppercase())
}

/// Labels written as `{"key": "value"}`, or as a list `key=value`, or as one such text with commas.
fn labels(value: Option<&Value>) -> BTreeMap<String, String> {
    let pair = |text: &str| {
        let (key, value) = text.split_once('=')?;
        Some((key.trim().to_owned(), value.to_owned()))
    };
    match value {
        Some(Value::Object(map)) => map
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        Some(Value::Array(list)) => list.iter().filter_map(|v| pair(v.as_str()?)).collect(),
        Some(Value::String(text)) => text.split(',').filter_map(pair).collect(),
        _ => BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, Skipped, read};

    /// `namespace/pod(workload)@address` for what is known of an end.
    pub(super) fn shown(seen: &[Seen]) -> Vec<String> {
        let end = |end: &super::End| {
            let mut out = String::new();
            if let Some(namespace) = &end.namespace {
                out.push_str(&format!("{namespace}/{}", end.pod.as_deref().unwrap_or("")));
            }
            if let Some(workload) = &end.workload {
                out.push_str(&format!("({workload})"));
            }
            if let Some(address) = end.address {
                out.push_str(&format!("@{address}"));
            }
            out
        };
        let line = |s: &Seen| {
            format!(
                "{} > {} {}/{}",
                end(&s.from),
                end(&s.to),
                s.port,
                s.protocol
            )
        };
        seen.iter().map(line).collect()
    }

    fn skipped(text: &str) -> Skipped {
        let (seen, skipped) = read(text);
        assert_eq!(seen, []);
        skipped
    }

    #[test]
    fn what_is_no_record_is_counted() {
        assert_eq!(skipped(""), Skipped::new());
        assert_eq!(
            skipped("hello\n\n{}\n{\n[]\n[{}]\n\u{0}")
                .values()
                .sum::<usize>(),
            5
        );
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(skipped(&deep), Skipped::from([("the line is not JSON", 1)]));
        let long = "x".repeat(super::MAX_LINE + 1);
        assert_eq!(skipped(&long), Skipped::from([("a line is too long", 1)]));
    }
}
