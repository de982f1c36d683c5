//! Why programs may not be traced here, and what changes that.

use crate::problem::{Kind, Problem};
use std::fs;
use std::io;

/// ptrace(2) was refused.
pub fn by_ptrace(error: &io::Error) -> Problem {
    if is_traced() {
        return Problem::new(Kind::PtraceTraced);
    }
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    match scope.trim() {
        scope @ ("2" | "3") => Problem::new(Kind::PtraceScope).with("scope", scope),
        _ => Problem::new(Kind::PtraceForbidden).cause(error),
    }
}

/// Whether somebody traces this process: its children are then traced by the same (ptrace(2)).
fn is_traced() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|pid| pid.trim() != "0")
}
