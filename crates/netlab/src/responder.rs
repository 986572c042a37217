//! The thread that answers probes, for all hosts: it names the host that a packet reached.
//!
//! A TCP connection gets the number of the host and stays open until the caller ends it; a datagram and an SCTP
//! INIT get it as an answer. What arrives is noted as well, so that a packet which passed is seen even where the
//! answer to it did not.

use crate::error::{Doing, Error, Result};
use crate::lab::HostId;
use crate::push::Pushes;
use crate::sctp::{Chunk, Packet, after_ipv4};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{MsgFlags, SockaddrIn, SockaddrIn6, recvfrom, sendto};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// What begins every datagram of a probe.
const MAGIC: [u8; 4] = *b"PLAB";
/// What begins the wish for a stream.
const WISH: [u8; 4] = *b"PUSH";
/// An answer: the magic, the token of the question and the number of the host.
const QUESTION: usize = 8;
const ANSWER: usize = 12;
/// Arrivals that nobody asked for are kept up to this number.
const MAX_NOTES: usize = 1 << 20;

/// A socket that answers.
#[derive(Debug)]
pub(crate) enum Door {
    Tcp(TcpListener),
    Udp(UdpSocket),
    Sctp4(OwnedFd),
    Sctp6(OwnedFd),
}

/// The handle of the thread.
#[derive(Debug)]
pub(crate) struct Responder {
    orders: Sender<Order>,
    wake: Arc<EventFd>,
    arrivals: Arc<Mutex<BTreeMap<u32, HostId>>>,
    pushes: Arc<Pushes>,
    tokens: AtomicU32,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Order {
    Serve(HostId, Door),
    /// SCTP ports that a host answers.
    Ports(HostId, BTreeSet<u16>),
    Forget(HostId, Sender<()>),
    /// Answers once everything that had arrived is answered.
    Settle(Sender<()>),
    Stop,
}

impl Responder {
    /// Starts the thread.
    pub(crate) fn start() -> Result<Self> {
        let (orders, inbox) = channel();
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_value_and_flags(0, flags).doing(|| "making an event".into())?;
        let wake = Arc::new(wake);
        let arrivals = Arc::default();
        let pushes: Arc<Pushes> = Arc::default();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing(|| "making a poll".into())?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, WAKE);
        epoll
            .add(&*wake, event)
            .doing(|| "adding to a poll".into())?;
        let server = Server {
            epoll,
            inbox,
            wake: Arc::clone(&wake),
            arrivals: Arc::clone(&arrivals),
            pushes: Arc::clone(&pushes),
            open: BTreeMap::new(),
            sctp: BTreeMap::new(),
            next: WAKE + 1,
        };
        let thread = thread::Builder::new()
            .name("responder".into())
            .spawn(|| server.run())
            .doing(|| "starting a thread".into())?;
        Ok(Self {
            orders,
            wake,
            arrivals,
            pushes,
            tokens: AtomicU32::new(1),
            thread: Some(thread),
        })
    }

    /// A number that no other packet of this lab carries (until there were four thousand million).
    pub(crate) fn token(&self) -> u32 {
        self.tokens.fetch_add(1, Ordering::Relaxed)
    }

    /// Where the packet of a token arrived. Asked once.
    pub(crate) fn arrived(&self, token: u32) -> Option<HostId> {
        let mut notes = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        notes.remove(&token)
    }

    /// What is pushed to whom.
    pub(crate) fn pushes(&self) -> &Pushes {
        &self.pushes
    }

    /// Answers on a socket.
    pub(crate) fn serve(&self, host: HostId, door: Door) -> Result<()> {
        self.order(Order::Serve(host, door))
    }

    /// Answers SCTP on these ports of a host; others are refused.
    pub(crate) fn ports(&self, host: HostId, ports: BTreeSet<u16>) -> Result<()> {
        self.order(Order::Ports(host, ports))
    }

    /// Closes every socket of a host.
    pub(crate) fn forget(&self, host: HostId) -> Result<()> {
        self.ask(|answer| Order::Forget(host, answer))
    }

    /// Waits until the thread has answered all that had arrived: silence after it is silence, however busy the
    /// machine is.
    pub(crate) fn settle(&self) -> Result<()> {
        self.ask(Order::Settle)
    }

    fn ask(&self, order: impl FnOnce(Sender<()>) -> Order) -> Result<()> {
        let (answer, answered) = channel();
        self.order(order(answer))?;
        let gone = |_| Error::because("waiting for the responder", "it has ended");
        answered.recv().map_err(gone)
    }

    fn order(&self, order: Order) -> Result<()> {
        let gone = |_| Error::because("talking to the responder", "it has ended");
        self.orders.send(order).map_err(gone)?;
        let woken = self.wake.write(1);
        woken.map(|_| ()).doing(|| "waking the responder".into())
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.order(Order::Stop).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// The key of the event that wakes the thread.
const WAKE: u64 = 0;

/// What the thread owns.
struct Server {
    epoll: Epoll,
    inbox: Receiver<Order>,
    wake: Arc<EventFd>,
    arrivals: Arc<Mutex<BTreeMap<u32, HostId>>>,
    pushes: Arc<Pushes>,
    open: BTreeMap<u64, (HostId, Socket)>,
    sctp: BTreeMap<HostId, BTreeSet<u16>>,
    next: u64,
}

enum Socket {
    Door(Door),
    Caller(TcpStream),
}

impl Socket {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Door(Door::Tcp(socket)) => socket.as_fd(),
            Self::Door(Door::Udp(socket)) => socket.as_fd(),
            Self::Door(Door::Sctp4(socket) | Door::Sctp6(socket)) => socket.as_fd(),
            Self::Caller(socket) => socket.as_fd(),
        }
    }
}

impl Server {
    fn run(mut self) {
        let mut settling = Vec::new();
        loop {
            let patience = if settling.is_empty() {
                EpollTimeout::NONE
            } else {
                EpollTimeout::ZERO
            };
            let mut events = [EpollEvent::empty(); 256];
            let Ok(count) = self.epoll.wait(&mut events, patience) else {
                // A signal.
                continue;
            };
            let mut answered = 0;
            for event in events.iter().take(count) {
                if event.data() == WAKE {
                    self.wake.read().ok();
                } else {
                    answered += 1;
                    self.answer(event.data());
                }
            }
            if answered == 0 {
                for waiting in settling.drain(..) {
                    let waiting: Sender<()> = waiting;
                    waiting.send(()).ok();
                }
            }
            while let Ok(order) = self.inbox.try_recv() {
                match order {
                    Order::Serve(host, door) => self.open(host, Socket::Door(door)),
                    Order::Ports(host, ports) => {
                        self.sctp.insert(host, ports);
                    }
                    Order::Forget(host, answer) => {
                        self.forget(host);
                        answer.send(()).ok();
                    }
                    Order::Settle(answer) => settling.push(answer),
                    Order::Stop => return,
                }
            }
        }
    }

    fn open(&mut self, host: HostId, socket: Socket) {
        let key = self.next;
        self.next += 1;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, key);
        if self.epoll.add(socket.fd(), event).is_ok() {
            self.open.insert(key, (host, socket));
        }
    }

    /// Closes what belongs to a host. The poll is told, since a stream may hold a copy of a socket.
    fn forget(&mut self, host: HostId) {
        let epoll = &self.epoll;
        self.open.retain(|_, (owner, socket)| {
            let stays = *owner != host;
            if !stays {
                epoll.delete(socket.fd()).ok();
            }
            stays
        });
        self.sctp.remove(&host);
    }

    fn answer(&mut self, key: u64) {
        let Some((host, socket)) = self.open.get_mut(&key) else {
            return;
        };
        let host = *host;
        match socket {
            Socket::Caller(stream) => {
                // Callers end, or ask for a stream.
                let mut request = [0; QUESTION];
                let token = match stream.read(&mut request) {
                    Ok(count) => request.get(..count).and_then(read_wish),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                    Err(_) => None,
                };
                if let (Some((_, Socket::Caller(stream))), Some(token)) =
                    (self.open.remove(&key), token)
                {
                    // The poll knows it no more once the socket has an owner that is not in it.
                    self.epoll.delete(&stream).ok();
                    self.pushes.push_tcp(token, stream);
                }
            }
            Socket::Door(Door::Tcp(listener)) => {
                let mut callers = Vec::new();
                while let Ok((stream, _)) = listener.accept() {
                    callers.push(stream);
                }
                for mut stream in callers {
                    let ready = stream.set_nonblocking(true).is_ok();
                    if ready && stream.write_all(&host.0.to_be_bytes()).is_ok() {
                        self.open(host, Socket::Caller(stream));
                    }
                }
            }
            Socket::Door(Door::Udp(socket)) => {
                let tokens = echo(socket, host, &self.pushes);
                self.note(host, tokens);
            }
            Socket::Door(Door::Sctp4(socket)) => {
                let ports = self.sctp.get(&host);
                let tokens = initiate::<SockaddrIn>(socket, host, ports, after_ipv4);
                self.note(host, tokens);
            }
            Socket::Door(Door::Sctp6(socket)) => {
                let ports = self.sctp.get(&host);
                let tokens = initiate::<SockaddrIn6>(socket, host, ports, |packet| Some(packet));
                self.note(host, tokens);
            }
        }
    }

    fn note(&self, host: HostId, tokens: Vec<u32>) {
        let mut notes = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        notes.extend(tokens.into_iter().map(|token| (token, host)));
        while notes.len() > MAX_NOTES {
            notes.pop_first();
        }
    }
}

/// Answers all datagrams that wait, and gives their tokens.
fn echo(socket: &UdpSocket, host: HostId, pushes: &Arc<Pushes>) -> Vec<u32> {
    let mut tokens = Vec::new();
    let mut buffer = [0; 64];
    loop {
        let (read, caller) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            // An ICMP error of an earlier answer, or the end of the queue.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
            Err(_) => return tokens,
        };
        let datagram = buffer.get(..read).unwrap_or_default();
        if let Some(wish) = read_wish(datagram) {
            pushes.push_udp(wish, socket, caller);
            continue;
        }
        let Some(token) = token(datagram) else {
            continue;
        };
        tokens.push(token);
        let mut answer = Vec::with_capacity(ANSWER);
        answer.extend(MAGIC);
        answer.extend(token.to_be_bytes());
        answer.extend(host.0.to_be_bytes());
        socket.send_to(&answer, caller).ok();
    }
}

/// The token of a datagram, and the host in an answer.
pub(crate) fn read_answer(datagram: &[u8]) -> Option<(u32, HostId)> {
    let rest = datagram.get(QUESTION..ANSWER)?;
    let host = u32::from_be_bytes(rest.try_into().ok()?);
    Some((token(datagram)?, HostId(host)))
}

/// The datagram that asks with a token.
pub(crate) fn question(token: u32) -> [u8; QUESTION] {
    ask(MAGIC, token)
}

/// What asks for a stream.
pub(crate) fn wish(token: u32) -> [u8; QUESTION] {
    ask(WISH, token)
}

/// The token of what asks for a stream.
fn read_wish(bytes: &[u8]) -> Option<u32> {
    let rest = bytes.strip_prefix(&WISH)?;
    Some(u32::from_be_bytes(rest.try_into().ok()?))
}

fn ask(magic: [u8; 4], token: u32) -> [u8; QUESTION] {
    let [a, b, c, d] = magic;
    let [e, f, g, h] = token.to_be_bytes();
    [a, b, c, d, e, f, g, h]
}

/// The token of a datagram.
fn token(datagram: &[u8]) -> Option<u32> {
    let rest = datagram.strip_prefix(&MAGIC)?;
    Some(u32::from_be_bytes(rest.get(..4)?.try_into().ok()?))
}

/// Answers all INITs that wait: with an acknowledgement on ports that are served, a refusal on others.
fn initiate<A: nix::sys::socket::SockaddrLike>(
    socket: &OwnedFd,
    host: HostId,
    ports: Option<&BTreeSet<u16>>,
    body: fn(&[u8]) -> Option<&[u8]>,
) -> Vec<u32> {
    let mut tokens = Vec::new();
    let mut buffer = [0; 256];
    while let Ok((read, Some(caller))) = recvfrom::<A>(socket.as_raw_fd(), &mut buffer) {
        let packet = buffer.get(..read).and_then(body).and_then(Packet::read);
        let Some(Packet {
            source,
            destination,
            chunk: Chunk::Init { tag },
            ..
        }) = packet
        else {
            continue;
        };
        let open = ports.is_some_and(|ports| ports.contains(&destination));
        let chunk = if open {
            tokens.push(tag);
            Chunk::InitAck { tag, host: host.0 }
        } else {
            Chunk::Abort
        };
        let answer = Packet {
            source: destination,
            destination: source,
            tag,
            chunk,
        };
        sendto(
            socket.as_raw_fd(),
            &answer.bytes(),
            &caller,
            MsgFlags::empty(),
        )
        .ok();
    }
    tokens
}
