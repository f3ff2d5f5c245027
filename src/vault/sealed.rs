//! A sealed record: AES-256-GCM under a key of its own.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Tag};

use super::{KeyId, Keyring, Owner, Purpose, VaultError};
use crate::wipe::{Wiped, with_wiped_stack};

const VERSION: u8 = 1;
const ID: usize = 8;
const SALT: usize = 16;
const NONCE: usize = 12;
const TAG: usize = 16;
const OVERHEAD: usize = 1 + ID + SALT + NONCE + TAG;

/// The longest plaintext.
const MAX_PLAIN: usize = 160;
/// The longest record.
pub const MAX_RECORD: usize = OVERHEAD + MAX_PLAIN;

/// Where a plaintext is built and opened: on the stack, and wiped.
pub(crate) struct Plain {
    bytes: Wiped<MAX_PLAIN>,
    length: usize,
}

impl Plain {
    pub(crate) fn new() -> Self {
        Self { bytes: Wiped::zeros(), length: 0 }
    }

    /// Appends. What does not fit is an error of the caller's, and leaves the plaintext too short to be read.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        self.space(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// Makes the plaintext longer by `length` bytes, and lends them.
    pub(crate) fn space(&mut self, length: usize) -> Result<&mut [u8], VaultError> {
        let start = self.length;
        let end = start.saturating_add(length);
        let space = self.bytes.get_mut(start..end).ok_or(VaultError::Malformed)?;
        self.length = end;
        Ok(space)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

struct Record<'a> {
    key_id: KeyId,
    salt: &'a [u8; SALT],
    nonce: &'a [u8; NONCE],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG],
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (key_id, rest) = rest.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (ciphertext, tag) = rest.split_last_chunk()?;
        (ciphertext.len() <= MAX_PLAIN).then_some(Self {
            key_id: KeyId(*key_id),
            salt,
            nonce,
            ciphertext,
            tag,
        })
    }
}

/// The key that sealed a record, read from its first bytes and not verified.
///
/// # Errors
/// [`VaultError::Malformed`] if it is no record.
pub fn key_id(record: &[u8]) -> Result<KeyId, VaultError> {
    Record::read(record).map(|record| record.key_id).ok_or(VaultError::Malformed)
}

/// Version and key id as in the record, then owner and purpose, each with its length, so that no two owners are alike.
fn associated_data(key_id: KeyId, owner: &Owner<'_>, purpose: Purpose) -> Vec<u8> {
    let [tenant, user, factor] = owner.names();
    let mut data = Vec::with_capacity(128);
    data.push(VERSION);
    data.extend_from_slice(&key_id.0);
    for name in [tenant, user, factor, purpose.name()] {
        data.extend_from_slice(&(name.len() as u32).to_be_bytes()); // `Owner` bounds it
        data.extend_from_slice(name.as_bytes());
    }
    data
}

impl Keyring {
    /// Encrypts what `write` puts into the plaintext, under the writing key.
    pub(crate) fn seal(
        &self,
        owner: &Owner<'_>,
        purpose: Purpose,
        write: impl FnOnce(&mut Plain) -> Result<(), VaultError>,
    ) -> Result<Vec<u8>, VaultError> {
        with_wiped_stack(|| {
            let mut plain = Plain::new();
            write(&mut plain)?;
            self.encrypt(owner, purpose, &mut plain)
        })
    }

    /// Encrypts a plaintext in its place.
    fn encrypt(&self, owner: &Owner<'_>, purpose: Purpose, plain: &mut Plain) -> Result<Vec<u8>, VaultError> {
        let key = self.writing();
        let mut random = [0; SALT + NONCE];
        getrandom::fill(&mut random).map_err(|_| VaultError::NoRandomness)?;
        let (salt, nonce) = random.split_first_chunk::<SALT>().ok_or(VaultError::NoRandomness)?;
        let nonce = nonce.first_chunk::<NONCE>().ok_or(VaultError::NoRandomness)?;

        let record_key = key.record_key(salt, purpose)?;
        let data = associated_data(key.id(), owner, purpose);
        let length = plain.length;
        let text = plain.bytes.get_mut(..length).ok_or(VaultError::Malformed)?;
        let tag = Aes256Gcm::new((&*record_key).into())
            .encrypt_inout_detached(nonce.into(), &data, text.into())
            .map_err(|_| VaultError::Malformed)?;

        let mut record = Vec::with_capacity(OVERHEAD.saturating_add(length));
        record.push(VERSION);
        record.extend_from_slice(&key.id().0);
        record.extend_from_slice(&random);
        record.extend_from_slice(plain.as_slice());
        record.extend_from_slice(&tag);
        Ok(record)
    }

    /// Decrypts. Nothing is decrypted before the tag was found right. The caller wipes the stack.
    pub(crate) fn open(
        &self,
        owner: &Owner<'_>,
        purpose: Purpose,
        record: &[u8],
    ) -> Result<Plain, VaultError> {
        let record = Record::read(record).ok_or(VaultError::Malformed)?;
        let key = self.key(record.key_id).ok_or(VaultError::UnknownKey(record.key_id))?;
        let record_key = key.record_key(record.salt, purpose)?;
        let data = associated_data(key.id(), owner, purpose);
        let mut plain = Plain::new();
        let text = plain.space(record.ciphertext.len())?;
        text.copy_from_slice(record.ciphertext);
        let tag: &Tag = record.tag.into();
        Aes256Gcm::new((&*record_key).into())
            .decrypt_inout_detached(record.nonce.into(), &data, text.into(), tag)
            .map_err(|_| VaultError::Changed(record.key_id))?;
        Ok(plain)
    }

    /// The same contents under the writing key, or `None` if they are under it already. Opens the record in either case,
    /// so that a changed one is found.
    ///
    /// # Errors
    /// [`VaultError::Malformed`], [`VaultError::UnknownKey`] and [`VaultError::Changed`] if the record does not open for this owner and
    /// purpose, [`VaultError::NoRandomness`].
    pub fn reseal(
        &self,
        owner: &Owner<'_>,
        purpose: Purpose,
        record: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        with_wiped_stack(|| {
            let mut plain = self.open(owner, purpose, record)?;
            if key_id(record)? == self.writing().id() {
                return Ok(None);
            }
            self.encrypt(owner, purpose, &mut plain).map(Some)
        })
    }
}
