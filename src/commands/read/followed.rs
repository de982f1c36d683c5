//! One conversation's bytes, in order; what the capture lacks is a gap.

use super::words::say;
use crate::catalogue::Catalogue;
use crate::plan::choice;
use crate::problem::Problem;
use crate::text::{Decoder, hex_dump};
use enchufe_wire::follow::{Chunk, Content, Follow};
use enchufe_wire::row::Columns;
use enchufe_wire::session::Frame;
use std::io::{self, Write};

/// How bytes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Escaped text, a line each stretch.
    Text,
    /// Offset, hexadecimal, printable ASCII.
    Hex,
    /// As they are, and nothing else: gaps are said on standard error.
    Raw,
}

impl Manner {
    pub fn new(word: Option<&str>) -> Result<Self, Problem> {
        Ok(match choice("--follow-as", word.unwrap_or("text"), &["text", "hex", "raw"])? {
            "hex" => Self::Hex,
            "raw" => Self::Raw,
            _ => Self::Text,
        })
    }
}

/// Follows one conversation and writes it while it comes.
pub struct Followed<'a, W> {
    out: W,
    manner: Manner,
    catalogue: &'a Catalogue,
    follow: Follow,
    stream: u32,
    begun: bool,
    decoders: [Decoder; 2],
}

impl<'a, W: Write> Followed<'a, W> {
    pub fn new(out: W, stream: u32, manner: Manner, catalogue: &'a Catalogue) -> Self {
        let (follow, decoders) = (Follow::new(stream), Default::default());
        Self { out, manner, catalogue, follow, stream, begun: false, decoders }
    }

    /// Whether the conversation was there.
    pub const fn is_begun(&self) -> bool {
        self.begun
    }

    /// Takes the next frame.
    pub fn frame(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        if frame.tcp.is_none_or(|note| note.stream != self.stream) {
            return Ok(());
        }
        if !self.begun {
            self.begun = true;
            if let (Some((a, b)), true) = (ends(frame), self.manner != Manner::Raw) {
                let stream = self.stream.to_string();
                let texts = [("stream", stream.as_str()), ("a", &a), ("b", &b)];
                writeln!(self.out, "{}", say(self.catalogue, "story-head", &texts, &[]))?;
            }
        }
        let Self { out, manner, catalogue, follow, decoders, .. } = self;
        let mut written = Ok(());
        follow.frame(frame, &mut |chunk| {
            if written.is_ok() {
                written = show(out, *manner, catalogue, decoders, &chunk);
            }
        });
        written
    }

    /// Writes what is left.
    pub fn finish(mut self) -> io::Result<()> {
        let Self { out, manner, catalogue, follow, decoders, .. } = &mut self;
        let mut written = Ok(());
        follow.finish(&mut |chunk| {
            if written.is_ok() {
                written = show(out, *manner, catalogue, decoders, &chunk);
            }
        });
        written?;
        for (decoder, from_b) in decoders.iter_mut().zip([false, true]) {
            let rest = decoder.finish();
            if !rest.is_empty() {
                writeln!(out, "{} {rest}", arrow(from_b))?;
            }
        }
        out.flush()
    }
}

const fn arrow(from_b: bool) -> &'static str {
    if from_b { "B → A" } else { "A → B" }
}

fn show(
    out: &mut dyn Write,
    manner: Manner,
    catalogue: &Catalogue,
    decoders: &mut [Decoder; 2],
    chunk: &Chunk<'_>,
) -> io::Result<()> {
    let [a, b] = decoders;
    let decoder = if chunk.from_b { b } else { a };
    let (arrow, frame) =
        (arrow(chunk.from_b), chunk.frame.map(|frame| frame.to_string()).unwrap_or_default());
    match (chunk.content, manner) {
        (Content::Bytes(bytes), Manner::Raw) => out.write_all(bytes),
        (Content::Bytes(bytes), Manner::Text) => {
            writeln!(out, "{arrow} {frame:>5}  {}", decoder.piece(bytes))
        }
        (Content::Bytes(bytes), Manner::Hex) => {
            writeln!(out, "{arrow} {frame:>5}  @{}", chunk.offset)?;
            write!(out, "{}", hex_dump(bytes))
        }
        (Content::Gap(count), manner) => {
            let said = say(catalogue, "follow-gap", &[("side", arrow)], &[("count", count)]);
            if manner == Manner::Raw {
                crate::style::complain(&said);
                return Ok(());
            }
            let cut = decoder.finish();
            if !cut.is_empty() {
                writeln!(out, "{arrow} {frame:>5}  {cut}")?;
            }
            writeln!(out, "{said}")
        }
    }
}

/// The ends of a conversation, by its first frame.
fn ends(frame: &Frame<'_>) -> Option<(String, String)> {
    let (tcp, _) = frame.packet.tcp()?;
    let mut columns = Columns::new();
    columns.fill(frame);
    let end = |address: &str, port: u16| {
        if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    };
    Some((end(&columns.source, tcp.source_port), end(&columns.destination, tcp.destination_port)))
}
