//! Places that do not take what is written to them.

use std::fs::{File, OpenOptions};
use std::io::{PipeReader, PipeWriter, Write as _, pipe};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// A disk without any room.
pub fn full_disk() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("there is such a device")
}

/// A pipe that takes nothing until it is read, and how many bytes it holds.
pub fn full_pipe() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut writer) = pipe().expect("there are pipes");
    let flags = fcntl_getfl(&writer).expect("it has flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("they can be set");
    let mut held = 0;
    while let Ok(count) = writer.write(&[b' '; 1]) {
        held += count;
    }
    fcntl_setfl(&writer, flags).expect("they can be set");
    (reader, writer, held)
}
