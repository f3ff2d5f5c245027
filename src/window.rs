//! A window of counters: every code in it is made and compared, so the time spent tells nothing of the match.

use subtle::{Choice, ConditionallySelectable};

use crate::lanes::LANES;
use crate::{Error, HmacKey};

/// The first and the last counter of a window around a time step.
pub(crate) fn around(step: u64, window: u64) -> Result<(u64, u64), Error> {
    step.checked_sub(window).zip(step.checked_add(window)).ok_or(Error::WindowOutOfRange)
}

/// The lowest counter in `first ..= last` whose truncated HMAC `matches`, after asking for every one of them.
#[inline]
pub(crate) fn first_match(
    key: &HmacKey,
    first: u64,
    last: u64,
    matches: impl Fn(u32) -> Choice,
) -> Option<u64> {
    any_match::<false>(key, first, last, matches)
}

/// The highest counter in `first ..= last` whose truncated HMAC `matches`, after asking for every one of them.
#[inline]
pub(crate) fn newest_match(
    key: &HmacKey,
    first: u64,
    last: u64,
    matches: impl Fn(u32) -> Choice,
) -> Option<u64> {
    any_match::<true>(key, first, last, matches)
}

#[inline]
fn any_match<const NEWEST: bool>(
    key: &HmacKey,
    first: u64,
    last: u64,
    matches: impl Fn(u32) -> Choice,
) -> Option<u64> {
    let mut found = Choice::from(0);
    let mut counter_found = 0u64;
    let mut attempt = |truncated: u32, counter: u64| {
        let hit = matches(truncated);
        let replaces = if NEWEST { hit } else { hit & !found };
        counter_found.conditional_assign(&counter, replaces);
        found |= hit;
    };
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
    bool::from(found).then_some(counter_found)
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
