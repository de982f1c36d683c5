//! What a ring is asked to do: each is queued, but for what is done at once.

use super::sends::Outgoing;
use super::{AWAITED, Class, LARGE, MOST_COPIED, Piece, Ring, Slot, callers, mask};
use io_uring::types::{CancelBuilder, Fd, Fixed, SubmitArgs};
use io_uring::{opcode, squeue};
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// `IORING_FILE_INDEX_ALLOC` as an offset: into any slot.
const ANY_SLOT: i32 = -1;

/// For [`Ring::reset_at_close`]: there whenever the kernel reads it.
static RESET: libc::linger = libc::linger { l_onoff: 1, l_linger: 0 };

impl Ring {
    /// Takes whoever comes to this listener, until that fails: each completion has a slot ([`Completion::slot`](super::Completion::slot)).
    /// The listener is to stay open until the next [`Self::wait`].
    pub fn accept(&mut self, listener: &impl AsFd, token: u64) {
        let fd = Fd(listener.as_fd().as_raw_fd());
        self.begin(opcode::AcceptMulti::new(fd).allocate_file_index(true).build(), token);
    }

    /// Tells once that `descriptor` can be read from. The descriptor is to stay open until the next [`Self::wait`].
    pub fn readable(&mut self, descriptor: &impl AsFd, token: u64) {
        let fd = Fd(descriptor.as_fd().as_raw_fd());
        self.begin(opcode::PollAdd::new(fd, mask(libc::POLLIN)).build(), token);
    }

    /// Tells once that there is room to send, or will never be. Fails with `ENOMEM`, as do all that tell of changes.
    pub fn room(&mut self, slot: Slot, token: u64) {
        self.begin(opcode::PollAdd::new(Fixed(slot.0), mask(libc::POLLOUT)).build(), token);
    }

    /// Tells each time that something changed on a socket whose peer has ended, is gone, or has reset it
    /// ([`Completion::has_error`](super::Completion::has_error)).
    pub fn watch(&mut self, slot: Slot, token: u64) {
        let events = mask(libc::POLLERR | libc::POLLHUP);
        self.begin(opcode::PollAdd::new(Fixed(slot.0), events).multi(true).build(), token);
    }

    /// Receives what comes, again and again, into usual buffers. Fails with `ENOBUFS` where the kernel has none: more than were
    /// lately needed at once, or all are held.
    pub fn receive(&mut self, slot: Slot, token: u64) {
        self.begin(opcode::RecvMulti::new(Fixed(slot.0), Class::Usual.group()).build(), token);
    }

    /// Receives once, into a buffer of this class; fails in the same way. [`Completion::piece`](super::Completion::piece) is told apart by the token's
    /// highest bit but one.
    pub fn receive_once(&mut self, slot: Slot, class: Class, token: u64) {
        let recv = opcode::Recv::new(Fixed(slot.0), std::ptr::null_mut(), 0).buf_group(class.group());
        let mark = if class == Class::Large { LARGE } else { 0 };
        self.push(recv.build().flags(squeue::Flags::BUFFER_SELECT), callers(token) | mark);
    }

    /// Sends a range of a piece, as much of it as there is room for. Fails with `EAGAIN` where there is none.
    pub fn send(&mut self, slot: Slot, piece: Piece, range: Range<usize>, token: u64) {
        let bytes = self.memory.bytes(piece).get(range).unwrap_or_default();
        let (start, length) = (bytes.as_ptr(), bytes.len());
        self.memory.begin(piece);
        self.push_send(slot, (start, length), token, Outgoing::Piece(piece));
    }

    /// Sends a copy of as many of these bytes as are copied at once ([`MOST_COPIED`]) and there is room for.
    pub fn send_copy(&mut self, slot: Slot, bytes: &[u8], token: u64) {
        let mut copy = self.sends.room();
        copy.extend_from_slice(bytes.get(..MOST_COPIED).unwrap_or(bytes));
        let (start, length) = (copy.as_ptr(), copy.len());
        self.push_send(slot, (start, length), token, Outgoing::Copy(copy));
    }

    fn push_send(&mut self, slot: Slot, (start, length): (*const u8, usize), token: u64, what: Outgoing) {
        // No buffer is longer.
        let length = i32::try_from(length).unwrap_or(i32::MAX);
        #[cfg(enchufe_faults)]
        let length = self.shortened(length);
        let word = self.sends.begin(callers(token), what, length, self.queued);
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_WAITALL;
        let send = opcode::Send::new(Fixed(slot.0), start, length.cast_unsigned()).flags(flags);
        self.push(send.build().flags(squeue::Flags::SKIP_SUCCESS), word);
    }

    /// Sends FIN behind what was sent, where a socket cannot be borrowed ([`Self::descriptor`]) for a call that does.
    pub fn half_close(&mut self, slot: Slot, token: u64) {
        self.begin(opcode::Shutdown::new(Fixed(slot.0), libc::SHUT_WR).build(), token);
    }

    /// Has the close of a socket be a reset (`SO_LINGER` of socket(7), by `SOCKET_URING_OP_SETSOCKOPT`, Linux 6.7).
    pub fn reset_at_close(&mut self, slot: Slot, token: u64) {
        let [level, name] = [libc::SOL_SOCKET, libc::SO_LINGER].map(i32::cast_unsigned);
        let length = u32::try_from(size_of::<libc::linger>()).unwrap_or_default();
        let value = (&raw const RESET).cast();
        self.begin(opcode::SetSockOpt::new(Fixed(slot.0), level, name, value, length).build(), token);
    }

    /// Takes the error that is pending on a socket, as `SO_ERROR` of socket(7) does, and fails with it.
    pub fn error(&mut self, slot: Slot, token: u64) {
        self.send_copy(slot, &[], token);
        self.hurry();
    }

    /// Ends all operations on a socket; each tells so.
    pub fn cancel(&mut self, slot: Slot, token: u64) {
        self.begin(opcode::AsyncCancel2::new(CancelBuilder::fd(Fixed(slot.0)).all()).build(), token);
    }

    /// Ends the operation that has this token, which is no send and no receive into a large buffer; it tells so.
    pub fn cancel_one(&mut self, of: u64, token: u64) {
        self.begin(opcode::AsyncCancel2::new(CancelBuilder::user_data(of)).build(), token);
    }

    /// Empties a slot. The socket is closed with it where no operation and nobody else has it.
    pub fn close(&mut self, slot: Slot, token: u64) {
        self.begin(opcode::Close::new(Fixed(slot.0)).build(), token);
    }

    /// The socket of a slot as a descriptor, for what there is no operation for. It shares everything with the slot, and is to be
    /// dropped soon. (`IORING_OP_FIXED_FD_INSTALL`, Linux 6.8.)
    ///
    /// Hands over what is queued. Fails with `EMFILE` without descriptors.
    pub fn descriptor(&mut self, slot: Slot) -> io::Result<OwnedFd> {
        let raw = self.at_once(opcode::FixedFdInstall::new(Fixed(slot.0), 0).build())?;
        // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(raw) })
    }

    /// Takes a socket into a slot. Fails with `ENFILE` where none is free.
    ///
    /// Hands over what is queued.
    pub fn adopt(&mut self, socket: &impl AsFd) -> io::Result<Slot> {
        // In memory of its own, for it is left to the kernel if that should not say that it is done with it.
        let mut descriptors: ManuallyDrop<Box<[RawFd; 1]>> =
            ManuallyDrop::new(Box::new([socket.as_fd().as_raw_fd()]));
        let update = opcode::FilesUpdate::new(descriptors.as_mut_ptr().cast_const(), 1).offset(ANY_SLOT);
        let taken = self.at_once(update.build())?;
        let [slot] = *ManuallyDrop::into_inner(descriptors);
        match u32::try_from(slot) {
            Ok(slot) if taken == 1 => Ok(Slot(slot)),
            _ => Err(io::Error::from_raw_os_error(libc::ENFILE)),
        }
    }

    /// Does one operation, with those that are queued before it.
    fn at_once(&mut self, entry: squeue::Entry) -> io::Result<i32> {
        self.awaited = self.awaited.wrapping_add(1);
        let token = AWAITED | u64::from(self.awaited);
        self.push(entry, token);
        loop {
            self.enter(1, &SubmitArgs::new())?;
            self.set_aside();
            // The last of them, as a rule.
            if let Some(at) = self.aside.iter().rposition(|entry| entry.user_data() == token)
                && let Some(result) = self.aside.remove(at).map(|entry| entry.result())
            {
                #[cfg(enchufe_faults)]
                let result = self.faults.result(token, result);
                self.under_way -= 1;
                return if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) };
            }
        }
    }
}
