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
pub enum Exit {
    /// Done.
    Ok,
    /// Failed; the message says why.
    Failure,
    /// The command line or the configuration is wrong.
    Config,
    /// Something weir needs is not available, such as a port that is taken.
    Unavailable,
    /// The data folder cannot be written.
    Data,
}

/// How a command fails, and the message for the user.
pub(super) type Failure = (Exit, String);

impl Exit {
    /// The process exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Config => 2,
            Self::Unavailable => 69,
            Self::Data => 73,
        }
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
