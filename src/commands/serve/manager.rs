//! A service manager that has started the program: sockets that it hands on, and what it wants to be told
//! (`sd_listen_fds(3)`, `sd_notify(3)`).

use super::Plan;
use crate::problem::{Kind, Problem};
use crate::reporter::Teller;
use enchufe_sys::activation;
use enchufe_sys::host::{self, Interest, Watch};
use enchufe_talk::Stop;
use enchufe_talk::listen::{self, Inherited, Listener};
use std::ffi::OsString;
use std::net::TcpListener;
use std::sync::{Arc, Once};

/// What it has handed on, and where it listens itself.
pub struct Manager {
    sockets: Vec<Inherited>,
    notify: Option<Arc<Notify>>,
}

/// Who wants to be told.
struct Notify {
    to: OsString,
    /// That the server is about to end was told.
    ends: Once,
}

impl Notify {
    /// Tells that the server is about to end; when this returns, that was told, by whomever.
    fn end(&self) {
        // It learns of the end in any case.
        self.ends.call_once(|| drop(activation::notify(&self.to, "STOPPING=1")));
    }
}

impl Manager {
    /// Takes it. To be called before anything is opened, and before there is a second thread.
    pub fn take() -> Result<Self, Problem> {
        let handed = activation::take().map_err(|word| {
            let word = crate::text::escape(word.as_bytes());
            Problem::new(Kind::BadListenFds).with("word", word).with("most", activation::MOST)
        })?;
        let inherited = |one: activation::Descriptor| Inherited {
            number: one.number,
            name: one.name,
            socket: one.owned.map(TcpListener::from),
        };
        let sockets = handed.descriptors.into_iter().map(inherited).collect();
        let notify = handed.notify.map(|to| Arc::new(Notify { to, ends: Once::new() }));
        Ok(Self { sockets, notify })
    }

    /// How many sockets it has handed on.
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Takes them over: the addresses of the server.
    pub fn listen(&mut self, plan: &Plan, teller: &Teller) -> Result<Vec<Listener>, Problem> {
        let sockets = std::mem::take(&mut self.sockets);
        Ok(listen::inherit(sockets, plan.backlog, &plan.options, teller)?)
    }

    /// Tells it that the server listens, and, in a thread that ends with the program, that it is about to end.
    pub fn tell(&self, stop: &Arc<Stop>) -> Result<(), Problem> {
        let Some(to) = self.notify.clone() else { return Ok(()) };
        activation::notify(&to.to, "READY=1").map_err(|error| {
            let address = to.to.to_string_lossy().into_owned();
            Problem::new(Kind::NotifyFailed).with("address", address).cause(&error)
        })?;
        let stop = Arc::clone(stop);
        let last_words = move || {
            if host::wait(&mut [Watch::new(stop.begun(), Interest::READ)], None).is_ok() {
                to.end();
            }
        };
        std::thread::Builder::new().spawn(last_words).map_err(|error| Problem::resources("clone", &error))?;
        Ok(())
    }

    /// The server is over.
    pub fn end(&self) {
        if let Some(to) = &self.notify {
            to.end();
        }
    }
}
