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
    /// The gatherings under their own deadlines.
    pub own: Point,
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
    /// It is the gatherings' own.
    Own,
    /// Both.
    Both,
}

impl Advice {
    /// The advice for keeping this share of the best quotes.
    pub fn of(market: Market, keep: f64) -> Self {
        let (own, advised) = (market.own(), market.advised(keep));
        Self { market, keep, own, advised }
    }

    /// Whether the gatherings' own deadlines keep enough.
    pub fn is_own_enough(&self) -> bool {
        self.market.is_enough(self.own.kept, self.keep)
    }

    /// A few deadlines to compare, the shortest first: those that keep certain shares, the advised one, and the
    /// gatherings' own.
    pub fn compared(&self) -> Vec<(Point, Mark)> {
        let shares = COMPARED.iter().filter_map(|share| self.market.advised(*share));
        let mut points: Vec<_> = shares.chain(self.advised.clone()).collect();
        if self.market.gatherings > 0 {
            points.push(self.own.clone());
        }
        // Own deadlines that differ come last.
        points.sort_by_key(|point| point.deadline.unwrap_or(i64::MAX));
        points.dedup_by_key(|point| point.deadline);
        let mark = |point: &Point| {
            let is_advised =
                self.advised.as_ref().is_some_and(|one| one.deadline == point.deadline);
            match (is_advised, self.own.deadline == point.deadline) {
                (false, false) => Mark::Plain,
                (true, false) => Mark::Advised,
                (false, true) => Mark::Own,
                (true, true) => Mark::Both,
            }
        };
        points.into_iter().map(|point| (point.clone(), mark(&point))).collect()
    }
}
