//! Whatever a worker says, the daemon does not panic, serves playlists that can be read, keeps its
//! memory and writes few log lines.

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
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_words_of_a_worker_leave_playlists_that_can_be_read(script in vec(any::<u8>(), 0..400)) {
        support::words::run(&script);
    }

    /// Scripts that begin with a plan get further.
    #[test]
    fn any_words_after_a_plan_do(mut script in vec(any::<u8>(), 1..400)) {
        script[0] = 0;
        support::words::run(&script);
    }
}
