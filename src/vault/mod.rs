//! Sealed secrets: an OTP secret or the hash of a recovery code, encrypted and bound to its owner.
//!
//! A record opens only under a key of the [`Keyring`], for the tenant, user, factor and purpose that it was sealed for.
//! Codes are checked against the record itself: the secret is opened on the stack and wiped. The format, byte by byte,
//! and what it protects from, are in `docs/vault.md`.
//!
//! ```
//! use ferrotp::vault::{Keyring, Owner, Parameters};
//!
//! let keyring = Keyring::generate()?;
//! let owner = Owner::new("", "ann", "phone")?;
//! let record = keyring.new_otp(&owner, Parameters::default(), 20)?;
//!
//! assert_eq!(keyring.match_totp(&owner, &record, "not a code", 59, 1, 1, None)?, (1, None));
//! assert!(keyring.reveal_otp(&Owner::new("", "bob", "phone")?, &record).is_err());
//! # Ok::<(), ferrotp::VaultError>(())
//! ```

mod error;
mod key_id;
mod keyring;
mod mac;
mod otp;
mod owner;
mod sealed;

pub use error::VaultError;
pub use key_id::KeyId;
pub use keyring::{Key, Keyring};
pub use otp::{Kind, MAX_WINDOW, Parameters};
pub use owner::{Owner, Purpose};
pub(crate) use sealed::Plain;
pub use sealed::{MAX_RECORD, key_id};
