//! A server that is watched while very many come and go: what it has, and what it told of them, counted as it comes: all of it would
//! not fit into memory.

use super::waits::{end_of, look_for};
use super::{GUARD, enchufe};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};

/// Threads, and descriptors of theirs, that may not have been there yet when a server that listens was looked at.
const STARTING: usize = 8;

/// What a server has: descriptors, threads, and resident memory in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub descriptors: usize,
    pub threads: usize,
    pub memory: u64,
}

impl fmt::Display for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, threads, memory } = self;
        write!(formatter, "{descriptors} descriptors, {threads} threads, {memory} KiB")
    }
}

impl Held {
    /// What this process has now.
    pub fn by(process: u32) -> Self {
        let folder = format!("/proc/{process}");
        let count = |name: &str| fs::read_dir(format!("{folder}/{name}")).unwrap().count();
        let status = fs::read_to_string(format!("{folder}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let memory = resident.trim().trim_end_matches(" kB").parse().unwrap();
        Self { descriptors: count("fd"), threads: count("task"), memory }
    }
}

pub struct Watched {
    process: Child,
    pub address: SocketAddr,
    told: Option<JoinHandle<Told>>,
}

/// What was told from the first to the last.
#[derive(Debug, Default)]
pub struct Told {
    pub begun: u64,
    pub ended: u64,
    /// Of each reason.
    pub ends: BTreeMap<String, u64>,
    /// Ends that were no orderly ones, by the peer's address.
    pub broken: BTreeMap<String, u64>,
    /// Shortages, by what was short.
    pub short: BTreeMap<String, u64>,
    pub stopped: Value,
    open: BTreeSet<u64>,
    last: u64,
}

impl Watched {
    /// `serve WORDS`, with a plan of faults where there is one.
    pub fn start(words: &[&str], faults: Option<&str>) -> Self {
        Self::try_start(words, faults).expect("it serves")
    }

    /// None where it has ended before it waited for anybody.
    pub fn try_start(words: &[&str], faults: Option<&str>) -> Option<Self> {
        let words = [&["serve"], words, &["--listen", "127.0.0.1:0", "--json", "--events", "all"]].concat();
        let mut command = enchufe("en", &words);
        command.envs(faults.map(|plan| ("ENCHUFE_FAULTS", plan)));
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let (sender, waits) = mpsc::channel();
        let told = thread::spawn(move || {
            let mut next = |name: &str| lines.find_map(|line| event(&line, name));
            let mut told = Told::default();
            if let Some((listening, _)) = next("listening").zip(next("waiting")) {
                // Nobody hears it where the test has failed meanwhile.
                let _ = sender.send(listening["address"].as_str().unwrap().parse().unwrap());
                lines.for_each(|line| told.learn(&line));
            }
            told
        });
        match waits.recv_timeout(GUARD) {
            Ok(address) => Some(Self { process, address, told: Some(told) }),
            Err(RecvTimeoutError::Disconnected) => {
                end_of(&mut process);
                None
            }
            Err(RecvTimeoutError::Timeout) => {
                let held = Held::by(process.id());
                process.kill().unwrap();
                process.wait().unwrap();
                panic!("it waits for nobody: {held}");
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn held(&self) -> Held {
        Held::by(self.process.id())
    }

    /// Waits until it has no more descriptors and threads than before. One that leaks them never does.
    #[track_caller]
    pub fn settled(&self, before: Held) -> Held {
        self.until(|now| {
            now.descriptors <= before.descriptors + STARTING && now.threads <= before.threads + STARTING
        })
    }

    /// Waits until what it has is so.
    #[track_caller]
    pub fn until(&self, is_so: impl Fn(Held) -> bool) -> Held {
        let look = || Some(self.held()).filter(|now| is_so(*now));
        look_for(|| false, look).unwrap_or_else(|problem| panic!("{problem}: {}", self.held()))
    }

    /// Ends it with SIGTERM. Each connection has begun and ended once.
    pub fn stop(mut self) -> Told {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        let told = self.told.take().unwrap();
        let all = look_for(|| false, || told.is_finished().then_some(()));
        all.unwrap_or_else(|problem| panic!("it does not stop, {problem}: {}", self.held()));
        let told = told.join().unwrap();
        assert_eq!(end_of(&mut self.process).code(), Some(0));
        assert!(told.open.is_empty(), "never ended: {:?}", told.open);
        assert_eq!((told.begun, told.ended), (told.last, told.last), "numbers are given out once");
        told
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and that is well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Told {
    fn learn(&mut self, line: &str) {
        if let Some(event) = event(line, "accepted") {
            let number = event["connection"].as_u64().unwrap();
            assert!(self.open.insert(number), "{number} begins twice");
            self.last = self.last.max(number);
            self.begun += 1;
        } else if let Some(event) = event(line, "closed") {
            let number = event["connection"].as_u64().unwrap();
            assert!(self.open.remove(&number), "{number} ends, and has not begun");
            self.ended += 1;
            let reason = event["reason"].as_str().unwrap();
            *self.ends.entry(reason.to_owned()).or_default() += 1;
            if !["peer_finished", "own_end"].contains(&reason) {
                *self.broken.entry(event["peer"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        } else if let Some(event) = event(line, "short") {
            *self.short.entry(event["of"].as_str().unwrap().to_owned()).or_default() += 1;
        } else if let Some(event) = event(line, "stopped") {
            self.stopped = event;
        }
    }
}

/// The event of a line, if it has this name.
fn event(line: &str, name: &str) -> Option<Value> {
    line.contains(&format!("\"event\":\"{name}\"")).then(|| serde_json::from_str(line).unwrap())
}
