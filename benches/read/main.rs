//! Placeholder until the comparison is written.
mod capture;

fn main() -> std::io::Result<()> {
    capture::write(std::path::Path::new("/tmp/bench.pcapng"), 10_000)
}
