//! Figures of past RFQs for people: shares, times, and how far a price lies above another.

/// Stands for a figure that is not known.
pub(super) const UNKNOWN: &str = "-";

/// A part as a share of the whole: `60.2 %`. Only none is `0 %`, and only all is `100 %`.
pub(super) fn share(part: u64, whole: u64) -> String {
    match ratio(part, whole) {
        None => UNKNOWN.to_owned(),
        Some(_) if part == 0 => "0 %".to_owned(),
        Some(_) if part == whole => "100 %".to_owned(),
        Some(ratio) if ratio < 0.001 => "<0.1 %".to_owned(),
        Some(ratio) if ratio > 0.999 => ">99.9 %".to_owned(),
        Some(ratio) => format!("{:.1} %", ratio * 100.0),
    }
}

/// A part as a share of the whole, from 0 to 1; `None` without a whole.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// How far a price lies above another one, as a share of the latter: `+7.5 %`, `+208 %`, `0 %`, `-5.0 %`.
pub(super) fn above(share: f64) -> String {
    match distance(share) {
        None => "0 %".to_owned(),
        Some(_) if share > 99.0 => ">+9900 %".to_owned(),
        Some(distance) if share < 0.0 => format!("-{distance}"),
        Some(distance) => format!("+{distance}"),
    }
}

/// The same without its sign: `7.5 %`, `208 %`; `None` where the prices are as good as the same.
pub(super) fn distance(share: f64) -> Option<String> {
    match share.abs() * 100.0 {
        ..0.05 => None,
        percent @ ..99.95 => Some(format!("{percent:.1} %")),
        percent => Some(format!("{percent:.0} %")),
    }
}

/// `812 ms`, `3.1 s`, `50.0 min`, `25.0 h`: rounded to the nearest tenth.
pub(super) fn time(millis: u64) -> String {
    in_tenths(millis, |millis, tenth| millis / tenth + u64::from(millis % tenth >= tenth / 2))
}

/// The same, rounded up, for what lies within a time.
pub(super) fn time_within(millis: u64) -> String {
    in_tenths(millis, u64::div_ceil)
}

/// A time in tenths of its unit, except below a second.
fn in_tenths(millis: u64, tenths_of: fn(u64, u64) -> u64) -> String {
    let (tenth, unit) = match millis {
        ..1_000 => return format!("{millis} ms"),
        1_000..120_000 => (100, "s"),
        120_000..7_200_000 => (6_000, "min"),
        7_200_000.. => (360_000, "h"),
    };
    let tenths = tenths_of(millis, tenth);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A figure, or a dash.
pub(super) fn known<T>(figure: Option<T>, shown: impl FnOnce(T) -> String) -> String {
    figure.map_or_else(|| UNKNOWN.to_owned(), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_to_all_or_none() {
        for (part, whole, said) in [
            (0, 10, "0 %"),
            (10, 10, "100 %"),
            (602, 1_000, "60.2 %"),
            (1, 3, "33.3 %"),
            (1, 1_001, "<0.1 %"),
            (9_999, 10_000, ">99.9 %"),
            (0, 0, "-"),
        ] {
            assert_eq!(share(part, whole), said);
        }
    }

    #[test]
    fn times_are_rounded_to_the_nearest_and_up_after_within() {
        for (millis, nearest, within) in [
            (0, "0 ms", "0 ms"),
            (999, "999 ms", "999 ms"),
            (1_000, "1.0 s", "1.0 s"),
            (10_006, "10.0 s", "10.1 s"),
            (10_050, "10.1 s", "10.1 s"),
            (119_960, "120.0 s", "120.0 s"),
            (120_000, "2.0 min", "2.0 min"),
            (3_000_001, "50.0 min", "50.1 min"),
            (7_200_000, "2.0 h", "2.0 h"),
            (90_000_000, "25.0 h", "25.0 h"),
        ] {
            assert_eq!((&*time(millis), &*time_within(millis)), (nearest, within));
        }
    }

    #[test]
    fn a_price_lies_above_or_below_another() {
        for (share, said) in [
            (0.0, "0 %"),
            (-0.000_4, "0 %"),
            (0.000_6, "+0.1 %"),
            (0.075, "+7.5 %"),
            (-0.05, "-5.0 %"),
            (0.999_6, "+100 %"),
            (2.08, "+208 %"),
            (99.0, "+9900 %"),
            (1e6, ">+9900 %"),
            (f64::INFINITY, ">+9900 %"),
        ] {
            assert_eq!(above(share), said);
        }
        assert_eq!((distance(-0.05), distance(0.0)), (Some("5.0 %".into()), None));
    }
}
