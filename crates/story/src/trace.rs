//! A recording of programs, their calls and their packets, as one list of events: which call put which segment on the
//! wire, and which state that led to.
//!
//! **A recording is read twice.** A [`Scout`] takes the facts alone, and [finds](Scout::finish) what must be known before the first
//! segment is judged: the local address of a socket that connects is told when `connect` is left, its SYN comes before.
//! Then a [`Judge`] takes the facts again, and the frames between them, in the order of time, and gives [events](Event).
//!
//! **What decides.** Bytes first: a segment belongs to the calls that wrote its bytes, which the kernel's own counters tell
//! ([`Reading`](crate::fact::Reading)); bytes that were sent before are sent again. What carries no byte is placed by what it answers,
//! and a call causes it only by what it does: `connect` a SYN, `shutdown` and the last `close` a FIN, a `recv` that has taken
//! bytes a new window. A call that waits causes nothing, however long. Nothing is proved by time alone, but that a segment with bytes of
//! a call came between the two stops of that call.
//!
//! | of a segment | is proved by | |
//! |---|---|---|
//! | the call that wrote its bytes | the kernel's counter before and after the call, what the call returned, and what was on the wire before it was entered; while it is open, by its being the only one that can write | inferred where several fit, and all are named |
//! | `connect` of a SYN | the two addresses, and the port as the kernel has it when `connect` is left | |
//! | `listen` of a SYN, ACK | the listening socket that the connection was accepted from, or the only one that it can have come to | inferred where there are several (`SO_REUSEPORT`) |
//! | the call of a FIN | the first `shutdown`, or what dropped the last reference | inferred where two were open at once |
//! | the call of a reset | bytes that the kernel counted as received and not as read, or `SO_LINGER`, in what dropped the last reference | inferred where both fit, or where bytes may not have arrived |
//! | why it left now | its time between the two stops of its call; that only one frame can be answered | all that leans on order or time is inferred: delayed acknowledgements, Nagle, windows, timers |
//!
//! [`event`] has what is told, and how sure it is.

mod account;
mod call;
mod cause;
pub mod event;
mod heard;
mod judge;
mod meter;
mod remark;
mod shown;
mod sockets;
mod talk;

pub use event::{
    By, Deed, Entered, Event, Left, Moved, Now, Off, Range, Reason, Release, Segment, Side, SocketChange,
    Timer, Told,
};
pub use judge::{Disagreement, Judge, MOST_TALKS};
pub use remark::{MOST_REMARKS, Remark, Remarked};
pub use sockets::{MOST_SOCKETS, Role, Scout, Socket, Sockets, Thread};
