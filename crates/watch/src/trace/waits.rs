//! Calls that wait until something can be done with one of several descriptors: which sockets, and for how long.

use super::descriptors::Files;
use super::memory::{int, u64_at};
use enchufe_story::fact::{Arguments, Syscall};
use enchufe_sys::ptrace::{Entry, read_memory};

/// The most descriptors of `poll` that are looked at.
const MOST: usize = 1_024;
/// The size of `struct pollfd`: the descriptor comes first.
const POLLED: usize = 8;
/// The size of `fd_set`, a bit a descriptor (select(2)).
const SET: usize = 128;

const MILLI: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;

/// What a call waits for; nothing where no socket of TCP is among it.
pub fn arguments(syscall: Syscall, pid: u32, entry: &Entry, files: &Files) -> Option<Arguments> {
    let [first, second, third, fourth, fifth, _] = entry.arguments;
    let fds = match syscall {
        Syscall::Poll | Syscall::Ppoll => polled(pid, first, second, files),
        Syscall::Select | Syscall::Pselect6 => selected(pid, int(first), [second, third, fourth], files),
        // What is registered with it is not followed.
        _ => Vec::new(),
    };
    let is_epoll = matches!(syscall, Syscall::EpollWait | Syscall::EpollPwait | Syscall::EpollPwait2);
    if fds.is_empty() && !(is_epoll && files.sockets().next().is_some()) {
        return None;
    }
    let timeout = match syscall {
        Syscall::Poll => millis(third),
        Syscall::Ppoll => time(pid, third, 1),
        Syscall::Select => time(pid, fifth, 1_000),
        Syscall::Pselect6 => time(pid, fifth, 1),
        Syscall::EpollPwait2 => time(pid, fourth, 1),
        _ => millis(fourth),
    };
    Some(Arguments::Waits { fds, timeout })
}

/// Negative: for ever.
fn millis(argument: u64) -> Option<i64> {
    let millis = i64::from(int(argument));
    (millis >= 0).then(|| millis.saturating_mul(MILLI))
}

/// `struct timespec`, or a `struct timeval`, whose second part is in so many nanoseconds; no address: for ever.
fn time(pid: u32, address: u64, unit: i64) -> Option<i64> {
    if address == 0 {
        return None;
    }
    let seconds = u64_at(pid, address)?.cast_signed();
    let part = u64_at(pid, address.checked_add(8)?)?.cast_signed();
    Some(seconds.saturating_mul(SECOND).saturating_add(part.saturating_mul(unit)))
}

fn polled(pid: u32, pointer: u64, count: u64, files: &Files) -> Vec<i32> {
    let count = usize::try_from(count).unwrap_or(MOST).min(MOST);
    let mut bytes = vec![0; count * POLLED];
    let read = read_memory(pid, pointer, &mut bytes).unwrap_or(0);
    bytes.truncate(read);
    let descriptor = |[f0, f1, f2, f3, ..]: &[u8; POLLED]| i32::from_ne_bytes([*f0, *f1, *f2, *f3]);
    let all = bytes.as_chunks::<POLLED>().0.iter().map(descriptor);
    all.filter(|fd| files.socket(*fd).is_some()).collect()
}

fn selected(pid: u32, count: i32, sets: [u64; 3], files: &Files) -> Vec<i32> {
    let mut any = [0; SET];
    for pointer in sets.into_iter().filter(|pointer| *pointer != 0) {
        let mut set = [0; SET];
        // Only so much of it is the caller's.
        let length = usize::try_from(count).unwrap_or(0).div_ceil(64).saturating_mul(8).min(SET);
        let _ = set.get_mut(..length).map(|set| read_memory(pid, pointer, set));
        any.iter_mut().zip(set).for_each(|(any, one)| *any |= one);
    }
    let is_set = |fd: i32| {
        let byte = usize::try_from(fd / 8).ok().and_then(|at| any.get(at));
        fd < count && byte.is_some_and(|byte: &u8| byte & (1 << (fd % 8)) != 0)
    };
    files.sockets().map(|(fd, _)| fd).filter(|fd| is_set(*fd)).collect()
}
