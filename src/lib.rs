#![doc = include_str!("README.md")]
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
#[cfg(feature = "vault")]
mod derivation;
pub mod error;
pub mod hotp;
mod lanes;
#[cfg(feature = "qr")]
pub mod qr;
pub mod random;
#[cfg(feature = "vault")]
pub mod recovery;
pub mod secret;
pub mod steam;
pub mod totp;
#[cfg(feature = "transfer")]
pub mod transfer;
pub mod uri;
#[cfg(feature = "vault")]
pub mod vault;
mod window;
mod wipe;

#[cfg(feature = "python")]
mod python;

pub use algorithm::{Algorithm, HmacKey};
pub use error::Error;
pub use hotp::{Code, Digits, Hotp};
pub use lanes::kernels;
pub use secret::Secret;
pub use totp::Totp;
#[cfg(feature = "vault")]
pub use vault::VaultError;
