//! The number of files that this process may have open. A connection is one.

use std::fs::File;
use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Open files that are enough for every command: a hundred providers that poll, and as many requests
/// more.
pub const FILES: u64 = 2_048;
/// `EMFILE` and `ENFILE` on every Unix: the process, or the system, has too many files open.
const TOO_MANY: [i32; 2] = [24, 23];

/// Raises the number of files that may be open, as far as the system lets a process do so itself.
pub fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    let Some(now) = limit.current else { return };
    let wanted = limit.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if now < wanted {
        limit.current = Some(wanted);
        // It stays as it is then, and what fails because of it says so.
        _ = setrlimit(Resource::Nofile, limit);
    }
}

/// Files that may be open now; `None` where there is no limit.
pub fn files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Whether an error says that too many files are open.
pub fn is_too_many(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| TOO_MANY.contains(&code))
}

/// Whether no further file can be opened now. A name that is looked up then is reported as unknown,
/// because its files could not be read.
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
