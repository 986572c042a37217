//! Sockets that the standard library does not make.

use crate::error::{Doing, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, SockaddrLike,
    setsockopt, socket, sockopt,
};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

/// Sockets that wait for many answers at once ask for so many bytes; the kernel gives what it allows.
const BUFFER: usize = 4 << 20;

/// The family of an address.
pub(crate) fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    }
}

/// A socket in the calling thread's namespace that never blocks.
pub(crate) fn open(
    family: AddressFamily,
    kind: SockType,
    protocol: SockProtocol,
) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(family, kind, flags, protocol).doing(|| format!("opening a socket for {protocol:?}"))
}

/// A socket for whole packets of a protocol, with a large buffer.
pub(crate) fn raw(family: AddressFamily, protocol: SockProtocol) -> Result<OwnedFd> {
    let socket = open(family, SockType::Raw, protocol)?;
    widen(&socket);
    Ok(socket)
}

/// As large a buffer as the kernel gives.
pub(crate) fn widen(socket: &impl AsFd) {
    setsockopt(socket, sockopt::RcvBuf, &BUFFER).ok();
}

/// Calls `job` with the kernel's form of an address.
pub(crate) fn with<T>(address: SocketAddr, job: impl FnOnce(&dyn SockaddrLike) -> T) -> T {
    match address {
        SocketAddr::V4(v4) => job(&SockaddrIn::from(v4)),
        SocketAddr::V6(v6) => job(&SockaddrIn6::from(v6)),
    }
}

/// As many open files as this process may have: every host, every port and every probe needs some.
pub(crate) fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok();
    }
}
