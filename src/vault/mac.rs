//! A MAC under the keyring, for what a client keeps and a store holds no secret of: who can write to the store alone
//! cannot make one.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{KeyId, Keyring, VaultError};
use crate::wipe::with_wiped_stack;

impl Keyring {
    /// HMAC-SHA-256 of texts, each with its length, under a key derived from one of the ring for this label. No label's
    /// MAC is another's, and none opens a record.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] if the ring has no key of this id.
    pub fn mac(&self, id: KeyId, label: &str, texts: &[&str]) -> Result<[u8; 32], VaultError> {
        let key = self.key(id).ok_or(VaultError::UnknownKey(id))?;
        with_wiped_stack(|| {
            let derived = key.mac_key(label)?;
            let mut mac = Hmac::<Sha256>::new_from_slice(&*derived).map_err(|_| VaultError::KeyLength)?;
            for text in texts {
                mac.update(&(text.len() as u64).to_be_bytes());
                mac.update(text.as_bytes());
            }
            Ok(mac.finalize().into_bytes().into())
        })
    }
}
