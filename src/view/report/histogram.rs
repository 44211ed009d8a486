//! How times are distributed: bins with round limits, and a bar for each.

use crate::core::history::Durations;
use crate::view::table::{Column, lines as drawn};
use crate::view::tone::{Line, headed};
use crate::view::trace::step;

/// The most bins.
const MOST_BINS: u64 = 15;
/// About this many bins hold 95 % of the times.
const BINS: usize = 12;
/// The widest bar.
const WIDEST_BAR: usize = 60;
/// The width without a terminal.
const COLUMNS: u16 = 80;
const TITLES: [Column<'static>; 3] =
    [Column::Right("AFTER"), Column::Right("ANSWERS"), Column::Left("")];

/// The times from `from` to below `to`, in milliseconds; without `to`, all that are longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bin {
    pub(super) from: u64,
    pub(super) to: Option<u64>,
    pub(super) count: u64,
}

/// Bins that hold each time once, the shortest times first; none without times.
pub(super) fn bins(times: &Durations) -> Vec<Bin> {
    let (Some(shortest), Some(p95), Some(longest)) =
        (times.quantile(0.0), times.p95(), times.longest())
    else {
        return Vec::new();
    };
    // A few long times do not stretch the scale, and bins are no finer than the times are exact.
    let span = (p95 - shortest).max(p95 / 10);
    let width = step(i64::try_from(span).unwrap_or(i64::MAX), BINS).unsigned_abs();
    let start = shortest / width * width;
    let until = |time: u64| (time - start) / width + 1;
    let (number, is_open) = match until(longest) {
        all @ ..=MOST_BINS => (all, false),
        _ => (until(p95), true),
    };
    let bin = |from: u64, to: Option<u64>| Bin {
        from,
        to,
        count: times.count_within(from, to.unwrap_or(u64::MAX)),
    };
    let limits = (0..number).map(|place| start + place * width);
    let closed = limits.map(|from| bin(from, Some(from + width)));
    closed.chain(is_open.then(|| bin(start + number * width, None))).collect()
}

/// The bins as bars of ASCII, in lines of at most this width.
pub(super) fn lines(times: &Durations, width: Option<u16>) -> Vec<Line> {
    let bins = bins(times);
    let Some(most) = bins.iter().map(|bin| bin.count).max() else { return Vec::new() };
    let mut rows: Vec<_> =
        bins.iter().map(|bin| vec![label(*bin, &bins), bin.count.to_string()]).collect();
    let beside = drawn(&TITLES[..2], &rows).iter().map(String::len).max().unwrap_or(0) + 2;
    let room = usize::from(width.unwrap_or(COLUMNS)).saturating_sub(beside);
    let room = room.clamp(1, WIDEST_BAR) as u64;
    for (row, bin) in rows.iter_mut().zip(&bins) {
        let length = usize::try_from((bin.count * room).div_ceil(most)).unwrap_or(0);
        row.push("=".repeat(length));
    }
    headed(drawn(&TITLES, &rows))
}

/// `0.5 - 1.0 s`; the last one may be `over 7.0 s`.
fn label(bin: Bin, all: &[Bin]) -> String {
    let width = all.first().and_then(|first| first.to.map(|to| to - first.from)).unwrap_or(1);
    let number = |at: u64| match width {
        ..100 => at.to_string(),
        100..1_000 => format!("{}.{}", at / 1_000, at % 1_000 / 100),
        _ => (at / 1_000).to_string(),
    };
    let unit = if width < 100 { "ms" } else { "s" };
    match bin.to {
        Some(to) => {
            let longest = all.iter().filter_map(|bin| bin.to).max().unwrap_or(to);
            let wide = number(longest).len();
            format!("{} - {:>wide$} {unit}", number(bin.from), number(to))
        }
        None => format!("over {} {unit}", number(bin.from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: impl IntoIterator<Item = i64>) -> Durations {
        all.into_iter().collect()
    }

    #[test]
    fn bins_are_round_and_hold_each_time_once() {
        for times in [
            of(0..1_000),
            of((0..1_000).map(|n| n * n)),
            of((0..100).chain([86_400_000])),
            of(10_000..10_500),
            of([812]),
            of([0]),
            of([0, 86_400_000]),
            of((1..400).map(|n| n * 131 % 20_011)),
        ] {
            let bins = bins(&times);
            assert!((1..=15).contains(&bins.len()), "{bins:?}");
            assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), times.count());
            let meet = |two: &[Bin]| two[0].to == Some(two[1].from);
            assert!(bins.windows(2).all(meet), "{bins:?}");
            let width = bins[0].to.expect("it has an end") - bins[0].from;
            let digit = width.to_string().trim_end_matches('0').to_owned();
            assert!(["1", "2", "5"].contains(&digit.as_str()), "{width}");
            assert!(bins[0].count > 0, "it begins with the shortest: {bins:?}");
        }
        assert!(bins(&of([])).is_empty() && lines(&of([]), None).is_empty());
    }

    #[test]
    fn few_long_times_have_a_bin_without_an_end() {
        let bins = bins(&of((0..1_000).chain([3_600_000])));
        let last = bins.last().expect("there are bins");
        assert_eq!((last.to, last.count), (None, 1));
        assert!(bins.len() > 5, "{bins:?}");
    }

    #[test]
    fn each_bin_with_times_has_a_bar() {
        let times = of((0..1_000).map(|n| n % 300).chain([900]));
        let shown = lines(&times, Some(40));
        assert!(shown.iter().all(|line| line.text.len() <= 40), "{shown:?}");
        let bars = shown[1..].iter().map(|line| line.text.contains('='));
        let held = bins(&times).into_iter().map(|bin| bin.count > 0);
        assert_eq!(bars.collect::<Vec<_>>(), held.collect::<Vec<_>>(), "{shown:?}");
    }
}
