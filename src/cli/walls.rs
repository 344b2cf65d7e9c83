//! The walls around the daemon's secrets: what `weir run` does and tells before anything is served.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::exit::{Exit, Failure};
use crate::daemon::supervisor::orders::Orders;
use crate::daemon::supervisor::probe;
use crate::model::sandbox::Sandbox;
use crate::wire::probe::Wall;

/// Keeps the memory of this process, keys among it, out of core files and from other processes of
/// the same user, which could read it in `/proc` (`PR_SET_DUMPABLE` in prctl(2)).
pub(super) fn hide_memory() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "a crash may write keys into a core file");
    }
}

/// Tries the walls of the workers, and warns about missing ones. Blocks for a moment.
///
/// # Errors
/// When every wall is required and one is missing.
pub(super) fn check(orders: &Orders) -> Result<(), Failure> {
    match probe::walls(orders) {
        Ok(_) if orders.sandbox == Sandbox::Off => {
            tracing::warn!("workers have no walls around them: worker.sandbox is \"off\"");
        }
        Ok(walls) => {
            let missing: Vec<String> = walls.iter().filter_map(missing).collect();
            if !missing.is_empty() {
                let missing = missing.join("; ");
                tracing::warn!(%missing, "workers lack walls; `weir doctor` shows all of them");
            }
        }
        Err(cause) if orders.sandbox == Sandbox::Required => {
            return Err((Exit::Unavailable, cause));
        }
        Err(cause) => tracing::warn!(%cause, "the walls of workers cannot be tried"),
    }
    Ok(())
}

fn missing(wall: &Wall) -> Option<String> {
    let cause = wall.missing.as_ref()?;
    Some(format!("{} ({}): {cause}", wall.name, wall.made_of))
}
