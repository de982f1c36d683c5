//! Reads of fixed-width numbers that answer `None` past the end, so that no input can panic.

/// Checked big- and little-endian reads at an offset.
pub(crate) trait Bytes {
    /// The bytes themselves.
    fn all(&self) -> &[u8];

    /// `N` bytes from `at`, if all are there.
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.all().get(at..)?.first_chunk::<N>().copied()
    }

    /// One byte.
    fn u8_at(&self, at: usize) -> Option<u8> {
        self.all().get(at).copied()
    }

    /// Two bytes, network order.
    fn be16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// Four bytes, network order.
    fn be32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }
}

impl Bytes for [u8] {
    fn all(&self) -> &[u8] {
        self
    }
}

/// The byte order a capture file was written in, found from its magic number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = bytes.array(at)?;
        Some(match self {
            Self::Little => u16::from_le_bytes(raw),
            Self::Big => u16::from_be_bytes(raw),
        })
    }

    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = bytes.array(at)?;
        Some(match self {
            Self::Little => u32::from_le_bytes(raw),
            Self::Big => u32::from_be_bytes(raw),
        })
    }

    pub(crate) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw = bytes.array(at)?;
        Some(match self {
            Self::Little => u64::from_le_bytes(raw),
            Self::Big => u64::from_be_bytes(raw),
        })
    }
}
