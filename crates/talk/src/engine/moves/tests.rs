//! When a thread follows a client, from times that are given.

use super::*;
use crate::engine::Host;
use crate::engine::balance::Balance;
use crate::services::Echo;
use crate::session::{Parked, Session};
use crate::stop::Stop;
use crate::told::{About, ConnectionId, Silent};
use std::time::SystemTime;

const MILLI: Duration = Duration::from_millis(1);
/// The processors of the three threads.
const HERE: usize = 4;
const THERE: usize = 5;
const ELSEWHERE: usize = 6;
/// Connections of a thread that looks often.
const FEW: usize = 4;

/// A connection that is never parked.
struct One {
    session: Session<'static, Echo, ()>,
    standing: Standing,
}

impl Member<'static> for One {
    type Service = Echo;
    type Buffer = ();
    type Rest = ();

    fn session(&self) -> &Session<'static, Echo, ()> {
        &self.session
    }

    fn standing(&mut self) -> &mut Standing {
        &mut self.standing
    }

    fn park(&mut self, _since: Instant) -> Option<Parked<Echo>> {
        None
    }

    fn into_rest(self) {}

    fn wake(session: Session<'static, Echo, ()>, (): ()) -> Self {
        Self { session, standing: Standing::default() }
    }
}

/// The first thread, and what becomes of its first connection.
struct Case {
    /// The packets of each connection but the first are handled here, and each has something to do now and then.
    connections: usize,
    /// In each ms.
    turns: u32,
    /// The part of the time that the processors of the others are idle.
    left: f64,
    /// The first one came from another thread at the beginning, because of this.
    came: Option<Why>,
}

const ALONE: Case = Case { connections: 1, turns: 1, left: 1.0, came: None };

impl Case {
    /// After how many ms the first connection is sent to the second thread, if it is within a minute. `handled` says which processor handles
    /// its packets in each.
    fn goes_after(&self, handled: impl Fn(u32) -> usize) -> Option<u32> {
        let stop = Box::leak(Box::new(Stop::new().unwrap()));
        let host: &'static Host<'static> = Box::leak(Box::new(Host::new(&Silent, stop)));
        let (balance, begun) = (Balance::of_processors(&[HERE, THERE, ELSEWHERE]), Instant::now());
        let (mut pace, mut crowd) = (balance.enter_at(0, begun), Crowd::new(host, &Echo, None));
        let mut open = |number| {
            let about = About { id: ConnectionId(number), peer: ([127, 0, 0, 1], 1).into() };
            let session = Session::open(host, &Echo, about, None, (begun, SystemTime::now()));
            let at = crowd.insert(One::wake(session, ()));
            crowd.keep(at);
            at
        };
        let places: Vec<usize> = (1..).take(self.connections).map(&mut open).collect();
        let standing = crowd.get(places[0])?.0.standing();
        standing.stays = self.came.map(|why| begun + why.stays());
        for milli in 1..60_000 {
            for place in &places {
                crowd.get(*place)?.0.standing().turns += self.turns;
            }
            let now = begun + MILLI * milli;
            // This thread runs for 0.3 of the time, the others never.
            let spent = Spent { running: now.duration_since(begun).mul_f64(0.3), ..Spent::default() };
            let idle = now.duration_since(begun).mul_f64(self.left);
            let others = || {
                let spent = vec![Some(spent), Some(Spent::default()), Some(Spent::default())];
                Others::given(now, spent, [(THERE, idle), (ELSEWHERE, idle)].into())
            };
            let of = |one: &One| {
                let is_first = one.session.about().id == ConnectionId(1);
                Some(if is_first { handled(milli) } else { HERE })
            };
            let moves = moves_by(&mut pace, now, &mut crowd, of, (|| Some(spent), || Some(others())));
            if !moves.is_empty() {
                assert_eq!(moves, [(crowd.key(places[0])?, Some(1))]);
                return Some(milli);
            }
        }
        None
    }
}

/// Its packets are handled here until then.
fn since(then: u32) -> impl Fn(u32) -> usize {
    move |milli| if milli < then { HERE } else { THERE }
}

#[test]
fn a_thread_with_few_connections_follows_one_that_was_elsewhere_at_two_looks_25_ms_apart() {
    // It looks at 25, 50, 75 and so on.
    assert_eq!(ALONE.goes_after(since(0)), Some(50));
    assert_eq!(ALONE.goes_after(since(51)), Some(100));
    assert_eq!(ALONE.goes_after(since(75)), Some(100));
    assert_eq!(ALONE.goes_after(since(76)), Some(125));
    assert_eq!(Case { connections: FEW, ..ALONE }.goes_after(since(75)), Some(100));
    assert_eq!(ALONE.goes_after(|_| HERE), None);
}

#[test]
fn one_with_more_follows_after_two_looks_200_ms_apart() {
    let five = Case { connections: FEW + 1, ..ALONE };
    assert_eq!(five.goes_after(since(75)), Some(400));
    assert_eq!(five.goes_after(since(201)), Some(600));
}

#[test]
fn what_is_somewhere_else_at_each_look_stays() {
    for other in [HERE, ELSEWHERE] {
        let to_and_fro = |milli: u32| if (milli / 25).is_multiple_of(2) { other } else { THERE };
        assert_eq!(ALONE.goes_after(to_and_fro), None);
    }
}

#[test]
fn what_has_little_to_do_or_finds_no_room_stays() {
    // 25 turns in a window are many.
    assert_eq!(Case { turns: 0, ..ALONE }.goes_after(since(0)), None);
    // It takes less there than the 0.3 that it takes here, and a tenth is to be left.
    assert_eq!(Case { left: 0.25, ..ALONE }.goes_after(since(0)), None);
    assert_eq!(Case { left: 0.30, ..ALONE }.goes_after(since(0)), Some(50));
}

#[test]
fn one_that_followed_its_packets_may_again_after_25_ms_and_one_that_went_for_want_of_time_after_two_seconds()
{
    let came = |why| Case { came: Some(why), ..ALONE };
    assert_eq!(came(Why::Packets).goes_after(since(0)), Some(50));
    assert_eq!(came(Why::Load).goes_after(since(0)), Some(2025));
}

#[test]
fn why_one_goes_is_said_by_where_its_packets_were_handled() {
    let standing = Standing { strays: Some(1), ..Standing::default() };
    assert_eq!([1, 2].map(|to| Why::of(&standing, to)), [Why::Packets, Why::Load]);
}
