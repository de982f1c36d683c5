//! Captures read from their beginning to their end: one thread reads and analyses, or two, and the caller's shows.
//!
//! Batches of packets go round between them, so many and no more: who shows slowly slows the reading.

use super::remarks::Remarks;
use super::source::Source;
use super::supply::Supply;
use super::threads::{Job, Message, start};
use super::waiting::Waiting;
use crate::problem::Problem;
use enchufe_wire::batch::Batch;
use enchufe_wire::file::{Item, Record};
use enchufe_wire::session::{Frame, Scout, Session};
use enchufe_wire::tcp::Limits;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

/// A frame with what of the file is said beside it.
#[derive(Debug)]
pub struct Seen<'s, 'f> {
    pub frame: &'s Frame<'f>,
    /// The frame as it stands in the file.
    pub record: &'s Record<'f>,
    /// The number of its file, in the order in which they were named.
    pub file: usize,
    /// How many decimals of a second the file's times have.
    pub decimals: usize,
}

/// What comes while captures are read.
pub enum Came<'s, 'f> {
    Frame(&'s Seen<'s, 'f>),
    /// What is no packet, and the number of its file.
    Aside(usize, &'s Item<'f>),
    /// All that is there was handed out: a good moment to show it.
    Pause,
}

/// Why a pass did not reach the end.
pub enum Stop {
    /// Captures that could not be read, or not further. There is at least one.
    Input(Vec<Problem>),
    Output(io::Error),
    /// The user had enough.
    Interrupted,
    /// The system gives no threads, or one of them failed.
    Threads(io::Error),
}

/// What is read, and how.
#[derive(Clone, Copy)]
pub struct Captures<'a> {
    pub sources: &'a [Source],
    /// One after the other, not by time.
    pub in_order: bool,
}

/// Who sees what comes: it can stop the reading with an error of its own.
type With<'a> = &'a mut dyn FnMut(Came<'_, '_>) -> io::Result<()>;

impl Captures<'_> {
    /// Reads all once, only for what the session of the second pass is told. What cannot be read is left to that one.
    pub fn scout(&self, limits: Limits, waiting: &mut Waiting<'_>) -> Session {
        let step = |batch: &mut Batch, scout: &mut Scout| batch.scout(scout);
        let ran = self.run(Job { state: Scout::new(limits), step, shown: false }, waiting, None);
        ran.ok().and_then(|(scout, _)| scout).unwrap_or_default().finish(limits)
    }

    /// Reads all once, each item given to `with`, and says nothing of what is strange: that is left to another pass.
    pub fn look(&self, waiting: &mut Waiting<'_>, with: With<'_>) -> Result<(), Stop> {
        let job = Job { state: Session::default(), step: Batch::analyse, shown: true };
        self.run(job, waiting, Some((None, with))).map(|_| ())
    }

    /// Reads all once, each item given to `with`; `session` is as it was at the end. What is strange goes to `remarks`.
    pub fn pass(
        &self,
        session: &mut Session,
        waiting: &mut Waiting<'_>,
        remarks: &mut Remarks<'_>,
        with: With<'_>,
    ) -> Result<(), Stop> {
        let job = Job { state: std::mem::take(session), step: Batch::analyse, shown: true };
        let (ended, problems) = self.run(job, waiting, Some((Some(remarks), with)))?;
        *session = ended.unwrap_or_default();
        for remark in remarks.finish(self.sources) {
            crate::style::complain(&remark);
        }
        match problems.is_empty() {
            true if waiting.is_stopped() => Err(Stop::Interrupted),
            true => Ok(()),
            false => Err(Stop::Input(problems)),
        }
    }

    /// Opens all captures. In a thread of its own: the first bytes of a pipe may never come, and the user may not want to wait for them.
    fn open(&self, waiting: &mut Waiting<'_>) -> Result<Supply, Stop> {
        let (sources, in_order, meter) = (self.sources.to_vec(), self.in_order, waiting.meter().clone());
        let (says, opened) = mpsc::channel();
        // Where nobody waits any more it is of no use.
        let open = move || says.send(Supply::open(&sources, in_order, &meter)).unwrap_or_default();
        thread::Builder::new().spawn(open).map_err(Stop::Threads)?;
        loop {
            match opened.recv_timeout(Waiting::PAUSE) {
                // Also where something came: who writes the pipe may have been told to end, too.
                Ok(Err(_)) | Err(RecvTimeoutError::Timeout) if waiting.is_stopped() => {
                    return Err(Stop::Interrupted);
                }
                Ok(supply) => return supply.map_err(|problem| Stop::Input(vec![problem])),
                Err(RecvTimeoutError::Timeout) => waiting.look(),
                Err(RecvTimeoutError::Disconnected) => return Err(Stop::Threads(failed_thread())),
            }
        }
    }

    /// Gives what the job has come to, and what could not be read.
    fn run<T: Send + 'static>(
        &self,
        job: Job<T>,
        waiting: &mut Waiting<'_>,
        mut audience: Option<(Option<&mut Remarks<'_>>, With<'_>)>,
    ) -> Result<(Option<T>, Vec<Problem>), Stop> {
        let supply = self.open(waiting)?;
        let (messages, used) = start(supply, job, waiting.stopped()).map_err(Stop::Threads)?;
        let ended = loop {
            match messages.recv_timeout(Waiting::PAUSE) {
                Ok(Message::Batch(batch)) => {
                    if let Some((remarks, with)) = &mut audience {
                        let mut with = |came: Came<'_, '_>| {
                            if let Some(remark) = remarks.as_mut().and_then(|remarks| remarks.look(&came)) {
                                waiting.clear();
                                crate::style::complain(&remark);
                            }
                            with(came)
                        };
                        hand_out(&batch, &mut with).map_err(Stop::Output)?;
                    }
                    // With no more to read nobody wants it back.
                    let _ = used.try_send(batch);
                }
                Ok(Message::End(state, problems)) => break (Some(*state), problems),
                Err(RecvTimeoutError::Timeout) => {}
                // It ends with a message, unless it panicked.
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Stop::Threads(failed_thread()));
                }
            }
            waiting.look();
        };
        waiting.clear();
        Ok(ended)
    }
}

/// It was to say something before it ended.
fn failed_thread() -> io::Error {
    io::Error::other("a thread of this program failed")
}

fn hand_out(batch: &Batch, with: With<'_>) -> io::Result<()> {
    batch.each(|entry| match (&entry.item, &entry.frame) {
        (Item::Packet(record), Some(frame)) => {
            let decimals = record.resolution.decimals();
            with(Came::Frame(&Seen { frame, record, file: entry.file, decimals }))
        }
        (item, _) => with(Came::Aside(entry.file, item)),
    })?;
    with(Came::Pause)
}
