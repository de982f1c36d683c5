//! The findings: a row each, the most severe first.

use super::grid::Grid;
use super::table::Form;
use super::words::{described, endpoint, finding, numbers, severity};
use crate::catalogue::Catalogue;
use enchufe_wire::finding::Finding;
use serde::Serialize;
use std::io::{self, Write};

/// A row of `--json`.
#[derive(Debug, Serialize)]
struct Row<'a> {
    severity: &'static str,
    conversation: u32,
    finding: String,
    /// How many frames show it; `packets` has at most the first thousand.
    count: u64,
    packets: &'a [u64],
    rfc: u16,
    section: &'static str,
    /// Whether another explanation fits, too.
    inferred: bool,
    /// Of an end: whose segment it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Of a reset: the packet that it answered, and nanoseconds since the one before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_ns: Option<i64>,
}

/// So many packet numbers stand in text.
const SHOWN: usize = 10;

const COLUMNS: [&str; 5] =
    ["column-severity", "column-conversation", "column-finding", "column-packets", "column-rfc"];
const RIGHT: [bool; 5] = [false, true, false, false, false];

/// The frames of a finding, so many as fit a line.
pub fn packets(found: &Finding) -> String {
    let shown = found.packets.get(..SHOWN).unwrap_or(&found.packets);
    let more = found.count.saturating_sub(u64::try_from(shown.len()).unwrap_or(u64::MAX));
    let said = numbers(shown);
    if more == 0 { said } else { format!("{said} +{more}") }
}

impl<'a> Row<'a> {
    fn new(found: &'a Finding) -> Self {
        let rfc = found.id.rfc();
        Self {
            severity: severity(found.id.severity()),
            conversation: found.stream,
            finding: finding(found.id),
            count: found.count,
            packets: &found.packets,
            rfc: rfc.number,
            section: rfc.section,
            inferred: found.id.is_inferred(),
            by: found.by.as_ref().map(endpoint),
            answers: found.reset.and_then(|reset| reset.answers),
            idle_ns: found.reset.map(|reset| reset.idle),
        }
    }

    /// Ids and all packets.
    fn bare_cells(self) -> Vec<String> {
        let packets: Vec<String> = self.packets.iter().map(u64::to_string).collect();
        let rfc = format!("RFC {} §{}", self.rfc, self.section);
        vec![self.severity.to_owned(), self.conversation.to_string(), self.finding, packets.join(","), rfc]
    }
}

fn cells(found: &Finding, catalogue: &Catalogue) -> Vec<String> {
    let rfc = found.id.rfc();
    vec![
        catalogue.plain(&format!("severity-{}", severity(found.id.severity()))),
        found.stream.to_string(),
        described(found, catalogue),
        packets(found),
        format!("RFC {} §{}", rfc.number, rfc.section),
    ]
}

/// Writes them all.
pub fn write(found: &[Finding], form: Form, catalogue: &Catalogue, out: &mut dyn Write) -> io::Result<()> {
    if found.is_empty() && form == Form::Text {
        return writeln!(out, "{}", catalogue.plain("findings-none"));
    }
    if form == Form::Json {
        for found in found {
            serde_json::to_writer(&mut *out, &Row::new(found))?;
            writeln!(out)?;
        }
        return Ok(());
    }
    let mut grid = Grid::new(COLUMNS.iter().map(|name| catalogue.plain(name)).collect(), &RIGHT);
    for found in found {
        grid.row(if form == Form::Tsv { Row::new(found).bare_cells() } else { cells(found, catalogue) });
    }
    grid.write(form, out)
}
