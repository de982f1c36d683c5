//! As much of HTTP/1.1 as it takes to be asked for a page: the head of one request (RFC 9112) and one response, after
//! which the connection is closed.

/// Bytes of a head.
const MOST: usize = 8 * 1024;

/// A status and its phrase (RFC 9110 §15).
pub type Status = (u16, &'static str);
pub const OK: Status = (200, "OK");
pub const BAD_REQUEST: Status = (400, "Bad Request");
const NOT_FOUND: Status = (404, "Not Found");
const METHOD_NOT_ALLOWED: Status = (405, "Method Not Allowed");
/// RFC 6585 §5
const HEAD_TOO_LARGE: Status = (431, "Request Header Fields Too Large");
pub const UNAVAILABLE: Status = (503, "Service Unavailable");
const OTHER_VERSION: Status = (505, "HTTP Version Not Supported");

pub const PLAIN: &str = "text/plain; charset=utf-8";

/// What there is to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Metrics,
    Health,
    Ready,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What for, or why that is not to be had.
    pub page: Result<Page, Status>,
    /// Only the head of the answer is wanted.
    head_only: bool,
}

impl Request {
    /// What is no request.
    pub const fn wrong(status: Status) -> Self {
        Self { page: Err(status), head_only: false }
    }
}

/// What was heard so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// The beginning of a request.
    More,
    /// A request, or what can be none any more.
    All(Request),
}

/// Looks at what came.
pub fn hear(bytes: &[u8]) -> Heard {
    // RFC 9112 §2.2: empty lines before the request are passed over.
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let came = bytes.get(begin..).unwrap_or_default();
    let end = end_of_head(came);
    let head = came.get(..end.unwrap_or(came.len())).unwrap_or_default();
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~' | 0x80..);
    let wrong = |status| Heard::All(Request::wrong(status));
    if !head.iter().all(is_text) {
        return wrong(BAD_REQUEST);
    }
    let mut lines = head.split_inclusive(|byte| *byte == b'\n').map(without_end);
    let whole = head.contains(&b'\n');
    let first = match lines.next().flatten().map(first_line) {
        Some(Ok(first)) => Some(first),
        Some(Err(status)) if whole => return wrong(status),
        None if whole => return wrong(BAD_REQUEST),
        _ => None,
    };
    match (first, end) {
        (Some(first), Some(end)) if end <= MOST => Heard::All(first.with_fields(lines)),
        _ if bytes.len() <= MOST => Heard::More,
        _ => wrong(if whole { HEAD_TOO_LARGE } else { BAD_REQUEST }),
    }
}

/// Where the line before the empty one ends.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let ends = |at: usize| {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
    };
    let newlines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    newlines.map(|(at, _)| at).find(|at| ends(*at)).map(|at| at + 1)
}

/// A line without CR LF, or LF alone (RFC 9112 §2.2); nothing where there is a CR in it.
fn without_end(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (!line.contains(&b'\r')).then_some(line)
}

/// What the first line says.
struct First {
    page: Result<Page, Status>,
    head_only: bool,
    /// HTTP/1.1 and what may come after it: there is one `Host` (RFC 9112 §3.2).
    names_host: bool,
}

/// `GET /metrics HTTP/1.1`
fn first_line(line: &[u8]) -> Result<First, Status> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else { return Err(BAD_REQUEST) };
    if !is_token(method) || target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(BAD_REQUEST);
    }
    let minor = match version.strip_prefix(b"HTTP/") {
        Some([b'1', b'.', minor]) if minor.is_ascii_digit() => *minor,
        Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit() => {
            return Err(OTHER_VERSION);
        }
        _ => return Err(BAD_REQUEST),
    };
    let page = if matches!(method, b"GET" | b"HEAD") { page(target) } else { Err(METHOD_NOT_ALLOWED) };
    Ok(First { page, head_only: method == b"HEAD", names_host: minor > b'0' })
}

fn page(target: &[u8]) -> Result<Page, Status> {
    // The absolute form, which is for proxies, is taken by every server (RFC 9112 §3.2.2).
    let path = match target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case(b"http://")) {
        Some(_) => {
            let rest = target.get(7..).unwrap_or_default();
            rest.iter().position(|byte| *byte == b'/').and_then(|at| rest.get(at..)).unwrap_or_default()
        }
        None => target,
    };
    match path.split(|byte| *byte == b'?').next().unwrap_or_default() {
        b"/metrics" => Ok(Page::Metrics),
        b"/healthz" => Ok(Page::Health),
        b"/readyz" => Ok(Page::Ready),
        _ => Err(NOT_FOUND),
    }
}

impl First {
    /// The request, if its fields are what fields are (RFC 9112 §5).
    fn with_fields<'a>(self, mut lines: impl Iterator<Item = Option<&'a [u8]>>) -> Request {
        let mut hosts = 0;
        let right = lines.all(|line| {
            let Some((name, _)) = line.and_then(|line| {
                let colon = line.iter().position(|byte| *byte == b':')?;
                line.split_at_checked(colon)
            }) else {
                return false;
            };
            hosts += usize::from(name.eq_ignore_ascii_case(b"host"));
            is_token(name)
        });
        if !right || hosts > 1 || (self.names_host && hosts == 0) {
            return Request::wrong(BAD_REQUEST);
        }
        Request { page: self.page, head_only: self.head_only }
    }
}

/// RFC 9110 §5.6.2
fn is_token(word: &[u8]) -> bool {
    !word.is_empty()
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// The whole answer to a request.
pub fn response(status: Status, content_type: &str, body: &str, request: &Request) -> Vec<u8> {
    let (code, phrase) = status;
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    let allow = if status == METHOD_NOT_ALLOWED { "Allow: GET, HEAD\r\n" } else { "" };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code} {phrase}\r\nDate: {date}\r\n{allow}Content-Type: {content_type}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), if request.head_only { b"" } else { body.as_bytes() }].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn asked(text: &str) -> Result<Page, Status> {
        match hear(text.as_bytes()) {
            Heard::All(request) => request.page,
            Heard::More => panic!("{text:?} is not over"),
        }
    }

    #[test]
    fn pages_are_asked_for_in_every_form_of_a_request() {
        assert_eq!(asked("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Page::Metrics));
        assert_eq!(
            asked("\r\nGET /metrics?name=a HTTP/1.1\r\nhost:\r\nX: \u{f1}\r\n\r\n"),
            Ok(Page::Metrics)
        );
        assert_eq!(asked("GET http://a:9100/healthz HTTP/1.1\r\nHost: a:9100\r\n\r\n"), Ok(Page::Health));
        assert_eq!(asked("HEAD /readyz HTTP/1.0\n\n"), Ok(Page::Ready));
        assert_eq!(
            asked("GET /readyz HTTP/1.0\r\n\r\n\0\x01"),
            Ok(Page::Ready),
            "what follows is no part of it"
        );
        assert_eq!(asked("GET /metrics/ HTTP/1.0\r\n\r\n"), Err(NOT_FOUND));
        assert_eq!(asked("GET / HTTP/1.0\r\n\r\n"), Err(NOT_FOUND));
        assert_eq!(asked("POST /metrics HTTP/1.0\r\n\r\n"), Err(METHOD_NOT_ALLOWED));
        assert_eq!(
            asked("get /metrics HTTP/1.0\r\n\r\n"),
            Err(METHOD_NOT_ALLOWED),
            "methods have their case"
        );
        assert_eq!(asked("GET /metrics HTTP/2.0\r\n"), Err(OTHER_VERSION));
    }

    #[test]
    fn what_is_no_request_is_told_as_soon_as_that_is_known() {
        let wrong = [
            "\x16\x03\x01",
            "hello\n",
            "GET /metrics\n",
            "GET  /metrics HTTP/1.1\r\n",
            "GET /metrics HTTP/1.1 \r\n",
            "GET /metrics http/1.1\r\n",
            "GET /metrics HTTP/1.10\r\n",
            "GET /m\u{e9}trics HTTP/1.1\r\n",
            "G\"T /metrics HTTP/1.1\r\n",
            "GET /metrics\rHTTP/1.1\r\n",
            "GET /metrics HTTP/1.1\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET /metrics HTTP/1.0\r\nHost : a\r\n\r\n",
            "GET /metrics HTTP/1.0\r\nX: a\r\n b\r\n\r\n",
            "GET /metrics HTTP/1.0\r\nX\r\n\r\n",
            "GET /metrics HTTP/1.0\r\nX: \0\r\n",
        ];
        for text in wrong {
            assert_eq!(asked(text), Err(BAD_REQUEST), "{text:?}");
        }
    }

    #[test]
    fn a_request_that_is_not_whole_is_waited_for_up_to_its_bound() {
        let text = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(hear(&text.as_bytes()[..end]), Heard::More, "{end}");
        }
        let most = "a".repeat(MOST);
        assert_eq!(hear(most.as_bytes()), Heard::More);
        assert_eq!(asked(&format!("{most}a")), Err(BAD_REQUEST));
        assert_eq!(asked(&"\r\n".repeat(MOST)), Err(BAD_REQUEST));
        assert_eq!(asked(&format!("GET / HTTP/1.1\r\nX: {most}")), Err(HEAD_TOO_LARGE));
        let whole = format!("GET /metrics HTTP/1.1\r\nHost: a\r\nX: {most}\r\n\r\n");
        assert_eq!(asked(&whole), Err(HEAD_TOO_LARGE), "however much of it comes at once");
    }
}
