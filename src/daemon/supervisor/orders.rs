//! What every worker process is told when it is started: its command line and its environment.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::model::sandbox::Sandbox;

/// Environment variables with one of these names or beginnings are passed on to workers. All others
/// stay: a worker reads strangers' media, and the environment of a daemon has secrets in it.
///
/// They say where plugins, libraries and certificates are, which GPU to use, and how to allocate and
/// debug.
const INHERITED: [&str; 8] = [
    "HOME",
    "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIO_EXTRA_MODULES",
    "GLIBC_TUNABLES",
    "RUST_BACKTRACE",
];
const INHERITED_BEGINNINGS: [&str; 7] = [
    "GST_", "LIBVA_", "CUDA_", "NVIDIA_", "ONEVPL_", "MALLOC_", "ORC_",
];
/// For a process inside its walls, which can neither start the program that refreshes GStreamer's list
/// of plugins, nor write the list. [`probe::walls`](super::probe::walls) refreshes it. Nor can the
/// process reach a desktop's store of settings.
const INSIDE: [(&str, &str); 3] = [
    ("GST_REGISTRY_UPDATE", "no"),
    ("GST_REGISTRY_FORK", "no"),
    ("GSETTINGS_BACKEND", "memory"),
];

/// What every worker process is told.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// Which walls it raises around itself.
    pub sandbox: Sandbox,
    /// Folder of the user's own pipeline templates.
    pub pipelines: Option<PathBuf>,
}

impl Orders {
    /// Arguments after `weir`, with those of a `task`, if any.
    pub fn args(&self, task: Option<&str>) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["worker".into()];
        args.extend(task.map(OsString::from));
        args.push(format!("--sandbox={}", self.sandbox).into());
        if let Some(folder) = &self.pipelines {
            args.push("--pipelines".into());
            args.push(folder.into());
        }
        args
    }
}

/// The part of this process's environment that its workers get.
pub fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| is_inherited(name))
}

/// The environment of a process inside its walls.
pub fn environment_inside() -> impl Iterator<Item = (OsString, OsString)> {
    environment().chain(INSIDE.map(|(name, value)| (name.into(), value.into())))
}

fn is_inherited(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    INHERITED.contains(&name) || INHERITED_BEGINNINGS.iter().any(|it| name.starts_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_environment_stay() {
        for name in [
            "WEIR__STREAM__studio__PUBLISH_KEY",
            "WEIR_LOG",
            "AWS_SECRET_ACCESS_KEY",
            "PATH",
            "HTTPS_PROXY",
            "GST",
        ] {
            assert!(!is_inherited(OsStr::new(name)), "{name}");
        }
        for name in ["HOME", "GST_DEBUG", "LIBVA_DRIVER_NAME"] {
            assert!(is_inherited(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn a_task_stands_before_the_orders() {
        let orders = Orders {
            sandbox: Sandbox::Required,
            pipelines: Some("/etc/weir/pipelines".into()),
        };
        let expected = [
            "worker",
            "--walls",
            "--sandbox=required",
            "--pipelines",
            "/etc/weir/pipelines",
        ];
        assert_eq!(orders.args(Some("--walls")), expected);
        assert_eq!(Orders::default().args(None), ["worker", "--sandbox=auto"]);
    }
}
