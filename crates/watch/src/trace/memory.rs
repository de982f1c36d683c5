//! What calls were given, read from the memory of the program that makes them.

use enchufe_story::fact::Arguments;
use enchufe_sys::ptrace::{Entry, read_memory};
use enchufe_wire::tcp::Endpoint;
use std::ops::Range;

/// The most bytes of what is printed at once that are kept.
pub const MOST_PRINTED: usize = 8 << 10;
/// The most pieces of a vector that are looked at (`UIO_MAXIOV`).
const MOST_PIECES: u64 = 1_024;

/// An integer argument, as the kernel takes it: its lower half.
pub fn int(argument: u64) -> i32 {
    u32::try_from(argument & 0xffff_ffff).unwrap_or_default().cast_signed()
}

/// A number at an address.
pub fn u64_at(pid: u32, address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    (read_memory(pid, address, &mut bytes).ok()? == 8).then_some(u64::from_ne_bytes(bytes))
}

fn i32_at(pid: u32, address: u64) -> Option<i32> {
    let mut bytes = [0; 4];
    (read_memory(pid, address, &mut bytes).ok()? == 4).then_some(i32::from_ne_bytes(bytes))
}

/// The stack that `sigaltstack` gives to handlers, or takes from them.
pub fn stack(pid: u32, pointer: u64) -> Option<Range<u64>> {
    let start = u64_at(pid, pointer)?;
    let flags = i32_at(pid, pointer.checked_add(8)?)?;
    let size = u64_at(pid, pointer.checked_add(16)?)?;
    (flags & libc::SS_DISABLE == 0).then(|| start..start.saturating_add(size))
}

/// An address, as `bind` and `connect` are given it.
pub fn address(pid: u32, pointer: u64, length: u64) -> Arguments {
    let mut bytes = [0; 28];
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
    let read = bytes.get_mut(..length).map_or(0, |bytes| read_memory(pid, pointer, bytes).unwrap_or(0));
    let [f0, f1, p0, p1, ..] = bytes;
    let family = i32::from(u16::from_ne_bytes([f0, f1]));
    let port = u16::from_be_bytes([p0, p1]);
    let (ipv6, from, count) = match family {
        libc::AF_INET if read >= 8 => (false, 4, 4),
        libc::AF_INET6 if read >= 24 => (true, 8, 16),
        _ => return Arguments::OtherAddress { family },
    };
    let mut address = [0; 16];
    for (to, from) in address.iter_mut().zip(bytes.iter().skip(from).take(count)) {
        *to = *from;
    }
    Arguments::Address(Endpoint { address, ipv6, port })
}

/// The option of `setsockopt` and `getsockopt`.
pub fn option(pid: u32, entry: &Entry, set: bool) -> Arguments {
    let [_, level, name, pointer, length, ..] = entry.arguments;
    let (level, name) = (int(level), int(name));
    let value = match (level, name) {
        _ if !set => None,
        (libc::SOL_SOCKET, libc::SO_LINGER) if length >= 8 => linger(pid, pointer),
        _ if length == 4 => i32_at(pid, pointer),
        _ => None,
    };
    Arguments::Option { level, name, value: value.map(i64::from) }
}

/// `struct linger` (socket(7)): whether, and how many seconds; negative where it is off.
fn linger(pid: u32, pointer: u64) -> Option<i32> {
    let (on, seconds) = (i32_at(pid, pointer)?, i32_at(pid, pointer.checked_add(4)?)?);
    Some(if on == 0 { -1 } else { seconds.max(0) })
}

/// Pieces of memory, as `writev` and `sendmsg` are given them: addresses and lengths.
fn pieces(pid: u32, pointer: u64, count: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..count.min(MOST_PIECES)).map_while(move |at| {
        let place = pointer.checked_add(at * 16)?;
        Some((u64_at(pid, place)?, u64_at(pid, place + 8)?))
    })
}

/// How many bytes a vector has.
pub fn vector_length(pid: u32, pointer: u64, count: u64) -> u64 {
    pieces(pid, pointer, count).map(|(_, length)| length).fold(0, u64::saturating_add)
}

/// How many bytes the message of `sendmsg` and `recvmsg` has room for.
pub fn message_length(pid: u32, pointer: u64) -> u64 {
    // `struct msghdr`: the vector stands after the name, its length and padding.
    let vector = u64_at(pid, pointer.wrapping_add(16)).unwrap_or(0);
    let count = u64_at(pid, pointer.wrapping_add(24)).unwrap_or(0);
    vector_length(pid, vector, count)
}

/// The most bytes of what goes beside a message that are looked at: room for as many descriptors as there can be
/// (`SCM_MAX_FD`, 253), and for what else there is.
const MOST_BESIDE: usize = 4 << 10;
/// The size of `struct mmsghdr`.
const MESSAGE: u64 = 64;

/// The addresses of the messages of a call.
pub fn messages(pointer: u64, count: Option<u64>) -> impl Iterator<Item = u64> {
    (0..count.unwrap_or(1).min(MOST_PIECES)).map(move |at| pointer.wrapping_add(at * MESSAGE))
}

/// Whether descriptors may go beside the message of `sendmsg` and `recvmsg` at this address.
pub fn has_beside(pid: u32, message: u64) -> bool {
    // `msg_controllen`; a header has 16 bytes.
    u64_at(pid, message.wrapping_add(40)).is_some_and(|length| length > 16)
}

/// The descriptors that go beside it (`SCM_RIGHTS`, unix(7)).
pub fn descriptors(pid: u32, message: u64) -> Vec<i32> {
    let pointer = u64_at(pid, message.wrapping_add(32)).unwrap_or(0);
    let length = u64_at(pid, message.wrapping_add(40)).unwrap_or(0);
    let mut beside = vec![0; usize::try_from(length).unwrap_or(MOST_BESIDE).min(MOST_BESIDE)];
    let read = read_memory(pid, pointer, &mut beside).unwrap_or(0);
    beside.truncate(read);
    descriptors_in(&beside)
}

/// cmsg(3): a header of length, level and kind, what it is about, and room up to the next multiple of eight.
fn descriptors_in(mut beside: &[u8]) -> Vec<i32> {
    let mut all = Vec::new();
    while let Some((header, rest)) = beside.split_first_chunk::<16>() {
        let [l0, l1, l2, l3, l4, l5, l6, l7, v0, v1, v2, v3, k0, k1, k2, k3] = *header;
        let length = u64::from_ne_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
        let Some(length) = usize::try_from(length).ok().and_then(|length| length.checked_sub(16)) else {
            break;
        };
        let level = i32::from_ne_bytes([v0, v1, v2, v3]);
        let kind = i32::from_ne_bytes([k0, k1, k2, k3]);
        let data = rest.get(..length.min(rest.len())).unwrap_or_default();
        if (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            all.extend(data.as_chunks::<4>().0.iter().map(|fd| i32::from_ne_bytes(*fd)));
        }
        beside = rest.get(length.next_multiple_of(8).min(rest.len())..).unwrap_or_default();
    }
    all
}

/// What is printed: the beginning of the bytes, and how many there are.
pub fn printed(pid: u32, entry: &Entry, is_vector: bool) -> (Vec<u8>, u64) {
    let [_, pointer, length, ..] = entry.arguments;
    let mut text = Vec::new();
    if !is_vector {
        append(pid, pointer, length, &mut text);
        return (text, length);
    }
    for (pointer, length) in pieces(pid, pointer, length) {
        append(pid, pointer, length, &mut text);
    }
    (text, vector_length(pid, pointer, length))
}

fn append(pid: u32, pointer: u64, length: u64, text: &mut Vec<u8>) {
    let start = text.len();
    let room = MOST_PRINTED.saturating_sub(start).min(usize::try_from(length).unwrap_or(usize::MAX));
    text.resize(start + room, 0);
    let read = text.get_mut(start..).map_or(0, |out| read_memory(pid, pointer, out).unwrap_or(0));
    text.truncate(start + read);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: u64, level: i32, kind: i32) -> Vec<u8> {
        [&length.to_ne_bytes()[..], &level.to_ne_bytes(), &kind.to_ne_bytes()].concat()
    }

    #[test]
    fn descriptors_stand_beside_a_message() {
        let one = [header(20, libc::SOL_SOCKET, libc::SCM_RIGHTS), vec![7, 0, 0, 0, 9, 9, 9, 9]].concat();
        let two = [header(24, libc::SOL_SOCKET, libc::SCM_RIGHTS), vec![4, 0, 0, 0, 5, 0, 0, 0]].concat();
        let other = [header(20, libc::SOL_SOCKET, libc::SCM_CREDENTIALS), vec![1; 8]].concat();
        assert_eq!(descriptors_in(&[one.clone(), other, two].concat()), [7, 4, 5]);
        assert_eq!(descriptors_in(&one[..18]), []);
        assert_eq!(descriptors_in(&header(3, libc::SOL_SOCKET, libc::SCM_RIGHTS)), [], "it lies");
        assert_eq!(descriptors_in(&header(u64::MAX, libc::SOL_SOCKET, libc::SCM_RIGHTS)), [], "it lies");
    }
}
