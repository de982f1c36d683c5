//! Which connections of a thread are to go to another: what another would do better, and what is too much.

use super::HandOver;
use super::balance::{Load, Others, Pace};
use super::crowd::{Crowd, Key, Member, Standing};
use super::group::Group;
use enchufe_sys::schedstat::Spent;
use std::cmp::Reverse;
use std::mem;
use std::time::{Duration, Instant};

/// A connection that was handed over stays for so long: were it wrong, it is not to go to and fro. One that went where its packets are
/// handled may follow them again sooner.
const STAY: Duration = Duration::from_secs(2);
const STAY_AT_HOME: Duration = Duration::from_millis(25);
/// Connections that are asked which processor handles their packets, each time.
const MOST_ASKED: usize = 64;
/// One with fewer turns is served as well anywhere.
const MANY_TURNS: u32 = 20;
/// So much of a processor's time is left for its own.
const LEFT_ALONE: f64 = 0.1;

/// A connection that had something to do and may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Active {
    pub(super) key: Key,
    /// How often.
    pub(super) turns: u32,
}

/// A connection whose packets the processor of another thread handles.
#[derive(Clone, Copy, Debug)]
struct Stray {
    active: Active,
    to: usize,
    /// It was so when this was asked before.
    for_long: bool,
}

/// A connection, and the thread that it is to go to; none: it stays after all.
pub(super) type Move = (Key, Option<usize>);

/// Where every connection of a thread is to go after its turn, where each is.
pub(super) fn next_thread(group: &Group<'_>, thread: usize) -> Option<usize> {
    let always = group.entrance.host.limits.hand_over == HandOver::Always;
    always.then(|| (thread + 1) % group.threads()).filter(|next| *next != thread)
}

/// Why a connection goes to another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The processor of that one handles its packets.
    Packets,
    /// That one has time left.
    Load,
}

impl Why {
    pub(super) fn of(standing: &Standing, to: usize) -> Self {
        if standing.strays == Some(to) { Self::Packets } else { Self::Load }
    }

    /// How long it is to stay there.
    pub(super) const fn stays(self) -> Duration {
        match self {
            Self::Packets => STAY_AT_HOME,
            Self::Load => STAY,
        }
    }
}

/// Looks, once in a while, whether this thread has too much to do or what another would do better. `handled` says which processor
/// handles the packets of a connection.
pub(super) fn moves<'h, C: Member<'h>>(
    pace: &mut Pace<'_>,
    now: Instant,
    crowd: &mut Crowd<'h, C>,
    handled: impl FnMut(&C) -> Option<usize>,
) -> Vec<Move> {
    let (balance, thread) = pace.balance_and_thread();
    moves_by(pace, now, crowd, handled, (|| balance.spent(thread), || balance.others(now)))
}

/// The same, from what this thread, and then all, are said to have done until now.
fn moves_by<'h, C: Member<'h>>(
    pace: &mut Pace<'_>,
    now: Instant,
    crowd: &mut Crowd<'h, C>,
    mut handled: impl FnMut(&C) -> Option<usize>,
    (spent, others): (impl FnOnce() -> Option<Spent>, impl FnOnce() -> Option<Others>),
) -> Vec<Move> {
    if !pace.is_due(now, crowd.len()) {
        return Vec::new();
    }
    let mut active = crowd.active(now);
    let Some(load) = pace.load(now, spent()) else { return Vec::new() };
    active.sort_by_key(|one| Reverse(one.turns));
    let busy = active.iter().take(MOST_ASKED).take_while(|one| one.turns >= MANY_TURNS);
    let stray = |one: &Active| {
        let connection = crowd.find(one.key)?;
        let home = handled(connection).and_then(|processor| pace.thread_on(processor));
        let before = mem::replace(&mut connection.standing().strays, home);
        home.map(|to| Stray { active: *one, to, for_long: before == home })
    };
    let strays: Vec<Stray> = busy.filter_map(stray).collect();
    if !pace.is_full(now) && strays.is_empty() {
        pace.rest();
        return Vec::new();
    }
    let Some(left) = others().and_then(|after| pace.left(after)) else { return Vec::new() };
    let moves = home(&strays, load, left.clone(), &active);
    if moves.is_empty() && pace.is_full(now) {
        relief(pace.balance_and_thread().1, load, &left, &active)
    } else {
        moves
    }
}

/// What is at home elsewhere and has been so for a while, as far as there is room.
fn home(strays: &[Stray], load: Load, mut left: Vec<f64>, active: &[Active]) -> Vec<Move> {
    let all: f64 = active.iter().map(|one| f64::from(one.turns)).sum();
    let mut moves = Vec::new();
    for stray in strays.iter().filter(|stray| stray.for_long) {
        let takes = load.at_home(f64::from(stray.active.turns) / all);
        if let Some(room) = left.get_mut(stray.to).filter(|left| **left >= takes + LEFT_ALONE) {
            *room -= takes;
            moves.push((stray.active.key, Some(stray.to)));
        }
    }
    moves
}

/// To the thread whose processor has most time left, if that is worth it.
fn relief(thread: usize, load: Load, left: &[f64], active: &[Active]) -> Vec<Move> {
    let others = left.iter().copied().enumerate().filter(|(other, _)| *other != thread);
    let Some((to, left)) = others.max_by(|one, other| one.1.total_cmp(&other.1)) else { return Vec::new() };
    let work: Vec<u32> = active.iter().map(|one| one.turns).collect();
    let goes = load.going(left, &work);
    active.iter().zip(goes).map(|(one, goes)| (one.key, goes.then_some(to))).collect()
}

#[cfg(test)]
mod tests;
