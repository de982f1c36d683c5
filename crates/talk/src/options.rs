//! Socket options by name, set and then read back: the kernel's word is what is told.

use enchufe_sys::host;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// A socket option that a user can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOption {
    /// `TCP_NODELAY`: small segments are not held back (RFC 9293 §3.7.4, Nagle).
    NoDelay(bool),
    /// `SO_KEEPALIVE` with this much idle time before the first probe (RFC 9293 §3.8.4).
    KeepAlive(Option<Duration>),
    /// `SO_SNDBUF`, bytes. Linux doubles what is asked for (socket(7)).
    SendBuffer(usize),
    /// `SO_RCVBUF`, bytes. Linux doubles what is asked for (socket(7)).
    ReceiveBuffer(usize),
    /// `SO_LINGER`: how long `close` waits for the output; zero resets the connection.
    Linger(Duration),
}

/// What was wrong with the text of a socket option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// No such option.
    Unknown(String),
    /// Not a value of this option.
    Value(&'static str, String),
}

/// The names that [`SocketOption::from_str`] knows.
pub const NAMES: [&str; 5] = ["nodelay", "keepalive", "sndbuf", "rcvbuf", "linger"];

/// What `TCP_KEEPIDLE` may be: `MAX_TCP_KEEPIDLE` of Linux, `include/net/tcp.h`.
const KEEP_ALIVE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(32_767);

impl FromStr for SocketOption {
    type Err = OptionError;

    /// `nodelay`, `nodelay=off`, `keepalive`, `keepalive=30s`, `keepalive=off`, `sndbuf=65536`,
    /// `rcvbuf=65536`, `linger=0`.
    fn from_str(text: &str) -> Result<Self, OptionError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let wrong = |name: &'static str| OptionError::Value(name, value.unwrap_or_default().to_owned());
        match name {
            "nodelay" => match value {
                None | Some("on") => Ok(Self::NoDelay(true)),
                Some("off") => Ok(Self::NoDelay(false)),
                Some(_) => Err(wrong("nodelay")),
            },
            "keepalive" => match value {
                None | Some("on") => Ok(Self::KeepAlive(Some(Duration::from_secs(7200)))),
                Some("off") => Ok(Self::KeepAlive(None)),
                Some(time) => match crate::address::parse_time(time) {
                    // It counts whole seconds (tcp(7)).
                    Some(time) if KEEP_ALIVE.contains(&time) && time.subsec_nanos() == 0 => {
                        Ok(Self::KeepAlive(Some(time)))
                    }
                    _ => Err(wrong("keepalive")),
                },
            },
            "sndbuf" => size(value).map(Self::SendBuffer).ok_or_else(|| wrong("sndbuf")),
            "rcvbuf" => size(value).map(Self::ReceiveBuffer).ok_or_else(|| wrong("rcvbuf")),
            "linger" => {
                let holds = |time: &Duration| time.subsec_nanos() == 0 && *time <= host::LONGEST_LINGER;
                let time = value.and_then(crate::address::parse_time).filter(holds);
                time.map(Self::Linger).ok_or_else(|| wrong("linger"))
            }
            _ => Err(OptionError::Unknown(name.to_owned())),
        }
    }
}

fn size(value: Option<&str>) -> Option<usize> {
    value?.parse().ok().filter(|size| (1..=1 << 30).contains(size))
}

impl SocketOption {
    /// Its name, as in [`NAMES`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoDelay(_) => "nodelay",
            Self::KeepAlive(_) => "keepalive",
            Self::SendBuffer(_) => "sndbuf",
            Self::ReceiveBuffer(_) => "rcvbuf",
            Self::Linger(_) => "linger",
        }
    }

    /// Sets it.
    pub fn set(self, socket: &SockRef<'_>) -> io::Result<()> {
        host::set_option(socket, |socket| match self {
            Self::NoDelay(on) => socket.set_tcp_nodelay(on),
            Self::KeepAlive(None) => socket.set_keepalive(false),
            Self::KeepAlive(Some(idle)) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
            Self::SendBuffer(size) => socket.set_send_buffer_size(size),
            Self::ReceiveBuffer(size) => socket.set_recv_buffer_size(size),
            Self::Linger(time) => socket.set_linger(Some(time)),
        })
    }

    /// What the kernel says it is now.
    pub fn read_back(self, socket: &SockRef<'_>) -> io::Result<String> {
        let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
        Ok(match self {
            Self::NoDelay(_) => switch(socket.tcp_nodelay()?),
            Self::KeepAlive(_) if socket.keepalive()? => host::keep_alive_time(socket)?
                .map_or_else(|| switch(true), |time| format!("{}s", time.as_secs())),
            Self::KeepAlive(_) => switch(false),
            Self::SendBuffer(_) => socket.send_buffer_size()?.to_string(),
            Self::ReceiveBuffer(_) => socket.recv_buffer_size()?.to_string(),
            Self::Linger(_) => {
                socket.linger()?.map_or_else(|| switch(false), |time| format!("{}s", time.as_secs()))
            }
        })
    }
}

/// An option that the system did not take.
#[derive(Debug)]
pub struct Refusal {
    /// Its name, as in [`NAMES`].
    pub option: &'static str,
    /// Why.
    pub error: io::Error,
}

/// Sets all of them, up to the first that is refused.
pub fn apply(options: &[SocketOption], socket: &SockRef<'_>) -> Result<(), Refusal> {
    options
        .iter()
        .try_for_each(|option| option.set(socket).map_err(|error| Refusal { option: option.name(), error }))
}

/// All of them as the kernel reports them.
pub fn read_back(options: &[SocketOption], socket: &SockRef<'_>) -> io::Result<Vec<(&'static str, String)>> {
    options.iter().map(|option| Ok((option.name(), option.read_back(socket)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_they_are_written() {
        assert_eq!("nodelay".parse(), Ok(SocketOption::NoDelay(true)));
        assert_eq!("nodelay=off".parse(), Ok(SocketOption::NoDelay(false)));
        assert_eq!("keepalive=30s".parse(), Ok(SocketOption::KeepAlive(Some(Duration::from_secs(30)))));
        assert_eq!("linger=0s".parse(), Ok(SocketOption::Linger(Duration::ZERO)));
        assert_eq!(
            "keepalive=10ms".parse::<SocketOption>(),
            Err(OptionError::Value("keepalive", "10ms".into()))
        );
        assert_eq!(
            "keepalive=32768s".parse::<SocketOption>(),
            Err(OptionError::Value("keepalive", "32768s".into()))
        );
        // As an int it would be zero, which resets the connection.
        assert_eq!(
            "linger=4294967296s".parse::<SocketOption>(),
            Err(OptionError::Value("linger", "4294967296s".into()))
        );
        assert_eq!("sndbuf=0".parse::<SocketOption>(), Err(OptionError::Value("sndbuf", "0".into())));
        assert_eq!("nagle".parse::<SocketOption>(), Err(OptionError::Unknown("nagle".into())));
    }

    #[test]
    fn the_kernel_reports_back_what_was_set() {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let options = [SocketOption::NoDelay(true), SocketOption::KeepAlive(Some(Duration::from_secs(30)))];
        apply(&options, &SockRef::from(&socket)).unwrap();
        let back = read_back(&options, &SockRef::from(&socket)).unwrap();
        assert_eq!(back, [("nodelay", "on".to_owned()), ("keepalive", "30s".to_owned())]);
    }
}
