//! What benchmarks are told on their command line.

/// The number behind a word of the command line.
pub fn number(name: &str, usual: u32) -> u32 {
    let words: Vec<String> = std::env::args().collect();
    let at = words.iter().position(|word| word == name);
    at.and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(usual)
}
