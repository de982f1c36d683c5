//! What is said when something could not be done, or its verdict is bad: one sentence that names the
//! call, the address, the cause and the way out.

use crate::catalogue::{Catalogue, human_time};
use crate::exit::Code;
use enchufe_sys::host::{self, AcceptFault, PortUse, accept_fault};
use enchufe_talk::connect::Family;
use enchufe_talk::listen::Unfit;
use enchufe_talk::{Call, TalkError};
use fluent_bundle::{FluentArgs, FluentValue};
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use unicode_width::UnicodeWidthStr;

/// The problems there are: each has a text `problem-NAME` in every language.
macro_rules! kinds {
    ($($variant:ident $name:literal $code:ident,)*) => {
        /// What went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($variant,)* }

        impl Kind {
            /// All of them, for the test that looks for their texts.
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code,)* }
            }
        }
    };
}

kinds! {
    NoCommand "no-command" CouldNotRun,
    UnknownCommand "unknown-command" CouldNotRun,
    UnknownCommandNear "unknown-command-near" CouldNotRun,
    NotHere "not-here" CouldNotRun,
    UnknownFlag "unknown-flag" CouldNotRun,
    UnknownFlagNumber "unknown-flag-number" CouldNotRun,
    UnknownFlagNear "unknown-flag-near" CouldNotRun,
    MissingValue "missing-value" CouldNotRun,
    TakesNoValue "takes-no-value" CouldNotRun,
    ExtraArgument "extra-argument" CouldNotRun,
    Conflict "conflict" CouldNotRun,
    Repeated "repeated" CouldNotRun,
    NoText "no-text" CouldNotRun,
    Usage "usage" CouldNotRun,
    BadChoice "bad-choice" CouldNotRun,
    BadTime "bad-time" CouldNotRun,
    BadNumber "bad-number" CouldNotRun,
    BadSize "bad-size" CouldNotRun,
    BadSource "bad-source" CouldNotRun,
    BadOption "bad-option" CouldNotRun,
    BadOptionValue "bad-option-value" CouldNotRun,
    BadPort "bad-port" CouldNotRun,
    NoPort "no-port" CouldNotRun,
    BadHost "bad-host" CouldNotRun,
    Brackets "brackets" CouldNotRun,
    EveryTarget "every-target" CouldNotRun,
    ZeroTarget "zero-target" CouldNotRun,
    NoService "no-service" CouldNotRun,
    UnknownService "unknown-service" CouldNotRun,
    ServicePort "service-port" CouldNotRun,
    ServiceThenPort "service-then-port" CouldNotRun,
    NoAnswer "no-answer" CouldNotRun,
    AnswerNotUsed "answer-not-used" CouldNotRun,
    FlagNotUsed "flag-not-used" CouldNotRun,
    NoTarget "no-target" CouldNotRun,
    TargetThenPort "target-then-port" CouldNotRun,
    TargetThenPortAlone "target-then-port-alone" CouldNotRun,
    FlagGoesWith "flag-goes-with" CouldNotRun,
    FlagNotHere "flag-not-here" CouldNotRun,
    ZeroTime "zero-time" CouldNotRun,
    MetricsListen "metrics-listen" CouldNotRun,
    Unfit "unfit" CouldNotRun,
    BadListenFds "bad-listen-fds" CouldNotRun,
    ListenInherited "listen-inherited" CouldNotRun,
    NotifyFailed "notify-failed" CouldNotRun,
    ListenTwice "listen-twice" CouldNotRun,
    NothingToRun "nothing-to-run" CouldNotRun,
    TooManyThreads "too-many-threads" CouldNotRun,
    ThreadsBeyondNamed "threads-beyond-named" CouldNotRun,
    RingsTooLarge "rings-too-large" CouldNotRun,
    EngineRefused "engine-refused" CouldNotRun,
    BadThreads "bad-threads" CouldNotRun,
    BadBusyPoll "bad-busy-poll" CouldNotRun,
    BadProcessors "bad-processors" CouldNotRun,
    ProcessorForbidden "processor-forbidden" CouldNotRun,
    NotSteered "not-steered" CouldNotRun,
    DescriptorsBeyond "descriptors-beyond" CouldNotRun,
    DescriptorsTooFew "descriptors-too-few" CouldNotRun,
    DescriptorsWithoutRings "descriptors-without-rings" CouldNotRun,
    NeverComes "never-comes" CouldNotRun,
    NeverReached "never-reached" CouldNotRun,
    BeyondTables "beyond-tables" CouldNotRun,
    TlsFiles "tls-files" CouldNotRun,
    TlsTooLarge "tls-too-large" CouldNotRun,
    TlsNoCertificate "tls-no-certificate" CouldNotRun,
    TlsBadCertificate "tls-bad-certificate" CouldNotRun,
    TlsNoKey "tls-no-key" CouldNotRun,
    TlsEncryptedKey "tls-encrypted-key" CouldNotRun,
    TlsBadKey "tls-bad-key" CouldNotRun,
    TlsMismatch "tls-mismatch" CouldNotRun,
    TlsExpired "tls-expired" CouldNotRun,
    TlsNotYetValid "tls-not-yet-valid" CouldNotRun,
    TlsNobody "tls-nobody" CouldNotRun,
    TlsBadName "tls-bad-name" CouldNotRun,
    SourceInUse "source-in-use" CouldNotRun,
    SourceNotOurs "source-not-ours" CouldNotRun,
    ResolveFailed "resolve-failed" CouldNotRun,
    NoTerminal "no-terminal" CouldNotRun,
    NoShell "no-shell" CouldNotRun,
    File "file" CouldNotRun,
    FileIsDirectory "file-is-directory" CouldNotRun,
    WriteFile "write-file" CouldNotRun,
    InUseListening "in-use-listening" CouldNotRun,
    InUseListeningUnseen "in-use-listening-unseen" CouldNotRun,
    InUseBound "in-use-bound" CouldNotRun,
    InUseBoundUnseen "in-use-bound-unseen" CouldNotRun,
    InUseConnected "in-use-connected" CouldNotRun,
    InUseTimeWait "in-use-time-wait" CouldNotRun,
    InUse "in-use" CouldNotRun,
    PrivilegedPort "privileged-port" CouldNotRun,
    PortKept "port-kept" CouldNotRun,
    NotOurAddress "not-our-address" CouldNotRun,
    Unresolved "unresolved" CouldNotRun,
    NoSuchFamily "no-such-family" CouldNotRun,
    FamilyMismatch "family-mismatch" CouldNotRun,
    OptionRefused "option-refused" CouldNotRun,
    CallFailed "call-failed" CouldNotRun,
    CallRefused "call-refused" CouldNotRun,
    Resources "resources" CouldNotRun,
    ReadInput "read-input" CouldNotRun,
    WriteOutput "write-output" CouldNotRun,
    Demo "demo" CouldNotRun,
    NoFile "no-file" CouldNotRun,
    StdinTwice "stdin-twice" CouldNotRun,
    SameFile "same-file" CouldNotRun,
    CaptureOnTerminal "capture-on-terminal" CouldNotRun,
    FlagNeeds "flag-needs" CouldNotRun,
    NoConversation "no-conversation" CouldNotRun,
    NoPacket "no-packet" CouldNotRun,
    NoRecording "no-recording" CouldNotRun,
    BadColumn "bad-column" CouldNotRun,
    FilterField "filter-field" CouldNotRun,
    FilterFieldNear "filter-field-near" CouldNotRun,
    FilterOperand "filter-operand" CouldNotRun,
    FilterUnexpected "filter-unexpected" CouldNotRun,
    FilterNotClosed "filter-not-closed" CouldNotRun,
    FilterNoField "filter-no-field" CouldNotRun,
    FilterValue "filter-value" CouldNotRun,
    FilterTooBig "filter-too-big" CouldNotRun,
    FilterOperator "filter-operator" CouldNotRun,
    FilterPair "filter-pair" CouldNotRun,
    FilterSlice "filter-slice" CouldNotRun,
    FilterExpression "filter-expression" CouldNotRun,
    FilterFunction "filter-function" CouldNotRun,
    FilterDeep "filter-deep" CouldNotRun,
    NoProgram "no-program" CouldNotRun,
    EmptyCommand "empty-command" CouldNotRun,
    OpenQuote "open-quote" CouldNotRun,
    CommandNotFound "command-not-found" CouldNotRun,
    CommandIsDirectory "command-is-directory" CouldNotRun,
    CommandNotExecutable "command-not-executable" CouldNotRun,
    CommandForeign "command-foreign" CouldNotRun,
    CommandNoInterpreter "command-no-interpreter" CouldNotRun,
    CommandRefused "command-refused" CouldNotRun,
    PtraceTraced "ptrace-traced" CouldNotRun,
    PtraceScope "ptrace-scope" CouldNotRun,
    PtraceForbidden "ptrace-forbidden" CouldNotRun,
    SeccompForbidden "seccomp-forbidden" CouldNotRun,
    NotReady "not-ready" CouldNotRun,
    PidNotOffered "pid-not-offered" CouldNotRun,
    ViewNeedsPackets "view-needs-packets" CouldNotRun,
    RecordingToStdout "recording-to-stdout" CouldNotRun,
    RecordingNoFile "recording-no-file" CouldNotRun,
    HostForbidden "host-forbidden" CouldNotRun,
    JoinOne "join-one" CouldNotRun,
    JoinNone "join-none" CouldNotRun,
    JoinSeveral "join-several" CouldNotRun,
    JoinNoSuch "join-no-such" CouldNotRun,
    JoinOtherVersion "join-other-version" CouldNotRun,
    JoinFull "join-full" CouldNotRun,
    JoinEnding "join-ending" CouldNotRun,
    JoinGone "join-gone" CouldNotRun,
    JoinFailed "join-failed" CouldNotRun,
    BadRule "bad-rule" CouldNotRun,
    TooManyRules "too-many-rules" CouldNotRun,
    LinkOnHost "link-on-host" CouldNotRun,
    LinkRefused "link-refused" CouldNotRun,
    TraceFailed "trace-failed" CouldNotRun,
    NoInterface "no-interface" CouldNotRun,
    CaptureForbidden "capture-forbidden" CouldNotRun,
    PromiscuousEverywhere "promiscuous-everywhere" CouldNotRun,
    CaptureFailed "capture-failed" CouldNotRun,
    InterfaceDown "interface-down" CouldNotRun,
    InterfaceGone "interface-gone" CouldNotRun,
    CaptureEmpty "capture-empty" CouldNotRun,
    NotACapture "not-a-capture" CouldNotRun,
    CaptureVersion "capture-version" CouldNotRun,
    CaptureUnreadable "capture-unreadable" CouldNotRun,
    CaptureCutAtOnce "capture-cut-at-once" CouldNotRun,
    CaptureDamagedAtOnce "capture-damaged-at-once" CouldNotRun,
    CaptureBroken "capture-broken" Bad,
    CaptureCut "capture-cut" Bad,
    CaptureDamaged "capture-damaged" Bad,
    ReadInterrupted "read-interrupted" Bad,
    ReadInterruptedAtOnce "read-interrupted-at-once" Bad,
    Refused "refused" Bad,
    RefusedStill "refused-still" Bad,
    ResolveTimeout "resolve-timeout" Bad,
    ConnectTimeout "connect-timeout" Bad,
    ConnectFailed "connect-failed" Bad,
    Interrupted "interrupted" Bad,
    Ended "ended" Bad,
    NotAcknowledged "not-acknowledged" Bad,
    NotTold "not-told" Bad,
    EchoMissing "echo-missing" Bad,
    EchoDiffers "echo-differs" Bad,
    NoLine "no-line" Bad,
    TooFew "too-few" Bad,
    TooMany "too-many" Bad,
    DrainCut "drain-cut" Bad,
}

/// What the system said: the text for it, if there is one, and its own words.
#[derive(Clone, Debug)]
struct Cause {
    id: String,
    said: String,
    way: Option<&'static str>,
}

/// A problem with what its sentence needs.
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: Kind,
    args: Vec<(&'static str, String)>,
    counts: Vec<(&'static str, u64)>,
    words: Vec<(&'static str, &'static str)>,
    cause: Option<Box<Cause>>,
    shown: Option<Box<(String, Range<usize>)>>,
}

impl Problem {
    pub const fn new(kind: Kind) -> Self {
        Self { kind, args: Vec::new(), counts: Vec::new(), words: Vec::new(), cause: None, shown: None }
    }

    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.args.push((name, crate::text::printable(&value.to_string())));
        self
    }

    pub fn count(mut self, name: &'static str, value: u64) -> Self {
        self.counts.push((name, value));
        self
    }

    /// A word that has a text of its own in every language.
    pub fn word(mut self, name: &'static str, text: &'static str) -> Self {
        self.words.push((name, text));
        self
    }

    /// The line in which it is, below the sentence, with carets under these bytes.
    pub fn in_line(mut self, line: &str, spot: Range<usize>) -> Self {
        self.shown = Some(Box::new((line.to_owned(), spot)));
        self
    }

    pub fn cause(mut self, error: &io::Error) -> Self {
        let id = match accept_fault(error) {
            AcceptFault::Descriptors => "io-descriptors".to_owned(),
            _ => format!("io-{:?}", error.kind()),
        };
        self.cause = Some(Box::new(Cause { id, said: error.to_string(), way: None }));
        self
    }

    /// Another way out than the usual one, for a file that nobody has named just now; a full disk is the same for all.
    pub fn way(mut self, text: &'static str) -> Self {
        if let Some(cause) = self.cause.as_mut().filter(|cause| cause.id != "io-StorageFull") {
            cause.way = Some(text);
        }
        self
    }

    /// A file that this call could not open or read.
    pub fn unreadable(call: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::new(Kind::File).with("call", call).with("path", path.display()).cause(error)
    }

    /// A file that this call could not make or write.
    pub fn unwritable(call: &'static str, path: &Path, error: &io::Error) -> Self {
        let mut problem =
            Self::new(Kind::WriteFile).with("call", call).with("path", path.display()).cause(error);
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        if let (Some(cause), true) = (
            &mut problem.cause,
            error.kind() == io::ErrorKind::NotFound && directory.is_some_and(|it| !it.exists()),
        ) {
            "io-no-directory".clone_into(&mut cause.id);
        }
        problem
    }

    /// What the system did not give to this call.
    pub fn resources(call: &'static str, error: &io::Error) -> Self {
        Self::new(Kind::Resources).with("call", host::call_name(call)).cause(error)
    }

    /// A call on a socket that failed, which something can be done about or not.
    fn call(error: &io::Error) -> Self {
        let lacks = matches!(accept_fault(error), AcceptFault::Descriptors);
        let refused = lacks || error.kind() == io::ErrorKind::PermissionDenied;
        Self::new(if refused { Kind::CallRefused } else { Kind::CallFailed })
    }

    /// The sentence.
    pub fn text(&self, catalogue: &Catalogue) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in &self.args {
            args.set(*name, value.as_str());
        }
        for (name, value) in &self.counts {
            args.set(*name, FluentValue::from(*value));
        }
        for (name, text) in &self.words {
            args.set(*name, catalogue.plain(text));
        }
        if let Some(cause) = self.cause.as_deref() {
            args.set("cause", named(&cause.id, &cause.said, catalogue));
            args.set("way", catalogue.plain(cause.way.unwrap_or_else(|| way_out(self.kind, &cause.id))));
        }
        let mut text = catalogue.text(&format!("problem-{}", self.kind.name()), &args);
        if let Some((line, spot)) = self.shown.as_deref() {
            text.push_str(&under_carets(line, spot));
        }
        text
    }
}

/// The line, and a second one that points at these bytes of it.
fn under_carets(line: &str, spot: &Range<usize>) -> String {
    let width = |bytes: Range<usize>| line.get(bytes).unwrap_or_default().width();
    let shown: String = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let (before, carets) = (" ".repeat(width(0..spot.start)), "^".repeat(width(spot.clone()).max(1)));
    format!("\n  {shown}\n  {before}{carets}")
}

/// An error of the system in the user's language, where there is a text; else as the system says it.
pub fn cause_text(kind: io::ErrorKind, text: &str, catalogue: &Catalogue) -> String {
    named(&format!("io-{kind:?}"), text, catalogue)
}

fn named(id: &str, said: &str, catalogue: &Catalogue) -> String {
    if catalogue.has(id) { catalogue.plain(id) } else { without_number(said) }
}

/// What the system said without the number that std adds to it: ` (os error 8)`.
pub fn without_number(said: &str) -> String {
    const BEFORE: &str = " (os error ";
    let mut plain = String::new();
    let mut rest = said;
    while let Some((words, after)) = rest.split_once(BEFORE) {
        plain.push_str(words);
        let number = after.trim_start_matches(|letter: char| letter == '-' || letter.is_ascii_digit());
        rest = number.strip_prefix(')').unwrap_or(number);
    }
    plain + rest
}

/// The text for what can be done about a file or a resource.
fn way_out(kind: Kind, cause: &str) -> &'static str {
    match (kind, cause) {
        (Kind::EngineRefused, "io-PermissionDenied") => "way-allow-rings",
        (Kind::EngineRefused, "io-OutOfMemory") => "way-lock",
        (Kind::EngineRefused, "io-Unsupported" | "io-InvalidInput") => "way-newer-rings",
        (Kind::Resources | Kind::EngineRefused | Kind::CallRefused, "io-descriptors") => "way-limit",
        (Kind::Resources | Kind::CallRefused, "io-PermissionDenied") => "way-allow-call",
        (Kind::Resources, "io-Unsupported") => "way-newer",
        (_, "io-descriptors") => "way-descriptors",
        (Kind::Resources | Kind::EngineRefused, _) => "way-resources",
        (_, "io-StorageFull") => "way-room",
        (_, "io-no-directory") => "way-directory",
        (Kind::File, "io-NotFound") => "way-look",
        (Kind::File, "io-PermissionDenied") => "way-permission",
        (Kind::WriteFile, _) => "way-write-another",
        _ => "way-another",
    }
}

impl From<TalkError> for Problem {
    fn from(error: TalkError) -> Self {
        match error {
            TalkError::AddressInUse { address, holder } => in_use(address, holder.as_ref()),
            TalkError::PrivilegedPort { address } => {
                Self::new(Kind::PrivilegedPort).with("address", address).with("port", address.port())
            }
            TalkError::KeptPort { address } => {
                Self::new(Kind::PortKept).with("address", address).with("port", address.port())
            }
            TalkError::NotOurAddress { address } => Self::new(Kind::NotOurAddress).with("address", address),
            TalkError::Unresolved { name, error } => {
                let text = error.to_string();
                // std's own words around those of getaddrinfo(3).
                let said = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
                let kind = match error.kind() {
                    io::ErrorKind::TimedOut => Kind::ResolveTimeout,
                    _ if host::is_name_unknown(&error) => Kind::Unresolved,
                    _ => Kind::ResolveFailed,
                };
                let said = io::Error::other(said.to_owned());
                Self::new(kind).with("name", name).cause(&said)
            }
            TalkError::NoSuchFamily { name, family } => {
                let (flag, family) = match family {
                    Family::V6 => ("-6", "IPv6"),
                    Family::V4 => ("-4", "IPv4"),
                    // Of names that have no address at all something else is said.
                    Family::Any => ("-4, -6", "IP"),
                };
                Self::new(Kind::NoSuchFamily).with("name", name).with("family", family).with("choice", flag)
            }
            TalkError::FamilyMismatch { address, target } => {
                Self::new(Kind::FamilyMismatch).with("address", address).with("target", target)
            }
            TalkError::Unfit { number, name, what } => {
                let named = if name.is_empty() {
                    name
                } else {
                    format!(" ({})", crate::text::escape(name.as_bytes()))
                };
                let what = match what {
                    Unfit::Closed => "unfit-closed",
                    Unfit::NoSocket => "unfit-no-socket",
                    Unfit::NoTcp => "unfit-no-tcp",
                    Unfit::NotListening => "unfit-not-listening",
                };
                Self::new(Kind::Unfit).with("number", number).with("named", named).word("what", what)
            }
            TalkError::Refused { address } => Self::new(Kind::Refused).with("address", address),
            TalkError::ConnectTimeout { address, limit } => {
                Self::new(Kind::ConnectTimeout).with("address", address).with("limit", human_time(limit))
            }
            TalkError::Option { option, address, error } => {
                Self::new(Kind::OptionRefused).with("option", option).with("address", address).cause(&error)
            }
            TalkError::Call { call: Call::Connect, address, error } => {
                Self::new(Kind::ConnectFailed).with("address", address).cause(&error)
            }
            TalkError::Call { call, address, error } => {
                Self::call(&error).with("call", call).with("address", address).cause(&error)
            }
            TalkError::Interrupted => Self::new(Kind::Interrupted),
            TalkError::Resources { call: "io_uring_setup", error }
                if error.kind() == io::ErrorKind::OutOfMemory =>
            {
                Self::new(Kind::RingsTooLarge)
            }
            TalkError::Resources { call, error } => Self::resources(call, &error),
        }
    }
}

fn in_use(address: SocketAddr, holder: Option<&PortUse>) -> Problem {
    let (kind, owner) = match holder {
        Some(PortUse::Listening { owner: Some(owner) }) if owner.pid == std::process::id() => {
            (Kind::ListenTwice, None)
        }
        Some(PortUse::Listening { owner: owner @ Some(_) }) => (Kind::InUseListening, owner.as_ref()),
        Some(PortUse::Listening { owner: None }) => (Kind::InUseListeningUnseen, None),
        Some(PortUse::Bound { owner: owner @ Some(_) }) => (Kind::InUseBound, owner.as_ref()),
        Some(PortUse::Bound { owner: None }) => (Kind::InUseBoundUnseen, None),
        Some(PortUse::Connected { .. }) => (Kind::InUseConnected, None),
        Some(PortUse::TimeWait { left }) => {
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            let problem = Problem::new(Kind::InUseTimeWait).with("address", address).with("flag", "--listen");
            return problem.count("seconds", seconds);
        }
        None => (Kind::InUse, None),
    };
    let problem = Problem::new(kind).with("address", address).with("flag", "--listen");
    match owner {
        Some(process) => {
            problem.with("pid", process.pid).with("program", crate::text::escape(process.name.as_bytes()))
        }
        None => problem,
    }
}
