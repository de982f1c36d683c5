//! `/proc/PID/fd` of proc(5): which process has a socket.

use std::fs;
use std::path::Path;

/// The process that has the socket with this inode open, as its number and name (at most 15 bytes of it,
/// see `PR_SET_NAME`). Of several that share it, the one with the smallest number.
///
/// `None` where no process has it, and where this user may not look into the one that does.
pub fn owner(inode: u32) -> Option<(u32, String)> {
    let link = format!("socket:[{inode}]");
    let mut processes: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    processes.sort_unstable();
    let pid = processes.into_iter().find(|pid| has_open(*pid, &link))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some((pid, name.trim_end_matches('\n').to_owned()))
}

/// Whether the process has a descriptor on `link`. Processes come and go meanwhile: what is gone has not.
fn has_open(pid: u32, link: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|target| target == Path::new(link))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::process;

    #[test]
    fn our_own_socket_is_ours_and_inode_zero_is_nobodys() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let text = link.to_str().unwrap().to_owned();
        let inode = text.trim_start_matches("socket:[").trim_end_matches(']').parse().unwrap();
        let (pid, name) = owner(inode).unwrap();
        assert_eq!(pid, process::id());
        assert_eq!(name, fs::read_to_string("/proc/self/comm").unwrap().trim_end());
        assert_eq!(owner(0), None);
    }
}
