//! Programs as they are given: a command found, and given what it reads and prints on.

use super::join::Request;
use super::join::message::DESCRIPTORS;
use enchufe_sys::ptrace::{self, Filter, Launch, LaunchError, Launched, Session};
use enchufe_sys::pty;
use std::env;
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What a program has for its terminal, or instead of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// A terminal of its own, of this many columns and rows.
    Terminal {
        /// Columns.
        columns: u16,
        /// Rows.
        rows: u16,
    },
    /// Pipes.
    Pipes,
}

/// Why a command cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such file.
    #[error("{}: not found", name(command))]
    NotFound {
        /// The command.
        command: Vec<u8>,
    },
    /// It is a directory.
    #[error("{}: is a directory", name(command))]
    Directory {
        /// The command.
        command: Vec<u8>,
    },
    /// It may not be executed.
    #[error("{}: permission denied", name(command))]
    NotExecutable {
        /// The command.
        command: Vec<u8>,
    },
    /// The kernel refused it.
    #[error("{}: {error}", name(command))]
    Refused {
        /// The command.
        command: Vec<u8>,
        /// Why.
        error: io::Error,
    },
    /// It may not be traced, as no program may here.
    #[error("ptrace: {0}")]
    Untraced(io::Error),
    /// It may not have a filter of its calls, as no program may here.
    #[error("seccomp: {0}")]
    Unfiltered(io::Error),
}

impl CommandError {
    /// Why a command was not executed.
    pub(super) fn of(command: Vec<u8>, error: LaunchError) -> Self {
        match error {
            LaunchError::Trace(error) => Self::Untraced(error),
            LaunchError::Filter(error) => Self::Unfiltered(error),
            LaunchError::Execute(error) => Self::Refused { command, error },
        }
    }
}

fn name(command: &[u8]) -> String {
    String::from_utf8_lossy(command).into_owned()
}

/// The file that a command means: as a shell finds it, in `PATH` where it has no slash.
pub fn find(command: &[u8]) -> Result<PathBuf, CommandError> {
    let path = Path::new(OsStr::from_bytes(command));
    let places: Vec<PathBuf> = if command.contains(&b'/') {
        vec![path.to_owned()]
    } else {
        let paths = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        env::split_paths(&paths).map(|folder| folder.join(path)).collect()
    };
    let files = || places.iter().filter(|place| place.is_file());
    let may_run = |place: &&PathBuf| {
        fs::metadata(place).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
    };
    match files().find(may_run) {
        Some(place) if !command.is_empty() => Ok(place.clone()),
        _ if files().next().is_some() && !command.is_empty() => {
            Err(CommandError::NotExecutable { command: command.to_vec() })
        }
        _ if path.is_dir() && command.contains(&b'/') => {
            Err(CommandError::Directory { command: command.to_vec() })
        }
        _ => Err(CommandError::NotFound { command: command.to_vec() }),
    }
}

/// Our ends of what a program prints on.
#[derive(Debug)]
pub struct Outputs(Vec<File>);

impl Outputs {
    /// What to wait on: readable when there is something to take.
    pub fn handles(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|file| file.as_fd())
    }

    /// Gives the program this to read, on its terminal.
    pub fn type_in(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.first_mut().map_or(Ok(()), |terminal| terminal.write_all(bytes))
    }

    /// Takes what was printed and throws it away: it was seen when it was written. Gives up what has ended.
    pub fn drain(&mut self) {
        let mut bytes = [0; 4_096];
        self.0.retain_mut(|file| {
            loop {
                match file.read(&mut bytes) {
                    Ok(0) => return false,
                    Ok(_) => {}
                    // A terminal whose other end is closed fails (EIO).
                    Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
                }
            }
        });
    }
}

/// Starts a command, traced by this thread.
pub fn start(
    command: &[Vec<u8>],
    file: Option<&Path>,
    console: Console,
    input: Option<BorrowedFd<'_>>,
    filter: &Filter,
) -> Result<(Launched, Outputs), CommandError> {
    let first = command.first().map_or(&[][..], Vec::as_slice);
    let refused = |error| CommandError::Refused { command: first.to_vec(), error };
    let file = file.map_or_else(|| find(first), |file| Ok(file.to_owned()))?.into_os_string().into_vec();
    let environment: Vec<Vec<u8>> =
        env::vars_os().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()).collect();
    let nothing = File::open("/dev/null").map_err(refused)?;
    let ends = Ends::new(console).map_err(refused)?;
    let [out, err] = ends.theirs.each_ref().map(OwnedFd::as_fd);
    let (session, stdin) = match console {
        Console::Terminal { .. } => (Session::Terminal, out),
        Console::Pipes => (Session::Shared, input.unwrap_or(nothing.as_fd())),
    };
    let place = Place { stdio: [stdin, out, err], session, folder: None };
    let launched = launch(&file, command, &environment, place, filter);
    let launched = launched.map_err(|error| CommandError::of(first.to_vec(), error))?;
    Ok((launched, Outputs(ends.ours)))
}

/// Starts what a guest asks for, on its descriptors and in its folder, traced by this thread. Its terminal stays the guest's, whose
/// Ctrl-C is handed on.
pub fn start_guest(
    request: &Request,
    descriptors: &[OwnedFd; DESCRIPTORS],
    filter: &Filter,
) -> Result<Launched, LaunchError> {
    let [stdin, out, err, folder] = descriptors.each_ref().map(OwnedFd::as_fd);
    let place = Place { stdio: [stdin, out, err], session: Session::Own, folder: Some(folder) };
    launch(&request.file, &request.command, &request.environment, place, filter)
}

/// Where a program is started.
#[derive(Clone, Copy)]
struct Place<'p> {
    stdio: [BorrowedFd<'p>; 3],
    session: Session,
    folder: Option<BorrowedFd<'p>>,
}

fn launch(
    file: &[u8],
    command: &[Vec<u8>],
    environment: &[Vec<u8>],
    place: Place<'_>,
    filter: &Filter,
) -> Result<Launched, LaunchError> {
    let text = |text: &[u8]| CString::new(text).map_err(|error| LaunchError::Execute(error.into()));
    let texts = |all: &[Vec<u8>]| all.iter().map(|one| text(one)).collect::<Result<Vec<_>, _>>();
    let (file, arguments, environment) = (text(file)?, texts(command)?, texts(environment)?);
    let Place { stdio, session, folder } = place;
    ptrace::launch(&Launch {
        file: &file,
        arguments: &arguments,
        environment: &environment,
        stdio,
        session,
        folder,
        filter,
    })
}

struct Ends {
    theirs: [OwnedFd; 2],
    ours: Vec<File>,
}

impl Ends {
    fn new(console: Console) -> io::Result<Self> {
        match console {
            Console::Terminal { columns, rows } => {
                let (ours, theirs) = pty::terminal(columns, rows)?;
                Ok(Self { theirs: [theirs.try_clone()?, theirs], ours: vec![ours.into()] })
            }
            Console::Pipes => {
                let (out, err) = (io::pipe()?, io::pipe()?);
                let ours: Vec<File> = [out.0, err.0].map(|end| OwnedFd::from(end).into()).into();
                for file in &ours {
                    pty::set_nonblocking(file)?;
                }
                Ok(Self { theirs: [out.1.into(), err.1.into()], ours })
            }
        }
    }
}
