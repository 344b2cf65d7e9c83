//! What others may know about a stream at any moment without asking its task.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::SecondsFormat;
use tokio::sync::Notify;

use super::catalog::Demand;
use super::machine::Schedule;
use super::viewers::{Viewer, Viewers};
use crate::base::text::printable;
use crate::base::time::rfc3339;
use crate::model::status::{InputStatus, PassthroughStatus, RungStatus, State, StreamStatus};

/// Longest error text that is shown.
const ERROR_CHARS_MAX: usize = 500;
/// An error is shown until the stream has been live for this long without another.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// One stream's noticeboard: the stream's task writes, everybody else reads. When the stream's
/// settings change, the next task takes the noticeboard over, and with it the viewers.
#[derive(Debug)]
pub struct Cell {
    board: Mutex<Board>,
    viewers: Viewers,
    /// A viewer has asked for a playlist.
    pub demanded: Notify,
}

#[derive(Debug)]
struct Board {
    schedule: Schedule,
    /// Number of the newest task.
    task: u64,
    status: StreamStatus,
    open: bool,
    ended: Option<Instant>,
    /// When the stream's state last changed, or something last went wrong.
    unsettled: Instant,
}

impl Board {
    /// Forgets the last error if the stream has been live for long enough since.
    fn forget_error(&mut self, now: Instant) {
        let settled = now.saturating_duration_since(self.unsettled) >= HEALTHY_AFTER;
        if self.status.state == State::Live && settled {
            self.status.last_error = None;
        }
    }
}

/// What the task reports.
#[derive(Debug)]
pub struct Report {
    /// The stream's state.
    pub state: State,
    /// A session is open and can be played.
    pub playable: bool,
    /// How the source arrives.
    pub input: Option<InputStatus>,
    /// Whether the source is good for the top rung.
    pub passthrough: Option<PassthroughStatus>,
    /// The renditions that are made.
    pub rungs: Vec<RungStatus>,
    /// Process id of the worker.
    pub worker_pid: Option<u32>,
    /// CPU seconds per second that the worker uses, once that is known.
    pub worker_cpu: Option<f64>,
    /// What decodes the source's pictures, once that is known.
    pub decoder: Option<String>,
}

impl Cell {
    /// An idle stream.
    pub fn new(name: &str, source: String, schedule: Schedule) -> Self {
        let status = StreamStatus {
            name: name.to_owned(),
            state: State::Idle,
            source,
            since: date_now(),
            viewers: 0,
            input: None,
            passthrough: None,
            rungs: Vec::new(),
            worker_pid: None,
            worker_cpu: None,
            decoder: None,
            last_error: None,
        };
        Self {
            board: Mutex::new(Board {
                schedule,
                task: 0,
                status,
                open: false,
                ended: None,
                unsettled: Instant::now(),
            }),
            viewers: Viewers::default(),
            demanded: Notify::new(),
        }
    }

    /// A task with other settings follows the present one; returns its number. The first is 0.
    pub fn succeed(&self, source: String, schedule: Schedule) -> u64 {
        let mut board = self.board();
        board.schedule = schedule;
        board.status.source = source;
        board.status.last_error = None;
        board.task += 1;
        board.task
    }

    /// Calls `give_up` unless a task has followed the one of number `task`: those who wait then
    /// wait for what the newer task makes.
    pub fn give_up(&self, task: u64, give_up: impl FnOnce()) {
        let board = self.board();
        if board.task == task {
            give_up();
        }
    }

    /// Replaces the earlier report; returns the earlier state.
    pub fn report(&self, report: Report) -> State {
        self.report_at(report, Instant::now())
    }

    fn report_at(&self, report: Report, now: Instant) -> State {
        let mut board = self.board();
        board.forget_error(now);
        let before = board.status.state;
        if before != report.state {
            board.status.since = date_now();
            board.unsettled = now;
        }
        board.open = report.playable;
        board.status.state = report.state;
        board.status.input = report.input;
        board.status.passthrough = report.passthrough;
        board.status.rungs = report.rungs;
        board.status.worker_pid = report.worker_pid;
        board.status.worker_cpu = report.worker_cpu;
        board.status.decoder = report.decoder;
        before
    }

    /// Something went wrong; `text` says what and what happens next. It is shown until the stream
    /// has been live for ten seconds.
    pub fn error(&self, text: &str) {
        let mut board = self.board();
        board.status.last_error = Some(printable(text, ERROR_CHARS_MAX));
        board.unsettled = Instant::now();
    }

    /// A session that could be played ended now.
    pub fn ended(&self, now: Instant) {
        self.board().ended = Some(now);
    }

    /// Whether a worker makes the stream, or a session of it is open: a publisher who comes goes on
    /// with it.
    pub fn runs(&self) -> bool {
        let board = self.board();
        let is_made = matches!(
            board.status.state,
            State::Starting | State::Live | State::Waiting
        );
        is_made || board.open || board.status.worker_pid.is_some()
    }

    /// The status as of now.
    pub fn status(&self, now: Instant) -> StreamStatus {
        let mut status = {
            let mut board = self.board();
            board.forget_error(now);
            board.status.clone()
        };
        status.viewers = self.viewers.count(now);
        let names = status.rungs.iter().map(|rung| rung.name.as_str());
        let counts = self.viewers.of_rungs(names, now);
        for (rung, viewers) in status.rungs.iter_mut().zip(counts) {
            rung.viewers = viewers;
        }
        status
    }

    /// A viewer asks for a multivariant playlist: counts the viewer, wakes a stream that runs while
    /// it is watched, and says what there is. An ended session can be played for `window`.
    pub fn demand(&self, viewer: &Viewer<'_>, window: Duration, now: Instant) -> Demand {
        self.viewers.saw(viewer, None, now);
        let board = self.board();
        let on_demand = board.schedule.is_on_demand();
        if on_demand {
            // Requests that come before the task wakes count as one.
            self.demanded.notify_one();
        }
        let recent = |then: Instant| now.saturating_duration_since(then) < window;
        match board.status.state {
            State::Starting => Demand::Starting,
            _ if board.open => Demand::Playable,
            State::Failed => Demand::Nothing,
            _ if on_demand => Demand::Starting,
            _ if board.ended.is_some_and(recent) => Demand::Playable,
            _ => Demand::Nothing,
        }
    }

    /// A viewer asks for a playlist of a session: counts the viewer and keeps the session awake if
    /// it is the one that runs. `rung` is the one whose playlist it is.
    pub fn watching(&self, viewer: &Viewer<'_>, rung: Option<&str>, now: Instant) {
        self.viewers.saw(viewer, rung, now);
        let board = self.board();
        if board.schedule.is_on_demand() && board.open {
            self.demanded.notify_one();
        }
    }

    /// The stream runs while it is watched, and somebody watches.
    pub fn is_demanded(&self, now: Instant) -> bool {
        self.board().schedule.is_on_demand() && self.viewers.count(now) > 0
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn date_now() -> String {
    let age = SystemTime::now().duration_since(UNIX_EPOCH);
    let unix_ms = age.unwrap_or_default().as_millis();
    rfc3339(unix_ms.try_into().unwrap_or_default(), SecondsFormat::Secs)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn home() -> Viewer<'static> {
        Viewer::at(Ipv4Addr::LOCALHOST.into(), "agent")
    }

    fn demand(schedule: Schedule, state: State, playable: bool, ended: bool) -> Demand {
        let (cell, start) = (Cell::new("s", String::new(), schedule), Instant::now());
        cell.report(Report {
            state,
            playable,
            input: None,
            passthrough: None,
            rungs: Vec::new(),
            worker_pid: None,
            worker_cpu: None,
            decoder: None,
        });
        if ended {
            cell.ended(start);
        }
        let now = start + WINDOW / 2;
        cell.demand(&home(), WINDOW, now)
    }

    #[test]
    fn what_a_request_finds() {
        use Schedule::{Always, FetchedWhileWatched, WhilePublished, WhileWatched};
        for (schedule, state, open, ended, found) in [
            (WhilePublished, State::Idle, false, false, Demand::Nothing),
            (WhilePublished, State::Idle, false, true, Demand::Playable),
            (
                WhilePublished,
                State::Starting,
                false,
                true,
                Demand::Starting,
            ),
            (WhilePublished, State::Live, true, false, Demand::Playable),
            (
                WhilePublished,
                State::Waiting,
                true,
                false,
                Demand::Playable,
            ),
            (WhilePublished, State::Failed, true, false, Demand::Playable),
            (Always, State::Failed, false, false, Demand::Nothing),
            (WhileWatched, State::Idle, false, false, Demand::Starting),
            (WhileWatched, State::Idle, false, true, Demand::Starting),
            (WhileWatched, State::Live, true, false, Demand::Playable),
            (
                FetchedWhileWatched,
                State::Idle,
                false,
                true,
                Demand::Starting,
            ),
            (
                FetchedWhileWatched,
                State::Failed,
                false,
                false,
                Demand::Nothing,
            ),
        ] {
            let case = format!("{schedule:?} {state:?} open {open} ended {ended}");
            assert_eq!(demand(schedule, state, open, ended), found, "{case}");
        }
    }

    #[test]
    fn an_ended_session_is_there_for_the_window() {
        let (cell, now) = (
            Cell::new("s", String::new(), Schedule::WhilePublished),
            Instant::now(),
        );
        cell.ended(now);
        assert_eq!(cell.demand(&home(), WINDOW, now), Demand::Playable);
        assert_eq!(cell.demand(&home(), WINDOW, now + WINDOW), Demand::Nothing);
        assert_eq!(cell.status(now + WINDOW).viewers, 1);
    }

    #[tokio::test]
    async fn only_a_running_session_is_kept_awake_by_its_playlists() {
        for (schedule, open, woken) in [
            (Schedule::WhileWatched, true, true),
            (Schedule::WhileWatched, false, false),
            (Schedule::WhilePublished, true, false),
        ] {
            let cell = Cell::new("s", String::new(), schedule);
            cell.report(Report {
                state: if open { State::Live } else { State::Idle },
                playable: open,
                input: None,
                passthrough: None,
                rungs: Vec::new(),
                worker_pid: None,
                worker_cpu: None,
                decoder: None,
            });
            cell.watching(&home(), None, Instant::now());
            let case = format!("{schedule:?} open {open}");
            assert_eq!(
                cell.demanded.notified().now_or_never().is_some(),
                woken,
                "{case}"
            );
            assert_eq!(cell.status(Instant::now()).viewers, 1, "{case}");
        }
    }

    #[test]
    fn a_task_with_a_successor_gives_nothing_up() {
        let cell = Cell::new("s", String::new(), Schedule::WhilePublished);
        let given_up = |task| {
            let mut given_up = false;
            cell.give_up(task, || given_up = true);
            given_up
        };
        assert!(given_up(0));
        let next = cell.succeed("test:".into(), Schedule::WhileWatched);
        assert!(!given_up(0) && given_up(next));
        assert_eq!(cell.status(Instant::now()).source, "test:");
    }

    #[test]
    fn an_error_is_shown_until_the_stream_is_healthy_again() {
        let cell = Cell::new("s", String::new(), Schedule::WhilePublished);
        let report = |state, later| {
            let report = Report {
                state,
                playable: true,
                input: None,
                passthrough: None,
                rungs: Vec::new(),
                worker_pid: None,
                worker_cpu: None,
                decoder: None,
            };
            cell.report_at(report, Instant::now() + later)
        };
        let shown = |later| cell.status(Instant::now() + later).last_error;
        cell.error("wrong codec");
        assert!(shown(2 * HEALTHY_AFTER).is_some(), "nobody publishes");
        report(State::Live, Duration::ZERO);
        assert!(shown(HEALTHY_AFTER / 2).is_some(), "live for a moment");
        assert_eq!(shown(HEALTHY_AFTER), None);
        cell.error("worker lost");
        assert!(shown(HEALTHY_AFTER / 2).is_some());
        report(State::Waiting, HEALTHY_AFTER);
        assert_eq!(shown(HEALTHY_AFTER), None, "it was healthy until then");
    }

    #[test]
    fn an_error_is_one_bounded_line() {
        let cell = Cell::new("s", String::new(), Schedule::WhilePublished);
        cell.error(&format!("a\nb{}", "x".repeat(2 * ERROR_CHARS_MAX)));
        let shown = cell.status(Instant::now()).last_error.unwrap();
        assert!(shown.starts_with("a bx"));
        assert_eq!(shown.len(), ERROR_CHARS_MAX);
    }
}
