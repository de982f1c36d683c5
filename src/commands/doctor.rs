//! `enchufe doctor`

use super::show;
use super::trace::failed;
use super::trace::obstacle::Obstacle;
use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::problem::Problem;
use enchufe_sys::{host, io_uring, namespace, tun};
use enchufe_watch::trace::{CommandError, TraceError, probe};
use enchufe_watch::{Capture, Options, Place};
use fluent_bundle::{FluentArgs, FluentValue};
use serde::{Serialize, Serializer};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The kernel's list of states of TCP sockets (Linux 4.16).
const STATES: &str = "/sys/kernel/tracing/events/sock/inet_sock_set_state/enable";

/// What was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    works: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// What stands in the way.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "by_id")]
    because: Option<Obstacle>,
    /// What makes it work.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// Why it does not, and what can be done about that, where no command does it.
    #[serde(skip)]
    problem: Option<Problem>,
}

impl Finding {
    fn new(name: &'static str, works: bool, command: impl FnOnce() -> String) -> Self {
        Self { name, works, count: None, because: None, command: (!works).then(command), problem: None }
    }

    fn refused(name: &'static str, problem: Problem) -> Self {
        Self { name, works: false, count: None, because: None, command: None, problem: Some(problem) }
    }

    /// Whether calls can be traced, and whether a filter stops them: from what came of trying both.
    fn traced(tried: Result<bool, TraceError>) -> [Self; 2] {
        let works = |name: &'static str| Self::new(name, true, String::new);
        let seccomp = |works: bool| Self::new("seccomp", works, || "CONFIG_SECCOMP_FILTER=y".to_owned());
        match tried {
            Ok(stopped) => [works("ptrace"), seccomp(stopped)],
            Err(error @ TraceError::Command(CommandError::Unfiltered(_))) => {
                [works("ptrace"), Self::refused("seccomp", failed(error))]
            }
            // Without ptrace it cannot be tried: whether the kernel has it is known.
            Err(error) => [Self::refused("ptrace", failed(error)), seccomp(has_filters())],
        }
    }

    fn network(tried: io::Result<()>) -> Self {
        let because = tried.err().map(|error| Obstacle::of(&error));
        let command = because.map(Obstacle::command);
        Self { name: "namespaces", works: because.is_none(), count: None, because, command, problem: None }
    }

    fn text(&self, catalogue: &Catalogue) -> String {
        let mut args = FluentArgs::new();
        args.set("count", FluentValue::from(self.count.unwrap_or_default()));
        let gives = catalogue.text(&format!("doctor-{}", self.name), &args);
        let word = catalogue.plain(if self.works { "doctor-yes" } else { "doctor-no" });
        let mut line = format!("{:<12} {word:<4} {gives}", self.name);
        if let Some(obstacle) = self.because {
            line = format!("{line} ({})", obstacle.cause(catalogue));
        }
        if let Some(command) = &self.command {
            args.set("command", command.as_str());
            line = format!("{line}; {}", catalogue.text("doctor-change", &args));
        }
        if let Some(problem) = &self.problem {
            line = format!("{line}; {}", problem.text(catalogue));
        }
        line + "\n"
    }
}

/// By its id, which is the same in every language.
#[expect(clippy::ref_option, reason = "serde wants it so")]
fn by_id<S: Serializer>(because: &Option<Obstacle>, to: S) -> Result<S::Ok, S::Error> {
    because.map(Obstacle::id).serialize(to)
}

pub fn doctor(flags: &flags::Doctor, catalogue: &Catalogue) -> Result<Code, Problem> {
    let found = look();
    if !flags.json {
        return show(&found.iter().map(|finding| finding.text(catalogue)).collect::<String>());
    }
    let mut lines = String::new();
    for finding in &found {
        lines += &serde_json::to_string(finding).unwrap_or_default();
        lines.push('\n');
    }
    show(&lines)
}

/// Tries everything, and leaves nothing behind.
fn look() -> Vec<Finding> {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("enchufe"));
    let quoted = crate::text::shell_quoted(&program.to_string_lossy());
    let traced = probe(&[program.clone().into_os_string().into_vec(), b"--version".to_vec()]);
    let limit = host::descriptor_limit().unwrap_or_default();
    let (network, link) = (namespace::probe(), tun::probe());
    let setting = |text: &str| format!("sudo sysctl {text}");
    let [ptrace, seccomp] = Finding::traced(traced);
    vec![
        Finding::network(network),
        ptrace,
        seccomp,
        Finding::new("capture", Capture::open(Place::Interface("lo"), &Options::default()).is_ok(), || {
            format!("sudo setcap cap_net_raw+ep {quoted}")
        }),
        Finding::new("link", link.is_ok(), || open_device(link.as_ref().err())),
        Finding::new("tracefs", fs::read(STATES).is_ok(), || format!("sudo {quoted} ...")),
        Finding::new("io-uring", io_uring::probe().is_ok(), || setting("kernel.io_uring_disabled=0")),
        Finding { count: Some(limit), ..Finding::new("descriptors", true, String::new) },
    ]
}

/// Whether the kernel knows filters of system calls: it counts those of each process then (Linux 5.9).
fn has_filters() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nSeccomp_filters:"))
}

/// What lets this user open [`tun::PATH`]: without the kernel's module there is none.
fn open_device(error: Option<&io::Error>) -> String {
    match error.map(io::Error::kind) {
        Some(io::ErrorKind::PermissionDenied) => format!("sudo chmod 666 {}", tun::PATH),
        _ => "sudo modprobe tun".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_there_is_opened_and_one_that_is_not_is_made() {
        let change = |kind: io::ErrorKind| open_device(Some(&io::Error::from(kind)));
        assert_eq!(change(io::ErrorKind::PermissionDenied), "sudo chmod 666 /dev/net/tun");
        assert_eq!(change(io::ErrorKind::NotFound), "sudo modprobe tun");
        assert_eq!(change(io::ErrorKind::Other), "sudo modprobe tun", "`ENODEV`");
    }
}
