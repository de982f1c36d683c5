//! `enchufe completions` and `enchufe man`: from the same flags as the help.

use super::show;
use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags::{self, Cli, localize};
use crate::problem::{Kind, Problem};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use fluent_bundle::FluentArgs;
use std::path::Path;

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

pub fn completions(flags: &flags::Completions, catalogue: &Catalogue) -> Result<Code, Problem> {
    let Some(word) = &flags.shell else {
        return Err(Problem::new(Kind::NoShell).with("choices", SHELLS.join(", ")));
    };
    let word = crate::plan::choice("SHELL", word, &SHELLS)?;
    let mut file = Vec::new();
    let mut command = localize(Cli::command(), catalogue);
    if let Ok(shell) = word.parse::<Shell>() {
        clap_complete::generate(shell, &mut command, "enchufe", &mut file);
    }
    show(&String::from_utf8_lossy(&file))
}

pub fn man(flags: &flags::Man, catalogue: &Catalogue) -> Result<Code, Problem> {
    let directory = flags.directory.as_deref().unwrap_or(Path::new("."));
    let mut command = localize(Cli::command(), catalogue);
    // Gives the subcommands what all commands have.
    command.build();
    write_page(&command, "enchufe", directory, catalogue)
}

fn write_page(
    command: &Command,
    name: &str,
    directory: &Path,
    catalogue: &Catalogue,
) -> Result<Code, Problem> {
    let path = directory.join(format!("{name}.1"));
    let failed =
        |error: std::io::Error| Problem::unwritable("write", &path, &error).way("way-another-directory");
    let mut page = Vec::new();
    // The page is that of `enchufe-serve`, what is typed is `enchufe serve`; help is among the flags already.
    let page_of = command.clone().name(name.to_owned()).display_name(name.to_owned()).disable_help_flag(true);
    clap_mangen::Man::new(page_of).title(name).render(&mut page).map_err(failed)?;
    std::fs::write(&path, page).map_err(failed)?;
    let mut args = FluentArgs::new();
    args.set("path", path.display().to_string());
    show(&format!("{}\n", catalogue.text("shown-written", &args)))?;
    for sub in command.get_subcommands() {
        write_page(sub, &format!("{name}-{}", sub.get_name()), directory, catalogue)?;
    }
    Ok(Code::Fine)
}
