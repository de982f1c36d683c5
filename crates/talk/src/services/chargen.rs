use crate::service::{Actions, Event, Service};

/// The printable characters of ASCII, space to tilde.
const ALPHABET: usize = 95;
/// Characters of a line, and with its CR LF.
const LINE: usize = 72;
const WIDTH: usize = LINE + 2;

/// One whole turn of the pattern that RFC 864 shows: each line begins one character further.
static PATTERN: [u8; ALPHABET * WIDTH] = pattern();

#[expect(clippy::cast_possible_truncation, reason = "below 127")]
const fn pattern() -> [u8; ALPHABET * WIDTH] {
    let mut all = [0; ALPHABET * WIDTH];
    let mut line = 0;
    while line < ALPHABET {
        let mut column = 0;
        while column < LINE {
            all[line * WIDTH + column] = b' ' + ((line + column) % ALPHABET) as u8;
            column += 1;
        }
        all[line * WIDTH + LINE] = b'\r';
        all[line * WIDTH + LINE + 1] = b'\n';
        line += 1;
    }
    all
}

/// Sends characters until the connection is reset or a limit ends it; what comes is thrown away
/// (RFC 864). A half-closed peer still wants them.
#[derive(Debug, Default, Clone, Copy)]
pub struct Chargen;

impl Service for Chargen {
    type State = ();

    fn event(&self, (): &mut (), event: Event<'_>, actions: &mut Actions) {
        if matches!(event, Event::Opened(_) | Event::Writable) {
            actions.send(&PATTERN[..]);
        }
    }
}
