//! Reading the machine, whose sensors may take their time: off the reactor, and one reading at a time, so that at most one of
//! tokio's few threads waits for them.

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

static TURN: Mutex<()> = Mutex::const_new(());

/// Makes a reading; none where it panicked. Its turn lasts until it is made, even where nobody waits for it any more.
pub async fn read<T: Send + 'static>(make: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let turn = TURN.lock().await;
    let made = spawn_blocking(move || {
        let _turn = turn;
        make()
    });
    made.await.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_reading_keeps_its_turn_when_nobody_waits_for_it_any_more() {
        let (release, held) = mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let first = tokio::spawn(read(move || (begin.send(()), held.recv()).0));
        begun.await.unwrap();
        first.abort();
        assert!(first.await.is_err_and(|error| error.is_cancelled()));
        assert!(TURN.try_lock().is_err(), "it is still being made");
        release.send(()).unwrap();
        assert_eq!(read(|| 2).await, Some(2));
    }
}
