//! What is worth telling while it happens, and no fact of a recording.

use enchufe_story::fact::Syscall;
use enchufe_sys::{capability, unix};
use enchufe_wire::tcp::Endpoint;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Something by the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aside {
    /// A call on a socket that is not of TCP, to another machine, has failed.
    Failed {
        /// The program.
        program: u32,
        /// `connect` or `sendto`.
        syscall: Syscall,
        /// Where it was to go.
        address: Endpoint,
        /// `errno`.
        errno: i32,
    },
    /// A file was executed that gives its user or group, or capabilities, to who executes it: not to a program that is traced.
    Unprivileged {
        /// The program.
        program: u32,
        /// The file.
        file: PathBuf,
    },
    /// A file was executed whose calls are of another kind than this one's (32 bits): they are not seen.
    Foreign {
        /// The file.
        file: PathBuf,
    },
}

/// The file that a process executes, if it would give it a privilege (execve(2)).
pub fn privileged(pid: u32) -> Option<PathBuf> {
    // `S_ISUID`, `S_ISGID`, `S_IXGRP`: without the last one the second means something else.
    const SETUID: u32 = 0o4000;
    const SETGID: u32 = 0o2010;
    let link = Path::new("/proc").join(pid.to_string()).join("exe");
    let file = fs::metadata(&link).ok()?;
    let process = fs::metadata(link.parent()?).ok()?;
    let user = file.mode() & SETUID == SETUID && file.uid() != process.uid();
    let group = file.mode() & SETGID == SETGID && file.gid() != process.gid();
    // Root has them all.
    let gives = user || group || unix::user() != 0 && capability::has_capabilities(&link);
    if gives { fs::read_link(&link).ok() } else { None }
}

/// The program that a process executes, where it is one of 32 bits (`EI_CLASS`, elf(5)).
pub fn foreign(pid: u32) -> Option<PathBuf> {
    const CLASS_32: u8 = 1;
    let path = format!("/proc/{pid}/exe");
    let mut head = [0; 5];
    File::open(&path).ok()?.read_exact(&mut head).ok()?;
    let [.., class] = head;
    (cfg!(target_pointer_width = "64") && class == CLASS_32).then(|| fs::read_link(&path).ok()).flatten()
}
