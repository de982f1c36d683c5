//! What the scheduler counts: of a thread, in `/proc/PID/task/TID/schedstat` (`Documentation/scheduler/sched-stats.rst`); of
//! each processor, in `/proc/stat` (`proc_stat(5)`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::str::FromStr;
use std::time::Duration;

/// The unit of `/proc/stat`, `USER_HZ`: 100 in a second (`include/asm-generic/param.h`).
const TICK_MILLIS: u64 = 10;

/// Where one thread's times can be looked up, by any thread of its process.
#[derive(Debug)]
pub struct ThreadTimes(File);

/// Since a thread began. The kernel counts what a thread runs at its ticks, so the first may be some ms behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// It ran.
    pub running: Duration,
    /// It could have run, and others had its processor.
    pub delayed: Duration,
}

impl ThreadTimes {
    /// Of the calling thread. Fails where the kernel does not count them (`CONFIG_SCHED_INFO`), and without descriptors.
    pub fn of_this_thread() -> io::Result<Self> {
        let times = Self(File::open("/proc/thread-self/schedstat")?);
        times.spent().map(|_| times)
    }

    /// Until now.
    pub fn spent(&self) -> io::Result<Spent> {
        let mut line = [0; 96];
        let length = self.0.read_at(&mut line, 0)?;
        let text = String::from_utf8_lossy(line.get(..length).unwrap_or_default());
        let mut nanos = text.split_ascii_whitespace().map(u64::from_str);
        match (nanos.next(), nanos.next()) {
            (Some(Ok(running)), Some(Ok(delayed))) => {
                Ok(Spent { running: Duration::from_nanos(running), delayed: Duration::from_nanos(delayed) })
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// How long each processor, by its number, had nothing to do since the system began, or worked for programs that have said that they give way
/// to others (nice(1)).
pub fn idle() -> io::Result<HashMap<usize, Duration>> {
    let mut all = HashMap::new();
    for line in BufReader::new(File::open("/proc/stat")?).lines() {
        let line = line?;
        let Some(rest) = line.strip_prefix("cpu") else { break };
        let mut words = rest.split_ascii_whitespace();
        // The first line is the sum of all: its number is missing.
        let Some(Ok(number)) = words.next().filter(|_| !rest.starts_with(' ')).map(usize::from_str) else {
            continue;
        };
        let mut ticks = words.map_while(|word| word.parse::<u64>().ok());
        let (_user, nice, _system) = (ticks.next(), ticks.next(), ticks.next());
        let (idle, waits) = (ticks.next(), ticks.next());
        let ticks = [nice, idle, waits].into_iter().flatten().sum::<u64>();
        all.insert(number, Duration::from_millis(ticks.saturating_mul(TICK_MILLIS)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affinity;
    use std::sync::mpsc;

    #[test]
    fn what_a_thread_ran_can_be_looked_up_by_any_other() {
        let (sends, times) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let worker = std::thread::spawn(move || {
            let times = ThreadTimes::of_this_thread().unwrap();
            while times.spent().unwrap().running < Duration::from_millis(20) {}
            sends.send(times).unwrap();
            gate.recv().unwrap();
        });
        let times = times.recv().unwrap();
        assert!(times.spent().unwrap().running >= Duration::from_millis(20));
        go.send(()).unwrap();
        worker.join().unwrap();
    }

    #[test]
    fn every_processor_that_may_be_used_has_its_idle_time() {
        let idle = idle().unwrap();
        for processor in affinity::allowed().unwrap() {
            assert!(idle.contains_key(&processor), "{processor} in {idle:?}");
        }
    }
}
