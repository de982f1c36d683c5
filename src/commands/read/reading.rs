//! Captures read from their beginning to their end: one thread reads, one analyses, and the caller's shows.
//!
//! Batches of packets go round between them, so many and no more: who shows slowly slows the reading.

use super::remarks::Remarks;
use super::source::Source;
use super::supply::Supply;
use super::waiting::Waiting;
use crate::problem::Problem;
use enchufe_wire::batch::Batch;
use enchufe_wire::file::{Item, Record};
use enchufe_wire::session::{Frame, Scout, Session};
use enchufe_wire::tcp::Limits;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;

/// Batches that wait to be analysed, and as many to be shown.
const BATCHES: usize = 2;
/// Batches that were shown and can be filled again: all that there can be.
const USED: usize = 2 * BATCHES + 3;

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

/// What the analysing thread hands on.
enum Message<T> {
    Batch(Batch),
    End(Box<T>, Vec<Problem>),
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
        let ran = self.run(Job { state: Scout::new(limits), step }, waiting, None);
        ran.ok().and_then(|(scout, _)| scout).unwrap_or_default().finish(limits)
    }

    /// Reads all once, each item given to `with`, and says nothing of what is strange: that is left to another pass.
    pub fn look(&self, waiting: &mut Waiting<'_>, with: With<'_>) -> Result<(), Stop> {
        let job = Job { state: Session::default(), step: Batch::analyse };
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
        let job = Job { state: std::mem::take(session), step: Batch::analyse };
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

    /// Gives what the job has come to, and what could not be read.
    fn run<T: Send + 'static>(
        &self,
        job: Job<T>,
        waiting: &mut Waiting<'_>,
        mut audience: Option<(Option<&mut Remarks<'_>>, With<'_>)>,
    ) -> Result<(Option<T>, Vec<Problem>), Stop> {
        let supply = Supply::open(self.sources, self.in_order, waiting.meter());
        let supply = supply.map_err(|problem| Stop::Input(vec![problem]))?;
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
                    return Err(Stop::Threads(io::Error::other("a thread of this program failed")));
                }
            }
            waiting.look();
        };
        waiting.clear();
        Ok(ended)
    }
}

fn hand_out(batch: &Batch, with: With<'_>) -> io::Result<()> {
    for entry in batch.entries() {
        match (&entry.item, &entry.frame) {
            (Item::Packet(record), Some(frame)) => {
                let decimals = record.resolution.decimals();
                with(Came::Frame(&Seen { frame, record, file: entry.file, decimals }))?;
            }
            (item, _) => with(Came::Aside(entry.file, item))?,
        }
    }
    with(Came::Pause)
}

/// What the analysing thread is to do with each batch, and what it remembers.
struct Job<T> {
    state: T,
    step: fn(&mut Batch, &mut T),
}

/// Starts the two threads. They are not waited for: when nobody takes what they have they end, and one that waits for
/// its input to come ends with the program.
fn start<T: Send + 'static>(
    supply: Supply,
    job: Job<T>,
    stopped: Arc<AtomicBool>,
) -> io::Result<(Receiver<Message<T>>, SyncSender<Batch>)> {
    let (to_analyse, read) = sync_channel(BATCHES);
    let (to_show, messages) = sync_channel(BATCHES);
    let (shown, used) = sync_channel(USED);
    thread::Builder::new().name("read".to_owned()).spawn(move || read_all(supply, &to_analyse, &used))?;
    let work = move || job.run(&stopped, &read, &to_show);
    thread::Builder::new().name("analyse".to_owned()).spawn(work)?;
    Ok((messages, shown))
}

/// What the reading thread hands on: items, and at the end what could not be read.
type Read = Result<Batch, Vec<Problem>>;

fn read_all(mut supply: Supply, to_analyse: &SyncSender<Read>, used: &Receiver<Batch>) {
    loop {
        let mut batch = used.try_recv().unwrap_or_default();
        batch.clear();
        let more = supply.fill(&mut batch);
        if !batch.is_empty() && to_analyse.send(Ok(batch)).is_err() {
            return;
        }
        if !more {
            let _ = to_analyse.send(Err(supply.faults));
            return;
        }
    }
}

impl<T> Job<T> {
    fn run(mut self, stopped: &AtomicBool, read: &Receiver<Read>, to_show: &SyncSender<Message<T>>) {
        let problems = loop {
            match read.recv_timeout(Waiting::PAUSE) {
                _ if stopped.load(Ordering::Relaxed) => break Vec::new(),
                Ok(Ok(mut batch)) => {
                    (self.step)(&mut batch, &mut self.state);
                    if to_show.send(Message::Batch(batch)).is_err() {
                        return;
                    }
                }
                Ok(Err(problems)) => break problems,
                Err(RecvTimeoutError::Timeout) => {}
                // The thread that reads ends with a message, unless it panicked: then this one ends without.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        };
        // Who does not take it has had enough.
        let _ = to_show.send(Message::End(Box::new(self.state), problems));
    }
}
