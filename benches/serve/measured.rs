//! What the runs of a case found, and the tables of it.

use crate::cases::{Case, Figure, Goal, Wanted};
use crate::load::Run;
use crate::peers::Peer;
use crate::ratio::Summary;
use std::cmp::Ordering;
use std::fmt::Write;

/// The runs of one server.
pub struct Series {
    pub peer: Peer,
    /// By turn; with whether others left the processors alone.
    runs: Vec<(Option<Run>, bool)>,
    pub failures: Vec<String>,
}

impl Series {
    pub const fn new(peer: Peer) -> Self {
        Self { peer, runs: Vec::new(), failures: Vec::new() }
    }

    pub fn push(&mut self, run: Option<Run>, quiet: bool) {
        self.runs.push((run, quiet));
    }

    pub fn quiet(&self) -> usize {
        self.runs.iter().filter(|(run, quiet)| *quiet && run.is_some()).count()
    }

    /// What is told, by turn: quiet runs, and where there are none, all.
    fn told(&self) -> impl Iterator<Item = Option<&Run>> {
        let all = self.quiet() == 0;
        self.runs.iter().map(move |(run, quiet)| run.as_ref().filter(|_| all || *quiet))
    }

    fn count(&self) -> String {
        let disturbed = self.runs.iter().filter(|(run, quiet)| !quiet && run.is_some()).count();
        match (self.quiet(), disturbed) {
            (quiet, 0) => quiet.to_string(),
            (0, disturbed) => format!("{disturbed}, all disturbed"),
            (quiet, disturbed) => format!("{quiet}; {disturbed} disturbed"),
        }
    }

    fn summary(&self, case: &Case, figure: Figure) -> Summary {
        Summary::of(self.told().flatten().map(|run| figure.of(case, run)).collect())
    }
}

impl Figure {
    const fn name(self, case_is_bulk: bool) -> &'static str {
        match self {
            Self::Rate if case_is_bulk => "MiB/s",
            Self::Rate => "a second",
            Self::Cost if case_is_bulk => "server s/GiB",
            Self::Cost => "server µs",
            Self::P50 => "p50",
            Self::P99 => "p99",
        }
    }

    fn of(self, case: &Case, run: &Run) -> f64 {
        const MIB: f64 = 1_048_576.0;
        match self {
            Self::Rate if case.is_bulk() => run.rounds / MIB / run.wall,
            Self::Rate => run.rounds / run.wall,
            Self::Cost if case.is_bulk() => run.server / (run.rounds / MIB / 1024.0),
            Self::Cost => run.server * 1e6 / run.rounds,
            Self::P50 => run.p50,
            Self::P99 => run.p99,
        }
    }

    /// Which of two values is the better one.
    fn better(self, one: f64, other: f64) -> Ordering {
        if self == Self::Rate { one.total_cmp(&other) } else { other.total_cmp(&one) }
    }
}

/// As many digits as tell something.
fn shown(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}

fn interval(summary: &Summary) -> String {
    format!("{} ({} to {})", shown(summary.median), shown(summary.low), shown(summary.high))
}

/// The table of a case: everybody's medians.
pub fn table(case: &Case, all: &[Series]) -> String {
    let bulk = case.is_bulk();
    let mut text = format!("\n**{}** (`{}`)\n\n", case.title, case.name);
    let (rate, cost) = (Figure::Rate.name(bulk), Figure::Cost.name(bulk));
    let _ = write!(text, "| | {rate} | {cost} | p50 µs | p99 µs | runs |\n|---|---|---|---|---|---|\n");
    for series in all {
        let name = series.peer.name;
        if let Some(failure) = series.failures.first() {
            let _ = writeln!(text, "| {name} | failed {} times: {failure} | | | | |", series.failures.len());
            continue;
        }
        let of = |figure| series.summary(case, figure);
        let latency = |figure| if bulk { "–".into() } else { shown(of(figure).median) };
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} |",
            interval(&of(Figure::Rate)),
            interval(&of(Figure::Cost)),
            latency(Figure::P50),
            latency(Figure::P99),
            series.count(),
        );
    }
    text
}

/// Of the turns in which both were told, how many times the other one's figure ours is.
fn ratio(case: &Case, figure: Figure, ours: &Series, theirs: &Series) -> Option<Summary> {
    let pairs = ours.told().zip(theirs.told()).filter_map(|(one, other)| one.zip(other));
    let ratios: Vec<f64> = pairs.map(|(one, other)| figure.of(case, one) / figure.of(case, other)).collect();
    (!ratios.is_empty()).then(|| Summary::of(ratios))
}

/// Beside whom a figure is to be seen, and the ratio. The best of the others is the one beside which ours looks worst: each in its own
/// turns, so that who was lucky with the machine is not taken for better.
fn beside<'a>(case: &Case, goal: &Goal, ours: &Series, all: &'a [Series]) -> Option<(&'a Series, Summary)> {
    let is_meant = |series: &&Series| match goal.beside {
        Some(name) => series.peer.name == name,
        None => !series.peer.is_ours(),
    };
    let right = all.iter().filter(is_meant).filter(|series| series.failures.is_empty());
    let pairs = right.filter_map(|theirs| Some((theirs, ratio(case, goal.figure, ours, theirs)?)));
    pairs.min_by(|(_, one), (_, other)| goal.figure.better(one.median, other.median))
}

/// A row of the table of what is wanted.
pub fn goal_row(case: &Case, goal: &Goal, all: &[Series]) -> String {
    let figure = goal.figure.name(case.is_bulk());
    let wanted = match goal.wanted {
        Wanted::AtLeast(ratio) => format!("at least {ratio}"),
        Wanted::AtMost(ratio) => format!("at most {ratio}"),
    };
    let head = format!("| {} | {figure} | {} |", case.title, goal.ours);
    let ours = all.iter().find(|series| series.peer.name == goal.ours && series.failures.is_empty());
    let Some((ours, (theirs, ratio))) = ours.and_then(|ours| Some(ours).zip(beside(case, goal, ours, all)))
    else {
        return format!(
            "{head} {} | – | – | not measured | {wanted} | |\n",
            goal.beside.unwrap_or("the best")
        );
    };
    let reached = match goal.wanted {
        Wanted::AtLeast(wanted) => ratio.median >= wanted,
        Wanted::AtMost(wanted) => ratio.median <= wanted,
    };
    // What others did may be all that differs.
    let disturbed = if ours.quiet() == 0 || theirs.quiet() == 0 { ", disturbed" } else { "" };
    format!(
        "{head} {} | {} | {} | {:.2} ({:.2} to {:.2}) | {wanted} | {}{disturbed} |\n",
        theirs.peer.name,
        shown(ours.summary(case, goal.figure).median),
        shown(theirs.summary(case, goal.figure).median),
        ratio.median,
        ratio.low,
        ratio.high,
        if reached { "yes" } else { "**no**" },
    )
}
