//! Reads exported files: our own, and those of DynamoDB's export to S3. Blocks, so it belongs on a thread of its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::gzip::Members;
use super::{History, HistoryBuilder};
use crate::aws::dynamodb_json::{Misread, read_line};
use crate::core::text::{printable, without_mark};
use crate::error::{Error, Result};

/// The longest line, in bytes. A row has up to 400 KB, and each of them may take 14 as JSON.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const LONGEST_LINE: u64 = 16 << 20;
/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes that are read at once.
const CHUNK: usize = 1 << 17;

/// The progress of a thread that reads files.
#[derive(Debug, Default)]
pub struct FileProgress {
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl FileProgress {
    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes read so far. Those of a gzip file are counted compressed.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A file of rows, or stdin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowFile {
    /// Stdin.
    Stdin,
    /// A file, or a pipe that has a name.
    Path(PathBuf),
}

impl RowFile {
    /// The file of this name; `-` is stdin.
    pub fn named(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::Path(path) }
    }

    /// Its size in bytes; `None` for pipes.
    pub fn size(&self) -> Option<u64> {
        let Self::Path(path) = self else { return None };
        let found = std::fs::metadata(path).ok()?;
        found.is_file().then_some(found.len())
    }

    fn name(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::Path(path) => printable(&path.display().to_string()),
        }
    }

    fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Stdin => Box::new(io::stdin().lock()),
            Self::Path(path) => Box::new(open(path)?),
        })
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    Ok(file)
}

/// Reads the rows of all files.
///
/// # Errors
/// Invalid for a file that cannot be read in full or holds anything but rows; the error names the file and the line.
pub fn read_files(files: &[RowFile], progress: &FileProgress) -> Result<History> {
    let mut history = HistoryBuilder::of_files();
    for file in files {
        read_file(file, &mut history, progress)?;
    }
    Ok(history.complete())
}

fn read_file(file: &RowFile, history: &mut HistoryBuilder, progress: &FileProgress) -> Result<()> {
    let unreadable = |error| Error::invalid(format!("cannot read {}", file.name())).because(error);
    let from = file.open().map_err(unreadable)?;
    let mut from = Counted { from, progress };
    let mut head = Vec::new();
    from.by_ref().take(2).read_to_end(&mut head).map_err(unreadable)?;
    let is_gzip = head == GZIP;
    let whole = BufReader::with_capacity(CHUNK, Cursor::new(head).chain(from));
    let (lines, read_at): (Box<dyn BufRead>, _) = if is_gzip {
        let members = Members::new(whole);
        let read_at = members.exported_at();
        (Box::new(BufReader::with_capacity(CHUNK, members)), read_at)
    } else {
        (Box::new(whole), None)
    };
    history.begin_file(read_at);
    let lines = Lines { from: lines, file, is_gzip };
    lines.read(history, progress)
}

/// The lines of one file.
struct Lines<'a> {
    from: Box<dyn BufRead + 'a>,
    file: &'a RowFile,
    is_gzip: bool,
}

impl Lines<'_> {
    fn read(mut self, history: &mut HistoryBuilder, progress: &FileProgress) -> Result<()> {
        let (mut line, mut number) = (Vec::new(), 0_u64);
        loop {
            line.clear();
            let read = self.from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            let length = read.map_err(|error| self.cut_off(number, error))?;
            if length == 0 {
                return Ok(());
            }
            number += 1;
            let text = if number == 1 { without_mark_in(&line) } else { &line };
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if !line.ends_with(b"\n") && line.len() as u64 == LONGEST_LINE {
                let long = format!("it is longer than {LONGEST_LINE} bytes");
                return Err(self.bad_line(number).because(long));
            }
            let item = read_line(text).map_err(|misread| self.misread(number, misread))?;
            history.take(&item)?;
            progress.rows.store(history.count(), Ordering::Relaxed);
        }
    }

    fn bad_line(&self, number: u64) -> Error {
        Error::invalid(format!("{}, line {number}, is not a row", self.file.name()))
    }

    fn misread(&self, number: u64, misread: Misread) -> Error {
        let error = self.bad_line(number).because(misread);
        match misread {
            Misread::Incremental => error.hint("use a full export instead of an incremental one"),
            Misread::Manifest => error.hint("read the files in the folder `data` of the export"),
            Misread::Ion => error.hint("export again in the format DynamoDB JSON"),
            Misread::NotJson(_) | Misread::NotARow(_) => error
                .hint("`rydes export` and DynamoDB's export to S3 write `{\"Item\": {...}}` lines"),
        }
    }

    fn cut_off(&self, number: u64, error: io::Error) -> Error {
        let name = self.file.name();
        if self.is_gzip && error.kind() == io::ErrorKind::UnexpectedEof {
            return Error::invalid(format!("{name} is cut off after line {number}"))
                .because("its gzip data is incomplete");
        }
        Error::invalid(format!("cannot read {name} beyond line {number}")).because(error)
    }
}

/// Without a byte order mark, which some editors write.
fn without_mark_in(line: &[u8]) -> &[u8] {
    str::from_utf8(line).map_or(line, |text| without_mark(text).as_bytes())
}

/// Counts what is read.
struct Counted<'a, R> {
    from: R,
    progress: &'a FileProgress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.progress.bytes.fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
        Ok(read)
    }
}
