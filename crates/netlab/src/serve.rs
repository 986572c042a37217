//! Ports on which hosts answer.

use crate::error::{Doing, Result};
use crate::lab::{HostId, Lab};
use crate::plan::HostKind;
use crate::responder::Door;
use crate::socket::{raw, widen};
use nix::sys::socket::{AddressFamily, Backlog, SockProtocol, listen};
use palisade_netmodel::Protocol;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::PoisonError;

/// As many callers may wait to be accepted.
const BACKLOG: i32 = 4_096;

impl Lab {
    /// Makes hosts answer probes on ports, over IPv4 and IPv6. A port that is served already is no error.
    ///
    /// # Errors
    /// If there is no such host, or the port cannot be opened.
    pub fn serve(&self, ports: impl IntoIterator<Item = (HostId, Protocol, u16)>) -> Result<()> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted: BTreeMap<HostId, Vec<(Protocol, u16)>> = BTreeMap::new();
        for (host, protocol, port) in ports {
            if served.insert((host, protocol, port)) {
                wanted.entry(host).or_default().push((protocol, port));
            }
        }
        for (host, ports) in wanted {
            let has_raw = |door: &Door| matches!(door, Door::Sctp4(_) | Door::Sctp6(_));
            let new = ports.iter().filter(|(p, _)| *p == Protocol::Sctp).count();
            let all = served.range((host, Protocol::Sctp, 0)..=(host, Protocol::Sctp, u16::MAX));
            let all: BTreeSet<u16> = all.map(|(_, _, port)| *port).collect();
            let first = all.len() == new;
            let place = self.host(host)?;
            // A pod has one address of each family. A node has several, and must answer from the one that was asked.
            let own = match place.kind {
                HostKind::Node => place.addresses().to_vec(),
                HostKind::Pod | HostKind::Outside => vec![Ipv6Addr::UNSPECIFIED.into()],
            };
            let doors = place.namespace().run(|| doors(&ports, &own))?;
            if doors.is_err() {
                served.retain(|(other, protocol, port)| {
                    *other != host || !ports.contains(&(*protocol, *port))
                });
            }
            for door in doors? {
                if first || !has_raw(&door) {
                    self.responder().serve(host, door)?;
                }
            }
            if new > 0 {
                self.responder().ports(host, all)?;
            }
        }
        // The next probe must find them open.
        self.responder().settle()
    }

    /// Closes every port of a host on which it answers, so that another program can have them.
    ///
    /// # Errors
    /// If nobody answers any more.
    pub fn close(&self, host: HostId) -> Result<()> {
        self.responder().forget(host)?;
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.retain(|(other, _, _)| *other != host);
        Ok(())
    }
}

/// The sockets of one host, opened by a thread inside of it; datagrams are taken at some addresses. The raw sockets
/// serve every SCTP port.
fn doors(ports: &[(Protocol, u16)], own: &[IpAddr]) -> Result<Vec<Door>> {
    let mut doors = Vec::new();
    let any = Ipv6Addr::UNSPECIFIED;
    for (protocol, port) in ports {
        let what = || format!("opening {protocol} port {port}");
        match protocol {
            Protocol::Tcp => {
                let listener = TcpListener::bind((any, *port)).doing(what)?;
                listener.set_nonblocking(true).doing(what)?;
                let backlog = Backlog::new(BACKLOG).doing(what)?;
                listen(&listener, backlog).doing(what)?;
                doors.push(Door::Tcp(listener));
            }
            Protocol::Udp => {
                for address in own {
                    let socket = UdpSocket::bind((*address, *port)).doing(what)?;
                    socket.set_nonblocking(true).doing(what)?;
                    widen(&socket);
                    doors.push(Door::Udp(socket));
                }
            }
            Protocol::Sctp => {}
        }
    }
    if ports
        .iter()
        .any(|(protocol, _)| *protocol == Protocol::Sctp)
    {
        doors.push(Door::Sctp4(raw(AddressFamily::Inet, SockProtocol::Sctp)?));
        doors.push(Door::Sctp6(raw(AddressFamily::Inet6, SockProtocol::Sctp)?));
    }
    Ok(doors)
}
