//! TUN devices (<https://docs.kernel.org/networking/tuntap.html>): a network interface whose other end is a descriptor. What
//! the kernel sends there is read, packet by packet, from the IP header on; what is written there it receives.
//!
//! Segments are cut and checksums computed before they are read: such a device takes over nothing of that unless it is asked to.

use crate::errno::check;
use std::ffi::{c_char, c_short};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::ptr;

// include/uapi/linux/if_tun.h
const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
const IFF_TUN: c_short = 0x0001;
const IFF_NO_PI: c_short = 0x1000;

/// Where the kernel makes them.
pub const PATH: &str = "/dev/net/tun";

/// The other end of an interface, which lives as long as this. Non-blocking, closed on exec.
#[derive(Debug)]
pub struct Tun(File);

/// Whether [`Tun::new`] could be, as far as the device file is concerned. Makes nothing.
pub fn probe() -> io::Result<()> {
    open().map(|_| ())
}

fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(PATH)
}

impl Tun {
    /// Makes an interface of this name, at most 15 bytes, in this network namespace. It is down.
    ///
    /// Fails with [`io::ErrorKind::NotFound`] where there is no [`PATH`], with [`io::ErrorKind::PermissionDenied`] where it may
    /// not be opened, and with `EPERM` for who is not root of the network.
    pub fn new(name: &str) -> io::Result<Self> {
        let file = open()?;
        // SAFETY: all zeros are an `ifreq`: bytes, integers and null pointers.
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        let last = request.ifr_name.len() - 1;
        for (to, from) in request.ifr_name.iter_mut().take(last).zip(name.bytes()) {
            *to = c_char::from_ne_bytes([from]);
        }
        request.ifr_ifru.ifru_flags = IFF_TUN | IFF_NO_PI;
        // SAFETY: the request is live and writable, and as large as the kernel expects.
        check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, ptr::from_mut(&mut request)) })?;
        Ok(Self(file))
    }

    /// Takes the next packet. Fails with [`io::ErrorKind::WouldBlock`] where there is none.
    pub fn take(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }

    /// Has the kernel receive a packet.
    pub fn give(&self, packet: &[u8]) -> io::Result<()> {
        (&self.0).write(packet).map(|_| ())
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
