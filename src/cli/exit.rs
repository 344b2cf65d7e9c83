//! Exit codes of every command.

use std::process::ExitCode;

/// Shown under `weir --help`.
pub(super) const HELP: &str = "\
Exit codes:
  0   done
  1   failed; the message says why
  2   the command line or the configuration is wrong
  69  something weir needs is not available, such as a port that is taken
  73  the data folder cannot be written";

/// How a command ends. Codes above 2 are those of sysexits.h, which tell service managers and
/// scripts whether a retry can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Failed; the message says why.
    Failure = 1,
    /// The command line or the configuration is wrong.
    Config = 2,
    /// Something weir needs is not available, such as a port that is taken.
    Unavailable = 69,
    /// The data folder cannot be written.
    Data = 73,
}

/// How a command fails, and the message for the user.
pub(super) type Failure = (Exit, String);

impl Exit {
    /// The process exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_code() {
        use Exit::{Config, Data, Failure, Ok, Unavailable};
        let named: Vec<u8> = HELP
            .lines()
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect();
        let codes = [Ok, Failure, Config, Unavailable, Data].map(Exit::code);
        assert_eq!(named, codes);
    }
}
