//! What the kernel keeps, as a program that it runs on each frame (classic BPF,
//! <https://docs.kernel.org/networking/filter.html>).
//!
//! A [`Prefilter`] speaks of plain frames. The program finds out whether a frame is one, and keeps every other: also
//! one that is shorter than its headers, as a load past its end would drop it. A frame whose VLAN tag the kernel took
//! out of its bytes is read like one without.

use super::{Copies, ENOUGH, Options, Place};
use enchufe_sys::interfaces::hardware;
use enchufe_sys::packet_ring::Instruction;
use enchufe_wire::LinkType;
use enchufe_wire::filter::{Condition, Prefilter, Side};

/// The most instructions. Jumps go 255 far; and the longest program, as the kernel keeps it, must fit into what a socket
/// may have of `net.core.optmem_max`: by default 20,480 bytes in kernels before 2024, of which it takes less than 12,288
/// (Linux 6.18, measured).
const MOST: usize = 200;

/// The fewest bytes of each frame that must be kept, so that all that the program sees is seen by who reads the
/// frame: the link header, the tag of a VLAN, and the longest headers of plain frames.
const FEWEST: u32 = 20 + 4 + 40 + 20;

/// The program, and whether it leaves out anything that does not fit.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) instructions: Vec<Instruction>,
    pub(super) prefilters: bool,
}

impl Program {
    /// So many bytes of each frame that may be wanted, and of all interfaces no outgoing copy on loopback. A prefilter
    /// that is too long for a program leaves out nothing.
    pub(super) fn new(place: Place<'_>, link: LinkType, snaplen: u32, options: &Options) -> Self {
        let prefilter = &options.prefilter;
        let mut instructions = match place {
            // Of the copy that was received only as much is wanted as tells which one it is a copy of.
            Place::Interface(_) if options.copies == Copies::Both && *prefilter == Prefilter::EVERYTHING => {
                vec![
                    Instruction::load_direction(),
                    Instruction::skip_if_equal(OUTGOING, 1, 0),
                    Instruction::keep(ENOUGH.min(snaplen)),
                ]
            }
            Place::Interface(_) => Vec::new(),
            Place::Everywhere => vec![
                Instruction::load_hardware(),
                Instruction::skip_if_equal(hardware::LOOPBACK.into(), 0, 3),
                Instruction::load_direction(),
                Instruction::skip_if_equal(OUTGOING, 0, 1),
                Instruction::keep(0),
            ],
        };
        let wanted = snaplen >= FEWEST && *prefilter != Prefilter::EVERYTHING;
        let chosen = if wanted { Backwards::program(link, snaplen, prefilter) } else { None };
        let prefilters = chosen.is_some();
        instructions.extend(chosen.unwrap_or_else(|| vec![Instruction::keep(snaplen)]));
        Self { instructions, prefilters }
    }
}

/// `PACKET_OUTGOING`
const OUTGOING: u32 = 4;

const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const VLAN: u32 = 0x8100;
const TCP: u32 = 6;
const UDP: u32 = 17;
const TCP_HEADER: u32 = 20;
const UDP_HEADER: u32 = 8;

/// An instruction, by how many follow it.
type Label = usize;

/// A comparison that still needs to know how far to skip.
type Compare = fn(u32, u8, u8) -> Instruction;

/// A program being written from its end to its beginning: where a jump leads is known when it is written.
struct Backwards {
    reversed: Vec<Instruction>,
    keep: Label,
    drop: Label,
    /// Where the IP header begins.
    network: u32,
}

/// What the two versions of IP do not have in common.
struct Version<'a> {
    header: u32,
    /// The whole first byte, or the part of it that counts.
    first: (u32, u32),
    /// Where the length stands, and what of the header it counts.
    length: (u32, u32),
    protocol: u32,
    source: u32,
    destination: u32,
    fragment: Option<u32>,
    tcp: &'a Condition,
    udp: &'a Condition,
}

impl<'a> Version<'a> {
    const fn four(prefilter: &'a Prefilter) -> Self {
        Self {
            header: 20,
            // A header of five words: no options.
            first: (0xff, 0x45),
            length: (2, 20),
            protocol: 9,
            source: 12,
            destination: 16,
            fragment: Some(6),
            tcp: &prefilter.tcp_ipv4,
            udp: &prefilter.udp_ipv4,
        }
    }

    const fn six(prefilter: &'a Prefilter) -> Self {
        Self {
            header: 40,
            first: (0xf0, 0x60),
            length: (4, 0),
            protocol: 6,
            source: 8,
            destination: 24,
            fragment: None,
            tcp: &prefilter.tcp_ipv6,
            udp: &prefilter.udp_ipv6,
        }
    }
}

impl Backwards {
    /// Nothing where it would be too long, or leaves out nothing.
    fn program(link: LinkType, snaplen: u32, prefilter: &Prefilter) -> Option<Vec<Instruction>> {
        let network = if link == LinkType::ETHERNET { 14 } else { 0 };
        let reversed = vec![Instruction::keep(0), Instruction::keep(snaplen)];
        let mut writer = Self { reversed, drop: 0, keep: 1, network };
        let six = writer.version(&Version::six(prefilter))?;
        let four = writer.version(&Version::four(prefilter))?;
        writer.start(link, four, six)?;
        writer.reversed.reverse();
        Some(writer.reversed)
    }

    fn push(&mut self, instruction: Instruction) -> Option<Label> {
        self.reversed.push(instruction);
        (self.reversed.len() <= MOST).then(|| self.reversed.len() - 1)
    }

    fn branch(&mut self, compare: Compare, value: u32, yes: Label, no: Label) -> Option<Label> {
        let here = self.reversed.len();
        let skip = |to: Label| u8::try_from(here.checked_sub(to)?.checked_sub(1)?).ok();
        self.push(compare(value, skip(yes)?, skip(no)?))
    }

    /// Goes by what a load gives.
    fn ask(
        &mut self,
        load: Instruction,
        compare: Compare,
        value: u32,
        yes: Label,
        no: Label,
    ) -> Option<Label> {
        self.branch(compare, value, yes, no)?;
        self.push(load)
    }

    /// The beginning: which version of IP, if any.
    fn start(&mut self, link: LinkType, four: Label, six: Label) -> Option<Label> {
        let keep = self.keep;
        let (load, mask, values) = match link {
            LinkType::ETHERNET => (Instruction::load_half(12), None, [IPV4, IPV6]),
            LinkType::LINUX_SLL2 => (Instruction::load_protocol(), None, [IPV4, IPV6]),
            LinkType::RAW => (Instruction::load_byte(0), Some(0xf0), [0x40, 0x60]),
            _ => return None,
        };
        let [is_four, is_six] = values;
        let other = self.branch(Instruction::skip_if_equal, is_six, six, keep)?;
        self.branch(Instruction::skip_if_equal, is_four, four, other)?;
        if let Some(mask) = mask {
            self.push(Instruction::and(mask))?;
        }
        let kind = self.push(load)?;
        let length = Instruction::load_length();
        let long = self.ask(length, Instruction::skip_if_at_least, self.network + 1, kind, keep)?;
        // Who reads the frame gets the tag back, and looks behind not every kind of it.
        let kind = Instruction::load_tag_protocol();
        let tagged = self.ask(kind, Instruction::skip_if_equal, VLAN, long, keep)?;
        self.ask(Instruction::load_tagged(), Instruction::skip_if_equal, 0, long, tagged)
    }

    /// What becomes of a frame of this version.
    fn version(&mut self, version: &Version<'_>) -> Option<Label> {
        let keep = self.keep;
        let decided = self.condition(version.tcp, version, keep, self.drop)?;
        let tcp = self.transport(version, decided, TCP_HEADER)?;
        // Ports stand at one place in both: the same condition is written once.
        let decided = if version.udp == version.tcp {
            decided
        } else {
            self.condition(version.udp, version, keep, self.drop)?
        };
        let udp = self.transport(version, decided, UDP_HEADER)?;
        if tcp == keep && udp == keep {
            return Some(keep);
        }
        let other = self.branch(Instruction::skip_if_equal, UDP, udp, keep)?;
        let load = Instruction::load_byte(self.network + version.protocol);
        let mut next = self.ask(load, Instruction::skip_if_equal, TCP, tcp, other)?;
        if let Some(fragment) = version.fragment {
            // More fragments, or an offset.
            let load = Instruction::load_half(self.network + fragment);
            next = self.ask(load, Instruction::skip_if_any, 0x3fff, keep, next)?;
        }
        let (mask, first) = version.first;
        self.branch(Instruction::skip_if_equal, first, next, keep)?;
        self.push(Instruction::and(mask))?;
        let next = self.push(Instruction::load_byte(self.network))?;
        let shortest = self.network + version.header + UDP_HEADER;
        self.ask(Instruction::load_length(), Instruction::skip_if_at_least, shortest, next, keep)
    }

    /// What was decided is for frames that have the whole header: as many bytes, and by what IP says of its length.
    fn transport(&mut self, version: &Version<'_>, decided: Label, header: u32) -> Option<Label> {
        let keep = self.keep;
        if decided == keep {
            return Some(keep);
        }
        let (place, counted) = version.length;
        let load = Instruction::load_half(self.network + place);
        let next = self.ask(load, Instruction::skip_if_at_least, counted + header, decided, keep)?;
        let shortest = self.network + version.header + header;
        self.ask(Instruction::load_length(), Instruction::skip_if_at_least, shortest, next, keep)
    }

    fn condition(
        &mut self,
        condition: &Condition,
        version: &Version<'_>,
        yes: Label,
        no: Label,
    ) -> Option<Label> {
        let address = |side| match side {
            Side::Source => self.network + version.source,
            Side::Destination => self.network + version.destination,
        };
        match condition {
            Condition::Always => Some(yes),
            Condition::Never => Some(no),
            Condition::Not(inner) => self.condition(inner, version, no, yes),
            Condition::All(row) => {
                row.iter().rev().try_fold(yes, |yes, one| self.condition(one, version, yes, no))
            }
            Condition::Any(row) => {
                row.iter().rev().try_fold(no, |no, one| self.condition(one, version, yes, no))
            }
            Condition::Port(side, low, high) => {
                let place = self.network + version.header + if *side == Side::Source { 0 } else { 2 };
                self.between(Instruction::load_half(place), [(*low).into(), (*high).into()], yes, no)
            }
            Condition::Ipv4(side, low, high) => {
                self.between(Instruction::load_word(address(*side)), [*low, *high], yes, no)
            }
            Condition::Ipv6(side, network, bits) => {
                let place = address(*side);
                self.network(place, *network, *bits, yes, no)
            }
        }
    }

    fn between(&mut self, load: Instruction, [low, high]: [u32; 2], yes: Label, no: Label) -> Option<Label> {
        if low == high {
            return self.ask(load, Instruction::skip_if_equal, low, yes, no);
        }
        let enough = self.branch(Instruction::skip_if_more, high, no, yes)?;
        self.ask(load, Instruction::skip_if_at_least, low, enough, no)
    }

    /// Word by word, the last one first.
    fn network(&mut self, place: u32, network: u128, bits: u32, yes: Label, no: Label) -> Option<Label> {
        let mut yes = yes;
        for word in (0..bits.div_ceil(32).min(4)).rev() {
            let counted = (bits - word * 32).min(32);
            let mask = u32::MAX << (32 - counted);
            let value = u32::try_from(network >> (96 - word * 32) & u128::from(u32::MAX)).ok()?;
            self.branch(Instruction::skip_if_equal, value & mask, yes, no)?;
            if counted < 32 {
                self.push(Instruction::and(mask))?;
            }
            yes = self.push(Instruction::load_word(place + word * 4))?;
        }
        Some(yes)
    }
}

#[cfg(test)]
mod tests;
