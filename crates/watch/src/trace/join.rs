//! Programs that join a trace which is running, from elsewhere.
//!
//! A trace may have a [`Door`]: a Unix socket in a folder of its user alone. A [`Guest`] finds it, and asks for a program to be run:
//! its file, its words, its environment, and four descriptors: what the program reads and prints on, and the folder that it
//! begins in. ptrace wants one tracer for all, so it is the trace that launches it, in its network, as one more of its programs. The guest
//! only waits: it hands Ctrl-C on, and is told how the program ended. Who of the two goes first takes the program along.
//!
//! Only the same user comes in: the folder is closed to others, and the kernel says who knocks. What comes through the socket is
//! believed as little as a packet: `message` bounds and checks it.

pub(super) mod door;
mod guest;
pub(super) mod message;
mod place;

pub use door::Door;
pub use guest::{Answer, Guest};
pub use message::{Request, TooLong};
pub use place::{Running, running};
