//! `weir completions` and `weir man`: what a package installs beside the program, made from the command
//! line itself.

use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;

use super::exit::Exit;
use super::terminal::{fail, say};

/// The program's name.
const NAME: &str = env!("CARGO_PKG_NAME");

/// `weir completions SHELL`
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// Whose script to print
    shell: Shell,
}

/// `weir man FOLDER`
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Existing folder to write the pages to
    folder: PathBuf,
}

/// Prints the shell's script that completes the `line`'s commands and options.
pub(super) fn completions(args: &Completions, line: &Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(line), NAME, &mut script);
    say(&String::from_utf8_lossy(&script))
}

/// Writes a page for `line` and for each of its commands.
pub(super) fn man(args: &Man, line: &Command) -> Exit {
    match clap_mangen::generate_to(line.clone(), &args.folder) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            let folder = args.folder.display();
            fail(
                Exit::Failure,
                &format!("{folder}: the pages cannot be written: {error}"),
            )
        }
    }
}

/// The command line without its hidden commands, which clap cannot take out again and whose names
/// `clap_complete` would offer.
fn shown(line: &Command) -> Command {
    let commands = line.get_subcommands().filter(|it| !it.is_hide_set());
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .args(line.get_arguments().cloned())
        .subcommands(commands.cloned())
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ValueHint};

    use super::*;

    fn line() -> Command {
        Command::new("weir")
            .version("1.0")
            .arg(
                Arg::new("config")
                    .long("config")
                    .value_hint(ValueHint::FilePath),
            )
            .subcommand(Command::new("check"))
            .subcommand(Command::new("worker").hide(true))
    }

    #[test]
    fn shells_complete_what_the_help_shows() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut shown(&line()), "weir", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["check", "config", "version"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
            assert!(!script.contains("worker"), "{shell}");
        }
    }

    #[test]
    fn each_command_that_the_help_shows_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let args = Man {
            folder: folder.path().to_owned(),
        };
        assert_eq!(man(&args, &line()), Exit::Ok);
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["weir-check.1", "weir.1"]);
        let missing = Man {
            folder: folder.path().join("missing"),
        };
        assert_eq!(man(&missing, &line()), Exit::Failure);
    }
}
