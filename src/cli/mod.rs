//! The command line: parses it and calls the file of the command.

mod address;
mod check;
mod config;
mod daemon;
mod doctor;
mod exit;
mod heap;
mod keys;
mod manual;
mod password;
mod probing;
mod run;
mod sign;
mod terminal;
mod walls;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use config::Config;
use terminal::warn;

use crate::daemon::config::default_path;

/// Live streams in, an adaptive low-latency HLS ladder out.
#[derive(Debug, Parser)]
#[command(version, after_help = exit::HELP)]
struct Cli {
    /// Configuration file [default: config.toml here, else /etc/weir/config.toml]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon (also without any command)
    Run,
    /// Validate the configuration: every mistake with file, line, column and what was expected
    Check,
    /// Show the publish keys, with what to enter in OBS
    Keys(keys::Args),
    /// Sign an address that opens a stream for a time
    Sign(sign::Args),
    /// Turn a password into the hash that the configuration may hold
    Password,
    /// Try every encoder and decoder for real and say which work
    Doctor(doctor::Args),
    /// Print a shell's completion script: bash, zsh or fish
    #[command(hide = true)]
    Completions(manual::Completions),
    /// Write the manual pages
    #[command(hide = true)]
    Man(manual::Man),
    /// One stream's media process; started by the daemon
    #[command(hide = true)]
    Worker(worker::Args),
}

impl Command {
    /// Why this command should not run as root; `None` if it may.
    fn warning_to_root(&self) -> Option<&'static str> {
        match self {
            Self::Run | Self::Keys(_) | Self::Sign(_) => Some(
                "running as root: files that weir writes will belong to root, and weir needs no root \
                 rights; run it as an ordinary user",
            ),
            Self::Doctor(_) => Some(
                "running as root, which may use devices that other users may not: run this as the \
                 user that runs weir, to see what works there",
            ),
            Self::Check
            | Self::Password
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Worker(_) => None,
        }
    }
}

/// Runs the command that the command line names.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = Config {
        is_named: cli.config.is_some(),
        path: cli.config.unwrap_or_else(default_path),
    };
    let command = cli.command.unwrap_or(Command::Run);
    if rustix::process::geteuid().is_root()
        && let Some(warning) = command.warning_to_root()
    {
        warn(warning);
    }
    let exit = match command {
        Command::Run => run::run(&config),
        Command::Check => check::run(&config),
        Command::Keys(args) => keys::run(&config, &args),
        Command::Sign(args) => sign::run(&config, &args),
        Command::Password => password::run(),
        Command::Doctor(args) => doctor::run(&config, &args),
        Command::Completions(args) => manual::completions(&args, &Cli::command()),
        Command::Man(args) => manual::man(&args, &Cli::command()),
        Command::Worker(args) => worker::run(&args),
    };
    exit.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_daemon_is_the_default_and_the_file_can_stand_anywhere() {
        for (line, path, is_run) in [
            ("weir", None, true),
            ("weir --config a.toml", Some("a.toml"), true),
            ("weir run --config a.toml", Some("a.toml"), true),
            ("weir --config a.toml check", Some("a.toml"), false),
            ("weir keys studio --config a.toml", Some("a.toml"), false),
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.config, path.map(PathBuf::from), "{line}");
            let command = cli.command.unwrap_or(Command::Run);
            assert_eq!(matches!(command, Command::Run), is_run, "{line}");
        }
    }
}
