//! Which conversations of a recording are shown, and which calls belong to them.

use super::super::reading::Came;
use super::each_fact;
use enchufe_story::fact::{CallId, Cookie, Syscall, passage};
use enchufe_story::trace::{Entered, Event, Judge, MOST_SOCKETS, Remark, Role, Segment, Sockets, Told};
use enchufe_wire::Filter;
use std::collections::{HashMap, HashSet};

/// What belongs to a conversation.
#[derive(Debug, Default)]
struct Of {
    sockets: HashSet<Cookie>,
    listeners: HashSet<Cookie>,
    programs: HashSet<u32>,
}

/// A reading of its own: a call that comes before the first segment of its socket shall be known.
#[derive(Debug)]
pub struct Choosing {
    judge: Judge,
    events: Vec<Event>,
    /// The conversation that was asked for; none: those that the filter lets through.
    one: Option<u32>,
    streams: HashSet<u32>,
    found: HashMap<u32, Of>,
    /// Which call made a socket.
    makers: HashMap<Cookie, CallId>,
}

impl Choosing {
    pub fn new(sockets: Sockets, one: Option<u32>) -> Self {
        let (events, streams, found, makers) = Default::default();
        Self { judge: Judge::new(sockets), events, one, streams, found, makers }
    }

    pub fn take(&mut self, came: &Came<'_, '_>, filter: &Filter) {
        let Self { judge, events, .. } = self;
        match came {
            Came::Frame(seen) => {
                judge.frame(seen.frame, passage(seen.record), events);
                let stream = seen.frame.tcp.map(|note| note.stream);
                let fits = self.one.map_or_else(|| filter.matches(seen.frame), |one| stream == Some(one));
                if let Some(stream) = stream.filter(|_| fits) {
                    self.streams.insert(stream);
                }
            }
            Came::Aside(..) => {
                each_fact(came, |fact| judge.fact(fact, events));
            }
            Came::Pause => {}
        }
        for event in std::mem::take(&mut self.events) {
            self.event(&event);
        }
    }

    fn event(&mut self, event: &Event) {
        match &event.told {
            Told::Segment(segment) if self.one.is_none_or(|one| one == segment.stream) => {
                self.segment(segment);
            }
            Told::Left(left) if left.syscall == Some(Syscall::Socket) => {
                if let Some((_, cookie)) = left.made.filter(|_| self.makers.len() < MOST_SOCKETS) {
                    self.makers.insert(cookie, left.id);
                }
            }
            _ => {}
        }
    }

    fn segment(&mut self, segment: &Segment) {
        if self.found.len() >= MOST_SOCKETS && !self.found.contains_key(&segment.stream) {
            return;
        }
        let of = self.found.entry(segment.stream).or_default();
        for side in &segment.ends {
            of.sockets.extend(side.socket);
            of.listeners.extend(side.listener);
            of.programs.extend(side.program);
        }
    }

    pub fn finish(self) -> Chosen {
        let mut chosen = Chosen { streams: self.streams, ..Chosen::default() };
        for (_, of) in self.found.into_iter().filter(|(stream, _)| chosen.streams.contains(stream)) {
            chosen.sockets.extend(of.sockets);
            chosen.listeners.extend(of.listeners);
            chosen.programs.extend(of.programs);
        }
        let both = chosen.sockets.union(&chosen.listeners);
        chosen.makers = both.filter_map(|cookie| self.makers.get(cookie)).copied().collect();
        for socket in self.judge.sockets().all() {
            if let Role::Accepted { call, .. } = socket.role
                && !chosen.sockets.contains(&socket.cookie)
            {
                chosen.others.insert(call);
            }
        }
        chosen
    }
}

/// Which events are shown.
#[derive(Debug, Default)]
pub struct Chosen {
    streams: HashSet<u32>,
    sockets: HashSet<Cookie>,
    listeners: HashSet<Cookie>,
    programs: HashSet<u32>,
    makers: HashSet<CallId>,
    /// Calls that took other connections from the listening sockets.
    others: HashSet<CallId>,
    /// Calls that are shown, until they are left.
    open: HashSet<CallId>,
    processes: HashSet<u32>,
}

impl Chosen {
    /// Whether there is any conversation.
    pub fn any(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Whether there is only one.
    pub fn is_one(&self) -> bool {
        self.streams.len() == 1
    }

    /// Whether a remark is about one of them.
    pub fn has(&self, remark: &Remark) -> bool {
        let of_socket = remark.socket.is_some_and(|socket| self.sockets.contains(&socket));
        remark.stream.map_or(of_socket, |stream| self.streams.contains(&stream))
    }

    /// Whether an event belongs to them.
    pub fn fits(&mut self, event: &Event) -> bool {
        match &event.told {
            Told::Segment(segment) => self.streams.contains(&segment.stream),
            Told::Entered(entered) => {
                let fits = self.is_of(entered);
                if fits {
                    self.open.insert(entered.id);
                }
                fits
            }
            Told::Left(left) => self.open.remove(&left.id),
            Told::Started(program) => self.process(program.number, program.pid),
            Told::Began { program, pid, .. } => self.process(*program, *pid),
            Told::Signalled { pid, .. } | Told::Ended { pid, .. } => self.processes.contains(pid),
            Told::Printed { .. } => false,
            Told::ArrivedAgain { stream, .. } => self.streams.contains(stream),
        }
    }

    fn process(&mut self, program: u32, pid: u32) -> bool {
        let fits = self.programs.contains(&program);
        if fits {
            self.processes.insert(pid);
        }
        fits
    }

    fn is_of(&self, entered: &Entered) -> bool {
        let of_listener = |cookie: &Cookie| self.listeners.contains(cookie);
        entered.socket.is_some_and(|cookie| self.sockets.contains(&cookie))
            || entered.socket.as_ref().is_some_and(of_listener) && !self.others.contains(&entered.id)
            || self.makers.contains(&entered.id)
            || entered.drops.iter().any(|cookie| self.sockets.contains(cookie) || of_listener(cookie))
    }
}
