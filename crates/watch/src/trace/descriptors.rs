//! Which descriptors of which process are which sockets, and who else has them.

use enchufe_story::fact::Cookie;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// What a descriptor is, as far as it is looked at. One that is not here is of no interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A socket of TCP.
    Socket(Cookie),
    /// What the program prints on: 1, its standard output, or 2, its standard error.
    Console(u8),
}

/// The descriptors of one process; threads share them, and so may processes (`CLONE_FILES`).
pub type Shared = Rc<RefCell<Files>>;

/// A table of descriptors.
#[derive(Debug, Default)]
pub struct Files {
    slots: BTreeMap<i32, Slot>,
}

impl Files {
    /// What the descriptor is.
    pub fn get(&self, fd: i32) -> Option<Slot> {
        self.slots.get(&fd).copied()
    }

    /// The socket that the descriptor is.
    pub fn socket(&self, fd: i32) -> Option<Cookie> {
        match self.get(fd)? {
            Slot::Socket(cookie) => Some(cookie),
            Slot::Console(_) => None,
        }
    }

    /// All that are sockets.
    pub fn sockets(&self) -> impl Iterator<Item = (i32, Cookie)> {
        self.slots.iter().filter_map(|(fd, slot)| match slot {
            Slot::Socket(cookie) => Some((*fd, *cookie)),
            Slot::Console(_) => None,
        })
    }

    /// Those between two numbers, both included.
    pub fn between(&self, first: i32, last: i32) -> Vec<i32> {
        if first > last { Vec::new() } else { self.slots.range(first..=last).map(|(fd, _)| *fd).collect() }
    }
}

/// How many descriptors, over all processes, are each socket.
#[derive(Debug, Default)]
pub struct References {
    counts: HashMap<Cookie, usize>,
    /// How many of those are under way from one process to another.
    passed: HashMap<Cookie, usize>,
}

impl References {
    /// Makes the descriptor this; gives the socket whose last descriptor it was.
    pub fn set(&mut self, files: &Shared, fd: i32, slot: Slot) -> Option<Cookie> {
        if let Slot::Socket(cookie) = slot {
            *self.counts.entry(cookie).or_default() += 1;
        }
        let before = files.borrow_mut().slots.insert(fd, slot);
        self.release(before)
    }

    /// A descriptor of the socket is on its way to another process (`SCM_RIGHTS`): it counts as one, whoever closes meanwhile.
    /// If nobody ever takes it, no call is known to be the last.
    pub fn pass(&mut self, socket: Cookie) {
        *self.counts.entry(socket).or_default() += 1;
        *self.passed.entry(socket).or_default() += 1;
    }

    /// It has come, or it was never sent.
    pub fn arrive(&mut self, socket: Cookie) {
        if let Some(count) = self.passed.get_mut(&socket).filter(|count| **count > 0) {
            *count -= 1;
            self.release(Some(Slot::Socket(socket)));
        }
    }

    /// Closes the descriptor; gives the socket whose last one it was.
    pub fn close(&mut self, files: &Shared, fd: i32) -> Option<Cookie> {
        let before = files.borrow_mut().slots.remove(&fd);
        self.release(before)
    }

    /// Closes all of them; gives the sockets whose last ones they were.
    pub fn close_all(&mut self, files: &Shared) -> Vec<Cookie> {
        let slots = std::mem::take(&mut files.borrow_mut().slots);
        slots.into_values().filter_map(|slot| self.release(Some(slot))).collect()
    }

    /// A copy of the table, as `fork` makes it.
    pub fn copy(&mut self, files: &Shared) -> Shared {
        let slots = files.borrow().slots.clone();
        for slot in slots.values() {
            if let Slot::Socket(cookie) = slot {
                *self.counts.entry(*cookie).or_default() += 1;
            }
        }
        Rc::new(RefCell::new(Files { slots }))
    }

    /// The sockets that closing all of these would end: those that no other descriptor is.
    pub fn last_of(&self, files: &Files, fds: &[i32]) -> Vec<Cookie> {
        let mut counts: BTreeMap<Cookie, usize> = BTreeMap::new();
        for cookie in fds.iter().filter_map(|fd| files.socket(*fd)) {
            *counts.entry(cookie).or_default() += 1;
        }
        counts
            .into_iter()
            .filter(|(cookie, count)| self.counts.get(cookie) == Some(count))
            .map(|(c, _)| c)
            .collect()
    }

    fn release(&mut self, slot: Option<Slot>) -> Option<Cookie> {
        let Some(Slot::Socket(cookie)) = slot else { return None };
        let count = self.counts.get_mut(&cookie)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        self.counts.remove(&cookie);
        self.passed.remove(&cookie);
        Some(cookie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Cookie = Cookie(1);

    #[test]
    fn a_socket_ends_with_its_last_descriptor_in_any_process() {
        let (mut references, parent) = (References::default(), Shared::default());
        assert_eq!(references.set(&parent, 3, Slot::Socket(A)), None);
        let child = references.copy(&parent);
        references.set(&child, 4, Slot::Socket(A));
        assert_eq!(references.last_of(&parent.borrow(), &[3]), []);
        assert_eq!(references.close(&parent, 3), None);
        assert_eq!(references.last_of(&child.borrow(), &[3]), []);
        assert_eq!(references.last_of(&child.borrow(), &[3, 4, 9]), [A]);
        assert_eq!(references.close_all(&child), [A]);
    }

    #[test]
    fn a_socket_that_is_on_its_way_to_another_process_has_not_ended() {
        let (mut references, sender) = (References::default(), Shared::default());
        let receiver = Shared::default();
        references.set(&sender, 3, Slot::Socket(A));
        references.pass(A);
        assert_eq!(references.last_of(&sender.borrow(), &[3]), []);
        assert_eq!(references.close(&sender, 3), None);
        references.set(&receiver, 5, Slot::Socket(A));
        references.arrive(A);
        references.arrive(A);
        assert_eq!(references.last_of(&receiver.borrow(), &[5]), [A]);
        assert_eq!(references.close(&receiver, 5), Some(A));
    }

    #[test]
    fn a_descriptor_that_becomes_another_lets_go_of_what_it_was() {
        let (mut references, files) = (References::default(), Shared::default());
        references.set(&files, 3, Slot::Socket(A));
        assert_eq!(references.set(&files, 3, Slot::Console(1)), Some(A));
        assert_eq!(references.close(&files, 3), None);
        assert_eq!(references.close(&files, 3), None, "closing what is not there is nothing");
        references.set(&files, 3, Slot::Socket(A));
        assert_eq!(references.set(&files, 3, Slot::Socket(A)), None, "onto itself");
    }
}
