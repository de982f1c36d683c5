//! An engine that serves one at a time says who waits.

use crate::recorder::{Seen, What};
use crate::world::{Setup, World};
use enchufe_talk::services::Echo;

pub(crate) fn who_waits_is_told_by_address_and_waiting_again_after_each<W: World>(world: &W) {
    let told_of = |seen: &[Seen], peer| {
        seen.iter().filter(|seen| matches!(&seen.what, What::Queued(peers) if peers.contains(&peer))).count()
    };
    let waiting = |seen: &[Seen]| seen.iter().filter(|seen| seen.what == What::Waiting).count();
    let report = world.run(&Echo, &Setup::default(), |server| {
        server.wait("the first waiting", &|seen| waiting(seen) == 1);
        let mut first = server.connect();
        first.expect_echo(b"one");
        let mut second = server.connect();
        let address = second.address();
        server.wait("who waits", &|seen| told_of(seen, address) == 1);
        // Another one, a while later: the one who waits already is not told of again.
        let third = server.connect();
        server.wait("who else waits", &|seen| told_of(seen, third.address()) == 1);
        assert_eq!(told_of(&server.seen(), address), 1);
        first.expect_echo(b"still served");
        drop(first);
        server.wait_closed(1);
        second.expect_echo(b"two");
        assert_eq!(waiting(&server.seen()), 2);
        drop((second, third));
        server.wait_closed(3);
        server.wait("the last waiting", &|seen| waiting(seen) == 4);
    });
    assert_eq!(report.summary.served, 3);
}
