//! Random conversations: two ends and a network between them that loses, repeats and delays, seen by a capture that
//! misses some. No rule was written for any of them; whatever comes out, tshark says what its rows are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::packets::{A, ACK, B, Capture, Dice, FIN, Ip, PSH, RST, SYN, Tcp};

const MILLI: u64 = 1_000_000;
const SEGMENT: u32 = 536;
/// The most segments that one conversation sends.
const MOST_SENT: usize = 300;

/// A capture of so many conversations, other ones for each seed.
pub(crate) fn capture(seed: u64, lives: u32) -> Capture {
    let mut dice = Dice::new(seed);
    let mut frames = Vec::new();
    // How seldom a segment is spoiled, and how coarse the clock is.
    let (sound, tick) = (dice.pick(&[1_000, 60, 60, 10]), dice.pick(&[1u64, 1, 1, 10 * MILLI]));
    for _ in 0..lives {
        // Few ports, so that some are used again while their first conversation still goes on.
        let port = 1000 + u16::try_from(dice.roll(lives)).unwrap();
        let begun = u64::from(dice.roll(60_000)) * MILLI;
        frames.append(&mut Life::new(&mut dice, port, begun, sound).live());
    }
    frames.sort_by_key(|(time, ..)| *time);
    for (time, ..) in &mut frames {
        *time -= *time % tick;
    }
    // Several interfaces, or clocks that are set, make times run backwards.
    if dice.one_in(5) {
        for _ in 0..10 {
            let at = usize::try_from(dice.roll(u32::try_from(frames.len() - 1).unwrap())).unwrap();
            frames.swap(at, at + 1);
        }
    }
    Capture { link: 101, frames }
}

/// What happens at a side of a conversation.
enum Event {
    Opens,
    Arrives(Tcp),
    Writes(u32),
    Reads(u32),
    Acknowledges,
    /// Nothing beyond this number was acknowledged; so many times already.
    TimesOut(u32, u32),
    Probes(u32),
    KeepsAlive,
    Closes,
}

/// One side's state.
#[derive(Default)]
struct End {
    /// The next number to send, the first that is not acknowledged, and the next that is expected.
    next: u32,
    unacked: u32,
    expected: u32,
    /// What arrived beyond that.
    islands: Vec<(u32, u32)>,
    /// Bytes that wait to be sent, and room for those that come.
    pending: u32,
    room: u32,
    peer_window: u32,
    offered: Option<u8>,
    duplicates: u32,
    open: bool,
    probing: bool,
    ended: bool,
}

struct Life<'d> {
    dice: &'d mut Dice,
    port: u16,
    now: u64,
    ends: [End; 2],
    /// From one end to the other, and from either end to the capture.
    trip: u64,
    seen_after: [u64; 2],
    sacks: bool,
    stamps: bool,
    /// One of so many segments is spoiled.
    sound: u32,
    /// Segments that pass before the capture begins.
    unseen: usize,
    sent: usize,
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    events: Vec<Option<(usize, Event)>>,
    frames: Vec<(u64, Vec<u8>, usize)>,
}

impl<'d> Life<'d> {
    fn new(dice: &'d mut Dice, port: u16, now: u64, sound: u32) -> Self {
        let trip = u64::from(dice.pick(&[20u32, 300, 1_400, 5_000, 60_000])) * 1000;
        let seen_after = dice.pick(&[[0, trip], [trip, 0], [trip / 2, trip / 2]]);
        let unseen = usize::try_from(dice.pick(&[0u32, 0, 0, 0, 1, 2, 3, 9])).unwrap();
        let (sacks, stamps) = (dice.one_in(2), dice.one_in(3));
        let ends = [(); 2].map(|()| End::new(dice));
        let (queue, events, frames) = Default::default();
        Self {
            dice,
            port,
            now,
            ends,
            trip,
            seen_after,
            sound,
            sacks,
            stamps,
            unseen,
            sent: 0,
            queue,
            events,
            frames,
        }
    }

    fn after(&mut self, nanos: u64, side: usize, event: Event) {
        self.queue.push(Reverse((self.now + nanos, self.events.len())));
        self.events.push(Some((side, event)));
    }

    fn live(mut self) -> Vec<(u64, Vec<u8>, usize)> {
        self.after(0, 0, Event::Opens);
        let mut writes = 10 * self.trip;
        for _ in 0..self.dice.roll(12) {
            writes += u64::from(self.dice.pick(&[0u32, 1, 20, 400, 9_000])) * MILLI;
            let side = usize::try_from(self.dice.roll(2)).unwrap();
            let len = self.dice.pick(&[1, 40, 1_000, 9_000]);
            let event = if self.dice.one_in(6) { Event::KeepsAlive } else { Event::Writes(len) };
            self.after(writes, side, event);
        }
        if !self.dice.one_in(5) {
            let side = usize::try_from(self.dice.roll(2)).unwrap();
            self.after(writes + 300 * MILLI, side, Event::Closes);
        }
        while let Some(Reverse((time, at))) = self.queue.pop() {
            self.now = time;
            if let Some((side, event)) = self.events[at].take()
                && self.sent < MOST_SENT
            {
                self.happen(side, event);
            }
        }
        self.frames
    }

    fn happen(&mut self, side: usize, event: Event) {
        match event {
            Event::Opens => self.open(),
            Event::Arrives(segment) => self.arrive(side, &segment),
            Event::Writes(len) => {
                self.ends[side].pending += len;
                self.pump(side);
            }
            Event::Reads(len) => {
                let end = &mut self.ends[side];
                let was_closed = end.room < SEGMENT;
                end.room += len;
                if was_closed {
                    self.acknowledge(side);
                }
            }
            Event::Acknowledges => self.acknowledge(side),
            Event::TimesOut(unacked, times) => self.time_out(side, unacked, times),
            Event::Probes(times) => self.probe(side, times),
            Event::KeepsAlive => {
                let (seq, len) = (self.ends[side].next.wrapping_sub(1), self.dice.roll(2));
                self.send(side, ACK, seq, len);
            }
            Event::Closes => self.close(side),
        }
    }

    fn open(&mut self) {
        if self.ends[0].open {
            return;
        }
        self.send(0, SYN, self.ends[0].unacked, 0);
        self.ends[0].next = self.ends[0].unacked.wrapping_add(1);
        if self.sent < 5 {
            self.after(1_000 * MILLI, 0, Event::Opens);
        }
    }

    fn arrive(&mut self, side: usize, segment: &Tcp) {
        if segment.flags & RST != 0 {
            self.ends[side].ended = true;
            return;
        }
        if segment.flags & SYN != 0 {
            return self.shake_hands(side, segment);
        }
        self.learn(side, segment);
        let len = u32::try_from(segment.payload).unwrap() + u32::from(segment.flags & FIN != 0);
        if len > 0 {
            self.receive(side, segment.seq, len);
            if segment.flags & FIN != 0 && !self.ends[side].ended {
                self.after(20 * MILLI, side, Event::Closes);
            }
        }
        self.pump(side);
    }

    fn shake_hands(&mut self, side: usize, segment: &Tcp) {
        let end = &mut self.ends[side];
        end.expected = segment.seq.wrapping_add(1);
        end.peer_window = u32::from(segment.window);
        if side == 1 {
            let isn = if end.open { end.next.wrapping_sub(1) } else { end.next };
            self.send(1, SYN | ACK, isn, 0);
            self.ends[1].next = isn.wrapping_add(1);
            self.ends[1].unacked = isn.wrapping_add(1);
        } else {
            end.unacked = end.next;
            self.send(0, ACK, self.ends[0].next, 0);
        }
        self.ends[side].open = true;
    }

    /// What an acknowledgement and a window mean for what this side sends.
    fn learn(&mut self, side: usize, segment: &Tcp) {
        let scaled = self.ends.iter().all(|end| end.offered.is_some());
        let shift = self.ends[1 - side].offered.filter(|_| scaled).unwrap_or_default().min(14);
        let end = &mut self.ends[side];
        end.peer_window = u32::from(segment.window) << shift;
        let (moved, in_flight) = (segment.ack.wrapping_sub(end.unacked), end.next.wrapping_sub(end.unacked));
        if moved > 0 && moved <= in_flight {
            (end.unacked, end.duplicates) = (segment.ack, 0);
        } else if moved == 0 && in_flight > 0 && segment.payload == 0 {
            end.duplicates += 1;
            if end.duplicates == 3 {
                self.send(side, ACK, segment.ack, in_flight.min(SEGMENT));
            }
        }
    }

    fn receive(&mut self, side: usize, seq: u32, len: u32) {
        let end = &mut self.ends[side];
        let (ahead, room) = (seq.wrapping_sub(end.expected), end.room);
        let in_order = ahead == 0 && len <= room;
        if in_order {
            end.expected = end.expected.wrapping_add(len);
            while let Some(at) = end.islands.iter().position(|(left, _)| *left == end.expected) {
                end.expected = end.islands.remove(at).1;
            }
            end.room -= len;
            let nap = u64::from(self.dice.pick(&[0u32, 1, 30, 900])) * MILLI;
            self.after(nap, side, Event::Reads(len));
        } else if ahead > 0 && ahead < 1 << 20 && !end.islands.iter().any(|(left, _)| *left == seq) {
            end.islands.insert(0, (seq, seq.wrapping_add(len)));
        }
        if in_order && self.dice.one_in(3) {
            self.after(40 * MILLI, side, Event::Acknowledges);
        } else {
            self.acknowledge(side);
        }
    }

    /// Sends what the window lets through.
    fn pump(&mut self, side: usize) {
        for _ in 0..10 {
            let end = &mut self.ends[side];
            let in_flight = end.next.wrapping_sub(end.unacked);
            let len = end.pending.min(SEGMENT).min(end.peer_window.saturating_sub(in_flight));
            if !end.open || end.ended || end.pending == 0 {
                return;
            }
            if len == 0 {
                if end.peer_window == 0 && !end.probing {
                    end.probing = true;
                    self.after(200 * MILLI, side, Event::Probes(0));
                }
                return;
            }
            end.pending -= len;
            let seq = end.next;
            end.next = seq.wrapping_add(len);
            let flags = if end.pending == 0 { PSH | ACK } else { ACK };
            self.send(side, flags, seq, len);
            self.watch(side, 0);
        }
    }

    fn watch(&mut self, side: usize, times: u32) {
        let wait = (3 * self.trip).max(200 * MILLI) << times;
        self.after(wait, side, Event::TimesOut(self.ends[side].unacked, times));
    }

    fn time_out(&mut self, side: usize, unacked: u32, times: u32) {
        let end = &self.ends[side];
        let in_flight = end.next.wrapping_sub(end.unacked);
        if unacked == end.unacked && in_flight > 0 && times < 4 && in_flight < 1 << 20 {
            self.send(side, ACK, unacked, in_flight.min(SEGMENT));
            self.watch(side, times + 1);
        }
    }

    fn probe(&mut self, side: usize, times: u32) {
        let end = &mut self.ends[side];
        end.probing = end.peer_window == 0 && end.pending > 0 && times < 4;
        if end.probing {
            let seq = end.next;
            self.send(side, ACK, seq, 1);
            self.after((400 * MILLI) << times, side, Event::Probes(times + 1));
        }
    }

    fn close(&mut self, side: usize) {
        let end = &mut self.ends[side];
        if end.ended {
            return;
        }
        end.ended = true;
        let seq = end.next;
        end.next = seq.wrapping_add(1);
        let flags = self.dice.pick(&[FIN | ACK, FIN | ACK, FIN | ACK, FIN | PSH | ACK, RST | ACK, RST]);
        self.send(side, flags, seq, 0);
    }

    fn acknowledge(&mut self, side: usize) {
        self.send(side, ACK, self.ends[side].next, 0);
    }

    fn send(&mut self, side: usize, flags: u16, seq: u32, len: u32) {
        let ports = if side == 0 { (self.port, 80) } else { (80, self.port) };
        let scaled = self.ends.iter().all(|end| end.offered.is_some()) && flags & SYN == 0;
        let end = &self.ends[side];
        let ack = if flags & ACK == 0 { 0 } else { end.expected };
        let mut segment = Tcp::new(ports, flags, seq, ack);
        let shift = end.offered.filter(|_| scaled).unwrap_or_default().min(14);
        segment.window = u16::try_from(end.room >> shift).unwrap_or(u16::MAX);
        segment.payload = usize::try_from(len).unwrap();
        if let Some(shift) = end.offered.filter(|_| flags & SYN != 0) {
            segment.options.extend([3, 3, shift, 1]);
        }
        if self.stamps {
            let now = u32::try_from(self.now / MILLI).unwrap();
            segment.options.extend([1, 1, 8, 10]);
            segment.options.extend([now.to_be_bytes(), now.wrapping_sub(7).to_be_bytes()].concat());
        }
        if self.sacks && !end.islands.is_empty() && flags & SYN == 0 {
            let edges = &end.islands[..end.islands.len().min(3)];
            segment.options.extend(super::tcp::sack(edges));
        }
        self.sent += 1;
        if self.dice.one_in(self.sound) {
            self.spoil(&mut segment);
        }
        self.carry(side, &segment);
    }

    /// What no sound end would send.
    fn spoil(&mut self, segment: &mut Tcp) {
        let near = self.dice.pick(&[1, 2, 536, 1_000, u32::MAX, u32::MAX - 535]);
        match self.dice.roll(12) {
            0 => segment.seq = segment.seq.wrapping_add(near),
            1 => segment.ack = segment.ack.wrapping_add(near),
            2 => segment.window = self.dice.pick(&[0, 1, 17, u16::MAX]),
            3 => segment.flags ^= self.dice.pick(&[FIN, SYN, RST, PSH, ACK, 32, 64, 128, 256]),
            4 => segment.payload = usize::try_from(self.dice.pick(&[0u32, 1, 2, 1_000])).unwrap(),
            5 => segment.options = super::tcp::sack(&[(segment.ack.wrapping_sub(9), segment.ack)]),
            6 => segment.seq = self.dice.pick(&[0, 1, u32::MAX]),
            7 => segment.ack = self.dice.pick(&[0, 1, u32::MAX]),
            8 => segment.words = Some(u16::try_from(self.dice.roll(16)).unwrap()),
            9 => segment.options = vec![2, 4, 5, 0xb4, 4, 2, 1, 1],
            10 => segment.urgent = 7,
            _ => segment.options.extend([3, 3, 5, 1]),
        }
    }

    /// Over the network: past the capture, perhaps, and to the other side, perhaps.
    fn carry(&mut self, side: usize, segment: &Tcp) {
        let late = if self.dice.one_in(25) { u64::from(self.dice.roll(8_000)) * 1000 } else { 0 };
        let (seen, arrives, times) = match self.dice.roll(60) {
            0 => (false, false, 1),
            1 | 2 => (true, false, 1),
            3 => (false, true, 1),
            4 => (true, true, 2),
            _ => (true, true, 1),
        };
        for turn in 0..times {
            let late = late + turn * 700_000;
            if seen && self.sent > self.unseen {
                let (source, destination) = if side == 0 { (A, B) } else { (B, A) };
                let frame = Ip { source, destination, ..Ip::new(6) }.with(&segment.bytes());
                let len = frame.len();
                self.frames.push((self.now + self.seen_after[side] + late, frame, len));
            }
            if arrives {
                self.after(self.trip + late + 1000, 1 - side, Event::Arrives(segment.clone()));
            }
        }
    }
}

impl End {
    fn new(dice: &mut Dice) -> Self {
        let any = dice.roll(u32::MAX);
        let isn = dice.pick(&[any, any, u32::MAX - 700, u32::MAX, 0]);
        let room = dice.pick(&[1_000, 3_000, 20_000, 200_000]);
        let offered = dice.pick(&[None, None, Some(0), Some(2), Some(7), Some(15)]);
        Self { next: isn, unacked: isn, room, offered, ..Self::default() }
    }
}
