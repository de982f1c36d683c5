//! The ready-made services.

mod ask;
mod chargen;
mod collect;
mod daytime;
mod echo;
mod receive;
mod reply;

pub use ask::Ask;
pub use chargen::Chargen;
pub use collect::{LineEnding, Until};
pub use daytime::Daytime;
pub use echo::Echo;
pub use receive::{Discard, Receive};
pub use reply::Reply;

#[cfg(test)]
mod tests;
