//! An npm tarball: checks that it is the pinned one, and unpacks a part of it. Fetches nothing.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha512};

use crate::error::{Error, Result};

/// Fails unless the tarball has this `integrity`, in npm's form: `sha512-` and base64.
pub(super) fn check(tarball: &Path, integrity: &str) -> Result<()> {
    let mut hash = Sha512::new();
    let mut hashing = io::BufReader::with_capacity(1 << 20, open(tarball)?);
    io::copy(&mut hashing, &mut HashWriter(&mut hash))
        .map_err(|error| unreadable(tarball, error))?;
    let found = format!("sha512-{}", BASE64_STANDARD.encode(hash.finalize()));
    if found == integrity {
        return Ok(());
    }
    Err(Error::other("what npm sent is not the package that was pinned; it was thrown away")
        .because(format!("its integrity is {found}, not {integrity}")))
}

/// Unpacks the files below `folder` that `wanted` accepts by their path there. Skips links and paths that leave
/// the folder.
pub(super) fn unpack(
    tarball: &Path,
    folder: &str,
    wanted: impl Fn(&Path) -> bool,
    into: &Path,
) -> Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(open(tarball)?));
    let mut unpack = || -> io::Result<()> {
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = entry.path()?.into_owned();
            let Ok(path) = path.strip_prefix(folder) else { continue };
            let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
            if !plain || !entry.header().entry_type().is_file() || !wanted(path) {
                continue;
            }
            let target = into.join(path);
            fs::create_dir_all(target.parent().unwrap_or(into))?;
            io::copy(&mut entry, &mut File::create(target)?)?;
        }
        Ok(())
    };
    unpack().map_err(|error| unreadable(tarball, error))
}

fn open(tarball: &Path) -> Result<File> {
    File::open(tarball).map_err(|error| unreadable(tarball, error))
}

fn unreadable(tarball: &Path, error: io::Error) -> Error {
    Error::other(format!("cannot unpack {}", tarball.display())).because(error)
}

struct HashWriter<'a>(&'a mut Sha512);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn tarball(at: &Path, entries: &[(&str, &str)]) {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            // Written directly: `set_path` refuses the paths of a hostile tarball.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, text.as_bytes()).expect("appends");
        }
        let bytes = builder.into_inner().and_then(GzEncoder::finish).expect("compresses");
        fs::write(at, bytes).expect("writes");
    }

    #[test]
    fn another_tarball_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.tgz");
        fs::write(&file, "abc").expect("writes");
        // The test vector of FIPS 180.
        let abc = "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";
        check(&file, abc).expect("it is the one");
        fs::write(&file, "abd").expect("writes");
        let error = check(&file, abc).expect_err("another");
        assert!(error.to_string().contains("not the package that was pinned"));
    }

    #[test]
    fn only_what_is_wanted_is_unpacked_and_nothing_escapes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, into) = (folder.path().join("x.tgz"), folder.path().join("into"));
        tarball(&file, &[("p/e/a.jar", "a"), ("p/e/b", "b"), ("p/e/../../out", "o"), ("q", "q")]);
        unpack(&file, "p/e", |path| path != Path::new("b"), &into).expect("unpacks");
        assert_eq!(fs::read_to_string(into.join("a.jar")).expect("reads"), "a");
        assert!(!into.join("b").exists() && !folder.path().join("out").exists());
        assert!(!into.join("q").exists());
    }
}
