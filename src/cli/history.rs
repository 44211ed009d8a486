//! Reads the past gatherings for `report` and `advise`.

use clap::Args;

use super::Context;
use crate::core::Rows;
use crate::error::Result;
use crate::flow::history::Coverage;

/// Where the rows are, and which of them count.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {}

/// Passes each gathering that is over to `take`, which adds it to `sum`.
pub(super) async fn look_back<T: Send + 'static>(
    context: &Context,
    args: &HistoryArgs,
    sum: T,
    take: fn(&mut T, &Rows),
) -> Result<(T, Coverage)> {
    _ = (context, args, sum, take);
    Err(crate::error::Error::other("not written yet"))
}
