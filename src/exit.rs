//! The exit codes; `docs/exit-codes.md` has the table for users.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It did what was asked.
    Fine,
    /// It ran, and the verdict that was asked for is bad.
    Bad,
    /// It could not run.
    CouldNotRun,
    /// That of a program which was run.
    Program(u8),
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Fine => 0,
            Code::Bad => 1,
            Code::CouldNotRun => 2,
            Code::Program(status) => status,
        })
    }
}
