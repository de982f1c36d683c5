//! netdevice(7): the network interfaces of this network namespace. Needs no privileges.

use crate::errno::check;
use std::ffi::{CStr, CString, c_char};
use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use socket2::{Domain, Socket, Type};

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number in the kernel, from 1.
    pub index: u32,
    /// Its name. Bytes that are no UTF-8, which the kernel allows, are replaced.
    pub name: String,
    /// What its frames start with: an `ARPHRD_` number (`include/uapi/linux/if_arp.h`), if it still is there.
    pub hardware: Option<u16>,
    /// Whether it is up (`IFF_UP`).
    pub up: bool,
}

/// `ARPHRD_` numbers that say more than a number.
pub mod hardware {
    /// Ethernet.
    pub const ETHERNET: u16 = libc::ARPHRD_ETHER;
    /// IP over IP: no header of its own.
    pub const TUNNEL: u16 = libc::ARPHRD_TUNNEL;
    /// IPv6 over IPv6: no header of its own.
    pub const TUNNEL6: u16 = libc::ARPHRD_TUNNEL6;
    /// The loopback interface: Ethernet headers full of zeros.
    pub const LOOPBACK: u16 = libc::ARPHRD_LOOPBACK;
    /// IPv6 over IPv4: no header of its own.
    pub const SIT: u16 = libc::ARPHRD_SIT;
    /// IP without a header before it.
    pub const RAW_IP: u16 = 519;
    /// No header at all: TUN devices, `WireGuard`.
    pub const NONE: u16 = libc::ARPHRD_NONE;
}

/// All interfaces, by their numbers. Fails without descriptors or memory.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    // Any socket can ask (netdevice(7)); a system may have one of the two families alone.
    let socket =
        [Domain::IPV4, Domain::IPV6].iter().find_map(|&family| Socket::new(family, Type::DGRAM, None).ok());
    // SAFETY: no memory is passed.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut entry = list;
    // SAFETY: the list ends with an entry whose number is 0 (if_nameindex(3)), and we stop there.
    while let Some(one) = unsafe { entry.as_ref() }.filter(|one| one.if_index != 0 && !one.if_name.is_null())
    {
        // SAFETY: the name is a C string that lives until the list is freed.
        let name = unsafe { CStr::from_ptr(one.if_name) };
        let socket = socket.as_ref().map(AsFd::as_fd);
        found.push(describe(socket, one.if_index, name));
        // SAFETY: this entry was not the last one.
        entry = unsafe { entry.add(1) };
    }
    // SAFETY: the list is from `if_nameindex` and not used any more.
    unsafe { libc::if_freenameindex(list) };
    found.sort_by_key(|interface| interface.index);
    Ok(found)
}

/// The number of the interface of this name. Fails with `ENODEV` where there is none.
pub fn index(name: &str) -> io::Result<u32> {
    let name = CString::new(name).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: the pointer is to a live C string.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

fn describe(socket: Option<BorrowedFd<'_>>, index: u32, name: &CStr) -> Interface {
    let ask = |request| socket.and_then(|socket| ask(socket, name, request).ok());
    // SAFETY: `SIOCGIFHWADDR` fills in this member of the union, all of whose bytes are set in any case.
    let hardware = ask(libc::SIOCGIFHWADDR).map(|told| unsafe { told.ifr_ifru.ifru_hwaddr.sa_family });
    // SAFETY: as above, `SIOCGIFFLAGS`.
    let flags = ask(libc::SIOCGIFFLAGS).map(|told| unsafe { told.ifr_ifru.ifru_flags });
    let up = flags.is_some_and(|flags| i32::from(flags) & libc::IFF_UP != 0);
    Interface { index, name: name.to_string_lossy().into_owned(), hardware, up }
}

fn ask(socket: BorrowedFd<'_>, name: &CStr, request: libc::c_ulong) -> io::Result<libc::ifreq> {
    // SAFETY: all zeros are an `ifreq`: bytes, integers and null pointers.
    let mut question: libc::ifreq = unsafe { mem::zeroed() };
    let room = question.ifr_name.len() - 1;
    for (to, &from) in question.ifr_name.iter_mut().zip(name.to_bytes().iter().take(room)) {
        *to = c_char::from_ne_bytes([from]);
    }
    // SAFETY: both requests write into the `ifreq`, which is live.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), request as _, ptr::from_mut(&mut question)) })?;
    Ok(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_has_the_number_that_its_name_has() {
        let all = interfaces().unwrap();
        for interface in &all {
            assert_eq!(index(&interface.name).unwrap(), interface.index);
        }
        let loopback = all.iter().find(|interface| interface.name == "lo").unwrap();
        assert_eq!(loopback.hardware, Some(hardware::LOOPBACK));
    }

    #[test]
    fn a_name_that_is_not_there_is_no_device() {
        for name in ["no such", "", "a\0b"] {
            assert_eq!(index(name).unwrap_err().raw_os_error(), Some(libc::ENODEV), "{name}");
        }
    }
}
