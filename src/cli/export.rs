//! `rydes export`.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use serde_json::json;
use tempfile::NamedTempFile;

use super::Context;
use super::reading::{ReadingArgs, TableRead, read_table};
use crate::aws::dynamodb_json::write_line;
use crate::aws::{Attributes, Item};
use crate::core::text::printable;
use crate::core::{Timestamp, show_duration};
use crate::error::{Error, Result, exit};
use crate::flow::history::export_comment;
use crate::terminal::{Format, Output};
use crate::view::{amount, count_of};

/// Bytes of lines that are written at once.
const CHUNK: usize = 1 << 16;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes export rows.json.gz        every row of the table, compressed
  rydes export | jq -c .Item       to stdout
  rydes report --file rows.json.gz

Each line is {\"Item\": {...}} in DynamoDB JSON, as in DynamoDB's exports to S3.")]
pub(super) struct Command {
    /// File to write, compressed if its name ends in `.gz`; replaced once all rows are written
    /// [default: stdout]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let file = command.file.filter(|file| file.as_os_str() != "-");
    let aws = context.connect(&settings).await?;
    let Some(file) = file else {
        let mut bytes = 0;
        let take = async |items: Vec<Item>| to_stdout(context, &items, &mut bytes).await;
        let read = read_table(context, &aws, &command.reading, Attributes::All, take).await?;
        if !output.is_closed() {
            output.note(&summary(read, bytes, None));
        }
        return Ok(exit::DONE);
    };
    let failed = |error| Error::other(format!("cannot write {}", file.display())).because(error);
    let mut export = ExportFile::beside(&file)?;
    let take = async |items: Vec<Item>| {
        export.add(&items).map_err(failed)?;
        Ok(ControlFlow::Continue(()))
    };
    let read = read_table(context, &aws, &command.reading, Attributes::All, take).await?;
    let bytes = export.complete().map_err(failed)?;
    output.note(&summary(read, bytes, Some(&file)));
    document(output, read, bytes, &file);
    Ok(exit::DONE)
}

/// Passes rows to stdout, as fast as its reader takes them. Breaks off once the reader is gone.
async fn to_stdout(context: &Context, items: &[Item], bytes: &mut u64) -> Result<ControlFlow<()>> {
    let mut lines = Vec::with_capacity(2 * CHUNK);
    for (position, item) in items.iter().enumerate() {
        write_line(item, &mut lines);
        if lines.len() < CHUNK && position + 1 < items.len() {
            continue;
        }
        *bytes += u64::try_from(lines.len()).unwrap_or(0);
        let text = str::from_utf8(&lines).expect("lines are ASCII");
        context.output.data(text.trim_end_matches('\n'));
        lines.clear();
        context.room().await;
        if context.output.is_closed() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// `exported 3100000 rows into rows.json, 1.2 GB, in 2 min`.
fn summary(read: TableRead, bytes: u64, file: Option<&Path>) -> String {
    let into = file.map(|file| format!(" into {}", file.display())).unwrap_or_default();
    let (rows, bytes) = (count_of(read.rows, "row"), amount::bytes(bytes));
    // To the tenth of a second.
    let took = Duration::from_millis(u64::try_from(read.took.as_millis()).unwrap_or(u64::MAX));
    format!("exported {rows}{into}, {bytes}, in {}", show_duration(took))
}

fn document(output: &Output, read: TableRead, bytes: u64, file: &Path) {
    if matches!(output.format, Format::Json | Format::Jsonl) {
        output.json(&json!({
            "file": file.to_string_lossy(),
            "rows": read.rows,
            "bytes": bytes,
            "took-ms": u64::try_from(read.took.as_millis()).unwrap_or(u64::MAX),
        }));
    }
}

/// An export on its way into a file. It is written beside the file, so that the file is never half an export.
struct ExportFile {
    /// The file that gets it, without links.
    into: PathBuf,
    lines: Vec<u8>,
    to: Compressed,
}

enum Compressed {
    Not(BufWriter<NamedTempFile>),
    Gzip(GzEncoder<BufWriter<NamedTempFile>>),
}

impl ExportFile {
    fn beside(file: &Path) -> Result<Self> {
        let failed =
            |error| Error::other(format!("cannot write {}", file.display())).because(error);
        // Behind a link, the file that it leads to is replaced.
        let into =
            if file.is_symlink() { fs::canonicalize(file).map_err(failed)? } else { file.into() };
        let replaced = fs::metadata(&into).ok();
        if replaced.as_ref().is_some_and(|there| !there.is_file()) {
            let name = printable(&file.display().to_string());
            return Err(Error::invalid(format!("{name} is not a regular file"))
                .hint("leave FILE out, and redirect stdout"));
        }
        let folder = into.parent().filter(|folder| !folder.as_os_str().is_empty());
        let temporary = tempfile::Builder::new()
            .prefix(".rydes-export-")
            // As for any new file: the umask takes its part away. A file that is replaced keeps its mode.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(failed)?;
        if let Some(replaced) = replaced {
            temporary.as_file().set_permissions(replaced.permissions()).map_err(failed)?;
        }
        let plain = BufWriter::with_capacity(CHUNK, temporary);
        let to = if into.extension().is_some_and(|ending| ending == "gz") {
            let comment = export_comment(Timestamp::now());
            Compressed::Gzip(GzBuilder::new().comment(comment).write(plain, Compression::default()))
        } else {
            Compressed::Not(plain)
        };
        Ok(Self { into, lines: Vec::new(), to })
    }

    fn add(&mut self, items: &[Item]) -> io::Result<()> {
        for item in items {
            self.lines.clear();
            write_line(item, &mut self.lines);
            match &mut self.to {
                Compressed::Not(to) => to.write_all(&self.lines)?,
                Compressed::Gzip(to) => to.write_all(&self.lines)?,
            }
        }
        Ok(())
    }

    /// Writes what is left and gives the file its name. Returns its size in bytes.
    fn complete(self) -> io::Result<u64> {
        let plain = match self.to {
            Compressed::Not(to) => to,
            Compressed::Gzip(to) => to.finish()?,
        };
        let temporary = plain.into_inner().map_err(io::IntoInnerError::into_error)?;
        temporary.as_file().sync_all()?;
        let bytes = temporary.as_file().metadata()?.len();
        temporary.persist(&self.into)?;
        Ok(bytes)
    }
}
