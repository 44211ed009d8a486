//! The only reader of environment variables. Its caller supplies the function that looks them up.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// The environment's variables. An empty one counts as unset.
#[derive(Clone, Copy)]
pub struct Env<'a>(&'a dyn Fn(&str) -> Option<OsString>);

impl<'a> Env<'a> {
    pub fn new(read: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self(read)
    }

    pub fn raw(self, name: &str) -> Option<OsString> {
        self.0(name).filter(|value| !value.is_empty())
    }

    /// A variable as text. One that is not UTF-8 must not count as unset: the program could use the wrong stack.
    pub fn text(self, name: &str) -> Result<Option<String>> {
        let text = self.raw(name).map(OsString::into_string).transpose();
        // The message leaves out the value, which may be a secret.
        text.map_err(|_| Error::invalid(format!("the variable {name} is not UTF-8")))
    }

    /// A folder, in any encoding. A relative path is ignored, as the XDG Base Directory Specification requires: it
    /// would be another folder in each working directory.
    pub fn folder(self, name: &str) -> Option<PathBuf> {
        self.raw(name).map(PathBuf::from).filter(|folder| folder.is_absolute())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::Path;

    use super::*;
    use crate::error::Kind;

    fn read(name: &str) -> Option<OsString> {
        match name {
            "EMPTY" => Some(OsString::new()),
            "TEXT" => Some("field-übung".into()),
            "LATIN" => Some(OsString::from_vec(b"field-\xfcbung".to_vec())),
            "FOLDER" => Some(OsString::from_vec(b"/tmp/\xfc".to_vec())),
            "RELATIVE" => Some("state".into()),
            _ => None,
        }
    }

    #[test]
    fn text_is_utf_8_or_an_error_that_names_the_variable() {
        let env = Env::new(&read);
        assert_eq!(env.text("EMPTY").expect("unset"), None);
        assert_eq!(env.text("NONE").expect("unset"), None);
        assert_eq!(env.text("TEXT").expect("text").as_deref(), Some("field-übung"));
        let error = env.text("LATIN").expect_err("it is not UTF-8");
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(error.to_string(), "the variable LATIN is not UTF-8");
    }

    #[test]
    fn folders_are_any_bytes_but_absolute() {
        let env = Env::new(&read);
        let folder = OsString::from_vec(b"/tmp/\xfc".to_vec());
        assert_eq!(env.folder("FOLDER").as_deref(), Some(Path::new(&folder)));
        assert_eq!(env.folder("RELATIVE"), None);
        assert_eq!(env.folder("EMPTY"), None);
    }
}
