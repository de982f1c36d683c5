//! A server of TLS, and our client that believes it. The certificates are made by `tests/tls/make`.

use super::{Done, Server, run};

/// One of the tests' certificates or keys.
pub fn file(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// `CERTIFICATE,KEY`.
pub fn files(certificate: &str, key: &str) -> String {
    format!("{},{}", file(certificate), file(key))
}

/// Of a server that is `localhost`.
pub fn pair() -> String {
    files("server.pem", "server.key")
}

/// `send --tls`, which trusts the authority of the tests, to its end.
pub fn send(target: &str, words: &[&str]) -> Done {
    run(&[&["send", target, "--tls", "--tls-ca", &file("ca.pem")], words].concat())
}

/// A server by the name that its certificate has.
pub fn here(server: &Server) -> String {
    format!("localhost:{}", server.port())
}
