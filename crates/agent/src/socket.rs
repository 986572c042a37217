//! A netlink socket of the namespace in which it was opened.
//!
//! The kernel answers before `send` returns, so whatever there is to read is there; an empty queue means that there is
//! nothing.

use crate::kernel::Error;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
    setsockopt, socket, sockopt,
};
use palisade_nftables::wire::{DONE, INTERRUPTED, Message, Messages};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// The room for answers; one error takes the failed message with it.
const ROOM: usize = 64 * 1024;
/// Errors of one transaction come together, and so do packets that are logged.
const QUEUE: usize = 1 << 20;
/// How often a listing that something interrupted is begun anew.
const TRIES: usize = 10;

/// A socket of `NETLINK_NETFILTER`.
#[derive(Debug)]
pub(crate) struct Socket {
    socket: OwnedFd,
}

impl Socket {
    /// A socket to `what`, in the network namespace of this thread.
    pub(crate) fn open(what: &str) -> Result<Self, Error> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkNetFilter;
        let opened = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol);
        let socket =
            opened.map_err(|cause| Error::new(&format!("opening a socket to {what}"), cause))?;
        setsockopt(&socket, sockopt::RcvBufForce, &QUEUE)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &QUEUE))
            .map_err(|cause| Error::new(&format!("preparing a socket to {what}"), cause))?;
        Ok(Self { socket })
    }

    /// Sends messages as one datagram and gives the first error: the number of its message, and the cause.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), (Option<u32>, Errno)> {
        // Twice: the kernel counts its own book-keeping, too.
        let room = bytes.len() * 2;
        setsockopt(&self.socket, sockopt::SndBufForce, &room)
            .or_else(|_| setsockopt(&self.socket, sockopt::SndBuf, &room))
            .map_err(|cause| (None, cause))?;
        self.drain();
        self.write(bytes).map_err(|cause| (None, cause))?;
        let mut room = vec![0; ROOM];
        loop {
            match recv(self.socket.as_raw_fd(), &mut room, MsgFlags::empty()) {
                Err(Errno::EAGAIN) => return Ok(()),
                Err(cause) => return Err((None, cause)),
                Ok(length) => {
                    let answers = Messages(room.get(..length).unwrap_or_default());
                    let mut errors = answers.filter_map(|m| m.error());
                    if let Some((number, code)) = errors.find(|(_, code)| *code != 0) {
                        return Err((Some(number), Errno::from_raw(code.wrapping_neg())));
                    }
                }
            }
        }
    }

    /// Asks for one thing. That it does not exist is no error.
    pub(crate) fn ask(&self, bytes: &[u8], doing: &str) -> Result<(), Error> {
        match self.send(bytes) {
            Ok(()) | Err((_, Errno::ENOENT)) => Ok(()),
            Err((_, cause)) => Err(Error::new(doing, cause)),
        }
    }

    /// Asks for one thing, and gives what the first message says that says something.
    pub(crate) fn answer<T>(
        &self,
        request: &[u8],
        read: impl Fn(Message<'_>) -> Option<T>,
    ) -> Result<T, Errno> {
        self.drain();
        self.write(request)?;
        let mut room = vec![0; ROOM];
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut room, MsgFlags::empty())?;
            for message in Messages(room.get(..length).unwrap_or_default()) {
                match message.error() {
                    Some((_, 0)) => {}
                    Some((_, code)) => return Err(Errno::from_raw(code.wrapping_neg())),
                    None => {
                        if let Some(answer) = read(message) {
                            return Ok(answer);
                        }
                    }
                }
            }
        }
    }

    /// Asks for a listing, and gives what each message of it says. Begins anew if something changed meanwhile.
    pub(crate) fn list<T>(
        &self,
        request: &[u8],
        doing: &str,
        mut read: impl FnMut(Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        for _ in 0..TRIES {
            self.drain();
            self.write(request)
                .map_err(|cause| Error::new(doing, cause))?;
            let listed = self.listed(&mut read);
            if let Some(all) = listed.map_err(|cause| Error::new(doing, cause))? {
                return Ok(all);
            }
        }
        Err(Error::new(doing, Errno::EINTR))
    }

    /// One listing; `None` if something changed meanwhile.
    fn listed<T>(
        &self,
        read: &mut impl FnMut(Message<'_>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Errno> {
        let mut all = Vec::new();
        let mut whole = true;
        let mut room = vec![0; ROOM];
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut room, MsgFlags::empty())?;
            for message in Messages(room.get(..length).unwrap_or_default()) {
                whole &= message.flags & INTERRUPTED == 0;
                if let Some((_, code)) = message.error().filter(|(_, code)| *code != 0) {
                    return Err(Errno::from_raw(code.wrapping_neg()));
                }
                if message.kind == DONE {
                    return Ok(whole.then_some(all));
                }
                all.extend(read(message));
            }
        }
    }

    /// Waits for a datagram that nobody asked for; `None` if none comes.
    pub(crate) fn receive(&self, room: &mut [u8], most: Duration) -> Result<Option<usize>, Errno> {
        let mut wanted = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let most = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
        match poll(&mut wanted, most) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Err(cause) => return Err(cause),
            Ok(_) => {}
        }
        match recv(self.socket.as_raw_fd(), room, MsgFlags::empty()) {
            Err(Errno::EAGAIN) => Ok(None),
            other => other.map(Some),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Errno> {
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.socket.as_raw_fd(), bytes, &kernel, MsgFlags::empty()).map(|_| ())
    }

    /// Forgets answers that nobody asked for any more.
    fn drain(&self) {
        let mut room = vec![0; ROOM];
        while recv(self.socket.as_raw_fd(), &mut room, MsgFlags::empty()).is_ok() {}
    }
}
