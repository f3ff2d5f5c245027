//! New secrets from the operating system's generator.

use base32ct::{Base32UpperUnpadded, Encoding};
use zeroize::Zeroizing;

use crate::Error;
use crate::wipe::Wiped;

/// A piece of a secret: so many bytes are so many characters.
const BYTES: usize = 40;
const CHARACTERS: usize = BYTES / 5 * 8;

/// `length` random base32 characters: five bits each, so 32 characters are the 160 bits of RFC 4226 R6.
///
/// # Errors
/// [`Error::NoRandomness`] if the operating system gave none.
pub fn base32(length: usize) -> Result<Zeroizing<String>, Error> {
    let mut text = Zeroizing::new(String::with_capacity(length.next_multiple_of(8)));
    let mut random = Wiped::<BYTES>::zeros();
    let mut encoded = Wiped::<CHARACTERS>::zeros();
    while text.len() < length {
        // Whole groups of eight characters from five bytes; what is too long is cut off below.
        let missing = length.saturating_sub(text.len()).min(CHARACTERS).div_ceil(8);
        let random = random.get_mut(..missing.saturating_mul(5)).ok_or(Error::NoRandomness)?;
        getrandom::fill(random).map_err(|_| Error::NoRandomness)?;
        text.push_str(Base32UpperUnpadded::encode(random, &mut *encoded).map_err(|_| Error::NoRandomness)?);
    }
    text.truncate(length);
    Ok(text)
}
