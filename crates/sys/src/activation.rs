//! `sd_listen_fds(3)` and `sd_notify(3)`: what a service manager hands a program that it starts, by its environment.

use crate::errno::check;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor that is handed on (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;
/// Descriptors that are taken. No manager hands on so many, and each is looked at.
pub const MOST: RawFd = 1024;

/// The variables, which are not for the programs that this one starts.
const LISTEN: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
const NOTIFY: &str = "NOTIFY_SOCKET";

/// What was handed on.
#[derive(Debug, Default)]
pub struct Handed {
    /// The descriptors, in their order.
    pub descriptors: Vec<Descriptor>,
    /// Where it is to be told how the program is doing ([`notify`]).
    pub notify: Option<OsString>,
}

/// A descriptor that was handed on.
#[derive(Debug)]
pub struct Descriptor {
    /// Its number.
    pub number: RawFd,
    /// What the manager calls it; empty where it has no name.
    pub name: String,
    /// Itself; `None` where there is none of this number.
    pub owned: Option<OwnedFd>,
}

/// Takes what was handed on to this process, once, and removes the variables that say so. To be called before anything else
/// is opened, for the descriptors are known by their numbers only.
///
/// Fails where `LISTEN_FDS` is no number, or more than [`MOST`]: what it says.
pub fn take() -> Result<Handed, String> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Handed::default());
    }
    let text = |name: &str| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let [pid, count, names] = LISTEN.map(text);
    let notify = env::var_os(NOTIFY).filter(|path| !path.is_empty());
    forget();
    let is_ours = pid.is_some_and(|pid| pid.parse() == Ok(std::process::id()));
    let Some(count) = count.filter(|_| is_ours) else {
        return Ok(Handed { descriptors: Vec::new(), notify });
    };
    let count: RawFd = count.parse().ok().filter(|count| (0..=MOST).contains(count)).ok_or(count)?;
    let mut names = names.as_deref().unwrap_or_default().split(':').map(str::to_owned);
    let descriptor =
        |number| Descriptor { number, name: names.next().unwrap_or_default(), owned: own(number) };
    Ok(Handed { descriptors: (FIRST..FIRST + count).map(descriptor).collect(), notify })
}

/// Removes the variables, so that no program that this one starts takes itself for the one that they are for.
fn forget() {
    // Not alone any more, or nobody knows: they stay, and name a process that those programs are not.
    if !fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1) {
        return;
    }
    for name in LISTEN.into_iter().chain([NOTIFY]) {
        // SAFETY: there is no other thread that could read the environment meanwhile.
        unsafe { env::remove_var(name) };
    }
}

/// The descriptor of this number, if there is one; it is closed in programs that this one starts.
fn own(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: no memory is passed, and a descriptor that is not open is refused.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }).ok()?;
    // SAFETY: it is open, and was so before this program began: whoever started it says that it is handed on, and `take`
    // owns it once.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Tells the manager how the program is doing, as `READY=1`. A path that begins with `@` is a name of Linux's own.
pub fn notify(to: &OsStr, state: &str) -> io::Result<()> {
    let address = match to.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(to)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::IntoRawFd;

    #[test]
    fn a_descriptor_is_owned_where_it_is_open_and_not_passed_on() {
        let number = File::open("/dev/null").unwrap().into_raw_fd();
        let owned = own(number).unwrap();
        // SAFETY: no memory is passed.
        let flags = check(unsafe { libc::fcntl(number, libc::F_GETFD) }).unwrap();
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        drop(owned);
        // So high that no other test has it.
        assert!(own(1_000_000).is_none());
    }

    #[test]
    fn a_manager_is_told_by_a_path_and_by_a_name() {
        let name = format!("enchufe-notify-{}", std::process::id());
        let path = env::temp_dir().join(&name);
        let by_path = UnixDatagram::bind(&path).unwrap();
        notify(path.as_os_str(), "READY=1").unwrap();
        fs::remove_file(&path).unwrap();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        notify(OsStr::new(&format!("@{name}")), "STOPPING=1").unwrap();
        for (socket, state) in [(by_path, "READY=1"), (by_name, "STOPPING=1")] {
            let mut buffer = [0; 64];
            let count = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], state.as_bytes());
        }
        assert!(notify(path.as_os_str(), "READY=1").is_err());
    }
}
