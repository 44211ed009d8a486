//! A terminal of our own, which can be stopped as with Ctrl-S.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, Winsize, tcflow, tcsetwinsize};
use vt100::{Cell, Color, Screen};

use super::Rydes;
use super::growing::Growing;

/// A byte that no program writes, and that no terminal shows.
const END: u8 = 0;

/// A terminal, and what is on it.
pub struct Terminal {
    columns: u16,
    rows: u16,
    side: File,
    written: Arc<Growing<Vec<u8>>>,
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
        let written = Arc::<Growing<Vec<u8>>>::default();
        let (reader, seen) = (Arc::clone(&keeper), Arc::clone(&written));
        thread::spawn(move || {
            let mut reader = File::from(reader.try_clone().expect("it can be copied"));
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                seen.add(|written| written.extend(&bytes[..count]));
            }
        });
        Self { columns, rows, side, written, keeper }
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
        text(&self.written.now())
    }

    /// Waits until this was written to it.
    #[track_caller]
    pub fn shows(&self, wanted: &str) {
        self.until(wanted, |text| text.contains(wanted));
    }

    /// Waits until what was written to it is as wanted.
    #[track_caller]
    pub fn until(&self, what: &str, is_wanted: impl Fn(&str) -> bool) {
        let came = self.written.becomes(|written| is_wanted(&text(written)));
        assert!(came, "never came: {what}, in {}", self.text());
    }

    /// Waits until all that programs have written to it so far is there.
    pub fn settled(&self) {
        let ends = |text: &str| text.matches(char::from(END)).count();
        let before = ends(&self.text());
        (&self.side).write_all(&[END]).expect("it takes a byte");
        self.until("all that was written", |text| ends(text) > before);
    }

    /// What is on its screen, with colours as `‹32›` and their ends as `‹›`, after `mask` has replaced what differs
    /// from run to run.
    pub fn screen(&self, mask: impl Fn(String) -> String) -> String {
        self.screen_of(&mask(self.text()))
    }

    /// The screen on which this was written.
    pub fn screen_of(&self, text: &str) -> String {
        let [rows, columns] = [self.rows, self.columns]
            .map(|size| NonZero::new(size).expect("a terminal has a size"));
        let mut parser = vt100::Parser::new(rows, columns, 0);
        parser.process(text.as_bytes());
        let rows: Vec<_> = (0..self.rows).map(|row| drawn(parser.screen(), row)).collect();
        rows.join("\n").trim_end().to_owned() + "\n"
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

fn text(written: &[u8]) -> String {
    String::from_utf8_lossy(written).into_owned()
}

/// A row of a screen, with its colours.
fn drawn(screen: &Screen, row: u16) -> String {
    let cells = (0..).map_while(|column| screen.cell(row, column));
    let mut text = String::new();
    let mut style = String::new();
    for cell in cells.filter(|cell| !cell.is_wide_continuation()) {
        let new = style_of(cell);
        if new != style {
            text.push_str(if style.is_empty() { "" } else { "‹›" });
            text.extend(if new.is_empty() { None } else { Some(format!("‹{new}›")) });
            style = new;
        }
        text.push_str(if cell.has_contents() { cell.contents() } else { " " });
    }
    text.trim_end().to_owned() + if style.is_empty() { "" } else { "‹›" }
}

/// The codes of a cell's style, as in `1;32`.
fn style_of(cell: &Cell) -> String {
    let colour = match cell.fgcolor() {
        Color::Default => None,
        Color::Idx(index) => Some(format!("3{index}")),
        Color::Rgb(..) => panic!("a terminal may have no such colours"),
    };
    let weights = [(cell.bold(), "1"), (cell.dim(), "2")];
    let weights =
        weights.into_iter().filter(|(has_it, _)| *has_it).map(|(_, code)| code.to_owned());
    weights.chain(colour).collect::<Vec<_>>().join(";")
}
