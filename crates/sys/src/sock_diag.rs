//! `sock_diag(7)`: the TCP sockets of this network namespace, also those of other users, without
//! privileges.
//!
//! One question is two dumps, IPv4 and IPv6. [`parse`] trusts no length in the answer.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// One socket, as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The kernel's number of its state (`include/net/tcp_states.h`). What is bound and inactive says 7.
    pub state: u8,
    /// Where it is bound. The addresses of an IPv6 socket are as the kernel has them: those of a connection
    /// over IPv4 are mapped (`::ffff:192.0.2.1`).
    pub local: SocketAddr,
    /// The other end; the unspecified address and port 0 where there is none.
    pub remote: SocketAddr,
    /// The time until its timer fires: of a socket in TIME-WAIT, how long it stays.
    pub expires: Duration,
    /// The inode that `/proc/PID/fd` shows; 0 where no descriptor refers to it: not accepted yet, closed by
    /// its program, or in TIME-WAIT.
    pub inode: u32,
    /// Whether it takes IPv6 alone (`IPV6_V6ONLY`). Told of sockets that listen or are just bound.
    pub only_v6: bool,
}

/// Which sockets to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The states, a bit for each of the kernel's numbers. Kernels ignore the bits they do not know.
    pub states: u32,
    /// The local port; 0 is any.
    pub local_port: u16,
    /// The remote port; 0 is any.
    pub remote_port: u16,
}

/// No question here needs more; a machine with more sockets of one port gets the first of them.
const MOST_ENTRIES: usize = 1 << 18;

/// The kernel fills messages of at most 32 KiB (`netlink_dump`).
const BUFFER: usize = 64 << 10;

/// The kernel answers at once; this is for the case that it does not.
const PATIENCE: Duration = Duration::from_secs(2);

// include/uapi/linux/netlink.h, sock_diag.h and inet_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const INET_DIAG_SKV6ONLY: u16 = 11;
const HEADER: usize = 16;
const REQUEST: usize = 56;
const ENTRY: usize = 72;
const FAMILIES: [u8; 2] = [2, 10];

/// Asks the kernel. Fails where netlink is forbidden (some sandboxes) or `sock_diag` is not there.
pub fn sockets(question: Question) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for family in FAMILIES {
        dump(family, question, &mut entries)?;
    }
    // The kernel compares ports only where they are given, and a kernel that does not would be believed.
    entries.retain(|entry| {
        [(question.local_port, entry.local.port()), (question.remote_port, entry.remote.port())]
            .iter()
            .all(|&(asked, port)| asked == 0 || asked == port)
    });
    Ok(entries)
}

fn dump(family: u8, question: Question, entries: &mut Vec<Entry>) -> io::Result<()> {
    let socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::RAW,
        Some(Protocol::from(libc::NETLINK_SOCK_DIAG)),
    )?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&request(family, question))?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = match (&socket).read(&mut buffer) {
            Ok(length) => length,
            // With a timeout set the kernel does not go on by itself after a signal (signal(7)).
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = parse(buffer.get(..length).unwrap_or(&[]), entries);
        match end {
            Some(End::Refused(error)) => return Err(io::Error::from_raw_os_error(error)),
            Some(End::Done) => return Ok(()),
            None if length == 0 || entries.len() >= MOST_ENTRIES => return Ok(()),
            None => {}
        }
    }
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn request(family: u8, question: Question) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + REQUEST);
    let length = u32::try_from(HEADER + REQUEST).unwrap_or(0);
    message.extend(length.to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.extend([0; 8]); // Sequence number and port: one question a socket needs neither.
    message.extend([family, 6, 0, 0]); // IPPROTO_TCP, no extensions.
    message.extend(question.states.to_ne_bytes());
    message.extend(question.local_port.to_be_bytes());
    message.extend(question.remote_port.to_be_bytes());
    message.resize(HEADER + REQUEST, 0); // Any address, any interface.
    message.splice(HEADER + REQUEST - 8.., [0xff; 8]); // INET_DIAG_NOCOOKIE.
    message
}

/// Why a dump is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All was told.
    Done,
    /// The kernel refused, with this `errno`.
    Refused(i32),
}

/// Reads the messages of one datagram, adds its sockets to `entries`, and tells whether the dump ends here.
///
/// A message that is cut, or says a length it does not have, ends the datagram; what is not a TCP socket
/// over IPv4 or IPv6 is skipped.
pub fn parse(datagram: &[u8], entries: &mut Vec<Entry>) -> Option<End> {
    let mut rest = datagram;
    while let Some((kind, body, after)) = message(rest) {
        match kind {
            NLMSG_DONE => return Some(End::Done),
            NLMSG_ERROR => return Some(End::Refused(u32_at(body, 0)?.cast_signed().wrapping_neg())),
            SOCK_DIAG_BY_FAMILY => entries.extend(entry(body)),
            _ => {}
        }
        rest = after;
    }
    None
}

/// The type and body of the first message, and what comes after it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let kind = u16::from_ne_bytes(array_at(bytes, 4)?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, after(bytes, length)))
}

/// What comes after a thing of this length, each of which starts at a multiple of four.
fn after(bytes: &[u8], length: usize) -> &[u8] {
    length.checked_next_multiple_of(4).and_then(|aligned| bytes.get(aligned..)).unwrap_or(&[])
}

/// `struct inet_diag_msg` and the attributes after it.
fn entry(body: &[u8]) -> Option<Entry> {
    let [family, state, ..] = *body.get(..ENTRY)? else { return None };
    Some(Entry {
        state,
        local: SocketAddr::new(address(family, body, 8)?, u16::from_be_bytes(array_at(body, 4)?)),
        remote: SocketAddr::new(address(family, body, 24)?, u16::from_be_bytes(array_at(body, 6)?)),
        expires: Duration::from_millis(u32_at(body, 52)?.into()),
        inode: u32_at(body, 68)?,
        only_v6: attribute(body.get(ENTRY..)?, INET_DIAG_SKV6ONLY)
            .is_some_and(|value| value.first() > Some(&0)),
    })
}

fn address(family: u8, body: &[u8], offset: usize) -> Option<IpAddr> {
    match FAMILIES {
        [v4, _] if v4 == family => Some(Ipv4Addr::from(array_at::<4>(body, offset)?).into()),
        [_, v6] if v6 == family => Some(Ipv6Addr::from(array_at::<16>(body, offset)?).into()),
        _ => None,
    }
}

/// The value of the first attribute (`struct nlattr`) of this type.
fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let length = usize::from(u16::from_ne_bytes(array_at(rest, 0)?));
        let kind = u16::from_ne_bytes(array_at(rest, 2)?);
        let value = rest.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        rest = after(rest, length);
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(array_at(bytes, offset)?))
}

fn array_at<const LENGTH: usize>(bytes: &[u8], offset: usize) -> Option<[u8; LENGTH]> {
    bytes.get(offset..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests;
