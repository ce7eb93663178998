//! One session: its socket, its counters, and the loop that sends frames and matches replies.
//!
//! One task owns everything, so nothing is locked but the shared recorder. Each turn of the loop starts the next thing
//! to write when nothing is being written, then waits for whichever comes first: bytes from the daemon, room in the
//! socket, the next frame's deadline, or the end of the phase.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::connect::Connection;
use super::record::Recorder;
use super::reply::{self, Reply};
use super::schedule::Beats;
use super::tally::{Common, Tally};
use super::wire::{self, Inbound, Inbox};

/// How long an open loop may go on past its end with frames that were due before it.
const LAST_FRAMES: Duration = Duration::from_millis(100);

/// How long the closing handshake may take.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Frames go out.
    Sending,
    /// No more frames; replies are outstanding.
    Draining,
    /// The closing handshake.
    Closing,
}

/// What is being written.
#[derive(Debug)]
struct Writing {
    bytes: Bytes,
    at: usize,
    /// Whether the socket took it in parts only.
    was_blocked: bool,
    /// Of a frame: the JPEG's size, and whether it is measured.
    payload: Option<(usize, bool)>,
}

struct Session {
    common: Arc<Common>,
    phase: Phase,
    /// When the phase ends by itself.
    phase_end: Instant,
    /// Frames begun, in all; also the last one's index.
    sent: u64,
    /// Frames this session sends in an open loop.
    planned: u64,
    /// The due times of frames without a reply, oldest first: the last is that of frame `sent`.
    waiting: VecDeque<Instant>,
    writing: Option<Writing>,
    /// When the socket last took the end of a frame that it had taken in parts only.
    free_since: Instant,
    /// A pong or close to send between two frames.
    control: Option<Bytes>,
    close_sent: bool,
    tally: Tally,
}

/// Runs a session from its first frame to the end of the closing handshake.
pub(super) async fn run(index: usize, connection: Connection, common: Arc<Common>, beats: Option<Beats>) -> Tally {
    let clock = common.clock;
    let grace = if common.schedule.is_some() { LAST_FRAMES } else { Duration::ZERO };
    let mut session = Session {
        phase: Phase::Sending,
        phase_end: clock.end + grace,
        sent: 0,
        planned: common.schedule.map_or(0, |schedule| schedule.count(index, clock.end - clock.start)),
        waiting: VecDeque::new(),
        writing: None,
        free_since: clock.start,
        control: None,
        close_sent: false,
        tally: Tally { index, ..Tally::default() },
        common,
    };
    let beat = beats.as_ref().and_then(|beats| beats.get(index));
    let ended = session.drive(connection, beat).await;
    session.finish(ended)
}

impl Session {
    /// The session's life; says how the connection ended when that was not its own doing.
    async fn drive(&mut self, connection: Connection, beat: Option<&Notify>) -> Result<(), String> {
        let Connection { mut stream, already_read } = connection;
        let (mut reading, mut writing) = stream.split();
        let mut inbox = Inbox::new(already_read);
        self.take_messages(&mut inbox)?;
        let mut timer_end = self.phase_end;
        let timer = tokio::time::sleep_until(timer_end.into());
        tokio::pin!(timer);
        loop {
            self.start_writing();
            if timer_end != self.phase_end {
                timer_end = self.phase_end;
                timer.as_mut().reset(timer_end.into());
            }
            let chunk = self.writing.as_ref().and_then(|w| w.bytes.get(w.at..)).unwrap_or_default();
            tokio::select! {
                biased;
                read = reading.read_buf(inbox.space()) => match read {
                    Ok(0) => return Err("The daemon ended the connection without a close frame.".to_owned()),
                    Ok(_) => self.take_messages(&mut inbox)?,
                    Err(e) => return Err(format!("The connection broke: {e}.")),
                },
                written = writing.write(chunk), if !chunk.is_empty() => match written {
                    Ok(count) => self.wrote(count),
                    // What the daemon said last may still be there to read: an error and its close.
                    Err(_) => {
                        (self.writing, self.control) = (None, None);
                        self.enter(Phase::Closing);
                    }
                },
                () = notified(beat), if self.phase == Phase::Sending => {}
                () = &mut timer => match self.phase {
                    Phase::Sending => self.enter(Phase::Draining),
                    Phase::Draining => self.say_goodbye(),
                    Phase::Closing => return Err("The daemon did not end the connection.".to_owned()),
                },
            }
        }
    }

    fn enter(&mut self, phase: Phase) {
        let now = Instant::now();
        if self.phase != phase {
            self.phase = phase;
            self.phase_end = match phase {
                Phase::Sending => self.phase_end,
                Phase::Draining => now + self.common.answer_wait,
                Phase::Closing => now + CLOSE_WAIT,
            };
        }
    }

    fn say_goodbye(&mut self) {
        self.control = Some(wire::close(Some(1000)));
        self.close_sent = true;
        self.enter(Phase::Closing);
    }

    /// Chooses what to write next when nothing is being written.
    fn start_writing(&mut self) {
        if self.writing.is_some() {
            return;
        }
        if self.phase == Phase::Sending && self.control.is_none() {
            let now = Instant::now();
            let due = match self.common.schedule {
                None if now >= self.common.clock.end => None,
                None if self.waiting.is_empty() => Some(now),
                None => return,
                Some(_) if self.sent >= self.planned => None,
                Some(schedule) => Some(self.common.clock.start + schedule.due(self.tally.index, self.sent)),
            };
            match due {
                Some(due) if due <= now => return self.begin_frame(due, now),
                Some(_) => return,
                None => self.enter(Phase::Draining),
            }
        }
        if self.phase == Phase::Draining && self.waiting.is_empty() && self.control.is_none() {
            self.say_goodbye();
        }
        self.writing = self.control.take().map(|bytes| Writing { bytes, at: 0, was_blocked: false, payload: None });
    }

    fn begin_frame(&mut self, due: Instant, now: Instant) {
        let frames = &self.common.frames;
        let at = (self.tally.index as u64 + self.sent) % frames.len().max(1) as u64;
        let Some(frame) = frames.get(at as usize) else { return };
        let measured = {
            let mut recorder = self.recorder();
            recorder.sent(due, now);
            recorder.measures(due)
        };
        self.writing = Some(Writing {
            bytes: frame.bytes.clone(),
            at: 0,
            was_blocked: false,
            payload: Some((frame.payload_len, measured)),
        });
        self.sent += 1;
        self.waiting.push_back(due);
        if measured {
            self.tally.sent += 1;
            self.tally.blocked += u64::from(due < self.free_since);
        }
    }

    fn wrote(&mut self, count: usize) {
        let Some(writing) = &mut self.writing else { return };
        writing.at += count;
        if writing.at < writing.bytes.len() {
            writing.was_blocked = true;
            return;
        }
        if let Some((len, measured)) = writing.payload {
            self.tally.bytes += if measured { len as u64 } else { 0 };
        }
        if writing.was_blocked {
            self.free_since = Instant::now();
        }
        self.writing = None;
    }

    /// Takes what has arrived. An error means that the daemon broke the WebSocket protocol.
    fn take_messages(&mut self, inbox: &mut Inbox) -> Result<(), String> {
        let now = Instant::now();
        loop {
            let message = match inbox.next_message() {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(()),
                Err(why) => {
                    self.violation(&why);
                    return Err(format!("The session was given up: {why}."));
                }
            };
            match message {
                _ if self.tally.close_code.is_some() => {}
                Inbound::Text(text) => self.take_reply(reply::parse(text), text, now),
                Inbound::Binary => self.violation("the daemon sent a binary message"),
                // Only the latest ping needs an answer (RFC 6455, section 5.5.3), and none once a close is due.
                Inbound::Ping(payload) if self.phase != Phase::Closing => self.control = Some(wire::pong(payload)),
                Inbound::Ping(_) | Inbound::Pong => {}
                Inbound::Close(code) => self.closed(code),
            }
        }
    }

    fn closed(&mut self, code: Option<u16>) {
        self.tally.close_code = Some(code.unwrap_or(1005));
        if !self.close_sent {
            let with = code.map_or("no code".to_owned(), |code| format!("code {code}"));
            self.ended_early("closed", format!("The daemon closed the session with {with} and no error message."));
            self.control = Some(wire::close(code));
            self.close_sent = true;
        }
        self.enter(Phase::Closing);
    }

    fn take_reply(&mut self, reply: Reply<'_>, text: &[u8], now: Instant) {
        match reply {
            Reply::Result(index) => {
                if let Some(due) = self.settle(index) {
                    let mut recorder = self.recorder();
                    recorder.result(due, now);
                    let measured = recorder.measures(due);
                    drop(recorder);
                    self.tally.results += u64::from(measured);
                }
            }
            Reply::Dropped(index) => {
                if let Some(due) = self.settle(index) {
                    self.recorder().dropped(now);
                    self.tally.dropped += u64::from(self.measures(due));
                }
            }
            Reply::SlowDown => self.tally.slow_downs += u64::from(self.measures(now)),
            Reply::Error { code, detail } => {
                self.ended_early(&code, detail.into_owned());
                self.enter(Phase::Closing);
            }
            Reply::Unknown => {
                let start: String = String::from_utf8_lossy(text).chars().take(80).collect();
                self.violation(&format!("the daemon sent a message that is not of the protocol: {start:?}"));
            }
        }
    }

    /// Matches a reply to its frame, which must be the oldest without one; gives that frame's due time.
    fn settle(&mut self, index: u64) -> Option<Instant> {
        let expected = self.sent - self.waiting.len() as u64 + 1;
        if index != expected || index > self.sent {
            self.violation(&format!("the daemon replied to frame {index} where frame {expected} was next"));
            if index < expected || index > self.sent {
                return None;
            }
            for _ in expected..index {
                if let Some(due) = self.waiting.pop_front() {
                    self.tally.unanswered += u64::from(self.measures(due));
                }
            }
        }
        self.waiting.pop_front()
    }

    /// Keeps the first reason why the session ended early.
    fn ended_early(&mut self, code: &str, detail: String) {
        if self.tally.error.is_none() {
            self.tally.error = Some((code.to_owned(), detail));
            self.tally.stopped = Some(Instant::now());
        }
    }

    fn violation(&mut self, what: &str) {
        self.tally.protocol_errors += 1;
        self.tally.first_protocol_error.get_or_insert_with(|| what.to_owned());
    }

    fn measures(&self, at: Instant) -> bool {
        at >= self.common.clock.measure_from && at < self.common.clock.end
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.common.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(mut self, ended: Result<(), String>) -> Tally {
        if let Err(why) = ended
            && !self.close_sent
        {
            self.ended_early("connection_lost", why);
        }
        let left = self.waiting.iter().filter(|due| self.measures(**due)).count();
        self.tally.unanswered += left as u64;
        if let Some(schedule) = self.common.schedule {
            let clock = self.common.clock;
            let first_measured = schedule.count(self.tally.index, clock.measure_from - clock.start);
            self.tally.unsent = self.planned.saturating_sub(self.sent.max(first_measured));
        }
        self.tally
    }
}

/// Waits for a beat; for ever when there is none.
async fn notified(beat: Option<&Notify>) {
    match beat {
        Some(beat) => beat.notified().await,
        None => std::future::pending().await,
    }
}
