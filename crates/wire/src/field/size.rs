//! How large a number can be.

/// The type of a number: Wireshark's, which may be wider than what stands in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Eight bits.
    U8,
    /// 16 bits.
    U16,
    /// 24 bits.
    U24,
    /// 32 bits.
    U32,
    /// 32 bits, one of them the sign.
    I32,
}

impl Size {
    /// The largest number of this type.
    pub const fn most(self) -> u32 {
        match self {
            Self::U8 => 0xff,
            Self::U16 => 0xffff,
            Self::U24 => 0xff_ffff,
            Self::U32 => u32::MAX,
            Self::I32 => i32::MAX as u32,
        }
    }

    /// Whether it can be negative.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::I32)
    }
}
