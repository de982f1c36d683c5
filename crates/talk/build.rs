//! Finds out whether this machine lets the tests have what they need, so that one that cannot have it is ignored and
//! says why, and tells build scripts of those who depend on this crate.

use std::process::Command;
use std::thread;

/// `io_uring_setup(2)` has this number on every machine.
const RING: &str =
    "import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120)) < 0)";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    let tried = Command::new("python3").args(["-c", RING]).output();
    let io_uring = tried.is_ok_and(|output| output.status.success());
    let two_processors = thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    for (name, there) in [("io_uring", io_uring), ("two_processors", two_processors)] {
        println!("cargo::rustc-check-cfg=cfg(have_{name})");
        if there {
            println!("cargo::rustc-cfg=have_{name}");
            println!("cargo::metadata={name}=yes");
        }
    }
}
