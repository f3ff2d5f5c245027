//! New secrets from the operating system's generator.

use base32ct::{Base32UpperUnpadded, Encoding};
use zeroize::Zeroizing;

use crate::Error;

/// `length` random base32 characters: five bits each, so 32 characters are the 160 bits of RFC 4226 R6.
pub fn base32(length: usize) -> Result<Zeroizing<String>, Error> {
    // Whole groups of eight characters from five bytes, cut to length.
    let mut bytes = Zeroizing::new(vec![0u8; length.div_ceil(8).saturating_mul(5)]);
    getrandom::fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    let mut text = Zeroizing::new(Base32UpperUnpadded::encode_string(&bytes));
    text.truncate(length);
    Ok(text)
}
