//! The client that asks a person for its messages.

use crate::catalogue::Catalogue;
use crate::reporter::Teller;
use enchufe_sys::host::TerminalMode;
use enchufe_talk::client::{Input, Pace, Piece};
use enchufe_talk::services::LineEnding;
use rustyline::config::Behavior;
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long nothing more may come before the next message is asked for.
const QUIET: Duration = Duration::from_millis(50);

/// Puts the terminal back as it was: the peer may end while a message is being typed.
pub struct Terminal(Option<TerminalMode>);

impl Terminal {
    pub fn keep() -> Self {
        Self(TerminalMode::save().ok())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(mode) = &self.0 {
            // A terminal that is gone needs no mode.
            let _ = mode.restore();
        }
    }
}

/// The input that a person types, each line one message.
pub fn input(
    once: bool,
    ending: LineEnding,
    teller: Arc<Teller>,
    catalogue: &'static Catalogue,
) -> io::Result<Input> {
    let mut editor = None;
    let mut asked = false;
    Input::pieces(Pace::Conversation(QUIET), move || {
        if once && std::mem::replace(&mut asked, true) {
            return Piece::End;
        }
        teller.enter_prompt();
        let piece = ask(&mut editor, ending, catalogue);
        teller.leave_prompt();
        piece
    })
}

fn ask(editor: &mut Option<DefaultEditor>, ending: LineEnding, catalogue: &Catalogue) -> Piece {
    let editor = match editor {
        Some(editor) => editor,
        None => match open() {
            Ok(opened) => editor.insert(opened),
            Err(error) => return Piece::Failed(error),
        },
    };
    match editor.readline(&catalogue.plain("prompt-message")) {
        Ok(line) => {
            // A history that cannot grow is no reason not to send.
            let _ = editor.add_history_entry(&line);
            Piece::Bytes(ending.add_to(line))
        }
        Err(ReadlineError::Eof) => Piece::End,
        Err(ReadlineError::Interrupted) => Piece::Interrupted,
        Err(ReadlineError::Io(error)) => Piece::Failed(error),
        Err(error) => Piece::Failed(io::Error::other(error)),
    }
}

/// The terminal itself rather than stdin and stdout: stdout may carry the peer's bytes.
fn open() -> io::Result<DefaultEditor> {
    let config = Config::builder().behavior(Behavior::PreferTerm).auto_add_history(false).build();
    DefaultEditor::with_config(config).map_err(io::Error::other)
}
