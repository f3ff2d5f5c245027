//! Accounts on their way in and out: other programs' exports.

mod error;
pub mod migration;
pub mod pskc;

pub use error::{TransferError, TransferErrorKind};
