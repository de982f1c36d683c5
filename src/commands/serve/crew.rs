//! Which engine serves, on how many threads and which processors, and whether what it needs is there.

use super::{Plan, metrics};
use crate::catalogue::human_time;
use crate::flags;
use crate::plan::{self, Times};
use crate::problem::{Kind, Problem};
#[cfg(have_watch)]
use enchufe_sys::affinity;
use enchufe_sys::host;
use enchufe_talk::TalkError;
use enchufe_talk::engine::{self, BusyPoll, Ready};
use std::num::NonZeroUsize;
use std::time::Duration;

/// Descriptors of the program itself: standard streams, log, signals, stops, what the system's libraries open.
const OWN: u64 = 32;
/// Of each thread of an engine that has a few: its epoll and its bell.
const OF_A_THREAD: u64 = 2;
/// Of each that has others to hand connections over to: where the kernel counts what it does.
const BESIDE_OTHERS: u64 = 1;

/// Who does the work.
#[derive(Debug)]
pub struct Crew {
    /// The engine that was named; `None`: the best that can be had.
    engine: Option<engine::Kind>,
    /// Of an engine that has a few; `None`: as many as there are processors for.
    pub threads: Option<NonZeroUsize>,
    pub processors: Vec<usize>,
    pub busy_poll: BusyPoll,
}

impl Crew {
    pub fn new(flags: &flags::Serve) -> Result<Self, Problem> {
        let engine = engine(flags.engine.as_deref())?;
        let few = [
            ("--threads", flags.threads.is_some()),
            ("--cpus", flags.cpus.is_some()),
            ("--busy-poll", flags.busy_poll.is_some()),
        ];
        // The best one has, where these flags are.
        let has_few = engine.is_none_or(engine::Kind::has_few_threads);
        if let Some((flag, _)) = few.iter().find(|(_, given)| *given && !has_few) {
            return Err(Problem::new(Kind::FlagGoesWith)
                .with("flag", flag)
                .with("others", "--engine epoll, --engine uring"));
        }
        // One at a time is no more than any bound.
        if engine == Some(engine::Kind::Blocking) && flags.max_connections.is_some() {
            let others = engine::Kind::ALL.iter().filter(|other| Some(**other) != engine);
            let others: Vec<_> = others.map(|other| format!("--engine {}", other.name())).collect();
            let problem = Problem::new(Kind::FlagGoesWith).with("flag", "--max-connections");
            return Err(problem.with("others", others.join(", ")));
        }
        let named = match flags.cpus.as_deref() {
            None | Some("auto") => None,
            Some("off") => Some(Vec::new()),
            Some(list) => Some(processors(list)?),
        };
        let threads = threads(flags.threads.as_deref(), named.as_deref().unwrap_or_default())?;
        let busy_poll = busy_poll(flags.busy_poll.as_deref())?;
        let processors = match named {
            Some(named) => steered(named, threads)?,
            // One that looks before it waits hands nothing over: it would have to do with what its processor leaves it.
            None if has_few && busy_poll == BusyPoll::Off => one_each(threads),
            None => Vec::new(),
        };
        Ok(Self { engine, threads, processors, busy_poll })
    }

    /// The engine that serves, if it can have as many connections as are allowed, where so many sockets to listen on were handed on.
    pub fn ready(&self, plan: &Plan, handed: usize) -> Result<Ready, Problem> {
        // Before there is a ring: how many places its table has follows from it.
        let limit = host::raise_descriptor_limit();
        let ready = match self.engine {
            // A program for each connection is waited for by a thread each, whatever serves otherwise.
            _ if plan.program.is_some() => Ready::new(engine::Kind::Threads, &plan.limits)?,
            Some(engine) => Ready::new(engine, &plan.limits)?,
            None => Ready::best(&plan.limits)?,
        };
        self.fits(ready.kind(), plan, handed, limit)?;
        Ok(ready)
    }

    /// Whether as many connections as are allowed can be had of this engine with this limit of descriptors, where so many sockets to
    /// listen on were handed on.
    fn fits(
        &self,
        engine: engine::Kind,
        plan: &Plan,
        handed: usize,
        limit: Option<u64>,
    ) -> Result<(), Problem> {
        let connections = plan.limits.connections;
        if connections == usize::MAX || engine == engine::Kind::Blocking {
            return Ok(());
        }
        let threads = self.threads.map_or_else(|| usual_threads(&self.processors), NonZeroUsize::get) as u64;
        let addresses = if handed > 0 { handed as u64 } else { 2 * plan.endpoints.len() as u64 };
        let of_a_thread = OF_A_THREAD + if threads > 1 { BESIDE_OTHERS } else { 0 };
        let own = if engine.has_few_threads() { threads * (of_a_thread + addresses) } else { addresses };
        let beside = if plan.metrics.is_some() { 3 + metrics::MOST as u64 } else { 0 };
        let (own, connections) = (OWN + beside + own, connections as u64);
        if let Some(places) = places(engine, threads).filter(|places| *places < connections) {
            let problem = Problem::new(Kind::BeyondTables).with("connections", connections);
            return Err(problem.count("threads", threads).with("places", places));
        }
        // Beside its socket: to wait for the program, and, where that cannot have the socket itself, the server's end of what it has; to be
        // told of the operator's answer.
        let needed = match plan.service {
            "exec" if plan.identity.is_some() => own + 3 * connections,
            "exec" => own + 2 * connections,
            "ask" if engine == engine::Kind::Threads => own + 2 * connections,
            _ if engine.takes_descriptors() => own + connections,
            _ => with_tables(own, threads, connections),
        };
        let Some(limit) = limit.filter(|limit| *limit < needed) else { return Ok(()) };
        let problem = match most_descriptors().filter(|most| *most < needed) {
            Some(most) => Problem::new(Kind::DescriptorsBeyond).with("most", most),
            None => Problem::new(self.too_few(engine)).with("limit", limit),
        };
        Err(problem.with("connections", connections).with("needed", needed))
    }

    /// Another engine may need fewer, if it was not named and only cannot be had now.
    fn too_few(&self, engine: engine::Kind) -> Kind {
        let gave_way = self.engine.is_none() && engine.has_few_threads() && engine != engine::Kind::best();
        if gave_way { Kind::DescriptorsWithoutRings } else { Kind::DescriptorsTooFew }
    }
}

/// How many connections there are places for whatever the limit of descriptors is, where they lie in tables.
#[cfg(have_watch)]
fn places(engine: engine::Kind, threads: u64) -> Option<u64> {
    let places = threads * engine::MOST_RINGS as u64 * u64::from(engine::MOST_SOCKETS);
    (!engine.takes_descriptors()).then_some(places)
}

#[cfg(not(have_watch))]
const fn places(_: engine::Kind, _: u64) -> Option<u64> {
    None
}

/// The least limit under which tables have places for so many: each is a descriptor beside `own`, which has the first of each thread, and
/// has as many places as the limit is. There is one where the largest ones have.
#[cfg(have_watch)]
fn with_tables(own: u64, threads: u64, connections: u64) -> u64 {
    let fits = |limit: &u64| {
        let tables = connections.div_ceil((*limit).min(engine::MOST_SOCKETS.into()));
        tables <= threads * engine::MOST_RINGS as u64 && own + tables.saturating_sub(threads) <= *limit
    };
    let largest = own.max(engine::MOST_SOCKETS.into()) + threads * engine::MOST_RINGS as u64;
    (own..=largest).find(fits).unwrap_or(own)
}

#[cfg(not(have_watch))]
const fn with_tables(own: u64, _: u64, _: u64) -> u64 {
    own
}

/// What no limit of descriptors can be above (`fs.nr_open`, proc(5)).
#[cfg(have_watch)]
fn most_descriptors() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/fs/nr_open").ok()?.trim().parse().ok()
}

#[cfg(not(have_watch))]
const fn most_descriptors() -> Option<u64> {
    None
}

/// The engine that was named, if the system has and allows it.
fn engine(word: Option<&str>) -> Result<Option<engine::Kind>, Problem> {
    let Some(word) = word else { return Ok(None) };
    let names = engine::Kind::ALL.iter().map(|kind| kind.name());
    let choices: Vec<&str> = std::iter::once("auto").chain(names).collect();
    let Some(kind) = engine::Kind::named(plan::choice("--engine", word, &choices)?) else { return Ok(None) };
    match kind.is_allowed() {
        Err(TalkError::Resources { call, error }) => {
            let works = engine::Kind::best().name();
            let problem = Problem::new(Kind::EngineRefused).with("engine", kind.name()).with("works", works);
            Err(problem.with("call", call).cause(&error))
        }
        result => Ok(result.map(|()| Some(kind))?),
    }
}

fn busy_poll(word: Option<&str>) -> Result<BusyPoll, Problem> {
    let Some(word) = word else { return Ok(BusyPoll::Off) };
    if plan::parse_time(word).is_some() {
        return Ok(plan::limit("--busy-poll", Some(word))?.map_or(BusyPoll::Off, BusyPoll::For));
    }
    match word {
        "auto" => Ok(BusyPoll::Auto),
        "off" => Ok(BusyPoll::Off),
        _ => Err(Problem::new(Kind::BadBusyPoll).with("word", crate::text::escape(word.as_bytes()))),
    }
}

/// Processors that this program may use: its mask, and the quota of its control group.
fn available() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// As many threads as there are where no number is given, and at most.
fn usual_threads(processors: &[usize]) -> usize {
    if processors.is_empty() { available() } else { processors.len() }
}

fn threads(word: Option<&str>, processors: &[usize]) -> Result<Option<NonZeroUsize>, Problem> {
    let Some(word) = word.filter(|word| *word != "auto") else { return Ok(None) };
    let most = usual_threads(processors);
    let bad = || {
        let problem = Problem::new(Kind::BadThreads).with("word", crate::text::escape(word.as_bytes()));
        problem.with("most", most)
    };
    let threads: usize = word.parse().ok().filter(|threads| *threads > 0).ok_or_else(bad)?;
    let kind = if processors.is_empty() { Kind::TooManyThreads } else { Kind::ThreadsBeyondNamed };
    if threads > most {
        return Err(Problem::new(kind).with("threads", threads).with("most", most));
    }
    Ok(NonZeroUsize::new(threads))
}

/// All processors that this program may use, where as many threads are wanted, its control group leaves it all of them, and the system
/// lets threads have their own.
#[cfg(have_watch)]
fn one_each(threads: Option<NonZeroUsize>) -> Vec<usize> {
    let all = affinity::allowed().unwrap_or_default();
    let wanted = threads.map_or_else(available, NonZeroUsize::get);
    let fits = wanted > 1 && wanted == all.len() && wanted == available();
    if fits && affinity::may_be_chosen() { all } else { Vec::new() }
}

/// Those that were named, if connections come to the thread of the right one, where each has one.
#[cfg(have_watch)]
fn steered(named: Vec<usize>, threads: Option<NonZeroUsize>) -> Result<Vec<usize>, Problem> {
    if named.len() < 2 || threads.is_some_and(|threads| threads.get() != named.len()) {
        return Ok(named);
    }
    match engine::astray(&named) {
        Ok(Some(processor)) => Err(Problem::new(Kind::NotSteered).with("processor", processor)),
        // Where it cannot be tried nothing is known against it.
        Ok(None) | Err(_) => Ok(named),
    }
}

#[cfg(not(have_watch))]
fn one_each(_: Option<NonZeroUsize>) -> Vec<usize> {
    Vec::new()
}

#[cfg(not(have_watch))]
fn steered(named: Vec<usize>, _: Option<NonZeroUsize>) -> Result<Vec<usize>, Problem> {
    Ok(named)
}

/// No engine of this system has a few threads, and the flag is not there.
#[cfg(not(have_watch))]
fn processors(_: &str) -> Result<Vec<usize>, Problem> {
    Err(Problem::new(Kind::FlagNotHere).with("flag", "--cpus"))
}

/// `0-3,6`
#[cfg(have_watch)]
fn processors(text: &str) -> Result<Vec<usize>, Problem> {
    let shown = || crate::text::escape(text.as_bytes());
    let bad = || Problem::new(Kind::BadProcessors).with("word", shown());
    let mut wanted = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u16>().map_err(|_| bad());
        let range = number(first)?..=number(last)?;
        if range.is_empty() {
            return Err(bad());
        }
        for number in range.map(usize::from) {
            if !wanted.contains(&number) {
                wanted.push(number);
            }
        }
    }
    let allowed = affinity::allowed().map_err(|error| Problem::resources("sched_getaffinity", &error))?;
    if wanted.iter().all(|number| allowed.contains(number)) {
        return Ok(wanted);
    }
    Err(Problem::new(Kind::ProcessorForbidden).with("word", shown()).with("allowed", ranges(&allowed)))
}

/// Numbers in order as `0-3,6`.
fn ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for number in numbers.iter().copied() {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let text = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

/// Whether each limit of a connection, and the silence that completes a message, can come before the others end it.
pub fn come(times: &Times, quiet: Option<Duration>) -> Result<(), Problem> {
    let Times { first_byte, idle, deadline, .. } = *times;
    let before = |flag: &str, time: Option<Duration>, other: &str, limit: Option<Duration>, comes: bool| {
        let Some((time, limit)) = time.zip(limit).filter(|_| !comes) else { return Ok(()) };
        Err(Problem::new(Kind::NeverComes)
            .with("flag", flag)
            .with("time", human_time(time))
            .with("other", other)
            .with("limit", human_time(limit)))
    };
    // At the same moment it is the deadline that ends it, and the first byte before the silence.
    before("--idle", idle, "--deadline", deadline, idle < deadline)?;
    before("--first-byte", first_byte, "--deadline", deadline, first_byte < deadline)?;
    before("--first-byte", first_byte, "--idle", idle, first_byte <= idle)?;
    before("--quiet-time", quiet, "--idle", idle, quiet < idle)?;
    before("--quiet-time", quiet, "--deadline", deadline, quiet < deadline)
}

/// Whether so many connections at a time, if a number was given, are let in at all.
pub fn is_reached(flags: &flags::Serve, connections: usize, accept: Option<u64>) -> Result<(), Problem> {
    let Some(most) = accept.filter(|most| flags.max_connections.is_some() && connections as u64 > *most)
    else {
        return Ok(());
    };
    let other = if flags.once { "--once".to_owned() } else { format!("--accept {most}") };
    let problem = Problem::new(Kind::NeverReached).with("connections", connections);
    Err(problem.with("other", other).with("most", most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_written_as_they_are_read() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges(&[]), "");
        let allowed = affinity::allowed().unwrap();
        assert_eq!(processors(&ranges(&allowed)).unwrap(), allowed);
        let (first, twice) = (allowed[0], format!("{0},{0}-{0}", allowed[0]));
        assert_eq!(processors(&twice).unwrap(), [first]);
        for wrong in ["", "a", "1-", "-1", "3-1", "0,,1", "0x1", "70000"] {
            assert_eq!(processors(wrong).unwrap_err().kind, Kind::BadProcessors, "{wrong}");
        }
        assert_eq!(processors("65535").unwrap_err().kind, Kind::ProcessorForbidden);
    }
}
