//! `enchufe serve`

mod crew;
#[cfg_attr(not(have_watch), path = "serve/no_manager.rs")]
mod manager;
mod metrics;
mod status;

use self::crew::Crew;
use self::manager::Manager;
use self::metrics::Desk;
#[cfg(have_watch)]
use super::trace::cannot_run;
use super::{Tale, stop_on_signals, teller, tls};
use crate::catalogue::Catalogue;
use crate::exit::Code;
use crate::flags;
use crate::plan::{self, Common, Times};
use crate::problem::{Kind, Problem};
use crate::reporter::{Audience, Events, Teller};
use crate::transcript::Shown;
use enchufe_sys::host;
#[cfg(have_watch)]
use enchufe_sys::host::{Interest, Watch};
#[cfg(have_watch)]
use enchufe_sys::signals::SignalPipe;
use enchufe_talk::connect::Family;
use enchufe_talk::engine::{self, Host, Limits, Program, Ready, Summary};
use enchufe_talk::listen::{self, Listener};
use enchufe_talk::options::SocketOption;
use enchufe_talk::services::{Ask, Chargen, Daytime, Discard, Echo, LineEnding, Receive, Reply, Until};
use enchufe_talk::tls::Identity;
use enchufe_talk::{Counters, Endpoint, Operator, Reporter, Service, Stop, Told};
#[cfg(have_watch)]
use enchufe_watch::trace::find;
use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const SERVICES: &[&str] = &[
    "echo",
    "receive",
    "reply",
    "ask",
    "discard",
    "chargen",
    "daytime",
    #[cfg(have_watch)]
    "exec",
];
const BACKLOG: u32 = 4096;
/// Of reads of a connection that streams.
const STREAM_SIZE: usize = 512 * 1024;
const QUIET_TIME: Duration = Duration::from_millis(50);
const MOST: usize = 10_000_000;

/// What is to be served, and how.
struct Plan {
    service: &'static str,
    answer: Vec<u8>,
    /// What `exec` runs.
    program: Option<Program>,
    until: Until,
    crew: Crew,
    endpoints: Vec<Endpoint>,
    family: Family,
    backlog: Option<u32>,
    limits: Limits,
    options: Vec<SocketOption>,
    /// Where to answer who looks after it.
    metrics: Option<Endpoint>,
    events: Events,
    /// A line a second says how it goes.
    status: bool,
    /// Who it is, where connections are of TLS.
    identity: Option<Identity>,
}

pub fn serve(flags: &flags::Serve, common: Common, catalogue: &'static Catalogue) -> Result<Code, Problem> {
    let mut manager = Manager::take()?;
    let plan = plan(flags)?;
    if manager.sockets() > 0 {
        let chooses =
            [("--listen", !flags.listen.is_empty()), ("-4", flags.socket.ipv4), ("-6", flags.socket.ipv6)];
        if let Some((flag, _)) = chooses.iter().find(|(_, given)| *given) {
            return Err(Problem::new(Kind::ListenInherited).with("flag", flag));
        }
    }
    if plan.service == "ask" && !io::stdin().is_terminal() {
        return Err(Problem::new(Kind::NoTerminal));
    }
    let engine = plan.crew.ready(&plan, manager.sockets())?;
    // Each of its threads would keep what one of them needed once. The other engines read into buffers of 128 KiB and more, which they had
    // better have at hand.
    if engine.kind() == engine::Kind::Threads {
        host::give_back_early();
    }
    let stop = stop_on_signals()?;
    let shown = match plan.service {
        "receive" => Shown::Whole,
        "discard" | "chargen" => Shown::Hidden,
        _ => Shown::Text,
    };
    let numbered = engine.kind() != engine::Kind::Blocking;
    let tale = Tale { audience: Audience::Server, events: plan.events, shown, numbered };
    let teller = teller(&flags.telling, common, &tale, &stop, catalogue)?;
    teller.keep_time()?;
    #[cfg(have_watch)]
    if flags.telling.log.is_some() || plan.identity.is_some() {
        renew_on_hang_up(&teller, plan.identity.clone(), flags.tls.clone())?;
    }
    let opened = open(&plan, &mut manager, &teller, &stop)?;
    manager.tell(&stop)?;
    if let (true, Some(counters)) = (plan.status, &opened.counters) {
        status::show(counters, &teller, catalogue)?;
    }
    let summary = run(&plan, flags.ending.into(), (engine, opened), &teller, &stop);
    manager.end();
    if let Some(problem) = teller.problem() {
        return Err(problem);
    }
    match summary?.cut {
        0 => Ok(Code::Fine),
        cut => Err(Problem::new(Kind::DrainCut).count("cut", cut)),
    }
}

/// What a server has open before anybody is let in.
struct Opened {
    listeners: Vec<Listener>,
    counters: Option<Arc<Counters>>,
}

fn open(
    plan: &Plan,
    manager: &mut Manager,
    teller: &Arc<Teller>,
    stop: &Arc<Stop>,
) -> Result<Opened, Problem> {
    let beside = match &plan.metrics {
        Some(endpoint) => Some(metrics::listen(endpoint, plan, teller, stop)?),
        None => None,
    };
    let listeners = if manager.sockets() > 0 {
        manager.listen(plan, teller)?
    } else {
        let addresses = listen::Plan {
            endpoints: &plan.endpoints,
            family: plan.family,
            backlog: plan.backlog.unwrap_or(BACKLOG),
            options: &plan.options,
        };
        listen::open(&addresses, &**teller, stop)
            .map_err(|error| metrics::explain(error, beside.as_deref().unwrap_or_default()))?
    };
    let counters = (beside.is_some() || plan.status).then(|| Arc::new(Counters::default()));
    if let Some((listeners, counters)) = beside.zip(counters.clone()) {
        Desk { listeners, counters, stop: Arc::clone(stop) }.open(teller)?;
    }
    Ok(Opened { listeners, counters })
}

/// signal(7)
#[cfg(have_watch)]
const SIGHUP: i32 = 1;

/// SIGHUP, by which those who keep logs say that they have moved one away, and those who keep certificates that there are new ones.
/// A pair that is no good changes nothing, and that is said on stderr.
#[cfg(have_watch)]
fn renew_on_hang_up(
    teller: &Arc<Teller>,
    identity: Option<Identity>,
    files: Vec<std::path::PathBuf>,
) -> Result<(), Problem> {
    let signals = SignalPipe::new(&[SIGHUP]).map_err(|error| Problem::resources("socketpair", &error))?;
    let teller = Arc::clone(teller);
    let watcher = move || {
        while host::wait(&mut [Watch::new(&signals, Interest::READ)], None).is_ok() {
            if signals.take() > 0 {
                teller.reopen_log();
                match (&identity, tls::identity(&files)) {
                    (Some(identity), Ok(Some(fresh))) => identity.become_the_same_as(&fresh),
                    (_, Err(problem)) => teller.complain(&problem),
                    _ => {}
                }
            }
        }
    };
    std::thread::Builder::new().spawn(watcher).map_err(|error| Problem::resources("clone", &error))?;
    Ok(())
}

fn run(
    plan: &Plan,
    ending: LineEnding,
    (engine, Opened { listeners, counters }): (Ready, Opened),
    teller: &Arc<Teller>,
    stop: &Arc<Stop>,
) -> Result<Summary, Problem> {
    let operator = Arc::new(Operator::default());
    let host = Host {
        reporter: &**teller,
        limits: plan.limits.clone(),
        stop,
        operator: (plan.service == "ask").then_some(&*operator),
        options: &plan.options,
        counters: counters.as_deref(),
        tls: plan.identity.as_ref(),
    };
    let with = Running { engine, listeners, host: &host };
    match plan.service {
        "receive" => with.serve(&Receive),
        "reply" => with.serve(&Reply { answer: ending.add_to(plan.answer.as_slice()), until: plan.until }),
        "ask" => {
            listen_to_keyboard(&operator, teller, stop)?;
            with.serve(&Ask { until: plan.until, ending })
        }
        "discard" => with.serve(&Discard::default()),
        "chargen" => with.serve(&Chargen),
        "daytime" => with.serve(&Daytime { line: daytime }),
        #[cfg(have_watch)]
        "exec" => with.run(plan.program.as_ref()),
        _ => with.serve(&Echo),
    }
}

struct Running<'a> {
    engine: Ready,
    listeners: Vec<Listener>,
    host: &'a Host<'a>,
}

impl Running<'_> {
    fn serve<S: Service>(self, service: &S) -> Result<Summary, Problem> {
        Ok(self.engine.serve(self.listeners, service, self.host)?)
    }

    #[cfg(have_watch)]
    fn run(self, program: Option<&Program>) -> Result<Summary, Problem> {
        let program = program.ok_or_else(|| Problem::new(Kind::NothingToRun))?;
        Ok(engine::serve_program(self.listeners, program, self.host)?)
    }
}

/// Weekday, month, day, year, time and zone, as RFC 867 shows it.
fn daytime(now: SystemTime) -> String {
    match jiff::Timestamp::try_from(now) {
        Ok(now) => now.strftime("%A, %B %-d, %Y %H:%M:%S-UTC\r\n").to_string(),
        Err(_) => "\r\n".to_owned(),
    }
}

/// Reads the operator's lines in a thread of its own, which ends with the program.
fn listen_to_keyboard(
    operator: &Arc<Operator>,
    teller: &Arc<Teller>,
    stop: &Arc<Stop>,
) -> Result<(), Problem> {
    let (operator, teller, stop) = (Arc::clone(operator), Arc::clone(teller), Arc::clone(stop));
    let reader = move || {
        let mut keyboard = io::stdin().lock();
        let mut line = Vec::new();
        // A terminal that fails is a keyboard that is gone.
        while keyboard.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let typed = line.strip_suffix(host::TYPED_END).unwrap_or(&line).to_vec();
            if !operator.answer(typed) {
                teller.tell(None, &Told::LineIgnored);
            }
            line.clear();
        }
        teller.tell(None, &Told::OperatorLeft);
        operator.leave();
        stop.begin();
    };
    std::thread::Builder::new().spawn(reader).map_err(|error| Problem::resources("clone", &error))?;
    Ok(())
}

fn plan(flags: &flags::Serve) -> Result<Plan, Problem> {
    let service = service(flags)?;
    only_used(flags, service)?;
    let reads = reads(service);
    let crew = Crew::new(flags)?;
    let backlog = flags.backlog.as_deref();
    let until = until(flags)?;
    Ok(Plan {
        service,
        answer: if reads { answer(flags, service)? } else { Vec::new() },
        program: if reads { None } else { Some(program(flags)?) },
        limits: limits(flags, &crew, quiet_time(service, until))?,
        until,
        crew,
        endpoints: endpoints(flags, service)?,
        family: Family::from(&flags.socket),
        backlog: backlog.map(|text| plan::number("--backlog", text, 1..=1_000_000)).transpose()?,
        options: plan::socket_options(&flags.socket)?,
        metrics: flags.metrics.as_deref().map(|text| plan::listener("--metrics", text)).transpose()?,
        identity: tls::identity(&flags.tls)?,
        events: events(flags.events.as_deref(), service)?,
        status: flags.status,
    })
}

/// Refuses flags that this service has no use for.
fn only_used(flags: &flags::Serve, service: &'static str) -> Result<(), Problem> {
    let (asks, reads) = (matches!(service, "reply" | "ask"), reads(service));
    // It opens what a program is to read.
    let sees = reads || !flags.tls.is_empty();
    let used = [
        ("--until", flags.until.is_some(), asks),
        ("--quiet-time", flags.quiet_time.is_some(), asks),
        ("--newline", flags.ending.newline, asks),
        ("--crlf", flags.ending.crlf, asks),
        ("--first-byte", flags.bounds.first_byte.is_some(), sees),
        ("--idle", flags.bounds.idle.is_some(), sees),
        ("--read-size", flags.bounds.read_size.is_some(), sees),
        ("--engine", flags.engine.is_some(), reads),
        ("--threads", flags.threads.is_some(), reads),
        ("--cpus", flags.cpus.is_some(), reads),
        ("--busy-poll", flags.busy_poll.is_some(), reads),
        // It would be written into what the operator types.
        ("--status", flags.status, service != "ask"),
    ];
    match used.iter().find(|(_, given, used)| *given && !used) {
        Some((flag, ..)) => Err(Problem::new(Kind::FlagNotUsed).with("flag", flag).with("service", service)),
        None => Ok(()),
    }
}

/// Whether the server reads from its connections: a program reads for itself, in a process of its own.
fn reads(service: &str) -> bool {
    service != "exec"
}

fn events(word: Option<&str>, service: &'static str) -> Result<Events, Problem> {
    Ok(match word.map(|word| plan::choice("--events", word, &["all", "fold", "none"])).transpose()? {
        Some("all") => Events::All,
        Some("none") => Events::None,
        // What comes is what it is for.
        None if service == "receive" => Events::All,
        _ => Events::Fold,
    })
}

fn service(flags: &flags::Serve) -> Result<&'static str, Problem> {
    let Some(word) = &flags.service else {
        return Err(Problem::new(Kind::NoService).with("choices", SERVICES.join(", ")));
    };
    if let Some(service) = SERVICES.iter().copied().find(|service| service == word) {
        return Ok(service);
    }
    let shown = crate::text::escape(word.as_bytes());
    if word.parse::<Endpoint>().is_ok() {
        return Err(Problem::new(Kind::ServicePort).with("port", shown));
    }
    Err(Problem::new(Kind::UnknownService).with("word", shown).with("choices", SERVICES.join(", ")))
}

fn answer(flags: &flags::Serve, service: &'static str) -> Result<Vec<u8>, Problem> {
    if let Some(word) = flags.extra.first() {
        let word = crate::text::escape(word.as_encoded_bytes());
        return Err(Problem::new(Kind::ExtraArgument).with("word", word));
    }
    match (&flags.answer, service) {
        (Some(answer), "reply") => Ok(answer.as_encoded_bytes().to_vec()),
        (None, "reply") => Err(Problem::new(Kind::NoAnswer)),
        (Some(word), _) => {
            let shown = crate::text::escape(word.as_encoded_bytes());
            Err(match word.to_str().map(str::parse::<Endpoint>) {
                Some(Ok(_)) => {
                    Problem::new(Kind::ServiceThenPort).with("service", service).with("port", shown)
                }
                _ => Problem::new(Kind::AnswerNotUsed)
                    .with("service", service)
                    .with("quoted", crate::text::shell_quoted(&word.to_string_lossy()))
                    .with("word", shown),
            })
        }
        (None, _) => Ok(Vec::new()),
    }
}

/// The program, looked up before anybody is let in.
#[cfg(have_watch)]
fn program(flags: &flags::Serve) -> Result<Program, Problem> {
    // An empty word is no program's name.
    let word = flags.answer.as_ref().filter(|word| !word.is_empty());
    let word = word.ok_or_else(|| Problem::new(Kind::NothingToRun))?;
    let file = find(word.as_encoded_bytes()).map_err(cannot_run)?;
    // Ours is raised only later.
    let descriptors = host::descriptor_limit();
    Ok(Program { file: file.into(), arguments: flags.extra.clone(), descriptors })
}

#[cfg(not(have_watch))]
fn program(_: &flags::Serve) -> Result<Program, Problem> {
    Err(Problem::new(Kind::NothingToRun))
}

fn until(flags: &flags::Serve) -> Result<Until, Problem> {
    let quiet = plan::limit("--quiet-time", flags.quiet_time.as_deref())?.unwrap_or(QUIET_TIME);
    match flags.until.as_deref() {
        None => Ok(Until::Quiet(quiet)),
        Some(word) => match plan::choice("--until", word, &["quiet", "line"])? {
            "line" if flags.quiet_time.is_some() => {
                Err(Problem::new(Kind::Conflict).with("flag", "--until line").with("other", "--quiet-time"))
            }
            "line" => Ok(Until::Line),
            _ => Ok(Until::Quiet(quiet)),
        },
    }
}

/// How much silence completes a message, where one does.
fn quiet_time(service: &str, until: Until) -> Option<Duration> {
    match (service, until) {
        ("reply" | "ask", Until::Quiet(time)) => Some(time),
        _ => None,
    }
}

fn endpoints(flags: &flags::Serve, service: &'static str) -> Result<Vec<Endpoint>, Problem> {
    let usual = if matches!(service, "receive" | "reply") { "8080" } else { "4000" };
    if flags.listen.is_empty() {
        return Ok(vec![plan::listener("--listen", usual)?]);
    }
    flags.listen.iter().map(|text| plan::listener("--listen", text)).collect()
}

fn limits(flags: &flags::Serve, crew: &Crew, quiet: Option<Duration>) -> Result<Limits, Problem> {
    let times = Times::new(&flags.bounds)?;
    crew::come(&times, quiet)?;
    let usual = Limits::default();
    let connections = match &flags.max_connections {
        Some(text) => plan::number("--max-connections", text, 1..=MOST)?,
        None => usual.connections,
    };
    let accept = match &flags.accept {
        Some(text) => Some(plan::number("--accept", text, 1..=u64::MAX)?),
        None => flags.once.then_some(1),
    };
    crew::is_reached(flags, connections, accept)?;
    Ok(Limits {
        first_byte: times.first_byte,
        idle: times.idle,
        deadline: times.deadline,
        connections,
        accept,
        read_size: times.read_size.unwrap_or(usual.read_size),
        // Who names a size has that one.
        stream_size: if times.read_size.is_none() { STREAM_SIZE } else { 0 },
        threads: crew.threads,
        processors: crew.processors.clone(),
        busy_poll: crew.busy_poll,
        drain: plan::time("--drain", flags.drain.as_deref())?.unwrap_or(usual.drain),
        ..usual
    })
}
