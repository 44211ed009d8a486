//! A terminal of our own, which can be stopped as with Ctrl-S.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, Winsize, tcflow, tcsetwinsize};

use super::Rydes;

/// A terminal, and what is on it.
pub struct Terminal {
    side: File,
    written: Arc<Mutex<String>>,
    keeper: Arc<OwnedFd>,
}

impl Terminal {
    /// A terminal of 100 columns and 30 rows.
    pub fn new() -> Self {
        Self::sized(100, 30)
    }

    /// A terminal of this size.
    pub fn sized(columns: u16, rows: u16) -> Self {
        let keeper = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&keeper).and_then(|()| unlockpt(&keeper)).expect("it is ours");
        let name = ptsname(&keeper, Vec::new()).expect("it has a name");
        let name = name.into_string().expect("it is text");
        let flags = OFlags::NOCTTY.bits().cast_signed();
        let side = OpenOptions::new().read(true).write(true).custom_flags(flags).open(name);
        let side = side.expect("it opens");
        let extent = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&side, extent).expect("it has a size");
        let keeper = Arc::new(keeper);
        let written = Arc::<Mutex<String>>::default();
        let (reader, seen) = (Arc::clone(&keeper), Arc::clone(&written));
        thread::spawn(move || {
            let mut reader = File::from(reader.try_clone().expect("it can be copied"));
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                seen.lock().expect("no reader broke down").push_str(&text);
            }
        });
        Self { side, written, keeper }
    }

    /// This side of it, for a program.
    pub fn stdio(&self) -> Stdio {
        Stdio::from(self.side.try_clone().expect("it can be copied"))
    }

    /// Lets a command run on it.
    pub fn of(&self, command: Rydes) -> Rydes {
        command.stdin(self.stdio()).stdout(self.stdio()).stderr(self.stdio())
    }

    /// All that was written to it so far.
    pub fn text(&self) -> String {
        self.written.lock().expect("no reader broke down").clone()
    }

    /// Types this.
    pub fn keys(&self, text: &str) {
        let keeper = self.keeper.try_clone().expect("it can be copied");
        File::from(keeper).write_all(text.as_bytes()).expect("it takes keys");
    }

    /// Stops it: what is written from now on waits.
    pub fn stop(&self) {
        tcflow(&self.side, Action::OOff).expect("it can be stopped");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        tcflow(&self.side, Action::OOn).expect("it goes on");
    }
}
