//! Whether connections come to the thread of the processor that handles their packets, tried out.
//!
//! The kernel numbers the listeners of an address in the order in which they began to listen and tells nobody. Were the numbers
//! others than we think, each connection would come to a wrong thread, and nothing but its speed would show it.

use super::group::open_each;
use crate::address::{Endpoint, Host};
use crate::error::TalkError;
use crate::listen::{self, Listener, Plan};
use crate::stop::Stop;
use crate::told::Silent;
use enchufe_sys::accept::accept;
use enchufe_sys::affinity::run_on;
use enchufe_sys::host::{self, Interest, Watch};
use enchufe_sys::reuseport::incoming_processor;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::thread::Builder;
use std::time::Duration;

/// For a connection to come to where it belongs.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Connects once from each of `processors`, to listeners at a port of its own on 127.0.0.1 that are opened as a server's with a thread
/// for each are. The first processor whose connection came to the thread of another than the one that handled its packets; `None`:
/// there is none.
///
/// Fails where it cannot be tried: that says nothing.
pub fn astray(processors: &[usize]) -> Result<Option<usize>, TalkError> {
    let stop = Stop::new().map_err(TalkError::resources("eventfd"))?;
    let endpoints = [Endpoint { host: Host::Ip(Ipv4Addr::LOCALHOST.into()), port: 0 }];
    let first = listen::open(&Plan::new(&endpoints), &Silent, &stop)?.pop();
    let each = first.map(|first| open_each(first, processors.len(), processors, &[])).transpose()?;
    try_out(&each.unwrap_or_default(), processors)
}

fn try_out(each: &[Listener], processors: &[usize]) -> Result<Option<usize>, TalkError> {
    let Some(address) = each.first().map(Listener::address) else { return Ok(None) };
    for from in processors.iter().copied() {
        let connect = move || run_on(from).and_then(|()| TcpStream::connect(address));
        let thread = Builder::new().spawn(connect).map_err(TalkError::resources("clone"))?;
        let connected = thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        let _client = connected.map_err(TalkError::resources("connect"))?;
        // Its kernel may be at the end of the handshake still.
        let mut watches: Vec<_> = each.iter().map(|one| Watch::new(&one.socket, Interest::READ)).collect();
        host::wait(&mut watches, Some(A_MOMENT)).map_err(TalkError::resources("poll"))?;
        for (processor, listener) in processors.iter().zip(each) {
            while let Ok((stream, _)) = accept(&listener.socket) {
                let handled = incoming_processor(&stream).map_err(TalkError::resources("getsockopt"))?;
                // One that is nobody's goes by the hash.
                if handled.is_some_and(|handled| handled != *processor && processors.contains(&handled)) {
                    return Ok(Some(from));
                }
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use enchufe_sys::affinity::allowed;
    use std::net::TcpListener;

    #[test]
    fn listeners_in_another_order_than_their_threads_are_found() {
        let processors = allowed().unwrap();
        assert_eq!(astray(&processors).unwrap(), None);
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        first.set_nonblocking(true).unwrap();
        let address = first.local_addr().unwrap();
        let first = Listener { socket: first, address, backlog: 16, inherited: false };
        let mut each = open_each(first, processors.len(), &processors, &[]).unwrap();
        assert_eq!(try_out(&each, &processors).unwrap(), None);
        each.reverse();
        let found = try_out(&each, &processors).unwrap();
        assert_eq!(found, processors.first().copied().filter(|_| processors.len() > 1));
    }
}
