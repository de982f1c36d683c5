//! Makes captures: each scenario is a name and a function that says what went over the wire.
//!
//! The golden rows beside it were written by tshark from these very captures, see `golden/README.md`.

mod control;
mod options;
pub(crate) mod packets;
mod parts;
pub(crate) mod random;
mod rare;
mod records;
mod report;
mod routes;
mod ssdp;
mod tcp;
mod traffic;

use packets::Capture;

/// Every scenario by its name; the name is also that of its golden files.
pub(crate) fn all() -> Vec<(&'static str, Capture)> {
    let mut all = tcp::scenarios();
    all.extend(traffic::scenarios());
    all.extend(rare::scenarios());
    all.extend(control::scenarios());
    all.extend(options::scenarios());
    all.extend(parts::scenarios());
    all.extend(records::scenarios());
    all.extend(routes::scenarios());
    all.extend(ssdp::scenarios());
    all.push(("report", report::capture()));
    all
}
