//! TOTP (RFC 6238): the clock is the counter.

use core::num::NonZeroU64;

use subtle::ConstantTimeEq;

use crate::{Algorithm, Code, Digits, Error, HmacKey, Secret, hotp, window};

/// The time step at a Unix time (RFC 6238, section 4.2, with T0 = 0): seconds divided by the period, rounded down.
///
/// # Errors
/// [`Error::InvalidPeriod`] if `period` is 0.
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
///
/// # Errors
/// [`Error::WindowOutOfRange`].
pub fn find(key: &HmacKey, step: u64, window: u64, digits: Digits, text: &str) -> Result<Option<u64>, Error> {
    let (first, last) = window::around(step, window)?;
    let Some(number) = hotp::number(text.as_bytes(), digits) else {
        return Ok(None);
    };
    Ok(window::find(key, first, last, None, |truncated| u64::from(digits.reduce(truncated)).ct_eq(&number)))
}

/// A secret whose codes move with the clock. Wiped on drop.
#[derive(Debug)]
pub struct Totp {
    key: HmacKey,
    digits: Digits,
    period: NonZeroU64,
}

impl Totp {
    /// What every authenticator app understands: SHA-1, six digits and 30 seconds.
    pub fn new(secret: &Secret) -> Self {
        let period = const { NonZeroU64::MIN.saturating_add(29) };
        Self { key: HmacKey::new(Algorithm::Sha1, secret.as_bytes()), digits: Digits::SIX, period }
    }

    /// With another hash, codes of another length, or time steps of `period` seconds.
    ///
    /// # Errors
    /// [`Error::InvalidPeriod`] if `period` is 0.
    pub fn with(secret: &Secret, algorithm: Algorithm, digits: Digits, period: u64) -> Result<Self, Error> {
        let period = NonZeroU64::new(period).ok_or(Error::InvalidPeriod)?;
        Ok(Self { key: HmacKey::new(algorithm, secret.as_bytes()), digits, period })
    }

    /// The time step at a Unix time.
    pub fn step(&self, unix_seconds: u64) -> u64 {
        unix_seconds / self.period
    }

    /// The code at a Unix time.
    pub fn code(&self, unix_seconds: u64) -> Code {
        hotp::code(&self.key, self.step(unix_seconds), self.digits)
    }

    /// The time step, from `window` before a Unix time's to `window` after it, whose code is `text`. It must not be accepted
    /// again, nor one before it: keeping it is the caller's part, and `accepted` is the last one kept. Of several steps
    /// with this code the earliest after that one counts, so that the owner's next code is not refused; where none is
    /// after it, it is the newest. All codes of the window are made and compared.
    ///
    /// # Errors
    /// [`Error::WindowOutOfRange`] if the window begins before 1970, or ends after the last 64-bit step.
    pub fn find(
        &self,
        text: &str,
        unix_seconds: u64,
        window: u64,
        accepted: Option<u64>,
    ) -> Result<Option<u64>, Error> {
        let (first, last) = window::around(self.step(unix_seconds), window)?;
        let Some(number) = hotp::number(text.as_bytes(), self.digits) else {
            return Ok(None);
        };
        Ok(window::find(&self.key, first, last, accepted, |truncated| {
            u64::from(self.digits.reduce(truncated)).ct_eq(&number)
        }))
    }
}
