//! The shared secret: base32 in, key bytes out, wiped on drop.

use base32ct::{Base32UpperUnpadded, Encoding};
use zeroize::Zeroizing;

use crate::Error;
use crate::wipe::Wiped;

/// Key bytes. `Debug` shows their number alone.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes key bytes as they are.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Decodes base32 (RFC 4648, section 6): either case, with or without its padding, nothing else.
    ///
    /// Bits left over in the last character are ignored, as most decoders do.
    ///
    /// # Errors
    /// [`Error::InvalidBase32`].
    pub fn from_base32(text: &str) -> Result<Self, Error> {
        with_decoded(text.as_bytes(), Self::from_bytes)
    }

    /// The key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Base32 in upper case, without padding: the form in a URI.
    pub fn to_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(Base32UpperUnpadded::encode_string(&self.0))
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Secret([{} bytes redacted])", self.0.len())
    }
}

/// A secret of up to this many characters (60 bytes: SHA-512's recommended 64 just exceed it) is decoded on the stack.
const ON_STACK: usize = 96;

/// Lends the decoded key to `use_key` and wipes it. Time depends on the length of `text`, not on its characters.
pub(crate) fn with_decoded<R>(text: &[u8], use_key: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
    let text = unpadded(text)?;
    if text.len() <= ON_STACK {
        let (mut upper, mut key) = (Wiped::<ON_STACK>::zeros(), Wiped::<ON_STACK>::zeros());
        decode(text, &mut *upper, &mut *key).map(use_key)
    } else {
        let (mut upper, mut key) = (Zeroizing::new(vec![0; text.len()]), Zeroizing::new(vec![0; text.len()]));
        decode(text, &mut upper, &mut key).map(use_key)
    }
}

/// How many bytes the key has, without decoding it. Time depends on the length of `text`, not on its characters.
///
/// # Errors
/// [`Error::InvalidBase32`], for what [`Secret::from_base32`] refuses.
pub fn decoded_len(text: &[u8]) -> Result<usize, Error> {
    let text = unpadded(text)?;
    let in_alphabet = text.iter().fold(true, |all, byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'2') < 6;
        all & (letter | digit)
    });
    // The last group of eight characters has 2, 4, 5 or 7 of them, or is whole.
    let whole = !matches!(text.len() % 8, 1 | 3 | 6);
    if in_alphabet && whole { Ok(text.len().saturating_mul(5) / 8) } else { Err(Error::InvalidBase32) }
}

/// Takes off padding, which must be what the length calls for: it fills the last group of eight.
fn unpadded(text: &[u8]) -> Result<&[u8], Error> {
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last.saturating_add(1));
    let padding = text.len().saturating_sub(end);
    if padding != 0 && (padding >= 8 || !text.len().is_multiple_of(8)) {
        return Err(Error::InvalidBase32);
    }
    text.get(..end).ok_or(Error::InvalidBase32)
}

/// `upper` and `key` must be at least as long as `text`.
fn decode<'a>(text: &[u8], upper: &mut [u8], key: &'a mut [u8]) -> Result<&'a [u8], Error> {
    for (to, from) in upper.iter_mut().zip(text) {
        // Without a branch on the character: clears bit 5 where it is a lower-case letter.
        let is_lower = u8::from(from.wrapping_sub(b'a') < 26);
        *to = from & !(is_lower << 5);
    }
    let upper = upper.get(..text.len()).ok_or(Error::InvalidBase32)?;
    Base32UpperUnpadded::decode(upper, key).map_err(|_| Error::InvalidBase32)
}
