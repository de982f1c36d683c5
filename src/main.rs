//! The program: flags in, texts and exit codes out. What it does is in the libraries.

// Where there is no crate that watches, what its commands show is not shown, but read all the same.
#![cfg_attr(not(have_watch), allow(dead_code, unused_imports))]

mod catalogue;
mod commands;
mod events;
mod exit;
mod flags;
mod plan;
mod problem;
mod progress;
mod reporter;
mod style;
#[cfg(test)]
mod tests_support;
mod text;
mod transcript;

use catalogue::Catalogue;
use flags::{Typed, Verb};
use problem::{Kind, Problem};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    style::learn_terminals();
    enchufe_sys::host::fail_past_file_size();
    // Lives as long as the program: threads that nobody waits for speak too.
    let catalogue: &'static Catalogue = Box::leak(Box::new(Catalogue::new(flags::language(&arguments))));
    let result = match flags::parse(arguments, catalogue) {
        Ok(Typed::Shown(text)) => commands::show(&text),
        Ok(Typed::Command(cli)) => run(*cli, catalogue),
        Err(problem) => Err(problem),
    };
    match result {
        Ok(code) => code.into(),
        Err(problem) => {
            style::complain(&problem.text(catalogue));
            problem.kind.code().into()
        }
    }
}

fn run(cli: flags::Cli, catalogue: &'static Catalogue) -> Result<exit::Code, Problem> {
    let common = plan::Common::new(&cli.common)?;
    match cli.command {
        Some(Verb::Demo(demo)) => commands::demo(&demo, common, catalogue),
        Some(Verb::Serve(serve)) => commands::serve(&serve, common, catalogue),
        Some(Verb::Send(send)) => commands::send(&send, common, catalogue),
        Some(Verb::Read(read)) => commands::read(&read, common, catalogue),
        #[cfg(have_watch)]
        Some(Verb::Watch(watch)) => commands::watch(&watch, common, catalogue),
        #[cfg(have_watch)]
        Some(Verb::Trace(trace)) => commands::trace(&trace, common, catalogue),
        #[cfg(have_watch)]
        Some(Verb::Doctor(doctor)) => commands::doctor(&doctor, catalogue),
        Some(Verb::Completions(completions)) => commands::completions(&completions, catalogue),
        Some(Verb::Man(man)) => commands::man(&man, catalogue),
        None => Err(Problem::new(Kind::NoCommand)),
    }
}
