//! Who is refused is told, if that is wanted: by the error that the family of the packet has for it.

use crate::small::small;
use crate::support::with_rights;
use nix::errno::Errno;
use palisade_netlab::{Evidence, Outcome, Probe};
use palisade_netmodel::Protocol;
use palisade_nftables::Settings;
use palisade_trial::{Options, Trial};
use std::net::SocketAddr;

const PORT: u16 = 80;

#[test]
fn senders_are_told_by_the_error_of_their_family() {
    with_rights(
        "told::senders_are_told_by_the_error_of_their_family",
        || {
            let world = small();
            let options = Options {
                nodes: 1,
                settings: Settings {
                    reject: true,
                    ..Settings::default()
                },
                ..Options::default()
            };
            let mut trial = Trial::build(&world, &options).unwrap();
            let [server, stranger, friend] =
                [0, 1, 2].map(|n| trial.lab.find(&format!("pod-{n}")).unwrap());
            let protocols = [Protocol::Tcp, Protocol::Udp];
            trial
                .lab
                .serve(protocols.map(|p| (server, p, PORT)))
                .unwrap();
            trial.enforce(&world).unwrap();
            // "Administratively prohibited", as sockets hear of it.
            let [v4, v6] = trial.lab.host(server).unwrap().addresses();
            for (address, errno) in [(v4, Errno::EHOSTUNREACH), (v6, Errno::EACCES)] {
                for protocol in protocols {
                    let [refused, passed] = [stranger, friend].map(|from| Probe {
                        from,
                        to: SocketAddr::new(address, PORT),
                        protocol,
                    });
                    let answers = trial.lab.probe(&[refused, passed]).unwrap();
                    let found = (answers[0].outcome, answers[0].evidence);
                    let expected = Evidence::System(errno as i32);
                    assert_eq!(found, (Outcome::Refused, expected), "{refused:?}");
                    assert_eq!(answers[1].outcome, Outcome::Passed, "{passed:?}");
                }
            }
        },
    );
}
