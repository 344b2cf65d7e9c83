//! Counts wrong attempts by address, so that nobody can guess.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use super::policy::Refusal;
use crate::base::network::peer_of;

/// Addresses that are remembered.
const ADDRESSES_MAX: u64 = 100_000;

/// Wrong attempts of each address, an IPv6 /64 network being one.
#[derive(Debug)]
pub(super) struct Attempts {
    attempts_max: u32,
    period: Duration,
    wrong: Cache<IpAddr, Arc<AtomicU32>>,
}

impl Attempts {
    /// Allows an address `attempts_max` wrong attempts; they are forgotten `period` after the first.
    pub(super) fn new(attempts_max: u32, period: Duration) -> Self {
        let wrong = Cache::builder()
            .max_capacity(ADDRESSES_MAX)
            .time_to_live(period)
            .build();
        Self {
            attempts_max,
            period,
            wrong,
        }
    }

    /// Whether an address may try once more.
    ///
    /// # Errors
    /// [`Refusal::TooMany`]
    pub(super) fn may_try(&self, address: IpAddr) -> Result<(), Refusal> {
        let wrong = self.wrong.get(&peer_of(address));
        match wrong.is_some_and(|wrong| wrong.load(Ordering::Relaxed) >= self.attempts_max) {
            true => Err(Refusal::TooMany(self.period)),
            false => Ok(()),
        }
    }

    /// An address has tried in vain.
    pub(super) fn failed(&self, address: IpAddr) {
        let wrong = self.wrong.get_with(peer_of(address), Arc::default);
        wrong.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_attempts() {
        let attempts = Attempts::new(2, Duration::from_secs(60));
        let [one, other] = ["2001:db8::1", "192.0.2.1"].map(|text| text.parse().unwrap());
        for _ in 0..2 {
            assert_eq!(attempts.may_try(one), Ok(()));
            attempts.failed(one);
        }
        let full = Err(Refusal::TooMany(Duration::from_secs(60)));
        assert_eq!(attempts.may_try(one), full);
        assert_eq!(attempts.may_try("2001:db8::2".parse().unwrap()), full);
        assert_eq!(attempts.may_try(other), Ok(()));
    }
}
