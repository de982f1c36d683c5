//! Finds out whether this machine lets a user have a network of their own, so that a test that needs one
//! is ignored where it does not, and says why.

use std::process::Command;

pub(crate) fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=/proc/sys/user/max_net_namespaces");
    println!("cargo::rustc-check-cfg=cfg(have_namespaces)");
    let tried = Command::new("unshare").args(["--user", "--map-root-user", "--net", "true"]).output();
    if tried.is_ok_and(|output| output.status.success()) {
        println!("cargo::rustc-cfg=have_namespaces");
    }
}
