//! TOTP (RFC 6238): the clock is the counter.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::{Digits, Error, HmacKey, hotp};

/// The time step at a Unix time (RFC 6238, section 4.2, with T0 = 0): seconds divided by the period, rounded down.
pub const fn time_step(unix_seconds: u64, period: u64) -> Result<u64, Error> {
    match unix_seconds.checked_div(period) {
        Some(step) => Ok(step),
        None => Err(Error::InvalidPeriod),
    }
}

/// The first step in `step - window ..= step + window` whose code is `text`, if any (RFC 6238, section 5.2).
///
/// All codes of the window are made and compared, so the time spent does not tell which one matched.
/// A window that leaves the range of counters is an error.
pub fn find(key: &HmacKey, step: u64, window: u64, digits: Digits, text: &str) -> Result<Option<u64>, Error> {
    let (first, last) = self::window(step, window)?;
    let Some(number) = hotp::number(text.as_bytes(), digits) else {
        return Ok(None);
    };
    Ok(first_match(key, first, last, |truncated| u64::from(digits.reduce(truncated)).ct_eq(&number)))
}

/// The first and the last counter of a window.
pub(crate) fn window(step: u64, window: u64) -> Result<(u64, u64), Error> {
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
    // From the last to the first, so that an earlier match replaces a later one, unless the newest is to stay.
    let mut try_lanes = |truncated: &[u32], counters: &[u64]| {
        for (truncated, counter) in truncated.iter().zip(counters).rev() {
            let hit = matches(*truncated);
            let replaces = if NEWEST { hit & !found } else { hit };
            counter_found.conditional_assign(counter, replaces);
            found |= hit;
        }
    };
    if first == last {
        try_lanes(&[key.truncated(first)], &[first]);
    } else {
        // Three lanes are what a window of one step before and after needs.
        let mut end = Some(last);
        while let Some(newest) = end.filter(|newest| *newest >= first) {
            let counters = [2, 1, 0].map(|back| newest.saturating_sub(back));
            let outside = counters.iter().filter(|counter| **counter < first).count();
            let truncated = key.truncated_lanes(counters);
            try_lanes(
                truncated.get(outside..).unwrap_or_default(),
                counters.get(outside..).unwrap_or_default(),
            );
            end = newest.checked_sub(3);
        }
    }
    bool::from(found).then_some(counter_found)
}
