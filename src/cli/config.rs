//! The configuration that a command works with.

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::terminal::show;
use crate::daemon::config;
use crate::daemon::config::settings::Settings;
use crate::daemon::supervisor::orders::Orders;
use crate::model::sandbox::Sandbox;

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
    fn pipelines(&self) -> Option<PathBuf> {
        let folder = self.path.parent()?.join("pipelines");
        folder.is_dir().then_some(folder)
    }

    /// What the worker processes of these settings are told.
    pub fn orders(&self, sandbox: Sandbox) -> Orders {
        Orders {
            sandbox,
            pipelines: self.pipelines(),
        }
    }

    /// What holds where there is no file.
    ///
    /// # Errors
    /// [`Exit::Config`], after every mistake in this process's environment has been shown.
    pub fn built_in() -> Result<Settings, Exit> {
        let environment = config::environment().into_iter();
        let settings = config::validate("no file", "", Path::new("/"), environment);
        settings.map_err(|report| {
            show(&report);
            Exit::Config
        })
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
