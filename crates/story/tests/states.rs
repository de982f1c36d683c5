//! What segments prove of the states of RFC 9293 §3.3.2, figure 5. Expected states are reckoned by hand from the RFC.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod talk;

use enchufe_story::{Certainty, Change, State};
use std::collections::BTreeSet;
use talk::{ACK, FIN, PSH, RST, SYN, Talk};

const OPEN: [&str; 3] = ["a SYN-SENT", "b (LISTEN), b SYN-RECEIVED", "a ESTABLISHED, b (ESTABLISHED)"];

/// What an open connection shows, then this.
#[track_caller]
fn opened(talk: &Talk, rest: &[&str]) {
    talk.shows(&[&OPEN[..], rest].concat());
}

/// A conversation that goes through the usual states of both ends.
fn usual() -> Talk {
    Talk::new()
        .open()
        .a(PSH | ACK, 1, 1, 21)
        .b(ACK, 1, 22, 0)
        .a(FIN | ACK, 22, 1, 0)
        .b(ACK, 1, 23, 0)
        .b(FIN | ACK, 1, 23, 0)
        .a(ACK, 23, 2, 0)
}

#[test]
fn a_usual_life_shows_each_state_where_it_is_proved() {
    opened(
        &usual(),
        &[
            "",
            // What acknowledges bytes has got the ACK that ended the handshake, or one like it.
            "b ESTABLISHED",
            "a FIN-WAIT-1",
            "b CLOSE-WAIT, a (FIN-WAIT-2)",
            "b LAST-ACK",
            // The FIN came with the ACK of a's: who acknowledges the one has the other.
            "a FIN-WAIT-2, a TIME-WAIT, b (CLOSED)",
        ],
    );
}

#[test]
fn a_change_names_its_cause_its_proof_and_its_section() {
    let rows = usual().rows();
    let change = |row: usize, at: usize| rows[row - 1].changes[at];
    let listens = Change {
        of_b: true,
        from: None,
        to: Some(State::Listen),
        certainty: Certainty::Inferred,
        because: 1,
        section: "3.10.1",
    };
    assert_eq!(change(2, 0), listens);
    let received = Change {
        from: Some(State::Listen),
        to: Some(State::SynReceived),
        certainty: Certainty::Proved,
        section: "3.10.7.2",
        ..listens
    };
    assert_eq!(change(2, 1), received, "because the SYN in 1 arrived");
    let established = change(3, 0);
    assert_eq!((established.from, established.because), (Some(State::SynSent), 2));
    assert_eq!(established.section, "3.10.7.3");
    let confirmed = change(5, 0);
    assert!(confirmed.is_confirmation());
    assert_eq!((confirmed.because, confirmed.section), (3, "3.10.7.4"));
    assert_eq!((change(6, 0).because, change(6, 0).section), (6, "3.10.4"), "by its own CLOSE");
    assert_eq!((change(7, 0).because, change(7, 0).section), (6, "3.10.7.4"), "by the FIN in 6");
    assert_eq!((change(9, 2).because, change(9, 2).certainty), (9, Certainty::Inferred));
}

#[test]
fn a_server_is_established_when_it_sends_bytes() {
    // The server speaks first: a SEND in SYN-RECEIVED would have waited (§3.10.2).
    opened(&Talk::new().open().b(PSH | ACK, 1, 1, 10).a(ACK, 1, 11, 0), &["b ESTABLISHED", ""]);
}

#[test]
fn a_server_that_only_acknowledges_the_syn_again_is_not_proved_established() {
    opened(&Talk::new().open().b(ACK, 1, 1, 0), &[""]);
}

#[test]
fn a_fin_of_the_server_does_not_prove_that_it_was_established() {
    // Figure 5 has SYN-RCVD to FIN-WAIT-1, by CLOSE.
    let talk = Talk::new().a(SYN, 0, 0, 0).b(SYN | ACK, 0, 1, 0).b(FIN | ACK, 1, 1, 0);
    talk.shows(&["a SYN-SENT", "b (LISTEN), b SYN-RECEIVED", "b FIN-WAIT-1"]);
}

#[test]
fn a_fin_in_syn_received_leads_to_close_wait() {
    // The ACK of the SYN came with the FIN.
    let talk = Talk::new().a(SYN, 0, 0, 0).b(SYN | ACK, 0, 1, 0).a(FIN | ACK, 1, 1, 0).b(ACK, 1, 2, 0);
    talk.shows(&[
        "a SYN-SENT",
        "b (LISTEN), b SYN-RECEIVED",
        "a ESTABLISHED, a FIN-WAIT-1, b (ESTABLISHED)",
        "b ESTABLISHED, b CLOSE-WAIT, a (FIN-WAIT-2)",
    ]);
}

#[test]
fn a_repeated_syn_ack_takes_an_inferred_established_back() {
    opened(
        &Talk::new().open().b(SYN | ACK, 0, 1, 0).a(ACK, 1, 1, 0).a(PSH | ACK, 1, 1, 5).b(ACK, 1, 6, 0),
        &["b (SYN-RECEIVED)", "b (ESTABLISHED)", "", "b ESTABLISHED"],
    );
    // Of a server that was proved to be established it is a copy that came late.
    opened(&Talk::new().open().b(PSH | ACK, 1, 1, 5).b(SYN | ACK, 0, 1, 0), &["b ESTABLISHED", ""]);
}

#[test]
fn with_bytes_in_the_syn_bytes_of_the_server_prove_nothing() {
    // Fast Open (RFC 7413 §4.2): the server may answer before the handshake ends.
    let talk = Talk::new()
        .a(SYN, 0, 0, 10)
        .b(SYN | ACK, 0, 11, 0)
        .b(PSH | ACK, 1, 11, 20)
        .a(ACK, 11, 21, 0)
        .a(PSH | ACK, 11, 21, 4)
        .b(ACK, 21, 15, 0);
    talk.shows(&[
        "a SYN-SENT",
        "b (LISTEN), b SYN-RECEIVED",
        "",
        "a ESTABLISHED, b (ESTABLISHED)",
        "",
        "b ESTABLISHED",
    ]);
}

#[test]
fn both_ends_open_at_once() {
    // RFC 9293 §3.5, figure 7; b's SYN, ACK was sent before a's came.
    let talk = Talk::new()
        .a(SYN, 0, 0, 0)
        .b(SYN, 0, 0, 0)
        .a(SYN | ACK, 0, 1, 0)
        .b(SYN | ACK, 0, 1, 0)
        .a(PSH | ACK, 1, 1, 3)
        .b(ACK, 1, 4, 0);
    talk.shows(&[
        "a SYN-SENT",
        "b SYN-SENT",
        "a SYN-RECEIVED",
        "b SYN-RECEIVED, b (ESTABLISHED), a (ESTABLISHED)",
        "a ESTABLISHED",
        "b ESTABLISHED",
    ]);
    let rows = talk.rows();
    assert_eq!(rows[2].changes[0].section, "3.10.7.3", "not from LISTEN");
    assert_eq!(rows[3].changes[1].because, 3);
}

#[test]
fn both_ends_close_at_once() {
    // RFC 9293 §3.6, figure 13. When b sent the last ACK, the one in 6 was under way.
    opened(
        &Talk::new().open().a(FIN | ACK, 1, 1, 0).b(FIN | ACK, 1, 1, 0).a(ACK, 2, 2, 0).b(ACK, 2, 2, 0),
        &["a FIN-WAIT-1", "b FIN-WAIT-1", "a CLOSING", "b (CLOSING), b (TIME-WAIT), a (TIME-WAIT)"],
    );
}

#[test]
fn a_fin_with_the_acknowledgement_of_the_other_leads_to_time_wait_at_once() {
    // Figure 5, note 3: FIN-WAIT-1 to TIME-WAIT. Before a acknowledges it, nothing of a is known to have changed.
    opened(
        &Talk::new().open().a(FIN | ACK, 1, 1, 0).b(FIN | ACK, 1, 2, 0).a(ACK, 2, 2, 0),
        &[
            "a FIN-WAIT-1",
            // It had to be in CLOSE-WAIT to be in LAST-ACK.
            "b ESTABLISHED, b CLOSE-WAIT, b LAST-ACK",
            "a TIME-WAIT, b (CLOSED)",
        ],
    );
}

#[test]
fn a_half_closed_connection_goes_on_in_the_other_direction() {
    opened(
        &Talk::new()
            .open()
            .a(FIN | ACK, 1, 1, 0)
            .b(ACK, 1, 2, 0)
            .b(PSH | ACK, 1, 2, 10)
            .a(ACK, 2, 11, 0)
            .b(FIN | ACK, 11, 2, 0)
            .a(ACK, 2, 12, 0),
        &[
            "a FIN-WAIT-1",
            "b ESTABLISHED, b CLOSE-WAIT, a (FIN-WAIT-2)",
            "",
            // The ten bytes came only with the ACK of a's FIN.
            "a FIN-WAIT-2",
            "b LAST-ACK",
            "a TIME-WAIT, b (CLOSED)",
        ],
    );
}

#[test]
fn bytes_that_were_sent_before_the_fin_prove_nothing_about_its_acknowledgement() {
    opened(
        &Talk::new()
            .open()
            .b(PSH | ACK, 1, 1, 10)
            .a(FIN | ACK, 1, 1, 0)
            .b(ACK, 11, 2, 0)
            // They were in 4, which did not acknowledge the FIN.
            .a(ACK, 2, 11, 0),
        &["b ESTABLISHED", "a FIN-WAIT-1", "b CLOSE-WAIT, a (FIN-WAIT-2)", ""],
    );
}

#[test]
fn a_repeated_fin_changes_nothing() {
    opened(
        &Talk::new().open().a(FIN | ACK, 1, 1, 0).a(FIN | ACK, 1, 1, 0).b(ACK, 1, 2, 0),
        &["a FIN-WAIT-1", "", "b ESTABLISHED, b CLOSE-WAIT, a (FIN-WAIT-2)"],
    );
}

#[test]
fn who_refuses_has_no_connection() {
    // §3.10.7.1; the client takes the reset, for it acknowledges its SYN (§3.10.7.3), if it arrives.
    let talk = Talk::new().a(SYN, 0, 0, 0).put(true, RST | ACK, 0, 1, |tcp| tcp.seq = 0);
    talk.shows(&["a SYN-SENT", "b CLOSED, a (CLOSED)"]);
    let rows = talk.rows();
    assert_eq!(rows[1].changes[0].section, "3.5.2");
    assert_eq!((rows[1].changes[1].section, rows[1].changes[1].because), ("3.5.3", 2));
    // One that acknowledges something else is not taken.
    let talk = Talk::new().a(SYN, 0, 0, 0).put(true, RST | ACK, 0, 9, |tcp| tcp.seq = 0);
    talk.shows(&["a SYN-SENT", "b CLOSED"]);
    // Some systems try again with the same number: they were in SYN-SENT then.
    let talk = Talk::new().a(SYN, 0, 0, 0).put(true, RST | ACK, 0, 1, |tcp| tcp.seq = 0).a(SYN, 0, 0, 0).put(
        true,
        RST | ACK,
        0,
        1,
        |tcp| tcp.seq = 0,
    );
    talk.shows(&["a SYN-SENT", "b CLOSED, a (CLOSED)", "a SYN-SENT", "a (CLOSED)"]);
}

#[test]
fn a_reset_closes_its_sender_and_if_it_arrives_its_receiver() {
    opened(&Talk::new().open().a(RST | ACK, 1, 1, 0), &["a CLOSED, b (CLOSED)"]);
    // Outside of what the peer expects it is not taken (§3.10.7.4, RFC 5961 §3.2).
    opened(
        &Talk::new().open().a(PSH | ACK, 1, 1, 9).b(ACK, 1, 10, 0).a(RST, 5, 0, 0),
        &["", "b ESTABLISHED", "a CLOSED"],
    );
}

#[test]
fn a_reset_in_syn_received_leads_back_to_listen() {
    // §3.10.7.4: a connection that began with a passive OPEN. A client that never opens, as a scan does.
    let talk = Talk::new().a(SYN, 0, 0, 0).b(SYN | ACK, 0, 1, 0).a(RST, 1, 0, 0);
    talk.shows(&["a SYN-SENT", "b (LISTEN), b SYN-RECEIVED", "a CLOSED, b (LISTEN)"]);
}

#[test]
fn a_client_that_refuses_an_acknowledgement_stays_in_syn_sent() {
    // §3.5.1, figure 9: b still has the connection that a has lost.
    let talk = Talk::new().a(SYN, 0, 0, 0).b(ACK, 300, 700, 0).a(RST, 700, 0, 0);
    talk.shows(&["a SYN-SENT", "", "b (CLOSED)"]);
}

#[test]
fn what_was_under_way_when_a_reset_came_shows_what_was_before_it() {
    opened(
        &Talk::new().open().b(PSH | ACK, 1, 1, 5).a(RST | ACK, 1, 1, 0).b(PSH | ACK, 6, 1, 5).b(
            FIN | ACK,
            11,
            1,
            0,
        ),
        &["b ESTABLISHED", "a CLOSED, b (CLOSED)", "", "b FIN-WAIT-1, b (CLOSED)"],
    );
}

#[test]
fn who_goes_on_after_its_own_reset_did_not_send_it() {
    // Something on the way forged it, most likely.
    opened(
        &Talk::new().open().b(PSH | ACK, 1, 1, 5).a(RST | ACK, 1, 1, 0).a(PSH | ACK, 1, 6, 5),
        &["b ESTABLISHED", "a CLOSED, b (CLOSED)", "a ?"],
    );
}

#[test]
fn a_reset_after_the_last_acknowledgement_proves_closed() {
    let talk = usual().b(RST, 2, 0, 0);
    assert_eq!(talk.states().last().unwrap(), "b CLOSED, a (CLOSED)");
}

#[test]
fn where_the_handshake_is_missing_nothing_is_known_at_first() {
    // Bytes may be repeated ones, sent before a FIN that the capture lacks.
    Talk::new().a(PSH | ACK, 1, 1, 5).b(ACK, 1, 6, 0).shows(&["", ""]);
    Talk::new().a(FIN | ACK, 1, 1, 0).b(ACK, 1, 2, 0).shows(&["", ""]);
    Talk::new().a(RST, 1, 0, 0).shows(&["a (CLOSED)"]);
    Talk::new().a(RST | ACK, 1, 1, 0).shows(&["a CLOSED"]);
}

#[test]
fn in_the_middle_both_are_established_when_both_sent_what_was_new() {
    let talk = Talk::new()
        .a(ACK, 1, 1, 0)
        .b(ACK, 1, 1, 0)
        .a(PSH | ACK, 1, 1, 5)
        .b(PSH | ACK, 1, 6, 5)
        .a(ACK, 6, 6, 0)
        .a(FIN | ACK, 6, 6, 0)
        .b(ACK, 6, 7, 0)
        .b(FIN | ACK, 6, 7, 0)
        .a(ACK, 7, 7, 0);
    talk.shows(&[
        "",
        "",
        "",
        "b ESTABLISHED, a ESTABLISHED",
        "",
        "a FIN-WAIT-1",
        "b CLOSE-WAIT, a (FIN-WAIT-2)",
        "b LAST-ACK",
        "a FIN-WAIT-2, a TIME-WAIT, b (CLOSED)",
    ]);
}

#[test]
fn a_capture_that_begins_with_the_syn_ack_knows_the_rest() {
    // The first that is seen is called a: here, the server.
    let talk = Talk::new().a(SYN | ACK, 0, 1, 0).b(ACK, 1, 1, 0).b(PSH | ACK, 1, 1, 5).a(ACK, 1, 6, 0);
    talk.shows(&["a (LISTEN), a SYN-RECEIVED", "b ESTABLISHED, a (ESTABLISHED)", "", "a ESTABLISHED"]);
}

#[test]
fn of_one_direction_only_that_end_is_known_and_its_close_is_not() {
    let talk = Talk::new()
        .a(SYN, 0, 0, 0)
        .a(ACK, 1, 1, 0)
        .a(PSH | ACK, 1, 1, 5)
        // Ten bytes, or nine and a FIN.
        .a(ACK, 6, 11, 0)
        .a(FIN | ACK, 6, 11, 0);
    talk.shows(&["a SYN-SENT", "a ESTABLISHED", "", "a (ESTABLISHED)", "a ?"]);
}

#[test]
fn what_the_capture_lacks_makes_it_unsure_until_it_turns_out() {
    opened(
        &Talk::new()
            .open()
            .b(PSH | ACK, 1, 1, 5)
            // Bytes 6 to 10 were not captured: among them could be a FIN.
            .a(ACK, 1, 11, 0)
            .b(PSH | ACK, 11, 1, 5)
            .a(ACK, 1, 16, 0),
        &["b ESTABLISHED", "a (ESTABLISHED)", "a ESTABLISHED", ""],
    );
    // The missing one was a FIN, as its repetition shows: a had answered it before it closed.
    opened(
        &Talk::new().open().b(PSH | ACK, 1, 1, 5).a(ACK, 1, 7, 0).a(FIN | ACK, 1, 7, 0).b(FIN | ACK, 6, 1, 0),
        &["b ESTABLISHED", "a (ESTABLISHED)", "a ?", "b FIN-WAIT-1, a LAST-ACK"],
    );
}

#[test]
fn a_fin_that_was_captured_after_its_acknowledgement_is_known_to_have_arrived() {
    opened(
        &Talk::new().open().b(ACK, 1, 2, 0).a(FIN | ACK, 1, 1, 0).b(FIN | ACK, 1, 2, 0),
        &["", "a FIN-WAIT-1, b CLOSE-WAIT", "b LAST-ACK"],
    );
}

#[test]
fn ports_that_are_used_again_begin_anew() {
    let mut talk = usual();
    talk.first = (90_000, 80_000);
    let states = talk.open().states();
    assert_eq!(states[9..], OPEN);
}

#[test]
fn numbers_that_wrap_change_nothing() {
    let mut talk = Talk::new();
    talk.first = (u32::MAX - 5, u32::MAX);
    let talk = talk
        .open()
        .a(PSH | ACK, 1, 1, 21)
        .b(ACK, 1, 22, 0)
        .a(FIN | ACK, 22, 1, 0)
        .b(ACK, 1, 23, 0)
        .b(FIN | ACK, 1, 23, 0)
        .a(ACK, 23, 2, 0);
    assert_eq!(talk.states(), usual().states());
    let rows = talk.rows();
    assert_eq!(rows[3].range(), Some((1, 22)));
}

/// Talks that together take every way of figure 5 that segments can show.
fn every_way() -> Vec<Talk> {
    let refused = Talk::new().a(SYN, 0, 0, 0).put(true, RST | ACK, 0, 1, |tcp| tcp.seq = 0);
    let closed_by_server = Talk::new().a(SYN, 0, 0, 0).b(SYN | ACK, 0, 1, 0).b(FIN | ACK, 1, 1, 0);
    let scanned = Talk::new().a(SYN, 0, 0, 0).b(SYN | ACK, 0, 1, 0).a(RST, 1, 0, 0);
    let both_opened = Talk::new().a(SYN, 0, 0, 0).b(SYN, 0, 0, 0).a(SYN | ACK, 0, 1, 0).b(SYN | ACK, 0, 1, 0);
    let both_closed =
        Talk::new().open().a(FIN | ACK, 1, 1, 0).b(FIN | ACK, 1, 1, 0).a(ACK, 2, 2, 0).b(ACK, 2, 2, 0);
    let at_once = Talk::new().open().a(FIN | ACK, 1, 1, 0).b(FIN | ACK, 1, 2, 0).a(ACK, 2, 2, 0);
    vec![usual(), refused, closed_by_server, scanned, both_opened, both_closed, at_once]
}

#[test]
fn every_state_and_every_way_of_figure_5_that_segments_can_show_is_shown() {
    let changes: Vec<Change> = every_way().iter().flat_map(Talk::rows).flat_map(|row| row.changes).collect();
    let shown: BTreeSet<&str> = changes.iter().filter_map(|change| change.to.map(State::name)).collect();
    assert_eq!(shown, State::ALL.map(State::name).into());
    let mut ways: BTreeSet<String> = BTreeSet::new();
    for change in changes.iter().filter(|change| !change.is_confirmation()) {
        let name = |state: Option<State>| state.map_or("?", State::name);
        ways.insert(format!("{} to {}", name(change.from), name(change.to)));
    }
    let expected = [
        // An end is in CLOSED or LISTEN before its SYN; which, no segment tells.
        "? to SYN-SENT",
        "? to LISTEN",
        "LISTEN to SYN-RECEIVED",
        "SYN-SENT to SYN-RECEIVED",
        "SYN-SENT to ESTABLISHED",
        "SYN-RECEIVED to ESTABLISHED",
        "SYN-RECEIVED to FIN-WAIT-1",
        "SYN-RECEIVED to LISTEN",
        "ESTABLISHED to FIN-WAIT-1",
        "ESTABLISHED to CLOSE-WAIT",
        "FIN-WAIT-1 to FIN-WAIT-2",
        "FIN-WAIT-1 to CLOSING",
        "FIN-WAIT-1 to TIME-WAIT",
        "FIN-WAIT-2 to TIME-WAIT",
        "CLOSING to TIME-WAIT",
        "CLOSE-WAIT to LAST-ACK",
        "LAST-ACK to CLOSED",
        // By a reset, which figure 5 leaves out.
        "SYN-SENT to CLOSED",
        "? to CLOSED",
    ];
    assert_eq!(ways, expected.map(str::to_owned).into());
}
