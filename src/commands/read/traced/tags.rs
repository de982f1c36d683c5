//! What tells apart, on a ladder, several conversations, and several threads or processes of one program.

use crate::catalogue::Catalogue;
use enchufe_story::trace::{Event, Sockets, Told};
use std::collections::{HashMap, HashSet};

/// The tags of a recording: none where there is nothing to tell apart.
#[derive(Debug, Default)]
pub struct Tags {
    conversations: bool,
    /// By program and thread: which of its program's it is, from 1.
    threads: HashMap<(u32, u32), usize>,
    /// Processes and threads that do something, now or later.
    active: HashSet<u32>,
    /// Those that have begun to.
    begun: HashSet<u32>,
}

impl Tags {
    /// Of a recording, of which only one conversation may be shown.
    pub fn new(sockets: &Sockets, is_one: bool) -> Self {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        let mut threads = HashMap::new();
        for thread in sockets.threads() {
            let count = counts.entry(thread.program).or_default();
            *count += 1;
            threads.insert((thread.program, thread.tid), *count);
        }
        threads.retain(|(program, _), _| counts.get(program).is_some_and(|count| *count > 1));
        let active = sockets.threads().iter().flat_map(|thread| [thread.pid, thread.tid]).collect();
        Self { conversations: !is_one && sockets.connections() > 1, threads, active, begun: HashSet::new() }
    }

    /// Whether a process or thread does something, now or later.
    pub fn is_active(&self, id: u32) -> bool {
        self.active.contains(&id)
    }

    /// Whether an event is of a process or thread that does nothing else, or has not yet: what a wrapper around a program
    /// does until it executes that (pyenv's does a lot).
    pub fn is_noise(&mut self, event: &Event) -> bool {
        match &event.told {
            Told::Began { tid, .. } => !self.is_active(*tid),
            Told::Signalled { tid, .. } => !self.begun.contains(tid),
            Told::Entered(entered) => {
                self.begun.extend([entered.tid].iter().filter(|_| entered.socket.is_some()));
                false
            }
            Told::Printed { tid, .. } => {
                self.begun.insert(*tid);
                false
            }
            _ => false,
        }
    }

    /// Which of its program's threads it is, where there are several.
    pub fn thread(&self, program: u32, tid: u32) -> String {
        self.threads.get(&(program, tid)).map_or_else(String::new, |number| format!("t{number} "))
    }

    /// Which conversation it is, where there are several.
    pub fn conversation(&self, stream: Option<u32>) -> String {
        stream.filter(|_| self.conversations).map_or_else(String::new, |stream| format!("c{stream} "))
    }

    /// What the tags mean.
    pub fn legend(&self, catalogue: &Catalogue) -> Vec<String> {
        let conversations = self.conversations.then(|| catalogue.plain("trace-legend-conversations"));
        let threads = (!self.threads.is_empty()).then(|| catalogue.plain("trace-legend-threads"));
        conversations.into_iter().chain(threads).collect()
    }
}
