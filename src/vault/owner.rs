//! Whose a record is, and what for.

use super::VaultError;

/// What a record is for. One purpose's record never opens for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An OTP secret with its parameters.
    Otp,
    /// A recovery code's hash.
    Recovery,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Otp, Self::Recovery];

    /// The name that is bound into a record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Recovery => "recovery",
        }
    }
}

/// Whose a record is. It is not kept in the record, only bound to it: a row that was moved does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    tenant: &'a str,
    user: &'a str,
    factor: &'a str,
}

impl<'a> Owner<'a> {
    /// The longest name of a tenant, user or factor, in bytes.
    pub const MAX_NAME: usize = 1024;

    /// Refuses a user or factor without a name, and names over [`MAX_NAME`](Self::MAX_NAME). The tenant may be empty:
    /// not every application has more than one.
    ///
    /// # Errors
    /// [`VaultError::EmptyOwner`] and [`VaultError::LongOwner`].
    pub const fn new(tenant: &'a str, user: &'a str, factor: &'a str) -> Result<Self, VaultError> {
        if user.is_empty() || factor.is_empty() {
            return Err(VaultError::EmptyOwner);
        }
        if tenant.len() > Self::MAX_NAME || user.len() > Self::MAX_NAME || factor.len() > Self::MAX_NAME {
            return Err(VaultError::LongOwner);
        }
        Ok(Self { tenant, user, factor })
    }

    pub(super) const fn names(&self) -> [&'a str; 3] {
        [self.tenant, self.user, self.factor]
    }
}
