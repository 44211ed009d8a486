//! Finds a provider's program, and the environment that it gets.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf, absolute};

use rustix::fs::{Access, access};

/// Variables that every program sees, beside those whose names begin with `LC_`.
const VARIABLES: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR"];
/// Bytes at the start of a script that may name its interpreter.
const FIRST_LINE: usize = 256;

/// The absolute path of a program: relative to `folder` if the name has a slash, else found in `PATH`.
///
/// # Errors
/// Why it cannot be started.
pub(super) fn find(name: &OsStr, folder: &Path) -> Result<PathBuf, String> {
    if name.as_bytes().contains(&b'/') {
        let path = absolute(folder.join(name)).map_err(|error| error.to_string())?;
        return startable(&path).map(|()| path.clone()).map_err(|why| cannot(&path, &why));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).map(|place| folder.join(place).join(name));
    let mut reason = "it is not in PATH".to_owned();
    for place in places.filter(|place| place.is_file()) {
        match startable(&place) {
            Ok(()) => return Ok(place),
            Err(why) => reason = why,
        }
    }
    let here = folder.join(name);
    if here.is_file() {
        reason = format!("{reason}; for the one in {} write `./{}`", folder.display(), text(name));
    }
    Err(cannot(Path::new(name), &reason))
}

fn cannot(path: &Path, why: &str) -> String {
    format!("cannot start `{}`: {why}", path.display())
}

fn text(name: &OsStr) -> std::borrow::Cow<'_, str> {
    name.to_string_lossy()
}

/// Whether a file can be run, as far as that can be told without running it.
fn startable(path: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    if access(path, Access::EXEC_OK).is_err() {
        return Err("it is not executable (chmod +x)".to_owned());
    }
    let mut start = Vec::new();
    let read = fs::File::open(path).map(|file| file.take(FIRST_LINE as u64));
    // A program may be executable without being readable.
    if let Ok(mut file) = read {
        _ = file.read_to_end(&mut start);
    }
    let Some(line) = start.strip_prefix(b"#!") else { return Ok(()) };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.ends_with(b"\r") {
        return Err("its lines end with CR LF".to_owned());
    }
    let line = line.trim_ascii();
    let interpreter = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let interpreter = Path::new(OsStr::from_bytes(interpreter));
    if interpreter.is_file() {
        Ok(())
    } else {
        Err(format!("its interpreter `{}` does not exist", interpreter.display()))
    }
}

/// The variables that a program sees: the usual ones and those named, as far as they are set.
pub(super) fn environment(named: &[String]) -> Vec<(OsString, OsString)> {
    let is_seen = |name: &OsStr| {
        let known = VARIABLES.iter().copied().chain(named.iter().map(String::as_str));
        name.as_bytes().starts_with(b"LC_") || known.into_iter().any(|one| name == one)
    };
    std::env::vars_os().filter(|(name, _)| is_seen(name)).collect()
}
