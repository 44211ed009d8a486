//! Times of the clock on the wall: in the reader's zone, which is named where there is room.

use jiff::ZonedDateTime;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::core::Timestamp;

/// The time now, and the zone in which times are shown.
#[derive(Debug, Clone)]
pub struct Clock {
    now: Timestamp,
    zone: TimeZone,
}

impl Clock {
    /// A clock that shows `now` in this zone. An unknown zone counts as UTC.
    pub fn new(now: Timestamp, zone: TimeZone) -> Self {
        Self { now, zone: if zone.is_unknown() { TimeZone::UTC } else { zone } }
    }

    /// A clock in UTC.
    pub fn utc(now: Timestamp) -> Self {
        Self::new(now, TimeZone::UTC)
    }

    /// The same clock at another time.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        Self { now, zone: self.zone.clone() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// To the second, with the date if it is not today: `14:00:03 CET`, `2026-01-30 14:00:03 CET`.
    pub fn moment(&self, at: Timestamp) -> String {
        self.written(at, "%H:%M:%S %Z")
    }

    /// In five columns: `14:00` of today, `01-30` of another day.
    pub fn short(&self, at: Timestamp) -> String {
        let is_today = self.zoned(at).date() == self.zoned(self.now).date();
        self.zoned(at).strftime(if is_today { "%H:%M" } else { "%m-%d" }).to_string()
    }

    /// The abbreviation of the zone as it is now: `CET`, `CEST`.
    pub fn zone_name(&self) -> String {
        self.zoned(self.now).strftime("%Z").to_string()
    }

    /// As [`moment`](Self::moment), to the millisecond: `14:00:03.204 CET`.
    pub fn precise(&self, at: Timestamp) -> String {
        self.written(at, "%H:%M:%S.%3f %Z")
    }

    /// Precise, with the date in any case.
    pub fn dated(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%Y-%m-%d %H:%M:%S.%3f %Z").to_string()
    }

    /// Date, time and offset, for the lines of a log: `2026-01-31T14:00:03.204+01:00`.
    pub fn stamp(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string()
    }

    /// When this day begins; `None` outside the range of a [`Timestamp`].
    pub fn start_of(&self, day: Date) -> Option<Timestamp> {
        let midnight = day.to_zoned_datetime(self.zone.clone()).ok()?;
        Timestamp::from_millis(midnight.timestamp().as_millisecond())
    }

    fn written(&self, at: Timestamp, time: &str) -> String {
        let (now, at) = (self.zoned(self.now), self.zoned(at));
        let of_day = at.strftime(time).to_string();
        if at.date() == now.date() { of_day } else { format!("{} {of_day}", at.date()) }
    }

    fn zoned(&self, at: Timestamp) -> ZonedDateTime {
        let instant = jiff::Timestamp::from_millisecond(at.as_millis());
        instant.expect("every time is in jiff's range").to_zoned_datetime(self.zone.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn times_are_local_and_name_their_zone() {
        let now = at("2026-01-31T12:00:00.000Z");
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let clock = Clock::new(now, zone);
        let then = at("2026-01-31T11:59:03.204Z");
        assert_eq!(clock.moment(then), "12:59:03 CET");
        assert_eq!(clock.precise(then), "12:59:03.204 CET");
        assert_eq!((clock.short(then), clock.zone_name()), ("12:59".to_owned(), "CET".to_owned()));
        assert_eq!(clock.short(at("2026-01-30T22:30:00.000Z")), "01-30");
        assert_eq!(clock.stamp(then), "2026-01-31T12:59:03.204+01:00");
        let day = jiff::civil::date(2026, 1, 31);
        assert_eq!(clock.start_of(day), Some(at("2026-01-30T23:00:00.000Z")));
        assert_eq!(clock.moment(at("2026-01-30T22:30:00.000Z")), "2026-01-30 23:30:00 CET");
        // Today there, though still yesterday in UTC.
        assert_eq!(clock.moment(at("2026-01-30T23:30:00.000Z")), "00:30:00 CET");
        assert_eq!(clock.moment(at("2025-07-01T12:00:00.000Z")), "2025-07-01 14:00:00 CEST");
        assert_eq!(Clock::new(now, TimeZone::unknown()).moment(then), "11:59:03 UTC");
        assert_eq!(Clock::utc(now).moment(then), "11:59:03 UTC");
    }

    #[test]
    fn the_first_and_last_times_are_shown_too() {
        for year in ["-009999-01-02", "9999-12-30"] {
            let clock = Clock::utc(at(&format!("{year}T12:34:56.789Z")));
            assert_eq!(clock.precise(clock.now()), "12:34:56.789 UTC");
        }
    }
}
