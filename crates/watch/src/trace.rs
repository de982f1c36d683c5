//! Running programs and seeing what they do with TCP: their calls, by `ptrace` and a seccomp filter that stops them at those
//! calls only, and their packets, by a [`Capture`](crate::Capture).
//!
//! **Start reading** at [`run()`]: one loop starts the programs, answers each stop, and writes everything into a
//! [`Recorder`]. `tracer` knows who is traced and what a stop means; `plan` decides what is told of a call, `descriptors`
//! counts who has which socket, `sockets` asks the kernel about them, `lines` where in its source a program is, `waits`
//! what it waits for. Programs from elsewhere come in through [`join`].
//!
//! Nothing is judged here: what caused which packet is said afterwards, by `enchufe_story`.

mod aside;
mod calls;
mod descriptors;
mod guests;
mod interruptions;
pub mod join;
mod lines;
mod memory;
mod pairs;
mod plan;
mod programs;
mod record;
mod run;
mod sockets;
mod threads;
mod tracer;
mod waits;

pub use aside::Aside;
pub use programs::{CommandError, Console, find};
pub use record::{Recorder, WHOLE};
pub use run::{Audience, Ended, Heard, Options, TraceError, probe, run};
