//! From the words that were typed to [`Cli`], help, or the problem with them.

use super::{Cli, OF_EPOLL, OF_THE_WATCHING, localize};
use crate::catalogue::{Catalogue, Language};
use crate::problem::{Kind, Problem};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;

/// What was typed.
#[derive(Debug)]
pub enum Typed {
    /// Something to do.
    Command(Box<Cli>),
    /// A text to show: help or the version.
    Shown(String),
}

/// The language of all texts: `--lang` if it names one, else the locale's. Looked for before
/// anything else, for help and problems are told in it too.
pub fn language(arguments: &[OsString]) -> Language {
    let mut words = arguments.iter().filter_map(|word| word.to_str()).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let code = if word == "--lang" { words.next() } else { word.strip_prefix("--lang=") };
        if let Some(language) = code.and_then(Language::from_code) {
            return language;
        }
    }
    Language::of_locale()
}

/// Reads the command line.
pub fn parse(arguments: Vec<OsString>, catalogue: &Catalogue) -> Result<Typed, Problem> {
    let parsed = localize(Cli::command(), catalogue)
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => Ok(Typed::Command(Box::new(cli))),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Typed::Shown(error.render().to_string()))
        }
        Err(error) => Err(explain(&error)),
    }
}

fn explain(error: &clap::Error) -> Problem {
    let context = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let argument = context(ContextKind::InvalidArg).map(|text| flag_alone(&text)).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if !cfg!(have_watch) && OF_EPOLL.contains(&argument.as_str()) => {
            Problem::new(Kind::FlagNotHere).with("flag", argument)
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let is_number =
                argument.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            match context(ContextKind::SuggestedArg) {
                Some(near) => Problem::new(Kind::UnknownFlagNear).with("flag", argument).with("near", near),
                None if is_number => Problem::new(Kind::UnknownFlagNumber).with("flag", argument),
                None => Problem::new(Kind::UnknownFlag).with("flag", argument),
            }
        }
        ErrorKind::TooManyValues if argument.starts_with('-') => {
            Problem::new(Kind::TakesNoValue).with("flag", argument)
        }
        ErrorKind::UnknownArgument | ErrorKind::TooManyValues => {
            Problem::new(Kind::ExtraArgument).with("word", crate::text::escape(argument.as_bytes()))
        }
        ErrorKind::InvalidSubcommand => {
            let word = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            // Where one of these is unknown, it is not there.
            let is_missing = OF_THE_WATCHING.contains(&word.as_str());
            let problem = |kind| Problem::new(kind).with("word", crate::text::escape(word.as_bytes()));
            match nearest_command(error) {
                _ if is_missing => problem(Kind::NotHere),
                Some(near) => problem(Kind::UnknownCommandNear).with("near", near),
                None => problem(Kind::UnknownCommand).with("choices", commands()),
            }
        }
        // One of the two is empty.
        ErrorKind::InvalidValue if argument == "--tls" => Problem::new(Kind::TlsFiles),
        ErrorKind::InvalidValue | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            Problem::new(Kind::MissingValue).with("flag", argument)
        }
        ErrorKind::ArgumentConflict => match context(ContextKind::PriorArg).map(|text| flag_alone(&text)) {
            Some(other) if other == argument => Problem::new(Kind::Repeated).with("flag", argument),
            Some(other) => Problem::new(Kind::Conflict).with("flag", argument).with("other", other),
            None => Problem::new(Kind::Repeated).with("flag", argument),
        },
        // It does not say which word that is.
        ErrorKind::InvalidUtf8 => Problem::new(Kind::NoText),
        _ => Problem::new(Kind::Usage)
            .with("said", error.render().to_string().lines().next().unwrap_or_default()),
    }
}

/// The command that is most like the word that is none.
fn nearest_command(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(near)) => Some(near.clone()),
        // The last is the nearest.
        Some(ContextValue::Strings(near)) => near.last().cloned(),
        _ => None,
    }
}

/// All commands there are here.
fn commands() -> String {
    let cli = Cli::command();
    cli.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>().join(", ")
}

/// `--listen` of `--listen <ADDRESS>`.
fn flag_alone(text: &str) -> String {
    text.split([' ', '=']).next().unwrap_or(text).to_owned()
}
