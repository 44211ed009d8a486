//! The table, as far as section 4 of the contract lets replies change it: one line per responder,
//! the first answer wins, by rank.

use super::sheet::{Line, Said, Sheet};

/// A reply as the consumer takes it from the queue.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub who: usize,
    pub said: Said,
    pub sent: i64,
    pub value: Option<i64>,
}

/// Writes one reply.
pub fn write(sheet: &mut Sheet, arrival: &Arrival) {
    let Arrival { said, sent, value, .. } = arrival.clone();
    let line = Line { said, sent: Some(sent), answered: None, failed: None, value };
    match sheet.lines.get(&arrival.who) {
        None => {
            sheet.lines.insert(arrival.who, line);
        }
        Some(old) if rank(&old.said) < rank(&line.said) => {
            let failed = if old.said == Said::Failed { old.sent } else { None };
            sheet.lines.insert(arrival.who, Line { failed, ..line });
        }
        Some(_) => {}
    }
}

fn rank(said: &Said) -> u8 {
    match said {
        Said::Silent => 0,
        Said::Failed => 1,
        Said::Quote(_) | Said::Declined => 2,
    }
}
