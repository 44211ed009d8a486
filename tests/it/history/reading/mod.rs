//! Rows that are read from the table or from files, and grouped by RFQ.

mod export;
mod files;
mod grouping;

use std::collections::BTreeMap;
use std::path::Path;

use rydes::core::Rows;
use rydes::core::history::Period;
use rydes::flow::history::{Coverage, FileProgress, History, RowFile, read_files};

/// The history in these files.
fn read(files: &[&Path]) -> Result<History, String> {
    let files: Vec<_> = files.iter().map(|file| RowFile::named((*file).to_owned())).collect();
    read_files(&files, &FileProgress::default()).map_err(|error| {
        let hints = error.hints().iter().map(|hint| format!("; hint: {hint}"));
        error.in_full() + &hints.collect::<String>()
    })
}

/// The gatherings of a period by id, and what else there was.
fn gatherings(history: History, period: Period) -> (BTreeMap<String, Rows>, Coverage) {
    let mut gatherings = BTreeMap::new();
    let take = &mut |rows: &Rows| {
        let id = rows.request.id.as_str().to_owned();
        assert!(gatherings.insert(id, rows.clone()).is_none(), "each RFQ comes once");
    };
    let coverage = history.each_gathering(period, take).expect("it can be read");
    (gatherings, coverage)
}
