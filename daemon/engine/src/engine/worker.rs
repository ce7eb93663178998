//! The workers: named threads that take the next ready lane's frame, with it those of other lanes that gain by running as
//! one batch, run them and deliver what came of each. A panic costs its frame's session and is counted; the worker goes on.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::answers::{Answers, answers_sample};
use super::schedule::Schedule;
use super::{EnginePlan, Job, Lane};
use crate::pipeline::Pipeline;
use crate::pipeline::service::{self, FrameFailure, FrameRun, Scratch, Step};
use crate::pipeline::torch;
use crate::telemetry::metrics::Metrics;
use base::logging::rate_limited::RateLimited;
use base::protocol::{ErrorCode, StreamError};

/// How long an idle worker sleeps before it comes round to show that it lives.
const IDLE_ROUND: Duration = Duration::from_secs(1);

/// A client can cause a line by reconnecting with a frame that a model fails on.
static FAILURES: RateLimited = RateLimited::new(20, Duration::from_secs(10));

/// The running engine: the threads of its workers, and what they share.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Rung when a lane became ready and a worker sleeps.
    bell: Notify,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Lanes with outcomes that are not announced yet, and the bell that is rung for the first of them.
    served: Mutex<Vec<Arc<dyn Lane>>>,
    served_bell: Notify,
    rounds: Vec<AtomicU64>,
    device_lost: AtomicBool,
    answers: Answers,
    plan: EnginePlan,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Queue {
    schedule: Schedule<Arc<dyn Lane>>,
    /// Workers that wait to be woken.
    asleep: usize,
    /// Workers that were woken and have not come round yet: there is no need to wake another for the same lane.
    woken: usize,
    stopping: bool,
}

/// Lanes that are served by one run; empty where none is ready.
type Turn = Vec<Arc<dyn Lane>>;

/// A lane and its frame that runs; none once its result is delivered.
type Running = Option<(Arc<dyn Lane>, Job)>;

impl Engine {
    /// Starts the worker threads.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(plan: EnginePlan, metrics: Arc<Metrics>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            served: Mutex::default(),
            served_bell: Notify::new(),
            rounds: (0..plan.workers).map(|_| AtomicU64::new(0)).collect(),
            device_lost: AtomicBool::new(false),
            answers: Answers::default(),
            plan,
            metrics,
        });
        let workers = Engine { shared, threads: Mutex::default(), bell: Notify::new() };
        for number in 0..plan.workers {
            let shared = Arc::clone(&workers.shared);
            let thread = std::thread::Builder::new()
                .name(format!("engine-{number}"))
                .spawn(move || shared.work(number))
                .inspect_err(|_| workers.shared.close())?;
            workers.threads().push(thread);
        }
        Ok(workers)
    }

    /// Tells that a session has a frame to run and none running. It is served after every session that was ready before.
    pub fn ready(&self, lane: Arc<dyn Lane>) {
        let someone_sleeps = {
            let mut queue = self.shared.lock();
            queue.schedule.push(lane);
            queue.asleep > queue.woken
        };
        if someone_sleeps {
            self.bell.notify_one();
        }
    }

    /// Carries wakes between the reactor and the workers; the reactor runs this beside the sessions, and it never ends.
    ///
    /// Workers are woken, and deliveries announced, for all sessions of one turn of the reactor together: on a busy core a
    /// wake for each frame would cost two switches and a system call a frame.
    pub async fn carry_wakes(&self) {
        tokio::join!(self.wake_sleepers(), self.announce_served());
    }

    async fn wake_sleepers(&self) {
        loop {
            self.bell.notified().await;
            self.shared.wake_sleepers(0);
        }
    }

    async fn announce_served(&self) {
        let mut served = Vec::new();
        loop {
            self.shared.served_bell.notified().await;
            std::mem::swap(&mut served, &mut *self.shared.served());
            served.drain(..).for_each(|lane: Arc<dyn Lane>| lane.announce());
        }
    }

    /// How often each worker has come round, idle or busy; a worker whose number stands still is stuck in a frame.
    pub fn rounds(&self) -> Vec<u64> {
        self.shared.rounds.iter().map(|rounds| rounds.load(Ordering::Relaxed)).collect()
    }

    /// Whether the device is lost for good (a CUDA context that no longer answers): only a new process helps.
    pub fn device_lost(&self) -> bool {
        self.shared.device_lost.load(Ordering::Relaxed)
    }

    /// Whether no frame is answered any more, not even the sample frame that pipelines are tried with when they are loaded: only a
    /// new process helps.
    pub fn is_silent(&self) -> bool {
        self.shared.answers.is_silent()
    }

    /// Lets the workers finish their frames and end, and waits for them, at most `patience`. Returns whether all ended.
    pub fn stop(&self, patience: Duration) -> bool {
        self.shared.close();
        let deadline = Instant::now() + patience;
        let threads = std::mem::take(&mut *self.threads());
        // std has no join with a deadline; a thread that is stuck in a model must not hold up the exit.
        while threads.iter().any(|thread| !thread.is_finished()) {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        threads.into_iter().for_each(|thread| drop(thread.join()));
        true
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn work(&self, number: usize) {
        let _no_grad = torch::prepare_thread(self.plan.threads_per_worker);
        let mut scratch = Scratch::default();
        while let Some(turn) = self.next() {
            self.note_round(number);
            self.serve(number, turn, &mut scratch);
        }
    }

    /// The lanes that are served next, together; an empty one when none came within an idle round; none when the
    /// engine stops.
    fn next(&self) -> Option<Turn> {
        let mut queue = self.lock();
        if queue.stopping {
            return None;
        }
        if !queue.schedule.is_empty() {
            return Some(queue.take(self.plan.workers));
        }
        queue.asleep += 1;
        let (mut queue, _) = self.wake.wait_timeout(queue, IDLE_ROUND).unwrap_or_else(PoisonError::into_inner);
        queue.asleep -= 1;
        queue.woken = queue.woken.saturating_sub(1);
        if queue.stopping { None } else { Some(queue.take(self.plan.workers)) }
    }

    /// Notes that a worker is not stuck: it takes from the queue, or runs the next node.
    fn note_round(&self, number: usize) {
        if let Some(rounds) = self.rounds.get(number) {
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn serve(&self, number: usize, turn: Turn, scratch: &mut Scratch) {
        let batch: Vec<Running> =
            turn.into_iter().filter_map(|lane| lane.take().map(|job| Some((lane, job)))).collect();
        let together = batch.len();
        if let Some((_, first)) = batch.iter().flatten().next() {
            self.run(number, &Arc::clone(&first.pipeline), batch, scratch);
        }
        // This worker takes another lane at once, so nobody needs to be woken for a single one.
        if together > 1 {
            self.wake_sleepers(1);
        }
    }

    /// Gives a frame's outcome to its lane, which is queued again if it has more. Returns whether it has.
    fn deliver(&self, lane: Arc<dyn Lane>, job: Job, outcome: Result<String, StreamError>) -> bool {
        let more = lane.deliver(job.frame_index, job.state, outcome);
        self.note_served(Arc::clone(&lane));
        if more {
            self.lock().schedule.push(lane);
        }
        more
    }

    /// Runs frames as one batch, and delivers each result when it is there, then why the others have none. Where something panicked,
    /// what is left of several frames is run again one by one, so that the one to blame is found; what is kept of their sessions
    /// is as it was before. Whether something panicked.
    fn run(&self, number: usize, pipeline: &Arc<Pipeline>, mut batch: Vec<Running>, scratch: &mut Scratch) -> bool {
        let mut failures: Vec<Option<FrameFailure>> = batch.iter().map(|_| None).collect();
        let mut copies: Vec<Job> = batch.iter().flatten().map(|(_, job)| job.clone()).collect();
        let mut runs: Vec<FrameRun<'_>> = copies.iter_mut().map(Job::frame_run).collect();
        let mut more = false;
        let mut told = |step: Step<'_>| match step {
            Step::Next => {
                self.note_round(number);
                if std::mem::take(&mut more) {
                    self.wake_sleepers(0);
                }
            }
            Step::Finished(place, state, Ok(result)) => {
                if let Some((lane, mut job)) = batch.get_mut(place).and_then(Option::take) {
                    self.answers.answered();
                    job.state = std::mem::take(state);
                    more |= self.deliver(lane, job, Ok(result));
                }
            }
            Step::Finished(place, _, Err(failure)) => {
                if let Some(place) = failures.get_mut(place) {
                    *place = Some(failure);
                }
            }
        };
        let ran = catch_unwind(AssertUnwindSafe(|| service::run_in_steps(pipeline, &mut runs, scratch, &mut told)));
        // What follows may take a while: other frames, alone, and the sample frame.
        if more {
            self.wake_sleepers(usize::from(ran.is_ok()));
        }
        let several = failures.len() > 1;
        if let Err(panic) = &ran {
            // Its buffers may be in any state.
            *scratch = Scratch::default();
            if several {
                log::error!(
                    event = "panic", pipeline_id = pipeline.id(), frames = failures.len(), err = text_of(&**panic);
                    "a batch's run panicked; what is left of its frames is run again, one by one"
                );
            }
        }
        // A batch's panic is counted with the frame that panics again, and by itself where none does.
        let mut uncounted = several && ran.is_err();
        for (running, failure) in batch.into_iter().zip(failures) {
            let Some((lane, job)) = running else { continue };
            if several && failure.is_none() && ran.is_err() {
                uncounted &= !self.run(number, pipeline, vec![Some((lane, job))], scratch);
                continue;
            }
            self.note_failure(pipeline, scratch);
            let error = match (failure, &ran) {
                (Some(failure), _) => self.failed(&*lane, &job, failure),
                (None, Err(panic)) => self.panicked(&*lane, &job, &**panic),
                (None, Ok(())) => self.failed(&*lane, &job, FrameFailure::without_outcome(pipeline)),
            };
            self.deliver(lane, job, Err(error));
        }
        if uncounted {
            self.metrics.panics.inc();
        }
        ran.is_err()
    }

    /// Wakes sleeping workers for ready lanes, but for `taken` of them, which a worker that is awake takes.
    fn wake_sleepers(&self, taken: usize) {
        let wake = {
            let mut queue = self.lock();
            let without_worker = queue.schedule.len().saturating_sub(queue.woken + taken);
            let wake = without_worker.min(queue.asleep.saturating_sub(queue.woken));
            queue.woken += wake;
            wake
        };
        (0..wake).for_each(|_| self.wake.notify_one());
    }

    /// Counts a frame without a result, and finds out whether the engine is to blame where many fail in a row.
    fn note_failure(&self, pipeline: &Pipeline, scratch: &mut Scratch) {
        if !self.answers.failed() || answers_sample(pipeline, scratch) {
            return;
        }
        *scratch = Scratch::default();
        if answers_sample(pipeline, scratch) {
            log::error!(
                event = "worker_recovered", pipeline_id = pipeline.id();
                "a worker answered no frame any more, and does again with fresh buffers: please report it"
            );
        } else if self.answers.silent() {
            log::error!(
                event = "engine_silent", pipeline_id = pipeline.id();
                "the engine answers no frame any more, not even the sample frame: a restart is needed"
            );
        }
    }

    fn note_served(&self, lane: Arc<dyn Lane>) {
        let is_first = {
            let mut served = self.served();
            served.push(lane);
            served.len() == 1
        };
        if is_first {
            self.served_bell.notify_one();
        }
    }

    fn failed(&self, lane: &dyn Lane, job: &Job, failure: FrameFailure) -> StreamError {
        let (session_id, pipeline_id) = lane.describe();
        if let FrameFailure::Node { node, reason } = &failure {
            if let Some(suppressed) = FAILURES.allow(Instant::now()) {
                log::warn!(
                    event = "pipeline_failure", session_id:% = session_id, pipeline_id, frame_index = job.frame_index,
                    node, err = reason, suppressed; "node {node} failed on a frame"
                );
            }
            let device = lane.pipeline().device_of(node).unwrap_or(self.plan.device);
            if !torch::device_answers(device) {
                log::error!(event = "device_lost", device:?; "the device answers no more; a restart is needed");
                self.device_lost.store(true, Ordering::Relaxed);
            }
        }
        failure.into()
    }

    fn panicked(&self, lane: &dyn Lane, job: &Job, panic: &(dyn Any + Send)) -> StreamError {
        self.metrics.panics.inc();
        let (session_id, pipeline_id) = lane.describe();
        log::error!(
            event = "panic", session_id:% = session_id, pipeline_id, frame_index = job.frame_index,
            err = text_of(panic); "a frame's run panicked; its session ends, the others go on"
        );
        StreamError::new(ErrorCode::InternalError, "The device failed on this frame; its log has the reason.")
    }

    fn close(&self) {
        self.lock().stopping = true;
        self.wake.notify_all();
    }

    fn served(&self) -> MutexGuard<'_, Vec<Arc<dyn Lane>>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Takes the next lane, and those that run with it as one batch. Of what waits, a worker takes its share and leaves
    /// the others theirs; none waits for more to come.
    fn take(&mut self, workers: usize) -> Turn {
        let share = self.schedule.len().div_ceil(workers.max(1));
        let most = self.schedule.peek().map_or(1, |next| next.pipeline().max_batch()).min(share);
        self.schedule.pop_same(most, |a, b| Arc::ptr_eq(a.pipeline(), b.pipeline()))
    }
}

/// What a panic says.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no text")
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
