//! A window of counters: every code in it is made and compared, so the time spent tells nothing of the match.

use subtle::{Choice, ConstantTimeGreater};

use crate::lanes::LANES;
use crate::{Error, HmacKey};

/// The first and the last counter of a window around a time step.
pub(crate) fn around(step: u64, window: u64) -> Result<(u64, u64), Error> {
    step.checked_sub(window).zip(step.checked_add(window)).ok_or(Error::WindowOutOfRange)
}

/// Of the counters that match, the one that counts: the earliest that is newer than the last one accepted. One code may
/// stand at two counters in a row, and the later one is its owner's next. Where none is newer it is the newest, which
/// was used. Which it is takes no more or less time.
///
/// Its flags are words of all bits or none: a [`Choice`] is hidden from the compiler each time that it changes, and here
/// each change waits for the one before it. What goes in is a `Choice`.
pub(crate) struct Pick {
    accepted: Option<u64>,
    counter: u64,
    /// Whether a counter that was used up is a hit.
    found_used: u64,
    /// Whether one that is newer is: no other counts after it.
    closed: u64,
}

impl Pick {
    /// `accepted` is the last counter of which a code was accepted.
    #[inline]
    pub(crate) fn new(accepted: Option<u64>) -> Self {
        Self { accepted, counter: 0, found_used: 0, closed: 0 }
    }

    /// Takes the next counter, in their order, if it is a hit and none before it counted.
    #[inline]
    pub(crate) fn offer(&mut self, counter: u64, hit: Choice) {
        let taken = all_bits(hit) & !self.closed;
        self.counter ^= (self.counter ^ counter) & taken;
        match self.accepted {
            None => self.closed |= taken,
            Some(accepted) => {
                self.closed |= taken & all_bits(counter.ct_gt(&accepted));
                self.found_used |= taken;
            }
        }
    }

    /// The counter that counts, if any was a hit.
    #[inline]
    pub(crate) fn counter(&self) -> Option<u64> {
        (self.found_used | self.closed != 0).then_some(self.counter)
    }
}

/// All bits for yes, none for no.
#[inline]
fn all_bits(choice: Choice) -> u64 {
    u64::from(choice.unwrap_u8()).wrapping_neg()
}

/// The counter in `first ..= last` whose truncated HMAC `matches`, after asking for every one of them; of several the
/// one that counts after `accepted` (see [`Pick`]).
#[inline]
pub(crate) fn find(
    key: &HmacKey,
    first: u64,
    last: u64,
    accepted: Option<u64>,
    matches: impl Fn(u32) -> Choice,
) -> Option<u64> {
    let mut pick = Pick::new(accepted);
    let mut attempt = |truncated: u32, counter: u64| pick.offer(counter, matches(truncated));
    match last.saturating_sub(first) {
        0 => attempt(key.truncated(first), first),
        // A step before and after, which is what a login asks for.
        2 => {
            for (truncated, counter) in key.truncated_few::<3>(first).into_iter().zip(first..=last) {
                attempt(truncated, counter);
            }
        }
        _ => for_each_truncated(key, first, last, attempt),
    }
    pick.counter()
}

/// Asks for the truncated HMAC of every counter in `first ..= last`, in order, hashed side by side.
#[inline(never)] // so a call for a single code does not set up its buffer
pub(crate) fn for_each_truncated(key: &HmacKey, first: u64, last: u64, mut attempt: impl FnMut(u32, u64)) {
    let mut next = Some(first);
    while let Some(first) = next.filter(|next| *next <= last) {
        let mut truncated = [0; 4 * LANES];
        let more = last.saturating_sub(first);
        let count =
            usize::try_from(more).map_or(usize::MAX, |more| more.saturating_add(1)).min(truncated.len());
        let Some(truncated) = truncated.get_mut(..count) else { return };
        key.truncated_run(first, truncated);
        for (truncated, counter) in truncated.iter().zip(first..=last) {
            attempt(*truncated, counter);
        }
        next = first.checked_add(count as u64);
    }
}
