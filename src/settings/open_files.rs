//! The number of files that this process may have open. Each connection counts as one.

use std::fs::File;
use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Enough open files for every command: a hundred polling providers, and as many other requests.
pub const FILES: u64 = 2_048;
/// `EMFILE` and `ENFILE` on every Unix: the process, or the system, has too many files open.
const TOO_MANY: [i32; 2] = [24, 23];

/// Raises the limit to [`FILES`], or to the hard limit if that is lower.
pub fn raise() {
    // A command that runs out of files reports it.
    _ = raise_to(FILES);
}

/// Raises the limit to `files`, or to the hard limit if that is lower. Returns the limit; `None` if there is none.
pub fn raise_to(files: u64) -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(files, |maximum| maximum.min(files));
    if limit.current? < wanted {
        limit.current = Some(wanted);
        // On failure the limit stays as it is.
        _ = setrlimit(Resource::Nofile, limit);
    }
    self::files()
}

/// The current limit; `None` if there is none.
pub fn files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Whether an error says that too many files are open.
pub fn is_too_many(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| TOO_MANY.contains(&code))
}

/// Whether no further file can be opened now. A DNS lookup, which reads files, then reports an unknown name.
pub fn are_reached() -> bool {
    File::open("/").is_err_and(|error| is_too_many(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_files_are_told_from_everything_else() {
        assert!(is_too_many(&io::Error::from_raw_os_error(
            rustix::io::Errno::MFILE.raw_os_error()
        )));
        assert!(is_too_many(&io::Error::from_raw_os_error(
            rustix::io::Errno::NFILE.raw_os_error()
        )));
        assert!(!is_too_many(&io::Error::from_raw_os_error(2)));
        assert!(!is_too_many(&io::Error::other("Too many open files")));
        assert!(!are_reached());
    }

    #[test]
    fn the_limit_is_raised_as_far_as_the_system_lets_it() {
        raise();
        let wanted = getrlimit(Resource::Nofile).maximum.map_or(FILES, |most| most.min(FILES));
        assert!(files().is_none_or(|files| files >= wanted));
    }
}
