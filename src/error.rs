//! What can be wrong with an input. No variant carries secret data, so an error may be logged.

use core::fmt;

/// A rejected input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The secret has a character outside the base32 alphabet, or a length that no encoding gives (RFC 4648, section 6).
    InvalidBase32,
    /// A code has 1 to 10 digits (RFC 4226, section 5.3: a 31-bit number has at most ten).
    InvalidDigits,
    /// A time step lasts at least one second (RFC 6238, section 4.1).
    InvalidPeriod,
    /// A window would begin before counter 0 or end after the last 64-bit counter.
    WindowOutOfRange,
    /// The text is not an ordinary `otpauth://` URI.
    InvalidUri,
    /// The operating system gave no random bytes.
    NoRandomness,
    /// A buffer has not room for a code of each place, or its places are narrower than a code.
    BufferSize,
    /// A set of keys has lost one, which is a fault of this crate.
    MissingKey,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::InvalidBase32 => "the secret is not base32",
            Self::InvalidDigits => "digits must be between 1 and 10",
            Self::InvalidPeriod => "the period must be at least one second",
            Self::WindowOutOfRange => "the window leaves the range of 64-bit counters",
            Self::InvalidUri => "not an ordinary otpauth URI",
            Self::NoRandomness => "the operating system gave no random bytes",
            Self::BufferSize => "the buffer has not room for the code of each place",
            Self::MissingKey => "a key of the set is missing, which is a fault of ferrotp: please report it",
        };
        f.write_str(text)
    }
}

impl core::error::Error for Error {}
