//! Whatever a worker says, the daemon does not panic and serves playlists that can be read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use proptest::collection::vec;
use proptest::prelude::*;

mod support {
    #[allow(dead_code, reason = "other tests read more of a playlist")]
    pub mod playlist;
    pub mod words;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_words_of_a_worker_leave_playlists_that_can_be_read(script in vec(any::<u8>(), 0..1500)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(support::words::run(&script));
    }
}
