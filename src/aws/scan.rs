//! Reads the whole table: in parallel segments, page by page, eventually consistent.
//!
//! A consistent read would cost twice as much and find no more past RFQs.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::scan::{ScanError, ScanOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity};
use futures_util::FutureExt as _;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::time::{Instant, sleep};

use super::meter::UNIT_BYTES;
use super::row::{Item, LOOKED_BACK_ON};
use super::table::Table;
use super::watch::is_throttled;
use crate::consumer::Backoff;
use crate::error::Result;

/// How long the requests of a segment may fail for other reasons than throttling.
const PERSISTENCE: Duration = Duration::from_mins(1);

/// The size of a table when DynamoDB last measured it, up to six hours ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSize {
    /// Bytes of all rows.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
}

/// The attributes that a scan brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attributes {
    /// All of each row.
    All,
    /// Those in [`LOOKED_BACK_ON`].
    LookedBackOn,
}

/// Some rows.
#[derive(Debug)]
pub struct ScanPage {
    /// The rows.
    pub items: Vec<Item>,
    /// Bytes of these rows in the table, as DynamoDB counts them, also those of attributes that were left out.
    pub bytes: u64,
}

/// Why a segment waits before its next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanPause {
    /// DynamoDB throttled the request.
    Throttled,
    /// DynamoDB failed, or did not respond.
    Failing,
}

type Key = Option<HashMap<String, AttributeValue>>;

impl Table {
    /// Its size, as DynamoDB last measured it.
    ///
    /// # Errors
    /// Not set up when there is no table.
    pub async fn size(&self) -> Result<TableSize> {
        let describe = self.aws.clients.dynamodb.describe_table().table_name(&self.name);
        let described = describe.send().boxed().await;
        let described =
            described.map_err(|error| self.aws.error("looking at the table", &error))?;
        let Some(table) = described.table() else { return Err(self.aws.not_set_up()) };
        let count = |count: Option<i64>| count.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        Ok(TableSize { bytes: count(table.table_size_bytes()), rows: count(table.item_count()) })
    }

    /// All rows, in no order. `segments` requests are in flight at once. A throttled request is repeated until it
    /// succeeds; one that fails otherwise, for a minute. `on_pause` is called before each wait.
    pub fn pages<'a>(
        &'a self,
        attributes: Attributes,
        segments: u16,
        on_pause: &'a dyn Fn(ScanPause),
    ) -> impl Stream<Item = Result<ScanPage>> + 'a {
        let segment = move |number: u16| {
            let begin = Some((number, None));
            stream::try_unfold(begin, move |place: Option<(u16, Key)>| async move {
                let Some((number, from)) = place else { return Ok(None) };
                let segment = (number, segments);
                let read = self.patiently(attributes, segment, from, on_pause).await?;
                let bytes = bytes(read.consumed_capacity());
                let next = read.last_evaluated_key.map(|key| (number, Some(key)));
                let items = read.items.unwrap_or_default();
                Ok(Some((ScanPage { items, bytes }, next)))
            })
            .boxed_local()
        };
        stream::select_all((0..segments).map(segment))
    }

    /// One page of a segment, however long DynamoDB throttles.
    async fn patiently(
        &self,
        attributes: Attributes,
        segment: (u16, u16),
        from: Key,
        on_pause: &dyn Fn(ScanPause),
    ) -> Result<ScanOutput> {
        let mut backoff = Backoff::default();
        let mut failing_since = None;
        loop {
            let read = self.page(attributes, segment, from.clone()).boxed_local();
            let error = match read.await {
                Ok(read) => {
                    self.aws.meter.read(read.consumed_capacity());
                    return Ok(read);
                }
                Err(error) => error,
            };
            let is_throttled = error.code().is_some_and(is_throttled);
            let error = self.aws.error("reading the table", &error);
            if is_throttled {
                failing_since = None;
                on_pause(ScanPause::Throttled);
            } else {
                let since = *failing_since.get_or_insert_with(Instant::now);
                if !error.is_transient() || since.elapsed() > PERSISTENCE {
                    return Err(error);
                }
                on_pause(ScanPause::Failing);
            }
            sleep(backoff.next_wait()).await;
        }
    }

    async fn page(
        &self,
        attributes: Attributes,
        (segment, segments): (u16, u16),
        from: Key,
    ) -> Result<ScanOutput, SdkError<ScanError>> {
        let mut scan = self
            .aws
            .clients
            .dynamodb
            .scan()
            .table_name(&self.name)
            .segment(segment.into())
            .total_segments(segments.into())
            .set_exclusive_start_key(from)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if attributes == Attributes::LookedBackOn {
            // A name may be reserved or hold a dash, so each has a stand-in.
            let stand_in = |position: usize| format!("#{position}");
            let names = (0..LOOKED_BACK_ON.len()).map(stand_in).collect::<Vec<_>>();
            scan = scan.projection_expression(names.join(", "));
            for (stand_in, name) in names.into_iter().zip(LOOKED_BACK_ON) {
                scan = scan.expression_attribute_names(stand_in, name);
            }
        }
        scan.send().await
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a page is about 1 MB")]
fn bytes(used: Option<&ConsumedCapacity>) -> u64 {
    let units = used.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0);
    (units * UNIT_BYTES) as u64
}
