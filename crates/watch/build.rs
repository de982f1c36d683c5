//! Tells build scripts of those who depend on this crate that it is there, and the tests, in the same way as in `sys`,
//! whether they can have a network of their own.

#[path = "../sys/build.rs"]
mod namespaces;

fn main() {
    println!("cargo::metadata=HERE=yes");
    println!("cargo::rerun-if-changed=../sys/build.rs");
    namespaces::main();
}
