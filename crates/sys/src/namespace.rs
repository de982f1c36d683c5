//! namespaces(7): a network of one's own, without privileges.

use crate::errno::check;
use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

/// Makes `command` start in a user and a network namespace of its own, as root of both, with the loopback
/// interface up and no other.
///
/// Root there is who starts it here: nothing of this machine becomes allowed (`user_namespaces(7)`). The
/// command fails to start (`EPERM`, `ENOSPC`, `EUSERS`) where the system forbids such namespaces.
pub fn isolate(command: &mut Command) -> &mut Command {
    // SAFETY: no memory is passed, and these two cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let (users, groups) = (format!("0 {user} 1"), format!("0 {group} 1"));
    // SAFETY: between fork and exec the closure only makes system calls, with memory allocated before.
    unsafe {
        command.pre_exec(move || {
            check(libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET))?;
            // Without this a group map is refused to who is not root (user_namespaces(7)).
            write(c"/proc/self/setgroups", "deny")?;
            write(c"/proc/self/uid_map", &users)?;
            write(c"/proc/self/gid_map", &groups)?;
            set_loopback(true)
        })
    }
}

/// Moves this process into a network of its own, with the loopback interface up and no other. To be called before
/// there is a second thread.
///
/// Who may make networks (`CAP_SYS_ADMIN`) stays who they are. Others also enter a user namespace in which their user and
/// group are themselves: this process may then capture there, and the programs that it executes may nothing more than
/// outside (`user_namespaces(7)`). Fails where the system forbids that, as [`probe`] does; the process is then where it was.
pub fn enter() -> io::Result<()> {
    let own = Own::new();
    if Own::alone()? {
        return Ok(());
    }
    // There is no way back from a user namespace, and what AppArmor forbids it forbids only there (Ubuntu since 24.04).
    probe()?;
    own.apart()
}

/// Whether [`enter`] would succeed, tried by a process that then ends.
///
/// Fails with `ENOSPC` or `EUSERS` where no more may be made, with `EINVAL` where the kernel has none, with `EPERM` or `EACCES` where
/// they are forbidden.
pub fn probe() -> io::Result<()> {
    let own = Own::new();
    // SAFETY: the child only makes system calls, with memory allocated before, until it ends (signal-safety(7)).
    let child = check(unsafe { libc::fork() })?;
    if child == 0 {
        let tried = Own::alone().and_then(|is_done| if is_done { Ok(()) } else { own.apart() });
        let error = tried.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EPERM));
        // SAFETY: it runs nothing of ours. Numbers of errors fit into a status.
        unsafe { libc::_exit(error) };
    }
    let mut status = 0;
    loop {
        // SAFETY: the pointer is to a live integer.
        match check(unsafe { libc::waitpid(child, &raw mut status, 0) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
        (true, 0) => Ok(()),
        (true, error) => Err(io::Error::from_raw_os_error(error)),
        // A filter may kill who asks.
        (false, _) => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// A network of one's own, and what is written on the way there.
struct Own {
    users: String,
    groups: String,
}

impl Own {
    fn new() -> Self {
        // SAFETY: no memory is passed, and these two cannot fail.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        Self { users: format!("{user} {user} 1"), groups: format!("{group} {group} 1") }
    }

    /// Enters a network alone; tells whether that is allowed.
    fn alone() -> io::Result<bool> {
        // SAFETY: no memory is passed.
        match check(unsafe { libc::unshare(libc::CLONE_NEWNET) }) {
            Ok(_) => set_loopback(true).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Enters a user namespace and a network.
    fn apart(&self) -> io::Result<()> {
        // SAFETY: no memory is passed.
        check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) })?;
        write(c"/proc/self/setgroups", "deny")?;
        write(c"/proc/self/uid_map", &self.users)?;
        write(c"/proc/self/gid_map", &self.groups)?;
        set_loopback(true)
    }
}

fn write(path: &CStr, text: &str) -> io::Result<()> {
    // SAFETY: the path is a live C string.
    let raw = check(unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) })?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
    let file = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: the pointer is to live memory of that length.
    check(unsafe { libc::write(file.as_raw_fd(), text.as_ptr().cast(), text.len()) })?;
    Ok(())
}

/// Brings the loopback interface of this network up or down. Fails with `EPERM` for who is not root of the
/// network.
pub fn set_loopback(up: bool) -> io::Result<()> {
    set_interface("lo", up)
}

/// The same of the interface of this name, at most 15 bytes.
pub fn set_interface(name: &str, up: bool) -> io::Result<()> {
    // SAFETY: no memory is passed.
    let raw = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: all zeros are an `ifreq`: bytes, integers and null pointers.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    let last = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name.iter_mut().take(last).zip(name.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = if up { UP } else { 0 };
    // SAFETY: the request is live, and the kernel only reads it.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, ptr::from_ref(&request)) })?;
    Ok(())
}

/// `IFF_UP`, as `ifreq` has it.
const UP: i16 = 1;
const _: () = assert!(UP as c_int == libc::IFF_UP);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::interfaces;
    use std::env;

    const CHILD: &str = "ENCHUFE_SYS_TEST_NAMESPACE";

    #[test]
    #[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
    fn what_is_probed_changes_nothing_here() {
        let before = interfaces().unwrap();
        probe().unwrap();
        assert_eq!(interfaces().unwrap(), before);
    }

    #[test]
    #[cfg_attr(not(have_namespaces), ignore = "needs user and network namespaces")]
    fn an_isolated_command_has_the_loopback_interface_up_and_no_other() {
        if env::var_os(CHILD).is_some() {
            let all = interfaces().unwrap();
            assert_eq!(all.iter().map(|one| (one.name.as_str(), one.up)).collect::<Vec<_>>(), [("lo", true)]);
            return;
        }
        let (_, module) = module_path!().split_once("::").unwrap();
        let name = format!("{module}::an_isolated_command_has_the_loopback_interface_up_and_no_other");
        let mut command = Command::new(env::current_exe().unwrap());
        let output = isolate(command.args(["--exact", &name]).env(CHILD, "1")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}
