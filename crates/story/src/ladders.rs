//! All conversations of a capture, within bounds.

use crate::ladder::{Ladder, Row};
use enchufe_wire::session::Frame;
use std::collections::HashMap;

/// The most rows of a conversation that are kept.
pub const MOST_ROWS: usize = 1_000;
/// The most rows over all conversations, and so the most conversations.
pub const MOST_ROWS_OVERALL: usize = 100_000;

/// A conversation's rows.
#[derive(Debug)]
pub struct Story {
    /// Its ends, and who opened it.
    pub ladder: Ladder,
    /// Its rows, from the first.
    pub rows: Vec<Row>,
    /// How many segments came after them.
    pub left_out: u64,
}

/// Gathers the ladders of all conversations.
#[derive(Debug, Default)]
pub struct Ladders {
    stories: Vec<Story>,
    places: HashMap<u32, usize>,
    rows: usize,
    others: u64,
    left_out: u64,
}

impl Ladders {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The conversations, in the order in which they began.
    pub fn stories(&self) -> &[Story] {
        &self.stories
    }

    /// How many frames belong to no TCP conversation.
    pub const fn others(&self) -> u64 {
        self.others
    }

    /// How many segments belong to conversations that were not kept, past [`MOST_ROWS_OVERALL`].
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes the next frame.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        let Some(note) = frame.tcp else {
            self.others += 1;
            return;
        };
        let full = self.rows >= MOST_ROWS_OVERALL;
        let known = self.places.get(&note.stream).copied();
        let place = match (known, Ladder::new(frame)) {
            (Some(place), _) => place,
            (None, Some(ladder)) if !full => {
                self.places.insert(note.stream, self.stories.len());
                self.stories.push(Story { ladder, rows: Vec::new(), left_out: 0 });
                self.stories.len() - 1
            }
            _ => {
                self.left_out += 1;
                return;
            }
        };
        let Some(story) = self.stories.get_mut(place) else { return };
        if full || story.rows.len() >= MOST_ROWS {
            if story.left_out == 0 {
                story.ladder.forget();
            }
            story.left_out += 1;
        } else if let Some(row) = story.ladder.frame(frame) {
            story.rows.push(row);
            self.rows += 1;
        }
    }
}
