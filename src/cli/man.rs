//! `rydes man`: the man pages, for packages.

mod facts;
mod page;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use serde_json::json;

use super::{Cli, Context};
use crate::error::{Error, Result, exit};
use crate::terminal::Format;
use crate::tools::file;

#[derive(Debug, Args)]
#[command(after_help = "Example:
  rydes man --out share/man/man1   made where it is missing; the names are printed")]
pub(super) struct Command {
    /// The folder
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

pub(super) fn run(context: &Context, command: &Command) -> Result<u8> {
    let folder = &command.out;
    let failed = |path: &Path| format!("cannot write {}", path.display());
    fs::create_dir_all(folder).map_err(|error| Error::other(failed(folder)).because(error))?;
    let pages = page::all(&mut Cli::command());
    for (name, text) in &pages {
        let path = folder.join(name);
        write(&path, text).map_err(|error| Error::other(failed(&path)).because(error))?;
    }
    let names: Vec<_> = pages.into_iter().map(|(name, _)| name).collect();
    match context.output.format {
        Format::Json | Format::Jsonl => context.output.json(&json!({"pages": names})),
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            context.output.lines(&names);
        }
    }
    Ok(exit::DONE)
}

/// Replaces a file as a whole. If that fails, the old file stays.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let done = file::write(Path::new(&new), text).and_then(|()| fs::rename(&new, path));
    if done.is_err() {
        // The first failure is the one to report.
        _ = fs::remove_file(&new);
    }
    done
}
