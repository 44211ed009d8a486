//! The text that waits to be written to a stream: bounded, in order, and with a line for each loss.
//!
//! Events and notes that find no room are dropped and counted, and each gap has one line. Answers are never
//! dropped: a command with many answers waits for room.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem::{replace, take};

/// Bytes that may wait before events are dropped: some 8,000 lines.
pub(super) const ROOM: usize = 1 << 20;
/// Bytes that may wait before a redraw is skipped: the next one shows more.
pub(super) const FRAMES: usize = 1 << 14;
const AT_ONCE: usize = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StdStream {
    Out = 0,
    Err = 1,
}

/// What happens to text that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// Never dropped. The first failure is kept, and later answers are not tried.
    Answer,
    /// An answer that goes to stderr if stdout refuses it.
    Id,
    /// Text that goes to stderr because stdout failed. Never dropped.
    Rescued,
    /// Dropped and counted if there is no room. The first failure of stdout is reported on stderr.
    Event,
    /// A redraw. Its loss has no effect.
    Frame,
}

impl Worth {
    fn is_answer(self) -> bool {
        matches!(self, Self::Answer | Self::Id)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Words {
    /// The line in place of dropped events, by stream.
    pub(super) dropped: [fn(u64) -> String; 2],
    /// The text before the reason why events are lost.
    pub(super) trouble: String,
}

impl Words {
    fn gap(&self, stream: StdStream, events: u64) -> Chunk {
        let text = self.dropped[stream as usize](events) + "\n";
        Chunk { stream, text, worth: Worth::Event, events }
    }
}

#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) stream: StdStream,
    pub(super) text: String,
    worth: Worth,
    /// How many events are lost with it.
    events: u64,
}

impl Chunk {
    /// Its bytes, or 0 for an answer.
    fn aside(&self) -> usize {
        if self.worth.is_answer() { 0 } else { self.text.len() }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stdout {
    #[default]
    Works,
    Closed,
    /// Writing an answer failed.
    Failed,
}

/// The text that waits for one writer thread.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    pieces: VecDeque<Chunk>,
    /// Bytes that wait or are being written.
    pub(super) bytes: usize,
    /// The part of `bytes` that is no answers: long answers must not crowd out notes.
    aside: usize,
    /// Answers that wait or are being written.
    pub(super) answers: usize,
    /// Writes so far, partial or whole.
    pub(super) writes: u64,
    pub(super) stdout: Stdout,
    pub(super) failure: Option<io::Error>,
    /// Nothing was written for longer than a command waits for room.
    pub(super) is_stuck: bool,
    pub(super) is_asleep: bool,
    /// Events dropped since the last one that found room, by stream.
    dropped: [u64; 2],
    /// Events whose write failed since the last one that succeeded, by stream.
    lost: [u64; 2],
    is_told: bool,
}

impl Backlog {
    /// Whether nothing waits and every gap has its line.
    pub(super) fn is_idle(&self) -> bool {
        self.bytes == 0 && self.dropped == [0, 0]
    }

    /// Adds text. Returns an id that stdout would refuse.
    pub(super) fn add(
        &mut self,
        stream: StdStream,
        text: String,
        worth: Worth,
        words: &Words,
    ) -> Option<String> {
        match worth {
            _ if stream == StdStream::Out && self.stdout == Stdout::Closed => return None,
            Worth::Answer if self.stdout == Stdout::Failed => return None,
            Worth::Id if self.stdout == Stdout::Failed => return Some(text),
            Worth::Event if !self.has_room(stream, text.len()) => {
                self.dropped[stream as usize] += 1;
                return None;
            }
            Worth::Answer | Worth::Id | Worth::Rescued | Worth::Event | Worth::Frame => {}
        }
        self.close_gap(stream, words);
        let events = u64::from(worth == Worth::Event);
        self.push(Chunk { stream, text, worth, events });
        None
    }

    /// After a drop, events are accepted only when half of the room is free: this keeps gaps few.
    fn has_room(&self, stream: StdStream, bytes: usize) -> bool {
        let room = if self.dropped[stream as usize] == 0 { ROOM } else { ROOM / 2 };
        self.aside == 0 || self.aside + bytes <= room
    }

    fn push(&mut self, piece: Chunk) {
        self.bytes += piece.text.len();
        self.aside += piece.aside();
        self.answers += usize::from(piece.worth.is_answer());
        self.pieces.push_back(piece);
    }

    fn close_gap(&mut self, stream: StdStream, words: &Words) {
        let events = take(&mut self.dropped[stream as usize]);
        if events > 0 {
            self.push(words.gap(stream, events));
        }
    }

    /// The next batch, all for one stream.
    pub(super) fn next(&mut self, words: &Words) -> Option<Vec<Chunk>> {
        if self.pieces.is_empty() {
            self.close_gap(StdStream::Out, words);
            self.close_gap(StdStream::Err, words);
        }
        let stream = self.pieces.front()?.stream;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        // The lost events came before everything that waits.
        let lost = take(&mut self.lost[stream as usize]);
        if lost > 0 {
            let gap = words.gap(stream, lost);
            self.bytes += gap.text.len();
            self.aside += gap.aside();
            batch.push(gap);
        }
        while bytes < AT_ONCE
            && let Some(piece) = self.pieces.pop_front_if(|piece| piece.stream == stream)
        {
            bytes += piece.text.len();
            batch.push(piece);
        }
        Some(batch)
    }

    /// Records how many bytes of a batch were written. Returns the lines that must go to stderr instead.
    pub(super) fn settle(
        &mut self,
        batch: Vec<Chunk>,
        written: usize,
        outcome: io::Result<()>,
        words: &Words,
    ) -> Vec<String> {
        self.writes += u64::from(written > 0);
        self.is_stuck = false;
        let (mut end, mut missing) = (0, Vec::new());
        for piece in batch {
            end += piece.text.len();
            self.bytes -= piece.text.len();
            self.aside -= piece.aside();
            self.answers -= usize::from(piece.worth.is_answer());
            if end > written {
                missing.push(piece);
            }
        }
        let mut instead = Vec::new();
        match outcome {
            Err(error) if missing.first().is_some_and(|piece| piece.stream == StdStream::Out) => {
                instead.extend(self.fail(error, &mut missing, words));
            }
            // A failure of stderr cannot be reported anywhere.
            Ok(()) | Err(_) => {}
        }
        for piece in missing {
            match piece.worth {
                Worth::Id if self.stdout == Stdout::Failed => instead.push(piece.text),
                Worth::Event => self.lost[piece.stream as usize] += piece.events,
                Worth::Answer | Worth::Id | Worth::Rescued | Worth::Frame => {}
            }
        }
        instead
    }

    /// Records that stdout refused pieces. Returns the line to report, if any.
    fn fail(
        &mut self,
        error: io::Error,
        missing: &mut Vec<Chunk>,
        words: &Words,
    ) -> Option<String> {
        if error.kind() == ErrorKind::BrokenPipe {
            self.stdout = Stdout::Closed;
            return None;
        }
        let are_events = missing.iter().any(|piece| piece.worth == Worth::Event);
        let is_news = are_events && !replace(&mut self.is_told, true);
        let news = is_news.then(|| format!("{}{error}\n", words.trouble));
        if missing.iter().any(|piece| piece.worth.is_answer()) {
            self.stdout = Stdout::Failed;
            self.failure = Some(error);
            missing.extend(self.give_up());
        }
        news
    }

    /// Removes the answers that still wait: they would follow a gap.
    fn give_up(&mut self) -> Vec<Chunk> {
        let pieces = take(&mut self.pieces).into_iter();
        let (gone, kept) = pieces.partition::<Vec<_>, _>(|piece| piece.worth.is_answer());
        self.pieces = kept.into();
        self.bytes -= gone.iter().map(|piece| piece.text.len()).sum::<usize>();
        self.answers -= gone.len();
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: fn() -> Words = || Words {
        dropped: [|count| format!("{count} events"), |count| format!("{count} notes")],
        trouble: "lost: ".to_owned(),
    };

    fn full() -> io::Error {
        io::Error::from(ErrorKind::StorageFull)
    }

    struct Pen(Backlog, Words);

    impl Pen {
        fn new() -> Self {
            Self(Backlog::default(), WORDS())
        }

        fn add(&mut self, stream: StdStream, text: &str, worth: Worth) -> Option<String> {
            self.0.add(stream, format!("{text}\n"), worth, &self.1)
        }

        fn write(&mut self) -> Option<String> {
            let batch = self.0.next(&self.1)?;
            let text: String = batch.iter().map(|piece| piece.text.as_str()).collect();
            self.0.settle(batch, text.len(), Ok(()), &self.1);
            Some(text)
        }

        /// Writes `written` bytes of the next batch, then fails.
        fn fail(&mut self, written: usize, error: io::Error) -> Vec<String> {
            let batch = self.0.next(&self.1).expect("something waits");
            self.0.settle(batch, written, Err(error), &self.1)
        }

        fn rest(&mut self) -> String {
            std::iter::from_fn(|| self.write()).collect()
        }
    }

    #[test]
    fn each_gap_has_one_line_where_it_was_and_nothing_is_uncounted() {
        let line = "x".repeat(999);
        let (mut pen, mut number) = (Pen::new(), 0);
        let mut send = |pen: &mut Pen, count: u64| {
            for _ in 0..count {
                number += 1;
                assert_eq!(
                    pen.add(StdStream::Out, &format!("{number:04}{line}"), Worth::Event),
                    None
                );
            }
        };
        send(&mut pen, 1_500);
        assert!(pen.0.bytes <= ROOM);
        // A little room is not enough: a slow reader would see a gap after each line.
        pen.write().expect("a batch");
        send(&mut pen, 100);
        while pen.0.bytes > ROOM / 2 {
            pen.write().expect("a batch");
        }
        send(&mut pen, 10);
        let text = pen.rest();
        assert!(pen.0.is_idle());
        let gaps: Vec<_> = text.lines().filter(|line| line.ends_with(" events")).collect();
        let [gap] = gaps[..] else { panic!("{gaps:?}") };
        let dropped: u64 = gap.trim_end_matches(" events").parse().expect("a count");
        assert!((500..700).contains(&dropped), "{dropped}");
        let after = text.lines().skip_while(|line| *line != gap).nth(1).expect("a line");
        assert!(after.starts_with("1601"), "{}", &after[..8]);
    }

    #[test]
    fn a_gap_at_the_end_has_its_line_too() {
        let mut pen = Pen::new();
        pen.add(StdStream::Err, &"x".repeat(ROOM), Worth::Event);
        pen.add(StdStream::Err, "y", Worth::Event);
        assert!(!pen.0.is_idle());
        pen.write().expect("a batch");
        assert!(!pen.0.is_idle(), "the gap is not told yet");
        assert_eq!(pen.write().as_deref(), Some("1 notes\n"));
        assert!(pen.0.is_idle());
    }

    #[test]
    fn answers_are_never_dropped() {
        let mut pen = Pen::new();
        for number in 0..3_000 {
            pen.add(StdStream::Out, &format!("{number:0999}"), Worth::Answer);
        }
        assert!(pen.0.bytes > 2 * ROOM && pen.0.answers == 3_000);
        assert_eq!(pen.rest().lines().count(), 3_000);
        assert_eq!(pen.0.answers, 0);
    }

    #[test]
    fn one_stream_after_the_other_in_the_order_in_which_they_were_told() {
        let mut pen = Pen::new();
        for (stream, text) in [
            (StdStream::Out, "a"),
            (StdStream::Out, "b"),
            (StdStream::Err, "c"),
            (StdStream::Out, "d"),
        ] {
            pen.add(stream, text, Worth::Event);
        }
        let parts: Vec<_> = std::iter::from_fn(|| pen.write()).collect();
        assert_eq!(parts, ["a\nb\n", "c\n", "d\n"]);
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let mut pen = Pen::new();
        pen.add(StdStream::Out, "a", Worth::Answer);
        assert!(pen.fail(0, ErrorKind::BrokenPipe.into()).is_empty());
        assert!(pen.0.stdout == Stdout::Closed && pen.0.failure.is_none());
        assert_eq!(pen.add(StdStream::Out, "b", Worth::Id), None);
        assert!(pen.0.is_idle());
    }

    #[test]
    fn an_answer_that_fails_is_kept_as_an_error_and_ids_go_to_stderr() {
        let mut pen = Pen::new();
        for (text, worth) in [("one", Worth::Id), ("two", Worth::Id), ("three", Worth::Answer)] {
            pen.add(StdStream::Out, text, worth);
        }
        // All of `one`, and a part of `two`.
        let batch = pen.0.next(&pen.1).expect("something waits");
        pen.add(StdStream::Out, "four", Worth::Id);
        let instead = pen.0.settle(batch, 5, Err(full()), &pen.1);
        assert_eq!(instead, ["two\n", "four\n"]);
        assert_eq!(pen.0.failure.take().expect("kept").kind(), ErrorKind::StorageFull);
        assert_eq!(pen.add(StdStream::Out, "five", Worth::Id).as_deref(), Some("five\n"));
        assert_eq!(pen.add(StdStream::Out, "six", Worth::Answer), None);
        assert!(pen.0.is_idle() && pen.0.answers == 0);
    }

    #[test]
    fn events_that_fail_are_told_once_and_counted_when_it_works_again() {
        let mut pen = Pen::new();
        for number in 0..3 {
            pen.add(StdStream::Out, &number.to_string(), Worth::Event);
            let told = pen.fail(0, full());
            assert_eq!(told.len(), usize::from(number == 0), "{told:?}");
        }
        assert!(pen.0.is_idle() && pen.0.stdout == Stdout::Works);
        assert_eq!(pen.write(), None, "a gap alone is not tried over and over");
        pen.add(StdStream::Out, "3", Worth::Event);
        assert_eq!(pen.rest(), "3 events\n3\n");
    }

    #[test]
    fn what_stderr_refuses_is_told_nowhere() {
        let mut pen = Pen::new();
        pen.add(StdStream::Err, "a", Worth::Event);
        assert!(pen.fail(0, full()).is_empty());
        assert!(pen.0.stdout == Stdout::Works && pen.0.is_idle());
    }
}
