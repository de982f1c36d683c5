//! What a connection that does nothing costs in memory, and how many there can be.

use crate::load::Load;
use crate::peers::{self, Bench, Peer};
use std::io;

/// Each had its echo once. The slope from the fewest to the most leaves out what a server has anyway, and the buffers it keeps.
const FEWEST: usize = 1_000;
/// Of one load: its descriptors.
const OF_A_LOAD: usize = 19_000;
/// As many as a server can have whose connections are its descriptors, and as those that have others may.
const MOST: [usize; 2] = [95_000, 19_000];

const HEAD: &str = "
**Connections that do nothing** (`idle`); wanted: at most 100 bytes each, 95,000 under a limit of 20,000 descriptors

| | bytes each, from 1,000 on | connections | MB then |
|---|---|---|---|
";

pub const PEERS: &[&str] = &["enchufe --idle", "C epoll", "C threads", "tokio", "mio", "Go net", "asyncio"];

/// The server's memory with so many connections.
fn memory(bench: &Bench, peer: Peer, port: u16, connections: usize) -> io::Result<f64> {
    let server = bench.start(peer, port, &bench.processors)?;
    let (mut loads, mut left) = (Vec::new(), connections);
    while left > 0 {
        let count = left.min(OF_A_LOAD);
        let words = ["idle".to_owned(), format!("connections={count}")];
        loads.push(Load::start(&server, (loads.len(), &words), &bench.processors)?);
        left -= count;
    }
    server.memory()
}

#[expect(clippy::cast_precision_loss, reason = "connections are few")]
fn row(bench: &Bench, peer: Peer, port: &mut impl FnMut() -> u16) -> io::Result<String> {
    let few = memory(bench, peer, port(), FEWEST)?;
    // Only ours is known to be able to have more than its descriptors.
    let tries = if peer.is_ours() { &MOST[..] } else { &MOST[1..] };
    let mut why = String::new();
    for most in tries {
        match memory(bench, peer, port(), *most) {
            Ok(many) => {
                let each = (many - few) / (most - FEWEST) as f64;
                return Ok(format!("| {} | {each:.0} | {most} | {:.1} |\n", peer.name, many / 1e6));
            }
            Err(error) => why = error.to_string(),
        }
    }
    Ok(format!("| {} | – | fewer than {OF_A_LOAD}: {why} | – |\n", peer.name))
}

pub fn table(bench: &Bench, wanted: &[String], port: &mut impl FnMut() -> u16) -> String {
    let mut text = HEAD.to_owned();
    for peer in PEERS.iter().filter_map(|name| peers::named(name)) {
        if !(peer.is_ours() || wanted.is_empty() || wanted.iter().any(|name| name == peer.name)) {
            continue;
        }
        let row = match (bench.absent(peer), &mut *port) {
            (Some(why), _) => format!("| {} | not measured: {why} | | |\n", peer.name),
            (None, port) => {
                row(bench, peer, port).unwrap_or_else(|error| format!("| {} | {error} | | |\n", peer.name))
            }
        };
        text.push_str(&row);
    }
    text
}
