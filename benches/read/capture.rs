//! The capture that is measured: TCP conversations as they are between programs that ask and answer, made by a seeded
//! generator, so that the same numbers are the same file everywhere.

use enchufe_wire::file::{InterfaceInfo, PacketNotes, Writer};
use enchufe_wire::{LinkType, Timestamp};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Segments of a conversation: 3 of its handshake, 4 of its end, and what is between.
pub const SEGMENTS: u64 = 100;
/// Conversations that are open at a time.
const OPEN: usize = 200;
/// 2026-01-01, in nanoseconds since 1970.
const BEGIN: i64 = 1_767_225_600_000_000_000;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Numbers that only look random (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
}

/// What one side of a conversation has sent and seen.
#[derive(Clone, Copy, Default)]
struct Side {
    next: u32,
    seen: u32,
    clock: u32,
}

/// A segment that was or is to be sent: by the server, flags, payload, and whether it repeats the one before.
#[derive(Clone, Copy)]
struct Step {
    by_server: bool,
    flags: u8,
    payload: u32,
    again: bool,
}

struct Conversation {
    number: u32,
    sent: u64,
    sides: [Side; 2],
    last: Step,
    /// What still comes of the exchange that goes on, the next one last.
    coming: Vec<Step>,
}

impl Conversation {
    fn new(number: u32, dice: &mut Dice) -> Self {
        let mut side = || {
            let start = u32::try_from(dice.roll(1 << 32)).unwrap_or_default();
            Side { next: start, seen: 0, clock: start.rotate_left(7) }
        };
        let step = |by_server, flags| Step { by_server, flags, payload: 0, again: false };
        let sides = [side(), side()];
        let coming = vec![step(false, ACK), step(true, SYN | ACK), step(false, SYN)];
        Self { number, sent: 0, sides, last: step(false, SYN), coming }
    }

    /// The next segment.
    fn step(&mut self, dice: &mut Dice) -> Step {
        if let Some(step) = self.coming.pop() {
            return step;
        }
        let left = SEGMENTS - self.sent;
        let step = |by_server, flags, payload| Step { by_server, flags, payload, again: false };
        if left <= 4 {
            self.coming = vec![step(false, ACK, 0), step(true, FIN | ACK, 0), step(true, ACK, 0)];
            return step(false, FIN | ACK, 0);
        }
        let mut size = |most| u32::try_from(1 + dice.roll(most)).unwrap_or_default();
        let (question, answer, more) = (size(120), size(300), size(300));
        // One in a hundred exchanges loses the question once.
        let lost = dice.roll(100) == 0;
        let question = step(false, PSH | ACK, question);
        self.coming = vec![step(false, ACK, 0), step(true, PSH | ACK, more), step(true, ACK, answer)];
        if lost {
            self.coming.push(Step { again: true, ..question });
        }
        let room = usize::try_from(left - 5).unwrap_or_default();
        let surplus = self.coming.len().saturating_sub(room);
        self.coming.drain(..surplus);
        question
    }

    /// Appends the frame of the next segment; gives its length.
    fn frame(&mut self, dice: &mut Dice, out: &mut Vec<u8>) {
        let step = self.step(dice);
        let [client, server] = &mut self.sides;
        let (own, peer) = if step.by_server { (server, client) } else { (client, server) };
        let seq = if step.again { own.next.wrapping_sub(step.payload) } else { own.next };
        let syn = step.flags & SYN != 0;
        own.next = seq.wrapping_add(step.payload).wrapping_add(u32::from(step.flags & (SYN | FIN) != 0));
        own.clock = own.clock.wrapping_add(1);
        own.seen = if step.flags & ACK == 0 { 0 } else { peer.next };
        let options: &[u8] = if syn { &[2, 4, 5, 180, 4, 2, 8, 10] } else { &[1, 1, 8, 10] };
        let tail: &[u8] = if syn { &[1, 3, 3, 7] } else { &[] };
        let header = 20 + options.len() + 8 + tail.len();
        let total = 20 + header + usize::try_from(step.payload).unwrap_or_default();
        let (clock, echoed, ack) = (own.clock, if step.flags & ACK == 0 { 0 } else { peer.clock }, own.seen);
        self.addresses(step.by_server, total, out);
        out.extend_from_slice(&seq.to_be_bytes());
        out.extend_from_slice(&ack.to_be_bytes());
        out.extend_from_slice(&[u8::try_from(header * 4).unwrap_or(u8::MAX), step.flags]);
        out.extend_from_slice(&[1, 246, 0, 0, 0, 0]);
        out.extend_from_slice(options);
        out.extend_from_slice(&clock.to_be_bytes());
        out.extend_from_slice(&echoed.to_be_bytes());
        out.extend_from_slice(tail);
        out.resize(14 + total, b'x');
        self.last = step;
        self.sent += 1;
    }

    /// Ethernet, IPv4 and the ports.
    fn addresses(&self, by_server: bool, total: usize, out: &mut Vec<u8>) {
        const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
        let [.., high, low] = (self.number / 50_000).to_be_bytes();
        let client = ([10, 1, high, low], 10_000 + u16::try_from(self.number % 50_000).unwrap_or_default());
        let server = ([10, 2, 0, 1], 8080);
        let (from, to) = if by_server { (server, client) } else { (client, server) };
        out.clear();
        let [first, second] = MACS;
        out.extend(if by_server { [first, second] } else { [second, first] }.concat());
        out.extend_from_slice(&[8, 0, 0x45, 0]);
        out.extend_from_slice(&u16::try_from(total).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        out.extend_from_slice(&from.0);
        out.extend_from_slice(&to.0);
        out.extend_from_slice(&from.1.to_be_bytes());
        out.extend_from_slice(&to.1.to_be_bytes());
    }
}

/// Writes so many conversations to a file.
pub fn write(path: &Path, conversations: u32) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let (mut writer, mut block, mut frame) = (Writer::new(), Vec::new(), Vec::new());
    writer.section(&mut block, "a generator");
    let interface = writer.interface(&mut block, LinkType::ETHERNET, &InterfaceInfo::default());
    let mut dice = Dice(88_172_645_463_325_252);
    let (mut begun, mut open, mut now) = (0, Vec::new(), BEGIN);
    loop {
        while open.len() < OPEN && begun < conversations {
            open.push(Conversation::new(begun, &mut dice));
            begun += 1;
        }
        if open.is_empty() {
            return out.flush();
        }
        let at = usize::try_from(dice.roll(u64::try_from(open.len()).unwrap_or(1))).unwrap_or_default();
        let Some(conversation) = open.get_mut(at) else { continue };
        conversation.frame(&mut dice, &mut frame);
        now += i64::try_from(1_000 + dice.roll(40_000)).unwrap_or_default();
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        writer.packet(
            &mut block,
            interface,
            Timestamp::from_nanos(now),
            &frame,
            length,
            &PacketNotes::default(),
        );
        out.write_all(&block)?;
        block.clear();
        if conversation.sent == SEGMENTS {
            open.swap_remove(at);
        }
    }
}
