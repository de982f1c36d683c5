//! Addresses and times as people write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// Where to listen or connect: a host, which may be left out, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Which host.
    pub host: Host,
    /// Which port; 0 lets the kernel choose, for servers.
    pub port: u16,
}

/// The host of an [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Left out (`4000`, `:4000`): this machine, `127.0.0.1` and `::1`.
    ThisMachine,
    /// `*`: all interfaces, for servers.
    Every,
    /// An address; IPv6 in brackets.
    Ip(IpAddr),
    /// A name.
    Name(String),
}

/// What was wrong with the text of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// The port is missing: `HOST` alone.
    NoPort(String),
    /// The port is not a number from 0 to 65535.
    BadPort(String),
    /// The host is neither an address nor a name.
    BadHost(String),
    /// An IPv6 address without brackets: where does the port begin?
    Brackets(String),
}

impl std::fmt::Display for AddressError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoPort(text) => write!(formatter, "{text}: no port"),
            Self::BadPort(text) => write!(formatter, "{text}: not a port"),
            Self::BadHost(text) => write!(formatter, "{text}: neither an address nor a name"),
            Self::Brackets(text) => write!(formatter, "{text}: an IPv6 address goes in brackets"),
        }
    }
}

impl std::error::Error for AddressError {}

impl Endpoint {
    /// The addresses, where no name has to be resolved.
    pub fn addresses(&self) -> Option<Vec<SocketAddr>> {
        let ips: &[IpAddr] = match &self.host {
            Host::ThisMachine => &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
            Host::Every => &[IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
            Host::Ip(ip) => std::slice::from_ref(ip),
            Host::Name(_) => return None,
        };
        Some(ips.iter().map(|ip| SocketAddr::new(*ip, self.port)).collect())
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Host::ThisMachine => write!(formatter, ":{}", self.port),
            Host::Every => write!(formatter, "*:{}", self.port),
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(formatter),
            Host::Name(name) => write!(formatter, "{name}:{}", self.port),
        }
    }
}

impl FromStr for Endpoint {
    type Err = AddressError;

    /// `4000`, `:4000`, `*:4000`, `127.0.0.1:4000`, `[::1]:4000`, `name:4000`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(port) = parse_port(text) {
            return Ok(Self { host: Host::ThisMachine, port });
        }
        let no_port = || AddressError::NoPort(text.to_owned());
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::BadPort(text.to_owned()));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
        if text.parse::<Ipv6Addr>().is_ok() || (host.contains(':') && !host.starts_with('[')) {
            return Err(AddressError::Brackets(text.to_owned()));
        }
        if host.starts_with('[') && text.ends_with(']') || port.is_empty() {
            return Err(no_port());
        }
        let host = parse_host(host).ok_or_else(|| AddressError::BadHost(host.to_owned()))?;
        let port = parse_port(port).ok_or_else(|| AddressError::BadPort(port.to_owned()))?;
        Ok(Self { host, port })
    }
}

/// Digits only: `str::parse` would take a sign.
fn parse_port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn parse_host(text: &str) -> Option<Host> {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.strip_suffix(']')?.parse().ok().map(|ip| Host::Ip(IpAddr::V6(ip)));
    }
    match text {
        "" => Some(Host::ThisMachine),
        "*" => Some(Host::Every),
        _ => match text.parse() {
            Ok(ip) => Some(Host::Ip(ip)),
            Err(_) => is_name(text).then(|| Host::Name(text.to_owned())),
        },
    }
}

/// Letters of any script (the resolver knows more), digits, `-`, `_` and dots; not only digits and
/// dots, which is a mistyped address and which some resolvers would take (`127.1`).
fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 253 && text.chars().all(allowed) && !text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// A time as it is written in every command: `50ms`, `2s`, `1m`, `1h`; `0` needs no unit. What is longer than 584 years, as many
/// nanoseconds as 64 bits hold, is as long as that.
pub fn parse_time(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let split = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ')?;
    let (number, unit) = text.split_at(split);
    let nanoseconds: u64 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits alone that are no number are too many.
    let whole: u64 = whole.parse().unwrap_or(u64::MAX);
    let fraction = if fraction.is_empty() {
        0
    } else {
        let digits = u32::try_from(fraction.len()).ok()?;
        u64::try_from(fraction.parse::<u128>().ok()? * u128::from(nanoseconds) / 10_u128.pow(digits)).ok()?
    };
    Some(Duration::from_nanos(whole.saturating_mul(nanoseconds).saturating_add(fraction)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, host: Host, port: u16) {
        assert_eq!(text.parse(), Ok(Endpoint { host, port }));
    }

    #[test]
    fn a_port_alone_means_this_machine() {
        check("4000", Host::ThisMachine, 4000);
        check(":4000", Host::ThisMachine, 4000);
        check("*:4000", Host::Every, 4000);
    }

    #[test]
    fn hosts_are_addresses_or_names() {
        check("127.0.0.1:80", Host::Ip(Ipv4Addr::LOCALHOST.into()), 80);
        check("[::1]:80", Host::Ip(Ipv6Addr::LOCALHOST.into()), 80);
        check("localhost:80", Host::Name("localhost".into()), 80);
        check("ñandú.example:0", Host::Name("ñandú.example".into()), 0);
    }

    #[test]
    fn what_is_no_address_says_which_part() {
        let error = |text: &str| text.parse::<Endpoint>().unwrap_err();
        assert_eq!(error("localhost"), AddressError::NoPort("localhost".into()));
        for alone in ["[::1]", "[::1]:", "127.0.0.1:", ":", ""] {
            assert_eq!(error(alone), AddressError::NoPort(alone.into()));
        }
        assert_eq!(error("65536"), AddressError::BadPort("65536".into()));
        assert_eq!(error("localhost:http"), AddressError::BadPort("http".into()));
        assert_eq!(error("+4000"), AddressError::NoPort("+4000".into()));
        assert_eq!(error("localhost:+1"), AddressError::BadPort("+1".into()));
        assert_eq!(error("localhost:-1"), AddressError::BadPort("-1".into()));
        assert_eq!(error("::1"), AddressError::Brackets("::1".into()));
        assert_eq!(error("fe80::1:80"), AddressError::Brackets("fe80::1:80".into()));
        assert_eq!(error("127.0.0:80"), AddressError::BadHost("127.0.0".into()));
        assert_eq!(error("a b:80"), AddressError::BadHost("a b".into()));
    }

    #[test]
    fn times_need_a_unit() {
        assert_eq!(parse_time("50ms"), Some(Duration::from_millis(50)));
        assert_eq!(parse_time("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_time("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse_time("0"), Some(Duration::ZERO));
        assert_eq!(parse_time("0.500000000m"), Some(Duration::from_secs(30)));
        assert_eq!(parse_time("0.999999999h"), Some(Duration::from_nanos(3_599_999_996_400)));
        for wrong in ["5", "s", "-1s", "1 s", "1e3s", "", "1.s5", "0x1s"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
        for long in ["9999999h", "99999999999999999999999s", "18446744073.8s"] {
            assert_eq!(parse_time(long), Some(Duration::from_nanos(u64::MAX)), "{long}");
        }
    }
}
