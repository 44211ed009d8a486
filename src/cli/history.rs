//! Reads past RFQs for `report` and `advise`, from the table or from files.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::civil::Date;

use super::reading::{ReadingArgs, read_table};
use super::{Context, attended};
use crate::aws::Attributes;
use crate::core::history::Period;
use crate::core::{Rows, Timestamp, parse_age};
use crate::error::{Error, Result};
use crate::flow::history::{Coverage, FileProgress, History, HistoryBuilder, RowFile, read_files};
use crate::terminal::progress::{Progress, Total};
use crate::view::clock::Clock;
use crate::view::history::left_out;

/// How often the progress bar is updated while files are read.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where the rows are, and which of them count.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Files to read instead of the table: from `rydes export`, or from DynamoDB's export to S3 in the format
    /// DynamoDB JSON; plain or gzip; `-` for stdin
    #[arg(long = "file", value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
    /// Only RFQs submitted at this time or later: how long ago (`24h`, `7d`), a date (`2026-01-31`), or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = typed_time)]
    since: Option<TypedTime>,
    /// Only RFQs submitted before this time, in the same forms
    #[arg(long, value_name = "TIME", value_parser = typed_time)]
    before: Option<TypedTime>,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// A time as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TypedTime {
    /// This long before the rows were read.
    Ago(Duration),
    /// The beginning of a day, in the reader's zone.
    Day(Date),
    At(Timestamp),
}

fn typed_time(text: &str) -> Result<TypedTime, String> {
    if let Some(at) = Timestamp::parse(text) {
        return Ok(TypedTime::At(at));
    }
    if text.len() == 10
        && let Ok(day) = text.parse::<Date>()
    {
        return Ok(TypedTime::Day(day));
    }
    parse_age(text).map(TypedTime::Ago).map_err(|_| {
        "a time is how long ago (`24h`, `7d`), a date (`2026-01-31`), or RFC 3339".to_owned()
    })
}

impl TypedTime {
    fn at(self, read_at: Timestamp, clock: &Clock) -> Result<Timestamp> {
        let outside = || Error::invalid("`--since` or `--before` is out of range");
        match self {
            Self::At(at) => Ok(at),
            Self::Day(day) => clock.start_of(day).ok_or_else(outside),
            Self::Ago(age) => {
                let age = i64::try_from(age.as_millis()).map_err(|_| outside())?;
                Timestamp::from_millis(read_at.as_millis().saturating_sub(age)).ok_or_else(outside)
            }
        }
    }
}

impl HistoryArgs {
    /// The period, counted back from the time when the rows were read.
    fn period(&self, read_at: Timestamp, clock: &Clock) -> Result<Period> {
        let at = |typed: Option<TypedTime>| typed.map(|it| it.at(read_at, clock)).transpose();
        let period = Period { since: at(self.since)?, before: at(self.before)? };
        match (period.since, period.before) {
            (Some(since), Some(before)) if since >= before => {
                Err(Error::invalid("`--since` is not before `--before`, so the period is empty"))
            }
            _ => Ok(period),
        }
    }
}

/// Passes each gathering that is over to `take`, which adds it to `sum`.
pub(super) async fn look_back<T: Send + 'static>(
    context: &Context,
    args: &HistoryArgs,
    sum: T,
    take: fn(&mut T, &Rows),
) -> Result<(T, Coverage)> {
    // A bad period is found before anything is read.
    args.period(Timestamp::now(), &context.clock())?;
    let history = if args.files.is_empty() {
        from_table(context, args).await?
    } else {
        from_files(context, &args.files).await?
    };
    let period = args.period(history.read_at, &context.clock())?;
    let group = move || {
        let mut sum = sum;
        history
            .each_gathering(period, &mut |rows| take(&mut sum, rows))
            .map(|coverage| (sum, coverage))
    };
    let grouped = async { attended(context, group).await? };
    context.visibly("grouping the rows by RFQ", Box::pin(grouped)).await
}

/// Prints comma-separated values, which are never wrapped. What was left out goes to stderr.
pub(super) fn print_csv(context: &Context, lines: &[String], coverage: &Coverage) {
    for line in lines {
        context.output.data(line);
    }
    for line in left_out(coverage, None) {
        context.output.note(&line);
    }
}

async fn from_table(context: &Context, args: &HistoryArgs) -> Result<History> {
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let mut rows = HistoryBuilder::of_table(Timestamp::now());
    let take = async |items: Vec<_>| {
        items.iter().try_for_each(|item| rows.take(item))?;
        Ok(ControlFlow::Continue(()))
    };
    read_table(context, &aws, &args.reading, Attributes::LookedBackOn, take).await?;
    Ok(rows.complete())
}

async fn from_files(context: &Context, files: &[PathBuf]) -> Result<History> {
    let files: Vec<_> = files.iter().cloned().map(RowFile::named).collect();
    if files.iter().filter(|file| **file == RowFile::Stdin).count() > 1 {
        return Err(Error::invalid("`--file -` can be given once"));
    }
    let size = files.iter().map(RowFile::size).sum();
    let bar = Progress::new(&context.output, Total::Files(size), "read");
    let progress = Arc::<FileProgress>::default();
    let reported = Arc::clone(&progress);
    let shown = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            bar.at(progress.rows(), progress.bytes());
        }
    };
    tokio::select! {
        read = attended(context, move || read_files(&files, &reported)) => read?,
        () = shown => unreachable!("it is shown without end"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn times_are_typed_in_three_ways() {
        let read_at = Timestamp::parse("2026-01-31T12:00:00.000Z").expect("a time");
        let zone = TimeZone::posix("CET-1").expect("a zone");
        let clock = Clock::new(Timestamp::now(), zone);
        let at = |text: &str| {
            let typed = typed_time(text).expect(text);
            typed.at(read_at, &clock).map(|at| at.to_string()).map_err(|error| error.to_string())
        };
        for (text, wanted) in [
            ("24h", "2026-01-30T12:00:00.000Z"),
            ("7d", "2026-01-24T12:00:00.000Z"),
            ("2026-01-31", "2026-01-30T23:00:00.000Z"),
            ("2026-01-31T01:00:00+01:00", "2026-01-31T00:00:00.000Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(wanted), "{text}");
        }
        assert!(at("7000000d").is_err());
        for bad in ["", "yesterday", "2026-13-01", "2026-01-31T12:00", "-7d", "12:00"] {
            assert!(typed_time(bad).is_err(), "{bad}");
        }
    }
}
