//! What can go wrong before a connection is there, typed. A program puts it into its user's words.

use crate::connect::Family;
use crate::listen::Unfit;
use crate::reason::Call;
use enchufe_sys::host::PortUse;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use thiserror::Error;

/// Why something could not be done. Each names the call, the address and the cause.
#[derive(Debug, Error)]
pub enum TalkError {
    /// The address to listen on is taken.
    #[error("bind {address}: address in use")]
    AddressInUse {
        /// What was asked for.
        address: SocketAddr,
        /// What is in the way, where that can be seen.
        holder: Option<PortUse>,
    },
    /// Only a privileged user may bind this port.
    #[error("bind {address}: permission denied")]
    PrivilegedPort {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The system keeps the port for itself (Windows).
    #[error("bind {address}: the system keeps that port")]
    KeptPort {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The address is none of this machine's.
    #[error("bind {address}: not an address of this machine")]
    NotOurAddress {
        /// What was asked for.
        address: SocketAddr,
    },
    /// A descriptor that was handed on is no listening socket of TCP.
    #[error("descriptor {number}: {what:?}")]
    Unfit {
        /// Its number.
        number: i32,
        /// What it is called by whoever handed it on; empty where it has no name.
        name: String,
        /// What is wrong with it.
        what: Unfit,
    },
    /// A name has no address.
    #[error("getaddrinfo {name}: {error}")]
    Unresolved {
        /// The name.
        name: String,
        /// What the resolver says.
        error: io::Error,
    },
    /// A name has addresses, but none of the wanted family (`-4`, `-6`).
    #[error("{name} has no address of the wanted family")]
    NoSuchFamily {
        /// The name.
        name: String,
        /// The family.
        family: Family,
    },
    /// Nobody listens: an address answered SYN with RST, and none worked.
    #[error("connect {address}: refused")]
    Refused {
        /// The address that did.
        address: SocketAddr,
    },
    /// No address answered in time.
    #[error("connect {address}: no answer in {limit:?}")]
    ConnectTimeout {
        /// The first that was still being tried.
        address: SocketAddr,
        /// The limit that was set.
        limit: Duration,
    },
    /// `--source` is of another family than every address of the target.
    #[error("bind {address} and {target}: different address families")]
    FamilyMismatch {
        /// The source.
        address: IpAddr,
        /// The target as it was given.
        target: String,
    },
    /// A socket option was refused.
    #[error("setsockopt {option} {address}: {error}")]
    Option {
        /// Its name.
        option: &'static str,
        /// The socket's address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Stopped before there was a connection.
    #[error("interrupted")]
    Interrupted,
    /// Any other failed call.
    #[error("{call} {address}: {error}")]
    Call {
        /// Which.
        call: Call,
        /// The socket's address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// This process cannot get what it needs to work at all.
    #[error("{call}: {error}")]
    Resources {
        /// The call that failed.
        call: &'static str,
        /// Why.
        error: io::Error,
    },
}

impl TalkError {
    /// What a call said that it does not give.
    pub(crate) fn resources(call: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Resources { call, error }
    }
}
