//! Stand-ins: a rung that sleeps lists the segments of another rung under its own addresses, so that
//! its playlist goes on without a gap while nobody makes it.
//!
//! Parts and cuts of different rungs arrive in any order, so after each of them every window takes
//! whatever is there for it.

use super::awake::Awake;
use super::init::InitSection;
use super::media::Part;
use super::rendition::Rendition;

/// Lets every window take what is there for it; returns the renditions that got something.
pub(super) fn settle(all: &mut [Rendition], awake: &Awake) -> Vec<usize> {
    let mut changed = Vec::new();
    loop {
        let mut moved = false;
        for n in 0..all.len() {
            let mut takes = all.get_mut(n).is_some_and(|this| this.settle_own(awake));
            while borrow(all, n, awake) {
                takes = true;
            }
            if takes && !changed.contains(&n) {
                changed.push(n);
            }
            moved |= takes;
        }
        if !moved {
            changed.sort_unstable();
            return changed;
        }
    }
}

/// Gives a rung that sleeps the next part of its stand-in; false when there is none.
fn borrow(all: &mut [Rendition], n: usize, awake: &Awake) -> bool {
    let Some((init, part)) = lent(all, n, awake) else {
        return false;
    };
    let Some(this) = all.get_mut(n) else {
        return false;
    };
    if let Some(init) = &init {
        this.window.init(init);
    }
    this.borrow(part)
}

/// The next part of a rung's stand-in, and the initialization section of the segment if it begins
/// one.
fn lent(all: &[Rendition], n: usize, awake: &Awake) -> Option<(Option<InitSection>, Part)> {
    let this = all.get(n)?;
    let (msn, index) = this.next(awake)?;
    let lender = lender(all, this, awake, msn)?;
    let segment = lender.window.segment(msn)?;
    let part = segment.parts.get(usize::try_from(index).ok()?)?.clone();
    let init = segment
        .init
        .and_then(|number| lender.window.section(number));
    Some((init.filter(|_| index == 0), part))
}

fn lender<'a>(
    all: &'a [Rendition],
    this: &Rendition,
    awake: &Awake,
    msn: u64,
) -> Option<&'a Rendition> {
    let rung = this.stand_in(awake, msn)?;
    let mut set = all.iter().filter(|r| r.packaging == this.packaging);
    set.find(|r| r.rung() == Some(rung))
}

/// A worker was lost. What it made of a rung and its stand-in ends somewhere: a segment that is open
/// because its rest was lost ends with the parts it has, if the next one is there.
pub(super) fn catch_up(all: &mut [Rendition], awake: &Awake) {
    loop {
        settle(all, awake);
        let stuck = (0..all.len()).find(|n| is_stuck(all, *n, awake));
        let Some(this) = stuck.and_then(|n| all.get_mut(n)) else {
            break;
        };
        this.window.close();
    }
    for rendition in all {
        rendition.forget();
    }
}

/// Whether a window waits for more of its open segment, while the next one has begun.
fn is_stuck(all: &[Rendition], n: usize, awake: &Awake) -> bool {
    let Some(this) = all.get(n) else {
        return false;
    };
    let Some((msn, 1..)) = this.window.next_part() else {
        return false;
    };
    let after = msn.saturating_add(1);
    match lender(all, this, awake, after) {
        Some(lender) => lender
            .window
            .segment(after)
            .is_some_and(|s| !s.parts.is_empty()),
        None => this.holds(after),
    }
}
