//! Lines in partitions by a hash: in memory up to a budget, beyond it in one temporary file without a name.

use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher as _};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use crate::error::{Error, Result};

/// Number of partitions. They are read one at a time.
const PARTITIONS: usize = 256;
/// Bytes of lines in memory. Beyond it, all lines go to the file.
const BUDGET: usize = 24 << 20;

/// Lines, each in the partition of its key.
#[derive(Debug)]
pub(super) struct Partitions {
    /// The lines of each partition that are not in the file.
    buffers: Vec<Vec<u8>>,
    /// Bytes in all of them.
    buffered: usize,
    budget: usize,
    spilled: Option<Spilled>,
}

/// What is in the file.
#[derive(Debug)]
struct Spilled {
    file: File,
    /// Where the next block begins.
    end: u64,
    /// The blocks of each partition.
    blocks: Vec<Vec<Block>>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    at: u64,
    length: usize,
}

impl Partitions {
    pub(super) fn new() -> Self {
        Self::within(BUDGET)
    }

    fn within(budget: usize) -> Self {
        let buffers = vec![Vec::new(); PARTITIONS];
        Self { buffers, buffered: 0, budget, spilled: None }
    }

    /// Adds what `write` appends to the partition of this key.
    pub(super) fn add(&mut self, key: &impl Hash, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let partition = usize::try_from(hasher.finish() % (PARTITIONS as u64)).unwrap_or(0);
        let buffer = &mut self.buffers[partition];
        let before = buffer.len();
        write(buffer);
        self.buffered += buffer.len() - before;
        if self.buffered > self.budget { self.spill().map_err(no_room) } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => none.insert(Spilled {
                file: tempfile::tempfile()?,
                end: 0,
                blocks: vec![Vec::new(); PARTITIONS],
            }),
        };
        for (buffer, blocks) in self.buffers.iter_mut().zip(&mut spilled.blocks) {
            if buffer.is_empty() {
                continue;
            }
            spilled.file.write_all(buffer)?;
            blocks.push(Block { at: spilled.end, length: buffer.len() });
            spilled.end += u64::try_from(buffer.len()).unwrap_or(u64::MAX);
            buffer.clear();
        }
        self.buffered = 0;
        Ok(())
    }

    /// Passes each partition to `take`: all its lines, in the order in which they were added.
    pub(super) fn each(mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut lines = Vec::new();
        for (partition, buffer) in self.buffers.into_iter().enumerate() {
            lines.clear();
            if let Some(spilled) = &mut self.spilled {
                spilled.read(partition, &mut lines).map_err(|error| {
                    Error::other("cannot read the temporary file").because(error)
                })?;
            }
            lines.extend(&buffer);
            drop(buffer);
            take(&lines)?;
        }
        Ok(())
    }
}

impl Spilled {
    fn read(&mut self, partition: usize, lines: &mut Vec<u8>) -> io::Result<()> {
        for Block { at, length } in &self.blocks[partition] {
            let before = lines.len();
            lines.resize(before + length, 0);
            self.file.seek(SeekFrom::Start(*at))?;
            self.file.read_exact(&mut lines[before..])?;
        }
        Ok(())
    }
}

fn no_room(error: io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::other(format!("cannot write a temporary file in {}", folder.display()))
        .because(error)
        .hint("set TMPDIR to a folder with more room: the file is about as large as the rows")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn lines_of_one_key_stay_together_and_in_order_whether_or_not_they_fit_in_memory() {
        for budget in [0, 100, 5_000, usize::MAX] {
            let mut partitions = Partitions::within(budget);
            for number in 0..3_000 {
                let key = number % 700;
                let line = format!("{key} {number}\n");
                partitions.add(&key, |buffer| buffer.extend(line.bytes())).expect("there is room");
            }
            let (mut seen, mut count) = (BTreeSet::new(), 0);
            let each = partitions.each(|lines| {
                let lines = str::from_utf8(lines).expect("text").lines();
                let lines: Vec<(u32, u32)> = lines
                    .map(|line| line.split_once(' ').expect("a pair"))
                    .map(|(key, number)| {
                        (key.parse().expect("a key"), number.parse().expect("a number"))
                    })
                    .collect();
                count += lines.len();
                assert!(lines.iter().map(|(_, number)| number).is_sorted());
                for key in lines.iter().map(|(key, _)| *key).collect::<BTreeSet<_>>() {
                    assert!(seen.insert(key), "{key} is in two partitions");
                }
                Ok(())
            });
            each.expect("it can be read");
            assert_eq!((seen.len(), count), (700, 3_000), "{budget}");
        }
    }
}
