//! Looking back on past gatherings.

mod advise;
mod commands;
mod hindsight;
mod market;
mod reading;
mod report;
mod report_view;
