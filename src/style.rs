//! Colours, where they are wanted and shown; and the way problems are printed.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU8, Ordering};

/// 0: by the terminal; 1: always; 2: never.
static WANTED: AtomicU8 = AtomicU8::new(0);

/// Learns whether the terminals here show colours: where they do not, `auto` is `never`.
pub fn learn_terminals() {
    if !enchufe_sys::host::prepare_terminals() {
        set("never");
    }
}

/// A colour by its meaning.
#[derive(Clone, Copy, Debug)]
pub enum Ink {
    /// Something went wrong.
    Bad,
    /// What tells connections apart.
    Lane,
}

/// Takes `auto`, `always` or `never` of `--color`.
pub fn set(word: &str) {
    WANTED.store(
        match word {
            "always" => 1,
            "never" => 2,
            _ => 0,
        },
        Ordering::Relaxed,
    );
}

/// Whether a stream is to be coloured. `NO_COLOR` counts where `--color` says nothing
/// (<https://no-color.org>).
pub fn wanted(stream: &impl IsTerminal) -> bool {
    match WANTED.load(Ordering::Relaxed) {
        1 => true,
        2 => false,
        _ => stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// `text` in a colour.
pub fn paint(text: &str, ink: Ink) -> String {
    let code = match ink {
        Ink::Bad => "1;31",
        Ink::Lane => "36",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Says a problem on stderr.
pub fn complain(sentence: &str) {
    let stderr = std::io::stderr();
    let name = if wanted(&stderr) { paint("enchufe:", Ink::Bad) } else { "enchufe:".to_owned() };
    // Who closed stderr does not want to know.
    let _ = writeln!(stderr.lock(), "{name} {sentence}");
}
