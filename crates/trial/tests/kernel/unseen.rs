//! A TCP connection that is older than the table tells nothing of who began it. It ends where it meets an isolated pod,
//! allowed or not; elsewhere it goes on.

use crate::small::{one_node, small};
use crate::support::with_rights;
use palisade_netmodel::{NetworkPolicy, ObjectRef, Origin, Protocol, Rule, Selector};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PORT: u16 = 80;
/// For what comes at once.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

#[test]
fn connections_that_began_unseen_end_at_isolated_pods() {
    with_rights(
        "unseen::connections_that_began_unseen_end_at_isolated_pods",
        || {
            let mut world = small();
            // A friend that may talk to everybody, and so is isolated for egress.
            world.pods[3].labels.insert("talks", "yes");
            world.network_policies.push(NetworkPolicy {
                origin: Origin::default(),
                object: ObjectRef::new("lab", "talks"),
                pod_selector: Selector::of([("talks", "yes")]),
                ingress: None,
                egress: Some(vec![Rule {
                    origin: Origin::default(),
                    peers: None,
                    ports: None,
                }]),
            });
            let mut trial = one_node(&world);
            let pod = |number: usize| trial.lab.find(&format!("pod-{number}")).unwrap();
            let [server, stranger, friend, talking, guest] = [0, 1, 2, 3, 4].map(pod);
            let doors = [server, guest].map(|host| (host, Protocol::Tcp, PORT));
            trial.lab.serve(doors).unwrap();
            // From and to, and whether one of them is isolated in the direction of the client's packets.
            let ways = [
                (friend, server, true),
                (talking, guest, true),
                (stranger, guest, false),
            ];
            let open = |trial: &palisade_trial::Trial, (from, to, ends)| {
                let addresses = trial.lab.host(to).unwrap().addresses();
                let connect = |address| {
                    let to = SocketAddr::new(address, PORT);
                    let connect = || TcpStream::connect(to).unwrap();
                    let mut stream = trial.lab.inside(from, connect).unwrap();
                    stream.set_read_timeout(PATIENCE).unwrap();
                    // The server names itself.
                    stream.read_exact(&mut [0; 4]).unwrap();
                    (stream, to, ends)
                };
                addresses.map(connect)
            };
            let old: Vec<_> = ways.iter().flat_map(|way| open(&trial, *way)).collect();
            trial.enforce(&world).unwrap();
            let new: Vec<_> = ways.iter().flat_map(|way| open(&trial, *way)).collect();
            let seen = new.into_iter().map(|(stream, to, _)| (stream, to, false));
            for (mut stream, to, ends) in old.into_iter().chain(seen) {
                stream.write_all(b"?").unwrap();
                // It does not understand, and hangs up.
                let found = stream.read(&mut [0]).map_err(|error| error.kind());
                let expected = if ends {
                    Err(ErrorKind::ConnectionReset)
                } else {
                    Ok(0)
                };
                assert_eq!(found, expected, "to {to}");
            }
        },
    );
}
