//! `weir password`: turns a password into the hash that the configuration may hold.

use std::io::{BufRead, IsTerminal};

use super::exit::Exit;
use super::terminal::{fail, say};
use crate::daemon::access::Password;

/// Reads a password from the terminal, without showing it, or from the standard input.
pub(super) fn run() -> Exit {
    let input = std::io::stdin();
    let read = match input.is_terminal() {
        true => rpassword::prompt_password("Password of the viewers: "),
        false => {
            let mut line = String::new();
            input.lock().read_line(&mut line).map(|_| line)
        }
    };
    let password = match read {
        Ok(line) => line.trim_end_matches(['\r', '\n']).to_owned(),
        Err(error) => return fail(Exit::Failure, &format!("no password can be read: {error}")),
    };
    if let Err(error) = Password::parse(&password) {
        return fail(Exit::Failure, &error.to_string());
    }
    match Password::hash(&password) {
        Ok(hash) => say(&format!("{hash}\n")),
        Err(error) => fail(Exit::Failure, &format!("no hash can be made: {error}")),
    }
}
