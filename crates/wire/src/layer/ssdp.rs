//! Messages of service discovery: HTTP in one datagram, as Wireshark reads it.

/// What a request can begin with: methods of HTTP (RFC 9110 §9, RFC 5789), of its extensions (RFC 3253, RFC 4918) and of
/// what else is known to use its form.
const REQUESTS: [&[u8]; 40] = [
    b"M-SEARCH",
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"CONNECT",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"MKCOL",
    b"PROPFIND",
    b"PROPPATCH",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"SEARCH",
    b"BMOVE",
    b"BCOPY",
    b"BDELETE",
    b"BPROPFIND",
    b"BPROPPATCH",
    b"REPORT",
    b"MERGE",
    b"CHECKOUT",
    b"CHECKIN",
    b"UNCHECKOUT",
    b"MKACTIVITY",
    b"MKWORKSPACE",
    b"VERSION-CONTROL",
    b"LABEL",
    b"POLL",
    b"RPC_CONNECT",
    b"RPC_IN_DATA",
    b"RPC_OUT_DATA",
    b"SSTP_DUPLEX_POST",
    b"BASELINE-CONTROL",
    b"UPDATE",
    b"CCM_POST",
];

/// The methods of events: what they carry needs no length.
const NOTIFICATIONS: [&[u8]; 3] = [b"NOTIFY", b"SUBSCRIBE", b"UNSUBSCRIBE"];

/// What a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Request,
    Notification,
    /// Its status, if it has one.
    Response(Option<u16>),
}

/// A message that begins like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Http<'a> {
    /// Its first line, without the end of line.
    pub(crate) line: &'a [u8],
    /// The media type of its body, as it stands, if it has both.
    pub(crate) media_type: Option<&'a [u8]>,
    /// What is there of its body.
    body: &'a [u8],
    /// How long its header says that the body is.
    length: Option<u64>,
    /// A line of it is a request, or tells of an event.
    asks: bool,
    /// The bytes end before a header line says that it is one.
    cut: bool,
}

/// What the header lines say of the body.
#[derive(Clone, Copy, Debug, Default)]
struct Headers<'a> {
    media_type: Option<&'a [u8]>,
    length: Option<u64>,
    coding: Option<&'a [u8]>,
    transfer: Option<&'a [u8]>,
}

impl<'a> Http<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
        let (line, mut rest) = first_line(bytes)?;
        let mut kind = kind(line)?;
        let (mut headers, mut asks) = (Headers::default(), kind.asks());
        while !rest.is_empty() {
            let (header, after, ended) = next_line(rest);
            if header.is_empty() {
                rest = after;
                break;
            }
            if let Some(again) = self::kind(header) {
                asks |= again.asks();
                // A response without a status does not take back the one before.
                kind = match (kind, again) {
                    (Kind::Response(Some(_)), Kind::Response(None)) => kind,
                    _ => again,
                };
            } else if let Some(colon) = header.iter().position(|byte| *byte == b':') {
                let (name, value) = header.split_at(colon);
                headers.add(name, value.get(1..).unwrap_or_default());
            } else if ended {
                break;
            } else {
                return Some(Self { line, media_type: None, body: &[], length: None, asks, cut: true });
            }
            rest = after;
        }
        let media_type = headers.media_type.filter(|_| headers.has_body(kind, rest));
        Some(Self { line, media_type, body: rest, length: headers.length, asks, cut: false })
    }

    /// Whether less of it is here than it takes to read it; `missing` bytes of the datagram are not.
    pub(crate) fn lacks(&self, missing: usize) -> bool {
        let whole = self.body.len() + missing;
        let length = self.length.and_then(|length| usize::try_from(length).ok());
        self.cut
            || (self.media_type.is_some() && self.body.len() < length.map_or(whole, |len| len.min(whole)))
    }

    /// Whether what these bytes begin makes all that its two ends send each other HTTP.
    pub(crate) fn asks(bytes: &[u8]) -> bool {
        if let Some(http) = Http::parse(bytes) {
            return http.asks;
        }
        let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
        kind(next_line(bytes).0).is_some_and(Kind::asks)
    }
}

impl Kind {
    const fn asks(self) -> bool {
        matches!(self, Self::Request | Self::Notification)
    }
}

/// The first line and what follows; none where it has no end.
fn first_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let (line, rest) = bytes.split_at_checked(end)?;
    match rest {
        [b'\r'] | [] => None,
        [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => Some((line, rest)),
    }
}

/// A header line, what follows, and whether it has an end.
fn next_line(bytes: &[u8]) -> (&[u8], &[u8], bool) {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    match end.and_then(|end| bytes.split_at_checked(end)) {
        Some((line, [b'\r', b'\n', rest @ ..] | [_, rest @ ..])) => (line, rest, true),
        _ => (bytes, &[], false),
    }
}

fn kind(line: &[u8]) -> Option<Kind> {
    let mut words = line.split(|byte| *byte == b' ');
    let first = words.next()?;
    if first.starts_with(b"HTTP/") || first.starts_with(b"ICY") {
        let status = words.find(|word| !word.is_empty()).and_then(|word| word.first_chunk::<3>());
        let digits = status.filter(|status| status.iter().all(u8::is_ascii_digit));
        let number =
            |digits: &[u8; 3]| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        return Some(Kind::Response(digits.map(number)));
    }
    if NOTIFICATIONS.contains(&first) {
        return Some(Kind::Notification);
    }
    REQUESTS.contains(&first).then_some(Kind::Request)
}

impl<'a> Headers<'a> {
    fn add(&mut self, name: &[u8], value: &'a [u8]) {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let value = value.get(value.iter().take_while(|byte| blank(byte)).count()..).unwrap_or_default();
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"Content-Type") {
            let end = value.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t' | b'\x0c' | 0));
            self.media_type = Some(value.get(..end.unwrap_or(value.len())).unwrap_or_default());
        } else if is(b"Content-Length") {
            self.length = length(value);
        } else if is(b"Content-Encoding") {
            self.coding = Some(value);
        } else if is(b"Transfer-Encoding") {
            self.transfer = Some(value);
        }
    }

    /// Whether what follows the header lines is a body that can be read.
    fn has_body(&self, kind: Kind, body: &[u8]) -> bool {
        const CODINGS: [&[u8]; 6] = [b"identity", b"gzip", b"x-gzip", b"deflate", b"x-deflate", b"br"];
        let promised = match kind {
            Kind::Request => self.length.is_some() || self.transfer.is_some(),
            Kind::Notification => true,
            Kind::Response(status) => !status.is_some_and(|status| matches!(status, 100..=199 | 204 | 304)),
        };
        let coding = |coding: &[u8]| CODINGS.iter().any(|known| coding.eq_ignore_ascii_case(known));
        promised
            && self.length != Some(0)
            && !body.is_empty()
            && self.coding.is_none_or(coding)
            && self.transfer.is_none_or(|transfer| transferred(transfer, body))
    }
}

/// A length that fits 63 bits, with nothing but blanks after it.
fn length(value: &[u8]) -> Option<u64> {
    let value = value.split(|byte| matches!(byte, b' ' | b'\t' | 0)).next()?;
    let text = std::str::from_utf8(value).ok()?;
    text.parse().ok().filter(|length| i64::try_from(*length).is_ok())
}

/// Whether a body came as it is, or in chunks of which there is one (RFC 9112 §7.1).
fn transferred(coding: &[u8], body: &[u8]) -> bool {
    let has = |word: &[u8]| coding.windows(word.len()).any(|part| part == word);
    if [&b"gzip"[..], b"deflate", b"compress"].into_iter().any(has) {
        return false;
    }
    let size = next_line(body).0.trim_ascii_start();
    !has(b"chunked") || size.first().is_some_and(|digit| digit.is_ascii_hexdigit() && *digit != b'0')
}
