//! rtnetlink(7): which way packets of IPv4 go. For root of the network.

use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read};
use std::net::Ipv4Addr;

// include/uapi/linux/{netlink,rtnetlink,fib_rules,if_link}.h
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const RTM_SETLINK: u16 = 19;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const AF_INET: u16 = 2;
const HEADER: usize = 16;

/// The table of addresses that are this machine's own (`RT_TABLE_LOCAL`).
pub const LOCAL: u8 = 255;

/// A rule: packets that fit look into a table (`ip rule`).
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The smaller it is, the earlier it is asked.
    pub priority: u32,
    /// Which table.
    pub table: u8,
    /// Only packets that came from this interface.
    pub from: Option<&'a str>,
    /// Only packets to these addresses: a network, and how many bits it has.
    pub to: Option<(Ipv4Addr, u8)>,
}

/// Adds a rule.
pub fn add_rule(rule: &Rule<'_>) -> io::Result<()> {
    ask(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule_message(rule))
}

/// Takes away the rule of this priority and table.
pub fn remove_rule(priority: u32, table: u8) -> io::Result<()> {
    ask(RTM_DELRULE, 0, rule_message(&Rule { priority, table, from: None, to: None }))
}

/// `struct fib_rule_hdr`, and attributes.
fn rule_message(rule: &Rule<'_>) -> Vec<u8> {
    const TO_TABLE: u8 = 1;
    const FRA_DST: u16 = 1;
    const FRA_IIFNAME: u16 = 3;
    const FRA_PRIORITY: u16 = 6;
    let bits = rule.to.map_or(0, |(_, bits)| bits);
    let mut message = vec![2, bits, 0, 0, rule.table, 0, 0, TO_TABLE, 0, 0, 0, 0];
    attribute(&mut message, FRA_PRIORITY, &rule.priority.to_ne_bytes());
    if let Some(name) = rule.from {
        attribute(&mut message, FRA_IIFNAME, &[name.as_bytes(), &[0]].concat());
    }
    if let Some((network, _)) = rule.to {
        attribute(&mut message, FRA_DST, &network.octets());
    }
    message
}

/// Adds a route: a network is reached through an interface, from this own address.
pub fn add_route(
    table: u8,
    (network, bits): (Ipv4Addr, u8),
    interface: u32,
    from: Ipv4Addr,
) -> io::Result<()> {
    const STATIC: u8 = 4;
    const LINK: u8 = 253;
    const UNICAST: u8 = 1;
    const RTA_DST: u16 = 1;
    const RTA_OIF: u16 = 4;
    const RTA_PREFSRC: u16 = 7;
    // `struct rtmsg`
    let mut message = vec![2, bits, 0, 0, table, STATIC, LINK, UNICAST, 0, 0, 0, 0];
    attribute(&mut message, RTA_DST, &network.octets());
    attribute(&mut message, RTA_OIF, &interface.to_ne_bytes());
    attribute(&mut message, RTA_PREFSRC, &from.octets());
    ask(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, message)
}

/// Lets the addresses 127.0.0.0/8 come and go through an interface that is not the loopback interface (`route_localnet`,
/// `accept_local` of `/proc/sys/net/ipv4/conf`; set without that, which may be read-only).
pub fn carry_loopback(interface: u32) -> io::Result<()> {
    const IFLA_AF_SPEC: u16 = 26;
    const IFLA_INET_CONF: u16 = 1;
    const ACCEPT_LOCAL: u16 = 23;
    const ROUTE_LOCALNET: u16 = 26;
    let (mut settings, mut inet, mut families) = (Vec::new(), Vec::new(), Vec::new());
    for setting in [ACCEPT_LOCAL, ROUTE_LOCALNET] {
        attribute(&mut settings, setting, &1_u32.to_ne_bytes());
    }
    attribute(&mut inet, IFLA_INET_CONF, &settings);
    attribute(&mut families, AF_INET, &inet);
    // `struct ifinfomsg`
    let mut message = vec![0; 16];
    message.splice(4..8, interface.to_ne_bytes());
    attribute(&mut message, IFLA_AF_SPEC, &families);
    ask(RTM_SETLINK, 0, message)
}

/// `struct rtattr`
fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// Asks the kernel, which says whether it did it.
fn ask(kind: u16, flags: u16, body: Vec<u8>) -> io::Result<()> {
    let socket =
        Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(libc::NETLINK_ROUTE)))?;
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(u32::try_from(HEADER + body.len()).unwrap_or(0).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
    // Sequence number and port: one question a socket needs neither.
    message.extend([0; 8]);
    message.extend(body);
    socket.send(&message)?;
    let mut answer = [0; 4_096];
    let length = (&socket).read(&mut answer)?;
    let answer = answer.get(..length).unwrap_or_default();
    let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
    let error = answer.get(HEADER..).and_then(<[u8]>::first_chunk).map(|error| i32::from_ne_bytes(*error));
    match (kind, error) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(error)) => Err(io::Error::from_raw_os_error(error.wrapping_neg())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
