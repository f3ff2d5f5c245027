//! One-time passwords (HOTP, RFC 4226; TOTP, RFC 6238) computed from cached HMAC midstates.
//!
//! This crate is the core under the Python package `ferrotp`. It knows nothing of Python unless the feature `python`
//! is on, which adds the extension module `ferrotp._native`.
//!
//! ```
//! use ferrotp::{Algorithm, Digits, HmacKey, Secret, hotp, totp};
//!
//! let secret = Secret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")?;
//! let key = HmacKey::new(Algorithm::Sha1, secret.as_bytes());
//! assert_eq!(hotp::code(&key, 0, Digits::SIX).as_str(), "755224"); // RFC 4226, appendix D
//!
//! let step = totp::time_step(59, 30)?;
//! assert_eq!(hotp::code(&key, step, Digits::new(8)?).as_str(), "94287082"); // RFC 6238, appendix B
//! # Ok::<(), ferrotp::Error>(())
//! ```

// No panic may cross into Python, so what can panic is not written. Tests may.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]
#![deny(clippy::undocumented_unsafe_blocks)]

pub mod algorithm;
pub mod batch;
pub mod error;
pub mod hotp;
mod lanes;
pub mod qr;
pub mod random;
pub mod recovery;
pub mod secret;
pub mod steam;
pub mod totp;
pub mod transfer;
pub mod uri;
pub mod vault;
mod window;
mod wipe;

#[cfg(feature = "python")]
mod python;

pub use algorithm::{Algorithm, HmacKey};
pub use error::Error;
pub use hotp::{Code, Digits};
pub use lanes::kernels;
pub use secret::Secret;
pub use vault::VaultError;
