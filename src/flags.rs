//! What can be typed. Values stay text here; [`crate::commands`] makes plans of them, once.
//!
//! A flag has one meaning in every command: its help is the text `flag-NAME` of the catalogue, which
//! [`localize`] puts in.

mod parse;

pub use parse::{Typed, language, parse};

use crate::catalogue::Catalogue;
use clap::{Arg, Args, Command, Parser, Subcommand};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "enchufe",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    disable_help_flag = true,
    disable_version_flag = true
)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Option<Verb>,
}

/// In every command.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    #[arg(long, global = true, value_name = "es|en")]
    pub lang: Option<String>,
    #[arg(long, global = true, value_name = "auto|always|never")]
    pub color: Option<String>,
    #[arg(short, long, global = true)]
    pub quiet: bool,
    #[arg(short, long, global = true)]
    pub verbose: bool,
    #[arg(short, long, global = true, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
    #[arg(short = 'V', long, global = true, action = clap::ArgAction::Version)]
    pub version: Option<bool>,
}

/// The commands that only a system has which the crate that watches is for (`build.rs`).
pub const OF_THE_WATCHING: [&str; 3] = ["watch", "trace", "doctor"];

/// The flags of an engine that is there with them.
pub const OF_EPOLL: [&str; 3] = ["--threads", "--cpus", "--busy-poll"];

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Demo(Demo),
    Serve(Box<Serve>),
    Send(Box<Send>),
    Read(Box<Read>),
    #[cfg(have_watch)]
    Watch(Box<Watch>),
    #[cfg(have_watch)]
    Trace(Box<Trace>),
    #[cfg(have_watch)]
    Doctor(Doctor),
    Completions(Completions),
    Man(Man),
}

/// How events are told.
#[derive(Clone, Debug, Default, Args)]
pub struct Telling {
    #[arg(long)]
    pub json: bool,
    #[arg(long, conflicts_with = "json")]
    pub hex: bool,
    #[arg(long, conflicts_with = "json")]
    pub timestamps: bool,
    #[arg(long, value_name = "FILE")]
    pub log: Option<std::path::PathBuf>,
}

/// What bounds a connection.
#[derive(Clone, Debug, Default, Args)]
pub struct Bounds {
    #[arg(long, value_name = "TIME")]
    pub first_byte: Option<String>,
    #[arg(long, value_name = "TIME")]
    pub idle: Option<String>,
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,
    #[arg(long, value_name = "N")]
    pub read_size: Option<String>,
}

/// What kind of socket.
#[derive(Clone, Debug, Default, Args)]
pub struct SocketFlags {
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    pub ipv4: bool,
    #[arg(short = '6', long = "ipv6")]
    pub ipv6: bool,
    #[arg(long, value_name = "OPTIONS", value_delimiter = ',')]
    pub socket: Vec<String>,
}

/// What is added to a message.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Ending {
    #[arg(long)]
    pub newline: bool,
    #[arg(long, conflicts_with = "newline")]
    pub crlf: bool,
}

/// `enchufe serve`
#[derive(Debug, Args)]
pub struct Serve {
    #[arg(index = 1)]
    pub service: Option<String>,
    #[arg(index = 2)]
    pub answer: Option<std::ffi::OsString>,
    #[arg(index = 3, hide = true)]
    pub extra: Vec<std::ffi::OsString>,
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<String>,
    #[cfg_attr(have_watch, arg(long, value_name = "N|auto"))]
    #[cfg_attr(not(have_watch), arg(skip))]
    pub threads: Option<String>,
    #[cfg_attr(have_watch, arg(long, value_name = "NUMBERS"))]
    #[cfg_attr(not(have_watch), arg(skip))]
    pub cpus: Option<String>,
    #[cfg_attr(have_watch, arg(long, value_name = "TIME"))]
    #[cfg_attr(not(have_watch), arg(skip))]
    pub busy_poll: Option<String>,
    #[arg(long, conflicts_with = "accept")]
    pub once: bool,
    #[arg(long, value_name = "N")]
    pub accept: Option<String>,
    #[arg(long, value_name = "N")]
    pub backlog: Option<String>,
    #[arg(long, value_name = "N")]
    pub max_connections: Option<String>,
    #[arg(long, value_name = "quiet|line")]
    pub until: Option<String>,
    #[arg(long, value_name = "TIME")]
    pub quiet_time: Option<String>,
    #[arg(long, value_name = "TIME")]
    pub drain: Option<String>,
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<String>,
    #[arg(long, value_name = "all|fold|none")]
    pub events: Option<String>,
    #[arg(long)]
    pub status: bool,
    #[arg(long, value_name = "FILES", value_delimiter = ',')]
    pub tls: Vec<std::path::PathBuf>,
    #[command(flatten)]
    pub ending: Ending,
    #[command(flatten)]
    pub bounds: Bounds,
    #[command(flatten)]
    pub socket: SocketFlags,
    #[command(flatten)]
    pub telling: Telling,
}

/// Whom a client believes.
#[derive(Clone, Debug, Default, Args)]
pub struct Trust {
    #[arg(long)]
    pub tls: bool,
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<std::path::PathBuf>,
}

/// `enchufe send`
#[derive(Debug, Args)]
pub struct Send {
    #[arg(index = 1)]
    pub target: Option<String>,
    #[arg(index = 2)]
    pub message: Option<std::ffi::OsString>,
    #[arg(index = 3, hide = true)]
    pub extra: Vec<String>,
    #[arg(long, value_name = "FILE", conflicts_with = "message")]
    pub file: Option<std::path::PathBuf>,
    #[arg(long, value_name = "echo|line|bytes=N|nothing")]
    pub expect: Option<String>,
    #[arg(long, conflicts_with_all = ["expect", "no_half_close"])]
    pub no_reply: bool,
    #[arg(long, value_name = "TIME")]
    pub wait: Option<String>,
    #[arg(long)]
    pub once: bool,
    #[arg(long)]
    pub no_half_close: bool,
    #[arg(long, value_name = "TIME")]
    pub retry: Option<String>,
    #[arg(long, value_name = "TIME")]
    pub connect_timeout: Option<String>,
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    #[command(flatten)]
    pub trust: Trust,
    #[command(flatten)]
    pub ending: Ending,
    #[command(flatten)]
    pub bounds: Bounds,
    #[command(flatten)]
    pub socket: SocketFlags,
    #[command(flatten)]
    pub telling: Telling,
}

/// `enchufe read`
#[derive(Debug, Default, Args)]
pub struct Read {
    #[arg(index = 1, value_name = "FILE")]
    pub words: Vec<std::ffi::OsString>,
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    #[arg(long)]
    pub in_order: bool,
    #[command(flatten)]
    pub views: Views,
    #[command(flatten)]
    pub one: One,
    #[arg(short, long, value_name = "FILE",
        conflicts_with_all = ["view", "explain", "ladder", "conversation", "follow", "packet", "json", "tsv"])]
    pub write: Option<std::path::PathBuf>,
    #[command(flatten)]
    pub rows: Rows,
    #[arg(long)]
    pub one_pass: bool,
}

/// What is shown.
#[derive(Clone, Debug, Default, Args)]
pub struct Views {
    #[arg(long, value_name = "packets|conversations|findings|ladder|calls")]
    pub view: Option<String>,
    #[arg(long, conflicts_with_all = ["view", "json", "tsv"])]
    pub explain: bool,
    #[arg(long, conflicts_with_all = ["view", "explain", "tsv"])]
    pub ladder: bool,
}

/// One conversation or packet.
#[derive(Clone, Debug, Default, Args)]
pub struct One {
    #[arg(long, value_name = "N", conflicts_with_all = ["follow", "packet"])]
    pub conversation: Option<String>,
    #[arg(long, value_name = "N", conflicts_with_all = ["view", "explain", "ladder", "json", "tsv"])]
    pub follow: Option<String>,
    #[arg(long, value_name = "text|hex|raw")]
    pub follow_as: Option<String>,
    #[arg(long, value_name = "N", conflicts_with_all = ["follow", "view", "explain", "ladder", "json", "tsv"])]
    pub packet: Option<String>,
}

/// How rows are written.
#[derive(Clone, Debug, Default, Args)]
pub struct Rows {
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub columns: Vec<String>,
    #[arg(long, value_name = "relative|delta|utc|local")]
    pub time: Option<String>,
    #[arg(long, conflicts_with = "json")]
    pub tsv: bool,
    #[arg(long, conflicts_with = "time")]
    pub json: bool,
}

/// `enchufe watch`
#[derive(Debug, Args)]
pub struct Watch {
    #[arg(index = 1)]
    pub filter: Option<String>,
    #[arg(index = 2, hide = true)]
    pub extra: Vec<String>,
    #[arg(short, long, value_name = "INTERFACE")]
    pub interface: Option<String>,
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["columns", "time", "tsv", "json"])]
    pub write: Option<std::path::PathBuf>,
    #[arg(long, value_name = "N")]
    pub count: Option<String>,
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    #[arg(long, conflicts_with_all = [
        "tsv", "columns", "time", "write", "filter", "interface", "count", "duration", "snaplen", "promiscuous"])]
    pub list: bool,
    #[arg(long, value_name = "N")]
    pub snaplen: Option<String>,
    #[arg(long)]
    pub promiscuous: bool,
    #[command(flatten)]
    pub rows: Rows,
}

/// Where traced programs run.
#[derive(Clone, Debug, Default, Args)]
pub struct Network {
    #[arg(long, value_name = "private|host")]
    pub net: Option<String>,
    #[arg(long)]
    pub no_packets: bool,
    #[arg(long)]
    pub no_lines: bool,
    #[arg(long, value_name = "refuse|allow")]
    pub io_uring: Option<String>,
    #[arg(long, value_name = "RULES")]
    pub link: Option<std::ffi::OsString>,
}

/// What traced programs read from and print on.
#[derive(Clone, Debug, Default, Args)]
pub struct Console {
    #[arg(long, conflicts_with = "pipes")]
    pub pty: bool,
    #[arg(long)]
    pub pipes: bool,
    #[arg(long, value_name = "N")]
    pub stdin: Option<String>,
}

/// How traced programs begin, and how they end.
#[derive(Clone, Debug, Default, Args)]
pub struct Course {
    #[arg(long, value_name = "TIME")]
    pub drain: Option<String>,
    #[arg(long, value_name = "TIME")]
    pub start_timeout: Option<String>,
    #[arg(long)]
    pub start_anyway: bool,
    #[arg(long)]
    pub exit_status: bool,
}

/// `enchufe trace`
#[derive(Debug, Args)]
pub struct Trace {
    #[arg(index = 1)]
    pub programs: Vec<std::ffi::OsString>,
    /// After `--`: one program and its arguments.
    #[arg(index = 2, last = true)]
    pub program: Vec<std::ffi::OsString>,
    #[arg(short, long, value_name = "FILE")]
    pub write: Option<std::path::PathBuf>,
    /// Empty: the only trace that runs.
    #[arg(long, value_name = "PID", num_args = 0..=1, default_missing_value = "", conflicts_with_all = [
        "write", "limit", "drain", "start_timeout", "start_anyway", "net", "no_packets", "no_lines", "io_uring", "link", "pty",
        "pipes", "stdin", "view", "explain", "ladder", "conversation", "columns", "json"])]
    pub join: Option<std::ffi::OsString>,
    #[command(flatten)]
    pub course: Course,
    #[arg(long, value_name = "SIZE")]
    pub limit: Option<String>,
    /// Refused in words.
    #[arg(long, value_name = "PID", hide = true)]
    pub pid: Option<String>,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub console: Console,
    #[arg(long, value_name = "packets|conversations|findings|ladder|calls")]
    pub view: Option<String>,
    #[arg(long, conflicts_with_all = ["view", "json"])]
    pub explain: bool,
    #[arg(long, conflicts_with_all = ["view", "explain"])]
    pub ladder: bool,
    #[arg(long, value_name = "N", conflicts_with = "explain")]
    pub conversation: Option<String>,
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub columns: Vec<String>,
    #[arg(long)]
    pub json: bool,
}

/// `enchufe doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    #[arg(long)]
    pub json: bool,
}

/// `enchufe demo`
#[derive(Debug, Args)]
pub struct Demo {
    pub message: Option<std::ffi::OsString>,
}

/// `enchufe completions`
#[derive(Debug, Args)]
pub struct Completions {
    pub shell: Option<String>,
}

/// `enchufe man`
#[derive(Debug, Args)]
pub struct Man {
    pub directory: Option<std::path::PathBuf>,
}

/// The command line with its help in the language of the catalogue.
pub fn localize(command: Command, catalogue: &Catalogue) -> Command {
    localize_one(command, "enchufe", catalogue)
}

fn localize_one(mut command: Command, path: &str, catalogue: &Catalogue) -> Command {
    command = command
        .about(catalogue.plain(&format!("about-{path}")))
        .override_usage(catalogue.plain(&format!("usage-{path}")))
        .subcommand_help_heading(catalogue.plain("heading-commands"))
        .help_template(format!(
            "{{about}}\n\n{}: {{usage}}\n\n{{all-args}}{{after-help}}\n",
            catalogue.plain("heading-usage")
        ));
    let after = format!("after-{path}");
    if catalogue.has(&after) {
        command = command.after_help(catalogue.plain(&after));
    }
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let ids: Vec<String> = shown.map(|argument| argument.get_id().to_string()).collect();
    for id in ids {
        command = command.mut_arg(&id, |argument| localize_argument(argument, path, catalogue));
    }
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |sub| localize_one(sub, &name, catalogue));
    }
    command
}

fn localize_argument(argument: Arg, path: &str, catalogue: &Catalogue) -> Arg {
    let id = argument.get_id().to_string();
    let (help, section) = match argument.get_long() {
        Some(long) if argument.is_global_set() => (format!("flag-{long}"), "heading-common"),
        Some(long) => (format!("flag-{long}"), "heading-options"),
        None => (format!("arg-{path}-{id}"), "heading-arguments"),
    };
    let name = match argument.get_value_names().and_then(|names| names.first()) {
        Some(name) if !argument.is_positional() => name.to_string(),
        _ => id,
    };
    let place = argument.get_index();
    let argument = argument.help(catalogue.plain(&help)).help_heading(catalogue.plain(section));
    let argument = if let Some(place) = place { argument.display_order(place) } else { argument };
    let name = format!("value-{name}");
    if catalogue.has(&name) { argument.value_name(catalogue.plain(&name)) } else { argument }
}

#[cfg(test)]
mod tests;
