//! Which of the words are captures, and which is the filter.

use super::source::Source;
use crate::problem::{Kind, Problem};
use enchufe_wire::Filter;
use std::ffi::OsString;
use std::path::Path;

/// What the words name.
pub struct Named<'a> {
    pub sources: Vec<Source>,
    pub filter: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// All words are captures; but where the last of several is no file, it is the filter. `--filter` leaves no doubt.
    pub fn new(words: &'a [OsString], filter: Option<&'a str>) -> Result<Self, Problem> {
        let (files, filter) = match words {
            [] => return Err(Problem::new(Kind::NoFile)),
            [files @ .., last] if filter.is_none() && !files.is_empty() && is_filter(last) => {
                (files, Some(text(last)?))
            }
            files => (files, filter),
        };
        let sources: Vec<Source> =
            files.iter().map(|word| Source::new(Path::new(word))).collect::<Result<_, _>>()?;
        if sources.iter().filter(|source| matches!(source, Source::Stdin)).count() > 1 {
            return Err(Problem::new(Kind::StdinTwice));
        }
        Ok(Self { sources, filter })
    }
}

/// No file, and no file that was meant: what looks like one and is no filter either is asked for as a file.
fn is_filter(word: &OsString) -> bool {
    const ENDINGS: [&str; 5] = ["pcap", "pcapng", "cap", "gz", "zst"];
    let path = Path::new(word);
    if path == Path::new("-") || path.exists() {
        return false;
    }
    let ending = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
    let is_read = word.to_str().is_some_and(|text| Filter::parse(text).is_ok());
    let path_like = ending || word.as_encoded_bytes().contains(&b'/');
    is_read || !path_like
}

fn text(word: &OsString) -> Result<&str, Problem> {
    word.to_str().ok_or_else(|| {
        Problem::new(Kind::ExtraArgument).with("word", crate::text::escape(word.as_encoded_bytes()))
    })
}
