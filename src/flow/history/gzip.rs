//! Gzip data of one or more members, one after the other.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

/// The first byte of a member.
const FIRST: u8 = 0x1f;

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
