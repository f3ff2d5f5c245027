//! What stops an account on its way in.

use core::fmt;

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
