//! Looking back on past gatherings.

mod hindsight;
mod market;
mod report;
mod report_view;
