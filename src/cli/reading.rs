//! Reads the whole table for `report`, `advise` and `export`: says first how much that is, asks where it is much, and
//! shows how far it is.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::StreamExt as _;

use super::Context;
use super::confirmation::type_in;
use crate::aws::{Attributes, Aws, Cost, Item, ScanPause, TableSize};
use crate::error::Result;
use crate::terminal::progress::{Progress, Total};
use crate::view::amount;

/// Segments that are read side by side.
const SEGMENTS: u16 = 4;

#[derive(Debug, Args)]
pub(super) struct ReadingArgs {
    /// Read a table of more than 1 GB without asking
    #[arg(short = 'y', long)]
    yes: bool,
    #[arg(long, value_name = "BYTES", hide = true, default_value_t = 1_000_000_000)]
    ask_above: u64,
}

/// What was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableRead {
    pub(super) rows: u64,
    pub(super) took: Duration,
}

/// Passes the rows to `take`, until there are no more or it breaks off.
pub(super) async fn read_table(
    context: &Context,
    aws: &Aws,
    args: &ReadingArgs,
    attributes: Attributes,
    mut take: impl AsyncFnMut(Vec<Item>) -> Result<ControlFlow<()>>,
) -> Result<TableRead> {
    let table = aws.table();
    let size = context.visibly("looking at the table", Box::pin(table.size())).await?;
    context.output.note(&announcement(size, aws));
    if size.bytes > args.ask_above && !args.yes {
        type_in(context, "yes", "--yes", "read").await?;
    }
    let bar = Progress::new(&context.output, Total::Table(Some(size.bytes)), "read");
    let on_pause = |pause| bar.pause(words(pause));
    let mut pages = pin!(table.pages(attributes, SEGMENTS, &on_pause));
    let began = Instant::now();
    let (mut rows, mut bytes) = (0, 0);
    bar.at(0, 0);
    while let Some(page) = pages.next().await {
        let page = page?;
        rows += u64::try_from(page.items.len()).unwrap_or(0);
        bytes += page.bytes;
        if take(page.items).await?.is_break() {
            break;
        }
        bar.at(rows, bytes);
    }
    Ok(TableRead { rows, took: began.elapsed() })
}

/// `reads about 1.2 GB (3,100,000 rows)`, on AWS with its price.
fn announcement(size: TableSize, aws: &Aws) -> String {
    let TableSize { bytes, rows } = size;
    if rows == 0 && aws.is_real() {
        return "reads the whole table; DynamoDB has not measured its size yet".to_owned();
    }
    let amount = format!("reads about {} ({})", amount::bytes(bytes), amount::rows(rows));
    match aws.is_real() {
        false => amount,
        true => format!("{amount}, for about {:.2} dollars", Cost::of_reading(bytes)),
    }
}

fn words(pause: ScanPause) -> &'static str {
    match pause {
        ScanPause::Throttled => "DynamoDB throttles, waiting",
        ScanPause::Failing => "DynamoDB does not respond, retrying",
    }
}
