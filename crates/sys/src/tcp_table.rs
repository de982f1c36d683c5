//! The TCP sockets of this machine, each with its process (`GetExtendedTcpTable`).

use crate::win32::check;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{GetExtendedTcpTable, TCP_TABLE_OWNER_PID_ALL};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6};
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
};

/// `MIB_TCP_STATE_LISTEN`
pub const LISTEN: u32 = 2;
/// `MIB_TCP_STATE_TIME_WAIT`
pub const TIME_WAIT: u32 = 11;
/// `MIB_TCP_STATE_DELETE_TCB`
pub const DELETED: u32 = 12;

/// Bytes of a row for IPv4 (`MIB_TCPROW_OWNER_PID`) and for IPv6 (`MIB_TCP6ROW_OWNER_PID`), all of four each.
const ROW: usize = 24;
const ROW_6: usize = 56;
/// The table may grow while it is asked for: how often it is tried.
const TRIES: usize = 8;

/// A socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub local: SocketAddr,
    /// In which state, as [`LISTEN`].
    pub state: u32,
    /// Whose it is; 0 where it is nobody's any more.
    pub pid: u32,
}

/// All of them, of both families.
pub fn entries() -> io::Result<Vec<Entry>> {
    let v4 = table(AF_INET)?;
    let v6 = table(AF_INET6)?;
    // A table begins with the number of its rows.
    let rows = |bytes: &[u8], size: usize| -> Vec<Vec<u8>> {
        let count = usize::try_from(number(bytes, 0)).unwrap_or(0);
        bytes.get(4..).unwrap_or_default().chunks_exact(size).take(count).map(<[u8]>::to_vec).collect()
    };
    let v4 = rows(&v4, ROW).into_iter().map(|row| Entry {
        local: SocketAddr::new(IpAddr::V4(Ipv4Addr::from(octets(&row, 4))), port(&row, 8)),
        state: number(&row, 0),
        pid: number(&row, 20),
    });
    let v6 = rows(&v6, ROW_6).into_iter().map(|row| Entry {
        local: SocketAddr::new(IpAddr::V6(Ipv6Addr::from(octets::<16>(&row, 0))), port(&row, 20)),
        state: number(&row, 48),
        pid: number(&row, 52),
    });
    Ok(v4.chain(v6).collect())
}

fn table(family: u16) -> io::Result<Vec<u8>> {
    let mut size = 0;
    for _ in 0..TRIES {
        // Of numbers of four bytes each, as the call wants it aligned.
        let mut words = vec![0_u32; usize::try_from(size).unwrap_or(0).div_ceil(4)];
        let buffer = if words.is_empty() { ptr::null_mut() } else { words.as_mut_ptr() };
        let class = TCP_TABLE_OWNER_PID_ALL;
        // SAFETY: the buffer has the size that is said, or is null where that is zero.
        match unsafe { GetExtendedTcpTable(buffer.cast(), &raw mut size, 0, family.into(), class, 0) } {
            NO_ERROR => return Ok(words.iter().flat_map(|word| word.to_ne_bytes()).collect()),
            ERROR_INSUFFICIENT_BUFFER => {}
            error => return Err(io::Error::from_raw_os_error(error.cast_signed())),
        }
    }
    Err(io::Error::from_raw_os_error(ERROR_INSUFFICIENT_BUFFER.cast_signed()))
}

fn octets<const N: usize>(row: &[u8], at: usize) -> [u8; N] {
    row.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

fn number(row: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(octets(row, at))
}

/// In network byte order, in the first two of its four bytes.
fn port(row: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(octets(row, at))
}

/// The name of a process, where this user may know it.
pub fn process_name(pid: u32) -> Option<String> {
    // SAFETY: no memory is passed.
    let handle = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    if handle.is_null() {
        return None;
    }
    // SAFETY: the system has just given us this handle, and nobody else has it.
    let process = unsafe { OwnedHandle::from_raw_handle(handle) };
    let mut name = [0_u16; 1024];
    let mut length = u32::try_from(name.len()).ok()?;
    // SAFETY: the pointers are to live memory, the first of so many units.
    check(unsafe {
        QueryFullProcessImageNameW(process.as_raw_handle(), 0, name.as_mut_ptr(), &raw mut length)
    })
    .ok()?;
    let path = String::from_utf16_lossy(name.get(..usize::try_from(length).ok()?)?);
    path.rsplit('\\').next().map(str::to_owned)
}
