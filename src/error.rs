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
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidBase32 => "the secret is not base32",
            Self::InvalidDigits => "digits must be between 1 and 10",
            Self::InvalidPeriod => "the period must be at least one second",
            Self::WindowOutOfRange => "the window leaves the range of 64-bit counters",
            Self::InvalidUri => "not an ordinary otpauth URI",
            Self::NoRandomness => "the operating system gave no random bytes",
        })
    }
}

impl core::error::Error for Error {}

/// What kind of fault stops an account on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferErrorKind {
    /// The input breaks the rules of its format.
    Malformed,
    /// The input is well formed, and says something that has no meaning here.
    Unsupported,
    /// The input is larger, deeper or longer than any honest one.
    Limit,
    /// The input is encrypted, and the key was not given.
    Encrypted,
    /// The given key does not open the input, or the input was changed.
    WrongKey,
}

/// A rejected export of accounts, or one account of it. The message is one of ours, never text of the input; the
/// place and the account's label are, and neither is the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferError {
    /// Which kind of fault.
    pub kind: TransferErrorKind,
    /// What is wrong.
    pub message: &'static str,
    /// Where: an entry, an XML path, a line. Empty for the input as a whole.
    pub place: String,
    /// The account that it is about, where that is known.
    pub account: Option<String>,
}

impl TransferError {
    pub(crate) fn new(kind: TransferErrorKind, message: &'static str, place: impl Into<String>) -> Self {
        Self { kind, message, place: place.into(), account: None }
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)?;
        if !self.place.is_empty() {
            write!(f, " (at {})", self.place)?;
        }
        match &self.account {
            Some(account) => write!(f, " (account {account:?})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for TransferError {}
