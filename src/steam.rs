//! Steam's codes: TOTP over SHA-1, written in an alphabet of its own.

use subtle::ConstantTimeEq;

use crate::{Code, Digits, Error, HmacKey, window};

/// The characters of a Steam code: digits and capitals that are hard to mistake for one another.
pub const ALPHABET: &[u8; 26] = b"23456789BCDFGHJKMNPQRTVWXY";
/// A Steam code has five characters.
pub const LENGTH: usize = 5;

/// The code of a counter: the truncated HMAC written from its lowest place up, in base 26.
#[inline]
pub fn code(key: &HmacKey, counter: u64) -> Code {
    from_number(key.truncated(counter))
}

/// pyotp lets `digits` be set on a Steam object; fewer than ten then cut the number before it is written.
#[inline]
pub fn reduced_code(key: &HmacKey, counter: u64, digits: Digits) -> Code {
    from_number(digits.reduce(key.truncated(counter)))
}

/// The first step of the window whose code is `text`, as [`totp::find`](crate::totp::find) does for digits.
///
/// # Errors
/// [`Error::WindowOutOfRange`].
pub fn find(key: &HmacKey, step: u64, window: u64, digits: Digits, text: &str) -> Result<Option<u64>, Error> {
    let (first, last) = window::around(step, window)?;
    if text.len() != LENGTH {
        return Ok(None);
    }
    Ok(window::find(key, first, last, None, |truncated| {
        from_number(digits.reduce(truncated)).as_bytes().ct_eq(text.as_bytes())
    }))
}

#[allow(clippy::arithmetic_side_effects, reason = "the alphabet is not empty")]
#[allow(
    clippy::indexing_slicing,
    reason = "a remainder by its length, and a zero byte for a symbol could be typed"
)]
pub(crate) fn from_number(mut number: u32) -> Code {
    let mut text = [0u8; LENGTH];
    for place in &mut text {
        *place = ALPHABET[(number % ALPHABET.len() as u32) as usize];
        number /= ALPHABET.len() as u32;
    }
    Code::from_ascii(text)
}
