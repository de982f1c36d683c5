//! The page of Prometheus, in its text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>). Names and
//! what they mean do not change with the language.

use enchufe_talk::Reason;
use enchufe_talk::counters::Counted;
use std::fmt::{Display, Write};

pub const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What was counted, each metric with its help and type.
pub fn metrics(counted: &Counted) -> String {
    let mut page = String::new();
    let version = env!("CARGO_PKG_VERSION");
    describe(&mut page, "build_info", "gauge", "The version of this program; always 1.");
    sample(&mut page, "build_info", format_args!("{{version=\"{version}\"}}"), 1);
    let numbers = [
        (
            "connections_accepted_total",
            "counter",
            "Connections accepted, those that were then refused included.",
            counted.accepted,
        ),
        ("connections_open", "gauge", "Connections that are not over.", counted.open()),
        (
            "connections_refused_total",
            "counter",
            "Connections reset because there was no room for them.",
            counted.refused,
        ),
        (
            "connections_empty_total",
            "counter",
            "Connections that ended without a byte in either direction, as probes do; refused ones are not among them.",
            counted.empty,
        ),
        ("received_bytes_total", "counter", "Payload read from connections.", counted.received),
        ("sent_bytes_total", "counter", "Payload handed to the kernel for connections.", counted.sent),
    ];
    for (name, kind, help, number) in numbers {
        describe(&mut page, name, kind, help);
        sample(&mut page, name, "", number);
    }
    let handed = "connections_handed_over_total";
    describe(
        &mut page,
        handed,
        "counter",
        "Connections handed over to another thread, each time, by the reason.",
    );
    for (reason, number) in [("packets", counted.followed), ("load", counted.relieved)] {
        sample(&mut page, handed, format_args!("{{reason=\"{reason}\"}}"), number);
    }
    let closed = "connections_closed_total";
    describe(&mut page, closed, "counter", "Connections that are over, by the reason of their end.");
    for (reason, number) in Reason::IDS.iter().zip(counted.closed) {
        sample(&mut page, closed, format_args!("{{reason=\"{reason}\"}}"), number);
    }
    page
}

fn describe(page: &mut String, name: &str, kind: &str, help: &str) {
    // A String takes all that is written to it.
    let _ = writeln!(page, "# HELP enchufe_{name} {help}\n# TYPE enchufe_{name} {kind}");
}

fn sample(page: &mut String, name: &str, labels: impl Display, number: u64) {
    let _ = writeln!(page, "enchufe_{name}{labels} {number}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use enchufe_talk::Counters;

    #[test]
    fn connections_that_are_handed_over_are_told_by_their_reason() {
        let counted = Counted { followed: 3, relieved: 2, ..Counters::default().counted() };
        let page = metrics(&counted);
        let handed: Vec<&str> = page.lines().filter(|line| line.contains("handed_over_total{")).collect();
        let expected = [
            r#"enchufe_connections_handed_over_total{reason="packets"} 3"#,
            r#"enchufe_connections_handed_over_total{reason="load"} 2"#,
        ];
        assert_eq!(handed, expected);
    }
}
