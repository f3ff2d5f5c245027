//! Keys: one that writes, and older ones that still read.

use core::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{KeyId, Purpose, VaultError};
use crate::wipe::{Wiped, with_wiped_stack};

const PREFIX: &str = "ferrotp1_";
/// 32 bytes as base64 without padding.
const CHARACTERS: usize = 43;
/// The longest file of keys, in bytes: all of them, and comments.
const MAX_FILE: usize = 64 << 10;
const ID_LABEL: &[u8] = b"ferrotp v1 key id";
const RECORD_LABEL: &[u8] = b"ferrotp v1 record ";
const MAC_LABEL: &[u8] = b"ferrotp v1 mac ";

/// 32 random bytes, wiped on drop. `Debug` shows the id alone.
pub struct Key {
    // Boxed: what is moved leaves a copy behind.
    bytes: Box<Wiped<{ Key::LENGTH }>>,
    id: KeyId,
}

impl Key {
    /// How many bytes a key has.
    pub const LENGTH: usize = 32;

    /// A key from the operating system's generator.
    ///
    /// # Errors
    /// [`VaultError::NoRandomness`] if the operating system gave none.
    pub fn generate() -> Result<Self, VaultError> {
        let mut bytes = Box::new(Wiped::zeros());
        getrandom::fill(&mut **bytes).map_err(|_| VaultError::NoRandomness)?;
        Self::from_boxed(bytes)
    }

    /// Takes 32 bytes, and refuses those that were not drawn at random: printable text, few different values, a sequence.
    /// A random key looks like that less than once in 10^13.
    ///
    /// # Errors
    /// [`VaultError::KeyLength`] and [`VaultError::WeakKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let mut key = Box::new(Wiped::zeros());
        if bytes.len() != key.len() {
            return Err(VaultError::KeyLength);
        }
        key.copy_from_slice(bytes);
        Self::from_boxed(key)
    }

    /// Reads `ferrotp1_` and 43 characters of base64url without padding; nothing else.
    ///
    /// # Errors
    /// [`VaultError::KeyText`] and [`VaultError::WeakKey`].
    pub fn from_text(text: &str) -> Result<Self, VaultError> {
        let encoded = text.strip_prefix(PREFIX).filter(|encoded| encoded.len() == CHARACTERS);
        let mut bytes = Box::new(Wiped::zeros());
        match encoded.map(|encoded| Base64UrlUnpadded::decode(encoded, &mut **bytes).map(<[u8]>::len)) {
            Some(Ok(Self::LENGTH)) => Self::from_boxed(bytes),
            _ => Err(VaultError::KeyText),
        }
    }

    fn from_boxed(bytes: Box<Wiped<{ Self::LENGTH }>>) -> Result<Self, VaultError> {
        with_wiped_stack(|| {
            if is_weak(&bytes) {
                return Err(VaultError::WeakKey);
            }
            let mut id = [0; 8];
            Hkdf::<Sha256>::new(None, &**bytes)
                .expand(ID_LABEL, &mut id)
                .map_err(|_| VaultError::KeyLength)?;
            Ok(Self { bytes, id: KeyId(id) })
        })
    }

    /// The form that [`from_text`](Self::from_text) reads. It opens every record.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut encoded = Wiped::<CHARACTERS>::zeros();
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len().saturating_add(CHARACTERS)));
        text.push_str(PREFIX);
        text.push_str(Base64UrlUnpadded::encode(&**self.bytes, &mut *encoded).unwrap_or_default());
        text
    }

    /// Its id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The key of one record: HKDF (RFC 5869) over the record's salt, for one purpose. The caller wipes the stack.
    pub(super) fn record_key(
        &self,
        salt: &[u8],
        purpose: Purpose,
    ) -> Result<Wiped<{ Self::LENGTH }>, VaultError> {
        let mut key = Wiped::zeros();
        Hkdf::<Sha256>::new(Some(salt), &**self.bytes)
            .expand_multi_info(&[RECORD_LABEL, purpose.name().as_bytes()], &mut *key)
            .map_err(|_| VaultError::KeyLength)?;
        Ok(key)
    }

    /// The key of one label's MACs: HKDF without a salt. The caller wipes the stack.
    pub(super) fn mac_key(&self, label: &str) -> Result<Wiped<{ Self::LENGTH }>, VaultError> {
        let mut key = Wiped::zeros();
        Hkdf::<Sha256>::new(None, &**self.bytes)
            .expand_multi_info(&[MAC_LABEL, label.as_bytes()], &mut *key)
            .map_err(|_| VaultError::KeyLength)?;
        Ok(key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, [redacted])", self.id)
    }
}

#[cfg(unix)]
fn check_permissions(file: &File, allow_group: bool) -> Result<(), VaultError> {
    use std::os::unix::fs::PermissionsExt;

    let metadata = file.metadata().map_err(|error| VaultError::KeyFile(error.kind()))?;
    let mode = metadata.permissions().mode() & 0o7777;
    let open = if allow_group { 0o037 } else { 0o077 };
    if mode & open == 0 { Ok(()) } else { Err(VaultError::KeyFileMode(mode)) }
}

#[cfg(not(unix))]
fn check_permissions(_: &File, _: bool) -> Result<(), VaultError> {
    Ok(())
}

fn is_weak(bytes: &[u8; Key::LENGTH]) -> bool {
    let printable = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let mut seen = [false; 256];
    for byte in bytes {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    let few = seen.iter().filter(|seen| **seen).count() < 8;
    let mut steps = bytes.windows(2).map(|pair| match pair {
        [byte, next] => next.wrapping_sub(*byte),
        _ => 0,
    });
    let first = steps.next();
    printable || few || steps.all(|step| Some(step) == first)
}

/// Keys of which the first writes and all read.
#[derive(Debug)]
pub struct Keyring {
    writing: Key,
    older: Vec<Key>,
}

impl Keyring {
    /// How many keys a ring holds.
    pub const MAX_KEYS: usize = 64;

    /// The first key writes. Refuses no key, a key given twice, and more than [`MAX_KEYS`](Self::MAX_KEYS).
    ///
    /// # Errors
    /// The first error among `keys`, [`VaultError::NoKeys`], [`VaultError::DuplicateKey`] and [`VaultError::TooManyKeys`].
    pub fn new(keys: impl IntoIterator<Item = Result<Key, VaultError>>) -> Result<Self, VaultError> {
        let mut keys = keys.into_iter();
        let writing = keys.next().ok_or(VaultError::NoKeys)??;
        let mut ring = Self { writing, older: Vec::new() };
        for key in keys {
            let key = key?;
            if ring.key(key.id).is_some() {
                return Err(VaultError::DuplicateKey(key.id));
            }
            ring.older.push(key);
            if ring.older.len() >= Self::MAX_KEYS {
                return Err(VaultError::TooManyKeys);
            }
        }
        Ok(ring)
    }

    /// A ring of one new key.
    ///
    /// # Errors
    /// [`VaultError::NoRandomness`] if the operating system gave none.
    pub fn generate() -> Result<Self, VaultError> {
        Self::new([Key::generate()])
    }

    /// Reads keys in their text form, separated by white space or commas. `#` begins a comment that ends with its line.
    ///
    /// # Errors
    /// As [`Key::from_text`] and [`new`](Self::new).
    pub fn from_text(text: &str) -> Result<Self, VaultError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(keys, _)| keys));
        let words = lines.flat_map(|line| line.split(|c: char| c == ',' || c.is_whitespace()));
        Self::new(words.filter(|word| !word.is_empty()).map(Key::from_text))
    }

    /// Reads a file of keys, as [`from_text`](Self::from_text) does. Where files have permissions, others must have
    /// none to it, and its group at most that to read, with `allow_group`.
    ///
    /// # Errors
    /// [`VaultError::KeyFile`] if it cannot be read, [`VaultError::KeyFileMode`] if others can, [`VaultError::KeyFileContents`] if
    /// it is no text, no regular file or too long; else as [`from_text`](Self::from_text).
    pub fn from_file(path: &Path, allow_group: bool) -> Result<Self, VaultError> {
        let unreadable = |error: io::Error| VaultError::KeyFile(error.kind());
        // Asked before opening, since opening a pipe waits for its other end.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(VaultError::KeyFileContents);
        }
        let file = File::open(path).map_err(unreadable)?;
        check_permissions(&file, allow_group)?;
        // Into a buffer that is wiped and does not grow: a larger one would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * MAX_FILE));
        file.take(MAX_FILE as u64).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() >= MAX_FILE {
            return Err(VaultError::KeyFileContents);
        }
        let text = core::str::from_utf8(&bytes);
        Self::from_text(text.map_err(|_| VaultError::KeyFileContents)?)
    }

    /// The keys in their text form, separated by spaces. It opens every record.
    pub fn to_text(&self) -> Zeroizing<String> {
        // At its full size from the start: a string that grows leaves a copy behind.
        let length = PREFIX.len().saturating_add(CHARACTERS).saturating_add(1);
        let mut text = Zeroizing::new(String::with_capacity(length.saturating_mul(self.keys().count())));
        for key in self.keys() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&key.to_text());
        }
        text
    }

    /// All keys, the writing one first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        core::iter::once(&self.writing).chain(&self.older)
    }

    /// The key under which records are sealed.
    pub const fn writing(&self) -> &Key {
        &self.writing
    }

    pub(super) fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys().find(|key| key.id == id)
    }
}
