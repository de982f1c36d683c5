//! Which call put which segment on the wire: recordings written by hand, and what follows from RFC 9293 and the kernel's
//! own counters.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod play;
mod talk;

use enchufe_story::fact::{Arguments, Syscall};
use play::{C, CLOSE, CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, L, LISTEN, Play, S, at, bytes};
use talk::craft::packets::{A, B};
use talk::{ACK, FIN, PSH, RST, SYN};

/// A server that listens, a client that says nineteen bytes, and their echo; the client closes first.
#[test]
fn an_echo_is_told_call_by_call() {
    let mut play = Play::opened();
    let said = |play: &Play, socket, state, written, read| play.said(socket, state, written, read, 0);
    let recv = play.enter(Syscall::Recvfrom, S, bytes(1024));
    let send = play.enter(Syscall::Sendto, C, bytes(19));
    play.a(PSH | ACK, 1, 1, 19);
    play.b(ACK, 1, 20, 0);
    let reading = said(&play, C, ESTABLISHED, 19, 0);
    play.leave(send, 19, reading);
    let reading = said(&play, S, ESTABLISHED, 0, 19);
    play.leave(recv, 19, reading);
    let back = play.enter(Syscall::Recvfrom, C, bytes(1024));
    let send = play.enter(Syscall::Sendto, S, bytes(19));
    play.b(PSH | ACK, 1, 20, 19);
    play.a(ACK, 20, 20, 0);
    let reading = said(&play, S, ESTABLISHED, 19, 19);
    play.leave(send, 19, reading);
    let reading = said(&play, C, ESTABLISHED, 19, 19);
    play.leave(back, 19, reading);
    let close = play.enter_drops(Syscall::Close, C, Arguments::None, &[C]);
    play.a(FIN | ACK, 20, 20, 0);
    play.b(ACK, 20, 21, 0);
    play.leave(close, 0, None);
    let end = play.enter(Syscall::Recvfrom, S, bytes(1024));
    let reading = said(&play, S, CLOSE_WAIT, 19, 19);
    play.leave(end, 0, reading);
    let close = play.enter_drops(Syscall::Close, S, Arguments::None, &[S]);
    play.b(FIN | ACK, 20, 21, 0);
    play.a(ACK, 21, 21, 0);
    play.leave(close, 0, None);
    let close = play.enter_drops(Syscall::Close, L, Arguments::None, &[L]);
    play.leave(close, 0, None);
    play.ends_with(&[
        "> socket#1",
        "< socket#1",
        "> bind#2",
        "< bind#2",
        "> listen#3",
        "< listen#3 CLOSED to LISTEN by it",
        "> accept#4",
        "> connect#5",
        "#1 a SYN; connect#5 opens; now: inside connect#5; a SYN-SENT",
        "#2 b SYN,ACK; listen#3 listens; now: answers #1; b LISTEN; b SYN-RECEIVED",
        "#3 a ACK; connect#5 completes; now: answers #2; a ESTABLISHED; b (ESTABLISHED)",
        "< connect#5",
        "< accept#4 ESTABLISHED to ESTABLISHED",
        "> recvfrom#6",
        "> sendto#7",
        "#4 a PSH,ACK 0..19; sendto#7 writes 0..19; now: inside sendto#7",
        "#5 b ACK; now: (answers #4 or timer-delayed-ack)",
        "< sendto#7 wrote 0..19",
        "< recvfrom#6 read 0..19 from [4]",
        "> recvfrom#8",
        "> sendto#9",
        "#6 b PSH,ACK 0..19; sendto#9 writes 0..19; now: inside sendto#9",
        "#7 a ACK; now: (answers #6 or timer-delayed-ack)",
        "< sendto#9 wrote 0..19",
        "< recvfrom#8 read 0..19 from [6]",
        "> close#10",
        "#8 a FIN,ACK; close#10 ends; now: inside close#10; a FIN-WAIT-1",
        "#9 b ACK; now: (answers #8 or timer-delayed-ack); b CLOSE-WAIT; a (FIN-WAIT-2)",
        "< close#10",
        "> recvfrom#11",
        "< recvfrom#11",
        "> close#12",
        "#10 b FIN,ACK; close#12 ends; now: inside close#12; b LAST-ACK",
        "#11 a ACK; now: (answers #10 or timer-delayed-ack); a FIN-WAIT-2; a TIME-WAIT; b (CLOSED)",
        "< close#12",
        "> close#13",
        "< close#13 LISTEN to CLOSED by it",
    ]);
}

/// The client writes while nothing else happens: the call, its segment inside, and the acknowledgement.
fn says(play: &mut Play, from: u64, len: u64, ack: u32) {
    let send = play.enter(Syscall::Sendto, C, bytes(len));
    let seq = u32::try_from(from).unwrap() + 1;
    play.a(PSH | ACK, seq, 1, usize::try_from(len).unwrap());
    play.b(ACK, 1, ack, 0);
    let said = play.said(C, ESTABLISHED, from + len, 0, 0);
    play.leave(send, i64::try_from(len).unwrap(), said);
}

/// The server takes one message and closes; who closes first is in FIN-WAIT, as the kernel says too.
#[test]
fn a_server_of_one_message_closes_both_of_its_sockets() {
    let mut play = Play::opened();
    says(&mut play, 0, 4, 5);
    let close = play.enter_drops(Syscall::Close, C, Arguments::None, &[C]);
    play.a(FIN | ACK, 5, 1, 0);
    play.b(ACK, 1, 6, 0);
    play.leave(close, 0, None);
    let said = play.said(S, CLOSE_WAIT, 0, 4, 0);
    play.call(Syscall::Recvfrom, S, bytes(1024), 4, said);
    let exit = play.enter_drops(Syscall::ExitGroup, 0, Arguments::Status(0), &[S, L]);
    play.b(FIN | ACK, 1, 6, 0);
    play.a(ACK, 6, 2, 0);
    play.ends_with(&[
        "> sendto#6",
        "#4 a PSH,ACK 0..4; sendto#6 writes 0..4; now: inside sendto#6",
        "#5 b ACK; now: (answers #4 or timer-delayed-ack)",
        "< sendto#6 wrote 0..4",
        "> close#7",
        "#6 a FIN,ACK; close#7 ends; now: inside close#7; a FIN-WAIT-1",
        "#7 b ACK; now: (answers #6 or timer-delayed-ack); b CLOSE-WAIT; a (FIN-WAIT-2)",
        "< close#7",
        "> recvfrom#8",
        "< recvfrom#8 read 0..4 from [4]",
        "> exit_group#9",
        "#8 b FIN,ACK; exit_group#9 ends; now: inside exit_group#9; b LAST-ACK",
        "#9 a ACK; now: (answers #8 or timer-delayed-ack); a FIN-WAIT-2; a TIME-WAIT; b (CLOSED)",
    ]);
    let _ = exit;
}

/// Nagle's algorithm (RFC 9293 §3.7.4): what is short waits until all that was sent is acknowledged.
#[test]
fn two_sends_leave_in_one_segment_when_the_acknowledgement_comes() {
    let mut play = Play::opened();
    let send = play.enter(Syscall::Sendto, C, bytes(10));
    play.a(PSH | ACK, 1, 1, 10);
    let said = play.said(C, ESTABLISHED, 10, 0, 0);
    play.leave(send, 10, said);
    for written in [15, 20] {
        let said = play.said(C, ESTABLISHED, written, 0, 0);
        play.call(Syscall::Sendto, C, bytes(5), 5, said);
    }
    play.wait(40_000_000);
    play.b(ACK, 1, 11, 0);
    play.a(PSH | ACK, 11, 1, 10);
    play.ends_with(&[
        "> sendto#6",
        "#4 a PSH,ACK 0..10; sendto#6 writes 0..10; now: inside sendto#6",
        "< sendto#6 wrote 0..10",
        "> sendto#7",
        "< sendto#7 wrote 10..15",
        "> sendto#8",
        "< sendto#8 wrote 15..20",
        "#5 b ACK; now: (timer-delayed-ack or answers #4)",
        "#6 a PSH,ACK 10..20; sendto#7 writes 10..15; sendto#8 writes 15..20; now: (released-nagle #5)",
    ]);
}

#[test]
fn who_turned_nagles_algorithm_off_waits_for_something_else() {
    let mut play = Play::opened();
    let nodelay = Arguments::Option { level: 6, name: 1, value: Some(1) };
    let said = play.said(C, ESTABLISHED, 0, 0, 0);
    play.call(Syscall::Setsockopt, C, nodelay, 0, said);
    let send = play.enter(Syscall::Sendto, C, bytes(10));
    play.a(PSH | ACK, 1, 1, 10);
    let said = play.said(C, ESTABLISHED, 10, 0, 0);
    play.leave(send, 10, said);
    let said = play.said(C, ESTABLISHED, 15, 0, 0);
    play.call(Syscall::Sendto, C, bytes(5), 5, said);
    play.wait(40_000_000);
    play.b(ACK, 1, 11, 0);
    play.a(PSH | ACK, 11, 1, 5);
    play.ends_with(&["#6 a PSH,ACK 10..15; sendto#8 writes 10..15; now: (released-flight #5)"]);
}

#[test]
fn one_send_leaves_in_many_segments_and_waits_for_the_window() {
    let mut play = Play::opened();
    let send = play.enter(Syscall::Sendto, C, bytes(1_500));
    // The server's window is a thousand bytes.
    play.a(ACK, 1, 1, 600);
    play.a(PSH | ACK, 601, 1, 400);
    let said = play.said(C, ESTABLISHED, 1_500, 0, 0);
    play.leave(send, 1_500, said);
    play.b(ACK, 1, 601, 0);
    play.a(PSH | ACK, 1_001, 1, 500);
    play.ends_with(&[
        "> sendto#6",
        "#4 a ACK 0..600; sendto#6 writes 0..600; now: inside sendto#6",
        "#5 a PSH,ACK 600..1000; sendto#6 writes 600..1000; now: inside sendto#6",
        "< sendto#6 wrote 0..1500",
        "#6 b ACK; now: (answers #5 or timer-delayed-ack)",
        "#7 a PSH,ACK 1000..1500; sendto#6 writes 1000..1500; now: (released-window #6)",
    ]);
}

#[test]
fn of_very_many_calls_in_one_segment_the_first_are_named_and_the_others_counted() {
    let mut play = Play::opened();
    for written in 1..=100 {
        let said = play.said(C, ESTABLISHED, written, 0, 0);
        play.call(Syscall::Sendto, C, bytes(1), 1, said);
    }
    play.a(PSH | ACK, 1, 1, 100);
    let segment = play.segments().pop().unwrap();
    assert_eq!((segment.by.len(), segment.more), (64, 36));
}

#[test]
fn bytes_that_are_sent_again_are_of_the_call_that_wrote_them() {
    let mut play = Play::opened();
    let send = play.enter(Syscall::Write, C, bytes(19));
    play.a(PSH | ACK, 1, 1, 19);
    let said = play.said(C, ESTABLISHED, 19, 0, 0);
    play.leave(send, 19, said);
    // Another call waits while the timer runs: it causes nothing.
    play.enter(Syscall::Recvfrom, C, bytes(1024));
    play.wait(200_000_000);
    play.a(PSH | ACK, 1, 1, 19);
    play.b(ACK, 1, 20, 0);
    play.ends_with(&[
        "< write#6 wrote 0..19",
        "> recvfrom#7",
        "#5 a PSH,ACK 0..19; write#6 writes-again 0..19; now: (timer-retransmission or timer-tail-loss-probe)",
        "#6 b ACK; now: (answers #5 or timer-delayed-ack)",
    ]);
}

/// RFC 9293 §3.6.1, RFC 2525 §2.17.
#[test]
fn to_close_with_bytes_unread_resets() {
    let mut play = Play::opened();
    says(&mut play, 0, 19, 20);
    let said = play.said(S, ESTABLISHED, 0, 5, 14);
    play.call(Syscall::Read, S, bytes(5), 5, said);
    let close = play.enter_drops(Syscall::Close, S, Arguments::None, &[S]);
    play.b(RST | ACK, 1, 20, 0);
    play.leave(close, 0, None);
    let said = play.said(C, CLOSE, 19, 0, 0);
    play.call(Syscall::Read, C, bytes(5), -104, said);
    play.ends_with(&[
        "> read#7",
        "< read#7 read 0..5 from [4]",
        "> close#8",
        "#6 b RST,ACK; close#8 leaves-unread 14; now: inside close#8; b CLOSED; a (CLOSED)",
        "< close#8",
        "> read#9",
        "< read#9 CLOSED to CLOSED",
    ]);
}

#[test]
fn what_the_kernel_says_before_the_last_reference_is_dropped_is_the_proof() {
    for unread in [7, 0] {
        let mut play = Play::opened();
        let send = play.enter(Syscall::Write, C, bytes(7));
        play.a(PSH | ACK, 1, 1, 7);
        let said = play.said(C, ESTABLISHED, 7, 0, 0);
        play.leave(send, 7, said);
        // Nothing acknowledges the bytes: without the kernel's word they may be on their way still.
        play.before.extend(play.said(S, ESTABLISHED, 0, 0, unread));
        play.enter_drops(Syscall::Exit, 0, Arguments::Status(0), &[S]);
        play.b(RST, 1, 0, 0);
        let expected = if unread > 0 {
            "#5 b RST; exit#7 leaves-unread 7; now: inside exit#7; b CLOSED; a (CLOSED)"
        } else {
            "#5 b RST; (exit#7 leaves-unread 7); now: (inside exit#7); b CLOSED; a (CLOSED)"
        };
        play.ends_with(&[expected]);
    }
}

#[test]
fn a_linger_time_of_zero_resets_and_with_bytes_unread_it_is_one_of_two_causes() {
    for (read, expected) in [(19, "close#9 aborts"), (5, "(close#9 leaves-unread 14); (close#9 aborts)")] {
        let mut play = Play::opened();
        says(&mut play, 0, 19, 20);
        let said = play.said(S, ESTABLISHED, 0, read, 19 - read);
        play.call(Syscall::Read, S, bytes(read), i64::try_from(read).unwrap(), said);
        let linger = Arguments::Option { level: 1, name: 13, value: Some(0) };
        play.call(Syscall::Setsockopt, S, linger, 0, said);
        let close = play.enter_drops(Syscall::Close, S, Arguments::None, &[S]);
        play.b(RST | ACK, 1, 20, 0);
        play.leave(close, 0, None);
        let now = if read == 19 { "now: inside close#9" } else { "now: (inside close#9)" };
        play.ends_with(&[&format!("#6 b RST,ACK; {expected}; {now}; b CLOSED; a (CLOSED)"), "< close#9"]);
    }
}

#[test]
fn of_two_threads_that_write_at_once_both_are_named_until_their_results_tell() {
    let mut play = Play::opened();
    let one = play.enter(Syscall::Sendto, C, bytes(10));
    let two = play.enter(Syscall::Sendto, C, bytes(10));
    play.a(PSH | ACK, 1, 1, 10);
    // The kernel counts ten bytes when the first of them returns ten: they were its.
    let said = play.said(C, ESTABLISHED, 10, 0, 0);
    play.leave(two, 10, said);
    play.a(PSH | ACK, 11, 1, 10);
    let said = play.said(C, ESTABLISHED, 20, 0, 0);
    play.leave(one, 10, said);
    play.wait(200_000_000);
    play.a(PSH | ACK, 1, 1, 20);
    play.ends_with(&[
        "> sendto#6",
        "> sendto#7",
        "#4 a PSH,ACK 0..10; (sendto#6 or sendto#7 writes 0..10); now: (inside sendto#6 or inside sendto#7)",
        "< sendto#7 wrote 0..10",
        "#5 a PSH,ACK 10..20; sendto#6 writes 10..20; now: inside sendto#6",
        "< sendto#6 wrote 10..20",
        "#6 a PSH,ACK 0..20; sendto#7 writes-again 0..10; sendto#6 writes-again 10..20; now: (timer-retransmission)",
    ]);
}

#[test]
fn where_results_fit_more_than_one_way_all_are_named() {
    let mut play = Play::opened();
    let one = play.enter(Syscall::Sendto, C, bytes(10));
    let two = play.enter(Syscall::Sendto, C, bytes(10));
    let said = play.said(C, ESTABLISHED, 15, 0, 0);
    play.leave(one, 10, said);
    let said = play.said(C, ESTABLISHED, 20, 0, 0);
    play.leave(two, 10, said);
    play.a(PSH | ACK, 1, 1, 20);
    play.ends_with(&[
        "< sendto#6 wrote (0..15 or sendto#7)",
        "< sendto#7 wrote (0..15 or sendto#6) wrote 15..20",
        "#4 a PSH,ACK 0..20; (sendto#6 or sendto#7 writes 0..15); sendto#7 writes 15..20",
    ]);
}

#[test]
fn who_has_shut_down_ended_the_stream_and_the_close_after_it_did_not() {
    let mut play = Play::opened();
    let shut = play.enter(Syscall::Shutdown, C, Arguments::How(1));
    play.a(FIN | ACK, 1, 1, 0);
    play.b(ACK, 1, 2, 0);
    let said = play.said(C, FIN_WAIT2, 0, 0, 0);
    play.leave(shut, 0, said);
    let send = play.enter(Syscall::Write, S, bytes(6));
    play.b(PSH | ACK, 1, 2, 6);
    play.a(ACK, 2, 7, 0);
    let said = play.said(S, CLOSE_WAIT, 6, 0, 0);
    play.leave(send, 6, said);
    let close = play.enter_drops(Syscall::Close, S, Arguments::None, &[S]);
    play.b(FIN | ACK, 7, 2, 0);
    play.a(ACK, 2, 8, 0);
    play.leave(close, 0, None);
    let close = play.enter_drops(Syscall::Close, C, Arguments::None, &[C]);
    play.leave(close, 0, None);
    play.ends_with(&[
        "> shutdown#6",
        "#4 a FIN,ACK; shutdown#6 ends; now: inside shutdown#6; a FIN-WAIT-1",
        "#5 b ACK; now: (answers #4 or timer-delayed-ack); b CLOSE-WAIT; a (FIN-WAIT-2)",
        "< shutdown#6 FIN-WAIT-2 to FIN-WAIT-2",
        "> write#7",
        "#6 b PSH,ACK 0..6; write#7 writes 0..6; now: inside write#7",
        "#7 a ACK; now: (answers #6 or timer-delayed-ack)",
        "< write#7 wrote 0..6",
        "> close#8",
        "#8 b FIN,ACK; close#8 ends; now: inside close#8; b LAST-ACK",
        "#9 a ACK; now: (answers #8 or timer-delayed-ack); a TIME-WAIT; b (CLOSED)",
        "< close#8",
        "> close#9",
        "< close#9",
    ]);
}

#[test]
fn a_fin_waits_behind_the_bytes_before_it() {
    let mut play = Play::opened();
    let send = play.enter(Syscall::Write, C, bytes(1_500));
    play.a(ACK, 1, 1, 1_000);
    let said = play.said(C, ESTABLISHED, 1_500, 0, 0);
    play.leave(send, 1_500, said);
    // The kernel counts the FIN that waits as a byte.
    let said = play.said(C, FIN_WAIT1, 1_501, 0, 0);
    play.call(Syscall::Shutdown, C, Arguments::How(2), 0, said);
    play.b(ACK, 1, 1_001, 0);
    play.a(FIN | PSH | ACK, 1_001, 1, 500);
    play.ends_with(&[
        "< write#6 wrote 0..1500",
        "> shutdown#7",
        "< shutdown#7 ESTABLISHED to FIN-WAIT-1 by it",
        "#5 b ACK; now: (answers #4 or timer-delayed-ack)",
        "#6 a FIN,PSH,ACK 1000..1500; write#6 writes 1000..1500; shutdown#7 ends; now: (released-window #5)",
    ]);
}

#[test]
fn nobody_listens() {
    let mut play = Play::new();
    let connect = play.enter(Syscall::Connect, C, Arguments::Address(at(B, 80)));
    play.a(SYN, 0, 0, 0);
    play.put(true, RST | ACK, 0, 1, |tcp| tcp.seq = 0);
    // The address is gone when the kernel is asked, the port is not.
    let said = play.said(C, CLOSE, 0, 0, 0).map(|mut said| {
        said.local = Some(at([0; 4], 1234));
        said.peer = None;
        said
    });
    play.leave(connect, -111, said);
    play.ends_with(&[
        "> connect#1",
        "#1 a SYN; connect#1 opens; now: inside connect#1; a SYN-SENT",
        "#2 b RST,ACK; now: answers #1; b CLOSED; a (CLOSED)",
        "< connect#1 CLOSED to CLOSED",
    ]);
}

#[test]
fn a_syn_that_is_sent_again_is_the_timers_while_connect_waits() {
    let mut play = Play::new();
    let connect = play.enter(Syscall::Connect, C, Arguments::Address(at(B, 80)));
    play.a(SYN, 0, 0, 0);
    play.wait(1_000_000_000);
    play.a(SYN, 0, 0, 0);
    let said = play.said(C, 2, 0, 0, 0);
    play.leave(connect, -4, said);
    play.ends_with(&[
        "#1 a SYN; connect#1 opens; now: inside connect#1; a SYN-SENT",
        "#2 a SYN; connect#1 opens; now: (timer-retransmission)",
        "< connect#1",
    ]);
}

#[test]
fn bytes_of_calls_that_were_not_seen_have_no_call_and_the_connection_says_so() {
    let mut play = Play::opened();
    play.a(PSH | ACK, 1, 1, 7);
    let send = play.enter(Syscall::Write, C, bytes(3));
    play.a(PSH | ACK, 8, 1, 3);
    let said = play.said(C, ESTABLISHED, 10, 0, 0);
    play.leave(send, 3, said);
    let send = play.enter(Syscall::Write, C, bytes(5));
    play.a(PSH | ACK, 11, 1, 5);
    let said = play.said(C, ESTABLISHED, 15, 0, 0);
    play.leave(send, 5, said);
    play.ends_with(&[
        "#4 a PSH,ACK 0..7",
        "> write#6",
        "#5 a PSH,ACK 7..10; (write#6 writes 7..10); now: (inside write#6)",
        "< write#6 wrote 7..10",
        "> write#7",
        "#6 a PSH,ACK 10..15; (write#7 writes 10..15); now: (inside write#7)",
        "< write#7 wrote 10..15",
    ]);
    let off: Vec<_> = play.segments().iter().map(|segment| segment.sender().off).collect();
    let unseen = Some(enchufe_story::trace::Off::UnseenCalls);
    assert_eq!(off, [None, None, None, unseen, unseen, unseen]);
}

#[test]
fn more_bytes_than_a_call_was_asked_for_are_not_all_its_own() {
    let mut play = Play::opened();
    let send = play.enter(Syscall::Write, C, bytes(3));
    play.a(PSH | ACK, 1, 1, 10);
    let said = play.said(C, ESTABLISHED, 10, 0, 0);
    play.leave(send, 3, said);
    play.ends_with(&[
        "> write#6",
        "#4 a PSH,ACK 0..10; (write#6 writes 0..10); now: (inside write#6)",
        "< write#6 wrote (0..10)",
    ]);
}

#[test]
fn a_read_makes_room_and_tells_it() {
    let mut play = Play::opened();
    let send = play.enter(Syscall::Write, C, bytes(1_000));
    play.a(PSH | ACK, 1, 1, 1_000);
    let said = play.said(C, ESTABLISHED, 1_000, 0, 0);
    play.leave(send, 1_000, said);
    play.put(true, ACK, 1, 1_001, |tcp| tcp.window = 0);
    let read = play.enter(Syscall::Read, S, bytes(1_000));
    play.b(ACK, 1, 1_001, 0);
    let said = play.said(S, ESTABLISHED, 0, 1_000, 0);
    play.leave(read, 1_000, said);
    play.ends_with(&[
        "#5 b ACK; now: (answers #4 or timer-delayed-ack)",
        "> read#7",
        "#6 b ACK; (read#7 takes); now: (inside read#7)",
        "< read#7 read 0..1000 from [4]",
    ]);
}

#[test]
fn with_fast_open_the_send_opens_the_connection() {
    let mut play = Play::new();
    let accept = play.listens();
    let send = play.enter(Syscall::Sendto, C, Arguments::Bytes { wanted: 5, flags: 0x2000_0000 });
    play.a(SYN, 0, 0, 5);
    play.b(SYN | ACK, 0, 6, 0);
    play.a(ACK, 6, 1, 0);
    let said = play.said(C, ESTABLISHED, 5, 0, 0);
    play.leave(send, 5, said);
    let said = play.said(S, ESTABLISHED, 0, 0, 5);
    play.leave_made(accept, S, said);
    play.ends_with(&[
        "> sendto#5",
        "#1 a SYN 0..5; sendto#5 opens; sendto#5 writes 0..5; now: inside sendto#5; a SYN-SENT",
        "#2 b SYN,ACK; listen#3 listens; now: answers #1; b LISTEN; b SYN-RECEIVED",
        "#3 a ACK; now: (answers #2 or timer-delayed-ack); a ESTABLISHED; b (ESTABLISHED)",
        "< sendto#5 wrote 0..5",
        "< accept#4 ESTABLISHED to ESTABLISHED",
    ]);
}

#[test]
fn a_port_that_is_used_again_is_of_another_socket() {
    let mut play = Play::opened();
    let close = play.enter_drops(Syscall::Close, C, Arguments::None, &[C]);
    play.a(RST | ACK, 1, 1, 0);
    play.leave(close, 0, None);
    play.first = (90_000, 70_000);
    // Sockets 12 and 13 on the addresses of 2 and 3.
    let accept = play.enter(Syscall::Accept, L, Arguments::None);
    let connect = play.enter(Syscall::Connect, 12, Arguments::Address(at(B, 80)));
    play.a(SYN, 0, 0, 0);
    play.b(SYN | ACK, 0, 1, 0);
    play.a(ACK, 1, 1, 0);
    let said = play.said(12, ESTABLISHED, 0, 0, 0);
    play.leave(connect, 0, said);
    let said = play.said(13, ESTABLISHED, 0, 0, 0).map(|mut said| {
        (said.local, said.peer) = (said.peer, said.local);
        said
    });
    play.leave_made(accept, 13, said);
    let ends: Vec<_> = play
        .segments()
        .iter()
        .map(|segment| {
            let [a, b] = &segment.ends;
            (segment.stream, a.socket.unwrap().0, b.socket.unwrap().0, a.certainty.min(b.certainty))
        })
        .collect();
    let sure = enchufe_story::Certainty::Proved;
    assert_eq!(ends[..4], [(0, C, S, sure); 4]);
    assert_eq!(ends[4..], [(1, 12, 13, sure); 3]);
}

#[test]
fn where_it_is_not_known_which_connection_was_accepted_no_socket_is_named() {
    let mut play = Play::new();
    let accept = play.listens();
    // The first connection is not accepted, or is it?
    for (first, socket) in [((1_000, 5_000), 22), ((90_000, 70_000), 12)] {
        play.first = first;
        let connect = play.enter(Syscall::Connect, socket, Arguments::Address(at(B, 80)));
        play.a(SYN, 0, 0, 0);
        play.b(SYN | ACK, 0, 1, 0);
        play.a(ACK, 1, 1, 0);
        let said = play.said(socket, ESTABLISHED, 0, 0, 0);
        play.leave(connect, 0, said);
        let close = play.enter_drops(Syscall::Close, socket, Arguments::None, &[socket]);
        play.a(RST | ACK, 1, 1, 0);
        play.leave(close, 0, None);
    }
    let said = play.said(S, CLOSE, 0, 0, 0);
    play.leave_made(accept, S, said);
    let servers: Vec<_> = play.segments().iter().map(|segment| segment.ends[1].clone()).collect();
    for server in &servers {
        let sure = server.socket.is_some() && server.certainty == enchufe_story::Certainty::Proved;
        assert!(!sure, "{server:?}");
        assert_eq!(server.program, Some(0), "the listener's, in any case");
    }
}

#[test]
fn states_that_cannot_be_are_found() {
    let mut play = Play::opened();
    let said = play.said(C, play::SYN_SENT, 0, 0, 0);
    play.call(Syscall::Getsockname, C, Arguments::None, 0, said);
    let (_, judge) = play.judged();
    let [found] = judge.disagreements() else { panic!("one") };
    assert_eq!((found.socket.0, found.given.name(), found.said.0), (C, "ESTABLISHED", play::SYN_SENT));
}

#[test]
fn what_comes_when_the_socket_is_gone_is_answered_with_a_reset() {
    let mut play = Play::opened();
    let close = play.enter_drops(Syscall::Close, S, Arguments::None, &[S]);
    play.b(FIN | ACK, 1, 1, 0);
    play.leave(close, 0, None);
    play.a(ACK, 1, 2, 0);
    let send = play.enter(Syscall::Sendto, C, bytes(3));
    play.a(PSH | ACK, 1, 2, 3);
    play.b(RST, 2, 0, 0);
    let said = play.said(C, CLOSE, 3, 1, 0);
    play.leave(send, 3, said);
    play.ends_with(&[
        "> sendto#7",
        "#6 a PSH,ACK 0..3; sendto#7 writes 0..3; now: inside sendto#7",
        "#7 b RST; close#6 was-gone; now: (answers #6); b CLOSED; a (CLOSED)",
        "< sendto#7 wrote 0..3 CLOSED to CLOSED",
    ]);
}

#[test]
fn who_is_killed_ends_its_connections() {
    let mut play = Play::opened();
    play.enter(Syscall::Recvfrom, C, bytes(9));
    let killed = play.enter_drops(Syscall::Killed, 0, Arguments::None, &[C]);
    play.a(FIN | ACK, 1, 1, 0);
    play.fact(enchufe_story::fact::Happened::Left(enchufe_story::fact::Left {
        id: killed,
        outcome: enchufe_story::fact::Outcome::Never,
        made: None,
        reading: None,
    }));
    play.ends_with(&[
        "> recvfrom#6",
        "> killed#7",
        "#4 a FIN,ACK; killed#7 ends; now: inside killed#7; a FIN-WAIT-1",
        "< killed#7",
    ]);
}

#[test]
fn of_two_threads_that_end_the_stream_at_once_both_are_named() {
    let mut play = Play::opened();
    play.enter(Syscall::Shutdown, C, Arguments::How(1));
    play.enter_drops(Syscall::Close, C, Arguments::None, &[C]);
    play.a(FIN | ACK, 1, 1, 0);
    play.ends_with(&[
        "#4 a FIN,ACK; (shutdown#6 or close#7 ends); now: (inside shutdown#6 or inside close#7); a FIN-WAIT-1",
    ]);
}

#[test]
fn a_listening_socket_that_ends_resets_what_waits_in_its_queue() {
    let mut play = Play::new();
    let accept = play.listens();
    play.leave(accept, -11, None);
    let connect = play.enter(Syscall::Connect, C, Arguments::Address(at(B, 80)));
    play.a(SYN, 0, 0, 0);
    play.b(SYN | ACK, 0, 1, 0);
    play.a(ACK, 1, 1, 0);
    let said = play.said(C, ESTABLISHED, 0, 0, 0);
    play.leave(connect, 0, said);
    let close = play.enter_drops(Syscall::Close, L, Arguments::None, &[L]);
    play.b(RST | ACK, 1, 1, 0);
    play.leave(close, 0, None);
    play.ends_with(&[
        "> close#6",
        "#4 b RST,ACK; (close#6 leaves-unaccepted); now: (inside close#6); b CLOSED; a (CLOSED)",
        "< close#6 LISTEN to CLOSED by it",
    ]);
}

#[test]
fn of_several_listening_sockets_on_a_port_the_one_that_accepts_tells() {
    for accepted in [true, false] {
        let mut play = Play::new();
        let accept = play.listens();
        // Another one (SO_REUSEPORT), of another program.
        let said = play.said(L, play::LISTEN, 0, 0, 0).map(|mut said| {
            said.socket = enchufe_story::fact::Cookie(14);
            said
        });
        play.call(Syscall::Listen, 14, Arguments::Backlog(1), 0, said);
        play.enter(Syscall::Connect, C, Arguments::Address(at(B, 80)));
        play.a(SYN, 0, 0, 0);
        play.b(SYN | ACK, 0, 1, 0);
        play.a(ACK, 1, 1, 0);
        if accepted {
            let said = play.said(S, ESTABLISHED, 0, 0, 0);
            play.leave_made(accept, S, said);
        }
        let (listens, state) = if accepted {
            ("listen#3 listens", "b LISTEN")
        } else {
            ("(listen#3 or listen#5 listens)", "b (LISTEN)")
        };
        let expected = format!("#2 b SYN,ACK; {listens}; now: answers #1; {state}; b SYN-RECEIVED");
        assert!(play.lines().contains(&expected), "{expected}\n{}", play.lines().join("\n"));
    }
}

#[test]
fn what_is_sent_again_in_part_is_told_apart() {
    let mut play = Play::opened();
    // Its acknowledgement says that the bytes did not come.
    says(&mut play, 0, 10, 1);
    let said = play.said(C, ESTABLISHED, 15, 0, 0);
    play.call(Syscall::Write, C, bytes(5), 5, said);
    play.wait(200_000_000);
    play.a(PSH | ACK, 1, 1, 15);
    play.ends_with(&[
        "> write#7",
        "< write#7 wrote 10..15",
        "#6 a PSH,ACK 0..15; sendto#6 writes-again 0..10; write#7 writes 10..15; \
         now: (timer-retransmission or answers #5 or timer-cork)",
    ]);
}

#[test]
fn what_was_corked_goes_when_it_is_uncorked() {
    let mut play = Play::opened();
    let cork = |value| Arguments::Option { level: 6, name: 3, value: Some(value) };
    let said = play.said(C, ESTABLISHED, 0, 0, 0);
    play.call(Syscall::Setsockopt, C, cork(1), 0, said);
    for written in [5, 10] {
        let said = play.said(C, ESTABLISHED, written, 0, 0);
        play.call(Syscall::Write, C, bytes(5), 5, said);
    }
    let call = play.enter(Syscall::Setsockopt, C, cork(0));
    play.a(PSH | ACK, 1, 1, 10);
    let said = play.said(C, ESTABLISHED, 10, 0, 0);
    play.leave(call, 0, said);
    play.ends_with(&[
        "> setsockopt#9",
        "#4 a PSH,ACK 0..10; write#7 writes 0..5; write#8 writes 5..10; now: (uncorked setsockopt#9)",
        "< setsockopt#9",
    ]);
}

#[test]
fn a_question_whether_somebody_is_there_is_a_timers() {
    let mut play = Play::opened();
    says(&mut play, 0, 4, 5);
    play.enter(Syscall::Recvfrom, C, bytes(9));
    play.wait(7_200_000_000_000);
    play.a(ACK, 4, 1, 0);
    play.b(ACK, 1, 5, 0);
    play.ends_with(&["> recvfrom#7", "#6 a ACK; now: (timer-keep-alive)", "#7 b ACK; now: answers #6"]);
}

/// RFC 8684, and TLS by the kernel: what is on the wire is not what was written.
#[test]
fn where_other_bytes_are_sent_than_were_written_no_call_is_named() {
    let mut play = Play::opened();
    let said = play.said(C, ESTABLISHED, 0, 0, 0);
    let tls = Arguments::Option { level: 282, name: 1, value: None };
    play.call(Syscall::Setsockopt, C, tls, 0, said);
    says(&mut play, 0, 4, 5);
    play.ends_with(&[
        "> sendto#7",
        "#4 a PSH,ACK 0..4",
        "#5 b ACK; now: (answers #4 or timer-delayed-ack)",
        "< sendto#7 wrote 0..4",
    ]);
    let off = play.segments()[3].sender().off;
    assert_eq!(off, Some(enchufe_story::trace::Off::OtherBytes));
}

#[test]
fn numbers_that_wrap_change_nothing() {
    let lines = |first| {
        let mut play = Play::new();
        play.first = first;
        let accept = play.listens();
        play.connects(accept);
        says(&mut play, 0, 19, 20);
        says(&mut play, 19, 30, 50);
        play.lines()
    };
    assert_eq!(lines((u32::MAX - 25, u32::MAX)), lines((1_000, 5_000)));
}

/// What waits to be read is counted only up to urgent bytes: here as if the call had taken all.
#[test]
fn after_urgent_bytes_it_is_not_told_which_frames_brought_what_was_read() {
    const URG: u16 = 0x20;
    let mut play = Play::opened();
    says(&mut play, 0, 2, 3);
    let send = play.enter(Syscall::Sendto, C, Arguments::Bytes { wanted: 1, flags: 1 });
    play.a(PSH | ACK | URG, 3, 1, 1);
    let said = play.said(C, ESTABLISHED, 3, 0, 0);
    play.leave(send, 1, said);
    let said = play.said(S, ESTABLISHED, 0, 3, 0);
    play.call(Syscall::Recvfrom, S, bytes(1024), 2, said);
    play.ends_with(&[
        "> sendto#7",
        "#6 a PSH,ACK 2..3; sendto#7 writes 2..3; now: inside sendto#7",
        "< sendto#7 wrote 2..3",
        "> recvfrom#8",
        "< recvfrom#8",
    ]);
}

/// To shut down a socket that listens ends that, and resets who waits in its queue; it may listen again.
#[test]
fn who_shuts_down_a_socket_that_listens_ends_it_and_may_listen_anew() {
    let mut play = Play::new();
    play.listens();
    play.call(Syscall::Connect, C, Arguments::Address(at(B, play.ports.1)), 0, None);
    play.a(SYN, 0, 0, 0);
    play.b(SYN | ACK, 0, 1, 0);
    play.a(ACK, 1, 1, 0);
    let shutdown = play.enter(Syscall::Shutdown, L, Arguments::How(0));
    play.b(RST | ACK, 1, 1, 0);
    let said = play.said(L, CLOSE, 0, 0, 0);
    play.leave(shutdown, 0, said);
    let said = play.said(L, LISTEN, 0, 0, 0);
    play.call(Syscall::Listen, L, Arguments::Backlog(1), 0, said);
    play.ports.0 += 1;
    play.call(Syscall::Connect, C + 90, Arguments::Address(at(B, play.ports.1)), 0, None);
    play.a(SYN, 0, 0, 0);
    play.b(SYN | ACK, 0, 1, 0);
    play.ends_with(&[
        "> shutdown#6",
        "#4 b RST,ACK; (shutdown#6 leaves-unaccepted); now: (inside shutdown#6); b CLOSED; a (CLOSED)",
        "< shutdown#6 LISTEN to CLOSED by it",
        "> listen#7",
        "< listen#7 CLOSED to LISTEN by it",
        "> connect#8",
        "< connect#8",
        "#5 a SYN; a SYN-SENT",
        "#6 b SYN,ACK; listen#7 listens; now: answers #5; b LISTEN; b SYN-RECEIVED",
    ]);
}

/// RFC 9293 §3.5, figure 8: both ends connect, and each SYN is its own `connect`'s.
#[test]
fn where_both_ends_connect_each_has_its_calls() {
    let mut play = Play::new();
    let client = play.enter(Syscall::Connect, C, Arguments::Address(at(B, play.ports.1)));
    play.a(SYN, 0, 0, 0);
    let server = play.enter(Syscall::Connect, S, Arguments::Address(at(A, play.ports.0)));
    play.b(SYN, 0, 0, 0);
    play.a(SYN | ACK, 0, 1, 0);
    play.b(SYN | ACK, 0, 1, 0);
    for (call, socket) in [(client, C), (server, S)] {
        let said = play.said(socket, ESTABLISHED, 0, 0, 0);
        play.leave(call, 0, said);
    }
    let send = play.enter(Syscall::Sendto, S, bytes(4));
    play.b(PSH | ACK, 1, 1, 4);
    let said = play.said(S, ESTABLISHED, 4, 0, 0);
    play.leave(send, 4, said);
    let opens: Vec<String> = play.lines().into_iter().filter(|line| line.starts_with('#')).collect();
    let by = |line: &str, call: &str| line.contains(&format!("; {call}"));
    assert!(by(&opens[0], "connect#1 opens; now: inside connect#1; a SYN-SENT"), "{opens:#?}");
    assert!(by(&opens[1], "connect#2 opens; now: inside connect#2; b SYN-SENT"), "{opens:#?}");
    assert!(by(&opens[2], "connect#1 opens"), "{opens:#?}");
    assert!(by(&opens[3], "connect#2 opens"), "{opens:#?}");
    assert!(by(&opens[4], "sendto#3 writes 0..4; now: inside sendto#3"), "{opens:#?}");
}
