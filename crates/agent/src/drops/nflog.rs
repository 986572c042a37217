//! Packets that rules tell a netlink group of (`linux/netfilter/nfnetlink_log.h`).

use crate::kernel::Error;
use crate::socket::Socket;
use nix::errno::Errno;
use palisade_nftables::wire::{ACKNOWLEDGE, Message, Messages, Request, bytes, number, short};
use std::time::Duration;

/// Who hears a group.
#[derive(Debug)]
pub(super) struct Nflog {
    socket: Socket,
    room: Vec<u8>,
    /// The number of the next packet.
    next: Option<u32>,
    lost: u64,
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    /// The prefix of the rule that told of it.
    pub(super) prefix: String,
    /// Its first bytes, from the network header on.
    pub(super) bytes: Vec<u8>,
}

/// `NFNL_SUBSYS_ULOG`, its messages `NFULNL_MSG_PACKET` and `NFULNL_MSG_CONFIG`.
const PACKET: u16 = 0x0400;
const CONFIG: u16 = 0x0401;

const CFG_CMD: u16 = 1;
const CFG_MODE: u16 = 2;
const CFG_TIMEOUT: u16 = 4;
const CFG_FLAGS: u16 = 6;
const CMD_BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
/// `NFULNL_CFG_F_SEQ`: packets are numbered, so that gaps show.
const NUMBERED: u16 = 1;
/// Bytes of a packet: the longest header of IPv4, or that of IPv6 with options, and ports.
const BYTES: u32 = 128;
/// Hundredths of a second for which the kernel may gather packets.
const GATHER: u32 = 10;

const NFULA_PAYLOAD: u16 = 9;
const NFULA_PREFIX: u16 = 10;
const NFULA_SEQ: u16 = 12;

/// Most packets that are taken at once.
const MOST: usize = 10_000;

impl Nflog {
    pub(super) fn open(group: u16) -> Result<Self, Error> {
        let socket = Socket::open("logged packets")?;
        let [a, b, c, d] = BYTES.to_be_bytes();
        // The mode after the binding, without which there is nothing that has one.
        for attributes in [
            vec![bytes(CFG_CMD, &[CMD_BIND])],
            vec![
                bytes(CFG_MODE, &[a, b, c, d, COPY_PACKET, 0]),
                short(CFG_FLAGS, NUMBERED),
                number(CFG_TIMEOUT, GATHER),
            ],
        ] {
            let request = Request {
                kind: CONFIG,
                flags: ACKNOWLEDGE,
                sequence: 0,
                family: 0,
                resource: group,
            };
            let doing = format!("hearing packets that are logged to group {group}");
            let sent = socket.send(&request.encode(&attributes));
            sent.map_err(|(_, cause)| Error::new(&doing, cause))?;
        }
        Ok(Self {
            socket,
            room: vec![0; 1 << 17],
            next: None,
            lost: 0,
        })
    }

    /// How many packets the kernel numbered that did not come.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Waits for packets, and takes what has come.
    pub(super) fn hear(&mut self, most: Duration) -> Result<Vec<Heard>, Error> {
        let mut heard = Vec::new();
        let mut patience = most;
        while heard.len() < MOST {
            let length = match self.socket.receive(&mut self.room, patience) {
                Ok(Some(length)) => length,
                // What did not fit shows as a gap.
                Err(Errno::ENOBUFS) => continue,
                Ok(None) => break,
                Err(cause) => return Err(Error::new("hearing logged packets", cause)),
            };
            patience = Duration::ZERO;
            for message in Messages(self.room.get(..length).unwrap_or_default()) {
                let Some((number, packet)) = packet(&message) else {
                    continue;
                };
                let gap = number.wrapping_sub(self.next.unwrap_or(number));
                self.next = Some(number.wrapping_add(1));
                self.lost += u64::from(gap);
                heard.push(packet);
            }
        }
        Ok(heard)
    }
}

/// A packet, and its number.
fn packet(message: &Message<'_>) -> Option<(u32, Heard)> {
    if message.kind != PACKET {
        return None;
    }
    let attributes = message.attributes();
    let heard = Heard {
        prefix: attributes.text(NFULA_PREFIX)?.to_owned(),
        bytes: attributes.value(NFULA_PAYLOAD)?.to_vec(),
    };
    Some((u32::from_be_bytes(attributes.array(NFULA_SEQ)?), heard))
}
