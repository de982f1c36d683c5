//! Completions and manual pages, which are made from the flags.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, enchufe, run};

const COMMANDS: [&str; 7] = ["demo", "serve", "send", "read", "watch", "completions", "man"];

#[test]
fn every_shell_is_told_of_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = run(&["completions", shell]);
        assert_eq!((done.code, done.errors()), (Some(0), ""), "{shell}");
        for command in COMMANDS {
            assert!(done.text().contains(command), "{shell} is not told of {command}");
        }
        assert!(done.text().contains("quiet-time"), "{shell} is not told of a flag of serve");
    }
}

#[test]
fn a_page_is_written_for_every_command_in_the_language_asked_for() {
    for (language, about) in [("en", "Starts a TCP server"), ("es", "Levanta un servidor TCP")] {
        let folder = tempfile::tempdir().unwrap();
        let done = Process::start(enchufe(language, &["man", folder.path().to_str().unwrap()])).finish();
        assert_eq!((done.code, done.errors()), (Some(0), ""));
        for command in COMMANDS {
            let page = std::fs::read_to_string(folder.path().join(format!("enchufe-{command}.1"))).unwrap();
            // What apropos(1) looks for, and what is typed.
            assert!(page.contains(&format!("enchufe\\-{command} \\- ")), "{page}");
            assert!(page.contains(&format!("enchufe {command}")), "{page}");
            assert!(!page.contains("Print help"), "{page}");
        }
        let serve = std::fs::read_to_string(folder.path().join("enchufe-serve.1")).unwrap();
        assert!(serve.contains(about), "{serve}");
    }
}
