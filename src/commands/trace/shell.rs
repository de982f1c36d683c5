//! Commands that look as if they were for a shell, which none is run for.

use crate::catalogue::Catalogue;
use crate::commands::read::words::say;
use crate::text::{escape, shell_word};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What is said of a command that a shell would understand otherwise.
pub fn hint(command: &OsStr, catalogue: &Catalogue) -> Option<String> {
    let word = char::from(meant_for_shell(command.as_bytes())?).to_string();
    let quoted = shell_word(command.as_bytes());
    let command = escape(command.as_bytes()).replace("\\\"", "\"");
    let texts = [("word", word.as_str()), ("command", &command), ("quoted", &quoted)];
    Some(say(catalogue, "note-trace-no-shell", &texts, &[]))
}

/// The first character outside quotes that a shell would act on: variables, patterns, redirections, pipes, several commands
/// (XCU §2.2).
fn meant_for_shell(command: &[u8]) -> Option<u8> {
    let mut bytes = command.iter().copied();
    let mut quote = None;
    let is_read = runs_a_shell(command);
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None | Some(b'"'), b'\\') => {
                bytes.next();
            }
            (Some(open), _) if open == byte => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'$' | b'*' | b'<' | b'>' | b'|' | b'&' | b';' | b'`') => return Some(byte),
            (Some(b'"'), b'$' | b'`') if !is_read => return Some(byte),
            _ => {}
        }
    }
    None
}

/// Whether it is `sh -c` with what that is to do, so that a shell reads that after all.
fn runs_a_shell(command: &[u8]) -> bool {
    const SHELLS: [&[u8]; 5] = [b"sh", b"bash", b"dash", b"ksh", b"zsh"];
    let mut words = command.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let name = words.next().and_then(|file| file.rsplit(|byte| *byte == b'/').next());
    let is_shell = name.is_some_and(|name| SHELLS.contains(&name));
    is_shell && words.next().is_some_and(|flag| flag.starts_with(b"-") && flag.ends_with(b"c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_outside_quotes_is_meant_for_a_shell() {
        let cases: [(&str, Option<char>); 15] = [
            ("python3 a.py", None),
            ("a | b", Some('|')),
            ("a > b", Some('>')),
            ("a $HOME", Some('$')),
            ("a \"$HOME\"", Some('$')),
            ("a '$HOME'", None),
            ("a \\$HOME", None),
            ("ls *.py", Some('*')),
            ("a '*' \"*\"", None),
            ("sh -c 'a | b; c'", None),
            ("a && b", Some('&')),
            ("sh -c \"kill -9 $$\"", None),
            ("/bin/bash -ec \"echo `date`\"", None),
            ("sh -c \"echo $HOME\" | wc", Some('|')),
            ("shred -c \"$HOME\"", Some('$')),
        ];
        for (command, found) in cases {
            assert_eq!(meant_for_shell(command.as_bytes()).map(char::from), found, "{command}");
        }
    }
}
