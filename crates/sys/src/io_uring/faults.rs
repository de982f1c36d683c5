//! Operations that fail by a plan (`crate::faults`).
//!
//! One that is to fail as it begins is replaced by one that does nothing, whose completion has the error. One that goes on, and is to fail
//! where it would do the next of what it does, is cancelled, and has the error in the place of that.

use super::{OWN, Ring, Size};
use crate::faults::{Call, inject, is_short};
use io_uring::types::CancelBuilder;
use io_uring::{opcode, squeue};
use std::collections::HashMap;

/// Of an operation of this module: that it is over is of no interest to anybody.
const NOBODYS: u64 = OWN | u64::MAX;

/// What operations are to end with, by their tokens.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// The number of the error, and the result in whose place it comes.
    errors: HashMap<u64, (i32, i32)>,
    /// Those that may go on, and what each stands for.
    going_on: HashMap<u64, Call>,
    /// None is to fail, nor counts.
    spares: bool,
}

impl Faults {
    /// Has no operation fail: whether there are rings at all is not to hang on a plan for a server.
    pub(super) fn spare(&mut self) {
        self.spares = true;
    }

    /// What is to be handed over.
    pub(super) fn instead_of(&mut self, entry: squeue::Entry, token: u64) -> squeue::Entry {
        let Some(call) = stands_for(&entry).filter(|_| !self.spares) else { return entry };
        if matches!(call, Call::Accept | Call::Recv) {
            self.going_on.insert(token, call);
        }
        let Some(error) = error_of(call) else { return entry };
        self.errors.insert(token, (error, 0));
        if call == Call::Close { entry } else { opcode::Nop::new().build() }
    }

    /// What this operation, which is over, has come to.
    pub(super) fn result(&mut self, token: u64, result: i32) -> i32 {
        self.going_on.remove(&token);
        match self.errors.remove(&token) {
            Some((error, instead_of)) if instead_of == result => -error,
            _ => result,
        }
    }

    /// The error that one which has told something is to end with before it tells more.
    fn next_of(&mut self, token: u64) -> Option<i32> {
        let call = *self.going_on.get(&token)?;
        if self.errors.contains_key(&token) {
            return None;
        }
        let error = error_of(call)?;
        self.errors.insert(token, (error, -libc::ECANCELED));
        Some(error)
    }
}

impl Ring {
    /// What a send of so many bytes that is about to be queued has of them. Where the kernel sends less, that is told at once.
    pub(super) fn shortened(&mut self, length: i32) -> i32 {
        if !is_short(Call::Send, 1) {
            return length;
        }
        self.hurry();
        length - length / 2
    }

    /// What a completion says.
    pub(super) fn faulty(&mut self, token: u64, result: i32, goes_on: bool) -> i32 {
        if !goes_on {
            return self.faults.result(token, result);
        }
        if self.faults.next_of(token).is_some() {
            let cancel = opcode::AsyncCancel2::new(CancelBuilder::user_data(token));
            self.queue(&cancel.build().user_data(NOBODYS));
        }
        result
    }
}

fn stands_for(entry: &squeue::Entry) -> Option<Call> {
    let is = |code: u8| entry.get_opcode() == u32::from(code);
    let calls = [
        (opcode::AcceptMulti::CODE, Call::Accept),
        (opcode::Recv::CODE, Call::Recv),
        (opcode::Send::CODE, Call::Send),
        (opcode::Shutdown::CODE, Call::Shutdown),
        (opcode::SetSockOpt::CODE, Call::SetSockOpt),
        (opcode::PollAdd::CODE, Call::PollAdd),
        (opcode::AsyncCancel2::CODE, Call::AsyncCancel),
        (opcode::Close::CODE, Call::Close),
        (opcode::FixedFdInstall::CODE, Call::FixedFdInstall),
        (opcode::FilesUpdate::CODE, Call::FilesUpdate),
    ];
    calls.into_iter().find(|(code, _)| is(*code)).map(|(_, call)| call)
}

/// Counts one, and says what it fails with.
fn error_of(call: Call) -> Option<i32> {
    inject(call).err()?.raw_os_error()
}

/// How large a ring is that was to have this size.
pub(super) fn small(size: &Size) -> Size {
    let mut size = *size;
    if is_short(Call::RingSetup, 0) {
        (size.operations, size.completions) = (2, 4);
    }
    if is_short(Call::RingRegister, 1) {
        (size.usual.0, size.large.0) = (4, 2);
    }
    size
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SIZE, code, connection, next, ring};
    use super::super::{Class, Completion, Until};
    use super::*;
    use crate::faults::{made, set};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    /// A plan is the process's: one test at a time.
    fn plan(text: &str) -> MutexGuard<'static, ()> {
        static ONE: Mutex<()> = Mutex::new(());
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        set(text).unwrap();
        one
    }

    /// The next completion that is not of this module.
    fn told(ring: &mut Ring) -> Completion {
        loop {
            match ring.take() {
                Some(completion) if completion.token != NOBODYS => return completion,
                Some(_) => {}
                None => ring.wait(None, Until::One).unwrap(),
            }
        }
    }

    #[test]
    fn an_operation_that_fails_as_it_begins_was_not_made() {
        let _one = plan("recv:ENOMEM:1 send:EPIPE:1 send:short:2");
        let mut ring = ring(SIZE);
        let (mut client, slot) = connection(&mut ring);
        client.write_all(b"hola").unwrap();
        ring.receive(slot, 1);
        let failed = next(&mut ring, 1);
        assert!(code(&failed) == Some(libc::ENOMEM) && !failed.goes_on);
        ring.receive(slot, 1);
        let piece = next(&mut ring, 1).piece.unwrap();
        assert_eq!(ring.bytes(piece), b"hola");
        ring.send(slot, piece, 0..4, 2);
        assert_eq!(code(&next(&mut ring, 2)), Some(libc::EPIPE));
        ring.send(slot, piece, 0..4, 3);
        assert_eq!(next(&mut ring, 3).result().unwrap(), 2);
        let mut back = [0; 2];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ho");
        assert_eq!((made(Call::Recv), made(Call::Send)), (3, 2));
    }

    #[test]
    fn what_goes_on_ends_with_its_error_and_all_that_came_before_is_told() {
        let _one = plan("");
        let mut ring = ring(SIZE);
        let (mut client, slot) = connection(&mut ring);
        ring.receive(slot, 1);
        ring.wait(Some(Duration::ZERO), Until::One).unwrap();
        set("recv:ECONNRESET:2 async_cancel:ENOENT").unwrap();
        for (text, goes_on) in [("one", true), ("two", true)] {
            client.write_all(text.as_bytes()).unwrap();
            let came = told(&mut ring);
            assert_eq!((came.token, came.goes_on), (1, goes_on));
            assert_eq!(ring.bytes(came.piece.unwrap()), text.as_bytes());
        }
        let end = told(&mut ring);
        assert!(end.token == 1 && code(&end) == Some(libc::ECONNRESET) && !end.goes_on, "{end:?}");
        client.write_all(b"three").unwrap();
        ring.receive_once(slot, Class::Usual, 2);
        let came = told(&mut ring);
        assert_eq!(ring.bytes(came.piece.unwrap()), b"three");
    }

    #[test]
    fn who_waits_behind_an_accept_that_failed_is_let_in_by_the_next() {
        let _one = plan("accept4:EMFILE:2");
        let mut ring = ring(SIZE);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        ring.accept(&listener, 1);
        let _first = connect();
        assert!(told(&mut ring).slot().is_some());
        let failed = told(&mut ring);
        assert!(code(&failed) == Some(libc::EMFILE) && !failed.goes_on);
        let _second = connect();
        ring.accept(&listener, 1);
        assert!(told(&mut ring).slot().is_some());
    }

    #[test]
    fn a_socket_that_cannot_be_borrowed_or_taken_in_is_said_to_be_so_and_a_close_is_made() {
        let _one = plan("fixed_fd_install:EMFILE:1 files_update:ENOMEM:2 close:EIO");
        let mut ring = ring(SIZE);
        let (mut client, slot) = connection(&mut ring);
        assert_eq!(ring.descriptor(slot).unwrap_err().raw_os_error(), Some(libc::EMFILE));
        let socket = ring.descriptor(slot).unwrap();
        assert_eq!(ring.adopt(&socket).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
        drop(socket);
        ring.close(slot, 3);
        assert_eq!(code(&next(&mut ring, 3)), Some(libc::EIO));
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_ring_that_cannot_be_entered_says_so_and_keeps_what_is_queued() {
        let _one = plan("io_uring_enter:EINTR:1..3 io_uring_enter:EAGAIN:3..5");
        let mut one = ring(SIZE);
        let (mut client, slot) = connection(&mut one);
        client.write_all(b"hola").unwrap();
        one.receive(slot, 1);
        assert!(next(&mut one, 1).piece.is_some());
        set("io_uring_enter:ENOMEM:1").unwrap();
        let failed = one.wait(None, Until::One).unwrap_err();
        assert_eq!(failed.raw_os_error(), Some(libc::ENOMEM));
        // More than are queued: it takes none any more.
        for token in 0..20 {
            one.send_copy(slot, b"x", token);
        }
        assert_eq!(one.wait(None, Until::One).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
        assert_eq!(one.descriptor(slot).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
    }

    #[test]
    fn a_ring_that_cannot_be_had_says_why() {
        for (text, error) in [
            ("io_uring_setup:EMFILE:1", libc::EMFILE),
            ("io_uring_register:ENOMEM:1", libc::ENOMEM),
            ("io_uring_register:ENOMEM:2", libc::ENOMEM),
        ] {
            let _one = plan(text);
            assert_eq!(Ring::new(&SIZE).unwrap_err().raw_os_error(), Some(error));
        }
    }

    /// Multishot operations end where their completions do not fit, and buffers run out.
    #[test]
    fn a_small_ring_loses_nothing() {
        let _one = plan("io_uring_setup:short io_uring_register:short");
        let mut ring =
            ring(crate::io_uring::Size { operations: 64, completions: 256, usual: (64, 16), ..SIZE });
        assert_eq!((ring.free_buffers(Class::Usual).1, ring.free_buffers(Class::Large).1), (4, 2));
        let (mut client, slot) = connection(&mut ring);
        let sent: Vec<u8> = (0..200).collect();
        client.write_all(&sent).unwrap();
        ring.receive(slot, 1);
        let (mut came, mut begun) = (Vec::new(), 1);
        while came.len() < sent.len() {
            let completion = told(&mut ring);
            if let Some(piece) = completion.piece {
                came.extend_from_slice(ring.bytes(piece));
                ring.give(piece);
            }
            if !completion.goes_on {
                begun += 1;
                ring.receive(slot, 1);
            }
        }
        assert!(came == sent && begun > 2, "begun {begun} times");
    }
}
