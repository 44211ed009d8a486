//! Opens this program's own files: regular files only, and never through a link. A pipe or a link in their place
//! can neither block this process nor redirect it. Knows no contents.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Fails on a missing file, on a link and on anything but a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), path)
}

/// Opens a file to write at its end, and creates it where it is missing. Fails on a link and on anything but a
/// regular file.
pub fn append(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().append(true).create(true), path)
}

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces the contents of a file in place.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let mut file = append(path)?;
    file.set_len(0)?;
    file.write_all(bytes.as_ref())
}

fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let irregular = || io::Error::other("not a regular file");
    // Without `NONBLOCK`, opening a pipe waits for its other end.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = options.custom_flags(flags).open(path).map_err(|error| {
        let is_other = fs::symlink_metadata(path).is_ok_and(|there| !there.is_file());
        if is_other { irregular() } else { error }
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(irregular()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_no_link_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        write(&at("file"), "one").expect("writes");
        write(&at("file"), "2").expect("writes");
        assert_eq!(read(&at("file")).expect("reads"), b"2");

        symlink(at("file"), at("link")).expect("links");
        symlink(at("new"), at("dangling")).expect("links");
        let made = Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo runs");
        assert!(made.success());
        for name in ["link", "dangling", "pipe", "."] {
            for opened in [open(&at(name)), append(&at(name))] {
                let error = opened.expect_err(name);
                assert_eq!(error.to_string(), "not a regular file", "{name}");
            }
        }
        assert!(!at("new").exists(), "nothing is made behind a link");
        assert_eq!(read(&at("file")).expect("reads"), b"2");
    }
}
