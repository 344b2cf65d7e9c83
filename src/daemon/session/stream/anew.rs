//! Starts a stream's task anew after a panic.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use super::Stream;
use crate::base::backoff::Backoff;

/// First and longest wait before the task goes on.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(10);
/// After this time without a panic, the next wait is the shortest again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// Runs a stream until it has stopped, whatever panics on the way.
///
/// What a panic leaves half done costs the worker: the machine is told that it is lost. What outlives
/// it are the publisher, the session and its viewers.
pub(super) async fn run(mut stream: Stream) {
    let mut waits = Backoff::new(WAIT_MIN, WAIT_MAX);
    let mut panicked = false;
    loop {
        let began = Instant::now();
        let worked = AssertUnwindSafe(stream.work(panicked)).catch_unwind().await;
        let Err(panic) = worked else { return };
        if began.elapsed() > FORGOTTEN_AFTER {
            waits.reset();
        }
        let (wait, cause) = (waits.wait(), message_of(panic.as_ref()));
        tracing::error!(
            stream = stream.name(),
            cause,
            ?wait,
            "the stream's task failed, which is a bug in weir; it starts anew"
        );
        sleep(wait).await;
        panicked = true;
    }
}

/// What a panic says.
fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(owned).unwrap_or("a panic without a message")
}
