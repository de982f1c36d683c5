//! Text of numbers and addresses, appended to a buffer that the caller reuses: a row costs no allocation.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a number in decimal.
pub(crate) fn decimal(value: u64, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Appends a number in hexadecimal, with at least `width` digits.
pub(crate) fn hex(value: u32, width: usize, out: &mut String) {
    let mut digits = [0u8; 8];
    let mut rest = value;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = hex_digit(rest & 0xf);
        rest >>= 4;
        used += 1;
        if rest == 0 && used >= width {
            break;
        }
    }
    ascii(digits.get(digits.len() - used..).unwrap_or_default(), out);
}

fn hex_digit(nibble: u32) -> u8 {
    usize::try_from(nibble).ok().and_then(|at| HEX.get(at)).copied().unwrap_or(b'0')
}

fn ascii(digits: &[u8], out: &mut String) {
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// Appends bytes as two hexadecimal digits each, with `separator` between them.
pub(crate) fn hex_bytes(bytes: &[u8], separator: &str, out: &mut String) {
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 {
            out.push_str(separator);
        }
        hex(u32::from(*byte), 2, out);
    }
}

/// Appends a hardware address.
pub(crate) fn mac(bytes: &[u8], out: &mut String) {
    hex_bytes(bytes, ":", out);
}

/// Appends an IPv4 address.
pub(crate) fn ipv4(bytes: [u8; 4], out: &mut String) {
    // Of its own, not four numbers: every row has two.
    let mut text = [0; 15];
    let mut places = text.iter_mut();
    let mut used = 0;
    let mut put = |byte: u8| {
        if let Some(place) = places.next() {
            *place = byte;
            used += 1;
        }
    };
    for (at, byte) in bytes.into_iter().enumerate() {
        if at > 0 {
            put(b'.');
        }
        if byte > 99 {
            put(b'0' + byte / 100);
        }
        if byte > 9 {
            put(b'0' + byte / 10 % 10);
        }
        put(b'0' + byte % 10);
    }
    ascii(text.get(..used).unwrap_or_default(), out);
}

/// Appends an IPv6 address as `inet_ntop` of glibc does: RFC 5952, and a dotted tail after `::` or `::ffff:`.
pub(crate) fn ipv6(bytes: [u8; 16], out: &mut String) {
    let words = std::net::Ipv6Addr::from(bytes).segments();
    let (start, len) = longest_zeros(words);
    let dotted = start == 0 && (len == 6 || (len == 5 && words[5] == 0xffff));
    let shown = if dotted { 6 } else { 8 };
    let mut at = 0;
    while at < shown {
        if len > 1 && at == start {
            out.push_str("::");
            at += len;
            continue;
        }
        if at > 0 && !(len > 1 && at == start + len) {
            out.push(':');
        }
        hex(u32::from(words.get(at).copied().unwrap_or_default()), 1, out);
        at += 1;
    }
    if dotted {
        if len == 5 {
            out.push(':');
        }
        let [.., a, b, c, d] = bytes;
        ipv4([a, b, c, d], out);
    }
}

/// Where the longest run of zero words starts, and how long it is; the first of equals.
fn longest_zeros(words: [u16; 8]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut run = 0;
    for (at, word) in words.into_iter().enumerate() {
        run = if word == 0 { run + 1 } else { 0 };
        if run > best.1 {
            best = (at + 1 - run, run);
        }
    }
    best
}

/// Appends nanoseconds as seconds with nine decimals.
pub(crate) fn seconds(nanos: i64, out: &mut String) {
    if nanos < 0 {
        out.push('-');
    }
    let nanos = nanos.unsigned_abs();
    decimal(nanos / 1_000_000_000, out);
    let mut fraction = *b".000000000";
    let mut rest = nanos % 1_000_000_000;
    for digit in fraction.iter_mut().skip(1).rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    ascii(&fraction, out);
}

/// Appends bytes from outside: printable text as it is, what does not print and broken UTF-8 as escapes.
pub(crate) fn escaped(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\u{7}' => out.push_str("\\a"),
                '\u{8}' => out.push_str("\\b"),
                '\t' => out.push_str("\\t"),
                '\n' => out.push_str("\\n"),
                '\u{b}' => out.push_str("\\v"),
                '\u{c}' => out.push_str("\\f"),
                '\r' => out.push_str("\\r"),
                other if other.is_ascii_control() => octal(u32::from(other), out),
                other if !prints(other) => {
                    let (sign, width) = if u32::from(other) > 0xffff { ("\\U", 8) } else { ("\\u", 4) };
                    out.push_str(sign);
                    upper_hex(u32::from(other), width, out);
                }
                other => out.push(other),
            }
        }
        for _ in chunk.invalid() {
            out.push('\u{fffd}');
        }
    }
}

/// Whether a character shows: not controls beyond ASCII, marks of direction, and what Unicode has not assigned. They
/// could act on a terminal, or make a row read as another one.
fn prints(character: char) -> bool {
    if character.is_ascii() || character.is_alphanumeric() {
        return true;
    }
    // Spaces, separators and private characters print in Wireshark, and are escaped by the standard library.
    let private = matches!(character, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}');
    if private || (character.is_whitespace() && !character.is_control()) {
        return true;
    }
    // After another one, because what combines with it is escaped where it stands first.
    let mut text = String::from('x');
    text.push(character);
    text.escape_debug().nth(1) != Some('\\')
}

pub(crate) fn upper_hex(value: u32, width: usize, out: &mut String) {
    let start = out.len();
    hex(value, width, out);
    if let Some(digits) = out.get_mut(start..) {
        digits.make_ascii_uppercase();
    }
}

fn octal(value: u32, out: &mut String) {
    out.push('\\');
    for shift in [6, 3, 0] {
        decimal(u64::from(value >> shift & 7), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    /// Expected texts printed by tshark 4.0.17.
    #[test]
    fn ipv6_addresses_are_written_as_wireshark_does() {
        for (address, expected) in [
            ("::", "::"),
            ("::1", "::1"),
            ("::102:304", "::1.2.3.4"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("::4", "::4"),
            ("::1:4", "::0.1.0.4"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("0:0:0:1:0:0:0:1", "::1:0:0:0:1"),
            ("::1:2:3", "::1:2:3"),
            ("::ffff:0:102:304", "::ffff:0:102:304"),
            ("1::", "1::"),
        ] {
            let bytes = address.parse::<std::net::Ipv6Addr>().unwrap().octets();
            assert_eq!(written(|out| ipv6(bytes, out)), expected);
        }
    }

    #[test]
    fn numbers_are_written_whole() {
        assert_eq!(written(|out| decimal(0, out)), "0");
        assert_eq!(written(|out| decimal(u64::MAX, out)), u64::MAX.to_string());
        assert_eq!(written(|out| hex(0xab, 4, out)), "00ab");
        assert_eq!(written(|out| hex(0, 1, out)), "0");
        for nanos in [0, 84_000, 1_000_000_001, -1, -2_500_000_000, i64::MIN] {
            let (sign, rest) =
                if nanos < 0 { ("-", nanos.unsigned_abs()) } else { ("", nanos.unsigned_abs()) };
            let expected = format!("{sign}{}.{:09}", rest / 1_000_000_000, rest % 1_000_000_000);
            assert_eq!(written(|out| seconds(nanos, out)), expected);
        }
        assert_eq!(written(|out| escaped(b"a\r\n\x01\xff\xc3\xa9", out)), "a\\r\\n\\001\u{fffd}\u{e9}");
    }
}
