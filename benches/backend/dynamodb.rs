//! The tables: keys of a hash and a range attribute, both strings, and the statements and conditions of `rydes` alone.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/>

mod partiql;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::partiql::Statement;
use crate::Backend;
use crate::figures::Figures;
use crate::http::{ACCOUNT, Answer, REGION, Refused, lacking, read, refused, write};

/// Statements of one call at most.
const MAX_STATEMENTS: usize = 25;
/// Rows of one page of a scan or a query: at 250 bytes each about the megabyte that DynamoDB reads.
const PAGE: usize = 4_000;

#[derive(Default)]
pub(crate) struct Tables {
    by_name: BTreeMap<String, Table>,
    /// What statements mean: there are few different ones.
    statements: HashMap<String, Rc<Statement>>,
}

struct Table {
    /// `KeySchema` and `AttributeDefinitions`, as they were given.
    description: Map<String, Value>,
    /// The names of the hash and the range attribute.
    keys: [String; 2],
    tags: BTreeMap<String, String>,
    /// The attribute that rows expire by. They do not expire here.
    time_to_live: Option<String>,
    rows: BTreeMap<[String; 2], Item>,
}

/// A row: its attributes by name, in the form that DynamoDB sends.
type Item = Map<String, Value>;

impl Tables {
    fn table(&mut self, name: &str) -> Result<&mut Table, Refused> {
        self.by_name.get_mut(name.rsplit('/').next().unwrap_or_default()).ok_or_else(not_found)
    }
}

fn not_found() -> Refused {
    refused("ResourceNotFoundException", "Requested resource not found")
}

fn unmet() -> Refused {
    refused("ConditionalCheckFailedException", "The conditional request failed")
}

impl Table {
    fn key(&self, item: &Item) -> Result<[String; 2], Refused> {
        let part = |name: &String| text(item, name).map(str::to_owned);
        let [hash, range] = &self.keys;
        let key = part(hash).zip(part(range)).map(|(hash, range)| [hash, range]);
        key.ok_or_else(|| refused("ValidationException", "a key attribute is missing"))
    }

    /// Writes a new row, and counts it.
    fn insert(&mut self, item: Item, figures: &mut Figures) -> Result<(), Refused> {
        let key = self.key(&item)?;
        if self.rows.contains_key(&key) {
            return Err(refused("DuplicateItem", "Duplicate primary key exists in table"));
        }
        if key[1] == "-" {
            let expected = item.get("expected").and_then(|list| list.get("L")?.as_array());
            let expected = expected.map_or(0, Vec::len);
            figures.requested_quotes(&key[0], text(&item, "submitted-at"), expected);
        } else {
            figures.answered(&key[0]);
        }
        self.rows.insert(key, item);
        Ok(())
    }

    fn described(&self, name: &str) -> Value {
        let mut description = self.description.clone();
        description.insert("TableName".to_owned(), json!(name));
        description.insert("TableStatus".to_owned(), json!("ACTIVE"));
        description.insert("ItemCount".to_owned(), json!(self.rows.len()));
        let arn = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}");
        description.insert("TableArn".to_owned(), json!(arn));
        let mode = json!({"BillingMode": "PAY_PER_REQUEST"});
        description.insert("BillingModeSummary".to_owned(), mode);
        Value::Object(description)
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.get("S")?.as_str()
}

pub(crate) fn answer(backend: &Backend, action: &str, body: &[u8]) -> Answer {
    let tables = &mut *backend.tables.borrow_mut();
    let figures = &mut *backend.figures.borrow_mut();
    let done = match action {
        "BatchExecuteStatement" => execute(tables, read(body)?, figures)?,
        "PutItem" => put(tables, read(body)?, figures)?,
        "GetItem" => {
            let asked: Get = read(body)?;
            let table = tables.table(&asked.table_name)?;
            let found = table.key(&asked.key).map(|key| table.rows.get(&key))?;
            found.map_or_else(|| json!({}), |item| json!({"Item": item}))
        }
        "UpdateItem" => update(tables, &read(body)?)?,
        "DeleteItem" => delete(tables, &read(body)?)?,
        "Query" => query(tables, &read(body)?)?,
        "Scan" => scan(tables, &read(body)?)?,
        "CreateTable" => create(tables, read(body)?)?,
        "ListTables" => json!({"TableNames": tables.by_name.keys().collect::<Vec<_>>()}),
        "DescribeTable" => {
            let name = read::<ByName>(body)?.table_name;
            json!({"Table": tables.table(&name)?.described(&name)})
        }
        "DeleteTable" => {
            let name = read::<ByName>(body)?.table_name;
            let gone = tables.by_name.remove(&name).ok_or_else(not_found)?;
            json!({"TableDescription": gone.described(&name)})
        }
        "DescribeTimeToLive" => {
            let table = tables.table(&read::<ByName>(body)?.table_name)?;
            let state = match &table.time_to_live {
                Some(name) => json!({"TimeToLiveStatus": "ENABLED", "AttributeName": name}),
                None => json!({"TimeToLiveStatus": "DISABLED"}),
            };
            json!({"TimeToLiveDescription": state})
        }
        "UpdateTimeToLive" => {
            let asked: TimeToLive = read(body)?;
            let spec = &asked.time_to_live_specification;
            let name = spec.enabled.then(|| spec.attribute_name.clone());
            tables.table(&asked.table_name)?.time_to_live = name;
            json!({"TimeToLiveSpecification": {
                "Enabled": spec.enabled, "AttributeName": spec.attribute_name,
            }})
        }
        "ListTagsOfResource" => {
            let tags = &tables.table(&read::<ByArn>(body)?.resource_arn)?.tags;
            let tag = |(key, value)| json!({"Key": key, "Value": value});
            json!({"Tags": tags.iter().map(tag).collect::<Vec<_>>()})
        }
        "TagResource" => {
            let asked: TagResource = read(body)?;
            let tags = asked.tags.into_iter().map(|Tag { key, value }| (key, value));
            tables.table(&asked.resource_arn)?.tags.extend(tags);
            json!({})
        }
        _ => return Err(lacking(format!("DynamoDB {action}"))),
    };
    Ok(write(&done))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ByName {
    table_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ByArn {
    resource_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Tag {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TagResource {
    resource_arn: String,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    table_name: String,
    key_schema: Vec<KeyElement>,
    attribute_definitions: Value,
    #[serde(rename = "BillingMode")]
    _billing_mode: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct KeyElement {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TimeToLive {
    table_name: String,
    time_to_live_specification: TimeToLiveSpecification,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TimeToLiveSpecification {
    enabled: bool,
    attribute_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Put {
    table_name: String,
    item: Item,
    condition_expression: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get {
    table_name: String,
    key: Item,
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
    #[serde(rename = "ReturnConsumedCapacity")]
    _return_consumed_capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Update {
    table_name: String,
    key: Item,
    #[serde(rename = "UpdateExpression")]
    change: String,
    condition_expression: String,
    #[serde(default)]
    expression_attribute_values: Item,
    #[serde(rename = "ExpressionAttributeNames")]
    _expression_attribute_names: Option<Map<String, Value>>,
    #[serde(rename = "ReturnValues")]
    _return_values: Option<String>,
    #[serde(rename = "ReturnValuesOnConditionCheckFailure")]
    _return_values_on_condition_check_failure: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Delete {
    table_name: String,
    key: Item,
    condition_expression: String,
    expression_attribute_values: Item,
    #[serde(rename = "ReturnValuesOnConditionCheckFailure")]
    _return_values_on_condition_check_failure: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Query {
    table_name: String,
    key_condition_expression: String,
    expression_attribute_values: Item,
    exclusive_start_key: Option<Item>,
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
    #[serde(rename = "ReturnConsumedCapacity")]
    _return_consumed_capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Scan {
    table_name: String,
    projection_expression: Option<String>,
    exclusive_start_key: Option<Item>,
    #[serde(default)]
    segment: u32,
    #[serde(rename = "TotalSegments")]
    _total_segments: Option<u32>,
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
    #[serde(rename = "ReturnConsumedCapacity")]
    _return_consumed_capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Execute {
    statements: Vec<OneStatement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct OneStatement {
    statement: String,
    #[serde(default)]
    parameters: Vec<Value>,
}

fn create(tables: &mut Tables, asked: Create) -> Result<Value, Refused> {
    if tables.by_name.contains_key(&asked.table_name) {
        return Err(refused("ResourceInUseException", "Table already exists"));
    }
    let [hash, range] = &asked.key_schema[..] else {
        return Err(lacking("keys of other than two attributes"));
    };
    let keys = [hash, range].map(|key| key.attribute_name.clone());
    let schema = asked.key_schema.iter();
    let schema = schema
        .map(|key| json!({"AttributeName": key.attribute_name, "KeyType": key.key_type}))
        .collect();
    let description = Map::from_iter([
        ("KeySchema".to_owned(), schema),
        ("AttributeDefinitions".to_owned(), asked.attribute_definitions),
    ]);
    let tags = asked.tags.into_iter().map(|Tag { key, value }| (key, value)).collect();
    let rows = BTreeMap::new();
    let table = Table { description, keys, tags, time_to_live: None, rows };
    let described = table.described(&asked.table_name);
    tables.by_name.insert(asked.table_name, table);
    Ok(json!({"TableDescription": described}))
}

fn put(tables: &mut Tables, asked: Put, figures: &mut Figures) -> Result<Value, Refused> {
    if asked.condition_expression != "attribute_not_exists(id)" {
        return Err(lacking(format!("the condition {}", asked.condition_expression)));
    }
    let inserted = tables.table(&asked.table_name)?.insert(asked.item, figures);
    inserted.map_err(|refusal| match refusal.code {
        "DuplicateItem" => unmet(),
        _ => refusal,
    })?;
    Ok(json!({}))
}

/// The request row is there, and another submission's mark or none is on it.
const IS_ANOTHERS: &str =
    "attribute_exists(id) AND (attribute_not_exists(submission) OR submission <> :own)";
/// The request row is there, and the RFQ is not over.
const IS_OPEN: &str = "attribute_exists(id) AND attribute_not_exists(#closed) \
                       AND (attribute_not_exists(deadline) OR deadline >= :at)";

/// The two updates of a request row: another submission adopts it, and it is closed.
fn update(tables: &mut Tables, asked: &Update) -> Result<Value, Refused> {
    let table = tables.table(&asked.table_name)?;
    let key = table.key(&asked.key)?;
    let item = table.rows.get_mut(&key).ok_or_else(unmet)?;
    match (asked.change.as_str(), asked.condition_expression.as_str()) {
        ("REMOVE submission", IS_ANOTHERS) => {
            let own = asked.expression_attribute_values.get(":own");
            if item.get("submission").is_some_and(|submission| Some(submission) == own) {
                return Err(unmet());
            }
            item.remove("submission");
        }
        ("SET #closed = :at", IS_OPEN) => {
            let at = asked.expression_attribute_values.get(":at").cloned().unwrap_or_default();
            let is_over = text(item, "deadline").is_some_and(|end| Some(end) < at["S"].as_str());
            if item.contains_key("closed-at") || is_over {
                return Err(unmet());
            }
            item.insert("closed-at".to_owned(), at);
        }
        (change, condition) => return Err(lacking(format!("{change} if {condition}"))),
    }
    Ok(json!({"Attributes": item}))
}

fn delete(tables: &mut Tables, asked: &Delete) -> Result<Value, Refused> {
    if asked.condition_expression != "submission = :own" {
        return Err(lacking(format!("the condition {}", asked.condition_expression)));
    }
    let table = tables.table(&asked.table_name)?;
    let key = table.key(&asked.key)?;
    let mark = table.rows.get(&key).and_then(|item| item.get("submission"));
    if mark.is_none() || mark != asked.expression_attribute_values.get(":own") {
        return Err(unmet());
    }
    table.rows.remove(&key);
    Ok(json!({}))
}

fn query(tables: &mut Tables, asked: &Query) -> Result<Value, Refused> {
    if asked.key_condition_expression != "id = :id" {
        return Err(lacking(format!("the condition {}", asked.key_condition_expression)));
    }
    let id = text(&asked.expression_attribute_values, ":id").unwrap_or_default().to_owned();
    let page = |rows: &[(&[String; 2], &Item)]| json!({"Items": rows.iter().map(|(_, item)| item).collect::<Vec<_>>()});
    paged(tables.table(&asked.table_name)?, asked.exclusive_start_key.as_ref(), Some(&id), page)
}

fn scan(tables: &mut Tables, asked: &Scan) -> Result<Value, Refused> {
    if asked.segment > 0 {
        // The first segment has all rows.
        return Ok(json!({"Items": [], "Count": 0}));
    }
    let wanted = match asked.projection_expression.as_deref() {
        None => None,
        Some(names) if !names.contains('#') => Some(names.split(", ").collect::<Vec<_>>()),
        Some(names) => return Err(lacking(format!("the projection {names}"))),
    };
    let projected = |item: &Item| match &wanted {
        None => item.clone(),
        Some(names) => {
            let one = |name: &&str| Some(((*name).to_owned(), item.get(*name)?.clone()));
            names.iter().filter_map(one).collect()
        }
    };
    let page = |rows: &[(&[String; 2], &Item)]| json!({"Items": rows.iter().map(|(_, item)| projected(item)).collect::<Vec<_>>()});
    paged(tables.table(&asked.table_name)?, asked.exclusive_start_key.as_ref(), None, page)
}

/// One page of the rows after `after`, of this id or of all.
fn paged(
    table: &Table,
    after: Option<&Item>,
    id: Option<&str>,
    page: impl Fn(&[(&[String; 2], &Item)]) -> Value,
) -> Result<Value, Refused> {
    let after = after.map(|item| table.key(item)).transpose()?;
    let from = match (&after, id) {
        (Some(key), _) => key.clone(),
        (None, id) => [id.unwrap_or_default().to_owned(), String::new()],
    };
    let rest = table.rows.range(from..).filter(|(key, _)| Some(*key) != after.as_ref());
    let rest = rest.take_while(|(key, _)| id.is_none_or(|id| key[0] == id));
    let mut rows: Vec<_> = rest.take(PAGE + 1).collect();
    let is_more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let mut document = page(&rows);
    document["Count"] = json!(rows.len());
    if let Some((key, _)) = rows.last().filter(|_| is_more) {
        let part = |name: &String, value: &String| (name.clone(), json!({"S": value}));
        let last: Map<_, _> = table.keys.iter().zip(*key).map(|(n, v)| part(n, v)).collect();
        document["LastEvaluatedKey"] = Value::Object(last);
    }
    Ok(document)
}

fn execute(tables: &mut Tables, asked: Execute, figures: &mut Figures) -> Result<Value, Refused> {
    if asked.statements.len() > MAX_STATEMENTS {
        return Err(refused("ValidationException", "more than 25 statements"));
    }
    let mut responses = Vec::with_capacity(asked.statements.len());
    for OneStatement { statement, parameters } in asked.statements {
        let meaning = if let Some(known) = tables.statements.get(&statement) {
            Rc::clone(known)
        } else {
            let meaning = Statement::parse(&statement);
            let meaning = Rc::new(meaning.ok_or_else(|| lacking(statement.clone()))?);
            tables.statements.insert(statement, Rc::clone(&meaning));
            meaning
        };
        let table = tables.table(meaning.table())?;
        responses.push(match table.carry_out(&meaning, parameters, figures) {
            Ok(()) => json!({}),
            Err(refusal @ Refused { code: "NotImplemented", .. }) => return Err(refusal),
            Err(Refused { code, message }) => json!({"Error": {"Code": code, "Message": message}}),
        });
    }
    Ok(json!({"Responses": responses}))
}

impl Table {
    fn carry_out(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
        figures: &mut Figures,
    ) -> Result<(), Refused> {
        match statement {
            Statement::Insert { names, .. } => {
                self.insert(names.iter().cloned().zip(values).collect(), figures)
            }
            Statement::Update { set, copied, removed, keys, present, missing, .. } => {
                let mut values = values.into_iter();
                let changes: Vec<_> = set.iter().cloned().zip(values.by_ref()).collect();
                let key = self.key(&keys.iter().cloned().zip(values).collect())?;
                let unmet = || refused("ConditionalCheckFailed", "The conditional request failed");
                let item = self.rows.get_mut(&key).ok_or_else(unmet)?;
                let is_met = present.iter().all(|name| item.contains_key(name))
                    && !missing.iter().any(|name| item.contains_key(name));
                if !is_met {
                    return Err(unmet());
                }
                for (to, from) in copied {
                    let value = item.get(from).cloned();
                    let value = value.ok_or_else(|| {
                        refused("ValidationError", "an attribute that is read is missing")
                    })?;
                    item.insert(to.clone(), value);
                }
                item.extend(changes);
                for name in removed {
                    item.remove(name);
                }
                Ok(())
            }
        }
    }
}
