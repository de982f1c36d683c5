//! One connection of a worker: which operations on it are under way, and which are to be.

use super::token::Token;
use crate::engine::buffers::Flow;
use crate::engine::carriage::{Carriers, Stream};
use crate::engine::crowd::{Member, Standing};
use crate::engine::presence::Presence;
use crate::reason::Call;
use crate::service::Service;
use crate::session::{Next, Parked, Session};
use enchufe_sys::host;
use enchufe_sys::io_uring::{self, Class, Completion, Piece, Ring, Slot};
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// Where its socket lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// The ring, of those of its thread.
    pub(super) ring: u8,
    pub(super) slot: Slot,
}

/// Operations that are not over, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct UnderWay(u8);

impl UnderWay {
    const RECEIVE: Self = Self(1);
    const SEND: Self = Self(2);
    const ROOM: Self = Self(4);
    const WATCH: Self = Self(8);
    const CANCEL: Self = Self(16);
    const CLOSE: Self = Self(32);
    const ERROR: Self = Self(64);

    const fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    const fn add(&mut self, one: Self) {
        self.0 |= one.0;
    }

    const fn remove(&mut self, one: Self) {
        self.0 &= !one.0;
    }
}

/// What a receive brought.
#[derive(Clone, Copy)]
enum News {
    Bytes(Piece),
    End,
}

/// When it is to be heard that what is on its way is sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hears {
    /// At once, whatever it is: others are to know.
    AlwaysAtOnce,
    /// At once: there is something to do then.
    AtOnce,
    /// With whatever is next: it is the last there was to do.
    Late,
}

pub(super) struct Connection<'h, S: Service> {
    pub(super) session: Session<'h, S, Piece>,
    pub(super) spot: Spot,
    pub(super) standing: Standing,
    /// The last window of [`Batch`](super::batch::Batch) in which something came.
    pub(super) window: u32,
    /// It is to be received from when there are buffers again.
    pub(super) is_starved: bool,
    under_way: UnderWay,
    /// The receive that is under way goes on.
    again: bool,
    hears: Hears,
    /// Where much comes at once it is received piece by piece, so that no more comes than is wanted.
    flow: Flow,
    /// Where much has come that may be carried.
    stream: Option<Box<Stream>>,
    /// A descriptor for its socket, while it is carried.
    borrowed: Option<TcpStream>,
    /// Something came that nobody will hear of, as if it had not been read.
    is_unread: bool,
    /// What came while the session did not want to hear of it, in that order. No more than one receive that goes on brings before it is cancelled.
    late: VecDeque<News>,
    presence: Presence,
}

/// What is kept of a connection that is parked, beside its session: it is received from.
pub(super) struct Rest {
    /// A [`Spot`], which by itself would not leave room for what follows.
    slot: Slot,
    ring: u8,
    again: bool,
}

impl<'h, S: Service> Member<'h> for Connection<'h, S> {
    type Service = S;
    type Buffer = Piece;
    type Rest = Rest;

    fn session(&self) -> &Session<'h, S, Piece> {
        &self.session
    }

    fn standing(&mut self) -> &mut Standing {
        &mut self.standing
    }

    fn park(&mut self, since: Instant) -> Option<Parked<S>> {
        let rests = self.under_way == UnderWay::RECEIVE && self.late.is_empty();
        if rests { self.session.park(since) } else { None }
    }

    fn into_rest(self) -> Rest {
        let Spot { ring, slot } = self.spot;
        Rest { slot, ring, again: self.again }
    }

    fn wake(session: Session<'h, S, Piece>, Rest { slot, ring, again }: Rest) -> Self {
        Self { under_way: UnderWay::RECEIVE, again, ..Self::new(session, Spot { ring, slot }) }
    }
}

impl<'h, S: Service> Connection<'h, S> {
    pub(super) fn new(session: Session<'h, S, Piece>, spot: Spot) -> Self {
        Self {
            hears: if session.is_unwatched() { Hears::AtOnce } else { Hears::AlwaysAtOnce },
            session,
            spot,
            standing: Standing::default(),
            window: 0,
            is_starved: false,
            under_way: UnderWay::default(),
            again: false,
            flow: Flow::default(),
            stream: None,
            borrowed: None,
            is_unread: false,
            late: VecDeque::new(),
            presence: Presence::default(),
        }
    }

    /// What was received before is not answered yet.
    pub(super) fn is_answering(&self) -> bool {
        self.under_way.has(UnderWay::SEND)
    }

    /// A receive has told something.
    pub(super) fn received(&mut self, came: Completion, ring: &mut Ring, now: Instant) {
        if !came.goes_on {
            self.under_way.remove(UnderWay::RECEIVE);
        }
        match (came.result(), came.piece) {
            (Ok(_), Some(piece)) => self.hear(News::Bytes(piece), ring, now),
            (Ok(_), None) => self.hear(News::End, ring, now),
            (Err(error), _) if io_uring::lacks_buffers(&error) => self.is_starved = true,
            (Err(error), _) => self.fail(Call::Recv, error),
        }
    }

    /// A send is done, or was refused.
    pub(super) fn sent(&mut self, came: Completion, ring: &mut Ring, place: usize, now: Instant) {
        self.under_way.remove(UnderWay::SEND);
        match came.result() {
            Ok(count) => {
                let now = if self.session.measures_idleness() { Instant::now() } else { now };
                if let Some(freed) = self.session.sent(count as usize, now) {
                    ring.give(freed);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !self.session.is_over() {
                    ring.room(self.spot.slot, Token::Room(place).word());
                    self.under_way.add(UnderWay::ROOM);
                    self.relieve(ring);
                }
            }
            Err(error) => self.fail(Call::Send, error),
        }
    }

    /// Hears that all is sent, if that was the last there was to do, so that there is nothing to begin. Whether it was.
    pub(super) fn hear_late(&mut self, came: Completion, ring: &mut Ring, now: Instant) -> bool {
        let all = self.session.queued();
        let is_last = self.hears == Hears::Late && !came.has_failed() && came.count() as usize == all;
        if is_last {
            self.hears = Hears::AtOnce;
            self.under_way.remove(UnderWay::SEND);
            if let Some(freed) = self.session.sent(came.count() as usize, now) {
                ring.give(freed);
            }
        }
        is_last
    }

    /// FIN was sent, or the peer's RST was faster: a receive says so.
    pub(super) fn finished(&mut self, now: Instant) {
        self.under_way.remove(UnderWay::SEND);
        if !self.session.is_over() {
            self.session.half_closed(now);
        }
    }

    /// There is room to send, or there will never be.
    pub(super) fn has_room(&mut self, came: Completion, now: Instant) {
        self.under_way.remove(UnderWay::ROOM);
        match came.result() {
            // The send is only begun: the time for it may be over before that is known to have gone.
            Ok(_) => self.session.has_gone(now),
            Err(error) => self.fail(Call::Poll, error),
        }
    }

    /// Something changed on a connection that is not received from, or it is no longer watched.
    pub(super) fn changed(&mut self, came: Completion, ring: &mut Ring, place: usize) {
        if !came.goes_on {
            self.under_way.remove(UnderWay::WATCH);
        }
        let has_error = came.has_error();
        if let Err(error) = came.result() {
            self.fail(Call::Poll, error);
        }
        // Who receives learns of it there.
        if has_error && !self.session.is_over() && !self.under_way.has(UnderWay::RECEIVE) {
            self.ask_what_failed(ring, place);
        }
    }

    fn ask_what_failed(&mut self, ring: &mut Ring, place: usize) {
        if !self.under_way.has(UnderWay::ERROR) {
            ring.error(self.spot.slot, Token::Error(place).word());
            self.under_way.add(UnderWay::ERROR);
        }
    }

    /// Which error is pending is known.
    pub(super) fn knows_what_failed(&mut self, came: Completion, ring: &mut Ring, place: usize) {
        self.under_way.remove(UnderWay::ERROR);
        if let Err(error) = came.result() {
            self.fail(Call::Recv, error);
            if !self.session.is_over() {
                self.ask_what_failed(ring, place);
            }
        }
    }

    /// A cancel is over: with it what it was for, or it came too early and is needed again.
    pub(super) fn cancelled(&mut self) {
        self.under_way.remove(UnderWay::CANCEL);
    }

    /// An operation did not go well. That it was cancelled or interrupted is no fault of the connection's.
    fn fail(&mut self, call: Call, error: io::Error) {
        let again = error.kind() == io::ErrorKind::Interrupted || error.kind() == io::ErrorKind::WouldBlock;
        if !again && !io_uring::is_cancelled(&error) {
            self.session.failed(call, error);
        }
    }

    /// Tells the session what came, if it wants to hear of it now.
    fn hear(&mut self, news: News, ring: &mut Ring, now: Instant) {
        if self.session.is_over() {
            if let News::Bytes(piece) = news {
                ring.give(piece);
                self.is_unread = true;
            }
        } else if self.late.is_empty() && self.is_wanted(news) {
            self.tell(news, ring, now);
        } else {
            self.late.push_back(news);
            self.relieve(ring);
        }
    }

    /// Whether it is to be told now. An end is not before the answers are with the kernel: it reads as an end, too, that the peer has
    /// reset a connection, and only a send says that it has.
    fn is_wanted(&self, news: News) -> bool {
        self.session.wants_read() && !(matches!(news, News::End) && self.is_answering())
    }

    fn tell(&mut self, news: News, ring: &mut Ring, now: Instant) {
        let News::Bytes(piece) = news else { return self.session.peer_ended(now) };
        let bytes = ring.bytes(piece);
        // What fills a buffer goes on, as does what a usual one could not hold.
        let class = ring.class(piece).unwrap_or(Class::Usual);
        let is_much = bytes.len() == ring.buffer_size(class) || bytes.len() > ring.buffer_size(Class::Usual);
        self.flow.learn(is_much || self.stream.as_ref().is_some_and(|stream| stream.takes_all()));
        let freed = self.session.received(bytes, piece, now);
        if let Some(stream) = &mut self.stream {
            stream.learn(&self.session, now);
        }
        if let Some(freed) = freed {
            ring.give(freed);
        } else if self.under_way.has(UnderWay::ROOM) {
            self.relieve(ring);
        }
    }

    /// Where buffers run short, leaves those to others that it will have for a while.
    fn relieve(&self, ring: &mut Ring) {
        let is_short = |ring: &Ring, class: Class| {
            let (free, all) = ring.free_buffers(class);
            free < all / 2
        };
        if !is_short(ring, Class::Usual) && !is_short(ring, Class::Large) {
            return;
        }
        let bytes = |news: &News| if let News::Bytes(piece) = news { Some(*piece) } else { None };
        for piece in self.session.buffers().copied().chain(self.late.iter().filter_map(bytes)) {
            if ring.class(piece).is_some_and(|class| is_short(ring, class)) {
                ring.detach(piece);
            }
        }
    }

    /// Begins what is to be under way now. Whether it is over, and nothing is any more.
    pub(super) fn go_on(&mut self, ring: &mut Ring, place: usize, now: Instant) {
        if self.is_carried() {
            return;
        }
        while let Some(news) = self.late.front().copied().filter(|news| self.is_wanted(*news)) {
            self.late.pop_front();
            self.tell(news, ring, now);
        }
        self.flush(ring, place, now);
        if self.session.is_over() {
            self.end(ring, place);
        } else {
            self.listen(ring, place);
        }
        if self.under_way.has(UnderWay::SEND) {
            if self.may_hear_late() {
                self.hears = Hears::Late;
            } else {
                self.hears = self.hears.min(Hears::AtOnce);
                ring.hurry();
            }
        }
    }

    fn flush(&mut self, ring: &mut Ring, place: usize, now: Instant) {
        while !self.under_way.has(UnderWay::SEND) && !self.under_way.has(UnderWay::ROOM) {
            let token = Token::Send(place).word();
            match self.session.next() {
                None => return,
                Some(Next::HalfClose) => {
                    if let Ok(socket) = ring.descriptor(self.spot.slot).map(TcpStream::from) {
                        // The peer's RST may have been faster: a receive says so.
                        let _ = host::half_close(&socket);
                        self.session.half_closed(now);
                        continue;
                    }
                    ring.half_close(self.spot.slot, Token::Fin(place).word());
                }
                Some(Next::Lent(piece, range)) => ring.send(self.spot.slot, *piece, range, token),
                Some(Next::Bytes(bytes)) => ring.send_copy(self.spot.slot, bytes, token),
            }
            self.under_way.add(UnderWay::SEND);
        }
    }

    fn may_hear_late(&self) -> bool {
        let usual = UnderWay::RECEIVE.0 | UnderWay::SEND.0;
        let is_usual = self.under_way.0 == usual && self.late.is_empty() && self.standing.goes.is_none();
        self.hears != Hears::AlwaysAtOnce && is_usual && self.session.may_hear_late()
    }

    /// Whether nothing keeps it here but a receive.
    fn is_ready_to_go(&self) -> bool {
        let UnderWay(rest) = self.under_way;
        let waits = UnderWay::RECEIVE.0 | UnderWay::CANCEL.0;
        let is_here = !self.is_carried() && self.late.is_empty() && !self.is_starved;
        rest & !waits == 0 && is_here && self.session.rests()
    }

    /// Whether it is to go, and nothing is under way.
    pub(super) fn goes_now(&self) -> bool {
        self.standing.goes.is_some() && self.under_way == UnderWay::default() && self.is_ready_to_go()
    }

    /// If it is to go, and nothing is under way: what is to be kept of its session, and where it goes.
    pub(super) fn leave(&mut self, since: Instant) -> Option<(Parked<S>, usize)> {
        let to = self.standing.goes.filter(|_| self.goes_now())?;
        Some((self.session.park(since)?, to))
    }

    /// Has the kernel receive, or not, as the session wants it.
    fn listen(&mut self, ring: &mut Ring, place: usize) {
        let receives = self.under_way.has(UnderWay::RECEIVE);
        if self.standing.goes.is_some() && self.is_ready_to_go() {
            if receives && !self.under_way.has(UnderWay::CANCEL) {
                ring.cancel(self.spot.slot, Token::Cancel(place).word());
                self.under_way.add(UnderWay::CANCEL);
            }
        } else if self.session.wants_read() {
            if self.is_to_be_carried() {
                if receives && self.again && !self.under_way.has(UnderWay::CANCEL) {
                    ring.cancel_one(Token::Receive(place).word(), Token::Cancel(place).word());
                    self.under_way.add(UnderWay::CANCEL);
                }
            } else if !receives && !self.is_starved && self.late.is_empty() {
                self.again = !self.flow.is_large();
                let (slot, token) = (self.spot.slot, Token::Receive(place).word());
                if self.again {
                    ring.receive(slot, token);
                } else {
                    let is_there = ring.free_buffers(Class::Large).0 > 0;
                    ring.receive_once(slot, if is_there { Class::Large } else { Class::Usual }, token);
                }
                self.under_way.add(UnderWay::RECEIVE);
            }
            if self.under_way.has(UnderWay::WATCH) && !self.under_way.has(UnderWay::CANCEL) {
                ring.cancel_one(Token::Watch(place).word(), Token::Cancel(place).word());
                self.under_way.add(UnderWay::CANCEL);
            }
        } else if receives {
            // One that does not go on brings one piece at most, and tells of an end as well.
            if self.again && !self.under_way.has(UnderWay::CANCEL) {
                ring.cancel_one(Token::Receive(place).word(), Token::Cancel(place).word());
                self.under_way.add(UnderWay::CANCEL);
            }
        } else if !self.under_way.has(UnderWay::WATCH) && !self.is_answering() {
            ring.watch(self.spot.slot, Token::Watch(place).word());
            self.under_way.add(UnderWay::WATCH);
        }
    }

    fn is_to_be_carried(&mut self) -> bool {
        Stream::is_wanted(&mut self.stream, &self.session, &mut self.flow)
    }

    pub(super) fn is_carried(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.is_carried())
    }

    /// Has the kernel carry it, if it is to and nothing is under way. Whether it is carried from now on.
    pub(super) fn board(&mut self, carriers: &Carriers, ring: &mut Ring, place: usize, now: Instant) -> bool {
        let is_ready = self.under_way == UnderWay::default() && self.standing.goes.is_none();
        let is_here = is_ready && !self.is_carried() && self.late.is_empty() && self.session.rests();
        if !is_here || !self.is_to_be_carried() {
            return false;
        }
        let Some(stream) = &mut self.stream else { return false };
        self.borrowed = ring.descriptor(self.spot.slot).map(TcpStream::from).ok();
        stream.board(self.borrowed.as_ref(), carriers.pipe(), now);
        self.borrowed.take_if(|_| !stream.is_carried());
        // Where it cannot be, it is received from.
        self.go_on(ring, place, now);
        self.is_carried()
    }

    /// Ends that, if it is carried and is not to be.
    pub(super) fn alight(&mut self) {
        let Self { stream: Some(stream), session, flow, standing, .. } = self else { return };
        if stream.alight(session, *flow, standing) {
            self.borrowed = None;
        }
    }

    /// Looks for what has come on one that is carried. Whether there may be more at once.
    pub(super) fn carry(&mut self, now: Instant) -> bool {
        let Self { stream: Some(stream), borrowed: Some(socket), session, flow, .. } = self else {
            return false;
        };
        stream.look(socket, session, flow, now)
    }

    /// Ends what is under way, and closes the socket when nothing is.
    fn end(&mut self, ring: &mut Ring, place: usize) {
        if self.under_way.has(UnderWay::CANCEL) || self.under_way.has(UnderWay::CLOSE) {
            return;
        }
        if self.under_way != UnderWay::default() {
            ring.cancel(self.spot.slot, Token::Cancel(place).word());
            return self.under_way.add(UnderWay::CANCEL);
        }
        while let Some(piece) = self.session.take_back() {
            ring.give(piece);
        }
        for late in self.late.drain(..) {
            if let News::Bytes(piece) = late {
                ring.give(piece);
                self.is_unread = true;
            }
        }
        if self.is_unread {
            // Closed with bytes that were not read a socket sends RST (RFC 1122, 4.2.2.13): the peer is not to think that they
            // were.
            ring.reset_at_close(self.spot.slot, Token::Ignored.word());
        }
        ring.close(self.spot.slot, Token::Close(place).word());
        self.under_way.add(UnderWay::CLOSE);
    }

    /// When [`Self::expire`] is to be called, if nothing happens before.
    pub(super) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.presence.deadline(&self.session, now)
    }

    pub(super) fn expire(&mut self, ring: &mut Ring, now: Instant) {
        let slot = self.spot.slot;
        let local =
            || -> Option<SocketAddr> { TcpStream::from(ring.descriptor(slot).ok()?).local_addr().ok() };
        self.presence.expire(&mut self.session, local, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::crowd::Crowd;
    use crate::services::Echo;

    #[test]
    fn a_parked_connection_is_small() {
        assert_eq!(Crowd::<Connection<'_, Echo>>::PARKED, 72);
    }
}
