//! Telling a client to slow down, and stopping to.

use base::frame::Frame;
use bytes::Bytes;
use engine::session::backpressure::{Backpressure, BackpressureState, Thresholds};
use engine::session::manager::SessionManager;
use forgesyted_tests::client::outcomes;
use forgesyted_tests::{Client, Daemon, Gate, frames, wait};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Sends this many frames while the first of them is held, and waits until all are received.
fn overload(daemon: &Daemon, gate: &Gate, client: &mut Client, frames_sent: u64) {
    let before = daemon.sessions()[0]["frame_index"].as_u64().unwrap();
    gate.close();
    let started = gate.started();
    client.send(&frames::white());
    gate.wait_started(started, 1);
    (1..frames_sent).for_each(|_| client.send(&frames::white()));
    wait::until("the frames to be received", || daemon.sessions()[0]["frame_index"] == before + frames_sent);
}

fn read_replies(client: &mut Client, count: usize) -> Vec<Value> {
    let mut messages = Vec::new();
    while outcomes(&messages).len() < count {
        messages.push(client.recv());
    }
    messages
}

fn slow_downs(messages: &[Value]) -> usize {
    messages.iter().filter(|message| **message == json!({"warning": "slow_down"})).count()
}

#[test]
fn a_client_in_critical_is_told_once_an_interval() {
    let (builder, gate) = Daemon::builder()
        .setting("stream.slow_down_interval_ms", 3_600_000)
        .setting("stream.drop_window_frames", 20)
        .setting("stream.max_lag_ms", 600_000)
        .held();
    let daemon = builder.start();
    let mut client = daemon.client("held");
    let mut other = daemon.client("noop");
    overload(&daemon, &gate, &mut client, 40);
    // The notice does not wait for the frame that runs.
    assert_eq!(client.recv(), json!({"warning": "slow_down"}));
    let session = &daemon.sessions()[0];
    assert_eq!((&session["backpressure_state"], &session["waiting_frames"]), (&"critical".into(), &1.into()));
    gate.open();
    let messages = client.take(40);
    let expected: Vec<(u64, bool)> = (1..=40).map(|frame| (frame, frame == 1 || frame == 40)).collect();
    assert_eq!(outcomes(&messages), expected);
    assert_eq!(slow_downs(&messages), 0);

    // The load falls: normal again within the window, and bursts are absorbed again.
    let states: Vec<Value> = (0..20)
        .map(|_| {
            assert!(client.ask(&frames::white()).is_object());
            daemon.sessions()[0]["backpressure_state"].clone()
        })
        .collect();
    assert_eq!(states.last().unwrap(), "normal", "{states:?}");
    assert!(states.contains(&"warning".into()), "by way of warning: {states:?}");
    overload(&daemon, &gate, &mut client, 5);
    gate.open();
    assert_eq!(outcomes(&client.take(5)), (61..=65).map(|frame| (frame, true)).collect::<Vec<_>>());

    // The second overload is within the interval: no second notice.
    overload(&daemon, &gate, &mut client, 40);
    gate.open();
    assert_eq!(slow_downs(&read_replies(&mut client, 40)), 0);

    other.ask(&frames::white());
    let metrics = daemon.metrics();
    let signals = |pipeline| {
        metrics.value(&format!("stream_slowdown_signals_total{{pipeline=\"{pipeline}\",source=\"websocket\"}}"))
    };
    assert_eq!((signals("held"), signals("noop")), (1.0, 0.0));
    let logged = daemon.events().wait_count("stream_slow_down", 1);
    assert_eq!(logged.len(), 1);
    assert_eq!(logged[0]["pipeline_id"], "held");
}

#[test]
fn after_the_interval_the_client_is_told_again() {
    let (builder, gate) =
        Daemon::builder().setting("stream.slow_down_interval_ms", 50).setting("stream.max_lag_ms", 600_000).held();
    let daemon = builder.start();
    let mut client = daemon.client("held");
    overload(&daemon, &gate, &mut client, 40);
    let mut sent = 40;
    // However slow this machine is, further frames in critical bring further notices.
    wait::until("three notices", || {
        client.send(&frames::white());
        sent += 1;
        daemon.events().of_kind("stream_slow_down").len() >= 3
    });
    gate.open();
    let notices = slow_downs(&read_replies(&mut client, sent));
    let series = "stream_slowdown_signals_total{pipeline=\"held\",source=\"websocket\"}";
    let counted = daemon.metrics().value(series) as usize;
    assert!(notices >= 1 && notices <= counted, "{notices} notices, {counted} counted");
}

#[test]
fn notices_without_number_are_a_limited_number_of_lines() {
    let (builder, gate) =
        Daemon::builder().setting("stream.slow_down_interval_ms", 0).setting("stream.max_lag_ms", 600_000).held();
    let daemon = builder.start();
    let mut client = daemon.client("held");
    let since = Instant::now();
    overload(&daemon, &gate, &mut client, 200);
    let intervals = since.elapsed().as_secs() / 10 + 1;
    let series = "stream_slowdown_signals_total{pipeline=\"held\",source=\"websocket\"}";
    assert!(daemon.metrics().value(series) > 100.0);
    gate.open();
    assert_eq!(daemon.stop(), 0);
    let logged = daemon.events().of_kind("stream_slow_down");
    assert!((1..=20 * intervals).contains(&(logged.len() as u64)), "{} lines", logged.len());
    assert_eq!(logged[0]["suppressed"], 0);
}

#[test]
fn warning_drops_and_does_not_tell() {
    // All drop rates are warning ones.
    let (builder, gate) = Daemon::builder()
        .env("STREAM_DROP_THRESHOLD", "0.01")
        .env("STREAM_SLOWDOWN_THRESHOLD", "1.0")
        .setting("stream.max_lag_ms", 600_000)
        .held();
    let daemon = builder.start();
    let mut client = daemon.client("held");
    overload(&daemon, &gate, &mut client, 60);
    let session = &daemon.sessions()[0];
    assert_eq!((&session["backpressure_state"], &session["waiting_frames"]), (&"warning".into(), &1.into()));
    assert_eq!((&session["drop_threshold"], &session["slowdown_threshold"]), (&0.01.into(), &1.0.into()));
    gate.open();
    let messages = client.take(60);
    assert_eq!(slow_downs(&messages), 0);
    assert!(outcomes(&messages)[59].1);
}

proptest! {
    #[test]
    fn notices_are_for_critical_and_an_interval_apart(
        drop_threshold in 0.0..0.6,
        more in 0.0..0.4,
        window in 0_usize..50,
        interval in 1_u64..3000,
        arrivals in proptest::collection::vec((0_u64..500, any::<bool>()), 1..300),
    ) {
        let thresholds = Thresholds {
            drop_threshold,
            slowdown_threshold: drop_threshold + more,
            drop_window_frames: window,
            max_lag_ms: 100.0,
            max_waiting_frames: 4,
            slow_down_interval_ms: interval,
        };
        let mut manager = SessionManager::new(Uuid::new_v4(), "p", thresholds);
        let mut now = Instant::now();
        let mut last_notice: Option<Instant> = None;
        for (after_ms, is_served) in arrivals {
            now += Duration::from_millis(after_ms);
            if is_served {
                manager.finish(50.0, 0);
                manager.take();
            }
            let offered = manager.offer(Frame::jpeg(Bytes::new()), now, now);
            let due = last_notice.is_none_or(|last| now - last >= Duration::from_millis(interval));
            prop_assert_eq!(offered.slow_down, due && manager.backpressure_state() == BackpressureState::Critical);
            if offered.slow_down {
                last_notice = Some(now);
            }
            let rate = manager.recent_drop_rate();
            prop_assert!((0.0..=1.0).contains(&rate));
            prop_assert_eq!(manager.backpressure_state(), Backpressure::state(manager.frame_index(), rate, &thresholds));
        }
    }

    #[test]
    fn whatever_was_before_a_calm_window_is_normal(
        window in 10_usize..120,
        overload in proptest::collection::vec(any::<bool>(), 0..400),
    ) {
        let thresholds = Thresholds {
            drop_threshold: 0.10,
            slowdown_threshold: 0.30,
            drop_window_frames: window,
            max_lag_ms: 100.0,
            max_waiting_frames: 4,
            slow_down_interval_ms: 1000,
        };
        let mut manager = SessionManager::new(Uuid::new_v4(), "p", thresholds);
        let now = Instant::now();
        for is_served in overload {
            if is_served {
                manager.finish(200.0, 0);
                manager.take();
            }
            let _ = manager.offer(Frame::jpeg(Bytes::new()), now, now);
        }
        manager.finish(1.0, 0);
        for _ in 0..window {
            while manager.take().is_some() {
                manager.finish(1.0, 0);
            }
            let _ = manager.offer(Frame::jpeg(Bytes::new()), now, now);
        }
        prop_assert_eq!(manager.backpressure_state(), BackpressureState::Normal);
    }
}
