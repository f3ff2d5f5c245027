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

/// A key of up to so many bytes is decoded on the stack: SHA-512's recommended 64, in whole groups of five.
const ON_STACK: usize = 65;

/// Lends the decoded key to `use_key` and wipes it. Time depends on the length of `text`, not on its characters.
pub(crate) fn with_decoded<R>(text: &[u8], use_key: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
    let text = unpadded(text)?;
    let room = text.len().div_ceil(CHARACTERS).saturating_mul(BYTES);
    if room <= ON_STACK {
        let mut key = Wiped::<ON_STACK>::zeros();
        decode(text, &mut *key).map(use_key)
    } else {
        decode(text, &mut Zeroizing::new(vec![0; room])).map(use_key)
    }
}

/// How many bytes the key has, without decoding it. Time depends on the length of `text`, not on its characters.
///
/// # Errors
/// [`Error::InvalidBase32`], for what [`Secret::from_base32`] refuses.
pub fn decoded_len(text: &[u8]) -> Result<usize, Error> {
    length_of(unpadded(text)?)
}

/// The same of a text without its padding.
fn length_of(text: &[u8]) -> Result<usize, Error> {
    let in_alphabet = text.iter().fold(true, |all, byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'2') < 6;
        all & (letter | digit)
    });
    // The last group has 2, 4, 5 or 7 characters, or is whole.
    let whole = !matches!(text.len() % CHARACTERS, 1 | 3 | 6);
    if in_alphabet && whole {
        Ok(text.len().saturating_mul(BYTES) / CHARACTERS)
    } else {
        Err(Error::InvalidBase32)
    }
}

/// Takes off padding, which must be what the length calls for: it fills the last group.
fn unpadded(text: &[u8]) -> Result<&[u8], Error> {
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last.saturating_add(1));
    let padding = text.len().saturating_sub(end);
    if padding != 0 && (padding >= CHARACTERS || !text.len().is_multiple_of(CHARACTERS)) {
        return Err(Error::InvalidBase32);
    }
    text.get(..end).ok_or(Error::InvalidBase32)
}

/// `key` must have room for whole groups.
fn decode<'a>(text: &[u8], key: &'a mut [u8]) -> Result<&'a [u8], Error> {
    let length = length_of(text)?;
    let (groups, rest) = text.as_chunks::<CHARACTERS>();
    let (whole, cut_off) =
        key.as_chunks_mut().0.split_at_mut_checked(groups.len()).ok_or(Error::InvalidBase32)?;
    for (to, characters) in whole.iter_mut().zip(groups) {
        *to = bytes_of(u64::from_be_bytes(*characters));
    }
    if !rest.is_empty() {
        // What a group at the end has not, is zero bits.
        let filled = rest.iter().chain(&[b'A'; CHARACTERS]).take(CHARACTERS);
        let characters = filled.fold(0, |characters, character| characters << 8 | u64::from(*character));
        *cut_off.first_mut().ok_or(Error::InvalidBase32)? = bytes_of(characters);
    }
    key.get(..length).ok_or(Error::InvalidBase32)
}

/// Characters of a group of base32, and the bytes that they are.
const CHARACTERS: usize = 8;
const BYTES: usize = 5;

/// The bytes of a group, whose characters are all in the alphabet. They are computed side by side, in the bytes of a
/// word, and no branch or address depends on one.
#[inline(always)]
fn bytes_of(characters: u64) -> [u8; BYTES] {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; CHARACTERS])
    }
    // In ASCII the low five bits are 1 to 26 for a letter in either case, which stands for 0 to 25, and 18 to 23 for a
    // digit, which stands for 26 to 31.
    let is_digit = !characters >> 6 & all(1);
    let fives = (characters & all(0x1f)).wrapping_add(is_digit.wrapping_mul(9)).wrapping_sub(all(1));
    // Two neighbours at a time become one.
    let tens = (fives & 0x1f00_1f00_1f00_1f00) >> 3 | fives & 0x001f_001f_001f_001f;
    let twenties = (tens & 0x03ff_0000_03ff_0000) >> 6 | tens & 0x0000_03ff_0000_03ff;
    let [_, _, _, bytes @ ..] = (twenties >> 32 << 20 | twenties & 0xf_ffff).to_be_bytes();
    bytes
}
