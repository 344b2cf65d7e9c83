//! How memory that the daemon no longer needs goes back to the system.
//!
//! Parts and segments come and go by the thousand, between small things that stay. In one heap they
//! leave holes that fit nothing, ever more of them.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often memory that is free goes back to the system.
const TRIMMING: Duration = Duration::from_secs(10);
/// What is so large is mapped by itself, outside the heap, and goes back at once. The default
/// would soon be 32 MiB: it rises to the largest block that was freed.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES_MIN: libc::c_int = 16 << 10;
/// Well below the mappings that the kernel lets a process have, which threads need, too.
#[cfg(target_env = "gnu")]
const MAPPED_BLOCKS_MAX: libc::c_int = 32 << 10;

/// Keeps media out of the heap: see mallopt(3). To be called before there are threads.
pub(super) fn shape() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes numbers, and answers 0 to those that it does not like.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
        libc::mallopt(libc::M_MMAP_MAX, MAPPED_BLOCKS_MAX);
    }
}

/// Returns free pages of the heap every now and then, until told to stop.
pub(super) async fn trimming(stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TRIMMING) => {}
            () = stop.cancelled() => return,
        }
        // Walks the whole heap.
        if let Err(error) = tokio::task::spawn_blocking(trim).await {
            tracing::warn!(%error, "free memory stays with the daemon");
        }
    }
}

/// Gives pages that are wholly free back to the system: see malloc_trim(3).
fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointers, and may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
