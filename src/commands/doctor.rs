//! `enchufe doctor`

use super::show;
use super::trace::obstacle::Obstacle;
use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::problem::Problem;
use enchufe_sys::{host, io_uring, namespace, tun};
use enchufe_watch::trace::probe;
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
}

impl Finding {
    fn new(name: &'static str, works: bool, command: impl FnOnce() -> String) -> Self {
        Self { name, works, count: None, because: None, command: (!works).then(command) }
    }

    fn network(tried: io::Result<()>) -> Self {
        let because = tried.err().map(|error| Obstacle::of(&error));
        let command = because.map(Obstacle::command);
        Self { name: "namespaces", works: because.is_none(), count: None, because, command }
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
    vec![
        Finding::network(network),
        Finding::new("ptrace", traced.is_ok(), || setting("kernel.yama.ptrace_scope=1")),
        Finding::new("seccomp", matches!(traced, Ok(true)), || "CONFIG_SECCOMP_FILTER=y".to_owned()),
        Finding::new("capture", Capture::open(Place::Interface("lo"), &Options::default()).is_ok(), || {
            format!("sudo setcap cap_net_raw+ep {quoted}")
        }),
        Finding::new("link", link.is_ok(), || open_device(link.as_ref().err())),
        Finding::new("tracefs", fs::read(STATES).is_ok(), || format!("sudo {quoted} ...")),
        Finding::new("io-uring", io_uring::probe().is_ok(), || setting("kernel.io_uring_disabled=0")),
        Finding { name: "descriptors", works: true, count: Some(limit), because: None, command: None },
    ]
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
