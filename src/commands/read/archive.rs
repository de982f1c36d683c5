//! Archives: gzip with all its members, zstd with all its frames.

use flate2::read::MultiGzDecoder;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: u32 = 0xfd2f_b528;
/// What of a zstd archive is for others (RFC 8878 §3.1.2): these and the fifteen after it.
const SKIPPABLE: u32 = 0x184d_2a50;

/// The bytes, unpacked if they are an archive; and whether they are one.
pub fn unpacked(mut input: impl Read + Send + 'static) -> io::Result<(Box<dyn Read + Send>, bool)> {
    let mut first = Vec::new();
    input.by_ref().take(4).read_to_end(&mut first)?;
    let magic = first.first_chunk().map(|magic| u32::from_le_bytes(*magic));
    let is_gzip = first.starts_with(&GZIP);
    let whole = BufReader::new(Cursor::new(first).chain(input));
    Ok(match magic {
        Some(magic) if magic == ZSTD || magic & 0xffff_fff0 == SKIPPABLE => {
            (Box::new(Told(zstd::stream::read::Decoder::with_buffer(whole)?)), true)
        }
        _ if is_gzip => (Box::new(Told(MultiGzDecoder::new(whole))), true),
        _ => (Box::new(whole), false),
    })
}

/// An archive whose faults are said in two kinds: it ends too early, or it is damaged. Those of the system stay as they are.
struct Told<R>(R);

impl<R: Read> Read for Told<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            _ if error.raw_os_error().is_some() => error,
            ErrorKind::UnexpectedEof => ErrorKind::UnexpectedEof.into(),
            _ => ErrorKind::InvalidData.into(),
        })
    }
}
