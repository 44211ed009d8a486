//! `PartiQL` as far as the statements of `rydes` go: an insertion of one row, and an update of one with conditions.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html>

/// A statement whose values are parameters.
pub(crate) enum Statement {
    /// `INSERT INTO "TABLE" VALUE {'NAME': ?, …}`
    Insert { table: String, names: Vec<String> },
    /// `UPDATE "TABLE" SET "NAME"=? REMOVE "NAME" WHERE "NAME"=? AND …`
    Update {
        table: String,
        /// Attributes that get the first parameters.
        set: Vec<String>,
        /// Attributes that get the value of another.
        copied: Vec<(String, String)>,
        removed: Vec<String>,
        /// Attributes that name the row, by the last parameters.
        keys: Vec<String>,
        /// Attributes that the row must have.
        present: Vec<String>,
        /// Attributes that the row must not have.
        missing: Vec<String>,
    },
}

impl Statement {
    /// Reads a statement; `None` if it is of another form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("INSERT INTO ") {
            Some(rest) => insertion(rest),
            None => update(text.strip_prefix("UPDATE ")?),
        }
    }

    pub(crate) fn table(&self) -> &str {
        match self {
            Self::Insert { table, .. } | Self::Update { table, .. } => table,
        }
    }
}

/// A name between quotation marks, and the text behind them.
fn quoted(text: &str, mark: char) -> Option<(String, &str)> {
    let (name, rest) = text.strip_prefix(mark)?.split_once(mark)?;
    Some((name.to_owned(), rest))
}

fn insertion(text: &str) -> Option<Statement> {
    let (table, rest) = quoted(text, '"')?;
    let fields = rest.strip_prefix(" VALUE {")?.strip_suffix('}')?;
    let name = |field: &str| {
        let (name, rest) = quoted(field, '\'')?;
        (rest == ": ?").then_some(name)
    };
    let names = fields.split(", ").map(name).collect::<Option<_>>()?;
    Some(Statement::Insert { table, names })
}

fn update(text: &str) -> Option<Statement> {
    let (table, mut rest) = quoted(text, '"')?;
    let (mut set, mut copied, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    let conditions = loop {
        if let Some(field) = rest.strip_prefix(" SET ") {
            let (name, after) = quoted(field, '"')?;
            let value = after.strip_prefix('=')?;
            if let Some(after) = value.strip_prefix('?') {
                set.push(name);
                rest = after;
            } else {
                let (from, after) = quoted(value, '"')?;
                copied.push((name, from));
                rest = after;
            }
        } else if let Some(field) = rest.strip_prefix(" REMOVE ") {
            let (name, after) = quoted(field, '"')?;
            removed.push(name);
            rest = after;
        } else {
            break rest.strip_prefix(" WHERE ")?;
        }
    };
    let (mut keys, mut present, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for condition in conditions.split(" AND ") {
        let (name, rest) = quoted(condition, '"')?;
        match rest {
            "=?" => keys.push(name),
            " IS NOT MISSING" => present.push(name),
            " IS MISSING" => missing.push(name),
            _ => return None,
        }
    }
    Some(Statement::Update { table, set, copied, removed, keys, present, missing })
}
