//! Sockets that listen when this process begins: a service manager has opened them, and hands them on (`sd_listen_fds(3)`).

use super::{Failure, Listener, Unfit, explain, queue_limit, tell_listening};
use crate::error::TalkError;
use crate::options::{self, SocketOption};
use crate::reason::Call;
use crate::told::{Reporter, Told};
use socket2::{Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// A socket that whoever started this process has opened and listens on.
#[derive(Debug)]
pub struct Inherited {
    /// The number of its descriptor.
    pub number: i32,
    /// What it is called there; empty where it has no name.
    pub name: String,
    /// Itself, whatever it is; `None` where nothing of this number is open.
    pub socket: Option<TcpListener>,
}

/// Takes over sockets that listen already, all or none. With a backlog it is set anew.
///
/// Whoever has opened them may go on listening: who waits there when the server ends is not known to be reset, and not told.
pub fn inherit(
    sockets: Vec<Inherited>,
    backlog: Option<u32>,
    options: &[SocketOption],
    reporter: &dyn Reporter,
) -> Result<Vec<Listener>, TalkError> {
    let take = |one| inherit_one(one, backlog, options, reporter);
    let listeners = sockets.into_iter().map(take).collect::<Result<Vec<_>, _>>()?;
    tell_listening(&listeners, reporter);
    Ok(listeners)
}

fn inherit_one(
    Inherited { number, name, socket }: Inherited,
    backlog: Option<u32>,
    options: &[SocketOption],
    reporter: &dyn Reporter,
) -> Result<Listener, TalkError> {
    let unfit = |what| TalkError::Unfit { number, name: name.clone(), what };
    let listener = socket.ok_or_else(|| unfit(Unfit::Closed))?;
    let socket = SockRef::from(&listener);
    let address = fit(&socket).map_err(unfit)?;
    let failed = |call: Call| move |error: io::Error| explain(call, address, error);
    reporter.tell(None, &Told::Inherited { address, number, name: &name });
    options::apply(options, &socket).map_err(|refusal| Failure::Option(refusal).explain(address))?;
    let backlog = backlog.map(|backlog| i32::try_from(backlog).unwrap_or(i32::MAX));
    if let Some(backlog) = backlog {
        socket.listen(backlog).map_err(failed(Call::Listen))?;
    }
    socket.set_nonblocking(true).map_err(failed(Call::SetOption))?;
    let backlog = queue_limit(&socket).or(backlog).unwrap_or_default();
    if !options.is_empty() {
        let list = options::read_back(options, &socket).map_err(failed(Call::SetOption))?;
        reporter.tell(None, &Told::Options { list: &list });
    }
    Ok(Listener { socket: listener, address, backlog, inherited: true })
}

/// Where it listens, if it is what connections can be accepted from.
fn fit(socket: &Socket) -> Result<SocketAddr, Unfit> {
    let kind = socket.r#type().map_err(|_| Unfit::NoSocket)?;
    let protocol = socket.protocol().ok().flatten();
    let is_tcp = kind == Type::STREAM && [Some(Protocol::TCP), Some(Protocol::MPTCP)].contains(&protocol);
    let address = socket.local_addr().ok().and_then(|address| address.as_socket());
    let address = address.filter(|_| is_tcp).ok_or(Unfit::NoTcp)?;
    match socket.is_listener() {
        Ok(true) => Ok(address),
        _ => Err(Unfit::NotListening),
    }
}
