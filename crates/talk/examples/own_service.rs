//! A service of one's own, on any engine: `cargo run -p enchufe-talk --example own_service -- epoll 4000`

use enchufe_talk::engine::{self, Host, Kind};
use enchufe_talk::listen::{self, Plan};
use enchufe_talk::told::Silent;
use enchufe_talk::{Actions, Event, Service, Stop};

/// Answers each piece with how many bytes of its connection have come.
#[derive(Debug)]
pub struct Count;

impl Service for Count {
    type State = usize;

    fn event(&self, total: &mut usize, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bytes(bytes) => {
                *total += bytes.len();
                actions.answer(format!("{total}\n").into_bytes());
            }
            Event::PeerEnded => actions.close(),
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().collect();
    let [_, engine, address] = &words[..] else { return Err("give an engine and a port".into()) };
    let engine = Kind::named(engine).ok_or("there is no such engine")?;
    let stop = Stop::new()?;
    let listeners = listen::open(&Plan::new(&[address.parse()?]), &Silent, &stop)?;
    engine::serve(engine, listeners, &Count, &Host::new(&Silent, &stop))?;
    Ok(())
}
