//! Which deadline to choose.

use super::market::{Market, Point};

/// The shares of best quotes whose deadlines are compared.
const COMPARED: [f64; 5] = [0.5, 0.75, 0.9, 0.99, 1.0];

/// The advice that past gatherings give.
#[derive(Debug, Clone)]
pub struct Advice {
    /// The gatherings.
    pub market: Market,
    /// The share of best quotes to keep, from 0 to 1.
    pub keep: f64,
    /// The gatherings under the deadlines that they had.
    pub today: Point,
    /// The shortest deadline that keeps enough; `None` if none does.
    pub advised: Option<Point>,
}

/// Which role a deadline has in the advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    Plain,
    /// It is the shortest that keeps enough.
    Advised,
    /// It is the one that the gatherings had.
    Today,
    /// Both.
    Both,
}

impl Advice {
    /// The advice for keeping this share of the best quotes.
    pub fn of(market: Market, keep: f64) -> Self {
        let today = market.today();
        let is_today_enough = market.is_enough(today.kept, keep);
        // The deadlines of the grid are rounded up: today's may be a little shorter, and enough.
        let is_shorter = |point: &Point| {
            is_today_enough && today.deadline.is_some() && today.deadline <= point.deadline
        };
        let advised = market.advised(keep);
        let advised = advised.map(|point| if is_shorter(&point) { today.clone() } else { point });
        Self { market, keep, today, advised }
    }

    /// A few deadlines to compare, the shortest first: those that keep certain shares, the advised one, and
    /// today's.
    pub fn compared(&self) -> Vec<(Point, Mark)> {
        let shares = COMPARED.iter().filter_map(|share| self.market.advised(*share));
        let mut points: Vec<_> = shares.chain(self.advised.clone()).collect();
        if self.market.rfqs > 0 {
            points.push(self.today.clone());
        }
        // Today's deadlines come last if they differ.
        points.sort_by_key(|point| point.deadline.unwrap_or(i64::MAX));
        points.dedup_by_key(|point| point.deadline);
        let mark = |point: &Point| {
            let is_advised =
                self.advised.as_ref().is_some_and(|one| one.deadline == point.deadline);
            match (is_advised, self.today.deadline == point.deadline) {
                (false, false) => Mark::Plain,
                (true, false) => Mark::Advised,
                (false, true) => Mark::Today,
                (true, true) => Mark::Both,
            }
        };
        let marked = |point: Point| {
            let mark = mark(&point);
            (point, mark)
        };
        points.into_iter().map(marked).collect()
    }
}
