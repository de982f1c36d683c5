//! Programs, lines of code, and constants of calls, by their names. The numbers are those of Linux, where recordings are made.

use enchufe_story::fact::Line;
use std::path::Path;

/// What a program is called: the script that an interpreter runs, else the command.
pub fn program(command: &[Vec<u8>]) -> String {
    let base = |word: &[u8]| {
        let path = String::from_utf8_lossy(word).into_owned();
        Path::new(&path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let name = base(command.first().map_or(&[][..], Vec::as_slice));
    let interpreted = ["python", "ruby", "node", "perl", "bash", "sh"];
    if !interpreted.iter().any(|known| name.starts_with(known)) {
        return name;
    }
    let mut words = command.iter().skip(1).map(Vec::as_slice);
    while let Some(word) = words.next() {
        match word {
            // Code, not a file.
            b"-c" | b"-e" => return name,
            b"-W" | b"-X" | b"-r" => {
                words.next();
            }
            [b'-', ..] => {}
            script => return base(script),
        }
    }
    name
}

/// A place in the source: the line, and of another file than the program's own its name; the function where no more is known.
pub fn place(line: Option<&Line>, program: &str) -> String {
    let Some(line) = line else { return String::new() };
    let file =
        Path::new(&line.file).file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    match (file == program || compiled(&file) == Some(program), line.line) {
        (true | false, 0) => short(&line.function),
        (true, number) => format!(":{number}"),
        (false, number) => format!("{file}:{number}"),
    }
}

/// What a program is called that is compiled from this one file.
fn compiled(file: &str) -> Option<&str> {
    let (name, extension) = file.rsplit_once('.')?;
    ["c", "cc", "cpp", "cxx", "go", "rs"].contains(&extension).then_some(name)
}

/// A function without its parameters, and without what it is in where that is long: `Client::say(int)`, `<A as B>::say`.
fn short(function: &str) -> String {
    const LONGEST: usize = 32;
    let end =
        function.find('(').filter(|at| *at > 0 && !function.contains("(anonymous")).unwrap_or(function.len());
    let name = function.get(..end).unwrap_or(function);
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    let last = name.rsplit("::").next().unwrap_or(name);
    format!("…{}", last.chars().take(LONGEST).collect::<String>())
}

/// The names of `errno`, as errno(3) has them.
pub fn errno(number: i32) -> String {
    let known = ERRNO.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("errno {number}"), |(_, name)| (*name).to_owned())
}

const ERRNO: [(i32, &str); 34] = [
    (1, "EPERM"),
    (2, "ENOENT"),
    (4, "EINTR"),
    (5, "EIO"),
    (9, "EBADF"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (22, "EINVAL"),
    (23, "ENFILE"),
    (24, "EMFILE"),
    (32, "EPIPE"),
    (38, "ENOSYS"),
    (88, "ENOTSOCK"),
    (89, "EDESTADDRREQ"),
    (90, "EMSGSIZE"),
    (92, "ENOPROTOOPT"),
    (95, "EOPNOTSUPP"),
    (97, "EAFNOSUPPORT"),
    (98, "EADDRINUSE"),
    (99, "EADDRNOTAVAIL"),
    (100, "ENETDOWN"),
    (101, "ENETUNREACH"),
    (103, "ECONNABORTED"),
    (104, "ECONNRESET"),
    (105, "ENOBUFS"),
    (106, "EISCONN"),
    (107, "ENOTCONN"),
    (110, "ETIMEDOUT"),
    (111, "ECONNREFUSED"),
    (113, "EHOSTUNREACH"),
    (114, "EALREADY"),
    (115, "EINPROGRESS"),
];

/// The names of signals, as signal(7) has them.
pub fn signal(number: i32) -> String {
    let known = SIGNALS.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("signal {number}"), |(_, name)| (*name).to_owned())
}

const SIGNALS: [(i32, &str); 21] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (7, "SIGBUS"),
    (10, "SIGUSR1"),
    (5, "SIGTRAP"),
    (12, "SIGUSR2"),
    (17, "SIGCHLD"),
    (18, "SIGCONT"),
    (19, "SIGSTOP"),
    (20, "SIGTSTP"),
    (21, "SIGTTIN"),
    (22, "SIGTTOU"),
];

/// A socket option (socket(7), tcp(7), ip(7)).
pub fn option(level: i32, name: i32) -> String {
    let known = OPTIONS.iter().find(|(of, known, _)| (*of, *known) == (level, name));
    known.map_or_else(|| format!("option {name} of level {level}"), |(.., name)| (*name).to_owned())
}

const OPTIONS: [(i32, i32, &str); 22] = [
    (1, 2, "SO_REUSEADDR"),
    (1, 15, "SO_REUSEPORT"),
    (1, 9, "SO_KEEPALIVE"),
    (1, 13, "SO_LINGER"),
    (1, 7, "SO_SNDBUF"),
    (1, 8, "SO_RCVBUF"),
    (1, 4, "SO_ERROR"),
    (1, 20, "SO_RCVTIMEO"),
    (1, 21, "SO_SNDTIMEO"),
    (1, 6, "SO_BROADCAST"),
    (6, 1, "TCP_NODELAY"),
    (6, 2, "TCP_MAXSEG"),
    (6, 3, "TCP_CORK"),
    (6, 4, "TCP_KEEPIDLE"),
    (6, 5, "TCP_KEEPINTVL"),
    (6, 6, "TCP_KEEPCNT"),
    (6, 9, "TCP_DEFER_ACCEPT"),
    (6, 12, "TCP_QUICKACK"),
    (6, 18, "TCP_USER_TIMEOUT"),
    (6, 23, "TCP_FASTOPEN"),
    (6, 11, "TCP_INFO"),
    (41, 26, "IPV6_V6ONLY"),
];

/// A family of addresses, as an address names it: `AF_UNSPEC` is none.
pub fn family(number: i32) -> String {
    if number == 0 { "AF_UNSPEC".to_owned() } else { domain(number) }
}

/// A family of addresses (socket(2)).
pub fn domain(number: i32) -> String {
    named(
        &[
            (AF_UNIX, "AF_UNIX"),
            (AF_INET, "AF_INET"),
            (AF_INET6, "AF_INET6"),
            (16, "AF_NETLINK"),
            (17, "AF_PACKET"),
        ],
        number,
    )
}

/// A kind of socket (socket(2)), without its flags.
pub fn kind(number: i32) -> String {
    let known = [(STREAM, "SOCK_STREAM"), (DATAGRAM, "SOCK_DGRAM"), (3, "SOCK_RAW"), (5, "SOCK_SEQPACKET")];
    named(&known, number & KIND)
}

/// Below its flags.
pub const KIND: i32 = 0xf;
pub const AF_UNIX: i32 = 1;
pub const AF_INET: i32 = 2;
pub const AF_INET6: i32 = 10;
pub const STREAM: i32 = 1;
pub const DATAGRAM: i32 = 2;
pub const TCP: i32 = 6;

/// The flags beside the kind of a socket.
pub fn kind_flags(number: i32) -> Vec<String> {
    flags(&[(0o4000, "SOCK_NONBLOCK"), (0o2_000_000, "SOCK_CLOEXEC")], number & !KIND)
}

/// A protocol of IP (`socket`).
pub fn protocol(number: i32) -> String {
    named(&[(0, "IPPROTO_IP"), (TCP, "IPPROTO_TCP"), (17, "IPPROTO_UDP"), (262, "IPPROTO_MPTCP")], number)
}

/// A level of options.
pub fn level(number: i32) -> String {
    let known = [
        (0, "IPPROTO_IP"),
        (1, "SOL_SOCKET"),
        (6, "IPPROTO_TCP"),
        (41, "IPPROTO_IPV6"),
        (282, "SOL_TLS"),
        (284, "SOL_MPTCP"),
    ];
    named(&known, number)
}

/// Which direction `shutdown` ends.
pub fn how(number: i32) -> String {
    named(&[(0, "SHUT_RD"), (1, "SHUT_WR"), (2, "SHUT_RDWR")], number)
}

/// The flags of calls that move bytes (send(2), recv(2)).
pub fn message_flags(number: i32) -> Vec<String> {
    flags(&MESSAGE, number)
}

const MESSAGE: [(i32, &str); 14] = [
    (0x1, "MSG_OOB"),
    (0x2, "MSG_PEEK"),
    (0x4, "MSG_DONTROUTE"),
    (0x20, "MSG_TRUNC"),
    (0x40, "MSG_DONTWAIT"),
    (0x80, "MSG_EOR"),
    (0x100, "MSG_WAITALL"),
    (0x800, "MSG_CONFIRM"),
    (0x2000, "MSG_ERRQUEUE"),
    (0x4000, "MSG_NOSIGNAL"),
    (0x8000, "MSG_MORE"),
    (0x400_0000, "MSG_ZEROCOPY"),
    (0x2000_0000, "MSG_FASTOPEN"),
    (0x4000_0000, "MSG_CMSG_CLOEXEC"),
];

fn named(known: &[(i32, &str)], number: i32) -> String {
    let name = known.iter().find(|(known, _)| *known == number);
    name.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// The names of bits; those without one together as a number.
fn flags(known: &[(i32, &str)], number: i32) -> Vec<String> {
    let mut left = number;
    let mut names = Vec::new();
    for (bit, name) in known.iter().filter(|(bit, _)| number & bit != 0) {
        left &= !bit;
        names.push((*name).to_owned());
    }
    if left != 0 {
        names.push(format!("0x{left:x}"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_programs_only_file_needs_no_name() {
        let place = |file: &str, line, function: &str, program| {
            place(Some(&Line { file: file.to_owned(), line, function: function.to_owned() }), program)
        };
        assert_eq!(place("servidor.py", 7, "main", "servidor.py"), ":7");
        assert_eq!(place("/home/ana/cliente.c", 12, "main", "cliente"), ":12");
        assert_eq!(place("/home/ana/cliente.h", 12, "main", "cliente"), "cliente.h:12");
        assert_eq!(place("src/main.rs", 12, "main", "cliente"), "main.rs:12");
        assert_eq!(place("/usr/bin/curl", 0, "curl_easy_perform", "curl"), "curl_easy_perform");
        assert_eq!(place("a", 0, "Wire::say(std::string const&)", "a"), "Wire::say");
        assert_eq!(place("a", 0, "(anonymous namespace)::say(int)", "a"), "(anonymous namespace)::say(int)");
        let long = "<cliente::protocolo::Cable as std::io::Write>::write_all";
        assert_eq!(place("a", 0, long, "a"), "…write_all");
    }

    #[test]
    fn a_program_is_called_by_its_script() {
        let cases = [
            ("python3 -u tests/servidor.py 4000", "servidor.py"),
            ("/usr/bin/python3 -W ignore a.py", "a.py"),
            ("python3 -c code/of.it", "python3"),
            ("python3 -m http.server", "http.server"),
            ("python3", "python3"),
            ("/usr/bin/nc -l 4000", "nc"),
        ];
        for (command, name) in cases {
            let words: Vec<Vec<u8>> = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(program(&words), name, "{command}");
        }
    }
}
