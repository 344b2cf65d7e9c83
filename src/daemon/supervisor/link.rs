//! The daemon's end of a worker's socket: reads its messages, queues messages for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::codec::FramedRead;

use super::inbox::WorkerInbox;
use super::meter::Meter;
use super::process::{Exit, Label, Process};
use super::spawner::Launched;
use super::voice::{Voice, Word};
use crate::wire::codec::{self, Codec, encode};
use crate::wire::protocol::{FromWorker, Start, ToWorker, VERSION};

/// How long a new worker may take to say hello (it loads GStreamer's registry first).
const HELLO_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest time that a write may take; a worker that reads nothing for so long is stuck.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the last messages after a worker has exited, and for its exit after EOF.
const LAST_WORDS_WAIT_MAX: Duration = Duration::from_millis(500);
/// Why a worker sends no more messages.
#[derive(Debug, thiserror::Error)]
pub enum Gone {
    /// The process ended.
    #[error("worker ended ({0})")]
    Exited(Exit),
    /// It closed its socket but still runs.
    #[error("worker closed its socket")]
    Closed,
    /// It does not read its socket.
    #[error("worker does not take its messages")]
    Stuck,
    /// It sends far more messages than any working worker.
    #[error("worker floods the daemon with messages")]
    Flood,
    /// It did not say hello in time.
    #[error("worker said no hello within {} s", HELLO_WAIT_MAX.as_secs())]
    Silent,
    /// Its first message was not a hello.
    #[error("worker did not begin with hello")]
    Rude,
    /// It speaks another version of the protocol.
    #[error("worker speaks protocol version {0}, this daemon {VERSION}")]
    Version(u16),
    /// It sent bytes that are not a message.
    #[error("worker sent {0}")]
    Codec(#[from] codec::Error),
    /// It could not be started.
    #[error("worker cannot be started: {0}")]
    Launch(#[source] std::io::Error),
}

/// A worker that has said hello. Dropping it kills the process.
#[derive(Debug)]
pub struct Link {
    inbox: WorkerInbox,
    reader: FramedRead<OwnedReadHalf, Codec<FromWorker>>,
    writer: JoinHandle<()>,
    process: Process,
    exit: Option<Exit>,
}

impl Link {
    /// Exchanges hellos with a process that was just started.
    ///
    /// # Errors
    /// [`Gone`]; the process is killed then.
    pub async fn open(launched: Launched) -> Result<Self, Gone> {
        let socket = UnixStream::from_std(launched.socket).map_err(Gone::Launch)?;
        let (read, write) = socket.into_split();
        let inbox = WorkerInbox::default();
        inbox.push(ToWorker::Hello { version: VERSION });
        let mut link = Self {
            writer: tokio::spawn(send(write, inbox.clone(), launched.process.label().clone())),
            reader: FramedRead::new(read, Codec::default()),
            process: launched.process,
            inbox,
            exit: None,
        };
        match timeout(HELLO_WAIT_MAX, link.next()).await {
            Ok(Ok(FromWorker::Hello { version: VERSION })) => Ok(link),
            Ok(Ok(FromWorker::Hello { version })) => Err(Gone::Version(version)),
            Ok(Ok(_)) => Err(Gone::Rude),
            Ok(Err(gone)) => Err(gone),
            Err(_) => Err(Gone::Silent),
        }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The CPU that the worker uses.
    pub fn meter(&self) -> &Meter {
        self.process.meter()
    }

    /// Starts a session in this worker.
    pub fn start(&self, start: Start) {
        self.process.label().set(&start.stream);
        self.inbox.push(ToWorker::Start(Box::new(start)));
    }

    /// The queue of messages for it.
    pub fn inbox(&self) -> &WorkerInbox {
        &self.inbox
    }

    /// Limits of what the worker says.
    pub fn voice(&self) -> &Voice {
        self.process.label().voice()
    }

    /// The next message. Cancel-safe. All messages that the worker sent before it ended come before
    /// the error that reports its end; those above the limit of its [`Voice`] are left out.
    ///
    /// # Errors
    /// [`Gone`] at the end; not to be called again after it.
    pub async fn next(&mut self) -> Result<FromWorker, Gone> {
        loop {
            let message = self.read().await?;
            // Cuts are accepted no faster than real time, as media is, and one rest for each part.
            if matches!(
                message,
                FromWorker::Part(_)
                    | FromWorker::Rest { .. }
                    | FromWorker::TsSegment(_)
                    | FromWorker::Cut(_)
            ) {
                return Ok(message);
            }
            match self.voice().word(Instant::now()) {
                Word::Heard => return Ok(message),
                Word::LeftOut => {}
                Word::Flood => return Err(Gone::Flood),
            }
        }
    }

    async fn read(&mut self) -> Result<FromWorker, Gone> {
        loop {
            let message = if self.exit.is_some() {
                // A child of the worker may hold the socket open, so EOF may never come.
                timeout(LAST_WORDS_WAIT_MAX, self.reader.next())
                    .await
                    .unwrap_or(None)
            } else {
                tokio::select! {
                    biased;
                    // Comes first, or a worker that never stops talking would not be found stuck.
                    () = self.inbox.stuck() => return Err(Gone::Stuck),
                    message = self.reader.next() => message,
                    exit = self.process.exited() => {
                        self.exit = Some(exit);
                        continue;
                    }
                }
            };
            return match message {
                Some(message) => Ok(message?),
                None => Err(self.end().await),
            };
        }
    }

    async fn end(&mut self) -> Gone {
        if let Some(exit) = self.exit.take() {
            return Gone::Exited(exit);
        }
        match timeout(LAST_WORDS_WAIT_MAX, self.process.exited()).await {
            Ok(exit) => Gone::Exited(exit),
            Err(_) => Gone::Closed,
        }
    }

    /// Lets a worker that has sent [`FromWorker::Finished`] exit by itself, for a bounded time.
    pub fn retire(self) {
        self.process.retire();
    }
}

/// Writes queued messages until the socket closes or the worker is stuck. Returning closes the
/// socket, on which the worker exits.
async fn send(mut socket: OwnedWriteHalf, inbox: WorkerInbox, label: Arc<Label>) {
    loop {
        let wire = match encode(&inbox.pop().await) {
            Ok(wire) => wire,
            Err(error) => {
                tracing::warn!(stream = label.name(), %error, "message left out: it cannot be encoded");
                continue;
            }
        };
        match timeout(WRITE_WAIT_MAX, socket.write_all(&wire)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                return tracing::debug!(stream = label.name(), %error, "worker's socket closed");
            }
            Err(_) => {
                let stream = label.name();
                tracing::warn!(stream, "worker does not read its socket; closing it");
                return inbox.give_up();
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::supervisor::inbox::QUEUE_MESSAGES_MAX;
    use crate::daemon::supervisor::inbox::tests::frame;
    use crate::wire::codec::{read_message, write_message};

    type Report = tokio::sync::watch::Sender<Option<Exit>>;

    fn launched() -> (Launched, std::os::unix::net::UnixStream, Report) {
        let (socket, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let (process, report) = Process::new(1);
        (Launched { socket, process }, theirs, report)
    }

    fn ended() -> Option<Exit> {
        Some(Exit::Unknown("test".into()))
    }

    async fn opened() -> (Link, std::os::unix::net::UnixStream, Report) {
        let (launched, mut theirs, report) = launched();
        write_message(&mut theirs, &FromWorker::Hello { version: VERSION }).unwrap();
        (Link::open(launched).await.unwrap(), theirs, report)
    }

    #[tokio::test]
    async fn both_sides_say_hello() {
        let (_link, mut theirs, _report) = opened().await;
        let hello = tokio::task::spawn_blocking(move || read_message(&mut theirs).unwrap());
        assert_eq!(
            hello.await.unwrap(),
            Some(ToWorker::Hello { version: VERSION })
        );
    }

    #[tokio::test]
    async fn another_version_is_refused() {
        let (launched, mut theirs, _report) = launched();
        write_message(
            &mut theirs,
            &FromWorker::Hello {
                version: VERSION + 1,
            },
        )
        .unwrap();
        let gone = Link::open(launched).await.unwrap_err();
        assert!(
            matches!(gone, Gone::Version(v) if v == VERSION + 1),
            "{gone}"
        );
    }

    #[tokio::test]
    async fn anything_but_hello_first_is_refused() {
        let (launched, mut theirs, _report) = launched();
        write_message(&mut theirs, &FromWorker::Finished).unwrap();
        let gone = Link::open(launched).await.unwrap_err();
        assert!(matches!(gone, Gone::Rude), "{gone}");
    }

    #[tokio::test]
    async fn its_last_words_come_before_its_end() {
        let (mut link, mut theirs, report) = opened().await;
        write_message(&mut theirs, &FromWorker::Finished).unwrap();
        report.send_replace(ended());
        drop(theirs);
        assert_eq!(link.next().await.unwrap(), FromWorker::Finished);
        let gone = link.next().await.unwrap_err();
        assert!(matches!(gone, Gone::Exited(_)), "{gone}");
    }

    #[tokio::test]
    async fn its_end_is_told_though_a_grandchild_holds_the_socket() {
        let (mut link, _theirs, report) = opened().await;
        report.send_replace(ended());
        let gone = link.next().await.unwrap_err();
        assert!(matches!(gone, Gone::Exited(_)), "{gone}");
    }

    #[tokio::test]
    async fn nonsense_ends_the_connection() {
        let (mut link, mut theirs, _report) = opened().await;
        std::io::Write::write_all(&mut theirs, &[0xff; 16]).unwrap();
        let gone = link.next().await.unwrap_err();
        assert!(
            matches!(gone, Gone::Codec(codec::Error::TooLong { .. })),
            "{gone}"
        );
    }

    #[tokio::test]
    async fn a_worker_that_takes_nothing_is_given_up() {
        let (mut link, _theirs, _report) = opened().await;
        for _ in 0..2 * QUEUE_MESSAGES_MAX {
            link.inbox().push(ToWorker::InputClosed);
        }
        let gone = link.next().await.unwrap_err();
        assert!(matches!(gone, Gone::Stuck), "{gone}");
    }

    #[tokio::test]
    async fn a_worker_that_talks_but_takes_nothing_is_given_up() {
        let (mut link, mut theirs, _report) = opened().await;
        for _ in 0..10 {
            write_message(&mut theirs, &FromWorker::Finished).unwrap();
        }
        for _ in 0..2 * QUEUE_MESSAGES_MAX {
            link.inbox().push(ToWorker::InputClosed);
        }
        let gone = link.next().await.unwrap_err();
        assert!(matches!(gone, Gone::Stuck), "{gone}");
    }

    /// Frames are left out when the queue is full, so the queue never overflows with them.
    #[tokio::test(start_paused = true)]
    async fn a_worker_that_leaves_its_frames_in_the_socket_is_given_up() {
        let (mut link, _theirs, _report) = opened().await;
        while link.inbox().has_room() {
            link.inbox().push(frame(1024 * 1024));
        }
        let gone = timeout(2 * WRITE_WAIT_MAX, link.next()).await;
        let gone = gone.expect("found stuck").unwrap_err();
        assert!(matches!(gone, Gone::Stuck), "{gone}");
    }

    #[tokio::test]
    async fn a_worker_that_floods_is_given_up() {
        let (mut link, mut theirs, _report) = opened().await;
        let flood = std::thread::spawn(move || {
            while write_message(&mut theirs, &FromWorker::Failed("x".repeat(100))).is_ok() {}
        });
        let gone = loop {
            if let Err(gone) = link.next().await {
                break gone;
            }
        };
        assert!(matches!(gone, Gone::Flood), "{gone}");
        drop(link);
        tokio::task::spawn_blocking(move || flood.join().unwrap())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn room_comes_back_when_the_worker_reads() {
        let (link, mut theirs, _report) = opened().await;
        while link.inbox().has_room() {
            link.inbox().push(frame(64 * 1024));
        }
        let reader = std::thread::spawn(move || {
            while let Ok(Some(message)) = read_message::<ToWorker>(&mut theirs) {
                drop(message);
            }
        });
        while !link.inbox().has_room() {
            tokio::task::yield_now().await;
        }
        drop(link);
        tokio::task::spawn_blocking(move || reader.join().unwrap())
            .await
            .unwrap();
    }
}
