use super::*;
use crate::catalogue::Language;
use clap::CommandFactory;
use std::collections::BTreeMap;

fn commands() -> Vec<Command> {
    let mut command = Cli::command();
    command.build();
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    std::iter::once(command).chain(subcommands).collect()
}

#[test]
fn the_definition_of_the_flags_is_sound() {
    for language in Language::ALL {
        localize(Cli::command(), &Catalogue::new(language)).debug_assert();
    }
}

#[test]
fn a_flag_means_the_same_in_every_command() {
    let mut meanings: BTreeMap<String, (Option<char>, Vec<String>, bool)> = BTreeMap::new();
    for command in commands() {
        for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
            let long = argument.get_long().unwrap_or_default().to_owned();
            let values =
                argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
            let meaning = (argument.get_short(), values, argument.get_action().takes_values());
            // To speak TLS a server has to be somebody, and a client has not.
            if long == "tls" && command.get_name() == "send" {
                continue;
            }
            let known = meanings.entry(long.clone()).or_insert_with(|| meaning.clone());
            assert_eq!(*known, meaning, "--{long} of {}", command.get_name());
        }
    }
    // The text is one for each name, by construction; here it is seen to exist.
    for catalogue in Language::ALL.map(Catalogue::new) {
        for long in meanings.keys() {
            assert!(catalogue.has(&format!("flag-{long}")), "flag-{long}");
        }
    }
}

#[test]
fn every_command_and_argument_is_explained_in_both_languages() {
    for catalogue in Language::ALL.map(Catalogue::new) {
        for command in commands() {
            let name = command.get_name();
            assert!(
                catalogue.has(&format!("about-{name}")) && catalogue.has(&format!("usage-{name}")),
                "{name}"
            );
            for argument in command.get_positionals().filter(|argument| !argument.is_hide_set()) {
                let id = format!("arg-{name}-{}", argument.get_id());
                assert!(catalogue.has(&id), "{id}");
            }
        }
    }
}

#[test]
fn the_help_is_as_it_was_read_last() {
    for language in Language::ALL {
        let catalogue = Catalogue::new(language);
        let mut command = localize(Cli::command(), &catalogue).term_width(100);
        command.build();
        for mut command in std::iter::once(command.clone()).chain(command.get_subcommands().cloned()) {
            let path = format!("tests/snapshots/help-{}-{}.txt", command.get_name(), language.code());
            crate::tests_support::check_document(&path, &command.render_help().to_string());
        }
    }
}
