//! Watching results, of cameras and of clients' sessions.

use forgesyted_tests::client::Received;
use forgesyted_tests::{Client, Daemon, frames, http, wait};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::BRIGHTNESS;

/// A module whose result is some 80 kB of numbers.
const LONG: &str = r#"class Long(Module):
  training : bool
  def forward(self, x: Tensor) -> Dict[str, Any]:
    row = torch.reshape(torch.mean(x), [1])
    return annotate(Dict[str, Any], {"numbers": torch.repeat(torch.add(row, 0.12345678), [4096])})
"#;

fn keys(message: &Value) -> Vec<&str> {
    message.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_watcher_gets_the_results_of_a_camera() {
    let clip = [frames::white(), frames::black()];
    let daemon = Daemon::builder().measure("light", BRIGHTNESS).replay("yard", &clip, "pipeline = \"light\"").start();
    let mut watchers = [daemon.watch("camera=yard"), daemon.watch("camera=yard&x=1")];
    for watcher in &mut watchers {
        let results = watcher.take(20);
        let mut last = (0, 0);
        let mut seen = [false, false];
        for result in &results {
            assert_eq!(
                (keys(result), &result["camera"]),
                (vec!["camera", "frame_index", "result", "ts"], &"yard".into())
            );
            let now = (result["frame_index"].as_u64().unwrap(), result["ts"].as_u64().unwrap());
            assert!(now.0 > last.0 && now.1 >= last.1 && now.1 > 1_600_000_000_000, "{last:?} before {now:?}");
            last = now;
            let brightness = result["result"]["brightness"].as_f64().unwrap();
            assert!(!(0.02..=0.98).contains(&brightness), "black or white: {brightness}");
            seen[usize::from(brightness > 0.5)] = true;
        }
        assert_eq!(seen, [true, true]);
    }
    assert_eq!(daemon.metrics().value("stream_watchers_active"), 2.0);
    let [first, _second] = watchers;
    assert_eq!(first.close(1000), 1000);
}

#[test]
fn a_clients_session_can_be_watched_and_its_end_ends_the_watching() {
    let daemon = Daemon::builder().measure("light", BRIGHTNESS).start();
    let mut client = daemon.client("light");
    let id = daemon.sessions()[0]["session_id"].as_str().unwrap().to_owned();
    let mut watcher = daemon.watch(&format!("session={id}"));
    for index in 1..=3 {
        let result = client.ask(&frames::white());
        let watched = watcher.recv();
        assert_eq!(keys(&watched), ["frame_index", "result", "session", "ts"]);
        assert_eq!((&watched["session"], &watched["frame_index"]), (&id.clone().into(), &index.into()));
        assert_eq!(watched["result"], result);
    }
    drop(client);
    let (rest, code) = watcher.rest();
    assert_eq!((rest, code), (vec![], 1000));
}

/// Far more results than sockets buffer for a watcher that reads nothing.
const MANY: u64 = 400;

#[test]
fn a_slow_watcher_is_told_how_many_it_missed_and_holds_nobody_up() {
    let daemon = Daemon::builder()
        .setting("stream.send_timeout_s", 600)
        .measure("long", LONG)
        .replay("yard", &[frames::white()], "pipeline = \"long\"")
        .start();
    let mut slow = daemon.watch("camera=yard");
    let mut index = slow.recv()["frame_index"].as_u64().unwrap();
    // It reads nothing more, while another one gets every result.
    let mut quick = daemon.watch("camera=yard");
    let mut results = std::collections::BTreeSet::new();
    for _ in 0..MANY {
        let result = quick.recv();
        results.insert(result["frame_index"].as_u64().unwrap_or_else(|| panic!("it misses nothing: {result}")));
    }
    // Then it reads on: what was kept for it, how many are missing, and what came after those.
    let mut kept = 0;
    let missed = loop {
        let message = slow.recv();
        match message.get("missed") {
            Some(missed) => {
                assert_eq!(keys(&message), ["missed"]);
                break missed.as_u64().unwrap();
            }
            None => index = message["frame_index"].as_u64().unwrap(),
        }
        kept += 1;
        assert!(kept < MANY, "it was sent everything, or was not told");
    };
    let after = slow.recv()["frame_index"].as_u64().unwrap();
    while results.last() < Some(&after) {
        results.insert(quick.recv()["frame_index"].as_u64().unwrap());
    }
    let between = results.range(index + 1..after).count() as u64;
    assert_eq!(missed, between, "exactly those that the other one got meanwhile");
    assert!(daemon.metrics().value("stream_watch_missed_total") >= missed as f64);
}

#[test]
fn what_a_slow_watcher_gets_late_is_what_its_own_socket_held() {
    let daemon = Daemon::builder()
        .setting("stream.send_timeout_s", 600)
        .measure("long", LONG)
        .replay("yard", &[frames::white()], "pipeline = \"long\"")
        .start();
    let mut slow = daemon.watch("camera=yard");
    slow.recv();
    // Room for less than one result (the kernel doubles it).
    rustix::net::sockopt::set_socket_recv_buffer_size(slow.stream(), 16 << 10).unwrap();
    let mut quick = daemon.watch("camera=yard");
    quick.take(MANY as usize);
    let late = (0..).take_while(|_| slow.recv().get("missed").is_none()).count();
    assert!(late <= 4, "{late} results lay in buffers, though the watcher's own hold less than one");
}

#[test]
fn a_watcher_that_reads_nothing_at_all_is_given_up() {
    let daemon = Daemon::builder()
        .setting("stream.send_timeout_s", 0.5)
        .measure("long", LONG)
        .replay("yard", &[frames::white()], "pipeline = \"long\"")
        .start();
    let stuck = daemon.watch("camera=yard");
    wait::until("it to be there", || daemon.metrics().value("stream_watchers_active") == 1.0);
    wait::until("it to be gone", || daemon.metrics().value("stream_watchers_active") == 0.0);
    assert!(daemon.metrics().value("stream_watch_missed_total") > 0.0, "its losses are counted");
    drop(stuck);
}

#[test]
fn a_watcher_of_nothing_is_told_so() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "pipeline = \"noop\"").start();
    for query in [
        "",
        "camera=",
        "camera=nosuch",
        "session=",
        "session=nosuch",
        "camera=yard&session=x",
        "session=00000000-0000-4000-8000-000000000000",
    ] {
        let (before, detail) = daemon.watch(query).ends_in("not_found", 1008);
        assert!(before.is_empty() && !detail.contains("nosuch"), "{detail}");
    }
    assert_eq!(daemon.metrics().errors("not_found"), 7);
    let of_camera = wait::until_some("the camera's session", || daemon.sessions().pop());
    let query = format!("session={}", of_camera["session_id"].as_str().unwrap());
    let (_, detail) = daemon.watch(&query).ends_in("not_found", 1008);
    assert!(detail.contains("camera=NAME"), "a camera's session is watched by the camera's name: {detail}");
}

#[test]
fn a_watcher_only_listens() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "pipeline = \"noop\"").start();
    for message in [Message::text("{}"), Message::binary(frames::white())] {
        let mut watcher = daemon.watch("camera=yard");
        watcher.send_message(message);
        watcher.ends_in("invalid_message", 1003);
    }
    let mut flood = daemon.watch("camera=yard");
    // It is refused on its announced length, so the rest of it may not go out any more.
    flood.try_send(&vec![0; 1 << 20]);
    while flood.receive() != Received::End {}
    let mut pinging = daemon.watch("camera=yard");
    pinging.send_message(Message::Ping(b"x".to_vec().into()));
    while pinging.receive() != Received::Pong(b"x".to_vec()) {}
    assert_eq!(daemon.get("/ws/watch?camera=yard").status, 426);
}

#[test]
fn a_request_that_is_no_upgrade_opens_no_camera() {
    let idle = "pipeline = \"noop\"\nalways_on = false";
    let clip = [frames::white()];
    let daemon = Daemon::builder().replay("yard", &clip, idle).replay("gate", &clip, idle).start();
    daemon.wait_camera("yard", "idle");
    assert_eq!(daemon.get("/ws/watch?camera=yard").status, 426);
    // A camera that is wanted later gives frames: by then the first would be open.
    daemon.watch("camera=gate").recv();
    let yard = daemon.camera("yard");
    assert!(yard["state"] == "idle" && yard["agreed"].is_null(), "{yard}");
}

#[test]
fn watching_needs_the_token() {
    let daemon = Daemon::builder()
        .setting("server.token", "\"s3cret\"")
        .replay("yard", &[frames::white()], "pipeline = \"noop\"")
        .start();
    daemon.watch("camera=yard").ends_in("unauthorized", 1008);
    assert_eq!(daemon.watch("camera=yard&token=s3cret").recv()["camera"], "yard");
    assert_eq!(daemon.get("/v1/cameras/yard/snapshot.jpg").status, 401);
    let headers = "Authorization: Bearer s3cret\r\n";
    assert_eq!(http::request(daemon.address(), "GET", "/v1/cameras/yard/snapshot.jpg", headers).status, 200);
}

#[test]
fn watchers_are_told_that_the_daemon_stops() {
    let daemon = Daemon::builder().replay("yard", &[frames::white()], "pipeline = \"noop\"").start();
    let mut watcher: Client = daemon.watch("camera=yard");
    watcher.recv();
    assert_eq!(daemon.stop(), 0);
    watcher.ends_in("shutting_down", 1001);
}
