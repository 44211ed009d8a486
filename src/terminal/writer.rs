//! Writes to stdout and stderr on separate threads: a reader that stops reading delays no timer, no lease and no
//! signal.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::mem::replace;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::backlog::{Backlog, Chunk, FRAMES, ROOM, StdStream, Stdout, Words, Worth};

/// Pause before retrying a full stream that another program has made non-blocking.
const PAUSE: Duration = Duration::from_millis(5);

/// Writes both streams. Clones share the threads.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    out: Arc<OutputLane>,
    /// The same as `out` if both streams lead to the same place, to keep their order.
    err: Arc<OutputLane>,
}

impl Writer {
    pub(super) fn new(words: &Words) -> Self {
        let (out, err) = (file(io::stdout()), file(io::stderr()));
        let are_one = match (&out, &err) {
            (Ok(out), Ok(err)) => lead_to_one_place(out, err).unwrap_or(false),
            _ => false,
        };
        let out = out.map_or_else(|_| Destination::new(io::stdout()), Destination::new);
        let err = err.map_or_else(|_| Destination::new(io::stderr()), Destination::new);
        if are_one { Self::together(out, err, words) } else { Self::apart(out, err, words) }
    }

    fn together(out: Destination, err: Destination, words: &Words) -> Self {
        let lane = OutputLane::new(words);
        lane.start([Some(out), Some(err)], &lane);
        Self { out: Arc::clone(&lane), err: lane }
    }

    fn apart(out: Destination, err: Destination, words: &Words) -> Self {
        let lanes = Self { out: OutputLane::new(words), err: OutputLane::new(words) };
        lanes.out.start([Some(out), None], &lanes.err);
        lanes.err.start([None, Some(err)], &lanes.err);
        lanes
    }

    /// Queues text to be written in order.
    pub(super) fn push(&self, stream: StdStream, text: String, worth: Worth) {
        if let Some(refused) = self.lane(stream).push(stream, text, worth) {
            self.err.push(StdStream::Err, refused, Worth::Rescued);
        }
    }

    pub(super) fn takes_frames(&self, stream: StdStream) -> bool {
        self.lane(stream).lock().bytes <= FRAMES
    }

    pub(super) fn is_closed(&self) -> bool {
        self.out.lock().stdout != Stdout::Works
    }

    /// Why an answer could not be written; returned once.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.out.lock().failure.take()
    }

    pub(super) fn unwritten(&self) -> usize {
        self.out.lock().answers
    }

    /// Waits for room for more answers, and for notes beside them. If stderr accepts nothing for `limit`, later
    /// calls do not wait for it until it accepts something.
    pub(super) async fn room(&self, limit: Duration) {
        self.out.until(|state| state.bytes <= ROOM / 2).await;
        let has_room = |state: &Backlog| state.bytes <= ROOM / 2 || state.is_stuck;
        if has_room(&self.err.lock()) {
            return;
        }
        let room = self.err.until(has_room);
        if timeout(limit, room).await.is_err() {
            self.err.lock().is_stuck = true;
        }
    }

    /// The same for a thread that may block, for stdout alone.
    pub(super) fn hold_for_room(&self) {
        self.out.hold(|state| state.bytes <= ROOM / 2);
    }

    pub(super) async fn answered(&self) {
        self.out.until(|state| state.answers == 0).await;
    }

    pub(super) async fn written(&self) {
        self.out.until(Backlog::is_idle).await;
        self.err.until(Backlog::is_idle).await;
    }

    /// Blocks until all text is written.
    pub(super) fn hold(&self) {
        self.out.hold(Backlog::is_idle);
        self.err.hold(Backlog::is_idle);
    }

    pub(super) fn writes(&self) -> u64 {
        let out = self.out.lock().writes;
        out + self.err.lock().writes
    }

    fn lane(&self, stream: StdStream) -> &Arc<OutputLane> {
        match stream {
            StdStream::Out => &self.out,
            StdStream::Err => &self.err,
        }
    }
}

/// The stream as a separate file, without the lock and the buffer of the standard library.
fn file(stream: impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

fn lead_to_one_place(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

#[derive(Debug)]
struct OutputLane {
    state: Mutex<Backlog>,
    /// Signals new text to the writer thread.
    fresh: Condvar,
    /// Signals progress to threads.
    moved: Condvar,
    /// Signals progress to tasks.
    written: Notify,
    words: Words,
}

impl OutputLane {
    fn new(words: &Words) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            fresh: Condvar::new(),
            moved: Condvar::new(),
            written: Notify::new(),
            words: words.clone(),
        })
    }

    /// Starts the thread. Lines that replace a failed write to stdout go to `err`.
    fn start(self: &Arc<Self>, mut targets: [Option<Destination>; 2], err: &Arc<Self>) {
        let (lane, err) = (Arc::clone(self), Arc::clone(err));
        thread::spawn(move || {
            loop {
                let batch = lane.take();
                let stream = batch[0].stream;
                let (written, outcome) = match &mut targets[stream as usize] {
                    Some(target) => target.write(&batch),
                    None => (0, Ok(())),
                };
                lane.settle(batch, written, outcome, &err);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, stream: StdStream, text: String, worth: Worth) -> Option<String> {
        let mut state = self.lock();
        let refused = state.add(stream, text, worth, &self.words);
        // A wake-up is a system call: a thread that is awake gets none.
        if replace(&mut state.is_asleep, false) {
            self.fresh.notify_one();
        }
        refused
    }

    fn take(&self) -> Vec<Chunk> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.next(&self.words) {
                return batch;
            }
            state.is_asleep = true;
            state = self.fresh.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Records the outcome of a batch. Lines for stderr are queued there before the batch counts as written: the
    /// program could end in between.
    fn settle(&self, batch: Vec<Chunk>, written: usize, outcome: io::Result<()>, err: &Self) {
        let mut state = self.lock();
        for said in state.settle(batch, written, outcome, &self.words) {
            if std::ptr::eq(self, err) {
                state.add(StdStream::Err, said, Worth::Rescued, &self.words);
            } else {
                err.push(StdStream::Err, said, Worth::Rescued);
            }
        }
        drop(state);
        self.moved.notify_all();
        self.written.notify_waiters();
    }

    async fn until(&self, is_so: impl Fn(&Backlog) -> bool) {
        while !is_so(&self.lock()) {
            let mut written = pin!(self.written.notified());
            written.as_mut().enable();
            if is_so(&self.lock()) {
                return;
            }
            written.await;
        }
    }

    fn hold(&self, is_so: impl Fn(&Backlog) -> bool) {
        let state = self.lock();
        let until = self.moved.wait_while(state, |state| !is_so(state));
        drop(until.unwrap_or_else(PoisonError::into_inner));
    }
}

struct Destination {
    to: Box<dyn Write + Send>,
    /// The last line was written only in part.
    is_torn: bool,
}

impl Destination {
    fn new(to: impl Write + Send + 'static) -> Self {
        Self { to: Box::new(to), is_torn: false }
    }

    /// Completes a torn line, then writes the batch. Returns how many bytes of the batch were written.
    fn write(&mut self, batch: &[Chunk]) -> (usize, io::Result<()>) {
        if self.is_torn {
            match self.write_bytes(b"\n") {
                (_, Ok(())) => self.is_torn = false,
                (_, failed) => return (0, failed),
            }
        }
        let text: String = batch.iter().map(|piece| piece.text.as_str()).collect();
        let (written, outcome) = self.write_bytes(text.as_bytes());
        self.is_torn =
            outcome.is_err() && written > 0 && !text.as_bytes()[..written].ends_with(b"\n");
        (written, outcome)
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while written < bytes.len() {
            match self.to.write(&bytes[written..]) {
                Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Err(error) => return (written, Err(error)),
            }
        }
        (written, self.to.flush())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A reader that takes one write at a time.
    struct Slow(SyncSender<String>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0.send(text).map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A stream with a scripted result for each write.
    struct Moody(Vec<Result<usize, ErrorKind>>, SyncSender<String>);

    impl Write for Moody {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = match self.0.pop() {
                None => bytes.len(),
                Some(Ok(count)) => count.min(bytes.len()),
                Some(Err(kind)) => return Err(kind.into()),
            };
            self.1.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).expect("it is read");
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn words() -> Words {
        Words {
            dropped: [|count| format!("{count} events"), |count| format!("{count} notes")],
            trouble: "lost: ".to_owned(),
        }
    }

    fn slow() -> (Destination, Receiver<String>) {
        let (sender, receiver) = sync_channel(0);
        (Destination::new(Slow(sender)), receiver)
    }

    fn moody(mut turns: Vec<Result<usize, ErrorKind>>) -> (Destination, Receiver<String>) {
        let (sender, receiver) = sync_channel(100);
        turns.reverse();
        (Destination::new(Moody(turns, sender)), receiver)
    }

    fn said(receiver: &Receiver<String>) -> String {
        receiver.try_iter().collect()
    }

    #[tokio::test]
    async fn a_reader_that_reads_nothing_holds_up_no_writer_of_the_other_stream() {
        let ((out, unread), (err, read)) = (slow(), moody(Vec::new()));
        let writer = Writer::apart(out, err, &words());
        for number in 0..1_000 {
            writer.push(StdStream::Out, format!("{number:0999}\n"), Worth::Answer);
        }
        writer.push(StdStream::Err, "note\n".to_owned(), Worth::Event);
        writer.err.until(Backlog::is_idle).await;
        assert_eq!(said(&read), "note\n");
        let limit = Duration::from_millis(50);
        assert!(timeout(limit, writer.room(limit)).await.is_err(), "there is no room");
        let reader = thread::spawn(move || {
            let mut bytes = 0;
            while bytes < 1_000_000 {
                bytes += unread.recv().expect("more comes").len();
            }
            bytes
        });
        writer.room(limit).await;
        writer.answered().await;
        assert_eq!(reader.join().expect("it has read"), 1_000_000);
    }

    #[tokio::test]
    async fn a_stderr_that_takes_nothing_is_waited_for_once() {
        let ((out, read), (err, _unread)) = (moody(Vec::new()), slow());
        let writer = Writer::apart(out, err, &words());
        for _ in 0..700 {
            writer.push(StdStream::Err, format!("{:0999}\n", 0), Worth::Event);
        }
        writer.room(Duration::from_millis(50)).await;
        // A second wait would last an hour.
        writer.room(Duration::from_hours(1)).await;
        writer.push(StdStream::Out, "answer\n".to_owned(), Worth::Answer);
        writer.answered().await;
        assert_eq!(said(&read), "answer\n");
    }

    #[tokio::test]
    async fn streams_that_lead_to_one_place_keep_their_order() {
        let (sender, read) = sync_channel(100);
        let place = || Destination::new(Moody(Vec::new(), sender.clone()));
        let writer = Writer::together(place(), place(), &words());
        for number in 0..4 {
            writer.push(StdStream::Out, format!("{number}"), Worth::Answer);
            writer.push(StdStream::Err, format!("({number})"), Worth::Event);
        }
        writer.written().await;
        assert_eq!(said(&read), "0(0)1(1)2(2)3(3)");
        assert!(writer.writes() > 0);
    }

    #[tokio::test]
    async fn what_a_full_disk_refuses_is_told_and_the_next_line_begins_a_line() {
        let full = Err(ErrorKind::StorageFull);
        let ((out, log), (err, notes)) = (moody(vec![Ok(2), full, full]), moody(Vec::new()));
        let writer = Writer::apart(out, err, &words());
        for line in ["first\n", "second\n", "third\n"] {
            writer.push(StdStream::Out, line.to_owned(), Worth::Event);
            writer.written().await;
        }
        assert_eq!(said(&log), "fi\n2 events\nthird\n");
        let notes = said(&notes);
        assert!(notes.starts_with("lost: ") && notes.lines().count() == 1, "{notes}");
        assert!(!writer.is_closed());
    }

    #[tokio::test]
    async fn an_id_is_on_stderr_before_it_counts_as_written() {
        let ((out, _log), (err, notes)) = (moody(vec![Err(ErrorKind::StorageFull)]), slow());
        let writer = Writer::apart(out, err, &words());
        writer.push(StdStream::Out, "id\n".to_owned(), Worth::Id);
        writer.answered().await;
        assert!(!writer.err.lock().is_idle(), "it waits for its reader");
        assert_eq!(notes.recv().as_deref(), Ok("id\n"));
        assert!(writer.is_closed() && writer.take_failure().is_some());
    }

    #[tokio::test]
    async fn interrupted_and_full_pipes_are_no_failures() {
        let turns = vec![Err(ErrorKind::Interrupted), Ok(1), Err(ErrorKind::WouldBlock)];
        let ((out, read), (err, _)) = (moody(turns), moody(Vec::new()));
        let writer = Writer::apart(out, err, &words());
        writer.push(StdStream::Out, "answer\n".to_owned(), Worth::Answer);
        writer.answered().await;
        assert_eq!(said(&read), "answer\n");
        assert!(!writer.is_closed());
    }
}
