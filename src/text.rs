//! Bytes from a peer as text that is safe to show: decoded as UTF-8 piece by piece, escaped so that
//! no control character, line break or bad byte acts on the terminal or forges a line.
//!
//! The escapes are `\n \r \t \0 \\ \"`, `\u{…}` for other characters that do not print, and `\xNN`
//! for bytes that are not UTF-8; nothing else begins with a backslash, so the bytes can be got back.

use std::fmt::Write;

/// Decodes one direction of a connection, whose reads may cut a character in two.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a character whose rest has not come: at most three bytes.
    cut: Vec<u8>,
}

impl Decoder {
    /// The escaped text of the next piece. A character that the piece cuts is shown with the next.
    pub fn piece(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.cut);
        all.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = &all[..];
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    escape_text(valid, &mut text);
                    return text;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    escape_text(&String::from_utf8_lossy(valid), &mut text);
                    let Some(length) = error.error_len() else {
                        self.cut = after.to_vec();
                        return text;
                    };
                    let (bad, next) = after.split_at(length);
                    escape_bytes(bad, &mut text);
                    rest = next;
                }
            }
        }
    }

    /// Passes over a piece that is not shown.
    pub fn pass(&mut self, bytes: &[u8]) {
        // A character that is not whole has three bytes at most.
        self.cut.extend_from_slice(bytes.get(bytes.len().saturating_sub(3)..).unwrap_or_default());
        let is_cut = |end: &[u8]| {
            std::str::from_utf8(end)
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        };
        let start = (0..self.cut.len()).find(|start| self.cut.get(*start..).is_some_and(is_cut));
        self.cut.drain(..start.unwrap_or(self.cut.len()));
    }

    /// Whether the last piece ended in the middle of a character.
    pub const fn is_inside(&self) -> bool {
        !self.cut.is_empty()
    }

    /// What is left at the end of the stream: bytes of a character that never became whole.
    pub fn finish(&mut self) -> String {
        let mut text = String::new();
        escape_bytes(&std::mem::take(&mut self.cut), &mut text);
        text
    }
}

/// A text in which nothing acts on the terminal; what is escaped already stays so.
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if letter.is_control() { out.extend(letter.escape_default()) } else { out.push(letter) }
    }
    out
}

/// The escaped text of bytes that are whole.
pub fn escape(bytes: &[u8]) -> String {
    let mut decoder = Decoder::default();
    decoder.piece(bytes) + &decoder.finish()
}

fn escape_bytes(bytes: &[u8], text: &mut String) {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase();
    for byte in bytes {
        text.extend(['\\', 'x', digit(byte >> 4), digit(byte & 0xF)]);
    }
}

fn escape_text(valid: &str, text: &mut String) {
    for character in valid.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            ' '..='~' => text.push(character),
            // After another character, so that an accent that combines with it is left alone.
            _ => text.extend(['a', character].iter().collect::<String>().escape_debug().skip(1)),
        }
    }
}

/// A word as it is typed to a shell: in quotes where it needs them.
pub fn shell_quoted(word: &str) -> String {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/' | ':' | '_'));
    if plain && !word.is_empty() { word.to_owned() } else { enchufe_sys::host::quote(word) }
}

/// Any word as it is typed to a shell: one with what does not print, or with bytes that are no text, as `$'…'` (XCU §2.2.4, POSIX 2024).
pub fn shell_word(word: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(word)
        && text.chars().all(prints)
    {
        return shell_quoted(text);
    }
    let mut text = "$'".to_owned();
    for chunk in word.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\'' | '\\' => text.extend(['\\', letter]),
                '\n' | '\r' | '\t' => text.extend(letter.escape_default()),
                _ if prints(letter) => text.push(letter),
                _ => octal(letter.encode_utf8(&mut [0; 4]).as_bytes(), &mut text),
            }
        }
        octal(chunk.invalid(), &mut text);
    }
    text.push('\'');
    text
}

/// Three digits each: how many a shell takes of hexadecimal ones is not said.
fn octal(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        let _ = write!(text, "\\{byte:03o}");
    }
}

/// Whether a character shows, and as itself.
fn prints(letter: char) -> bool {
    let mut text = String::new();
    escape_text(letter.encode_utf8(&mut [0; 4]), &mut text);
    matches!(letter, '"' | '\\') || text.chars().eq([letter])
}

/// Lines of 16 bytes: offset, hexadecimal, printable ASCII.
pub fn hex_dump(bytes: &[u8]) -> String {
    let mut dump = String::new();
    for (index, line) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let ascii: String = line
            .iter()
            .map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' })
            .collect();
        let _ = writeln!(dump, "    {:04x}  {:<47}  {ascii}", index * 16, hex.join(" "));
    }
    dump
}

#[cfg(test)]
mod tests;
