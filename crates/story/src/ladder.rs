//! One conversation, a row a segment.

use crate::cause::{Cause, Judged, Speaker};
use crate::fact::Arrival;
use crate::machine::{Machine, Segment};
use crate::state::Change;
use enchufe_wire::Timestamp;
use enchufe_wire::layer::TcpFlags;
use enchufe_wire::session::Frame;
use enchufe_wire::tcp::{Analysis, Endpoint};

/// The shortest header (RFC 9293 §3.1), in bytes.
const SHORTEST_HEADER: usize = 20;

/// The option that tells which bytes came behind a gap (RFC 2018 §3).
const SACK: u8 = 5;

/// A segment between two ends.
#[derive(Clone, Debug)]
pub struct Row {
    /// `frame.number`
    pub frame: u64,
    /// `frame.time_epoch`
    pub time: Option<Timestamp>,
    /// `frame.time_relative`, in nanoseconds.
    pub relative: Option<i64>,
    /// Whether the end sent it that the conversation calls `b`.
    pub from_b: bool,
    /// Its flags.
    pub flags: TcpFlags,
    /// `tcp.seq`, relative.
    pub seq: u32,
    /// `tcp.ack`, relative; none where the flag is not set.
    pub ack: Option<u32>,
    /// `tcp.len`; none where the segment is shorter than its header says, or a part of one: then it has no cause and no change.
    pub len: Option<u32>,
    /// `tcp.window_size`
    pub window: u32,
    /// Flags under `tcp.analysis`.
    pub remarks: Analysis,
    /// Why it was sent.
    pub cause: Cause,
    /// What it shows of the states of both ends, in order.
    pub changes: Vec<Change>,
}

impl Row {
    /// The relative numbers of its bytes, from the first one to the one after the last.
    pub fn range(&self) -> Option<(u32, u32)> {
        let len = self.len.filter(|len| *len > 0)?;
        let first = self.seq.wrapping_add(u32::from(self.flags.any(TcpFlags::SYN)));
        Some((first, first.wrapping_add(len)))
    }
}

/// Who opened the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Roles {
    /// No SYN was seen.
    #[default]
    Unknown,
    /// One end sent a SYN, or got the SYN, ACK.
    Client {
        /// Whether it was `b`.
        is_b: bool,
    },
    /// Both sent a SYN without an acknowledgement (RFC 9293 §3.5, figure 7).
    Both,
    /// The two ends are one socket, connected with itself: which of its two sides sent a segment cannot be told, so there
    /// is no cause and no change.
    Itself,
}

/// Makes the rows of one conversation.
#[derive(Clone, Debug)]
pub struct Ladder {
    stream: u32,
    ends: [Endpoint; 2],
    roles: Roles,
    machine: Machine,
    speakers: [Speaker; 2],
}

impl Ladder {
    /// The ladder of the conversation of this frame, which is given to it next; none where it has no segment.
    pub fn new(frame: &Frame<'_>) -> Option<Self> {
        let (note, [source, destination]) = (frame.tcp?, frame.ends()?);
        let ends = if note.from_b { [destination, source] } else { [source, destination] };
        let roles = if source == destination { Roles::Itself } else { Roles::Unknown };
        let (machine, speakers) = (Machine::default(), Default::default());
        Some(Self { stream: note.stream, ends, roles, machine, speakers })
    }

    /// `tcp.stream`
    pub const fn stream(&self) -> u32 {
        self.stream
    }

    /// Its two ends: `a` sent the first segment that was seen.
    pub const fn ends(&self) -> &[Endpoint; 2] {
        &self.ends
    }

    /// Who opened it, as far as was seen.
    pub const fn roles(&self) -> Roles {
        self.roles
    }

    /// The row of the next frame; none where it is of another conversation.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Option<Row> {
        self.frame_on_its_way(frame, Arrival::Unknown)
    }

    /// The same of a frame whose arrival may be known.
    pub fn frame_on_its_way(&mut self, frame: &Frame<'_>, arrival: Arrival) -> Option<Row> {
        let note = frame.tcp.filter(|note| note.stream == self.stream)?;
        let (tcp, view) = frame.packet.tcp()?;
        let ack = tcp.flags.any(TcpFlags::ACK).then_some(tcp.ack);
        let mut row = Row {
            frame: frame.number,
            time: frame.time,
            relative: frame.relative,
            from_b: note.from_b,
            flags: tcp.flags,
            seq: tcp.seq.relative(note.base),
            ack: ack.map(|ack| ack.relative(note.peer_base)),
            len: tcp.payload_len,
            window: note.window,
            remarks: note.analysis,
            cause: Cause::default(),
            changes: Vec::new(),
        };
        // Of a header that contradicts itself only the numbers count.
        let whole = usize::from(tcp.header_len) >= SHORTEST_HEADER;
        let Some(len) = tcp.payload_len.filter(|_| whole) else { return Some(row) };
        if self.roles == Roles::Itself {
            return Some(row);
        }
        self.learn_roles(note.from_b, tcp.flags);
        let mut options = tcp.options(frame.packet.slice(view)).filter_map(Result::ok);
        let selects = options.any(|option| option.kind == SACK);
        let (time, from_b, flags, seq) = (frame.time, note.from_b, tcp.flags, tcp.seq);
        let frame = frame.number;
        let segment = Segment { frame, from_b, flags, seq, ack, len, time, arrival, selects };
        let [a, b] = &mut self.speakers;
        let (me, peer) = if from_b { (b, a) } else { (a, b) };
        row.cause = Judged { segment: &segment, note: &note, me, peer }.cause();
        self.machine.take(&segment, &mut row.changes);
        Some(row)
    }

    /// From here on there is no cause and no change.
    pub(crate) const fn mute(&mut self) {
        self.roles = Roles::Itself;
    }

    /// Gives back what only rows to come would need.
    pub(crate) fn forget(&mut self) {
        (self.machine, self.speakers) = (Machine::default(), Default::default());
    }

    fn learn_roles(&mut self, from_b: bool, flags: TcpFlags) {
        if !flags.any(TcpFlags::SYN) || flags.any(TcpFlags::RST) {
            return;
        }
        let is_b = from_b != flags.any(TcpFlags::ACK);
        self.roles = match self.roles {
            Roles::Unknown => Roles::Client { is_b },
            Roles::Client { is_b: known } if known != is_b && !flags.any(TcpFlags::ACK) => Roles::Both,
            roles => roles,
        };
    }
}
