//! Between whoever logs and whoever reads the log: a bounded queue and one thread that writes. A reader that does not read, a full
//! disk or a file at its size limit costs lines, which are counted; it never holds up a frame, a request or a stop.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines that wait at most. A burst is far smaller: nothing is logged per frame, and what outsiders can cause is limited.
const LINES: usize = 1024;

/// What takes lines, and may block for ever.
pub(super) trait Output<T>: Send + 'static {
    /// Writes a line.
    ///
    /// # Errors
    /// It was not taken whole: it is lost.
    fn write(&mut self, line: &T) -> io::Result<()>;

    /// The line that says how many were lost.
    fn lost(&self, lines: u64) -> T;
}

/// The end at which lines are put in.
#[derive(Debug)]
pub(super) struct LogQueue<T> {
    lines: SyncSender<T>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Lines in the queue or being written.
    open: Mutex<usize>,
    none_open: Condvar,
    lost: AtomicU64,
}

impl<T: Send + 'static> LogQueue<T> {
    /// Starts the thread that writes. `open` makes the output, on that thread: to open it may take for ever, too.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start<O: Output<T>>(open: impl FnOnce() -> O + Send + 'static) -> io::Result<Self> {
        let (lines, queue) = sync_channel(LINES);
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&queue, &ours, &mut open()))?;
        Ok(Self { lines, shared })
    }

    /// Puts a line in. Never waits: where there is no room the line is lost, and counted.
    pub(super) fn put(&self, line: T) {
        *self.shared.open() += 1;
        if self.lines.try_send(line).is_err() {
            self.shared.lose();
            self.shared.close();
        }
    }

    /// Waits until every line is written that was put in, for `patience` at most.
    pub(super) fn flush(&self, patience: Duration) {
        let open = self.shared.open();
        // Whether it was in time is of no use to a process that ends.
        let _ = self.shared.none_open.wait_timeout_while(open, patience, |open| *open > 0);
    }

    /// Lines lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, usize> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut open = self.open();
        *open = open.saturating_sub(1);
        if *open == 0 {
            self.none_open.notify_all();
        }
    }

    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

fn write_all<T>(queue: &Receiver<T>, shared: &Shared, output: &mut impl Output<T>) {
    let mut told = 0;
    while let Ok(line) = queue.recv() {
        // First what is missing, since it is missing before this line or soon after it.
        let lost = shared.lost.load(Ordering::Relaxed);
        if lost > told && output.write(&output.lost(lost - told)).is_ok() {
            told = lost;
        }
        if output.write(&line).is_err() {
            shared.lose();
        }
        shared.close();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// Waits for anything that has to happen; only a failing test takes so long.
    const PATIENCE: Duration = Duration::from_secs(30);

    struct Datagrams(UnixDatagram);

    impl Output<String> for Datagrams {
        fn write(&mut self, line: &String) -> io::Result<()> {
            self.0.send(line.as_bytes()).map(drop)
        }

        fn lost(&self, lines: u64) -> String {
            format!("lost {lines}")
        }
    }

    fn receive(socket: &UnixDatagram) -> String {
        let mut line = [0; 64];
        let length = socket.recv(&mut line).unwrap();
        String::from_utf8_lossy(&line[..length]).into_owned()
    }

    #[test]
    fn a_datagram_socket_that_nobody_reads_costs_lines_and_says_how_many() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        let queue = LogQueue::start(move || Datagrams(ours)).unwrap();
        // The kernel keeps far fewer datagrams than these (net.unix.max_dgram_qlen).
        let put = 4 * LINES as u64;
        (0..put).for_each(|number| queue.put(format!("line {number}")));
        let lost = queue.lost();
        assert!(lost > 0, "nothing was lost, so the socket took all of it");
        queue.flush(Duration::from_millis(1));
        // It is read again: what was kept comes in its order, and with it how many are missing.
        let (mut kept, mut told) = (Vec::new(), 0);
        while kept.len() as u64 + lost < put {
            let line = receive(&theirs);
            match line.strip_prefix("lost ") {
                Some(count) => told += count.parse::<u64>().unwrap(),
                None => kept.push(line.strip_prefix("line ").unwrap().parse::<u64>().unwrap()),
            }
        }
        assert!(kept.is_sorted());
        assert_eq!((told, queue.lost()), (lost, lost));
        queue.flush(PATIENCE);
        queue.put("after".to_owned());
        assert_eq!(receive(&theirs), "after");
    }

    #[test]
    fn an_output_that_refuses_costs_the_lines_that_it_refuses() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let queue = LogQueue::start(move || Datagrams(ours)).unwrap();
        queue.put("one".to_owned());
        queue.flush(PATIENCE);
        assert_eq!(receive(&theirs), "one");
        drop(theirs);
        queue.put("two".to_owned());
        queue.flush(PATIENCE);
        assert_eq!(queue.lost(), 1);
    }
}
