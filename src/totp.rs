//! TOTP (RFC 6238): the clock is the counter.

use subtle::ConstantTimeEq;

use crate::{Digits, Error, HmacKey, hotp, window};

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
    let (first, last) = window::around(step, window)?;
    let Some(number) = hotp::number(text.as_bytes(), digits) else {
        return Ok(None);
    };
    Ok(window::first_match(key, first, last, |truncated| u64::from(digits.reduce(truncated)).ct_eq(&number)))
}
