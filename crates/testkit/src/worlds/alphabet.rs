//! The few names, labels, ports and addresses that every generator draws from, so that things meet.

use ipnet::IpNet;
use palisade_netmodel::{LabelRequirement, Labels, Operator, Protocol, Selector, SmolStr};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::IpAddr;

/// Namespaces; `istio-system` is the mesh's root.
pub(crate) const NAMESPACES: [&str; 3] = ["shop", "bank", "istio-system"];

/// Ports that policies, Services and containers name, borders included.
pub(super) const PORTS: [u16; 7] = [1, 80, 8080, 8081, 9000, 15090, 65535];

/// Blocks that policies name.
const BLOCKS: [&str; 7] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "203.0.113.0/24",
    "::/0",
    "2001:db8::/32",
    "192.168.0.1/32",
];

/// Addresses of pods, nodes and outsiders.
pub(super) const ADDRESSES: [&str; 6] = [
    "10.0.0.1",
    "10.1.0.7",
    "203.0.113.9",
    "192.168.0.1",
    "2001:db8::5",
    "fd00::1",
];

pub(crate) fn address() -> impl Strategy<Value = IpAddr> {
    select(&ADDRESSES[..]).prop_map(|a| a.parse().unwrap_or(IpAddr::from([0, 0, 0, 0])))
}

pub(crate) fn net() -> impl Strategy<Value = IpNet> {
    select(&BLOCKS[..]).prop_map(parse_net)
}

fn parse_net(text: &str) -> IpNet {
    text.parse().unwrap_or_default()
}

pub(crate) fn labels() -> impl Strategy<Value = Labels> {
    (
        option::of(select(&["a", "b"][..])),
        option::of(select(&["x", "y"][..])),
    )
        .prop_map(|(app, tier)| {
            let pairs = app.map(|v| ("app", v)).into_iter();
            Labels::from_iter(pairs.chain(tier.map(|v| ("tier", v))))
        })
}

fn operator() -> impl Strategy<Value = Operator> {
    let values = || vec(select(&["a", "b", "x"][..]).prop_map(SmolStr::from), 1..3);
    prop_oneof![
        values().prop_map(Operator::In),
        values().prop_map(Operator::NotIn),
        Just(Operator::Exists),
        Just(Operator::DoesNotExist),
    ]
}

pub(crate) fn selector() -> impl Strategy<Value = Selector> {
    let requirement =
        (select(&["app", "tier", "none"][..]), operator()).prop_map(|(key, operator)| {
            LabelRequirement {
                key: key.into(),
                operator,
            }
        });
    vec(requirement, 0..3).prop_map(|requirements| Selector { requirements })
}

pub(crate) fn protocol() -> impl Strategy<Value = Protocol> {
    select(&Protocol::ALL[..])
}

pub(crate) fn port() -> impl Strategy<Value = u16> {
    select(&PORTS[..])
}

pub(crate) fn port_name() -> impl Strategy<Value = String> {
    select(&["web", "admin"][..]).prop_map(str::to_owned)
}
