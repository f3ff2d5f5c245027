//! What can be wrong with an input. No variant carries secret data, so an error may be logged.

use core::fmt;

use crate::qr::{Colour, ErrorCorrection};
use crate::vault::KeyId;

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

/// What the vault refuses. No variant carries a key, a secret or a code, so an error may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VaultError {
    /// A key's text is not `ferrotp1_` and 43 characters of base64url.
    KeyText,
    /// A key has not 32 bytes.
    KeyLength,
    /// A key that nobody drew at random.
    WeakKey,
    /// A key stands twice in a keyring.
    DuplicateKey(KeyId),
    /// A keyring without a key.
    NoKeys,
    /// More keys than a keyring holds.
    TooManyKeys,
    /// A file of keys cannot be read.
    KeyFile(std::io::ErrorKind),
    /// A file of keys is open to others: its permissions.
    KeyFileMode(u32),
    /// A file of keys is no text, or longer than 64 keys could be.
    KeyFileContents,
    /// The record is not one: too short or too long, or made by another version.
    Malformed,
    /// The record was sealed with a key that is not in the keyring.
    UnknownKey(KeyId),
    /// The record was changed, or belongs to another tenant, user, factor or purpose.
    Changed(KeyId),
    /// The record holds a TOTP secret where HOTP was asked for, or the other way round.
    WrongKind(KeyId),
    /// A user or a factor without a name.
    EmptyOwner,
    /// A name of a tenant, user or factor over 1,024 bytes.
    LongOwner,
    /// A secret to seal has 10 to 128 bytes.
    SecretLength,
    /// A new secret has 16 to 128 bytes.
    NewSecretLength,
    /// A sealed secret makes codes of 6 to 10 digits.
    Digits,
    /// A time step lasts at least one second.
    Period,
    /// A window of more than a thousand codes.
    Window,
    /// A window would end after the last 64-bit counter.
    CounterOutOfRange,
    /// Costs that a password hash cannot have, or that no honest record asks for.
    Hashing,
    /// A set has 1 to 100 recovery codes, and one of another system 1 to 64 bytes.
    Count,
    /// The operating system gave no random bytes.
    NoRandomness,
    /// There is not as much memory as the password hash asks for.
    NoMemory,
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::KeyText => {
                "a key is 'ferrotp1_' and 43 characters of base64url, as ferrotp.vault.new_key() makes it"
            }
            Self::KeyLength => "a key has 32 bytes",
            Self::WeakKey => {
                "a key was not drawn at random (it is text, a sequence, or repeats itself): take one from \
                 ferrotp.vault.new_key()"
            }
            Self::DuplicateKey(id) => {
                return write!(f, "key {id} stands twice in the keyring: leave one out");
            }
            Self::NoKeys => "the keyring has no key: make one with ferrotp.vault.new_key()",
            Self::TooManyKeys => "a keyring holds at most 64 keys",
            Self::KeyFile(kind) => return write!(f, "the file of keys cannot be read: {kind}"),
            Self::KeyFileMode(mode) => {
                return write!(
                    f,
                    "the file of keys is open to others (mode {mode:04o}): give it mode 0400 or 0600, or 0440 with \
                     allow_group"
                );
            }
            Self::KeyFileContents => "the file holds no keys: it is no text, or longer than 64 keys could be",
            Self::Malformed => "not a sealed record, or one of a newer version: check what the column holds",
            Self::UnknownKey(id) => {
                return write!(
                    f,
                    "the record was sealed with key {id}, which is not in the keyring: add it again, after the key that \
                     writes, until every record is resealed"
                );
            }
            Self::Changed(id) => {
                return write!(
                    f,
                    "the record (key {id}) was changed, or belongs to another tenant, user, factor or purpose: restore \
                     the row, or bind the factor again"
                );
            }
            Self::WrongKind(id) => {
                return write!(
                    f,
                    "the record (key {id}) holds a secret of the other kind (TOTP, HOTP): restore the row, or bind the \
                     factor again"
                );
            }
            Self::EmptyOwner => "the user and the factor of a record have a name",
            Self::LongOwner => "the name of a tenant, user or factor has at most 1024 bytes",
            Self::SecretLength => "a secret has 10 to 128 bytes",
            Self::NewSecretLength => "a new secret has 16 to 128 bytes",
            Self::Digits => "digits must be between 6 and 10",
            Self::Period => "the period must be at least one second",
            Self::Window => "a window has at most 1000 codes before or after",
            Self::CounterOutOfRange => "the window leaves the range of 64-bit counters",
            Self::Hashing => {
                "Argon2id takes 8 KiB a lane to 256 MiB of memory, 1 to 64 passes, 1 to 64 lanes; PBKDF2 1000 to \
                 10000000 iterations"
            }
            Self::Count => "a set has 1 to 100 recovery codes, each of at most 64 bytes",
            Self::NoRandomness => "the operating system gave no random bytes",
            Self::NoMemory => "there is not as much memory as the password hash asks for",
        };
        f.write_str(text)
    }
}

impl core::error::Error for VaultError {}
