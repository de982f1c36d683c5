//! unix(7): descriptors sent to another process (`SCM_RIGHTS`), and who has the other end (`SO_PEERCRED`).

use crate::errno::check;
use crate::fd;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;

/// The most descriptors that are sent or taken at once.
pub const MOST: usize = 8;

/// Room for a header and that many descriptors, as `CMSG_SPACE` counts it.
const SPACE: usize = 16 + MOST * SIZE;
/// The bytes of one.
const SIZE: usize = mem::size_of::<RawFd>();

/// Where the kernel reads and writes what goes beside bytes, at an address that it takes.
#[repr(C, align(8))]
struct Beside([u8; SPACE]);

/// Who has the other end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process, when it connected or began to listen.
    pub pid: u32,
    /// Its effective user then. One that this user namespace does not know is the overflow user.
    pub user: u32,
}

/// Who has the other end.
pub fn peer(socket: &UnixStream) -> io::Result<Peer> {
    let (peer, _) = fd::option::<libc::ucred>(socket.as_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED)?;
    Ok(Peer { pid: u32::try_from(peer.pid).unwrap_or_default(), user: peer.uid })
}

// SAFETY: every bit pattern is three integers.
unsafe impl fd::Plain for libc::ucred {}

/// The effective user of this process, by the number that [`Peer`] has.
pub fn user() -> u32 {
    // SAFETY: no memory is passed, and it cannot fail.
    unsafe { libc::geteuid() }
}

/// Sends bytes, and beside the first of them at most [`MOST`] descriptors; tells how many bytes were sent.
pub fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    if descriptors.len() > MOST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut beside = Beside([0; SPACE]);
    let mut piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut message = message(&mut piece, &mut beside, descriptors.len());
    if descriptors.is_empty() {
        (message.msg_control, message.msg_controllen) = (ptr::null_mut(), 0);
    }
    // SAFETY: the header, if there is one, lies in `beside`, which has room for that many descriptors after it.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if let Some(first) = header.as_mut() {
            (first.cmsg_level, first.cmsg_type) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
            first.cmsg_len = libc::CMSG_LEN(size(descriptors.len())) as _;
            let data = libc::CMSG_DATA(header);
            for (at, descriptor) in descriptors.iter().enumerate() {
                let raw = descriptor.as_raw_fd().to_ne_bytes();
                ptr::copy_nonoverlapping(raw.as_ptr(), data.add(at * SIZE), SIZE);
            }
        }
    }
    // SAFETY: the message points to live memory of the lengths that it says, which is only read.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    Ok(check(sent)?.unsigned_abs())
}

/// Takes bytes, and the descriptors beside them, which are closed on exec; more than [`MOST`] at once are closed by the kernel.
/// Tells how many bytes came: none at the end.
pub fn receive(socket: &UnixStream, bytes: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut beside = Beside([0; SPACE]);
    let mut piece = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut message = message(&mut piece, &mut beside, MOST);
    // SAFETY: the message points to live, writable memory of the lengths that it says.
    let came = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let came = check(came)?;
    // SAFETY: the kernel wrote whole headers within `beside`, and each descriptor in them is new and nobody else's.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while let Some(one) = header.as_ref() {
            if (one.cmsg_level, one.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let length: usize = one.cmsg_len as _;
                let data = libc::CMSG_DATA(header);
                for at in 0..length.saturating_sub(libc::CMSG_LEN(0) as usize) / SIZE {
                    let mut raw = [0; SIZE];
                    ptr::copy_nonoverlapping(data.add(at * SIZE), raw.as_mut_ptr(), SIZE);
                    descriptors.push(OwnedFd::from_raw_fd(RawFd::from_ne_bytes(raw)));
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok(came.unsigned_abs())
}

/// The bytes of so many descriptors.
fn size(count: usize) -> u32 {
    u32::try_from(count * SIZE).unwrap_or(0)
}

fn message(piece: &mut libc::iovec, beside: &mut Beside, count: usize) -> libc::msghdr {
    // SAFETY: all zeros are a message without anything: null pointers and integers.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = piece;
    message.msg_iovlen = 1;
    message.msg_control = beside.0.as_mut_ptr().cast();
    // SAFETY: it only counts.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size(count)) } as _;
    message
}

// SAFETY: it only counts.
const _: () = assert!(unsafe { libc::CMSG_SPACE(32) } as usize <= SPACE && MOST * SIZE == 32);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};

    #[test]
    fn descriptors_go_beside_bytes_and_are_the_same_open_files() {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut reader, mut writer) = io::pipe().unwrap();
        assert_eq!(send(&one, b"abc", &[writer.as_fd(), reader.as_fd()]).unwrap(), 3);
        let (mut bytes, mut all) = ([0; 8], Vec::new());
        assert_eq!(receive(&other, &mut bytes, &mut all).unwrap(), 3);
        assert_eq!((&bytes[..3], all.len()), (&b"abc"[..], 2));
        File::from(all.swap_remove(0)).write_all(b"hola").unwrap();
        writer.write_all(b"!").unwrap();
        drop((writer, all));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hola!");
    }

    #[test]
    fn bytes_alone_come_alone_and_the_end_is_no_bytes() {
        let (one, other) = UnixStream::pair().unwrap();
        send(&one, b"x", &[]).unwrap();
        drop(one);
        let (mut bytes, mut all) = ([0; 8], Vec::new());
        assert_eq!(receive(&other, &mut bytes, &mut all).unwrap(), 1);
        assert_eq!(receive(&other, &mut bytes, &mut all).unwrap(), 0);
        assert_eq!(all.len(), 0);
    }

    #[test]
    fn more_than_the_most_are_not_sent() {
        let (one, _other) = UnixStream::pair().unwrap();
        let many = [one.as_fd(); MOST + 1];
        assert_eq!(send(&one, b"x", &many).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn both_ends_of_a_pair_are_ours() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(peer(&one).unwrap(), Peer { pid: std::process::id(), user: user() });
    }
}
