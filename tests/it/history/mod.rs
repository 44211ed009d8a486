//! Looking back on past gatherings.

mod advise;
mod commands;
mod hindsight;
mod market;
mod report;
mod report_view;
