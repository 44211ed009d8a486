//! Reads the whole table for `report`, `advise` and `export`. It announces the amount, asks for a confirmation if that
//! is large, and shows the progress.

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

/// Segments that are read in parallel. With 8, one core decodes as fast as DynamoDB delivers.
const SEGMENTS: u16 = 8;

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

/// Passes the rows to `take`, page by page, until it breaks off.
pub(super) async fn read_table(
    context: &Context,
    aws: &Aws,
    args: &ReadingArgs,
    attributes: Attributes,
    mut take: impl AsyncFnMut(Vec<Item>) -> Result<ControlFlow<()>>,
) -> Result<TableRead> {
    let table = aws.table();
    let size = context.visibly("looking at the table", Box::pin(table.size())).await?;
    let price = aws.is_real().then(|| Cost::of_reading(size.bytes));
    context.output.note(&announcement(size, price));
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

/// `reads about 1.2 GB (3.1 million rows)`, on AWS with its price in dollars.
fn announcement(size: TableSize, price: Option<f64>) -> String {
    let TableSize { bytes, rows } = size;
    let amount = format!("reads about {} ({})", amount::bytes(bytes), amount::rough_rows(rows));
    match price {
        None => amount,
        Some(_) if rows == 0 => {
            "reads the whole table; DynamoDB has not measured its size yet".to_owned()
        }
        Some(dollars) if dollars < 0.01 => format!("{amount}, for less than $0.01"),
        Some(dollars) => format!("{amount}, for about ${dollars:.2}"),
    }
}

fn words(pause: ScanPause) -> &'static str {
    match pause {
        ScanPause::Throttled => "DynamoDB throttles, waiting",
        ScanPause::Failing => "DynamoDB does not respond, retrying",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_be_read_is_said_with_its_price_where_it_has_one() {
        let said = |bytes, rows, price| announcement(TableSize { bytes, rows }, price);
        let large = (1_240_000_000, 3_100_000);
        assert_eq!(said(large.0, large.1, None), "reads about 1.2 GB (3.1 million rows)");
        assert_eq!(said(0, 0, None), "reads about 0 B (0 rows)");
        let priced = said(large.0, large.1, Some(Cost::of_reading(large.0)));
        assert_eq!(priced, "reads about 1.2 GB (3.1 million rows), for about $0.02");
        assert!(said(5_000, 1, Some(0.000_1)).ends_with("(1 row), for less than $0.01"));
        assert!(said(0, 0, Some(0.0)).contains("not measured its size yet"));
    }
}
