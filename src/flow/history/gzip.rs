//! Gzip data of one or more members, one after the other, and the time that the first member of our own exports carries.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

use crate::core::Timestamp;

/// The first byte of a member.
const FIRST: u8 = 0x1f;
/// The beginning of the comment in the header of our own exports. The time of the reading follows.
const EXPORTED: &str = "rydes export ";

/// The comment for the gzip header of an export that was read at this time.
pub fn export_comment(read_at: Timestamp) -> String {
    format!("{EXPORTED}{read_at}")
}

/// What the members hold, decompressed. Zeros at the end are padding.
pub(super) struct Members<R> {
    /// `None` after the last one.
    member: Option<GzDecoder<R>>,
    /// Members that are complete.
    complete: u64,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(from: R) -> Self {
        Self { member: Some(GzDecoder::new(from)), complete: 0 }
    }

    /// When an export of our own was read; `None` for other data. Known before the first member ends.
    pub(super) fn exported_at(&self) -> Option<Timestamp> {
        let comment = self.member.as_ref()?.header()?.comment()?;
        Timestamp::parse(str::from_utf8(comment).ok()?.strip_prefix(EXPORTED)?)
    }

    fn next_member(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let mut rest = member.into_inner();
        self.complete += 1;
        if goes_on(&mut rest)? {
            self.member = Some(GzDecoder::new(rest));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let is_bad_header = self.complete > 0 && member.header().is_none();
            match member.read(buffer) {
                Ok(0) => self.next_member()?,
                Err(error) if is_bad_header && error.kind() == ErrorKind::InvalidInput => {
                    return Err(not_gzip());
                }
                read => return read,
            }
        }
        Ok(0)
    }
}

/// Whether another member follows.
fn goes_on(rest: &mut impl BufRead) -> io::Result<bool> {
    let mut is_padded = false;
    loop {
        let bytes = match rest.fill_buf() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        let Some(first) = bytes.first() else { return Ok(false) };
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        if zeros == 0 {
            return if *first == FIRST && !is_padded { Ok(true) } else { Err(not_gzip()) };
        }
        is_padded = true;
        rest.consume(zeros);
    }
}

fn not_gzip() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the bytes after its gzip data are not gzip")
}
