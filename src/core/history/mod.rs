//! What past gatherings add up to: a report on each provider, and advice on the deadline. Pure: it takes the rows of
//! one gathering at a time, and its memory does not grow with their number.

mod standing;

pub use self::standing::{LeftOut, Period, Standing};
