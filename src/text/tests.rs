use super::*;
use proptest::prelude::*;

#[test]
fn text_is_left_as_it_is() {
    assert_eq!(escape("Aquí va el 'mensaje' ¿no? 🙂".as_bytes()), "Aquí va el 'mensaje' ¿no? 🙂");
    assert_eq!(escape("e\u{301}".as_bytes()), "e\u{301}");
}

#[test]
fn what_would_act_is_escaped() {
    assert_eq!(escape(b"x\nrecibido \"y\"\r\t\0\\"), r#"x\nrecibido \"y\"\r\t\0\\"#);
    assert_eq!(escape(b"\x1b[2J"), r"\u{1b}[2J");
    assert_eq!(escape("\u{202e}abc\u{7f}".as_bytes()), r"\u{202e}abc\u{7f}");
    assert_eq!(escape(b"a\xffb\xc3"), r"a\xFFb\xC3");
}

#[test]
fn a_character_cut_by_a_read_is_shown_whole() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.piece(b"Aqu\xc3"), "Aqu");
    assert_eq!(decoder.piece(b"\xad va"), "í va");
    assert_eq!(decoder.finish(), "");
}

#[test]
fn a_character_that_never_became_whole_is_shown_as_bytes() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.piece(b"\xf0\x9f\x99"), "");
    assert_eq!(decoder.finish(), r"\xF0\x9F\x99");
    assert_eq!(decoder.finish(), "");
}

proptest! {
    #[test]
    fn what_is_passed_over_is_decoded_no_further_than_its_end(
        shown in proptest::collection::vec(any::<u8>(), 0..6),
        characters in ".{0,4}",
        kept in 0_usize..16,
    ) {
        let mut passed = Decoder::default();
        let mut whole = Decoder::default();
        let rest = characters.as_bytes();
        let rest = &rest[..rest.len().min(kept)];
        passed.piece(&shown);
        passed.pass(rest);
        whole.piece(&shown);
        whole.piece(rest);
        prop_assert_eq!(passed.finish(), whole.finish());
    }
}

#[test]
fn a_dump_shows_sixteen_bytes_a_line() {
    assert_eq!(
        hex_dump(b"0123456789abcdef\n"),
        "    0000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n\
         \x20   0010  0a                                               .\n"
    );
}

/// The inverse, written from the description of the escapes.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            bytes.extend(character.to_string().bytes());
            continue;
        }
        match rest.next().unwrap() {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            'x' => {
                let digits: String = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            'u' => {
                let digits: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                let character = char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap();
                bytes.extend(character.to_string().bytes());
            }
            other => bytes.push(u8::try_from(other).unwrap()),
        }
    }
    bytes
}

fn tricky() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            "[\\\\\"'x{}u0-9\n\r\t]{1,4}".prop_map(String::into_bytes),
        ],
        0..40,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn the_bytes_can_be_got_back(bytes in tricky()) {
        prop_assert_eq!(unescape(&escape(&bytes)), bytes);
    }

    #[test]
    fn nothing_that_acts_is_left(bytes in tricky()) {
        prop_assert!(escape(&bytes).chars().all(|c| !c.is_control()));
    }

    #[test]
    fn pieces_together_are_the_whole(bytes in tricky(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut decoder = Decoder::default();
        let mut text: String = cuts.windows(2).map(|ends| decoder.piece(&bytes[ends[0]..ends[1]])).collect();
        text += &decoder.finish();
        prop_assert_eq!(text, escape(&bytes));
    }
}

#[test]
#[cfg(unix)]
fn a_word_is_typed_so_that_a_shell_makes_the_same_bytes_of_it() {
    for (word, typed) in [
        (&b"plain"[..], "plain"),
        (b"", "''"),
        (b"two words", "'two words'"),
        (b"say \"hi\" \\n", "'say \"hi\" \\n'"),
        (b"it's", "'it'\\''s'"),
        ("\u{f1}and\u{fa}".as_bytes(), "'\u{f1}and\u{fa}'"),
        (b"\xff1", "$'\\3771'"),
        (b"a\nb", "$'a\\nb'"),
        (b"\xff'\x1b\\", "$'\\377\\'\\033\\\\'"),
    ] {
        assert_eq!(shell_word(word), typed);
        let line = format!("printf %s {typed}");
        let made = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
        assert_eq!(made.stdout, word, "{typed}");
    }
}
