//! seccomp(2): which calls of a program stop it for its tracer.

use crate::errno::check;
use std::io;
use std::mem;

/// What the kernel asks before each call of a program, as a program for it.
#[derive(Clone, Debug)]
pub struct Filter(Vec<libc::sock_filter>);

/// `AUDIT_ARCH_` of this machine's own calls.
#[cfg(target_arch = "x86_64")]
pub const NATIVE: u32 = 0xc000_003e;
/// `AUDIT_ARCH_` of this machine's own calls.
#[cfg(target_arch = "aarch64")]
pub const NATIVE: u32 = 0xc000_00b7;

/// Calls of x32 have this bit in their numbers.
const X32: u32 = 0x4000_0000;

impl Filter {
    /// Stops at the calls `traced`, answers the calls `absent` as a kernel that does not have them (`ENOSYS`), stops at
    /// every call that is not of this machine's own architecture, and lets all others through.
    pub fn new(traced: &[u32], absent: &[u32]) -> Self {
        let arch = mem::offset_of!(libc::seccomp_data, arch);
        let number = mem::offset_of!(libc::seccomp_data, nr);
        let trace = statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_TRACE);
        let mut program = vec![
            load(arch),
            jump(libc::BPF_JEQ, NATIVE, 1, 0),
            trace,
            load(number),
            jump(libc::BPF_JGE, X32, 0, 1),
            trace,
        ];
        for call in traced {
            program.extend([jump(libc::BPF_JEQ, *call, 0, 1), trace]);
        }
        let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
        for call in absent {
            program
                .extend([jump(libc::BPF_JEQ, *call, 0, 1), statement(libc::BPF_RET | libc::BPF_K, refuse)]);
        }
        program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
        Self(program)
    }

    /// Puts it before the calling thread, for good, and takes away what setuid programs could give
    /// (`PR_SET_NO_NEW_PRIVS`, without which it is refused). Only makes system calls.
    pub(super) fn apply(&self) -> io::Result<()> {
        let length = u16::try_from(self.0.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let program = libc::sock_fprog { len: length, filter: self.0.as_ptr().cast_mut() };
        // SAFETY: no memory is passed.
        check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
        // SAFETY: the program is live and has that many instructions; the kernel only reads it.
        check(unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
        })?;
        Ok(())
    }
}

const fn statement(code: u32, k: u32) -> libc::sock_filter {
    #[expect(clippy::cast_possible_truncation, reason = "codes of BPF have 16 bits")]
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

const fn load(offset: usize) -> libc::sock_filter {
    #[expect(clippy::cast_possible_truncation, reason = "`seccomp_data` has 64 bytes")]
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32)
}

const fn jump(test: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { jt, jf, ..statement(libc::BPF_JMP | test | libc::BPF_K, k) }
}
