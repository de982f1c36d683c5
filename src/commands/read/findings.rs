//! The findings: a row each, the most severe first.

use super::grid::Grid;
use super::table::Form;
use super::words::{finding, numbers, severity};
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

/// Writes them all.
pub fn write(found: &[Finding], form: Form, catalogue: &Catalogue, out: &mut dyn Write) -> io::Result<()> {
    if found.is_empty() && form == Form::Text {
        return writeln!(out, "{}", catalogue.plain("findings-none"));
    }
    let mut grid = Grid::new(COLUMNS.iter().map(|name| catalogue.plain(name)).collect(), &RIGHT);
    for found in found {
        let (id, rfc, severity) = (finding(found.id), found.id.rfc(), severity(found.id.severity()));
        if form == Form::Json {
            let Finding { stream: conversation, count, ref packets, .. } = *found;
            let (rfc, section) = (rfc.number, rfc.section);
            let row = Row { severity, conversation, finding: id, count, packets, rfc, section };
            serde_json::to_writer(&mut *out, &row)?;
            writeln!(out)?;
            continue;
        }
        let bare = form == Form::Tsv;
        let said = |id: String| if bare { id } else { catalogue.plain(&id) };
        grid.row(vec![
            if bare { severity.to_owned() } else { said(format!("severity-{severity}")) },
            found.stream.to_string(),
            if bare { id } else { said(format!("finding-{id}")) },
            if bare {
                found.packets.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
            } else {
                packets(found)
            },
            format!("RFC {} §{}", rfc.number, rfc.section),
        ]);
    }
    if form == Form::Json { Ok(()) } else { grid.write(form, out) }
}
