//! What became of a frame on its way, and what it stands for: said beside it in a recording.

use enchufe_wire::Timestamp;

/// A frame's way from who sent it to who received it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// Whether and when it arrived. Its own time is when it was sent.
    pub arrival: Arrival,
    /// How many bytes each segment of TCP has into which the device was to cut it; none where it is one, or that is not known.
    pub segment_size: Option<u16>,
}

/// Whether and when a frame arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// Then.
    At(Timestamp),
    /// It was waited for, and did not come.
    Never,
}

const AT: u8 = 1;
const NEVER: u8 = 2;
const SEGMENTS: u8 = 3;

impl Passage {
    /// Adds it to `out`: nothing where nothing is known. A tag, then its number, as often as there is something.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self.arrival {
            Arrival::Unknown => {}
            Arrival::At(time) => {
                out.push(AT);
                out.extend_from_slice(&time.nanos().to_le_bytes());
            }
            Arrival::Never => out.push(NEVER),
        }
        if let Some(size) = self.segment_size {
            out.push(SEGMENTS);
            out.extend_from_slice(&size.to_le_bytes());
        }
    }

    /// Reads what is known; a tag of another version ends it.
    pub fn decode(mut bytes: &[u8]) -> Self {
        let mut passage = Self::default();
        while let Some((tag, rest)) = bytes.split_first() {
            bytes = match *tag {
                AT => {
                    let Some((time, rest)) = rest.split_first_chunk() else { break };
                    passage.arrival = Arrival::At(Timestamp::from_nanos(i64::from_le_bytes(*time)));
                    rest
                }
                NEVER => {
                    passage.arrival = Arrival::Never;
                    rest
                }
                SEGMENTS => {
                    let Some((size, rest)) = rest.split_first_chunk() else { break };
                    passage.segment_size = Some(u16::from_le_bytes(*size)).filter(|size| *size > 0);
                    rest
                }
                _ => break,
            };
        }
        passage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passage_comes_back_as_it_was_written() {
        let arrivals = [Arrival::Unknown, Arrival::At(Timestamp::from_nanos(-7)), Arrival::Never];
        for (arrival, segment_size) in
            arrivals.into_iter().flat_map(|arrival| [(arrival, None), (arrival, Some(1_448))])
        {
            let (passage, mut bytes) = (Passage { arrival, segment_size }, Vec::new());
            passage.encode(&mut bytes);
            assert_eq!(Passage::decode(&bytes), passage);
        }
    }

    #[test]
    fn what_is_cut_or_of_another_version_is_left_out() {
        assert_eq!(Passage::decode(&[NEVER, SEGMENTS, 1]).arrival, Arrival::Never);
        assert_eq!(Passage::decode(&[9, NEVER]), Passage::default());
        assert_eq!(Passage::decode(&[AT, 1, 2, 3]), Passage::default());
    }
}
