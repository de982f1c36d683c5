//! A link between programs of one machine, on which segments are lost, late or doubled by a plan.
//!
//! What goes to 127.0.0.0/8 does not take the loopback interface, but a TUN device of this network: each packet comes out at
//! our end of it, and goes in again there, when and if the [`Plan`] has it so. So programs need not know: they connect to
//! 127.0.0.1 as ever, both ends are in one network, and the kernel cuts segments to what a wire carries (1,500 bytes), with whole
//! checksums. IPv6 has no such link: its loopback address may not come through another interface (RFC 4291 §2.5.3), so it
//! is turned off.

mod plan;
mod relay;

pub use plan::{Plan, PlanError};

use enchufe_sys::host::Bell;
use enchufe_sys::interfaces;
use enchufe_sys::namespace::set_interface;
use enchufe_sys::routes::{self, LOCAL, Rule};
use enchufe_sys::tun::Tun;
use relay::Relay;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// The name of its interface.
pub const NAME: &str = "link";

const LOOPBACK: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 0, 0, 0), 8);
/// A table that nobody else uses in a network that is new.
const TABLE: u8 = 100;

/// A link at work. It ends with this.
#[derive(Debug)]
pub struct Link {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Makes the loopback of this network, which must be the process's own, a link.
    ///
    /// Fails as [`Tun::new`], and where the kernel has no policy routing.
    pub fn open(plan: Plan) -> io::Result<Self> {
        let tun = Tun::new(NAME)?;
        // Programs then take IPv4. Without IPv6 there is nothing to turn off.
        let _ = std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
        set_interface(NAME, true)?;
        let all = interfaces::interfaces()?;
        let index = all.iter().find(|one| one.name == NAME).map(|one| one.index);
        let index = index.ok_or(io::ErrorKind::NotFound)?;
        routes::carry_loopback(index)?;
        routes::add_route(TABLE, LOOPBACK, index, Ipv4Addr::LOCALHOST)?;
        let any = Rule { priority: 0, table: LOCAL, from: None, to: None };
        // What comes out of the link is for this machine; what goes to loopback takes the link; then as before.
        routes::add_rule(&Rule { priority: 10, from: Some(NAME), ..any })?;
        routes::add_rule(&Rule { priority: 20, table: TABLE, to: Some(LOOPBACK), ..any })?;
        routes::add_rule(&Rule { priority: 30, ..any })?;
        routes::remove_rule(0, LOCAL)?;
        let bell = Arc::new(Bell::new()?);
        let mut relay = Relay::new(tun, plan);
        let stop = Arc::clone(&bell);
        let thread = thread::Builder::new().name("link".to_owned()).spawn(move || relay.run(&stop))?;
        Ok(Self { bell, thread: Some(thread) })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // It does not panic, and if it did the link would be gone just so.
            let _ = thread.join();
        }
    }
}
