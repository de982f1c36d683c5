//! What is measured, and what is wanted of it.

/// Where server and load run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Each on a processor of its own.
    Apart,
    /// Wherever the system likes.
    Free,
    /// The load on one processor, the server wherever it likes.
    LoadStays,
}

/// A load, and who is measured under it.
pub struct Case {
    /// On the command line.
    pub name: &'static str,
    pub title: &'static str,
    /// What `load` is told.
    pub load: &'static [&'static str],
    /// How many loads at once.
    pub loads: usize,
    pub place: Place,
    /// Another way to find how fast to send than the system's.
    pub congestion: Option<&'static str>,
    pub peers: &'static [&'static str],
    pub goals: &'static [Goal],
}

impl Case {
    pub fn is_bulk(&self) -> bool {
        self.load.first() == Some(&"bulk")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Round trips, connections or MiB in a second.
    Rate,
    /// Processor time of the server: µs of each, or seconds a GiB.
    Cost,
    P50,
    P99,
}

#[derive(Clone, Copy)]
pub enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

pub struct Goal {
    pub figure: Figure,
    pub ours: &'static str,
    /// `None`: the best of the others.
    pub beside: Option<&'static str>,
    pub wanted: Wanted,
}

const fn goal(figure: Figure, ours: &'static str, beside: Option<&'static str>, wanted: Wanted) -> Goal {
    Goal { figure, ours, beside, wanted }
}

const NEVER_SLOWER: Goal = goal(Figure::Rate, "enchufe", None, Wanted::AtLeast(0.97));
const CHEAPER: Goal = goal(Figure::Cost, "enchufe", Some("C epoll"), Wanted::AtMost(0.97));
const BULK_GOALS: &[Goal] =
    &[goal(Figure::Cost, "enchufe", Some("C epoll 256 KiB"), Wanted::AtMost(1.0)), NEVER_SLOWER];

const ALL: &[&str] = &["enchufe", "C epoll", "C threads", "tokio", "mio", "Go net", "asyncio", "socat"];
const ONE: &[&str] = &[
    "enchufe",
    "enchufe --busy-poll",
    "C epoll",
    "C threads",
    "tokio",
    "mio",
    "Go net",
    "asyncio",
    "socat",
    "report 1",
];
const MANY: &[&str] = &["enchufe", "C epoll", "tokio", "mio", "Go net", "asyncio"];
const FAST: &[&str] = &["enchufe", "C epoll", "tokio", "mio", "Go net"];
const CHURN: &[&str] =
    &["enchufe", "enchufe --busy-poll", "C epoll", "C threads", "tokio", "mio", "Go net", "asyncio"];
const BULK: &[&str] = &["enchufe", "C epoll 256 KiB", "C epoll", "tokio", "mio", "Go net", "asyncio"];
const TLS: &[&str] = &["enchufe --tls", "tokio-rustls", "socat OPENSSL"];
const TLS_GOALS: &[Goal] = &[
    goal(Figure::Rate, "enchufe --tls", None, Wanted::AtLeast(0.97)),
    goal(Figure::Cost, "enchufe --tls", Some("tokio-rustls"), Wanted::AtMost(1.0)),
];
const TWO: &[&str] = &["enchufe", "enchufe --cpus off", "C epoll", "tokio", "mio", "Go net"];

const fn apart(
    name: &'static str,
    title: &'static str,
    load: &'static [&'static str],
    peers: &'static [&'static str],
    goals: &'static [Goal],
) -> Case {
    Case { name, title, load, loads: 1, place: Place::Apart, congestion: None, peers, goals }
}

const fn two(
    name: &'static str,
    title: &'static str,
    load: &'static [&'static str],
    goals: &'static [Goal],
) -> Case {
    Case { name, title, load, loads: 2, place: Place::Free, congestion: None, peers: TWO, goals }
}

/// Measured when what has to move has moved.
const fn stays(name: &'static str, title: &'static str, load: &'static [&'static str]) -> Case {
    Case { loads: 1, place: Place::LoadStays, ..two(name, title, load, &[NEVER_SLOWER]) }
}

pub const CASES: &[Case] = &[
    apart(
        "one",
        "1 connection, 19 bytes",
        &["rounds"],
        ONE,
        &[
            goal(Figure::P50, "enchufe --busy-poll", None, Wanted::AtMost(0.4)),
            goal(Figure::P50, "enchufe --busy-poll", Some("report 1"), Wanted::AtMost(0.25)),
            NEVER_SLOWER,
        ],
    ),
    Case {
        loads: 1,
        peers: &["enchufe", "C epoll", "tokio", "mio", "Go net", "report 1"],
        ..two(
            "one-free",
            "1 connection, server and load where the system likes, 19 bytes",
            &["rounds"],
            &[goal(Figure::P50, "enchufe", Some("report 1"), Wanted::AtMost(0.25)), NEVER_SLOWER],
        )
    },
    apart("fifty", "50 connections, 19 bytes", &["rounds", "connections=50"], ALL, &[CHEAPER, NEVER_SLOWER]),
    apart(
        "many",
        "500 connections, 19 bytes",
        &["rounds", "connections=500"],
        MANY,
        &[CHEAPER, NEVER_SLOWER],
    ),
    apart(
        "large",
        "50 connections, 16 KiB",
        &["rounds", "connections=50", "size=16384"],
        FAST,
        &[NEVER_SLOWER],
    ),
    apart(
        "pairs",
        "50 connections, 2 messages of 19 bytes on their way in each",
        &["rounds", "connections=50", "depth=2"],
        FAST,
        &[NEVER_SLOWER],
    ),
    apart(
        "pipelined",
        "50 connections, 16 messages of 19 bytes on their way in each",
        &["rounds", "connections=50", "depth=16"],
        FAST,
        &[
            goal(Figure::Rate, "enchufe", Some("C epoll"), Wanted::AtLeast(1.3)),
            goal(Figure::Cost, "enchufe", Some("C epoll"), Wanted::AtMost(0.8)),
            NEVER_SLOWER,
        ],
    ),
    apart(
        "churn",
        "new connections, 32 at a time, 19 bytes each",
        &["churn", "connections=32"],
        CHURN,
        &[
            goal(Figure::Rate, "enchufe --busy-poll", None, Wanted::AtLeast(1.0)),
            goal(Figure::Cost, "enchufe", Some("C epoll"), Wanted::AtMost(0.9)),
            NEVER_SLOWER,
        ],
    ),
    Case {
        congestion: Some("cubic"),
        ..apart("bulk", "1 GiB through one connection, cubic", &["bulk"], BULK, BULK_GOALS)
    },
    apart("bulk-system", "1 GiB through one connection", &["bulk"], BULK, BULK_GOALS),
    apart("tls", "TLS, 50 connections, 19 bytes", &["rounds", "connections=50", "tls=1"], TLS, TLS_GOALS),
    apart("tls-bulk", "TLS, 1 GiB through one connection", &["bulk", "tls=1"], TLS, TLS_GOALS),
    two(
        "two-one",
        "two loads of 1 connection, 19 bytes",
        &["rounds"],
        &[goal(Figure::Rate, "enchufe", None, Wanted::AtLeast(3.0))],
    ),
    two(
        "two-fifty",
        "two loads of 50 connections, 19 bytes",
        &["rounds", "connections=50"],
        &[
            goal(Figure::Rate, "enchufe", None, Wanted::AtLeast(1.5)),
            goal(Figure::P99, "enchufe", None, Wanted::AtMost(0.2)),
        ],
    ),
    two(
        "two-many",
        "two loads of 500 connections, 19 bytes",
        &["rounds", "connections=500"],
        &[goal(Figure::Rate, "enchufe", None, Wanted::AtLeast(1.35))],
    ),
    stays(
        "stays-fifty",
        "50 connections of a load that stays on one processor, 19 bytes",
        &["rounds", "connections=50", "warm=1200"],
    ),
    stays(
        "stays-many",
        "500 connections of a load that stays on one processor, 19 bytes",
        &["rounds", "connections=500", "warm=1200"],
    ),
];
