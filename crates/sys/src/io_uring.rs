//! `io_uring(7)`: operations on many sockets that are handed to the kernel together, and tell when they are done.
//!
//! A [`Ring`] is of one thread. It owns its sockets, by their [`Slot`] in a table of the kernel's: they are no descriptors of the
//! process, so that its limit of these bounds each table and not all of them together. It owns the memory, too, that operations
//! read and write, for as long as they do: whoever holds a [`Piece`] of what came looks at it through the ring.
//!
//! An operation is queued, handed over with the next [`Ring::wait`], and ends with a [`Completion`] that has its token. One that
//! goes on has several.
//!
//! Facts of `io_uring/`, Linux 6.18, that no manual page states:
//! * A send with `MSG_DONTWAIT` is done or refused when it is handed over, and never waits (`REQ_F_NOWAIT`). With
//!   `IOSQE_CQE_SKIP_SUCCESS` it has a completion, then, if it has failed; with `MSG_WAITALL`, too, that is what it has where less was sent
//!   (`io_net_retry`, `io_sendrecv_fail`).
//! * `IORING_OP_SHUTDOWN` always goes to a thread of the kernel's own (`REQ_F_FORCE_ASYNC`), which costs more than to borrow a descriptor.
//! * An operation holds its file: closing a socket does nothing before those on it are over.
//! * A poll tells of the peer's end, too, whatever it is asked for (`IO_POLL_UNMASK`).
//! * A send of nothing fails with a pending error, which is taken by that, or else does nothing (`sk_stream_error`).
//! * A wait for several that has no other end ends with their time, whether anything came or not (`io_cqring_min_timer_wakeup`).
//! * A ring takes at most 20 of the events that wait for it, or as many as it is asked for, each time it is entered.

mod completion;
#[cfg(enchufe_faults)]
mod faults;
mod memory;
mod operations;
mod sends;

pub use completion::Completion;
use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, squeue};
use memory::Memory;
pub use memory::{Class, Piece};
use sends::{Outgoing, Send, Sends};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem::{self, ManuallyDrop};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Bytes that are copied for one send at most.
pub const MOST_COPIED: usize = 64 * 1024;
/// How long the kernel is left alone that had no memory for an operation.
const WANT: Duration = Duration::from_millis(1);
/// What stands for a wait without an end where there is to be one: some 68 years.
const LONGEST: Duration = Duration::from_secs(i32::MAX as u64);
/// How often [`probe`] waits for an operation that is done at once, a second each: where something stands between it and the kernel that
/// takes operations and does nothing, it is not to wait for ever.
const MOST_WAITS: usize = 10;
/// The bit of a token that is ours, as is the one below; the others are the caller's.
const OWN: u64 = 1 << 63;
/// Of a receive into a large buffer: the bit below.
const LARGE: u64 = 1 << 62;
/// And of an operation that is waited for at once, with its number.
const AWAITED: u64 = OWN | 1 << 62;

/// A socket in the table of its ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u32);

/// How large a ring is to be.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Operations that are queued before they are handed over by themselves.
    pub operations: u32,
    /// Completions that wait to be taken; more of them wait in the kernel, and end operations that would go on.
    pub completions: u32,
    /// Sockets. At most the limit of descriptors of the process.
    pub sockets: u32,
    /// Buffers for what comes, a power of two, and the bytes of each.
    pub usual: (u16, usize),
    /// The same, for streams.
    pub large: (u16, usize),
}

/// How a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// With the first completion.
    One,
    /// With so many, or, after this time, with the first (`IORING_ENTER_EXT_ARG`'s `min_wait_usec`, Linux 6.12).
    Several(u32, Duration),
}

/// Operations, their sockets and their memory.
pub struct Ring {
    kernel: ManuallyDrop<IoUring>,
    memory: ManuallyDrop<Memory>,
    sends: ManuallyDrop<Sends>,
    /// The next wait is not to wait before what is sent is told.
    hurries: bool,
    /// Operations that were queued, ever.
    queued: u64,
    /// Of them, those whose last completion has not come.
    under_way: usize,
    /// Of those that were waited for at once.
    awaited: u32,
    /// Completions that came while another was waited for.
    aside: VecDeque<cqueue::Entry>,
    /// The error of the kernel's after which it takes nothing any more.
    broken: Option<i32>,
    #[cfg(enchufe_faults)]
    faults: faults::Faults,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ring").field("under_way", &self.under_way).finish_non_exhaustive()
    }
}

/// Makes a ring and does with it what is newest of what it can: a connection is taken in, echoes, is borrowed, has an option set
/// and is closed.
///
/// Fails with `ENOSYS` where the kernel has none, with `EPERM` where the system forbids it to this user
/// (`kernel.io_uring_disabled`) or a filter does, with `EINVAL` before Linux 6.8, and with [`io::ErrorKind::TimedOut`] where operations
/// never end.
pub fn probe() -> io::Result<()> {
    let size = Size { operations: 8, completions: 16, sockets: 1, usual: (2, 64), large: (1, 64) };
    let mut ring = Ring::new(&size)?;
    #[cfg(enchufe_faults)]
    ring.faults.spare();
    ring.enable()?;
    let (mut peer, socket) = UnixStream::pair()?;
    let slot = ring.adopt(&socket)?;
    drop(socket);
    drop(ring.descriptor(slot)?);
    ring.receive(slot, 1);
    peer.write_all(b"probe")?;
    let came = ring.next_of(1)?;
    let piece = came.piece.filter(|_| came.goes_on).ok_or(io::ErrorKind::Unsupported)?;
    ring.send(slot, piece, 0..5, 2);
    ring.next_of(2)?;
    ring.cancel(slot, 3);
    ring.next_of(3)?;
    ring.reset_at_close(slot, 4);
    ring.next_of(4)?;
    ring.close(slot, 5);
    ring.next_of(5)?;
    Ok(())
}

/// Whether a receive has found that all buffers are held (`ENOBUFS`).
pub fn lacks_buffers(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Whether an operation was ended by a cancel (`ECANCELED`).
pub fn is_cancelled(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ECANCELED)
}

impl Ring {
    /// One that does nothing before [`Self::enable`].
    ///
    /// Fails with `ENOSYS` or `EPERM` where there are no rings, with `EINVAL` where the kernel is too old for what is asked of
    /// it, with `EMFILE` where the table of sockets would be larger than the limit of descriptors.
    pub fn new(size: &Size) -> io::Result<Self> {
        inject!(RingSetup);
        #[cfg(enchufe_faults)]
        let size = &faults::small(size);
        let ring: IoUring = IoUring::builder()
            .setup_cqsize(size.completions)
            .setup_submit_all()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_r_disabled()
            .build(size.operations)?;
        let missing = [ring.params().is_feature_ext_arg(), ring.params().is_feature_nodrop()];
        if missing.contains(&false) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        inject!(RingRegister);
        ring.submitter().register_files_sparse(size.sockets)?;
        let memory = Memory::new(&ring, size.usual, size.large)?;
        Ok(Self {
            kernel: ManuallyDrop::new(ring),
            memory: ManuallyDrop::new(memory),
            sends: ManuallyDrop::default(),
            hurries: false,
            queued: 0,
            under_way: 0,
            awaited: 0,
            aside: VecDeque::new(),
            broken: None,
            #[cfg(enchufe_faults)]
            faults: faults::Faults::default(),
        })
    }

    /// From now on it is of the thread that calls this.
    pub fn enable(&mut self) -> io::Result<()> {
        inject!(RingRegister);
        self.kernel.submitter().register_enable_rings()
    }

    /// Has it ring an eventfd(2) whenever there is something new to take, or would be after a [`Self::wait`].
    pub fn tell(&self, bell: &impl AsFd) -> io::Result<()> {
        inject!(RingRegister);
        self.kernel.submitter().register_eventfd(bell.as_fd().as_raw_fd())
    }

    /// Whether [`Until::Several`] is known here (Linux 6.12); otherwise it is [`Until::One`].
    pub fn waits_for_several(&self) -> bool {
        self.kernel.params().is_feature_min_timeout()
    }

    /// The next completion of an operation that is to go well at once; others are of no interest.
    fn next_of(&mut self, token: u64) -> io::Result<Completion> {
        for _ in 0..MOST_WAITS {
            self.hurry();
            self.wait(Some(Duration::from_secs(1)), Until::One)?;
            let mut came = std::iter::from_fn(|| self.take()).filter(|completion| completion.token == token);
            if let Some(completion) = came.next() {
                return completion.result().map(|_| completion);
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Queues an operation of the caller's.
    #[inline]
    fn begin(&mut self, entry: squeue::Entry, token: u64) {
        self.push(entry, callers(token));
    }

    #[inline]
    fn push(&mut self, entry: squeue::Entry, token: u64) {
        #[cfg(enchufe_faults)]
        let entry = self.faults.instead_of(entry, token);
        self.queue(&entry.user_data(token));
    }

    #[inline]
    fn queue(&mut self, entry: &squeue::Entry) {
        self.under_way += 1;
        // SAFETY: what an entry points to is kept until its completion: pieces and copies by `sends`, the descriptors of
        // `adopt` by itself.
        while unsafe { self.kernel.submission().push(entry) }.is_err() {
            // It is full: what is in it is handed over. What keeps the kernel from taking it is that completions are not taken.
            self.set_aside();
            if self.enter(0, &SubmitArgs::new()).is_err() {
                // Whoever waits next hears of it.
                self.under_way -= 1;
                return;
            }
        }
        self.queued += 1;
    }

    /// Has the next [`Self::wait`] end as soon as all is handed over, if there is a send in it: that it is done is to be told at once.
    pub fn hurry(&mut self) {
        self.hurries = true;
    }

    /// Hands over what is queued and waits for completions, or for `timeout` (`None`: for ever). A signal ends it early. What ends it is no
    /// send of which all was sent, which is told with what comes next ([`Self::hurry`]).
    pub fn wait(&mut self, timeout: Option<Duration>, until: Until) -> io::Result<()> {
        self.memory.publish();
        let hurries = self.hurries && self.sends.is_any_in_doubt();
        if hurries || self.has_aside() || timeout == Some(Duration::ZERO) {
            return self.enter(0, &SubmitArgs::new());
        }
        let until = if self.waits_for_several() { until } else { Until::One };
        let (count, least) = match until {
            Until::One => (1, None),
            Until::Several(count, time) => (count, Some(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))),
        };
        let time = timeout.or_else(|| least.map(|_| LONGEST));
        let time = time.map(|time| Timespec::from(time.min(LONGEST)));
        let mut arguments = SubmitArgs::new();
        if let Some(time) = &time {
            arguments = arguments.timespec(time);
        }
        if let Some(micros) = least {
            arguments = arguments.min_wait_usec(micros);
        }
        self.enter(count as usize, &arguments)
    }

    fn enter(&mut self, want: usize, arguments: &SubmitArgs<'_, '_>) -> io::Result<()> {
        if let Some(error) = self.broken {
            return Err(io::Error::from_raw_os_error(error));
        }
        let enter = || {
            inject!(RingEnter);
            self.kernel.submitter().submit_with_args(want, arguments)
        };
        if let Err(error) = enter() {
            match error.raw_os_error() {
                // The time is over; a signal; completions are to be taken first.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY) => {}
                Some(libc::EAGAIN) => thread::sleep(WANT),
                number => {
                    self.broken = number;
                    return Err(error);
                }
            }
        }
        if self.sends.is_any_in_doubt() {
            self.land()?;
        }
        self.hurries &= self.sends.is_any_in_doubt();
        Ok(())
    }

    /// Which sends that were handed over are over: all that have no completion by now.
    fn land(&mut self) -> io::Result<()> {
        let taken = self.queued - self.kernel.submission().len() as u64;
        self.set_aside();
        if self.kernel.completion().overflow() > 0 {
            // There may have been one among those that the kernel had no memory for. Whoever waits next hears of it.
            self.broken = Some(libc::EBADR);
        } else if self.kernel.submission().cq_overflow() {
            // Or among those for which there was no room; now there is.
            return self.enter(0, &SubmitArgs::new());
        } else {
            self.sends.land(taken);
        }
        Ok(())
    }

    /// Has nothing wait in the kernel's queue of completions.
    fn set_aside(&mut self) {
        for entry in self.kernel.completion() {
            self.sends.came(entry.user_data());
            self.aside.push_back(entry);
        }
    }

    /// Whether something is to be taken that the kernel has no more to do with.
    fn has_aside(&self) -> bool {
        !self.aside.is_empty() || self.sends.has_landed()
    }

    /// Whether there is something to take, or would be after a [`Self::wait`] that does not wait.
    pub fn has_news(&mut self) -> bool {
        self.has_aside() || !self.kernel.completion().is_empty() || self.kernel.submission().taskrun()
    }

    /// Whether something is queued that was not handed over.
    pub fn has_queued(&mut self) -> bool {
        !self.kernel.submission().is_empty()
    }

    /// The next completion, if there is one.
    pub fn take(&mut self) -> Option<Completion> {
        if let Some(send) = self.sends.next_landed() {
            self.under_way -= 1;
            let outcome = send.length;
            return Some(Completion { token: self.end(send), outcome, piece: None, goes_on: false });
        }
        let entry = match self.aside.pop_front() {
            Some(entry) => entry,
            None => self.kernel.completion().next()?,
        };
        let (flags, outcome) = (entry.flags(), entry.result());
        let goes_on = cqueue::more(flags);
        #[cfg(enchufe_faults)]
        let outcome = self.faulty(entry.user_data(), outcome, goes_on);
        if !goes_on {
            self.under_way -= 1;
        }
        let token = self.token(entry.user_data());
        let class = if entry.user_data() & (OWN | LARGE) == LARGE { Class::Large } else { Class::Usual };
        let mut piece = cqueue::buffer_select(flags)
            .map(|buffer| self.memory.filled(class, buffer, usize::try_from(outcome).unwrap_or_default()));
        if outcome == -libc::ENOBUFS {
            self.memory.ran_out(class);
        }
        if outcome <= 0
            && let Some(empty) = piece.take()
        {
            self.memory.give(empty);
        }
        Some(Completion { token, outcome, piece, goes_on })
    }

    /// The caller's token of an operation, of which a send is over with it.
    fn token(&mut self, data: u64) -> u64 {
        match self.sends.end(data) {
            Some(send) => self.end(send),
            None if data & OWN == 0 => data & !LARGE,
            None => data,
        }
    }

    /// A send is over: its caller's token.
    fn end(&mut self, send: Send) -> u64 {
        match send.what {
            Outgoing::Piece(piece) => self.memory.end(piece),
            Outgoing::Copy(copy) => self.sends.keep(copy),
        }
        send.token
    }

    /// What came.
    pub fn bytes(&self, piece: Piece) -> &[u8] {
        self.memory.bytes(piece)
    }

    /// Nobody needs it any more.
    pub fn give(&mut self, piece: Piece) {
        self.memory.give(piece);
    }

    /// It will be held for a while: it leaves its buffer to others, at the price of a copy.
    pub fn detach(&mut self, piece: Piece) {
        self.memory.detach(piece);
    }

    /// Bytes of each buffer of a class.
    pub fn buffer_size(&self, class: Class) -> usize {
        self.memory.size(class)
    }

    /// Buffers of a class that can be filled, of how many.
    pub fn free_buffers(&self, class: Class) -> (u16, u16) {
        self.memory.free(class)
    }

    /// The class of the buffer in which a piece lies; none has one of its own.
    pub fn class(&self, piece: Piece) -> Option<Class> {
        self.memory.class(piece)
    }

    /// Pieces that were not given back.
    pub fn held(&self) -> usize {
        self.memory.held()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let ended = self.under_way == 0
            || match self.kernel.submitter().register_sync_cancel(None, CancelBuilder::any()) {
                Ok(()) => true,
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            };
        // SAFETY: none of the three is used after this. The ring goes first, and with it whatever would read or write the others; where
        // something may still be under way, they stay for ever.
        unsafe {
            ManuallyDrop::drop(&mut self.kernel);
            if ended {
                ManuallyDrop::drop(&mut self.memory);
                ManuallyDrop::drop(&mut self.sends);
            }
        }
    }
}

/// What is the caller's of a token: one that seemed to be of ours would end what is under way.
const fn callers(token: u64) -> u64 {
    token & !(OWN | LARGE)
}

/// Of poll(2)'s events.
const fn mask(events: libc::c_short) -> u32 {
    events.cast_unsigned() as u32
}

const _: () = assert!(mem::size_of::<Slot>() == 4);
