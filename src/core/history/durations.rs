//! Times and ratios of any number of gatherings, in bounded memory.

use hdrhistogram::Histogram;

/// Significant digits: figures are exact to a thousandth.
const DIGITS: u8 = 3;
/// The same of one distribution that has more memory.
const FINE_DIGITS: u8 = 4;

/// The distribution of durations in milliseconds. Figures are exact below 2.048 s, else to 0.1 %.
#[derive(Debug, Clone)]
pub struct Durations {
    histogram: Histogram<u32>,
    /// The longest one, exactly.
    longest: u64,
}

impl Default for Durations {
    fn default() -> Self {
        Self::to_digits(DIGITS)
    }
}

impl Durations {
    /// Figures are exact below 32.768 s, else to 0.01 %. Takes about 128 KiB and more.
    pub fn fine() -> Self {
        Self::to_digits(FINE_DIGITS)
    }

    fn to_digits(digits: u8) -> Self {
        let histogram = Histogram::new(digits).expect("the digits are in range");
        Self { histogram, longest: 0 }
    }

    /// Adds one. A negative one, of clocks that disagree, counts as zero.
    pub fn add(&mut self, millis: i64) {
        let millis = u64::try_from(millis).unwrap_or(0);
        self.longest = self.longest.max(millis);
        self.histogram.record(millis).expect("the histogram grows");
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The shortest duration that this share of all does not exceed; `None` without any.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        self.quantile_of(share, self.count())
    }

    /// The same for this share of `total` durations. Those that were not added count as longer than all others.
    pub fn quantile_of(&self, share: f64, total: u64) -> Option<u64> {
        let rank = rank(share, total)?;
        if rank > self.count() {
            return None;
        }
        let share = real(rank) / real(self.count());
        Some(self.histogram.lowest_equivalent(self.histogram.value_at_quantile(share)))
    }

    /// A duration that this share of all does not exceed, not even by what the figures are inexact; `None` without any.
    pub fn bound(&self, share: f64) -> Option<u64> {
        let highest = self.histogram.highest_equivalent(self.quantile(share)?);
        Some(highest.min(self.longest))
    }

    /// Half of them do not exceed it.
    pub fn median(&self) -> Option<u64> {
        self.quantile(0.5)
    }

    /// 95 % of them do not exceed it.
    pub fn p95(&self) -> Option<u64> {
        self.quantile(0.95)
    }

    /// The longest, exactly.
    pub fn longest(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.longest)
    }

    /// How many are at least `from` and below `to`.
    pub fn count_within(&self, from: u64, to: u64) -> u64 {
        let values = self.histogram.iter_recorded();
        let lowest = |value: u64| self.histogram.lowest_equivalent(value);
        let within = values.filter(|value| (from..to).contains(&lowest(value.value_iterated_to())));
        within.map(|value| value.count_since_last_iteration()).sum()
    }
}

impl FromIterator<i64> for Durations {
    fn from_iter<T: IntoIterator<Item = i64>>(all: T) -> Self {
        let mut durations = Self::default();
        for one in all {
            durations.add(one);
        }
        durations
    }
}

/// The place, from 1, of the value that this share of `total` does not exceed; `None` if `total` is 0.
fn rank(share: f64, total: u64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count"
    )]
    let rank = (share * real(total) - 1e-9).ceil() as u64;
    (total > 0).then(|| rank.clamp(1, total))
}

/// Prices as multiples of the best price.
#[derive(Debug, Clone, Default)]
pub struct Ratios(Durations);

impl Ratios {
    /// Ratios are stored in parts of this number.
    const SCALE: f64 = 10_000.0;
    /// Higher ratios count as this one.
    const HIGHEST: f64 = 1e9;

    /// Adds a price that is `ratio` times the best one.
    pub fn add(&mut self, ratio: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "it is limited")]
        self.0.add((ratio.clamp(0.0, Self::HIGHEST) * Self::SCALE).round() as i64);
    }

    /// The median; `None` without any.
    pub fn median(&self) -> Option<f64> {
        self.0.median().map(|parts| real(parts) / Self::SCALE)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: impl IntoIterator<Item = i64>) -> Durations {
        all.into_iter().collect()
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let all = of(1..=100);
        assert_eq!((all.median(), all.p95(), all.longest()), (Some(50), Some(95), Some(100)));
        assert_eq!((all.quantile(0.0), all.quantile(1.0)), (Some(1), Some(100)));
        assert_eq!((of([]).median(), of([]).longest(), of([7]).p95()), (None, None, Some(7)));
        assert_eq!(of([-3, -2]).median(), Some(0));
        assert_eq!(of([15_000]).median(), Some(15_000));
        assert_eq!(of([i64::MIN, i64::MAX]).longest(), Some(i64::MAX.unsigned_abs()));
        assert_eq!(of([86_400_000]).median(), Some(86_376_448), "to 0.1 %");
    }

    #[test]
    fn a_bound_is_not_exceeded() {
        let all = of([700, 10_006, 15_000]);
        assert_eq!((all.median(), all.bound(0.5)), (Some(10_000), Some(10_007)));
        assert_eq!((all.bound(0.0), all.bound(1.0)), (Some(700), Some(15_000)));
        assert_eq!(of([]).bound(1.0), None);
    }

    #[test]
    fn those_that_never_end_are_the_longest() {
        let ended = of(1..=50);
        assert_eq!(ended.quantile_of(0.5, 100), Some(50));
        assert_eq!(ended.quantile_of(0.51, 100), None);
        assert_eq!(ended.quantile_of(0.5, 0), None);
    }

    #[test]
    fn every_duration_is_in_one_bin() {
        let all = of([0, 99, 100, 4_999, 5_000, 1_000_000]);
        assert_eq!((all.count_within(0, 100), all.count_within(100, 5_000)), (2, 2));
        assert_eq!(all.count_within(5_000, u64::MAX), 2);
    }

    #[test]
    fn ratios_are_limited() {
        let mut ratios = Ratios::default();
        for ratio in [1.0, 1.38, f64::INFINITY] {
            ratios.add(ratio);
        }
        assert_eq!(ratios.median(), Some(1.38));
        ratios.add(f64::NAN);
        assert_eq!(Ratios::default().median(), None);
    }
}
