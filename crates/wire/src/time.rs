//! Time: nanoseconds since 1970-01-01 UTC, always handed in, never asked for.

/// A moment, in nanoseconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many nanoseconds after the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds after the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Nanoseconds from `earlier` to here: negative where times run backwards.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// How many units of a file's clock make one second (pcapng `if_tsresol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// 10 to the power of this.
    Decimal(u8),
    /// 2 to the power of this.
    Binary(u8),
}

impl Resolution {
    /// Microseconds: pcap's first form, and pcapng's default.
    pub const MICROS: Self = Self::Decimal(6);
    /// Nanoseconds.
    pub const NANOS: Self = Self::Decimal(9);

    /// The meaning of an `if_tsresol` octet: its top bit chooses the base.
    pub const fn from_octet(octet: u8) -> Self {
        if octet & 0x80 == 0 { Self::Decimal(octet) } else { Self::Binary(octet & 0x7f) }
    }

    /// How many decimals of a second its times have, nine at most; of a unit that is no power of ten, nine.
    pub fn decimals(self) -> usize {
        match self {
            Self::Decimal(power) => usize::from(power.min(9)),
            Self::Binary(_) => 9,
        }
    }

    /// The moment `units` after the epoch, shifted by `offset` seconds (`if_tsoffset`).
    /// What does not fit saturates: a file that says so is wrong, not a reason to stop.
    pub fn timestamp(self, units: u64, offset: i64) -> Timestamp {
        const SECOND: u128 = 1_000_000_000;
        let units = u128::from(units);
        let nanos = match self {
            Self::Decimal(power) if power <= 9 => units * 10u128.pow(u32::from(9 - power)),
            Self::Decimal(power) => 10u128.checked_pow(u32::from(power) - 9).map_or(0, |by| units / by),
            Self::Binary(power) => (units * SECOND).checked_shr(u32::from(power)).unwrap_or(0),
        };
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        Timestamp(nanos.saturating_add(offset.saturating_mul(1_000_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_reaches_nanoseconds() {
        assert_eq!(Resolution::MICROS.timestamp(1_500_000, 0).nanos(), 1_500_000_000);
        assert_eq!(Resolution::from_octet(9).timestamp(7, 2).nanos(), 2_000_000_007);
        assert_eq!(Resolution::from_octet(12).timestamp(7_999, 0).nanos(), 7);
        assert_eq!(Resolution::from_octet(0x8a).timestamp(512, 0).nanos(), 500_000_000);
        assert_eq!(Resolution::from_octet(0xff).timestamp(u64::MAX, 0).nanos(), 0);
        assert_eq!(Resolution::from_octet(0x7f).timestamp(u64::MAX, 0).nanos(), 0);
        assert_eq!(Resolution::from_octet(0).timestamp(u64::MAX, i64::MAX).nanos(), i64::MAX);
    }
}
