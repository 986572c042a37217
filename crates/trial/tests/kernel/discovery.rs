//! Pods of one bridge find each other over IPv6 whatever policies say: questions about neighbours pass the rules there
//! like other packets, and no policy can speak of them.

use crate::small::small;
use crate::support::with_rights;
use palisade_netlab::Layout;
use palisade_netmodel::{NetworkPolicy, ObjectRef, Origin, Peer, Protocol, Rule, Selector};
use palisade_trial::{Options, Trial};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PORT: u16 = 80;
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn isolated_pods_of_a_bridge_find_each_other() {
    with_rights(
        "discovery::isolated_pods_of_a_bridge_find_each_other",
        || {
            let mut world = small();
            // Friends may talk to the server, and to nobody else.
            world.network_policies.push(NetworkPolicy {
                origin: Origin::default(),
                object: ObjectRef::new("lab", "friends"),
                pod_selector: Selector::of([("role", "friend")]),
                ingress: Some(Vec::new()),
                egress: Some(vec![Rule {
                    origin: Origin::default(),
                    peers: Some(vec![Peer::Pods {
                        namespaces: palisade_netmodel::NamespaceMatch::Named("lab".to_owned()),
                        pods: Selector::of([("role", "server")]),
                    }]),
                    ports: None,
                }]),
            });
            let options = Options {
                layout: Layout::Bridged,
                nodes: 1,
                ..Options::default()
            };
            let mut trial = Trial::build(&world, &options).unwrap();
            let [server, friend] = ["pod-0", "pod-2"].map(|name| trial.lab.find(name).unwrap());
            trial.lab.serve([(server, Protocol::Tcp, PORT)]).unwrap();
            trial.enforce(&world).unwrap();
            // By hand: the lab makes known to each other only who are asked about by its probes.
            for address in trial.lab.host(server).unwrap().addresses() {
                let to = SocketAddr::new(address, PORT);
                let connect = || TcpStream::connect_timeout(&to, PATIENCE).map(drop);
                let connected = trial.lab.inside(friend, connect).unwrap();
                connected.unwrap_or_else(|error| panic!("{to}: {error}"));
            }
        },
    );
}
