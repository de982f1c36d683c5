//! A queue that is short nearly always: one element needs no memory beside the connection's.

use std::collections::VecDeque;

/// First in, first out.
#[derive(Debug)]
pub(super) struct Queue<T> {
    first: Option<T>,
    /// Empty without a first one.
    rest: VecDeque<T>,
}

impl<T> Queue<T> {
    pub(super) const fn new() -> Self {
        Self { first: None, rest: VecDeque::new() }
    }

    pub(super) fn push(&mut self, element: T) {
        if self.first.is_none() {
            self.first = Some(element);
        } else {
            self.rest.push_back(element);
        }
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.first.as_ref()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut T> {
        self.first.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }

    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.first.iter_mut().chain(&mut self.rest)
    }

    pub(super) fn back_mut(&mut self) -> Option<&mut T> {
        self.rest.back_mut().or(self.first.as_mut())
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let Some(next) = self.rest.pop_front() else { return self.first.take() };
        if self.rest.is_empty() {
            // What a peer that was slow once has needed is not kept for it.
            self.rest = VecDeque::new();
        }
        self.first.replace(next)
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_out_in_order_and_leave_no_memory_behind() {
        let mut queue = Queue::new();
        assert_eq!((queue.pop(), queue.len()), (None, 0));
        for element in 0..5 {
            queue.push(element);
        }
        assert_eq!((queue.pop(), queue.pop(), queue.len()), (Some(0), Some(1), 3));
        queue.push(5);
        *queue.front_mut().unwrap() += 10;
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!((rest, queue.rest.capacity(), queue.is_empty()), (vec![12, 3, 4, 5], 0, true));
    }
}
