//! `enchufe send`

use super::{Tale, prompt, stop_on_signals, teller, tls};
use crate::catalogue::{Catalogue, human_time};
use crate::exit::Code;
use crate::flags;
use crate::plan::{self, Common, Times};
use crate::problem::{Kind, Problem};
use crate::reporter::{Audience, Events, Teller};
use crate::transcript::{self, Shown};
use enchufe_talk::address::Host;
use enchufe_talk::client::{self, Expect, HalfClose, Input, Outcome, Unmet, Verdict};
use enchufe_talk::connect::{self, Family};
use enchufe_talk::options::SocketOption;
use enchufe_talk::services::LineEnding;
use enchufe_talk::tls::Checked;
use enchufe_talk::told::About;
use enchufe_talk::{ConnectionId, End, Endpoint, Reason, Reporter, TalkError, Told};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(5);
const LINGER: Duration = Duration::from_secs(1);
const READ_SIZE: usize = 64 * 1024;

/// Where the input comes from.
#[derive(Debug)]
enum Origin {
    Message(Vec<u8>),
    File(File),
    Stdin,
    /// A person who is asked, once or until the end.
    Prompt {
        once: bool,
    },
}

struct Plan {
    target: Endpoint,
    origin: Origin,
    talk: client::Plan,
    source: Option<(IpAddr, u16)>,
    retry: Option<Duration>,
    timeout: Option<Duration>,
    options: Vec<SocketOption>,
    tls: Option<Checked>,
}

pub fn send(flags: &flags::Send, common: Common, catalogue: &'static Catalogue) -> Result<Code, Problem> {
    let ending = LineEnding::from(flags.ending);
    let plan = plan(flags)?;
    let audience = audience(&plan.origin);
    let stop = stop_on_signals()?;
    let tale = Tale { audience, events: Events::All, shown: Shown::Text, numbered: false };
    let teller = teller(&flags.telling, common, &tale, &stop, catalogue)?;
    let connected = connect::connect(
        &connect::Plan {
            endpoint: &plan.target,
            family: Family::from(&flags.socket),
            source: plan.source,
            timeout: plan.timeout,
            retry: plan.retry,
            options: &plan.options,
        },
        &*teller,
        &stop,
    )
    .inspect_err(|error| {
        // In text the sentence of the error says it all.
        if flags.telling.json {
            tell_unconnected(error, &teller);
        }
    });
    let connected = match connected {
        Ok(connected) => connected,
        // Stopped because of what could not be written, or because nobody reads it.
        Err(error) => match teller.problem() {
            Some(problem) => return Err(problem),
            None if teller.is_deaf() => return Ok(Code::Fine),
            None => return Err(connect_problem(error, &plan, catalogue)),
        },
    };
    let peer = connected.peer;
    let prompted = matches!(plan.origin, Origin::Prompt { .. });
    let terminal = prompted.then(prompt::Terminal::keep);
    let input = input(plan.origin, ending, &teller, catalogue)
        .map_err(|error| Problem::resources("clone", &error))?;
    // Raw bytes go to stdout where the events do not show them there.
    let raw = !flags.telling.json && matches!(audience, Audience::ClientPiped { .. });
    let mut sink = |bytes: &[u8]| if raw { write_out(bytes) } else { Ok(()) };
    let outcome = client::talk(connected, plan.tls.as_ref(), &input, &plan.talk, &mut sink, &*teller, &stop);
    teller.leave_prompt();
    drop(terminal);
    judge(&outcome, peer, &teller, catalogue)
}

/// What is said of a failed connect, where this command knows more than the error: the address that
/// could not be bound is that of `--source`.
fn connect_problem(error: TalkError, plan: &Plan, catalogue: &Catalogue) -> Problem {
    if let Some((peer, end)) = unconnected(&error)
        && matches!(end.reason, Reason::Reset)
    {
        let why = transcript::why(&end, catalogue);
        return Problem::new(Kind::Ended).with("peer", peer).with("why", why);
    }
    match (error, plan.retry) {
        (TalkError::AddressInUse { address, .. }, _) => {
            Problem::new(Kind::SourceInUse).with("address", address)
        }
        (TalkError::NotOurAddress { address }, _) => {
            Problem::new(Kind::SourceNotOurs).with("address", address)
        }
        (TalkError::Refused { address }, Some(limit)) => {
            Problem::new(Kind::RefusedStill).with("address", address).with("limit", human_time(limit))
        }
        (error, _) => Problem::from(error),
    }
}

/// A connection that was never made has its reason, too.
fn tell_unconnected(error: &TalkError, teller: &Teller) {
    if let Some((peer, end)) = unconnected(error) {
        teller.tell(Some(About { id: ConnectionId(1), peer }), &Told::Closed { end: &end });
    }
}

/// Where it went to, and how it ended. Who refuses it does so before it is made: it was made where the peer has reset it, if only for so
/// short that `connect` is told of both at once.
fn unconnected(error: &TalkError) -> Option<(SocketAddr, End)> {
    let (address, reason) = match error {
        TalkError::Refused { address } => (*address, Reason::Refused),
        TalkError::ConnectTimeout { address, limit } => (*address, Reason::Deadline(*limit)),
        TalkError::Call { call, address, error } => {
            let error =
                error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            (*address, Reason::of_error(*call, error))
        }
        _ => return None,
    };
    Some((address, End { reason, received: 0, sent: 0, unsent: 0, lasted: Duration::ZERO }))
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

fn audience(origin: &Origin) -> Audience {
    if io::stdout().is_terminal() {
        Audience::ClientOnTerminal
    } else {
        Audience::ClientPiped { bulk: matches!(origin, Origin::File(_) | Origin::Stdin) }
    }
}

fn input(
    origin: Origin,
    ending: LineEnding,
    teller: &Arc<Teller>,
    catalogue: &'static Catalogue,
) -> io::Result<Input> {
    match origin {
        Origin::Message(message) => Input::message(ending.add_to(message)),
        Origin::File(file) => Input::reader(file),
        Origin::Stdin => Input::reader(io::stdin()),
        Origin::Prompt { once } => prompt::input(once, ending, Arc::clone(teller), catalogue),
    }
}

/// The exit code, or the sentence for what was not as it was to be.
fn judge(
    outcome: &Outcome,
    peer: SocketAddr,
    teller: &Teller,
    catalogue: &Catalogue,
) -> Result<Code, Problem> {
    let written = outcome.output_error.as_ref();
    if written.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        // Nobody reads the answer any more: that is theirs to decide.
        return Ok(Code::Fine);
    }
    let written = written.map(|error| Problem::new(Kind::WriteOutput).cause(error));
    let told = teller.problem();
    let read = outcome.input_error.as_ref().map(|error| Problem::new(Kind::ReadInput).cause(error));
    if let Some(problem) = written.or(told).or(read) {
        return Err(problem);
    }
    if teller.is_deaf() {
        return Ok(Code::Fine);
    }
    let why = || transcript::why(&outcome.end, catalogue);
    match (outcome.verdict, &outcome.end.reason) {
        (Verdict::Unmet(unmet), _) => Err(explain(unmet)),
        (Verdict::NotAcknowledged, _) => {
            Err(Problem::new(Kind::NotAcknowledged).with("peer", peer).with("why", why()))
        }
        (_, Reason::PeerFinished | Reason::OwnEnd) => Ok(Code::Fine),
        (Verdict::NotTold, _) => Err(Problem::new(Kind::NotTold).with("peer", peer).with("why", why())),
        _ => Err(Problem::new(Kind::Ended).with("peer", peer).with("why", why())),
    }
}

fn explain(unmet: Unmet) -> Problem {
    let byte = |byte: u8| format!("0x{byte:02x} ({})", crate::text::escape(&[byte]));
    match unmet {
        Unmet::EchoMissing { missing } => Problem::new(Kind::EchoMissing).count("missing", missing),
        Unmet::EchoDiffers { offset, sent, came } => Problem::new(Kind::EchoDiffers)
            .with("offset", offset)
            .with("sent", byte(sent))
            .with("came", byte(came)),
        Unmet::NoLine => Problem::new(Kind::NoLine),
        Unmet::TooFew { came, wanted } => {
            Problem::new(Kind::TooFew).with("came", came).with("wanted", wanted)
        }
        Unmet::TooMany { extra } => Problem::new(Kind::TooMany).count("extra", extra),
    }
}

fn plan(flags: &flags::Send) -> Result<Plan, Problem> {
    let target = target(flags)?;
    let expect = match flags.expect.as_deref() {
        None => None,
        Some(word) => Some(word.parse::<Expect>().map_err(|()| {
            Problem::new(Kind::BadChoice)
                .with("flag", "--expect")
                .with("word", crate::text::escape(word.as_bytes()))
                .with("choices", "echo, line, bytes=N, nothing")
        })?),
    };
    let times = Times::new(&flags.bounds)?;
    let talk = client::Plan {
        half_close: if flags.no_half_close { HalfClose::Never } else { HalfClose::AtInputEnd },
        reply: if flags.no_reply { client::Reply::Ignore } else { client::Reply::Show },
        expect,
        read_size: times.read_size.unwrap_or(READ_SIZE),
        wait: plan::limit("--wait", flags.wait.as_deref())?.unwrap_or(WAIT),
        first_byte: times.first_byte,
        idle: times.idle,
        deadline: times.deadline,
        linger: LINGER,
    };
    if flags.wait.is_some() && !flags.no_reply && expect != Some(Expect::Nothing) {
        return Err(goes_with("--wait", "--no-reply, --expect nothing"));
    }
    let origin = origin(flags)?;
    if matches!(origin, Origin::File(_) | Origin::Stdin) {
        let given = [("--newline", flags.ending.newline), ("--crlf", flags.ending.crlf)];
        if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
            return Err(goes_with(flag, "MESSAGE"));
        }
    }
    let flags::Trust { tls: secured, tls_ca: authorities } = &flags.trust;
    if authorities.is_some() && !secured {
        return Err(goes_with("--tls-ca", "--tls"));
    }
    let tls = secured.then(|| tls::checked(&target, authorities.as_deref())).transpose()?;
    Ok(Plan {
        tls,
        target,
        origin,
        talk,
        source: flags.source.as_deref().map(source).transpose()?,
        retry: plan::limit("--retry", flags.retry.as_deref())?,
        timeout: plan::limit("--connect-timeout", flags.connect_timeout.as_deref())?,
        options: plan::socket_options(&flags.socket)?,
    })
}

fn goes_with(flag: &str, others: &str) -> Problem {
    Problem::new(Kind::FlagGoesWith).with("flag", flag).with("others", others)
}

fn target(flags: &flags::Send) -> Result<Endpoint, Problem> {
    let Some(text) = &flags.target else { return Err(Problem::new(Kind::NoTarget)) };
    if let Some(problem) = port_apart(text, flags) {
        return Err(problem);
    }
    if let Some(word) = flags.extra.first() {
        return Err(Problem::new(Kind::ExtraArgument).with("word", crate::text::escape(word.as_bytes())));
    }
    let target = plan::target(text)?;
    match target {
        Endpoint { host: Host::Every, .. } => Err(Problem::new(Kind::EveryTarget)),
        Endpoint { port: 0, .. } => Err(Problem::new(Kind::ZeroTarget)),
        target => Ok(target),
    }
}

/// `send localhost 4000 hola`, as nc and telnet have it.
fn port_apart(text: &str, flags: &flags::Send) -> Option<Problem> {
    let port: u16 = flags.message.as_deref()?.to_str()?.parse().ok()?;
    let is_host = text.parse::<u16>().is_err() && format!("{text}:1").parse::<Endpoint>().is_ok();
    is_host.then(|| {
        let host = crate::text::escape(text.as_bytes());
        let problem = |kind: Kind| Problem::new(kind).with("host", host).with("port", port);
        match flags.extra.first() {
            Some(said) => problem(Kind::TargetThenPort).with("message", crate::text::shell_quoted(said)),
            None => problem(Kind::TargetThenPortAlone),
        }
    })
}

fn source(text: &str) -> Result<(IpAddr, u16), Problem> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok((ip, 0));
    }
    match text.parse::<SocketAddr>() {
        Ok(address) => Ok((address.ip(), address.port())),
        Err(_) => Err(Problem::new(Kind::BadSource).with("word", crate::text::escape(text.as_bytes()))),
    }
}

fn origin(flags: &flags::Send) -> Result<Origin, Problem> {
    if let Some(path) = &flags.file {
        let file = File::open(path).map_err(|error| Problem::unreadable("open", path, &error))?;
        if file.metadata().is_ok_and(|meta| meta.is_dir()) {
            return Err(Problem::new(Kind::FileIsDirectory).with("path", path.display()));
        }
        return Ok(Origin::File(file));
    }
    Ok(match &flags.message {
        Some(message) => Origin::Message(message.as_encoded_bytes().to_vec()),
        None if io::stdin().is_terminal() => Origin::Prompt { once: flags.once },
        None => Origin::Stdin,
    })
}
