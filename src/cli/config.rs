//! The configuration that a command works with.

use std::path::PathBuf;

use super::exit::Exit;
use super::terminal::show;
use crate::daemon::config;
use crate::daemon::config::settings::Settings;

/// A configuration file, not yet read.
#[derive(Debug, Clone)]
pub struct Config {
    /// Path of the file.
    pub path: PathBuf,
    /// The command line named the file; otherwise `path` is where weir looks by default.
    pub is_named: bool,
}

impl Config {
    /// The folder `pipelines` beside the file, with the user's own templates; `None` where there
    /// is none.
    pub fn pipelines(&self) -> Option<PathBuf> {
        let folder = self.path.parent()?.join("pipelines");
        folder.is_dir().then_some(folder)
    }

    /// Reads the file, with overrides from this process's environment.
    ///
    /// # Errors
    /// [`Exit::Config`], after every mistake has been shown.
    pub fn load(&self) -> Result<Settings, Exit> {
        config::load(&self.path, config::environment().into_iter()).map_err(|report| {
            show(&report);
            Exit::Config
        })
    }
}
