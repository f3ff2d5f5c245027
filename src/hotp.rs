//! HOTP (RFC 4226): a counter becomes a code.

use core::fmt;
use core::num::NonZeroU8;

use subtle::{Choice, ConstantTimeEq};

use crate::window::{self, Pick};
use crate::{Algorithm, Error, HmacKey, Secret};

/// How many digits a code has: 1 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits(NonZeroU8);

impl Digits {
    /// What authenticator apps show.
    pub const SIX: Self = Self(NonZeroU8::MIN.saturating_add(5));
    /// A 31-bit number has no more.
    pub const MAX: Self = Self(NonZeroU8::MIN.saturating_add(9));

    /// Refuses 0 and more than 10.
    ///
    /// # Errors
    /// [`Error::InvalidDigits`].
    pub const fn new(digits: u8) -> Result<Self, Error> {
        match NonZeroU8::new(digits) {
            Some(digits) if digits.get() <= Self::MAX.get() => Ok(Self(digits)),
            _ => Err(Error::InvalidDigits),
        }
    }

    /// The number of digits.
    #[inline]
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// Keeps the low digits of a truncated HMAC (RFC 4226, section 5.3, step 3).
    #[inline]
    pub(crate) fn reduce(self, truncated: u32) -> u32 {
        // Constants, which the compiler divides by without a division.
        match self.0.get() {
            1 => truncated % 10,
            2 => truncated % 100,
            3 => truncated % 1_000,
            4 => truncated % 10_000,
            5 => truncated % 100_000,
            6 => truncated % 1_000_000,
            7 => truncated % 10_000_000,
            8 => truncated % 100_000_000,
            9 => truncated % 1_000_000_000,
            _ => truncated, // 31 bits are below 10^10
        }
    }
}

/// A code as text, with its leading zeros. It dies with its time step, so it is not wiped. Two are compared in constant
/// time, by what they show.
#[derive(Clone, Copy)]
pub struct Code {
    /// The code stands at the end. Before it are digits that it does not show.
    text: [u8; Digits::MAX.get() as usize],
    length: u8,
}

impl Code {
    /// The last `digits` decimal digits of `value`.
    #[inline]
    #[allow(clippy::arithmetic_side_effects, reason = "no power is zero")]
    pub(crate) fn from_number(value: u32, digits: Digits) -> Self {
        // All places at once: one after the other, each would wait for the division before it.
        let powers = [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
        Self { text: powers.map(|power| b'0' | (value / power % 10) as u8), length: digits.get() }
    }

    /// Five ASCII characters.
    pub(crate) fn from_ascii([a, b, c, d, e]: [u8; 5]) -> Self {
        Self { text: [0, 0, 0, 0, 0, a, b, c, d, e], length: 5 }
    }

    /// The code's characters.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The code's characters, ASCII all.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        let start = self.text.len().saturating_sub(usize::from(self.length));
        self.text.get(start..).unwrap_or_default()
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Eq for Code {}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code([{} characters redacted])", self.length)
    }
}

/// The code of a counter (RFC 4226, section 5.3).
#[inline]
pub fn code(key: &HmacKey, counter: u64, digits: Digits) -> Code {
    Code::from_number(key.truncated(counter), digits)
}

/// The number that a typed code stands for: exactly `digits` ASCII digits, or `None`.
#[inline]
pub(crate) fn number(text: &[u8], digits: Digits) -> Option<u64> {
    if text.len() != usize::from(digits.get()) {
        return None;
    }
    let mut number = 0u64;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(byte & 0xf));
    }
    Some(number)
}

/// Whether `number` is the code of this counter, in a time that does not depend on either.
#[inline]
pub(crate) fn is_code(key: &HmacKey, counter: u64, digits: Digits, number: u64) -> Choice {
    u64::from(digits.reduce(key.truncated(counter))).ct_eq(&number)
}

/// Whether `text` is the code of this counter (RFC 4226, section 7.2): exact ASCII digits, compared in constant time.
pub fn verify(key: &HmacKey, counter: u64, digits: Digits, text: &str) -> bool {
    number(text.as_bytes(), digits).is_some_and(|number| is_code(key, counter, digits, number).into())
}

/// The counter of `next_text`, where `text` and `next_text` are the codes of two counters in a row, the first of them in
/// `first ..= last` (RFC 4226, section 7.4). The earliest such pair counts. All counters are hashed and compared.
///
/// # Errors
/// [`Error::WindowOutOfRange`] if there is no counter after `last`.
pub fn resync(
    key: &HmacKey,
    first: u64,
    last: u64,
    digits: Digits,
    text: &str,
    next_text: &str,
) -> Result<Option<u64>, Error> {
    find_pair(key, first, last, None, digits, text, next_text)
}

/// The same, where the second of several pairs may count: the earliest of which neither code is of a counter up to
/// `accepted`, or if there is none, the newest.
pub(crate) fn find_pair(
    key: &HmacKey,
    first: u64,
    last: u64,
    accepted: Option<u64>,
    digits: Digits,
    text: &str,
    next_text: &str,
) -> Result<Option<u64>, Error> {
    let end = last.checked_add(1).ok_or(Error::WindowOutOfRange)?;
    let Some((number, next_number)) =
        number(text.as_bytes(), digits).zip(number(next_text.as_bytes(), digits))
    else {
        return Ok(None);
    };
    // The first counter of the pair is to be newer, so the second is compared with the one after.
    let (mut pick, mut before) =
        (Pick::new(accepted.map(|accepted| accepted.saturating_add(1))), Choice::from(0));
    window::for_each_truncated(key, first, end, |truncated, counter| {
        let value = u64::from(digits.reduce(truncated));
        pick.offer(counter, before & value.ct_eq(&next_number));
        before = value.ct_eq(&number);
    });
    Ok(pick.counter())
}

/// A secret whose codes move with a counter. Wiped on drop.
#[derive(Debug)]
pub struct Hotp {
    key: HmacKey,
    digits: Digits,
}

impl Hotp {
    /// What every authenticator app understands: SHA-1 and six digits.
    pub fn new(secret: &Secret) -> Self {
        Self::with(secret, Algorithm::Sha1, Digits::SIX)
    }

    /// With another hash, or codes of another length.
    pub fn with(secret: &Secret, algorithm: Algorithm, digits: Digits) -> Self {
        Self { key: HmacKey::new(algorithm, secret.as_bytes()), digits }
    }

    /// The code of a counter.
    pub fn code(&self, counter: u64) -> Code {
        code(&self.key, counter, self.digits)
    }

    /// The earliest counter from `first` to `look_ahead` after it whose code is `text`. The next one may only be found from
    /// the counter after it, which is the caller's to keep. All codes of the window are made and compared.
    ///
    /// # Errors
    /// [`Error::WindowOutOfRange`] if the window ends after the last 64-bit counter.
    pub fn find(&self, text: &str, first: u64, look_ahead: u64) -> Result<Option<u64>, Error> {
        let last = first.checked_add(look_ahead).ok_or(Error::WindowOutOfRange)?;
        let Some(number) = number(text.as_bytes(), self.digits) else {
            return Ok(None);
        };
        Ok(window::find(&self.key, first, last, None, |truncated| {
            u64::from(self.digits.reduce(truncated)).ct_eq(&number)
        }))
    }

    /// The counter of `next_text`, where the two texts are the codes of two counters in a row, the first of them from
    /// `first` to `window` after it (RFC 4226, section 7.4): for a token that was pressed too often.
    ///
    /// # Errors
    /// [`Error::WindowOutOfRange`] if the counter after the window is not a 64-bit one.
    pub fn resync(&self, text: &str, next_text: &str, first: u64, window: u64) -> Result<Option<u64>, Error> {
        let last = first.checked_add(window).ok_or(Error::WindowOutOfRange)?;
        resync(&self.key, first, last, self.digits, text, next_text)
    }
}
