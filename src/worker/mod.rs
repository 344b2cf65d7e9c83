//! The worker: a process that turns one stream's media into renditions.
//!
//! One thread reads the daemon's messages from standard input (a socket) and feeds the input half.
//! One thread writes the messages of the media threads. The director builds the output half when
//! the source is known, and decides what a failure means. The process ends when the socket ends: a
//! worker never outlives its daemon.

mod attempts;
mod choice;
mod director;
mod input;
mod load;
pub mod media;
mod rungs;
pub mod walls;

use std::io::BufReader;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::model::source::Source;
use crate::wire::codec::{read_message, write_message};
use crate::wire::protocol::{FromWorker, Level, ToWorker, VERSION};
use crate::worker::media::Outbox;
use crate::worker::media::events::{Event, Events};
use crate::worker::media::input::Intake;
use crate::worker::media::mailbox::Receiver;
use crate::worker::media::template::{self, Library};
use director::Director;
use input::Feeder;
use walls::{Readable, Walls};

/// Makes the kernel kill this process, whose stream comes back, before the daemon when memory runs
/// out (proc_pid_oom_score_adj(5): -1000 never, 1000 first). Comes before the walls, which close
/// `/proc`.
pub fn yield_memory() {
    // Raising the own value needs no right; a system without `/proc` has no such order.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
}

/// Runs a worker inside `walls` on standard input until the daemon ends it. `loaded` are the
/// templates, and the mistakes found while loading them.
///
/// # Errors
/// Why the worker cannot continue. The caller prints it on standard error, which goes to the
/// daemon's log.
pub fn run(loaded: (Library, Vec<template::Error>), walls: Walls) -> Result<(), String> {
    let socket = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(UnixStream::from)
        .map_err(|e| format!("standard input is no socket: {e}"))?;
    media::init()?;
    let writer = socket.try_clone().map_err(|e| e.to_string())?;
    let (outbox, messages) = Outbox::new(|| {
        eprintln!("worker: the daemon reads too slowly; another worker takes over");
        std::process::exit(1);
    });
    spawn("writer", move || write(writer, messages))?;
    outbox.send(FromWorker::Hello { version: VERSION });
    read(BufReader::new(socket), &outbox, loaded, walls)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(body).map(drop).map_err(|e| e.to_string())
}

fn write(mut socket: UnixStream, messages: Receiver<FromWorker>) {
    for message in messages {
        let last = message.is_last();
        if let Err(error) = write_message(&mut socket, &message) {
            // Usually the daemon has ended, and the worker has no more work. A message above the
            // bound is a bug, which the daemon's log must show.
            eprintln!("worker: a message cannot be sent: {error}");
            std::process::exit(1);
        }
        if last {
            std::process::exit(0);
        }
    }
}

fn read(
    mut socket: BufReader<UnixStream>,
    outbox: &Outbox,
    (library, errors): (Library, Vec<template::Error>),
    mut walls: Walls,
) -> Result<(), String> {
    let mut next = || read_message::<ToWorker>(&mut socket).map_err(|e| e.to_string());
    match next()? {
        Some(ToWorker::Hello { version: VERSION }) => {}
        Some(_) => return Err("the daemon speaks another version of the protocol".to_owned()),
        None => return Ok(()),
    }
    let start = match next()? {
        Some(ToWorker::Start(start)) => *start,
        Some(_) => return Err("the first order was not to start".to_owned()),
        None => return Ok(()),
    };
    if !matches!(start.source, Source::Pull(_)) {
        walls.close_network()?;
    }
    let (events, reports) = Events::new();
    for error in errors {
        outbox.log(
            Level::Warn,
            None,
            format!("pipeline template left out: {error}"),
        );
    }
    let library = Arc::new(library);
    let intake = Arc::new(Intake::new(events.clone()));
    intake.passthrough.allow(start.passthrough);
    let mut feeder = Feeder::new(
        intake.clone(),
        library.clone(),
        outbox.clone(),
        events.clone(),
    );
    let director = Director::new(
        start,
        intake,
        library,
        Readable::names(),
        outbox.clone(),
        events.clone(),
    );
    spawn("director", move || director.run(&reports))?;
    while let Some(message) = next()? {
        match message {
            ToWorker::InputOpened(format) => feeder.opened(format),
            ToWorker::Frame(frame) => feeder.frame(frame),
            ToWorker::InputClosed => feeder.closed(),
            ToWorker::Wanted(rungs) => events.send(Event::Wanted(rungs)),
            ToWorker::Finish => events.send(Event::Finish),
            ToWorker::Hello { .. } | ToWorker::Start(_) => {
                return Err("the daemon sent an order twice".to_owned());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
