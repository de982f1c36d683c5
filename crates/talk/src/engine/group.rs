//! Threads that each accept for themselves: a listener for each of them at every address.
//!
//! The kernel shares new connections out among the sockets of one address (`SO_REUSEPORT`, socket(7)), by a hash
//! of both ends. One socket that all threads wait on would give connections that are made while little is going
//! on all to the same thread, and they stay where they were accepted.

use super::balance::{Balance, Pace};
use super::entrance::{Entrance, Nobody, SHORTAGE_PAUSE};
use super::moves::Why;
use super::{Host, Tally};
use crate::error::TalkError;
use crate::listen::{self, Failure, Listener};
use crate::options::SocketOption;
use crate::reason::Call;
use crate::told::{About, Told};
use enchufe_sys::accept::accept;
use enchufe_sys::affinity::run_on;
use enchufe_sys::host::{self, Bell};
use enchufe_sys::reuseport;
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::TcpStream;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::thread::Builder;
use std::time::Instant;

type Listeners = Vec<Vec<Listener>>;

/// Connections that are let in before those that are there have their turn.
const MOST_ARRIVALS: usize = 64;

/// What the threads share.
pub(super) struct Group<'a> {
    pub(super) entrance: Entrance<'a>,
    /// Of each thread. Once no more are accepted, only those that were inherited, which are the first: an epoll goes on telling
    /// of a socket that somebody else has open, and only by its descriptor can it be told not to.
    listeners: RwLock<Listeners>,
    closed: AtomicBool,
    /// Of each thread: something changed at the door, or the operator has something to say.
    bells: Vec<Arc<Bell>>,
    /// Threads that leave their queue alone until a connection ends.
    waiting: AtomicUsize,
    /// Whether anybody wants to know which of our addresses was connected to.
    hears: bool,
    /// Where connections may be handed over.
    balance: Option<Balance>,
}

/// What is left of a queue that somebody was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// As many came as were asked for.
    More,
    /// Nobody waits any more.
    Empty,
    /// Who waits cannot be let in now.
    Stuck,
}

/// How a thread lets in who comes: as many at once as lately came, and none for a while where there is no room for them, of whom the
/// kernel would tell again and again.
#[derive(Debug)]
pub(super) struct Intake {
    most: usize,
    /// The queue is left alone until then.
    short_until: Option<Instant>,
}

impl Intake {
    pub(super) const fn new() -> Self {
        Self { most: 1, short_until: None }
    }

    /// So many are let in at once.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// When the queue is to be looked at again.
    pub(super) const fn until(&self) -> Option<Instant> {
        self.short_until
    }

    /// What was left of the queue then.
    pub(super) fn learn(&mut self, queue: Queue) {
        match queue {
            Queue::More => self.most = (self.most * 2).min(MOST_ARRIVALS),
            Queue::Empty => self.most = (self.most / 2).max(1),
            Queue::Stuck => {}
        }
    }

    /// Leaves the queue alone for a while, unless a connection ends before. Whether it was looked at until now.
    pub(super) fn leave(&mut self, group: &Group<'_>, now: Instant) -> bool {
        let looked = self.short_until.replace(now + SHORTAGE_PAUSE).is_none();
        if looked {
            group.waiting.fetch_add(1, Ordering::Relaxed);
        }
        looked
    }

    /// Looks at it from now on. Whether it was left alone.
    pub(super) fn come_back(&mut self, group: &Group<'_>) -> bool {
        let left = self.short_until.take().is_some();
        if left {
            group.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        left
    }
}

impl<'a> Group<'a> {
    /// Opens the addresses again, so that each of `threads` threads has a listener for each. One thread does
    /// it, in the order of the threads: the kernel numbers the sockets of an address as they come.
    pub(super) fn new(
        host: &'a Host<'a>,
        tally: &'a Tally,
        listeners: Vec<Listener>,
        threads: usize,
    ) -> Result<Self, TalkError> {
        let mut all: Listeners = (0..threads).map(|_| Vec::new()).collect();
        let (mut listeners, own): (Vec<_>, Vec<_>) = listeners.into_iter().partition(|one| one.inherited);
        listeners.extend(own);
        for listener in listeners {
            let each = open_each(listener, threads, &host.limits.processors, host.options)?;
            for (own, one) in all.iter_mut().zip(each) {
                own.push(one);
            }
        }
        let entrance = Entrance::new(host, tally, true);
        Entrance::hasten(all.iter().flatten());
        let bells: Result<Vec<_>, _> = (0..threads).map(|_| Bell::new().map(Arc::new)).collect();
        Ok(Self {
            entrance,
            listeners: RwLock::new(all),
            closed: AtomicBool::new(false),
            bells: bells.map_err(TalkError::resources("eventfd"))?,
            waiting: AtomicUsize::new(0),
            hears: host.reporter.hears_of_connections(),
            balance: Balance::new(threads, &host.limits),
        })
    }

    pub(super) const fn threads(&self) -> usize {
        self.bells.len()
    }

    /// The bell of a thread.
    pub(super) fn bell(&self, thread: usize) -> Result<Arc<Bell>, TalkError> {
        let own = self.bells.get(thread).cloned();
        own.map_or_else(|| Bell::new().map(Arc::new).map_err(TalkError::resources("eventfd")), Ok)
    }

    /// The calling thread is this one from now on. How it looks at its load, where that is of any use.
    pub(super) fn settle_in(&self, thread: usize) -> Result<Option<Pace<'_>>, TalkError> {
        if let Some(processor) = self.entrance.host.limits.processor_of(thread) {
            run_on(processor).map_err(TalkError::resources("sched_setaffinity"))?;
        }
        Ok(self.balance.as_ref().and_then(|balance| balance.enter(thread)))
    }

    /// A thread takes in a connection that another has handed over: counted before anything is answered on it.
    pub(super) fn takes_in(&self, why: Why) {
        if let Some(counters) = self.entrance.host.counters {
            counters.handed_over(why);
        }
    }

    /// Wakes a thread.
    pub(super) fn ring_one(&self, thread: usize) {
        if let Some(bell) = self.bells.get(thread) {
            bell.ring();
        }
    }

    /// Does something with each listener of a thread and its index.
    pub(super) fn each_listener<E>(
        &self,
        thread: usize,
        act: impl FnMut((usize, &Listener)) -> Result<(), E>,
    ) -> Result<(), E> {
        let all = self.listeners.read().unwrap_or_else(PoisonError::into_inner);
        all.get(thread).into_iter().flatten().enumerate().try_for_each(act)
    }

    /// Lets in at most `most` of those who wait at a listener of a thread.
    pub(super) fn accept(
        &self,
        (thread, index): (usize, usize),
        most: usize,
        arrivals: &mut Vec<(TcpStream, About)>,
    ) -> Result<Queue, TalkError> {
        if self.entrance.host.limits.accept.is_some() {
            // One thread at a time, so that no more are accepted than may be.
            let mut all = self.write();
            let mut last = false;
            let queue = self.accept_from(find(&all, thread, index), most, arrivals, &mut last);
            if last {
                let closed = self.take(&mut all);
                self.entrance.close(closed);
            }
            return queue;
        }
        let all = self.listeners.read().unwrap_or_else(PoisonError::into_inner);
        self.accept_from(find(&all, thread, index), most, arrivals, &mut false)
    }

    fn accept_from(
        &self,
        listener: Option<&Listener>,
        most: usize,
        arrivals: &mut Vec<(TcpStream, About)>,
        last: &mut bool,
    ) -> Result<Queue, TalkError> {
        let Some(listener) = listener else { return Ok(Queue::Empty) };
        if self.is_closed() {
            return Ok(Queue::Stuck);
        }
        for _ in 0..most {
            let (stream, peer) = match accept(&listener.socket) {
                Ok(arrival) => arrival,
                Err(error) => {
                    return Ok(match self.entrance.fault(error, listener.address)? {
                        Nobody::There => Queue::Empty,
                        Nobody::Room => Queue::Stuck,
                    });
                }
            };
            let local = match listener.address {
                any if any.ip().is_unspecified() && self.hears => stream.local_addr().unwrap_or(any),
                one => one,
            };
            if let Some(arrival) = self.entrance.admit(stream, peer, local) {
                arrivals.push(arrival);
                if self.entrance.serves() {
                    *last = true;
                    return Ok(Queue::Empty);
                }
            }
        }
        Ok(Queue::More)
    }

    /// Whether no more are accepted.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Stops listening because the server is stopped.
    pub(super) fn stop(&self) {
        let closed = self.take(&mut self.write());
        self.entrance.stop(closed);
    }

    /// Stops listening because it cannot go on.
    pub(super) fn close(&self) {
        let closed = self.take(&mut self.write());
        self.entrance.close(closed);
    }

    fn write(&self) -> RwLockWriteGuard<'_, Listeners> {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, all: &mut Listeners) -> Vec<Listener> {
        self.closed.store(true, Ordering::Release);
        let own = |own: &mut Vec<Listener>| own.split_off(own.iter().take_while(|one| one.inherited).count());
        let taken = all.iter_mut().flat_map(own).collect();
        self.ring();
        taken
    }

    fn ring(&self) {
        for bell in &self.bells {
            bell.ring();
        }
    }

    /// A connection has ended: who waits for that is woken.
    pub(super) fn freed(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.ring();
        }
    }
}

/// A listener for each thread, at the address of the first.
pub(super) fn open_each(
    first: Listener,
    threads: usize,
    processors: &[usize],
    options: &[SocketOption],
) -> Result<Vec<Listener>, TalkError> {
    let mut each = open_again(&first, threads.saturating_sub(1), options)?;
    // A thread that stays on a processor has the connections whose packets that one handles.
    if threads > 1 && processors.len() == threads && !first.inherited {
        reuseport::steer(&first.socket, processors)
            .map_err(|error| listen::explain(Call::SetOption, first.address, error))?;
    }
    each.insert(0, first);
    Ok(each)
}

/// Has each of the workers settle in and then serve, in a thread of its own, until the last of them is done.
pub(super) fn run<W: Send>(
    group: &Group<'_>,
    workers: impl Iterator<Item = Result<W, TalkError>>,
    settle_in: impl Fn(&mut W) -> Result<(), TalkError> + Copy + Send,
    serve: impl Fn(W) -> Result<(), TalkError> + Copy + Send,
) -> Result<(), TalkError> {
    // All of them before the first one serves: what cannot be had is said before anybody is let in.
    let workers = workers.collect::<Result<Vec<_>, _>>()?;
    std::thread::scope(|scope| {
        let (mut running, mut gates) = (Vec::new(), Vec::new());
        let (says, settled) = mpsc::channel();
        for mut worker in workers {
            let (gate, go) = mpsc::channel::<()>();
            let says = says.clone();
            let begin = move || {
                let _ = says.send(settle_in(&mut worker));
                drop(says);
                // Nobody lets it go where another is not there.
                go.recv().map_or(Ok(()), |()| serve(worker))
            };
            let spawned =
                host::start_thread(Builder::new(), scope, begin).map_err(TalkError::resources("clone"));
            running.push(spawned.inspect_err(|_| group.close())?);
            gates.push(gate);
        }
        drop(says);
        settled.iter().collect::<Result<(), _>>().inspect_err(|_| group.close())?;
        group.entrance.host.reporter.tell(None, &Told::Waiting);
        for gate in gates {
            let _ = gate.send(());
        }
        let mut result = Ok(());
        for worker in running {
            result = result.and(worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        result
    })
}

fn find(all: &Listeners, thread: usize, index: usize) -> Option<&Listener> {
    all.get(thread)?.get(index)
}

/// `count` more listeners at the address of `first`, which was bound as one that shares with nobody: an address in
/// use was found to be.
fn open_again(first: &Listener, count: usize, options: &[SocketOption]) -> Result<Vec<Listener>, TalkError> {
    let at = |call: Call| move |error: io::Error| Failure::Call(call, error);
    let Listener { address, backlog, .. } = *first;
    if first.inherited {
        // What waits at a second socket would be reset with this process, and whoever handed the first one on keeps it so that
        // nothing is. The threads take turns at it.
        let again: Result<Vec<_>, _> = (0..count).map(|_| first.again()).collect();
        return again.map_err(|failure| failure.explain(address));
    }
    let open = |_| {
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(at(Call::Socket))?;
        listen::set_up(&socket, address, options)?;
        reuseport::share(&socket).map_err(at(Call::SetOption))?;
        socket.bind(&address.into()).map_err(at(Call::Bind))?;
        socket.listen(backlog).map_err(at(Call::Listen))?;
        socket.set_nonblocking(true).map_err(at(Call::SetOption))?;
        Ok(Listener { socket: socket.into(), address, backlog, inherited: false })
    };
    let shared = if count > 0 { reuseport::share(&SockRef::from(&first.socket)) } else { Ok(()) };
    let opened = shared.map_err(at(Call::SetOption)).and_then(|()| (0..count).map(open).collect());
    opened.map_err(|failure: Failure| failure.explain(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Endpoint;
    use crate::engine::Limits;
    use crate::stop::Stop;
    use crate::told::Silent;
    use enchufe_sys::host::{Interest, Watch};
    use std::net::SocketAddr;
    use std::time::Duration;

    const THREADS: usize = 3;
    /// What would last for ever is given up.
    const FOR_EVER: Duration = Duration::from_secs(30);

    fn listeners(at: &str) -> Result<Vec<Listener>, TalkError> {
        let endpoints: [Endpoint; 1] = [at.parse().unwrap()];
        listen::open(&listen::Plan::new(&endpoints), &Silent, &Stop::new().unwrap())
    }

    /// What a test does with a group that listens here.
    fn with_group(limits: Limits, test: impl FnOnce(&Group<'_>, SocketAddr)) {
        let (stop, tally) = (Stop::new().unwrap(), Tally::default());
        let host = Host { limits, ..Host::new(&Silent, &stop) };
        let listeners = listeners("127.0.0.1:0").unwrap();
        let address = listeners[0].address();
        test(&Group::new(&host, &tally, listeners, THREADS).unwrap(), address);
    }

    fn connect(address: SocketAddr, count: usize) -> Vec<TcpStream> {
        (0..count).map(|_| TcpStream::connect(address).unwrap()).collect()
    }

    /// Whom each thread has let in when there are so many: the end of a handshake may be on its way still.
    fn let_in(group: &Group<'_>, count: usize) -> [Vec<(TcpStream, About)>; THREADS] {
        let mut all = [const { Vec::new() }; THREADS];
        let begun = Instant::now();
        while all.iter().map(Vec::len).sum::<usize>() < count {
            assert!(begun.elapsed() < FOR_EVER, "{all:?}");
            for (thread, own) in all.iter_mut().enumerate() {
                while group.accept((thread, 0), 16, own).unwrap() == Queue::More {}
            }
        }
        all
    }

    #[test]
    fn what_is_sent_goes_at_once_whichever_thread_a_connection_comes_to() {
        with_group(Limits::default(), |group, address| {
            let _clients = connect(address, 30);
            assert!(let_in(group, 30).iter().flatten().all(|(stream, _)| stream.nodelay().unwrap()));
        });
    }

    #[test]
    fn every_thread_has_a_share_of_those_who_come() {
        with_group(Limits::default(), |group, address| {
            let _clients = connect(address, 300);
            let shares = let_in(group, 300).map(|own| own.len());
            // By chance one of three has none once in 10^52 runs.
            assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
        });
    }

    #[test]
    fn no_more_are_let_in_than_may_be_whichever_thread_they_come_to() {
        with_group(Limits { accept: Some(10), ..Limits::default() }, |group, address| {
            let _clients = connect(address, 50);
            assert!(!group.is_closed());
            assert_eq!(let_in(group, 10).iter().flatten().count(), 10);
            assert!(group.is_closed() && TcpStream::connect(address).is_err());
        });
    }

    #[test]
    fn one_that_was_inherited_stays_where_threads_can_leave_it_alone_and_lets_nobody_in_after_the_end() {
        let (stop, tally) = (Stop::new().unwrap(), Tally::default());
        let host = Host::new(&Silent, &stop);
        let given = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = given.local_addr().unwrap();
        let socket = Some(given.try_clone().unwrap());
        let inherited = listen::Inherited { number: 3, name: String::new(), socket };
        // The other order, so that they are told apart by what they are.
        let mut all = listeners("127.0.0.1:0").unwrap();
        let own = all[0].address();
        all.extend(listen::inherit(vec![inherited], None, &[], &Silent).unwrap());
        let group = Group::new(&host, &tally, all, THREADS).unwrap();
        let _clients = connect(address, 30);
        let_in(&group, 30);
        let waiting = connect(address, 1);
        group.stop();
        assert_eq!(group.accept((0, 0), 16, &mut Vec::new()).unwrap(), Queue::Stuck);
        let mut left = Vec::new();
        let mut note = |(index, one): (usize, &Listener)| {
            left.push((index, one.address()));
            Ok::<(), ()>(())
        };
        group.each_listener(1, &mut note).unwrap();
        assert_eq!(left, [(0, address)]);
        assert!(TcpStream::connect(own).is_err(), "the other one is closed");
        host::wait(&mut [Watch::new(&given, Interest::READ)], Some(FOR_EVER)).unwrap();
        let (_, peer) = given.accept().unwrap();
        assert_eq!(peer, waiting[0].local_addr().unwrap());
    }

    #[test]
    fn an_address_that_threads_share_is_in_use_for_everybody_else() {
        with_group(Limits::default(), |_, address| {
            assert!(matches!(listeners(&address.to_string()), Err(TalkError::AddressInUse { .. })));
        });
    }
}
