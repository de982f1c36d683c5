//! epoll(7): which of many descriptors are ready, at a cost that does not grow with those that are not.
//!
//! A descriptor leaves its epoll when it is closed. Events that were found before that may still be in hand:
//! a token that is given out again must be told from its former owner's by whoever gives it out.

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// The kernel takes no longer wait in milliseconds: some 24 days.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);
/// What the kernel's wait counts in. (One that counts in nanoseconds, `epoll_pwait2`, is not in every kernel, and a sandbox may end who calls
/// what it does not know.)
const UNIT: Duration = Duration::from_millis(1);

/// What is to be told of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// That it can be read from, as long as it can.
    Readable,
    /// That it has become readable, that its peer has ended, that urgent data came: each change once. What is
    /// there when it is added, or watched for something else, is a change.
    Arrivals,
    /// The same, and that it has become writable.
    Changes,
    /// Nothing but failure.
    Nothing,
}

impl Watch {
    const fn flags(self) -> EventFlags {
        match self {
            Self::Readable => EventFlags::IN,
            Self::Arrivals => {
                EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::PRI).union(EventFlags::ET)
            }
            Self::Changes => Self::Arrivals.flags().union(EventFlags::OUT),
            Self::Nothing => EventFlags::empty(),
        }
    }
}

/// What was found of one descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// What it was added with.
    pub token: u64,
    flags: EventFlags,
}

impl Found {
    /// A read would not block: there are bytes, the end of the stream, or an error.
    pub fn readable(self) -> bool {
        self.flags.intersects(EventFlags::IN.union(EventFlags::RDHUP)) || self.failed()
    }

    /// A write would not block: there is room, or an error.
    pub fn writable(self) -> bool {
        self.flags.contains(EventFlags::OUT) || self.failed()
    }

    /// The peer has ended its direction, or everything is over: behind the bytes that are there is an end.
    pub fn ended(self) -> bool {
        self.flags.contains(EventFlags::RDHUP) || self.failed()
    }

    /// TCP's urgent pointer stands in what has not been read. A read stops there, also with bytes behind it.
    pub fn urgent(self) -> bool {
        self.flags.contains(EventFlags::PRI)
    }

    /// An error is pending, or both directions are over.
    pub fn failed(self) -> bool {
        self.flags.intersects(EventFlags::ERR.union(EventFlags::HUP))
    }
}

/// Room for what one wait finds.
pub struct Events(Vec<epoll::Event>);

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl Events {
    /// For at most `most` in one wait; the others are found by the next.
    pub fn with_room_for(most: usize) -> Self {
        Self(Vec::with_capacity(most))
    }

    /// How many the last wait found.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it found none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the last wait found.
    pub fn iter(&self) -> impl Iterator<Item = Found> {
        self.0.iter().map(|event| Found { token: event.data.u64(), flags: event.flags })
    }
}

/// A set of descriptors that are waited on together.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

impl Epoll {
    /// An empty one. Fails without descriptors or memory.
    pub fn new() -> io::Result<Self> {
        inject!(EpollCreate);
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Watches `descriptor`, which is told of with `token`.
    ///
    /// Fails with [`io::ErrorKind::StorageFull`] (`ENOSPC`) where this user watches as many as
    /// `fs.epoll.max_user_watches` allows.
    pub fn add(&self, descriptor: &impl AsFd, token: u64, watch: Watch) -> io::Result<()> {
        inject!(EpollCtl);
        Ok(epoll::add(&self.0, descriptor, EventData::new_u64(token), watch.flags())?)
    }

    /// Watches a descriptor that it has for something else.
    pub fn change(&self, descriptor: &impl AsFd, token: u64, watch: Watch) -> io::Result<()> {
        inject!(EpollCtl);
        Ok(epoll::modify(&self.0, descriptor, EventData::new_u64(token), watch.flags())?)
    }

    /// Watches it no longer, though it stays open.
    pub fn remove(&self, descriptor: &impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, descriptor)?)
    }

    /// Waits until one of them has something to tell or `timeout` is over (`None`: for ever), which is rounded
    /// up to milliseconds if it is one or more. A signal ends it early, with nothing found.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.0.clear();
        let is_short = |time: &Duration| !time.is_zero() && *time < UNIT;
        let is_over = timeout.filter(is_short).is_some_and(|time| self.wait_shortly(time));
        let timeout = if is_over { Some(Duration::ZERO) } else { timeout };
        match self.wait_once(events, timeout.map(timespec).as_ref()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// An epoll is a descriptor that can be read from when it has something to tell. Whether that can be waited for so.
    fn wait_shortly(&self, time: Duration) -> bool {
        let waited = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timespec(time)));
        matches!(waited, Ok(_) | Err(Errno::INTR))
    }

    fn wait_once(&self, events: &mut Events, timeout: Option<&Timespec>) -> io::Result<()> {
        inject!(EpollWait);
        epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events.0), timeout)?;
        Ok(())
    }
}

fn timespec(time: Duration) -> Timespec {
    let time = time.min(LONGEST);
    Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    /// What one wait finds of the only descriptor there is.
    fn found(epoll: &Epoll, timeout: Option<Duration>) -> Option<Found> {
        let mut events = Events::with_room_for(4);
        epoll.wait(&mut events, timeout).unwrap();
        assert!(events.iter().count() <= 1);
        events.iter().next()
    }

    #[test]
    fn a_change_is_told_once_and_what_is_readable_again_and_again() {
        let (mut client, mut server) = pair();
        let arrivals = Epoll::new().unwrap();
        arrivals.add(&server, 9, Watch::Arrivals).unwrap();
        assert!(found(&arrivals, Some(Duration::ZERO)).is_none(), "room is none");
        arrivals.change(&server, 9, Watch::Changes).unwrap();
        assert!(found(&arrivals, Some(Duration::ZERO)).is_some_and(Found::writable));
        let (changes, readable) = (Epoll::new().unwrap(), Epoll::new().unwrap());
        changes.add(&server, 7, Watch::Changes).unwrap();
        let first = found(&changes, None).unwrap();
        assert!(first.token == 7 && first.writable() && !first.readable() && !first.failed());
        readable.add(&server, 8, Watch::Readable).unwrap();
        assert!(found(&readable, Some(Duration::ZERO)).is_none());
        client.write_all(b"four").unwrap();
        assert!(found(&changes, None).unwrap().readable());
        assert!(found(&changes, Some(Duration::ZERO)).is_none(), "told already");
        assert!(found(&readable, None).is_some_and(|one| one.token == 8));
        assert!(found(&readable, None).is_some(), "as long as it is so");
        readable.change(&server, 8, Watch::Nothing).unwrap();
        assert!(found(&readable, Some(Duration::ZERO)).is_none());
        server.read_exact(&mut [0; 4]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let end = found(&changes, None).unwrap();
        assert!(end.ended() && end.readable() && !end.failed());
    }

    #[test]
    fn what_one_has_not_told_another_tells_when_it_is_moved_there() {
        let (mut client, server) = pair();
        let (one, other) = (Epoll::new().unwrap(), Epoll::new().unwrap());
        one.add(&server, 1, Watch::Arrivals).unwrap();
        client.write_all(b"x").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        while !found(&one, None).unwrap().ended() {}
        one.remove(&server).unwrap();
        assert!(one.remove(&server).is_err() && found(&one, Some(Duration::ZERO)).is_none());
        other.add(&server, 2, Watch::Arrivals).unwrap();
        assert!(found(&other, None).is_some_and(|it| it.token == 2 && it.readable() && it.ended()));
    }

    #[test]
    fn urgent_data_is_told_before_it_is_passed() {
        let (client, server) = pair();
        let epoll = Epoll::new().unwrap();
        epoll.add(&server, 1, Watch::Changes).unwrap();
        assert!(!found(&epoll, None).unwrap().urgent());
        socket2::SockRef::from(&client).send_out_of_band(b"ab").unwrap();
        assert!(found(&epoll, None).unwrap().urgent());
    }

    #[test]
    fn a_short_wait_ends_when_there_is_something_and_not_before_its_time() {
        let (mut client, server) = pair();
        let epoll = Epoll::new().unwrap();
        epoll.add(&server, 1, Watch::Readable).unwrap();
        let (time, begun) = (Duration::from_micros(300), std::time::Instant::now());
        assert!(found(&epoll, Some(time)).is_none() && begun.elapsed() >= time);
        client.write_all(b"x").unwrap();
        while found(&epoll, Some(time)).is_none() {}
    }

    #[test]
    fn times_of_any_size_are_fine_and_a_closed_descriptor_leaves() {
        let (mut client, server) = pair();
        let epoll = Epoll::new().unwrap();
        epoll.add(&server, 1, Watch::Readable).unwrap();
        assert!(found(&epoll, Some(Duration::from_nanos(1))).is_none());
        client.write_all(b"x").unwrap();
        assert!(found(&epoll, Some(Duration::MAX)).is_some());
        drop(server);
        // A process that another test is about to execute has a copy until it does.
        while found(&epoll, Some(Duration::ZERO)).is_some() {}
    }
}
