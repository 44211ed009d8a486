//! The manifest of a cache folder: written when the folder is filled, compared before it is used. Mends nothing.
//!
//! One line for each file: size, CRC-32 of the contents, path. A link has size 0 and the checksum of its target. The
//! first line is the checksum of all the others. Files added later do not count. This finds damage by a
//! disk or an interruption. It guards against nothing that is done on purpose: the manifest lies beside the files.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use flate2::Crc;

use crate::tools::file;

const NAME: &str = "rydes-manifest";
/// A file in the same folder that notes the damage found by comparing contents.
const DAMAGE: &str = "rydes-damage";
/// Not listed: Python rewrites these folders when they are stale.
const COMPILED: &str = "__pycache__";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Compares sizes and reads the noted damage; 0.1 s for LocalStack's 25,000 files.
    Sizes,
    /// Compares contents; 0.5 s.
    Contents,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Soundness {
    /// As it was filled.
    Whole,
    Missing,
    /// The first difference, and the number of others.
    Damaged(String),
}

struct ManifestLine {
    size: u64,
    checksum: String,
    path: PathBuf,
}

/// Writes the manifest of a folder that has just been filled.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    let mut lines = Vec::new();
    list(folder, Path::new(""), &mut lines)?;
    let manifest = [checksum(&lines).as_bytes(), b"\n", &lines].concat();
    file::write(&folder.join(NAME), manifest)
}

pub(super) fn check(folder: &Path, depth: Depth) -> Soundness {
    if fs::symlink_metadata(folder).is_err() {
        return Soundness::Missing;
    }
    let Some(entries) = file::read(&folder.join(NAME)).ok().and_then(|bytes| parse(&bytes)) else {
        return Soundness::Damaged("its list of files cannot be read".to_owned());
    };
    if depth == Depth::Sizes
        && let Ok(noted) = file::read(&folder.join(DAMAGE))
    {
        return Soundness::Damaged(String::from_utf8_lossy(&noted).into_owned());
    }
    let mut damages =
        entries.iter().filter_map(|entry| Some((entry, entry.damage(folder, depth)?)));
    let Some((first, damage)) = damages.next() else { return Soundness::Whole };
    let others = match damages.count() {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    Soundness::Damaged(format!("{} {damage}{others}", first.path.display()))
}

/// Notes the damage that a comparison of contents found, so that a comparison of sizes finds it too. Removes the
/// note from a whole folder.
pub(super) fn note(folder: &Path, soundness: &Soundness) -> io::Result<()> {
    let path = folder.join(DAMAGE);
    match soundness {
        Soundness::Damaged(damage) if check(folder, Depth::Sizes) == Soundness::Whole => {
            file::write(&path, damage)
        }
        Soundness::Damaged(_) | Soundness::Missing => Ok(()),
        Soundness::Whole => match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        },
    }
}

impl ManifestLine {
    fn damage(&self, folder: &Path, depth: Depth) -> Option<Damage> {
        let path = folder.join(&self.path);
        let Ok(metadata) = fs::symlink_metadata(&path) else { return Some(Damage::Missing) };
        if size(&metadata) != self.size {
            return Some(Damage::Size);
        }
        let is_compared = depth == Depth::Contents || metadata.is_symlink();
        let same = !is_compared
            || checksum_of_file(&path, &metadata).is_ok_and(|checksum| checksum == self.checksum);
        (!same).then_some(Damage::Contents)
    }
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Missing,
    Size,
    Contents,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Size => "has another size",
            Self::Contents => "has other contents",
        })
    }
}

fn list(folder: &Path, inside: &Path, lines: &mut Vec<u8>) -> io::Result<()> {
    let mut names: Vec<_> = folder
        .join(inside)
        .read_dir()?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<_>>()?;
    names.sort();
    for name in names.iter().filter(|name| *name != COMPILED) {
        let path = inside.join(name);
        let metadata = fs::symlink_metadata(folder.join(&path))?;
        if metadata.is_dir() {
            list(folder, &path, lines)?;
            continue;
        }
        if name.as_bytes().contains(&b'\n') {
            return Err(io::Error::other("a file's name has two lines"));
        }
        let checksum = checksum_of_file(&folder.join(&path), &metadata)?;
        lines.extend(format!("{} {checksum} ", size(&metadata)).into_bytes());
        lines.extend(path.as_os_str().as_bytes());
        lines.push(b'\n');
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Option<Vec<ManifestLine>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (first, lines) = (&bytes[..end], &bytes[end + 1..]);
    if first != checksum(lines).as_bytes() {
        return None;
    }
    lines.strip_suffix(b"\n")?.split(|byte| *byte == b'\n').map(entry).collect()
}

fn entry(line: &[u8]) -> Option<ManifestLine> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let mut text = || std::str::from_utf8(parts.next()?).ok();
    let (size, checksum) = (text()?.parse().ok()?, text()?.to_owned());
    Some(ManifestLine { size, checksum, path: PathBuf::from(OsStr::from_bytes(parts.next()?)) })
}

fn size(metadata: &Metadata) -> u64 {
    if metadata.is_symlink() { 0 } else { metadata.len() }
}

fn checksum_of_file(path: &Path, metadata: &Metadata) -> io::Result<String> {
    if metadata.is_symlink() {
        return Ok(checksum(fs::read_link(path)?.as_os_str().as_bytes()));
    }
    Ok(checksum(&file::read(path)?))
}

fn checksum(bytes: &[u8]) -> String {
    let mut crc = Crc::new();
    crc.update(bytes);
    format!("{:08x}", crc.sum())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    type Harm = fn(&Path) -> io::Result<()>;

    /// The state of a freshly filled folder after `harm`.
    fn after(harm: impl FnOnce(&Path) -> io::Result<()>, depth: Depth) -> Soundness {
        let folder = tempfile::tempdir().expect("a folder");
        let fill = || {
            fs::create_dir_all(folder.path().join("lib/__pycache__"))?;
            fs::write(folder.path().join("lib/a.py"), "1234")?;
            fs::write(folder.path().join("lib/b c.py"), "1234")?;
            fs::write(folder.path().join("lib/__pycache__/a.pyc"), "1")?;
            symlink("/usr/bin/python", folder.path().join("python"))?;
            write(folder.path())
        };
        fill().expect("it can be filled");
        assert_eq!(check(folder.path(), Depth::Contents), Soundness::Whole);
        harm(folder.path()).expect("it can be harmed");
        check(folder.path(), depth)
    }

    #[test]
    fn every_damage_is_found() {
        let harms: [(Harm, &str); 6] = [
            (|at| fs::remove_file(at.join("lib/a.py")), "lib/a.py is missing"),
            (|at| fs::write(at.join("lib/b c.py"), "12"), "lib/b c.py has another size"),
            (|at| fs::remove_dir_all(at.join("lib")), "lib/a.py is missing, and 1 more"),
            (
                |at| {
                    fs::remove_file(at.join("python"))?;
                    symlink("/usr/bin/python3", at.join("python"))
                },
                "python has other contents",
            ),
            (|at| fs::remove_file(at.join(NAME)), "its list of files cannot be read"),
            (
                |at| {
                    let text = fs::read_to_string(at.join(NAME))?;
                    fs::write(at.join(NAME), &text[..text.len() / 2])
                },
                "its list of files cannot be read",
            ),
        ];
        for (harm, told) in harms {
            for depth in [Depth::Sizes, Depth::Contents] {
                assert_eq!(after(harm, depth), Soundness::Damaged(told.to_owned()));
            }
        }
        let swapped = |at: &Path| fs::write(at.join("lib/a.py"), "4321");
        assert_eq!(after(swapped, Depth::Sizes), Soundness::Whole);
        let told = Soundness::Damaged("lib/a.py has other contents".to_owned());
        assert_eq!(after(swapped, Depth::Contents), told);
    }

    #[test]
    fn what_a_comparison_of_contents_has_found_is_known_from_then_on() {
        let found = |at: &Path| note(at, &check(at, Depth::Contents));
        let swapped = |at: &Path| {
            fs::write(at.join("lib/a.py"), "4321")?;
            found(at)
        };
        let told = Soundness::Damaged("lib/a.py has other contents".to_owned());
        assert_eq!(after(swapped, Depth::Sizes), told);
        assert_eq!(after(swapped, Depth::Contents), told);
        let mended = |at: &Path| {
            swapped(at)?;
            fs::write(at.join("lib/a.py"), "1234")?;
            found(at)
        };
        assert_eq!(after(mended, Depth::Sizes), Soundness::Whole);
    }

    #[test]
    fn what_came_later_is_no_damage() {
        let later = |at: &Path| {
            fs::write(at.join("lib/__pycache__/a.pyc"), "2")?;
            fs::write(at.join("lib/c.py"), "new")
        };
        assert_eq!(after(later, Depth::Contents), Soundness::Whole);
        assert_eq!(check(Path::new("/nowhere/at/all"), Depth::Sizes), Soundness::Missing);
    }
}
