//! Every engine, held to the contract that opens `engine.rs`: one suite, one line an engine.
//!
//! A case is a function of `suite` that is given a [`world::World`]: it starts a service, connects
//! peers and looks at what was told. What holds for every connection whatever the case (the order of
//! its events, its counts) is looked at after each of them, in `recorder`.
//!
//! The third engine, `scripted`, is of this suite: no sockets, its own clock, a schedule from a
//! seed, and completions as `io_uring` has them. It shows that the contract has room for that.
//!
//! Nothing here waits for a time to pass: waits are for events, and only a wait that would last for
//! ever is given up.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says why"
)]

mod child;
mod pattern;
mod recorder;
mod scripted;
mod secured;
mod sockets;
mod suite;
mod world;

use enchufe_talk::engine::Kind;
use scripted::Scripted;
use sockets::Sockets;

/// Makes a test of each case, for each of the worlds; after `rings`, one that says *ignored* where there are none.
macro_rules! cases {
    (rings $worlds:expr; $($groups:tt)*) => {
        cases! { [cfg_attr(not(have_io_uring), ignore = "needs io_uring")] $worlds; $($groups)* }
    };
    ([$attribute:meta] $worlds:expr; $($group:ident: $($case:ident)*;)*) => {$($(
        #[test]
        #[$attribute]
        fn $case() {
            for world in $worlds {
                suite::$group::$case(&world);
            }
        }
    )*)*};
    ($worlds:expr; $($groups:tt)*) => { cases! { [cfg(test)] $worlds; $($groups)* } };
}

macro_rules! for_every_engine {
    ($($worlds:tt)*) => {
        cases! { $($worlds)*;
            bytes:
                an_echo_is_the_same_however_the_message_is_cut
                messages_sent_together_come_back_together_and_in_order
                every_value_of_a_byte_comes_back_unchanged
                a_long_stream_comes_back_byte_for_byte
                the_answer_is_complete_after_the_peers_end
                an_empty_connection_ends_in_order
                three_hundred_quick_connections_are_all_served
                connections_at_once_get_their_own_bytes
                a_peer_that_does_not_read_is_held_back_and_loses_nothing
                what_is_lent_for_a_peer_that_does_not_read_is_bounded
                what_is_queued_for_a_peer_that_does_not_read_is_bounded
                pieces_of_what_came_and_own_bytes_keep_their_order;
            ends:
                a_client_that_reset_before_it_was_accepted_does_no_harm
                a_reset_ends_its_connection_and_no_other
                a_reset_while_output_waits_says_what_was_not_sent
                a_service_that_half_closes_early_goes_on_reading
                what_comes_during_a_pause_waits_for_its_end
                a_reset_is_seen_during_a_pause
                a_pause_holds_when_both_directions_are_over
                a_timer_that_is_cancelled_or_too_far_never_comes;
            limits:
                a_client_that_never_speaks_is_closed_at_the_first_byte_limit
                a_client_that_falls_silent_is_closed_at_the_idle_limit
                a_connection_is_closed_at_its_deadline
                a_client_that_does_not_read_the_answer_is_closed_at_the_idle_limit
                limits_that_no_clock_can_hold_never_come
                past_the_limit_of_connections_clients_are_reset_at_once
                after_the_limit_of_accepted_connections_nobody_is_let_in;
            stopping:
                what_runs_at_a_stop_may_end_in_order
                what_does_not_end_in_time_is_interrupted
                who_waits_in_the_queue_at_a_stop_is_cut_and_counted
                an_interrupted_server_counts_who_waited_too
                a_connection_that_only_lingers_is_not_cut_by_a_stop;
            services:
                a_reply_does_not_need_the_peers_end_and_survives_what_comes_after
                a_reply_is_given_at_the_peers_end
                a_reply_is_given_at_a_newline_and_only_once
                chargen_goes_on_until_its_peer_is_gone
                chargen_takes_what_comes_and_is_stopped
                a_half_closed_peer_of_chargen_still_gets_it
                daytime_says_its_line_and_closes
                discard_takes_everything_and_says_nothing;
            asking:
                an_asker_gets_the_operators_line
                questions_are_put_one_at_a_time_and_answers_go_home
                a_client_that_resets_takes_its_question_back
                a_half_closed_asker_still_gets_its_answer
                an_answer_given_before_the_operator_left_still_arrives
                an_operator_that_leaves_ends_whoever_asks;
        }
    };
}

/// What a world without a kernel does not have: descriptors, listeners of several addresses, and
/// the sockets of this machine to look a peer up in.
macro_rules! for_real_sockets {
    ($($worlds:tt)*) => {
        cases! { $($worlds)*;
            sockets_only:
                without_descriptors_who_waits_is_served_when_one_leaves
                a_client_that_closed_altogether_takes_its_question_back
                what_comes_behind_urgent_data_is_read_too
                what_was_sent_and_not_read_is_known_to_be_lost
                a_connection_that_waits_takes_no_time
                every_address_of_a_server_is_served
                a_panic_of_a_service_does_not_hang_the_server;
        }
    };
}

/// Errors that only a plan brings about: in a build for them (`just faults`).
#[cfg(enchufe_faults)]
macro_rules! for_faults {
    ([$($worlds:tt)*] $($case:ident)*) => {
        mod faults {
            use super::*;
            cases! { $($worlds)*;
                faults:
                    who_cannot_be_let_in_for_want_of_room_waits_and_nothing_spins
                    an_accept_that_finds_nobody_is_tried_again
                    an_accept_that_fails_on_and_on_is_let_rest
                    an_error_of_recv_ends_its_connection_and_no_other
                    an_error_of_send_ends_its_connection_and_no_other
                    a_fin_that_cannot_be_sent_goes_with_the_close
                    an_option_that_is_refused_ends_its_connection_and_no_other
                    $($case)*;
            }
        }
    };
}

/// Those of an engine with rings.
#[cfg(enchufe_faults)]
macro_rules! for_faults_of_rings {
    ($worlds:expr) => {
        for_faults! { [rings $worlds]
            whoever_finds_no_place_in_a_ring_is_reset
            while_a_listener_cannot_be_watched_who_waits_goes_on_waiting
            a_connection_that_a_ring_cannot_watch_ends
            a_socket_that_cannot_be_borrowed_ends_in_order
            a_socket_that_cannot_be_borrowed_is_reset_where_it_was_not_read
            a_socket_of_which_it_is_said_that_it_cannot_be_closed_is
            operations_that_have_to_be_begun_again_lose_nothing
            small_rings_lose_nothing
        }
    };
}

mod blocking {
    use super::*;
    #[cfg(enchufe_faults)]
    for_faults!([Sockets::of("blocking", Kind::Blocking)] without_memory_to_wait_a_connection_ends);
    for_every_engine!(Sockets::of("blocking", Kind::Blocking));
    for_real_sockets!(Sockets::of("blocking", Kind::Blocking));
    // Only an engine that serves one at a time lets the others wait.
    cases! { Sockets::of("blocking", Kind::Blocking);
        waiting:
            who_waits_is_told_by_address_and_waiting_again_after_each;
        // Only where each connection has a thread to itself does it need a bell of its own.
        sockets_only:
            without_a_descriptor_for_the_bell_an_asker_waits_outside;
    }
}

mod threads {
    use super::*;
    #[cfg(enchufe_faults)]
    for_faults!([Sockets::of("threads", Kind::Threads)]
        without_memory_to_wait_a_connection_ends
        whoever_no_thread_can_be_had_for_is_reset);
    for_every_engine!(Sockets::of("threads", Kind::Threads));
    for_real_sockets!(Sockets::of("threads", Kind::Threads));
    cases! { Sockets::of("threads", Kind::Threads);
        sockets_only:
            without_a_descriptor_for_the_bell_an_asker_waits_outside;
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

mod epoll {
    use super::*;
    #[cfg(enchufe_faults)]
    for_faults!([Sockets::of("epoll", Kind::Epoll)]
        whoever_epoll_cannot_watch_is_reset
        a_queue_that_cannot_be_watched_again_is_tried_again
        a_connection_whose_room_cannot_be_watched_ends);
    for_every_engine!(Sockets::of("epoll", Kind::Epoll));
    for_real_sockets!(Sockets::of("epoll", Kind::Epoll));
    cases! { Sockets::of("epoll", Kind::Epoll);
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

mod epoll_on_three_threads {
    use super::*;
    #[cfg(enchufe_faults)]
    for_faults!([Sockets::on(3, "epoll_on_three_threads", Kind::Epoll)]
        whoever_epoll_cannot_watch_is_reset
        a_queue_that_cannot_be_watched_again_is_tried_again
        a_connection_whose_room_cannot_be_watched_ends);
    for_every_engine!(Sockets::on(3, "epoll_on_three_threads", Kind::Epoll));
    for_real_sockets!(Sockets::on(3, "epoll_on_three_threads", Kind::Epoll));
    cases! { Sockets::on(3, "epoll_on_three_threads", Kind::Epoll);
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

mod epoll_that_hands_over {
    use super::*;
    for_every_engine!(Sockets::restless(3, "epoll_that_hands_over", Kind::Epoll));
    for_real_sockets!(Sockets::restless(3, "epoll_that_hands_over", Kind::Epoll));
    cases! { Sockets::restless(3, "epoll_that_hands_over", Kind::Epoll);
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

mod epoll_that_carries {
    use super::*;
    #[cfg(enchufe_faults)]
    mod faults {
        use super::*;
        cases! { Sockets::carried(Sockets::of("epoll_that_carries", Kind::Epoll));
            faults:
                what_cannot_be_carried_now_is_not_lost
                what_is_carried_when_a_connection_fails_is_told
                a_stream_that_cannot_be_left_unwatched_or_watched_again_ends;
        }
    }
    for_every_engine!(Sockets::carried(Sockets::of("epoll_that_carries", Kind::Epoll)));
    for_real_sockets!(Sockets::carried(Sockets::of("epoll_that_carries", Kind::Epoll)));
    cases! { Sockets::carried(Sockets::of("epoll_that_carries", Kind::Epoll));
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

mod epoll_that_carries_and_hands_over {
    use super::*;
    for_every_engine!(Sockets::carried(Sockets::restless(
        3,
        "epoll_that_carries_and_hands_over",
        Kind::Epoll
    )));
    cases! { Sockets::carried(Sockets::restless(3, "epoll_that_carries_and_hands_over", Kind::Epoll));
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

mod uring {
    use super::*;
    #[cfg(enchufe_faults)]
    for_faults_of_rings!(Sockets::of("uring", Kind::Uring));
    for_every_engine!(rings Sockets::of("uring", Kind::Uring));
    for_real_sockets!(rings Sockets::of("uring", Kind::Uring));
    cases! { rings Sockets::of("uring", Kind::Uring);
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

mod uring_on_three_threads {
    use super::*;
    #[cfg(enchufe_faults)]
    for_faults_of_rings!(Sockets::on(3, "uring_on_three_threads", Kind::Uring));
    for_every_engine!(rings Sockets::on(3, "uring_on_three_threads", Kind::Uring));
    for_real_sockets!(rings Sockets::on(3, "uring_on_three_threads", Kind::Uring));
    cases! { rings Sockets::on(3, "uring_on_three_threads", Kind::Uring);
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

mod uring_that_hands_over {
    use super::*;
    for_every_engine!(rings Sockets::restless(3, "uring_that_hands_over", Kind::Uring));
    for_real_sockets!(rings Sockets::restless(3, "uring_that_hands_over", Kind::Uring));
    cases! { rings Sockets::restless(3, "uring_that_hands_over", Kind::Uring);
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

mod uring_that_carries {
    use super::*;
    #[cfg(enchufe_faults)]
    mod faults {
        use super::*;
        cases! { rings Sockets::carried(Sockets::of("uring_that_carries", Kind::Uring));
            faults:
                operations_that_have_to_be_begun_again_lose_nothing
                what_cannot_be_carried_now_is_not_lost
                what_is_carried_when_a_connection_fails_is_told;
        }
    }
    for_every_engine!(rings Sockets::carried(Sockets::of("uring_that_carries", Kind::Uring)));
    for_real_sockets!(rings Sockets::carried(Sockets::of("uring_that_carries", Kind::Uring)));
    cases! { rings Sockets::carried(Sockets::of("uring_that_carries", Kind::Uring));
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

mod uring_that_carries_and_hands_over {
    use super::*;
    for_every_engine!(rings Sockets::carried(Sockets::restless(3, "uring_that_carries_and_hands_over", Kind::Uring)));
    cases! { rings Sockets::carried(Sockets::restless(3, "uring_that_carries_and_hands_over", Kind::Uring));
        misbehaving:
            peers_that_misbehave_leave_nothing_behind
            peers_that_do_not_read_leave_room_for_others;
    }
}

/// Where nobody hears of connections, and nothing is to be done with each, the kernel lets in by itself. (The other cases have options, ask,
/// or know their connections by the peers' addresses.)
mod uring_that_is_not_heard {
    use super::*;
    cases! { rings Sockets::unheard(Sockets::of("uring_that_is_not_heard", Kind::Uring));
        bytes:
            an_echo_is_the_same_however_the_message_is_cut
            messages_sent_together_come_back_together_and_in_order
            every_value_of_a_byte_comes_back_unchanged
            a_long_stream_comes_back_byte_for_byte
            the_answer_is_complete_after_the_peers_end
            an_empty_connection_ends_in_order
            three_hundred_quick_connections_are_all_served
            connections_at_once_get_their_own_bytes;
        ends:
            a_client_that_reset_before_it_was_accepted_does_no_harm
            a_service_that_half_closes_early_goes_on_reading
            what_comes_during_a_pause_waits_for_its_end
            a_pause_holds_when_both_directions_are_over;
        limits:
            a_client_that_never_speaks_is_closed_at_the_first_byte_limit
            a_client_that_falls_silent_is_closed_at_the_idle_limit
            a_connection_is_closed_at_its_deadline
            limits_that_no_clock_can_hold_never_come
            past_the_limit_of_connections_clients_are_reset_at_once;
        stopping:
            what_runs_at_a_stop_may_end_in_order
            what_does_not_end_in_time_is_interrupted
            an_interrupted_server_counts_who_waited_too
            a_connection_that_only_lingers_is_not_cut_by_a_stop;
        services:
            a_reply_does_not_need_the_peers_end_and_survives_what_comes_after
            a_reply_is_given_at_the_peers_end
            a_reply_is_given_at_a_newline_and_only_once
            chargen_goes_on_until_its_peer_is_gone
            chargen_takes_what_comes_and_is_stopped
            a_half_closed_peer_of_chargen_still_gets_it
            daytime_says_its_line_and_closes
            discard_takes_everything_and_says_nothing;
        sockets_only:
            what_comes_behind_urgent_data_is_read_too
            what_was_sent_and_not_read_is_known_to_be_lost
            a_connection_that_waits_takes_no_time
            every_address_of_a_server_is_served
            a_panic_of_a_service_does_not_hang_the_server;
        misbehaving:
            peers_that_misbehave_leave_nothing_behind;
    }
}

/// What only those of TLS have.
macro_rules! for_tls {
    ($($worlds:tt)*) => {
        cases! { $($worlds)*;
            tls:
                garbage_instead_of_a_handshake_is_answered_with_an_alert
                a_client_that_does_not_end_its_handshake_is_closed_at_the_first_byte_limit
                an_end_in_the_handshake_is_told_as_one
                an_end_that_was_not_announced_is_not_told_to_the_service
                a_client_that_does_not_believe_says_why
                a_record_that_was_changed_ends_the_connection
                both_versions_are_spoken;
        }
    };
}

mod blocking_with_tls {
    use super::*;
    for_every_engine!(Sockets::secured(Sockets::of("blocking_with_tls", Kind::Blocking)));
    for_tls!(Sockets::secured(Sockets::of("blocking_with_tls", Kind::Blocking)));
}

mod threads_with_tls {
    use super::*;
    for_every_engine!(Sockets::secured(Sockets::of("threads_with_tls", Kind::Threads)));
    for_tls!(Sockets::secured(Sockets::of("threads_with_tls", Kind::Threads)));
}

mod epoll_with_tls {
    use super::*;
    for_every_engine!(Sockets::secured(Sockets::of("epoll_with_tls", Kind::Epoll)));
    for_tls!(Sockets::secured(Sockets::of("epoll_with_tls", Kind::Epoll)));
}

mod epoll_on_three_threads_with_tls {
    use super::*;
    for_every_engine!(Sockets::secured(Sockets::on(3, "epoll_on_three_threads_with_tls", Kind::Epoll)));
    for_tls!(Sockets::secured(Sockets::on(3, "epoll_on_three_threads_with_tls", Kind::Epoll)));
}

mod uring_with_tls {
    use super::*;
    for_every_engine!(rings Sockets::secured(Sockets::of("uring_with_tls", Kind::Uring)));
    for_tls!(rings Sockets::secured(Sockets::of("uring_with_tls", Kind::Uring)));
}

mod uring_on_three_threads_with_tls {
    use super::*;
    for_every_engine!(rings Sockets::secured(Sockets::on(3, "uring_on_three_threads_with_tls", Kind::Uring)));
    for_tls!(rings Sockets::secured(Sockets::on(3, "uring_on_three_threads_with_tls", Kind::Uring)));
}

mod epoll_that_hands_over_with_tls {
    use super::*;
    for_every_engine!(Sockets::secured(Sockets::restless(3, "epoll_that_hands_over_with_tls", Kind::Epoll)));
    for_tls!(Sockets::secured(Sockets::restless(3, "epoll_that_hands_over_with_tls", Kind::Epoll)));
}

mod uring_that_hands_over_with_tls {
    use super::*;
    for_every_engine!(rings Sockets::secured(Sockets::restless(3, "uring_that_hands_over_with_tls", Kind::Uring)));
    for_tls!(rings Sockets::secured(Sockets::restless(3, "uring_that_hands_over_with_tls", Kind::Uring)));
}

/// What sends small and large pieces in every order is enough where the question is what becomes of them on their way.
mod scripted_completions_with_tls {
    use super::*;
    cases! { Scripted::secured();
        bytes:
            an_echo_is_the_same_however_the_message_is_cut
            messages_sent_together_come_back_together_and_in_order
            every_value_of_a_byte_comes_back_unchanged
            a_long_stream_comes_back_byte_for_byte
            an_empty_connection_ends_in_order
            pieces_of_what_came_and_own_bytes_keep_their_order;
        ends:
            a_reset_ends_its_connection_and_no_other
            a_service_that_half_closes_early_goes_on_reading;
        services:
            a_reply_does_not_need_the_peers_end_and_survives_what_comes_after
            a_reply_is_given_at_the_peers_end
            a_reply_is_given_at_a_newline_and_only_once
            chargen_takes_what_comes_and_is_stopped
            daytime_says_its_line_and_closes
            discard_takes_everything_and_says_nothing;
        asking:
            an_asker_gets_the_operators_line
            questions_are_put_one_at_a_time_and_answers_go_home
            a_half_closed_asker_still_gets_its_answer;
    }
}

mod scripted_completions {
    use super::*;
    for_every_engine!(Scripted::seeds());
    // Only here does the clock obey.
    cases! { Scripted::seeds();
        clock:
            traffic_puts_the_idle_limit_off_and_not_the_deadline
            a_peer_that_goes_on_talking_after_the_answer_is_left_in_time;
    }
}
