//! What the vault refuses.

use core::fmt;

use super::KeyId;

/// What the vault refuses. No variant carries a key, a secret or a code, so an error may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VaultError {
    /// A key's text is not `ferrotp1_` and 43 characters of base64url.
    KeyText,
    /// A key has not 32 bytes.
    KeyLength,
    /// A key that was not drawn at random.
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
