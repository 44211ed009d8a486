//! Pictures that commands draw into a file.

use std::path::PathBuf;

use super::{Context, attended};
use crate::error::{Error, Result};

/// Writes a picture into a file, which is replaced, and says so.
///
/// # Errors
/// When it cannot be written.
pub(super) async fn draw_into(context: &Context, file: PathBuf, picture: String) -> Result<()> {
    let into = file.clone();
    // Opening a pipe blocks until it has a reader.
    attended(context, move || std::fs::write(into, picture))
        .await?
        .map_err(|error| Error::other(format!("cannot write {}", file.display())).because(error))?;
    context.output.note(&format!("drawn into {}", file.display()));
    Ok(())
}
