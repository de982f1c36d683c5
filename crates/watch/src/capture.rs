//! Live capture: each frame once, in the order of its time.
//!
//! **Once.** What crosses the loopback interface is sent there and received there, and the kernel shows both.
//! Kept is the copy that was *received*: it is the one that the receiver's TCP gets, and a frame that the
//! sender's queue dropped never was on the wire. Of one interface the kernel is asked to leave the other copy
//! out before it is made (`PACKET_IGNORE_OUTGOING`), but where [both are wanted](Copies::Both). Of all interfaces at once that would hide what goes to
//! other machines, so a program in the kernel refuses what goes out on loopback interfaces only.
//!
//! **Only what may be shown.** With a [`Prefilter`] that program also leaves out what no row needs, so that the ring
//! holds more of what one does.
//!
//! **In the order of time.** Two CPUs can stamp frames in one order and store them in the other. Frames wait
//! in a small buffer until one that is a few milliseconds younger has come, or the capture pauses.

mod frame;
mod program;
mod reorder;

use enchufe_sys::host::{self, Bell, Interest, Watch};
use enchufe_sys::interfaces::{self, Interface, hardware};
use enchufe_sys::packet_ring::{Instruction, PacketRing, RingOptions, Start};
use enchufe_wire::LinkType;
use enchufe_wire::file::{self, Record};
use enchufe_wire::filter::Prefilter;
use enchufe_wire::time::Resolution;
use program::Program;
use reorder::{Bytes, Reorder};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Bytes of a block of the ring: room for the longest frame that is kept.
const BLOCK: u32 = 512 << 10;
const BLOCKS: u32 = 32;

/// How long the kernel keeps a block that is not full.
const RETIRE: Duration = Duration::from_millis(10);

/// With nothing new for this long no earlier frame is in a block that the kernel still fills.
const PAUSE: Duration = Duration::from_millis(30);

/// The most bytes of a frame that are kept, and the default: what readers of capture files take.
pub const LONGEST: u32 = file::LONGEST_PACKET;

/// Where to capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// On every interface of this network namespace, also those that come later.
    Everywhere,
    /// On the interface of this name.
    Interface(&'a str),
}

/// How to capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most bytes of each frame that are kept: 1 to [`LONGEST`], others become the nearest of these.
    pub snaplen: u32,
    /// Whether the interface is asked for frames to others, too.
    pub promiscuous: bool,
    /// Which frames the kernel may leave out.
    pub prefilter: Prefilter,
    /// Of frames that this machine sends and receives, which copies are kept.
    pub copies: Copies,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            snaplen: LONGEST,
            promiscuous: false,
            prefilter: Prefilter::EVERYTHING,
            copies: Copies::Received,
        }
    }
}

/// Which copies are kept of frames that this machine both sends and receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// The one that was received.
    Received,
    /// Both: the one that was sent whole, and of the one that was received [`ENOUGH`] bytes. Each also says into what segments it
    /// is to be cut.
    Both,
}

/// So much of a frame tells it from others: the headers of Ethernet, IPv6 and TCP, and some of what follows.
pub const ENOUGH: u32 = 160;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// It came.
    #[default]
    Received,
    /// It went out.
    Sent,
}

/// What is known of a frame beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Beside {
    /// Which way it went.
    pub way: Way,
    /// How many bytes each segment of TCP has into which it is to be cut; none where it is one, or that was not asked for.
    pub segment_size: Option<u16>,
}

/// A frame that was captured.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// The frame.
    pub record: Record<'a>,
    /// What is known beside it.
    pub beside: Beside,
}

/// Why there is no capture.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// There is no interface of that name.
    #[error("there is no interface {name}")]
    NoInterface {
        /// The name.
        name: String,
        /// Those that there are.
        others: Vec<String>,
    },
    /// The kernel wants `CAP_NET_RAW`.
    #[error("capturing packets needs CAP_NET_RAW: {0}")]
    Permission(io::Error),
    /// Promiscuous mode is a mode of one interface.
    #[error("promiscuous mode needs one interface")]
    PromiscuousEverywhere,
    /// Anything else that the kernel said.
    #[error("cannot capture packets: {0}")]
    System(#[from] io::Error),
}

/// What [`Capture::next`] found.
#[derive(Clone, Copy, Debug)]
pub enum Next<'a> {
    /// A frame.
    Frame(Captured<'a>),
    /// All that came was handed out; told once each time the frames pause. A good moment to show them.
    Pause,
    /// The bell rang or the time was over, and all that came before was handed out. It stays so.
    End,
}

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    ring: PacketRing,
    link: LinkType,
    snaplen: u32,
    prefilters: bool,
    reorder: Reorder,
    /// When the last block was taken.
    taken: Instant,
    drops: u64,
    state: State,
    /// Told when all that came before it was handed out.
    failure: Option<io::Error>,
}

/// What the caller was told last, and what is to be told next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Frames come, or may.
    Running,
    /// None came for a while: those that wait are handed out.
    Pausing,
    /// And that was told.
    Paused,
    /// The interface failed: those that are there are handed out.
    Failing,
    /// Also the last ones.
    Failed,
    /// None are taken any more: those that are there are handed out.
    Ending,
    /// Also the last ones.
    Emptying,
    Ended,
}

impl Capture {
    /// Begins to capture: what comes from now on is seen.
    pub fn open(place: Place<'_>, options: &Options) -> Result<Self, CaptureError> {
        if options.promiscuous && place == Place::Everywhere {
            return Err(CaptureError::PromiscuousEverywhere);
        }
        let interface = match place {
            Place::Everywhere => None,
            Place::Interface(name) => Some(find(name)?),
        };
        let kind = interface.as_ref().and_then(|interface| interface.hardware);
        let (link, start) = if interface.is_some() { link(kind) } else { COOKED };
        let snaplen = options.snaplen.clamp(1, LONGEST);
        let Program { instructions, prefilters } = Program::new(place, link, snaplen, options);
        let ring = PacketRing::open(&RingOptions {
            interface: interface.as_ref().map(|interface| interface.index),
            start,
            program: &instructions,
            block_size: BLOCK,
            block_count: BLOCKS,
            retire: RETIRE,
            ignore_outgoing: kind == Some(hardware::LOOPBACK) && options.copies == Copies::Received,
            tells_segments: options.copies == Copies::Both,
            promiscuous: options.promiscuous,
        })
        .map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => CaptureError::Permission(error),
            _ => CaptureError::System(error),
        })?;
        let (reorder, state, taken) = (Reorder::default(), State::Running, Instant::now());
        Ok(Self { ring, link, snaplen, prefilters, reorder, taken, drops: 0, state, failure: None })
    }

    /// What its frames start with.
    pub const fn link(&self) -> LinkType {
        self.link
    }

    /// The most bytes of a frame that it keeps.
    pub const fn snaplen(&self) -> u32 {
        self.snaplen
    }

    /// Whether the kernel leaves out frames by [`Options::prefilter`]: not where none can be left out, where it is too
    /// long for a program, or where too little of each frame is kept to tell the same from it.
    pub const fn prefilters(&self) -> bool {
        self.prefilters
    }

    /// The next frame. Waits for one until `stop` rings (it is not silenced) or `until` is past.
    ///
    /// Fails when the interface goes down or away (`ENETDOWN`) and all that came before was handed out; the capture
    /// goes on with the next call, and has frames again if the interface comes back.
    pub fn next(&mut self, stop: &Bell, until: Option<Instant>) -> io::Result<Next<'_>> {
        while !self.advance() {
            match self.state {
                State::Pausing => {
                    self.state = State::Paused;
                    return Ok(Next::Pause);
                }
                State::Emptying | State::Ended => {
                    self.state = State::Ended;
                    return Ok(Next::End);
                }
                State::Failed => {
                    self.state = State::Paused;
                    return Err(self.failure.take().unwrap_or_else(|| io::ErrorKind::NetworkDown.into()));
                }
                State::Running | State::Paused | State::Failing if is_over(stop, until)? => {
                    // Nothing more comes in; what is in the ring comes out.
                    self.ring.attach(&[Instruction::keep(0)])?;
                    self.state = State::Ending;
                }
                State::Running | State::Paused | State::Failing | State::Ending => {}
            }
            if !self.take_block() {
                self.wait(stop, until)?;
            }
        }
        Ok(self.record().map_or(Next::Pause, Next::Frame))
    }

    /// The next frame that is there, without waiting. A frame is held back until one comes that is a few milliseconds
    /// younger, or none has come for a while.
    pub fn ready(&mut self) -> Option<Captured<'_>> {
        loop {
            let there_is_one = self.reorder.advance(self.taken.elapsed() >= PAUSE);
            self.give_back();
            if there_is_one {
                return self.record();
            }
            if !self.take_block() {
                self.let_go();
                return None;
            }
        }
    }

    fn record(&self) -> Option<Captured<'_>> {
        let frame = self.reorder.current()?;
        let record = Record {
            interface: 0,
            link: self.link,
            time: Some(frame.time),
            resolution: Resolution::NANOS,
            bytes: match &frame.bytes {
                Bytes::Lent { block, place, len } => self.ring.bytes(*block, *place, *len),
                Bytes::Own(bytes) => bytes,
            },
            wire_len: frame.wire_len,
            options: file::Options::NONE,
        };
        Some(Captured { record, beside: frame.beside })
    }

    /// Frames that were lost for want of room, since the beginning.
    pub fn drops(&mut self) -> io::Result<u64> {
        self.drops += u64::from(self.ring.statistics()?.drops);
        Ok(self.drops)
    }

    /// Goes on to the next frame, and gives back the blocks that are no longer needed. Tells whether there is one.
    fn advance(&mut self) -> bool {
        let there_is_one = self.reorder.advance(self.empties());
        self.give_back();
        there_is_one
    }

    fn give_back(&mut self) {
        while self.reorder.frees_block() {
            self.ring.give_back();
        }
    }

    /// Gives all blocks back: with one of ours a wait for the next would be none.
    fn let_go(&mut self) {
        self.reorder.copy_all(|block, place, len| self.ring.bytes(block, place, len));
        self.give_back();
    }

    /// Whether no earlier frame can come any more.
    fn empties(&self) -> bool {
        matches!(self.state, State::Pausing | State::Failed | State::Emptying | State::Ended)
    }

    /// Takes the frames of the next block, if there is one.
    fn take_block(&mut self) -> bool {
        let Some(block) = self.ring.take() else { return false };
        self.taken = Instant::now();
        self.reorder.begin_block();
        for packet in self.ring.packets(block) {
            let wire_len = frame::wire_len(self.link, &packet);
            let bytes = match frame::as_it_is(self.link, self.snaplen, &packet) {
                Some(len) => Bytes::Lent { block, place: packet.place, len },
                None => self.reorder.own(|out| frame::write(self.link, self.snaplen, &packet, out)),
            };
            self.reorder.push(frame::time(&packet), wire_len, frame::beside(&packet), bytes);
        }
        if self.state == State::Paused {
            self.state = State::Running;
        }
        true
    }

    /// Waits for a block, at most for a pause if that is still to be told.
    fn wait(&mut self, stop: &Bell, until: Option<Instant>) -> io::Result<()> {
        self.let_go();
        let begun = Instant::now();
        let left = until.map(|until| until.saturating_duration_since(begun));
        let emptying = matches!(self.state, State::Failing | State::Ending);
        let timeout = match self.state {
            State::Paused => left,
            _ if emptying => Some(PAUSE),
            _ => Some(left.unwrap_or(PAUSE).min(PAUSE)),
        };
        let mut watches = [Watch::new(&self.ring, Interest::READ), Watch::new(stop, Interest::READ)];
        // Once it has rung it would not let us wait.
        let count = if emptying { 1 } else { 2 };
        let found = host::wait(watches.get_mut(..count).unwrap_or_default(), timeout)?;
        let failed = watches.first().is_some_and(|ring| ring.ready().failed);
        if failed && let Some(error) = self.ring.take_error()? {
            // Where the capture is to end, it then ends and nothing is told.
            (self.state, self.failure) = (State::Failing, Some(error));
            return Ok(());
        }
        if found == 0 && begun.elapsed() >= PAUSE {
            self.state = match self.state {
                State::Failing => State::Failed,
                State::Ending => State::Emptying,
                State::Paused => State::Paused,
                _ => State::Pausing,
            };
        }
        Ok(())
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

fn is_over(stop: &Bell, until: Option<Instant>) -> io::Result<bool> {
    let over = until.is_some_and(|until| until <= Instant::now());
    Ok(over || host::wait(&mut [Watch::new(stop, Interest::READ)], Some(Duration::ZERO))? > 0)
}

fn find(name: &str) -> Result<Interface, CaptureError> {
    let mut all = interfaces::interfaces()?;
    match all.iter().position(|interface| interface.name == name) {
        Some(place) => Ok(all.swap_remove(place)),
        None => Err(CaptureError::NoInterface {
            name: name.to_owned(),
            others: all.into_iter().map(|interface| interface.name).collect(),
        }),
    }
}

/// Frames of any kind of interface.
const COOKED: (LinkType, Start) = (LinkType::LINUX_SLL2, Start::NetworkHeader);

/// What frames of this kind of interface (`ARPHRD_`) start with. Kinds whose header is not known here are
/// taken without it.
const fn link(kind: Option<u16>) -> (LinkType, Start) {
    match kind {
        Some(hardware::ETHERNET | hardware::LOOPBACK) => (LinkType::ETHERNET, Start::LinkHeader),
        Some(hardware::NONE | hardware::RAW_IP | hardware::TUNNEL | hardware::TUNNEL6 | hardware::SIT) => {
            (LinkType::RAW, Start::LinkHeader)
        }
        _ => COOKED,
    }
}

#[cfg(test)]
mod tests;
