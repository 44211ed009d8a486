//! Creates, checks and deletes the table of a stack.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, ScalarAttributeType, TableDescription,
    TableStatus, Tag, TimeToLiveSpecification, TimeToLiveStatus,
};
use tokio::time::{Instant, sleep};

use super::description::TableSpec;
use super::late::{Origin, SHOWS_WITHIN, Seen, look_twice, overdue, until_shown};
use super::{Change, Difference, Mode, OnWait, Untagged, Waiting, is_ours};
use crate::aws::{Aws, Remedy, is_not_found};
use crate::core::{STACK_TAG, Timestamp};
use crate::error::{Error, Result};

/// How long a table may take to be created, changed or deleted.
pub(super) const LIMIT: Duration = Duration::from_mins(5);
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Clone)]
pub(super) struct TableState {
    description: TableDescription,
    pub(super) tags: HashMap<String, String>,
}

impl TableState {
    /// The number of rows when DynamoDB last counted them.
    pub(super) fn rows(&self) -> u64 {
        self.description.item_count().and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0)
    }

    pub(super) fn made_at(&self) -> Option<Timestamp> {
        let made = self.description.creation_date_time()?.to_millis().ok()?;
        Timestamp::from_millis(made)
    }

    /// Fails if the table has other keys, which DynamoDB cannot change.
    pub(super) fn check_keys(&self, aws: &Aws) -> Result<()> {
        let TableSpec { name, keys: wanted, .. } = TableSpec::of(&aws.names);
        let keys = self.description.key_schema().iter();
        let is: Vec<_> = keys.map(|key| (key.attribute_name(), key.key_type())).collect();
        let wanted: Vec<_> = wanted.iter().map(|(name, kind)| (*name, kind)).collect();
        if is == wanted {
            return Ok(());
        }
        Err(Error::other(format!("table {name} has other keys than `id` and `responder`"))
            .hint(aws.remedy(Remedy::RemoveByHand)))
    }

    pub(super) fn is_protected(&self) -> bool {
        self.description.deletion_protection_enabled() == Some(true)
    }

    /// Whether it is being created and shows no stack tag yet, so that its owner is unknown.
    pub(super) fn hides_tags(&self) -> bool {
        self.description.table_status() == Some(&TableStatus::Creating)
            && !self.tags.contains_key(STACK_TAG)
    }

    pub(super) fn is_going(&self) -> bool {
        self.description.table_status() == Some(&TableStatus::Deleting)
    }

    pub(super) fn arn(&self) -> &str {
        self.description.table_arn().unwrap_or_default()
    }
}

/// The look of `setup`: waits for a table that is being created and does not show its tag yet.
pub(super) async fn look_once_made(
    aws: &Aws,
    untagged: Untagged,
    on_wait: OnWait<'_>,
) -> Result<Option<TableState>> {
    let began = Instant::now();
    loop {
        let look = async || look(aws).await;
        let found = look_twice(aws, untagged, on_wait, look, |found| &found.tags).await?;
        let is_hidden = found.as_ref().is_some_and(TableState::hides_tags);
        if !is_hidden || untagged == Untagged::Adopt || began.elapsed() > LIMIT {
            return Ok(found);
        }
        on_wait(Waiting::Table(aws.names.table()));
        sleep(LOOK_EVERY).await;
    }
}

/// `None` when there is no table. DynamoDB may not find the tags of a table that is being created.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListTagsOfResource.html>
pub(super) async fn look(aws: &Aws) -> Result<Option<TableState>> {
    let name = aws.names.table();
    let Some(description) = describe(aws, &name).await? else { return Ok(None) };
    let tags = tags(aws, &name, description.table_arn().unwrap_or_default()).await?;
    let is_young = description.table_status() == Some(&TableStatus::Creating);
    let tags = tags.or_else(|| is_young.then(HashMap::new));
    Ok(tags.map(|tags| TableState { description, tags }))
}

/// The names of all tables of this account and region.
pub(super) async fn names(aws: &Aws) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut pages = aws.clients.dynamodb.list_tables().into_paginator().items().send();
    while let Some(name) = pages.next().await {
        names.push(name.map_err(|error| aws.error("listing the tables", &error))?);
    }
    Ok(names)
}

/// `None` when there is no table.
async fn tags(aws: &Aws, name: &str, arn: &str) -> Result<Option<HashMap<String, String>>> {
    let mut tags = HashMap::new();
    let mut next = None;
    loop {
        let call = aws.clients.dynamodb.list_tags_of_resource().resource_arn(arn);
        let page = match call.set_next_token(next).send().await {
            Ok(page) => page,
            Err(error) if is_not_found(&error) => return Ok(None),
            Err(error) => return Err(aws.error(&format!("looking at table {name}"), &error)),
        };
        let pairs = page.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
        tags.extend(pairs);
        next = page.next_token;
        if next.is_none() {
            return Ok(Some(tags));
        }
    }
}

/// Whether a table has provisioned capacity, and not capacity on demand. AWS leaves the mode of the first out.
pub(super) fn is_provisioned(table: &TableDescription) -> bool {
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    mode != Some(&BillingMode::PayPerRequest)
}

pub(super) async fn describe(aws: &Aws, name: &str) -> Result<Option<TableDescription>> {
    match aws.clients.dynamodb.describe_table().table_name(name).send().await {
        Ok(found) => Ok(found.table),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(aws.error(&format!("looking at table {name}"), &error)),
    }
}

/// Creates or mends the table, and waits until it can be used. Also returns a remark on what is left to its owner.
pub(super) async fn ensure(
    aws: &Aws,
    spec: &TableSpec,
    found: Option<&TableState>,
    mode: Mode,
    on_wait: OnWait<'_>,
) -> Result<(Change, Vec<String>)> {
    let name = spec.name.clone();
    let mut remarks = Vec::new();
    let found = found.filter(|found| !found.is_going());
    match (found, mode) {
        (None, Mode::DryRun | Mode::Check) => Ok((Change::Created, remarks)),
        (None, Mode::Apply) => {
            create(aws, spec, on_wait).await?;
            let what = format!("table {name}");
            let live = async || Seen::of(enable_ttl(aws, spec).await, &what);
            until_shown(on_wait, live).await?;
            tag_shows(aws, &name, on_wait).await?;
            Ok((Change::Created, remarks))
        }
        (Some(found), mode) => {
            let mut changed = Vec::new();
            if mode == Mode::Apply {
                await_active(aws, &name, Origin::Found, on_wait).await?;
            }
            if !is_ours(&found.tags, &aws.names) {
                let is = found.tags.get(STACK_TAG).map(String::as_str);
                changed.push(Difference::new(STACK_TAG, is, &spec.tags[STACK_TAG]));
                if mode == Mode::Apply {
                    tag(aws, spec, found.arn()).await?;
                    tag_shows(aws, &name, on_wait).await?;
                }
            }
            match live(aws, spec).await? {
                TtlState::Ours => {}
                TtlState::Other(attribute) => {
                    remarks.push(format!(
                        "table {name} expires rows by `{attribute}`, not by `{}`: rows stay",
                        spec.expires
                    ));
                }
                TtlState::Off => {
                    changed.push(Difference::new("TimeToLive", None, spec.expires));
                    if mode == Mode::Apply {
                        enable_ttl(aws, spec).await?;
                    }
                }
            }
            remarks.extend(is_provisioned(&found.description).then(|| {
                format!("table {name} has provisioned capacity, not on-demand: it throttles sooner")
            }));
            Ok((Change::of(changed), remarks))
        }
    }
}

async fn tag_shows(aws: &Aws, name: &str, on_wait: OnWait<'_>) -> Result<()> {
    let look = async || {
        let found = look(aws).await?.filter(|found| is_ours(&found.tags, &aws.names));
        Ok(found.map_or_else(|| Seen::Missing(format!("table {name}")), |_| Seen::Shown(())))
    };
    until_shown(on_wait, look).await
}

async fn create(aws: &Aws, spec: &TableSpec, on_wait: OnWait<'_>) -> Result<()> {
    let name = spec.name.as_str();
    let began = Instant::now();
    loop {
        let mut call = aws
            .clients
            .dynamodb
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_tags(Some(built(spec)?));
        for (attribute, kind) in spec.keys.clone() {
            let key = KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build();
            let definition = AttributeDefinition::builder()
                .attribute_name(attribute)
                .attribute_type(ScalarAttributeType::S)
                .build();
            call = call
                .key_schema(key.map_err(|error| Error::other("a table key").because(error))?)
                .attribute_definitions(
                    definition.map_err(|error| Error::other("a table key").because(error))?,
                );
        }
        match call.send().await {
            Ok(_) => return await_active(aws, name, Origin::Made, on_wait).await,
            // An old table of this name is still being deleted, or another setup was faster.
            Err(error)
                if error.code() == Some("ResourceInUseException") && began.elapsed() < LIMIT =>
            {
                on_wait(Waiting::Table(name.to_owned()));
                let active = describe(aws, name).await?.is_some_and(|table| {
                    table.table_status().is_some_and(|s| *s != TableStatus::Deleting)
                });
                if active {
                    return await_active(aws, name, Origin::Made, on_wait).await;
                }
                sleep(LOOK_EVERY).await;
            }
            Err(error) => return Err(aws.error(&format!("creating table {name}"), &error)),
        }
    }
}

async fn await_active(aws: &Aws, name: &str, origin: Origin, on_wait: OnWait<'_>) -> Result<()> {
    let began = Instant::now();
    loop {
        let description = describe(aws, name).await?;
        let status = description.as_ref().and_then(TableDescription::table_status);
        if matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
            return Ok(());
        }
        match (&description, origin) {
            (None, Origin::Found) => return Err(aws.not_set_up()),
            (None, Origin::Made) if began.elapsed() >= SHOWS_WITHIN => {
                return Err(overdue(&format!("table {name}")));
            }
            _ => {}
        }
        if began.elapsed() > LIMIT {
            return Err(Error::other(format!("table {name} did not become active")));
        }
        on_wait(Waiting::Table(name.to_owned()));
        sleep(LOOK_EVERY).await;
    }
}

/// The attribute by which rows expire. A table can have only one.
#[derive(Debug, PartialEq, Eq)]
enum TtlState {
    Ours,
    /// An attribute that its owner has chosen.
    Other(String),
    Off,
}

async fn live(aws: &Aws, spec: &TableSpec) -> Result<TtlState> {
    let name = &spec.name;
    let found = aws.clients.dynamodb.describe_time_to_live().table_name(name).send().await;
    let found = found.map_err(|error| aws.error(&format!("looking at table {name}"), &error))?;
    let live = found.time_to_live_description();
    let status = live.and_then(|live| live.time_to_live_status());
    if !matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(TtlState::Off);
    }
    let attribute = live.and_then(|live| live.attribute_name());
    let other = attribute.filter(|attribute| *attribute != spec.expires);
    Ok(other.map_or(TtlState::Ours, |attribute| TtlState::Other(attribute.to_owned())))
}

/// Enables TTL unless it is enabled already, because DynamoDB would refuse that.
async fn enable_ttl(aws: &Aws, spec: &TableSpec) -> Result<()> {
    let name = &spec.name;
    if live(aws, spec).await? != TtlState::Off {
        return Ok(());
    }
    let ttl = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(spec.expires)
        .build()
        .map_err(|error| Error::other("the table's TTL").because(error))?;
    let call = aws.clients.dynamodb.update_time_to_live().table_name(name);
    match call.time_to_live_specification(ttl).send().await {
        Ok(_) => Ok(()),
        // Another setup may have been faster.
        Err(error) if !is_not_found(&error) && live(aws, spec).await? != TtlState::Off => Ok(()),
        Err(error) => Err(aws.error(&format!("enabling TTL of table {name}"), &error)),
    }
}

async fn tag(aws: &Aws, spec: &TableSpec, arn: &str) -> Result<()> {
    aws.clients
        .dynamodb
        .tag_resource()
        .resource_arn(arn)
        .set_tags(Some(built(spec)?))
        .send()
        .await
        .map(drop)
        .map_err(|error| aws.error("tagging the table", &error))
}

fn built(spec: &TableSpec) -> Result<Vec<Tag>> {
    let one = |(name, value)| Tag::builder().key(name).value(value).build();
    let tags: std::result::Result<_, _> = spec.tags.iter().map(one).collect();
    tags.map_err(|error| Error::other("building the table's tags").because(error))
}

/// Waits, for up to [`LIMIT`], while the table is being created or changed: DynamoDB refuses to delete it then.
pub(super) async fn await_deletable(aws: &Aws, on_wait: OnWait<'_>) -> Result<()> {
    let name = aws.names.table();
    let began = Instant::now();
    loop {
        let description = describe(aws, &name).await?;
        let status = description.as_ref().and_then(TableDescription::table_status);
        if !matches!(status, Some(TableStatus::Creating | TableStatus::Updating)) {
            return Ok(());
        }
        if began.elapsed() > LIMIT {
            let limit = LIMIT.as_secs();
            return Err(Error::other(format!(
                "table {name} is still being created or changed after {limit} s; nothing was removed"
            )));
        }
        on_wait(Waiting::Table(name.clone()));
        sleep(LOOK_EVERY).await;
    }
}

/// Starts deleting the table. A table that is gone or being deleted is no error.
pub(super) async fn delete(aws: &Aws, on_wait: OnWait<'_>) -> Result<()> {
    let name = aws.names.table();
    let began = Instant::now();
    loop {
        let error = match aws.clients.dynamodb.delete_table().table_name(&name).send().await {
            Ok(_) => return Ok(()),
            Err(error) if is_not_found(&error) => return Ok(()),
            Err(error) => error,
        };
        // It is being changed again, or another teardown was faster.
        let is_busy = error.code() == Some("ResourceInUseException");
        if !is_busy || began.elapsed() > LIMIT {
            return Err(aws.error(&format!("deleting table {name}"), &error));
        }
        let description = describe(aws, &name).await?;
        let status = description.as_ref().and_then(TableDescription::table_status);
        if matches!(status, None | Some(TableStatus::Deleting)) {
            return Ok(());
        }
        on_wait(Waiting::Table(name.clone()));
        sleep(LOOK_EVERY).await;
    }
}
