use super::*;
use crate::eventfd::EventFd;
use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

pub(super) const SIZE: Size =
    Size { operations: 8, completions: 32, sockets: 8, usual: (4, 16), large: (2, 64) };
const NOW: Option<Duration> = Some(Duration::ZERO);

pub(super) fn ring(size: Size) -> Ring {
    let mut ring = Ring::new(&size).unwrap();
    ring.enable().unwrap();
    ring
}

/// The next completion, which is to have this token.
pub(super) fn next(ring: &mut Ring, token: u64) -> Completion {
    loop {
        if let Some(completion) = ring.take() {
            assert_eq!(completion.token, token, "{completion:?}");
            return completion;
        }
        ring.hurry();
        ring.wait(None, Until::One).unwrap();
    }
}

pub(super) fn nothing_comes(ring: &mut Ring) {
    ring.wait(NOW, Until::One).unwrap();
    assert!(ring.take().is_none());
}

pub(super) fn code(completion: &Completion) -> Option<i32> {
    completion.result().err().and_then(|error| error.raw_os_error())
}

/// A client and the slot of the server's end.
pub(super) fn connection(ring: &mut Ring) -> (TcpStream, Slot) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let slot = ring.adopt(&listener.accept().unwrap().0).unwrap();
    (client, slot)
}

#[test]
fn the_kernel_has_what_is_needed() {
    probe().unwrap();
}

#[test]
fn whoever_comes_is_let_in_echoes_and_is_closed() {
    let mut ring = ring(SIZE);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    ring.accept(&listener, 1);
    for turn in 0..3_u8 {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = next(&mut ring, 1);
        let slot = accepted.slot().unwrap();
        assert!(accepted.goes_on);
        ring.receive(slot, 2);
        for round in 0..10 {
            client.write_all(&[turn, round, 7]).unwrap();
            let came = next(&mut ring, 2);
            let piece = came.piece.unwrap();
            assert!(came.goes_on && ring.bytes(piece) == [turn, round, 7]);
            ring.send(slot, piece, 1..3, 3);
            ring.give(piece);
            assert_eq!(ring.bytes(piece), [turn, round, 7], "while it is sent it stays");
            assert_eq!(next(&mut ring, 3).result().unwrap(), 2);
            assert!(ring.bytes(piece).is_empty());
            let mut back = [0; 2];
            client.read_exact(&mut back).unwrap();
            assert_eq!(back, [round, 7]);
        }
        client.shutdown(Shutdown::Write).unwrap();
        let end = next(&mut ring, 2);
        assert!(end.result().unwrap() == 0 && end.piece.is_none() && !end.goes_on);
        ring.send_copy(slot, b"bye", 4);
        ring.close(slot, 5);
        assert_eq!(next(&mut ring, 4).result().unwrap(), 3);
        next(&mut ring, 5).result().unwrap();
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "bye");
    }
    assert_eq!((ring.free_buffers(Class::Usual), ring.held()), ((4, 4), 0));
}

#[test]
fn what_is_sent_twice_stays_until_both_are_over() {
    let mut ring = ring(SIZE);
    let (mut client, slot) = connection(&mut ring);
    client.write_all(b"hola").unwrap();
    ring.receive_once(slot, Class::Usual, 1);
    let piece = next(&mut ring, 1).piece.unwrap();
    ring.send(slot, piece, 0..2, 2);
    ring.send(slot, piece, 2..4, 3);
    ring.give(piece);
    next(&mut ring, 2).result().unwrap();
    assert_eq!(ring.bytes(piece), b"hola", "the kernel may read it still");
    next(&mut ring, 3).result().unwrap();
    assert_eq!((ring.held(), ring.free_buffers(Class::Usual)), (0, (4, 4)));
}

#[test]
fn a_token_of_the_callers_is_never_taken_for_one_of_a_send() {
    let mut ring = ring(SIZE);
    let (_client, slot) = connection(&mut ring);
    ring.room(slot, u64::MAX);
    ring.room(slot, OWN);
    next(&mut ring, u64::MAX >> 2).result().unwrap();
    next(&mut ring, 0).result().unwrap();
}

#[test]
fn buffers_that_no_memory_can_hold_are_refused() {
    for size in [usize::MAX, usize::MAX / 4, (usize::MAX >> 2) + 1, usize::MAX / 2 - 1000] {
        assert!(Ring::new(&Size { usual: (4, size), ..SIZE }).is_err(), "{size}");
    }
}

#[test]
fn without_buffers_a_receive_ends_and_a_detached_piece_makes_room() {
    let mut ring = ring(SIZE);
    let (mut client, slot) = connection(&mut ring);
    client.write_all(&[b'x'; 16 * 6]).unwrap();
    ring.receive(slot, 1);
    let pieces: Vec<Piece> = (0..4).map(|_| next(&mut ring, 1).piece.unwrap()).collect();
    let short = next(&mut ring, 1);
    assert!(code(&short) == Some(libc::ENOBUFS) && !short.goes_on);
    assert_eq!(ring.free_buffers(Class::Usual), (0, 4));
    ring.detach(pieces[0]);
    ring.detach(pieces[0]);
    assert_eq!((ring.free_buffers(Class::Usual), ring.bytes(pieces[0])), ((1, 4), &[b'x'; 16][..]));
    ring.receive_once(slot, Class::Usual, 2);
    let more = next(&mut ring, 2);
    assert!(more.result().unwrap() == 16 && !more.goes_on);
    for piece in pieces.into_iter().chain(more.piece) {
        ring.give(piece);
        ring.give(piece);
    }
    assert_eq!((ring.free_buffers(Class::Usual), ring.held()), ((4, 4), 0));
}

#[test]
fn a_stream_has_large_buffers_which_are_counted_apart() {
    let mut ring = ring(SIZE);
    let (mut client, slot) = connection(&mut ring);
    client.write_all(&[b'x'; 100]).unwrap();
    ring.receive_once(slot, Class::Large, 1);
    let first = next(&mut ring, 1);
    assert!(first.result().unwrap() == 64 && !first.goes_on);
    let large = first.piece.unwrap();
    ring.receive_once(slot, Class::Usual, 2);
    let usual = next(&mut ring, 2).piece.unwrap();
    assert_eq!((ring.class(large), ring.class(usual)), (Some(Class::Large), Some(Class::Usual)));
    assert_eq!((ring.free_buffers(Class::Large), ring.free_buffers(Class::Usual)), ((1, 2), (3, 4)));
    ring.detach(large);
    assert_eq!((ring.class(large), ring.bytes(large)), (None, &[b'x'; 64][..]));
    assert_eq!(ring.free_buffers(Class::Large), (2, 2));
}

#[test]
fn more_operations_and_completions_than_there_is_room_for_are_all_told() {
    let mut ring = ring(Size { completions: 8, ..SIZE });
    let (mut client, slot) = connection(&mut ring);
    for token in 0..100 {
        ring.send_copy(slot, b"abc", token);
    }
    for token in 0..100 {
        assert_eq!(next(&mut ring, token).result().unwrap(), 3);
    }
    let mut all = [0; 300];
    client.read_exact(&mut all).unwrap();
    assert_eq!(all.chunks(3).filter(|bytes| bytes == b"abc").count(), 100);
    assert_eq!((ring.sends.len(), ring.under_way), (0, 0));
}

#[test]
fn what_is_watched_is_told_once_and_can_be_cancelled() {
    let mut ring = ring(SIZE);
    let (client, slot) = connection(&mut ring);
    ring.room(slot, 1);
    next(&mut ring, 1).result().unwrap();
    ring.watch(slot, 2);
    ring.receive(slot, 3);
    nothing_comes(&mut ring);
    ring.cancel(slot, 4);
    let mut ended: Vec<(u64, Option<i32>)> = Vec::new();
    while ended.len() < 3 {
        ring.wait(None, Until::One).unwrap();
        ended.extend(std::iter::from_fn(|| ring.take()).map(|one| (one.token, code(&one))));
    }
    ended.sort_unstable();
    assert_eq!(ended, [(2, Some(libc::ECANCELED)), (3, Some(libc::ECANCELED)), (4, None)]);
    ring.watch(slot, 5);
    client.shutdown(Shutdown::Write).unwrap();
    let ended = next(&mut ring, 5);
    assert!(!ended.has_error() && ended.goes_on, "{ended:?}");
    ring.error(slot, 6);
    assert_eq!(next(&mut ring, 6).result().unwrap(), 0);
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let reset = next(&mut ring, 5);
    assert!(reset.has_error(), "{reset:?}");
    ring.error(slot, 7);
    // What a reset is after the peer's FIN (`tcp_reset`).
    assert_eq!(code(&next(&mut ring, 7)), Some(libc::EPIPE));
    assert!(
        ring.descriptor(slot).is_ok_and(|socket| TcpStream::from(socket).take_error().unwrap().is_none())
    );
}

#[test]
fn a_borrowed_socket_is_the_same_and_a_full_table_says_so() {
    let mut ring = ring(Size { sockets: 1, ..SIZE });
    let (client, slot) = connection(&mut ring);
    let borrowed = TcpStream::from(ring.descriptor(slot).unwrap());
    assert_eq!(borrowed.peer_addr().unwrap(), client.local_addr().unwrap());
    let full = ring.adopt(&OwnedFd::from(borrowed)).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(libc::ENFILE));
    ring.close(slot, 1);
    next(&mut ring, 1).result().unwrap();
    let gone = ring.descriptor(slot).unwrap_err();
    assert_eq!(gone.raw_os_error(), Some(libc::EBADF));
    assert_eq!((&client).read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_close_can_be_made_a_reset() {
    let mut ring = ring(SIZE);
    let (mut client, slot) = connection(&mut ring);
    ring.reset_at_close(slot, 1);
    ring.close(slot, 2);
    next(&mut ring, 1).result().unwrap();
    next(&mut ring, 2).result().unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_wait_for_several_ends_with_the_first_after_its_time() {
    let mut ring = ring(SIZE);
    let (mut client, slot) = connection(&mut ring);
    ring.receive(slot, 1);
    client.write_all(b"x").unwrap();
    ring.wait(None, Until::Several(1_000, Duration::from_micros(50))).unwrap();
    assert!(ring.take().is_some());
    ring.wait(Some(Duration::from_millis(1)), Until::Several(1_000, Duration::from_micros(50))).unwrap();
    assert!(ring.take().is_none());
}

#[test]
fn a_wait_for_several_without_an_end_does_not_end_for_nothing() {
    let mut ring = ring(SIZE);
    let (mut client, slot) = connection(&mut ring);
    ring.receive(slot, 1);
    // Time for what should not be: it would end a thousand times.
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        client.write_all(b"x").unwrap();
        client
    });
    let mut waits = 0;
    while ring.take().is_none() {
        ring.wait(None, Until::Several(1_000, Duration::from_micros(50))).unwrap();
        waits += 1;
    }
    // A signal may end one early.
    assert!(waits < 10, "{waits} waits");
    drop(writer.join().unwrap());
}

#[test]
fn a_ring_that_goes_ends_what_is_under_way() {
    let mut ring = ring(SIZE);
    let (mut client, slot) = connection(&mut ring);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    ring.receive(slot, 1);
    ring.accept(&listener, 2);
    nothing_comes(&mut ring);
    drop(ring);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn one_ring_is_waited_for_and_tells_of_another() {
    let (mut first, mut other) = (ring(SIZE), ring(SIZE));
    let bell = EventFd::new().unwrap();
    other.tell(&bell).unwrap();
    let (mut client, slot) = connection(&mut other);
    other.receive(slot, 1);
    nothing_comes(&mut other);
    for turn in 0..5 {
        first.readable(&bell, 9);
        assert!(!other.has_news());
        client.write_all(&[turn]).unwrap();
        next(&mut first, 9).result().unwrap();
        assert!(bell.take().unwrap() > 0 && other.has_news());
        other.wait(NOW, Until::One).unwrap();
        let came = other.take().unwrap();
        other.give(came.piece.unwrap());
    }
}
