//! Remembers for a moment who may watch: a player asks ten times per second.

use std::net::IpAddr;
use std::time::Duration;

use moka::future::Cache;
use sha2::{Digest, Sha256};

use super::policy::Refusal;

/// Verdicts that are remembered.
const VERDICTS_MAX: u64 = 100_000;
/// For how long a yes stands in for one that cannot be had.
const GRACE: Duration = Duration::from_secs(30);

/// Whom a verdict is about. It is a hash, so that no token can make the memory large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Whom([u8; 32]);

impl Whom {
    pub(super) fn new(stream: &str, address: IpAddr, pass: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        // Neither the name of a stream nor an address has a line break.
        hash.update(format!("{stream}\n{}\n", address.to_canonical()));
        hash.update([u8::from(pass.is_some())]);
        hash.update(pass.unwrap_or_default());
        Self(hash.finalize().into())
    }
}

/// The verdicts of the last moment.
#[derive(Debug)]
pub(super) struct Verdicts {
    /// What was found out, once for all who wait for the same.
    last: Cache<Whom, Result<(), Refusal>>,
    /// Who was let in.
    good: Cache<Whom, ()>,
}

impl Verdicts {
    /// Remembers each verdict for `period`.
    pub(super) fn new(period: Duration) -> Self {
        Self {
            last: Cache::builder()
                .max_capacity(VERDICTS_MAX)
                .time_to_live(period)
                .build(),
            good: Cache::builder()
                .max_capacity(VERDICTS_MAX)
                .time_to_live(GRACE)
                .build(),
        }
    }

    /// Whether somebody was let in a moment ago.
    pub(super) fn knows(&self, whom: &Whom) -> bool {
        self.good.contains_key(whom)
    }

    /// The verdict on `whom`; `find_out` runs if there is none.
    ///
    /// # Errors
    /// The verdict.
    pub(super) async fn on(
        &self,
        whom: Whom,
        find_out: impl Future<Output = Result<(), Refusal>>,
    ) -> Result<(), Refusal> {
        let found_out = async {
            match find_out.await {
                Ok(()) => {
                    self.good.insert(whom, ()).await;
                    Ok(())
                }
                Err(Refusal::Unavailable) if self.knows(&whom) => Ok(()),
                Err(Refusal::Unavailable) => Err(Refusal::Unavailable),
                Err(refusal) => {
                    self.good.invalidate(&whom).await;
                    Err(refusal)
                }
            }
        };
        self.last.get_with(whom, found_out).await
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const MOMENT: Duration = Duration::from_millis(1);

    fn whom(pass: Option<&str>) -> Whom {
        Whom::new("demo", HOME, pass)
    }

    #[test]
    fn each_stream_address_and_pass_has_its_own() {
        let other = "192.0.2.1".parse().unwrap();
        let all = [
            whom(None),
            whom(Some("")),
            whom(Some("a")),
            Whom::new("other", HOME, Some("a")),
            Whom::new("demo", other, Some("a")),
        ];
        for (n, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(n));
        }
    }

    #[tokio::test]
    async fn what_many_wait_for_is_found_out_once() {
        let (verdicts, asked) = (Verdicts::new(Duration::from_secs(60)), AtomicUsize::new(0));
        let find_out = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(())
        };
        let both = tokio::join!(
            verdicts.on(whom(None), find_out()),
            verdicts.on(whom(None), find_out())
        );
        assert_eq!(both, (Ok(()), Ok(())));
        assert_eq!(verdicts.on(whom(None), find_out()).await, Ok(()));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    /// Asks until the last verdict is forgotten.
    async fn renewed(verdicts: &Verdicts, answer: Result<(), Refusal>) -> Result<(), Refusal> {
        loop {
            let is_asked = AtomicUsize::new(0);
            let find_out = async {
                is_asked.store(1, Ordering::Relaxed);
                answer
            };
            let verdict = verdicts.on(whom(None), find_out).await;
            if is_asked.load(Ordering::Relaxed) == 1 {
                return verdict;
            }
            tokio::time::sleep(MOMENT).await;
        }
    }

    #[tokio::test]
    async fn a_yes_stands_in_for_none_until_a_no() {
        let verdicts = Verdicts::new(MOMENT);
        let (none, no) = (Err(Refusal::Unavailable), Err(Refusal::Wrong));
        assert_eq!(renewed(&verdicts, none).await, none);
        assert_eq!(renewed(&verdicts, Ok(())).await, Ok(()));
        assert_eq!(renewed(&verdicts, none).await, Ok(()));
        assert_eq!(renewed(&verdicts, no).await, no);
        assert_eq!(renewed(&verdicts, none).await, none);
    }
}
