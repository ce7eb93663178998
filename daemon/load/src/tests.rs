//! The load generator against a small server that answers by script.

use super::*;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// What the server sends for frame `n` (from 1), before it reads the next.
type Script = fn(u64) -> Vec<Message>;

fn text(json: String) -> Message {
    Message::Text(json.into())
}

fn result(n: u64) -> Message {
    text(format!(r#"{{"frame_index":{n},"result":{{"size":1}}}}"#))
}

fn dropped(n: u64) -> Message {
    text(format!(r#"{{"frame_index":{n},"dropped":true}}"#))
}

fn close(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: "".into() }))
}

async fn serve_one(mut socket: WebSocketStream<TcpStream>, script: Script) -> Vec<Message> {
    let mut others = Vec::new();
    let mut frames = 0;
    for first in script(0) {
        let _ = socket.send(first).await;
    }
    while let Some(Ok(message)) = socket.next().await {
        if message.is_binary() {
            frames += 1;
            for reply in script(frames) {
                if socket.send(reply).await.is_err() {
                    return others;
                }
            }
        } else {
            others.push(message);
        }
    }
    others
}

/// Serves every connection by a script; gives the URL.
async fn server(script: Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws/video/stream?pipeline_id=x", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { serve_one(accept_async(stream).await.unwrap(), script).await });
        }
    });
    url
}

/// Listens once and hands the connection to `then`.
async fn once<F: Future<Output = ()> + Send + 'static>(then: impl FnOnce(TcpStream) -> F + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { then(listener.accept().await.unwrap().0).await });
    url
}

fn plan(url: String) -> LoadPlan {
    let frames = vec![Bytes::from_static(b"\xFF\xD8 one \xFF\xD9"), Bytes::from(vec![0xFF; 70_000])];
    LoadPlan {
        duration: Duration::from_millis(300),
        warm_up: Duration::ZERO,
        answer_wait: Duration::from_secs(5),
        ..LoadPlan::new(url, frames)
    }
}

fn books_balance(report: &LoadReport) {
    assert_eq!(report.frames_sent, report.results + report.dropped + report.unanswered, "{report:?}");
}

#[tokio::test]
async fn closed_loop_gets_a_result_a_frame() {
    let report = run(LoadPlan { sessions: 3, ..plan(server(|n| if n > 0 { vec![result(n)] } else { vec![] }).await) });
    let report = report.await.unwrap();
    books_balance(&report);
    assert!(report.results > 0 && report.results == report.frames_sent, "{report:?}");
    assert_eq!(report.reply.count, report.results);
    assert_eq!((report.protocol_errors, report.unclean_closes, report.frames_unsent), (0, 0, 0));
    assert_eq!(report.close_codes, [(1000, 3)].into());
    assert!(report.errors.is_empty() && report.results_per_session.iter().all(|n| *n > 0));
    assert!(report.to_table().contains("=> With 3 session(s) that wait for each reply"));
}

#[tokio::test]
async fn open_loop_sends_exactly_the_frames_of_its_schedule_and_counts_drops() {
    let script: Script = |n| match n {
        0 => vec![],
        n if n % 2 == 0 => vec![dropped(n)],
        n if n % 5 == 0 => vec![text(r#"{"warning":"slow_down"}"#.to_owned()), result(n)],
        n => vec![result(n)],
    };
    let plan = LoadPlan {
        pace: Pace::Fps(100.0),
        sessions: 2,
        report_every: Some(Duration::from_millis(100)),
        ..plan(server(script).await)
    };
    let report = run(plan).await.unwrap();
    books_balance(&report);
    assert_eq!(report.frames_sent + report.frames_unsent, 60);
    assert_eq!(report.windows.len(), 3);
    assert!(report.dropped > 0 && report.slow_downs > 0 && report.unanswered == 0, "{report:?}");
    assert_eq!((report.protocol_errors, report.lateness.count), (0, report.frames_sent));
    assert!(report.to_table().contains("=> Dropped"), "{}", report.to_table());
}

#[tokio::test]
async fn the_warm_up_is_not_counted() {
    let plan = LoadPlan {
        pace: Pace::Fps(100.0),
        warm_up: Duration::from_millis(200),
        duration: Duration::from_millis(100),
        ..plan(server(|n| if n > 0 { vec![result(n)] } else { vec![] }).await)
    };
    let report = run(plan).await.unwrap();
    assert_eq!(report.frames_sent + report.frames_unsent, 10, "{report:?}");
    assert_eq!((report.measured_s, report.results), (0.1, report.frames_sent));
}

#[tokio::test]
async fn an_error_ends_its_session_with_code_and_detail() {
    let script: Script = |n| match n {
        0..=1 => (n > 0).then(|| result(n)).into_iter().collect(),
        _ => vec![text(r#"{"error":"invalid_frame","detail":"No \"EOI\"."}"#.to_owned()), close(1007)],
    };
    let report = run(plan(server(script).await)).await.unwrap();
    let expected = report::SessionErrors { sessions: 1, detail: r#"No "EOI"."#.to_owned() };
    assert_eq!(report.errors, [("invalid_frame".to_owned(), expected)].into());
    assert_eq!((report.close_codes.get(&1007), report.results, report.unanswered), (Some(&1), 1, 1));
}

#[tokio::test]
async fn an_error_sent_with_the_handshake_is_not_lost() {
    // The head of the response, the error and the close in one packet.
    let url = once(|mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            tokio::io::AsyncReadExt::read_buf(&mut stream, &mut head).await.unwrap();
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let error = br#"{"error":"invalid_pipeline","detail":"There is no pipeline x."}"#;
        let mut out = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes();
        out.extend([0x81, error.len() as u8]);
        out.extend(error);
        out.extend([0x88, 2, 0x03, 0xF0]);
        stream.write_all(&out).await.unwrap();
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    let report = run(plan(url.await)).await.unwrap();
    assert_eq!(report.errors["invalid_pipeline"].detail, "There is no pipeline x.");
    assert_eq!(report.close_codes, [(1008, 1)].into());
    assert_eq!(report.results, 0);
}

#[tokio::test]
async fn an_error_that_meets_a_frame_half_sent_is_not_lost() {
    // The server refuses on the announced length, reads no more and is gone.
    let url = once(|stream| async move {
        let mut stream = accept_async(stream).await.unwrap().into_inner();
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut [0; 14]).await.unwrap();
        let error = br#"{"error":"frame_too_large","detail":"At most 1 MiB."}"#;
        let mut out = vec![0x81, error.len() as u8];
        out.extend(error);
        out.extend([0x88, 2, 0x03, 0xF1]);
        stream.write_all(&out).await.unwrap();
    });
    let frames = Arc::new(vec![Bytes::from(vec![1; 16 << 20])]);
    let report = run(LoadPlan { frames, ..plan(url.await) }).await.unwrap();
    assert_eq!(report.errors.keys().collect::<Vec<_>>(), ["frame_too_large"], "{report:?}");
    assert_eq!(report.close_codes, [(1009, 1)].into());
    books_balance(&report);
}

#[tokio::test]
async fn replies_out_of_order_are_protocol_errors() {
    let cases: [(Script, u64); 4] = [
        (
            |n| {
                if n == 2 {
                    vec![result(1), result(2)]
                } else if n > 0 {
                    vec![result(n)]
                } else {
                    vec![]
                }
            },
            1,
        ),
        (
            |n| {
                if n == 3 {
                    vec![result(4), result(3)]
                } else if n > 0 {
                    vec![result(n)]
                } else {
                    vec![]
                }
            },
            1,
        ),
        (
            |n| {
                if n == 1 {
                    vec![text("hello".to_owned()), result(1)]
                } else if n > 0 {
                    vec![result(n)]
                } else {
                    vec![]
                }
            },
            1,
        ),
        (
            |n| {
                if n == 1 {
                    vec![Message::Binary("x".into()), result(1)]
                } else if n > 0 {
                    vec![result(n)]
                } else {
                    vec![]
                }
            },
            1,
        ),
    ];
    for (number, (script, expected)) in cases.into_iter().enumerate() {
        let report =
            run(LoadPlan { duration: Duration::from_millis(100), ..plan(server(script).await) }).await.unwrap();
        assert_eq!(report.protocol_errors, expected, "case {number}: {report:?}");
        assert!(report.results > 1 && report.first_protocol_error.is_some());
    }
    // A gap: the frame that was passed over stays unanswered.
    let gap: Script = |n| if n == 4 || n == 0 { vec![] } else { vec![result(n)] };
    let report = run(LoadPlan { pace: Pace::Fps(100.0), ..plan(server(gap).await) }).await.unwrap();
    assert_eq!((report.protocol_errors, report.unanswered), (1, 1), "{report:?}");
    books_balance(&report);
}

#[tokio::test]
async fn frames_without_a_reply_are_unanswered() {
    let answer_wait = Duration::from_millis(50);
    let report = run(LoadPlan { pace: Pace::Fps(50.0), answer_wait, ..plan(server(|_| vec![]).await) }).await.unwrap();
    assert!(report.unanswered > 0 && report.unanswered == report.frames_sent, "{report:?}");
    assert_eq!(report.close_codes, [(1000, 1)].into());
    assert!(report.verdict().starts_with("No result came"));
}

#[tokio::test]
async fn a_blocked_connection_does_not_stop_the_clock() {
    // The server upgrades and then reads nothing: TCP fills, the schedule goes on.
    let (done, until) = tokio::sync::oneshot::channel::<()>();
    let url = once(|stream| async move {
        let socket = accept_async(stream).await.unwrap();
        let _ = until.await;
        drop(socket);
    });
    let frames = Arc::new(vec![Bytes::from(vec![1; 4 << 20])]);
    let answer_wait = Duration::from_millis(50);
    let plan = LoadPlan { pace: Pace::Fps(100.0), frames, answer_wait, ..plan(url.await) };
    let loading = tokio::spawn(run(plan));
    let report = {
        let report = tokio::time::timeout(Duration::from_secs(60), loading).await.unwrap().unwrap().unwrap();
        let _ = done.send(());
        report
    };
    assert_eq!(report.frames_sent + report.frames_unsent, 30, "{report:?}");
    assert!(report.frames_unsent > 0 && report.results == 0);
    assert_eq!(report.unclean_closes, 1);
}

#[tokio::test]
async fn replies_in_small_pieces_and_pings_between_them() {
    let (told, heard) = tokio::sync::oneshot::channel();
    let url = once(|stream| async move {
        stream.set_nodelay(true).unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        let mut pongs = 0;
        let mut n = 0;
        while let Some(Ok(message)) = socket.next().await {
            if message == Message::Pong("beat".into()) {
                pongs += 1;
            }
            if message.is_binary() {
                n += 1;
                let json = format!(r#"{{"frame_index":{n},"result":{{}}}}"#);
                let (start, end) = json.split_at(5);
                let mut out = vec![0x01, start.len() as u8];
                out.extend(start.as_bytes());
                out.extend(b"\x89\x04beat");
                out.extend([0x80, end.len() as u8]);
                out.extend(end.as_bytes());
                for piece in out.chunks(3) {
                    socket.get_mut().write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        }
        let _ = told.send((n, pongs));
    });
    let report = run(plan(url.await)).await.unwrap();
    let (frames, pongs) = heard.await.unwrap();
    assert_eq!((report.protocol_errors, report.results), (0, frames));
    assert!(frames > 0 && pongs > 0);
}

#[tokio::test]
async fn a_server_that_goes_away_is_reported() {
    let lost = once(|stream| async move {
        let mut socket = accept_async(stream).await.unwrap();
        socket.next().await;
    });
    let report = run(plan(lost.await)).await.unwrap();
    assert_eq!(report.errors["connection_lost"].sessions, 1);
    assert_eq!(report.unclean_closes, 1);

    let closed: Script = |n| {
        if n == 2 {
            vec![close(1001)]
        } else if n > 0 {
            vec![result(n)]
        } else {
            vec![]
        }
    };
    let report = run(plan(server(closed).await)).await.unwrap();
    assert!(report.errors["closed"].detail.contains("1001"), "{report:?}");
}

#[tokio::test]
async fn what_cannot_be_connected_says_so_in_one_sentence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = run(plan(format!("ws://{address}/"))).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("Cannot connect to {address}")), "{error}");

    for (status, part) in [("503 Service Unavailable", "not ready"), ("404 Not Found", "path"), ("200 OK", "200")] {
        let url = once(move |mut stream| async move {
            let response = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno");
            stream.write_all(response.as_bytes()).await.unwrap();
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        });
        let error = run(plan(url.await)).await.unwrap_err();
        assert!(matches!(error, LoadError::Refused { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_plan_out_of_range_is_refused() {
    let wrong: [fn(&mut LoadPlan); 6] = [
        |plan| plan.sessions = 0,
        |plan| plan.pace = Pace::Fps(f64::NAN),
        |plan| plan.pace = Pace::Fps(0.0),
        |plan| plan.duration = Duration::ZERO,
        |plan| plan.frames = Arc::default(),
        |plan| plan.report_every = Some(Duration::ZERO),
    ];
    for change in wrong {
        let mut plan = plan("ws://127.0.0.1:9/".to_owned());
        change(&mut plan);
        assert!(matches!(run(plan).await, Err(LoadError::Plan(_))));
    }
}
