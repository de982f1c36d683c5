//! Conditions on the addresses and ports of a frame: simple enough for a program in a kernel.

/// An end of a frame's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Who sent it.
    Source,
    /// To whom.
    Destination,
}

/// A condition on addresses and ports. Made by its functions it is as short as they can: no constant and no `All`
/// in an `All`, and what two of them hold stands in one order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Every frame.
    Always,
    /// No frame.
    Never,
    /// The port lies between these, both included.
    Port(Side, u16, u16),
    /// The IPv4 address lies between these, both included.
    Ipv4(Side, u32, u32),
    /// So many first bits of the IPv6 address, at least one, are those of this one.
    Ipv6(Side, u128, u32),
    /// It does not hold.
    Not(Box<Condition>),
    /// All of them hold.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
}

impl Condition {
    pub(super) fn all(row: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for one in row {
            match one {
                Self::Always => {}
                Self::Never => return Self::Never,
                Self::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::joined(flat, Self::Always, Self::All)
    }

    pub(super) fn any(row: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for one in row {
            match one {
                Self::Never => {}
                Self::Always => return Self::Always,
                Self::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::joined(flat, Self::Never, Self::Any)
    }

    fn joined(mut flat: Vec<Self>, none: Self, many: fn(Vec<Self>) -> Self) -> Self {
        flat.sort_unstable();
        flat.dedup();
        if flat.len() > 1 { many(flat) } else { flat.pop().unwrap_or(none) }
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// The same of frames that go the other way.
    pub(super) fn reversed(&self) -> Self {
        let other = |side: Side| match side {
            Side::Source => Side::Destination,
            Side::Destination => Side::Source,
        };
        match self {
            Self::Always => Self::Always,
            Self::Never => Self::Never,
            Self::Port(side, low, high) => Self::Port(other(*side), *low, *high),
            Self::Ipv4(side, low, high) => Self::Ipv4(other(*side), *low, *high),
            Self::Ipv6(side, network, bits) => Self::Ipv6(other(*side), *network, *bits),
            Self::Not(inner) => inner.reversed().not(),
            Self::All(row) => Self::all(row.iter().map(Self::reversed)),
            Self::Any(row) => Self::any(row.iter().map(Self::reversed)),
        }
    }
}
