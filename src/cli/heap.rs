//! Returns memory that the daemon no longer needs to the system.
//!
//! Thousands of parts and segments are allocated and freed between small long-lived objects. On
//! the ordinary heap they leave ever more holes that nothing fits into.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often free memory goes back to the system.
const TRIMMING: Duration = Duration::from_secs(10);
/// Blocks of at least this size are mapped outside the heap and go back as soon as they are freed.
/// glibc's own threshold grows with the largest block freed, up to 32 MiB.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES_MIN: libc::c_int = 16 << 10;
/// Well below the kernel's limit of mappings per process (65530), which threads need as well.
#[cfg(target_env = "gnu")]
const MAPPED_BLOCKS_MAX: libc::c_int = 32 << 10;

/// Keeps media out of the heap, see mallopt(3). Must be called before threads are started.
pub(super) fn shape() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers and returns 0 for values that it does not accept.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
        libc::mallopt(libc::M_MMAP_MAX, MAPPED_BLOCKS_MAX);
    }
}

/// Returns free pages of the heap every [`TRIMMING`], until `stop` is cancelled.
pub(super) async fn trimming(stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TRIMMING) => {}
            () = stop.cancelled() => return,
        }
        // Off the runtime: the call walks the whole heap.
        if let Err(error) = tokio::task::spawn_blocking(trim).await {
            tracing::warn!(%error, "free memory stays with the daemon");
        }
    }
}

/// Gives wholly free pages back to the system, see malloc_trim(3).
fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes no pointer and is safe to call from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
