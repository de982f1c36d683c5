//! TCP sequence numbers: arithmetic modulo 2^32 with an order that wraps.

use std::ops::{Add, Sub};

/// A TCP sequence number (RFC 9293 §3.4): compare with the methods, never as an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// Whether this number comes before `other` on the circle.
    pub const fn before(self, other: Self) -> bool {
        self.distance(other) < 0
    }

    /// Whether this number comes after `other` on the circle.
    pub const fn after(self, other: Self) -> bool {
        self.distance(other) > 0
    }

    /// How far this number lies after `base`, as the unsigned number that tables show.
    pub const fn relative(self, base: Self) -> u32 {
        self.0.wrapping_sub(base.0)
    }

    const fn distance(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

impl Add<u32> for Seq {
    type Output = Self;
    fn add(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl Sub<u32> for Seq {
    type Output = Self;
    fn sub(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

impl Sub for Seq {
    type Output = i32;
    /// The signed distance: negative where `other` is ahead.
    fn sub(self, other: Self) -> i32 {
        self.distance(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        let high = Seq(u32::MAX - 9);
        let low = high + 20;
        assert_eq!(low, Seq(10));
        assert!(high.before(low) && low.after(high));
        assert_eq!(low - high, 20);
        assert_eq!(high - low, -20);
        assert_eq!(high.relative(low), u32::MAX - 19);
    }
}
