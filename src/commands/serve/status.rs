//! `--status`: a line a second, for whoever looks on, of what the server does.

use crate::catalogue::Catalogue;
use crate::problem::Problem;
use crate::progress::human_size;
use crate::reporter::Teller;
use enchufe_talk::Counters;
use enchufe_talk::counters::Counted;
use fluent_bundle::FluentArgs;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);

/// Shows it in a thread that ends with the program.
pub fn show(
    counters: &Arc<Counters>,
    teller: &Arc<Teller>,
    catalogue: &'static Catalogue,
) -> Result<(), Problem> {
    let (counters, teller) = (Arc::clone(counters), Arc::clone(teller));
    let (mut before, mut then) = (counters.counted(), Instant::now());
    let mut last = line(&before, &before, PAUSE, catalogue);
    let writer = move || loop {
        std::thread::sleep(PAUSE);
        let (counted, now) = (counters.counted(), Instant::now());
        let text = line(&before, &counted, now - then, catalogue);
        if text != last {
            teller.show_status(&text);
            last = text;
        }
        (before, then) = (counted, now);
    };
    std::thread::Builder::new().spawn(writer).map_err(|error| Problem::resources("clone", &error))?;
    Ok(())
}

/// What happened between two looks that are so far apart.
fn line(before: &Counted, after: &Counted, apart: Duration, catalogue: &Catalogue) -> String {
    let rate = |of: fn(&Counted) -> u64| per_second(of(after).saturating_sub(of(before)), apart);
    let mut args = FluentArgs::new();
    args.set("open", after.open());
    args.set("accepted", rate(|counted| counted.accepted));
    args.set("refused", rate(|counted| counted.refused));
    args.set("received", human_size(rate(|counted| counted.received)));
    args.set("sent", human_size(rate(|counted| counted.sent)));
    catalogue.text("status", &args)
}

/// Rounded to the next.
fn per_second(count: u64, apart: Duration) -> u64 {
    let apart = apart.as_nanos().max(1);
    u64::try_from((u128::from(count) * 1_000_000_000 + apart / 2) / apart).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Language;

    #[test]
    fn rates_are_of_one_second_however_far_the_looks_are_apart() {
        let before = Counters::default().counted();
        let mut after = before;
        (after.accepted, after.refused, after.received, after.sent) = (301, 3, 3 << 20, 1_000);
        after.closed[0] = 300;
        let [english, spanish] = Language::ALL.map(Catalogue::new);
        let apart = Duration::from_millis(1_500);
        assert_eq!(
            line(&before, &after, apart, &english),
            "1 open, 201 accepted/s, 2 refused/s, 2.0 MiB/s in, 667 B/s out"
        );
        assert_eq!(
            line(&before, &after, apart, &spanish),
            "1 abierta, 201 aceptadas/s, 2 rechazadas/s, entran 2.0 MiB/s, salen 667 B/s"
        );
        assert_eq!(
            line(&after, &after, apart, &english),
            "1 open, 0 accepted/s, 0 refused/s, 0 B/s in, 0 B/s out"
        );
        (after.accepted, after.refused) = (1, 1);
        assert_eq!(
            line(&before, &after, PAUSE, &spanish),
            "0 abiertas, 1 aceptada/s, 1 rechazada/s, entran 3.0 MiB/s, salen 1000 B/s"
        );
    }
}
