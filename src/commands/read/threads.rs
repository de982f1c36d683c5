//! The threads behind a reading: what they hand on, and what comes back to them.

use super::supply::Supply;
use super::waiting::Waiting;
use crate::problem::Problem;
use enchufe_wire::batch::Batch;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;

/// Batches that wait to be analysed, and as many to be shown.
const BATCHES: usize = 2;
/// Batches that were shown and can be filled again: all that there can be.
const USED: usize = 2 * BATCHES + 3;

/// What the analysing thread hands on.
pub enum Message<T> {
    Batch(Batch),
    End(Box<T>, Vec<Problem>),
}

/// What the analysing thread is to do with each batch, and what it remembers.
pub struct Job<T> {
    pub state: T,
    pub step: fn(&mut Batch, &mut T),
    /// Whether somebody wants to see the batches after it.
    pub shown: bool,
}

/// Where batches to analyse come from.
enum Feed {
    /// From files: who analyses reads, for what was read is still near its processor.
    Near(Supply, Receiver<Batch>),
    /// From a thread of its own, for it can take long: the system has to wait for it, or it has to be unpacked.
    Far(Receiver<Read>),
}

/// What the reading thread hands on: items, and at the end what could not be read.
type Read = Result<Batch, Vec<Problem>>;

/// Starts the threads. They are not waited for: when nobody takes what they have they end, and one that waits for
/// its input to come ends with the program.
pub fn start<T: Send + 'static>(
    supply: Supply,
    job: Job<T>,
    stopped: Arc<AtomicBool>,
) -> io::Result<(Receiver<Message<T>>, SyncSender<Batch>)> {
    let (to_show, messages) = sync_channel(BATCHES);
    let (shown, used) = sync_channel(USED);
    let feed = if supply.is_near() {
        Feed::Near(supply, used)
    } else {
        let (to_analyse, read) = sync_channel(BATCHES);
        thread::Builder::new().name("read".to_owned()).spawn(move || read_all(supply, &to_analyse, &used))?;
        Feed::Far(read)
    };
    let work = move || job.run(&stopped, feed, &to_show);
    thread::Builder::new().name("analyse".to_owned()).spawn(work)?;
    Ok((messages, shown))
}

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

/// Nobody takes what this thread has, or the one before it failed.
struct Left;

impl<T> Job<T> {
    fn run(mut self, stopped: &AtomicBool, feed: Feed, to_show: &SyncSender<Message<T>>) {
        let ended = match feed {
            Feed::Near(supply, used) => self.near(stopped, supply, &used, to_show),
            Feed::Far(read) => self.far(stopped, &read, to_show),
        };
        if let Ok(problems) = ended {
            // Who does not take it has had enough.
            let _ = to_show.send(Message::End(Box::new(self.state), problems));
        }
    }

    fn near(
        &mut self,
        stopped: &AtomicBool,
        mut supply: Supply,
        used: &Receiver<Batch>,
        to_show: &SyncSender<Message<T>>,
    ) -> Result<Vec<Problem>, Left> {
        let (mut spare, mut more) = (None, true);
        while more {
            if stopped.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            let mut batch: Batch = spare.take().or_else(|| used.try_recv().ok()).unwrap_or_default();
            batch.clear();
            more = supply.fill(&mut batch);
            (self.step)(&mut batch, &mut self.state);
            if batch.is_empty() || !self.shown {
                spare = Some(batch);
            } else {
                to_show.send(Message::Batch(batch)).map_err(|_| Left)?;
            }
        }
        Ok(supply.faults)
    }

    fn far(
        &mut self,
        stopped: &AtomicBool,
        read: &Receiver<Read>,
        to_show: &SyncSender<Message<T>>,
    ) -> Result<Vec<Problem>, Left> {
        loop {
            match read.recv_timeout(Waiting::PAUSE) {
                _ if stopped.load(Ordering::Relaxed) => return Ok(Vec::new()),
                Ok(Ok(mut batch)) => {
                    (self.step)(&mut batch, &mut self.state);
                    to_show.send(Message::Batch(batch)).map_err(|_| Left)?;
                }
                Ok(Err(problems)) => return Ok(problems),
                Err(RecvTimeoutError::Timeout) => {}
                // The thread that reads ends with a message, unless it panicked: then this one ends without.
                Err(RecvTimeoutError::Disconnected) => return Err(Left),
            }
        }
    }
}
