//! What gives way under overload, and that every frame is answered once and in order all the same.

use std::time::{Duration, Instant};

use base::frame::Frame;
use base::protocol::{ErrorCode, StreamError};
use bytes::Bytes;
use engine::session::backpressure::{Backpressure, BackpressureState, Queue, Thresholds};
use engine::session::manager::SessionManager;
use engine::sink::slots::{Outgoing, ReplySlots};
use forgesyted_tests::client::outcomes;
use forgesyted_tests::{Builder, Daemon, Gate, frames, wait};
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

/// A held pipeline on a daemon that drops for the number that wait only, not for their lag.
fn held(settings: impl FnOnce(Builder) -> Builder) -> (Daemon, Gate) {
    let (builder, gate) = settings(Daemon::builder().setting("stream.max_lag_ms", 600_000)).held();
    (builder.start(), gate)
}

fn wait_received(daemon: &Daemon, session: usize, frames: u64) -> Value {
    wait::until_some("the frames to be received", || {
        daemon.sessions().get(session).filter(|session| session["frame_index"] == frames).cloned()
    })
}

#[test]
fn a_burst_is_absorbed_and_one_frame_more_is_not() {
    let (daemon, gate) = held(|builder| builder);
    let mut client = daemon.client("held");
    for (burst, dropped) in [(5, vec![]), (6, vec![2]), (8, vec![2, 3, 4])] {
        gate.close();
        let started = gate.started();
        let first = daemon.sessions()[0]["frame_index"].as_u64().unwrap();
        client.send(&frames::white());
        gate.wait_started(started, 1);
        (1..burst).for_each(|_| client.send(&frames::white()));
        wait_received(&daemon, 0, first + burst);
        gate.open();
        let expected: Vec<(u64, bool)> = (1..=burst).map(|frame| (first + frame, !dropped.contains(&frame))).collect();
        assert_eq!(outcomes(&client.take(burst as usize)), expected, "a burst of {burst}");
        // Calm frames, so that the burst before is forgotten.
        (0..100).for_each(|_| drop(client.ask(&frames::white())));
    }
    assert_eq!(daemon.metrics().frames("dropped", "held"), 4);
}

#[test]
fn frames_that_would_come_too_late_give_way() {
    // Any lag is too much: as soon as it is known that frames take time, only the newest waits.
    let (builder, gate) = Daemon::builder().setting("stream.max_lag_ms", 0).held();
    let daemon = builder.start();
    let mut client = daemon.client("held");
    gate.close();
    let started = gate.started();
    client.send(&frames::white());
    gate.wait_started(started, 1);
    (0..3).for_each(|_| client.send(&frames::white()));
    wait_received(&daemon, 0, 4);
    gate.open();
    assert_eq!(outcomes(&client.take(4)), [(1, true), (2, true), (3, true), (4, true)], "no time is known yet");
    gate.close();
    let started = gate.started();
    client.send(&frames::white());
    gate.wait_started(started, 1);
    (0..3).for_each(|_| client.send(&frames::white()));
    let session = wait_received(&daemon, 0, 8);
    assert_eq!((&session["waiting_frames"], &session["backpressure_state"]), (&1.into(), &"normal".into()));
    gate.open();
    assert_eq!(outcomes(&client.take(4)), [(5, true), (6, false), (7, false), (8, true)]);
}

#[test]
fn overload_is_answered_in_order_and_the_newest_frame_runs() {
    let (daemon, gate) = held(|builder| builder);
    let mut client = daemon.client("held");
    let mut next = 1;
    for frames_sent in [50, 1, 30, 200] {
        gate.close();
        let started = gate.started();
        client.send(&frames::white());
        gate.wait_started(started, 1);
        (1..frames_sent).for_each(|_| client.send(&frames::white()));
        let last = next + frames_sent - 1;
        let session = wait_received(&daemon, 0, last);
        assert!(session["waiting_frames"].as_u64().unwrap() <= 4, "{session}");
        gate.open();
        let mut messages = Vec::new();
        while outcomes(&messages).len() < frames_sent as usize {
            messages.push(client.recv());
        }
        let replies = outcomes(&messages);
        let order: Vec<u64> = replies.iter().map(|(index, _)| *index).collect();
        assert_eq!(order, (next..=last).collect::<Vec<_>>(), "no gap, no repeat");
        assert!(replies[0].1, "the frame that ran has its result");
        assert!(replies.last().unwrap().1, "the newest frame has its result");
        next = last + 1;
    }
    let metrics = daemon.metrics();
    let decoded = metrics.stage_count("held", "decode");
    assert_eq!(decoded, metrics.frames("processed", "held"), "what is dropped is never decoded");
    assert!(metrics.frames("dropped", "held") > 200);
}

#[test]
fn overload_of_one_session_is_no_other_sessions() {
    // Sessions share the one worker in turn: the second needs to wait for one frame of the first, never for its backlog.
    let (daemon, gate) = held(|builder| builder);
    let mut greedy = daemon.client("held");
    gate.close();
    let started = gate.started();
    greedy.send(&frames::white());
    gate.wait_started(started, 1);
    (1..40).for_each(|_| greedy.send(&frames::white()));
    wait_received(&daemon, 0, 40);
    let mut modest = daemon.client("held");
    modest.send(&frames::black());
    wait_received(&daemon, 1, 1);
    gate.allow(2);
    assert_eq!(modest.recv()["result"]["brightness"], 0.0, "its turn came after one frame of the other");
    gate.open();
    for frame in 2..=20 {
        modest.send(&frames::black());
        let reply = modest.recv();
        assert_eq!((&reply["frame_index"], &reply["result"]["brightness"]), (&frame.into(), &0.0.into()));
    }
    let sessions = daemon.sessions();
    assert_eq!(
        (&sessions[0]["backpressure_state"], &sessions[1]["backpressure_state"]),
        (&"critical".into(), &"normal".into())
    );
    assert_eq!(sessions[1]["dropped_frames"], 0);
}

#[test]
fn free_running_overload_keeps_the_promises_too() {
    // No gate: three clients send as fast as they can to a pipeline of real work.
    let work = forgesyted_tests::modules::module(
        "float",
        "y = torch.matmul(x[0, 0], torch.t(x[0, 0]))\nfor i in range(20):\n  y = torch.matmul(y, y)\n  y = torch.div(y, torch.add(torch.max(torch.abs(y)), 1.0))\nreturn float(torch.mean(y))",
    );
    let daemon = Daemon::builder().measure("work", &work).setting("engine.workers", 2).start();
    let jpeg = frames::synthetic(320, 240);
    let address = daemon.address();
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let jpeg = jpeg.clone();
            std::thread::spawn(move || {
                let mut client = forgesyted_tests::Client::connect(address, "pipeline_id=work");
                (0..150).for_each(|_| client.send(&jpeg));
                let mut messages = Vec::new();
                while outcomes(&messages).len() < 150 {
                    messages.push(client.recv());
                }
                let replies = outcomes(&messages);
                assert!(replies.iter().zip(1..).all(|((index, _), expected)| *index == expected));
                assert!(replies.last().unwrap().1);
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let metrics = daemon.metrics();
    assert_eq!(metrics.frames("processed", "work") + metrics.frames("dropped", "work"), 450);
}

/// What may happen to a session.
#[derive(Clone, Copy, Debug)]
enum Event {
    Arrives { after_ms: u64 },
    Starts,
    Finishes { took_ms: f64 },
    Sends,
    Fails,
    IsRefused,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        40 => (0_u64..200).prop_map(|after_ms| Event::Arrives { after_ms }),
        20 => Just(Event::Starts),
        20 => (0.0..300.0).prop_map(|took_ms| Event::Finishes { took_ms }),
        10 => Just(Event::Sends),
        1 => Just(Event::Fails),
        1 => Just(Event::IsRefused),
    ]
}

fn thresholds() -> impl Strategy<Value = Thresholds> {
    (0.0..0.5, 0.0..0.5, 0_usize..40, 0.0..500.0, 1_usize..10, 0_u64..2000).prop_map(
        |(drop_threshold, more, drop_window_frames, max_lag_ms, max_waiting_frames, slow_down_interval_ms)| {
            Thresholds {
                drop_threshold,
                slowdown_threshold: drop_threshold + more,
                drop_window_frames,
                max_lag_ms,
                max_waiting_frames,
                slow_down_interval_ms,
            }
        },
    )
}

/// A session as the daemon has it, without threads: its books, its reply slots, and what a client would have read.
struct Session {
    manager: SessionManager,
    replies: ReplySlots,
    now: Instant,
    read: Vec<Outgoing>,
    bound: usize,
    /// The frame that the end leaves unanswered, and all after it.
    unanswered_from: Option<u64>,
}

impl Session {
    fn new(thresholds: Thresholds) -> Session {
        let manager = SessionManager::new(Uuid::new_v4(), "p", thresholds);
        let bound = thresholds.max_waiting_frames;
        Session {
            manager,
            replies: ReplySlots::default(),
            now: Instant::now(),
            read: vec![],
            bound,
            unanswered_from: None,
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Arrives { after_ms } => {
                if self.replies.is_ending() {
                    return;
                }
                self.now += Duration::from_millis(after_ms);
                self.replies.open();
                let offered = self.manager.offer(Frame::jpeg(Bytes::new()), self.now, self.now);
                let newest = self.manager.frame_index();
                assert!(offered.dropped.iter().all(|&frame| frame < newest), "the newest gave way");
                assert!(self.manager.waiting() >= 1, "the newest waits");
                assert!(self.manager.waiting() <= self.bound, "{} wait", self.manager.waiting());
                offered.dropped.iter().for_each(|&frame| self.replies.fill_dropped(frame));
                if offered.slow_down {
                    self.replies.notify_slow_down();
                }
            }
            Event::Starts => drop(self.manager.take()),
            Event::Finishes { took_ms } => {
                if let Some(frame) = self.manager.running() {
                    self.manager.finish(took_ms, 0);
                    self.replies.fill_result(frame, frame.to_string());
                }
            }
            Event::Sends => self.read.extend(std::iter::from_fn(|| self.replies.pop())),
            Event::Fails => {
                if let Some(frame) = self.manager.running() {
                    self.manager.fail();
                    self.end(frame);
                }
            }
            Event::IsRefused => {
                if !self.replies.is_ending() {
                    let frame = self.manager.increment_frame();
                    self.end(frame);
                }
            }
        }
    }

    fn end(&mut self, frame: u64) {
        self.unanswered_from = Some(self.unanswered_from.map_or(frame, |earlier| earlier.min(frame)));
        self.replies.end(frame, StreamError::new(ErrorCode::InvalidFrame, "why"));
        while let Some(waiting) = self.manager.mark_drop() {
            self.replies.fill_dropped(waiting);
        }
    }

    /// Runs what waits and reads what is owed.
    fn settle(&mut self) {
        while self.manager.running().is_some() || self.manager.waiting() > 0 {
            self.apply(Event::Finishes { took_ms: 1.0 });
            self.apply(Event::Starts);
        }
        self.apply(Event::Sends);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn one_reply_a_frame_in_order(
        thresholds in thresholds(),
        events in proptest::collection::vec(event(), 1..300),
    ) {
        let mut session = Session::new(thresholds);
        events.into_iter().for_each(|event| session.apply(event));
        session.settle();
        let ended = session.unanswered_from.is_some();
        let answered = session.unanswered_from.map_or(session.manager.frame_index(), |from| from - 1);
        let mut due = 1;
        for (position, message) in session.read.iter().enumerate() {
            match message {
                Outgoing::End(_) => prop_assert!(ended && position == session.read.len() - 1, "an error is the last"),
                Outgoing::Text(text) => {
                    let message: Value = serde_json::from_str(text).unwrap();
                    if message.get("warning").is_some() {
                        continue;
                    }
                    prop_assert_eq!(&message["frame_index"], due);
                    prop_assert!(message["dropped"] == true || message["result"] == due);
                    if due == session.manager.frame_index() {
                        prop_assert!(message["result"] == due, "the newest frame has a result");
                    }
                    due += 1;
                }
            }
        }
        prop_assert_eq!(due - 1, answered, "frames answered");
        prop_assert_eq!(ended, matches!(session.read.last(), Some(Outgoing::End(_))));
    }

    #[test]
    fn the_newest_never_gives_way_and_more_waiting_never_saves_the_oldest(
        thresholds in thresholds(),
        waiting in 0_usize..20,
        running in any::<bool>(),
        time_ms in 0.0..1000.0,
        rate in 0.0..=1.0,
        frames in 0_u64..1000,
    ) {
        let state = Backpressure::state(frames, rate, &thresholds);
        let drops = |waiting| Backpressure::should_drop(state, Queue { waiting, running }, time_ms, &thresholds);
        prop_assert!(!drops(0) && !drops(1));
        prop_assert!(!drops(waiting) || drops(waiting + 1));
        prop_assert!(drops(thresholds.max_waiting_frames.max(1) + 1));
        if state != BackpressureState::Normal {
            prop_assert!(drops(2));
        }
        // A higher rate is never a calmer state, and nothing is said before ten frames.
        let rank = |state| match state {
            BackpressureState::Normal => 0,
            BackpressureState::Warning => 1,
            BackpressureState::Critical => 2,
        };
        prop_assert!(rank(Backpressure::state(frames, 1.0, &thresholds)) >= rank(state));
        prop_assert_eq!(Backpressure::state(frames.min(9), rate, &thresholds), BackpressureState::Normal);
        prop_assert_eq!(Backpressure::state(frames, thresholds.drop_threshold, &thresholds), BackpressureState::Normal);
    }
}
