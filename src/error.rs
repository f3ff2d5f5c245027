//! What can be wrong with an input. No variant carries secret data, so an error may be logged.

use core::fmt;

use crate::qr::{Colour, ErrorCorrection};

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
    /// A QR code of nothing.
    QrEmpty,
    /// The text does not fit into the largest QR code (version 40) of this error correction.
    QrTooLong(ErrorCorrection),
    /// A picture has 1 to [`crate::qr::LARGEST`] pixels a side, and its border at most
    /// [`crate::qr::WIDEST_BORDER`] modules.
    QrSize,
    /// A picture of this many pixels has no pixel for each module; it would need so many.
    QrTooSmall {
        /// The modules a side, the border among them.
        needed: u32,
    },
    /// Not `#rgb`, `#rrggbb`, `black` or `white`.
    InvalidColour,
    /// The two colours are too alike for a camera.
    WeakContrast {
        /// Of the dark modules.
        dark: Colour,
        /// Of the light modules.
        light: Colour,
        /// WCAG's contrast ratio in hundredths, rounded down.
        hundredths: u16,
    },
    /// The dark modules are the lighter ones, and nobody asked for that.
    Inverted {
        /// Of the dark modules.
        dark: Colour,
        /// Of the light modules.
        light: Colour,
        /// WCAG's contrast ratio in hundredths, rounded down.
        hundredths: u16,
    },
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
            Self::QrEmpty => "there is no text to put into a QR code",
            Self::QrTooLong(level) => {
                let capacity = level.capacity();
                return write!(
                    f,
                    "the text is too long: a QR code of error correction {level} holds {capacity} bytes"
                );
            }
            Self::QrSize => "size must be between 1 and 8192 pixels, border between 0 and 64 modules",
            Self::QrTooSmall { needed } => {
                return write!(f, "size is too small: this QR code needs at least {needed} pixels");
            }
            Self::InvalidColour => "a colour is '#rgb', '#rrggbb', 'black' or 'white'",
            Self::WeakContrast { dark, light, hundredths } => {
                let (whole, part) = (hundredths / 100, hundredths % 100);
                return write!(
                    f,
                    "{dark} on {light} is too weak to scan: the contrast is {whole}.{part:02}:1, and must be at least 3:1"
                );
            }
            Self::Inverted { dark, light, hundredths } => {
                let (whole, part) = (hundredths / 100, hundredths % 100);
                return write!(
                    f,
                    "{dark} on {light} is inverted, which many readers do not read (the contrast is {whole}.{part:02}:1): \
                     swap the colours, or allow it with allow_inverted"
                );
            }
        };
        f.write_str(text)
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
