//! What is a program's own source, and what came with its language, its libraries or its system.

use std::path::Path;

/// What the file of a mapping is for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The C library, or what loads programs: its frames are the calls themselves.
    Libc,
    /// A library of the system.
    System,
    /// The program, or a library of its own.
    Program,
}

/// What a file is, by its path.
pub fn role(path: &Path) -> Role {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let libc =
        ["libc.so", "libc-2.", "libpthread.so", "libpthread-2.", "ld-linux", "ld-musl", "libc.musl", "ld.so"];
    if libc.iter().any(|known| name.starts_with(known)) {
        return Role::Libc;
    }
    let folders = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/nix/store"];
    if folders.iter().any(|folder| path.starts_with(folder)) { Role::System } else { Role::Program }
}

/// Programs whose own functions are not those of the program that they run.
const INTERPRETERS: [&str; 19] = [
    "bash", "beam.smp", "bun", "dash", "deno", "dotnet", "guile", "java", "julia", "lua", "mono", "node",
    "perl", "php", "qemu-", "ruby", "sh", "tclsh", "zsh",
];

/// Whether a program interprets, or compiles while it runs, what its user wrote.
pub fn is_interpreter(program: &Path) -> bool {
    let Some(name) = program.file_name() else { return false };
    let name = name.to_string_lossy();
    INTERPRETERS.iter().any(|known| {
        // `lua5.4`, `node-20`, `qemu-arm`, but not `shout` or `javac-server`.
        name.strip_prefix(known).is_some_and(|rest| {
            known.ends_with('-') || !rest.starts_with(|next: char| next.is_alphabetic() || next == '_')
        })
    })
}

/// Whether a source file is the program's own. `goroot`: where Go's own source is, of a program in Go.
pub fn is_own(file: &str, goroot: Option<&str>) -> bool {
    let begins = [
        "/rustc/",
        "/usr/include/",
        "/usr/lib/",
        "/usr/lib64/",
        "/usr/local/include/",
        "/usr/src/rustc",
        "/lib/",
        "/nix/store/",
    ];
    let contains = [
        "/rustlib/src/rust/",
        "/library/std/src/",
        "/library/core/src/",
        "/library/alloc/src/",
        "/registry/src/",
        "/.cargo/git/checkouts/",
        "/pkg/mod/",
        "/sysdeps/",
        "/glibc-",
        "/musl-",
    ];
    let is_foreign = file.is_empty()
        || file.starts_with('<')
        || begins.iter().any(|part| file.starts_with(part))
        || contains.iter().any(|part| file.contains(part))
        || goroot.is_some_and(|root| is_go(file, root));
    !is_foreign
}

/// Whether a file is of Go's own source, or of a module of somebody else's. With `-trimpath` neither has a folder of
/// this machine: Go's root is empty then.
fn is_go(file: &str, root: &str) -> bool {
    let first = file.split('/').next().unwrap_or_default();
    match root {
        "" => file.contains("@v") || GO.contains(&first) && file.contains('/'),
        root => file.starts_with(root),
    }
}

/// The folders of Go's library.
const GO: [&str; 50] = [
    "archive",
    "bufio",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "vendor",
    "weak",
];

/// Whether a function, by its name as it is written in the source, is the program's own; `is_static`: the C library is
/// in the same file, and its names look like any other's in C.
pub fn is_own_function(name: &str, is_mangled: bool, is_static: bool) -> bool {
    let inner = name.trim_start_matches(['<', '&']);
    let foreign = ["std::", "core::", "alloc::", "__gnu_cxx::", "_start"];
    let runtime = ["__rust_", "rust_", "_Unwind_"];
    let is_foreign = foreign.iter().any(|part| inner.starts_with(part))
        || runtime.iter().any(|part| name.starts_with(part));
    !name.is_empty() && !is_foreign && (is_mangled || !is_static)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_with_a_language_or_a_system_is_not_the_programs_own() {
        let go = Some("/usr/lib/go-1.19/src/");
        for (file, root) in [
            ("/home/ana/cliente.c", None),
            ("src/main.rs", None),
            ("/usr/local/src/servidor/main.c", None),
            ("/home/ana/go/src/net/main.go", go),
            ("example.org/practica/main.go", Some("")),
            ("./main.go", Some("")),
        ] {
            assert!(is_own(file, root), "{file}");
        }
        for (file, root) in [
            ("", None),
            ("<built-in>", None),
            ("/usr/include/c++/12/bits/stl_algo.h", None),
            ("/usr/lib/gcc/x86_64-linux-gnu/12/include/emmintrin.h", None),
            ("/rustc/59807616e1fa/library/std/src/net/tcp.rs", None),
            ("/usr/src/rustc-1.63.0/library/core/src/ops/function.rs", None),
            ("/root/.rustup/toolchains/stable/lib/rustlib/src/rust/library/std/src/io/mod.rs", None),
            ("/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/mio-1.0.4/src/net/tcp.rs", None),
            ("/build/glibc-6iIyft/glibc-2.36/socket/send.c", None),
            ("../sysdeps/unix/sysv/linux/send.c", None),
            ("/usr/lib/go-1.19/src/net/net.go", go),
            ("/home/ana/go/pkg/mod/golang.org/x/net@v0.1.0/http2/frame.go", go),
            ("net/net.go", Some("")),
            ("golang.org/x/net@v0.1.0/http2/frame.go", Some("")),
        ] {
            assert!(!is_own(file, root), "{file}");
        }
    }

    #[test]
    fn an_interpreter_is_not_the_program_that_it_runs() {
        for program in
            ["/usr/bin/node", "/usr/bin/ruby3.1", "/opt/jdk/bin/java", "/usr/bin/qemu-arm", "lua5.4"]
        {
            assert!(is_interpreter(Path::new(program)), "{program}");
        }
        for program in ["/home/ana/nodes", "/usr/bin/curl", "shout", "/home/ana/java_cliente"] {
            assert!(!is_interpreter(Path::new(program)), "{program}");
        }
    }

    #[test]
    fn a_function_of_a_library_is_not_the_programs_own() {
        assert!(is_own_function("cliente::main", true, false));
        assert!(is_own_function("<cliente::Wire as std::io::Write>::write", true, true));
        assert!(is_own_function("envia", false, false));
        assert!(!is_own_function("envia", false, true), "it may be of the C library");
        assert!(!is_own_function("std::io::Write::write_all", true, false));
        assert!(!is_own_function("<std::net::tcp::TcpStream as std::io::Write>::write", true, false));
        assert!(!is_own_function("<&std::net::tcp::TcpStream as std::io::Write>::write", true, false));
        assert!(!is_own_function("__rust_begin_short_backtrace", false, false));
        assert!(!is_own_function("_start", false, false));
    }

    #[test]
    fn a_file_is_judged_by_its_path() {
        let roles = [
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", Role::Libc),
            ("/lib64/ld-linux-x86-64.so.2", Role::Libc),
            ("/usr/lib/x86_64-linux-gnu/libcurl.so.4.8.0", Role::System),
            ("/home/ana/libred.so", Role::Program),
            ("/usr/bin/curl", Role::Program),
        ];
        for (path, expected) in roles {
            assert_eq!(role(Path::new(path)), expected, "{path}");
        }
    }
}
