//! A queue between threads that never makes its sender wait. It holds a bounded weight; urgent items
//! are taken beyond that, so that the end of a worker cannot be lost behind what led to it.

use std::collections::VecDeque;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Urgent items that may wait beyond the queue's weight. They report the end of the worker, and the
/// first one that is read ends it.
const URGENT_MAX: usize = 8;

/// More would wait than the queue may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<Item<T>>,
    weight: usize,
    weight_max: usize,
    urgent: usize,
    senders: usize,
}

#[derive(Debug)]
struct Item<T> {
    content: T,
    weight: usize,
    urgent: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.weight = self.weight.saturating_sub(item.weight);
        self.urgent = self.urgent.saturating_sub(usize::from(item.urgent));
        Some(item.content)
    }
}

/// A connected pair. What waits weighs at most `weight_max`, in the sender's unit.
pub fn mailbox<T>(weight_max: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            items: VecDeque::new(),
            weight: 0,
            weight_max,
            urgent: 0,
            senders: 1,
        }),
        filled: Condvar::new(),
    });
    (Sender(shared.clone()), Receiver(shared))
}

/// The sending end.
#[derive(Debug)]
pub struct Sender<T>(Arc<Shared<T>>);

impl<T> Sender<T> {
    /// Queues an item.
    ///
    /// # Errors
    /// [`Full`] when too much waits already; the item is dropped.
    pub fn send(&self, content: T, weight: usize) -> Result<(), Full> {
        let mut state = self.0.lock();
        let after = state.weight.saturating_add(weight);
        if after > state.weight_max {
            return Err(Full);
        }
        state.weight = after;
        self.queue(state, content, weight, false);
        Ok(())
    }

    /// Queues an item whatever waits. It is dropped only when [`URGENT_MAX`] such items wait, each of
    /// which ends the worker.
    pub fn send_urgent(&self, content: T) {
        let mut state = self.0.lock();
        if state.urgent < URGENT_MAX {
            state.urgent += 1;
            self.queue(state, content, 0, true);
        }
    }

    fn queue(&self, mut state: MutexGuard<'_, State<T>>, content: T, weight: usize, urgent: bool) {
        state.items.push_back(Item {
            content,
            weight,
            urgent,
        });
        drop(state);
        self.0.filled.notify_one();
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.filled.notify_one();
    }
}

/// The receiving end. As an iterator it waits for each item and ends when all senders are gone.
#[derive(Debug)]
pub struct Receiver<T>(Arc<Shared<T>>);

impl<T> Receiver<T> {
    /// Waits for the next item.
    ///
    /// # Errors
    /// When none came in time, or none can come because all senders are gone.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let deadline = Instant::now() + timeout;
        let mut state = self.0.lock();
        loop {
            if let Some(item) = state.pop() {
                return Ok(item);
            }
            if state.senders == 0 {
                return Err(RecvTimeoutError::Disconnected);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RecvTimeoutError::Timeout);
            }
            let waited = self.0.filled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes the next item if one waits.
    #[cfg(test)]
    pub fn try_next(&self) -> Option<T> {
        self.0.lock().pop()
    }
}

impl<T> Iterator for Receiver<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let mut state = self.0.lock();
        loop {
            if let Some(item) = state.pop() {
                return Some(item);
            }
            if state.senders == 0 {
                return None;
            }
            let waited = self.0.filled.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_urgent_items_pass() {
        let (sender, mut receiver) = mailbox(10);
        assert_eq!(sender.send("a", 6), Ok(()));
        assert_eq!(sender.send("b", 5), Err(Full));
        assert_eq!(sender.send("c", 4), Ok(()));
        for _ in 0..2 * URGENT_MAX {
            sender.send_urgent("end");
        }
        assert_eq!(receiver.next(), Some("a"));
        assert_eq!(sender.send("d", 6), Ok(()));
        drop(sender);
        let mut expected = vec!["c"];
        expected.extend(["end"; URGENT_MAX]);
        expected.push("d");
        assert_eq!(receiver.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_reader_that_waits_is_woken() {
        let (sender, receiver) = mailbox(1);
        let wait = Duration::from_secs(20);
        let reader = std::thread::spawn(move || {
            let first = receiver.recv_timeout(wait);
            (first, receiver.recv_timeout(wait))
        });
        sender.send_urgent(1);
        drop(sender.clone());
        drop(sender);
        let read = reader.join().unwrap();
        assert_eq!(read, (Ok(1), Err(RecvTimeoutError::Disconnected)));
    }

    #[test]
    fn waiting_ends_in_time() {
        let (_sender, receiver) = mailbox::<u8>(1);
        let nothing = receiver.recv_timeout(Duration::from_millis(1));
        assert_eq!(nothing, Err(RecvTimeoutError::Timeout));
    }
}
