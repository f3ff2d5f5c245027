//! OTP secrets under seal: made, sealed, matched, and opened where a user has to see them.

use subtle::ConstantTimeEq;

use super::{Keyring, Owner, Plain, Purpose, VaultError, key_id};
use crate::wipe::with_wiped_stack;
use crate::{Algorithm, Digits, HmacKey, Secret, hotp, totp, window};

/// How many codes a match may try. A wider window would let guesses in.
pub const MAX_WINDOW: u64 = 1000;
/// The lengths of a sealed secret. What is long enough for whom is the caller's policy.
const LENGTHS: core::ops::RangeInclusive<usize> = 10..=128;
/// The lengths of a new one: RFC 4226, R6 asks for 128 bits.
const NEW_LENGTHS: core::ops::RangeInclusive<usize> = 16..=128;

/// What moves the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The clock.
    Totp {
        /// Seconds of a time step, at least one.
        period: u32,
    },
    /// Its use.
    Hotp,
}

/// How a secret makes codes. It is sealed with the secret, so that write access to the database is not enough to weaken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    kind: Kind,
    algorithm: Algorithm,
    digits: Digits,
}

impl Default for Parameters {
    /// What every authenticator app understands: TOTP, SHA-1, six digits, 30 seconds.
    fn default() -> Self {
        Self { kind: Kind::Totp { period: 30 }, algorithm: Algorithm::Sha1, digits: Digits::SIX }
    }
}

impl Parameters {
    const LENGTH: usize = 7;

    /// Refuses a period of 0 and fewer than six digits (RFC 4226, R4).
    ///
    /// # Errors
    /// [`VaultError::Period`] and [`VaultError::Digits`].
    pub const fn new(kind: Kind, algorithm: Algorithm, digits: Digits) -> Result<Self, VaultError> {
        if let Kind::Totp { period: 0 } = kind {
            return Err(VaultError::Period);
        }
        if digits.get() < Digits::SIX.get() {
            return Err(VaultError::Digits);
        }
        Ok(Self { kind, algorithm, digits })
    }

    /// What moves the counter.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The hash under HMAC.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The length of a code.
    pub const fn digits(&self) -> Digits {
        self.digits
    }

    /// Kind, algorithm, digits, and the period as four bytes (0 for HOTP).
    fn to_bytes(self) -> [u8; Self::LENGTH] {
        let (kind, period) = match self.kind {
            Kind::Totp { period } => (1, period),
            Kind::Hotp => (2, 0),
        };
        let algorithm = match self.algorithm {
            Algorithm::Sha1 => 1,
            Algorithm::Sha256 => 2,
            Algorithm::Sha512 => 3,
        };
        let [a, b, c, d] = period.to_be_bytes();
        [kind, algorithm, self.digits.get(), a, b, c, d]
    }

    fn from_bytes([kind, algorithm, digits, a, b, c, d]: [u8; Self::LENGTH]) -> Option<Self> {
        let kind = match (kind, u32::from_be_bytes([a, b, c, d])) {
            (1, period) => Kind::Totp { period },
            (2, 0) => Kind::Hotp,
            _ => return None,
        };
        let algorithm = match algorithm {
            1 => Algorithm::Sha1,
            2 => Algorithm::Sha256,
            3 => Algorithm::Sha512,
            _ => return None,
        };
        Self::new(kind, algorithm, Digits::new(digits).ok()?).ok()
    }
}

/// Reads an opened plaintext. It was authentic, so what is odd in it comes from another version.
fn read(plain: &Plain) -> Result<(Parameters, &[u8]), VaultError> {
    let (parameters, secret) = plain.as_slice().split_first_chunk().ok_or(VaultError::Malformed)?;
    let parameters = Parameters::from_bytes(*parameters).ok_or(VaultError::Malformed)?;
    if !LENGTHS.contains(&secret.len()) {
        return Err(VaultError::Malformed);
    }
    Ok((parameters, secret))
}

/// The last counter of a window.
fn last(first: u64, more: u64) -> Result<u64, VaultError> {
    if more > MAX_WINDOW {
        return Err(VaultError::Window);
    }
    first.checked_add(more).ok_or(VaultError::CounterOutOfRange)
}

impl Keyring {
    /// Seals a secret of 10 to 128 bytes with its parameters.
    ///
    /// # Errors
    /// [`VaultError::SecretLength`] and [`VaultError::NoRandomness`].
    pub fn seal_otp(
        &self,
        owner: &Owner<'_>,
        parameters: Parameters,
        secret: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        if !LENGTHS.contains(&secret.len()) {
            return Err(VaultError::SecretLength);
        }
        self.seal(owner, Purpose::Otp, |plain| {
            plain.push(&parameters.to_bytes())?;
            plain.push(secret)
        })
    }

    /// Seals a new secret of 16 to 128 bytes from the operating system's generator.
    ///
    /// # Errors
    /// [`VaultError::NewSecretLength`] and [`VaultError::NoRandomness`].
    pub fn new_otp(
        &self,
        owner: &Owner<'_>,
        parameters: Parameters,
        length: usize,
    ) -> Result<Vec<u8>, VaultError> {
        if !NEW_LENGTHS.contains(&length) {
            return Err(VaultError::NewSecretLength);
        }
        self.seal(owner, Purpose::Otp, |plain| {
            plain.push(&parameters.to_bytes())?;
            getrandom::fill(plain.space(length)?).map_err(|_| VaultError::NoRandomness)
        })
    }

    /// The secret and its parameters: for enrolment and export. Everything else matches codes against the record.
    ///
    /// # Errors
    /// [`VaultError::Malformed`], [`VaultError::UnknownKey`] and [`VaultError::Changed`] if the record does not open for this owner.
    pub fn reveal_otp(&self, owner: &Owner<'_>, record: &[u8]) -> Result<(Parameters, Secret), VaultError> {
        self.open_otp(owner, record, |parameters, secret| Ok((parameters, Secret::from_bytes(secret))))
    }

    /// The time step at `now` (Unix seconds), and the step from `behind` steps before it to `ahead` steps after it whose
    /// code is `code`. Steps before 1970 are left out.
    ///
    /// All codes of the window are made and compared, so the time spent does not tell which one matched. Of several
    /// with this code the earliest that is newer than `accepted`, the last step accepted, counts: the later one is the
    /// owner's next. Where none is newer it is the newest, which was used.
    ///
    /// # Errors
    /// As [`reveal_otp`](Self::reveal_otp), and [`VaultError::WrongKind`] for a HOTP secret, [`VaultError::Window`] and
    /// [`VaultError::CounterOutOfRange`].
    #[allow(clippy::too_many_arguments, reason = "a window has two ends")]
    pub fn match_totp(
        &self,
        owner: &Owner<'_>,
        record: &[u8],
        code: &str,
        now: u64,
        behind: u64,
        ahead: u64,
        accepted: Option<u64>,
    ) -> Result<(u64, Option<u64>), VaultError> {
        self.open_window(owner, record, now, behind, ahead, |parameters, secret, first, last| {
            Ok(find(parameters, secret, code, first, last, accepted))
        })
    }

    /// The time step at `now`, and the step of `next_code` where `code` and `next_code` are the codes of two steps in a
    /// row, the second of them in the window. Of several pairs the earliest counts of which both are newer than
    /// `accepted`; where none is, the newest.
    ///
    /// # Errors
    /// As [`match_totp`](Self::match_totp).
    #[allow(clippy::too_many_arguments, reason = "a window has two ends, and a pair two codes")]
    pub fn match_totp_pair(
        &self,
        owner: &Owner<'_>,
        record: &[u8],
        code: &str,
        next_code: &str,
        now: u64,
        behind: u64,
        ahead: u64,
        accepted: Option<u64>,
    ) -> Result<(u64, Option<u64>), VaultError> {
        self.open_window(owner, record, now, behind, ahead, |parameters, secret, first, last| {
            let key = HmacKey::new(parameters.algorithm, secret);
            let Some(last) = last.checked_sub(1) else {
                return Ok(None); // no step is before the first one
            };
            let first = first.saturating_sub(1);
            hotp::find_pair(&key, first, last, accepted, parameters.digits, code, next_code)
                .map_err(|_| VaultError::CounterOutOfRange)
        })
    }

    /// The earliest counter from `first` to `look_ahead` after it whose code is `code`.
    ///
    /// # Errors
    /// As [`match_totp`](Self::match_totp), with [`VaultError::WrongKind`] for a TOTP secret.
    pub fn match_hotp(
        &self,
        owner: &Owner<'_>,
        record: &[u8],
        code: &str,
        first: u64,
        look_ahead: u64,
    ) -> Result<Option<u64>, VaultError> {
        let last = last(first, look_ahead)?;
        self.open_otp(owner, record, |parameters, secret| {
            if parameters.kind != Kind::Hotp {
                return Err(VaultError::WrongKind(key_id(record)?));
            }
            Ok(find(parameters, secret, code, first, last, None))
        })
    }

    /// The counter of `next_code` where `code` and `next_code` are the codes of two counters in a row, the first of
    /// them from `first` to `window` after it (RFC 4226, section 7.4). The earliest such pair counts.
    ///
    /// # Errors
    /// As [`match_hotp`](Self::match_hotp).
    pub fn resync_hotp(
        &self,
        owner: &Owner<'_>,
        record: &[u8],
        code: &str,
        next_code: &str,
        first: u64,
        window: u64,
    ) -> Result<Option<u64>, VaultError> {
        let last = last(first, window)?;
        last.checked_add(1).ok_or(VaultError::CounterOutOfRange)?; // before anything is opened
        self.open_otp(owner, record, |parameters, secret| {
            if parameters.kind != Kind::Hotp {
                return Err(VaultError::WrongKind(key_id(record)?));
            }
            let key = HmacKey::new(parameters.algorithm, secret);
            hotp::resync(&key, first, last, parameters.digits, code, next_code)
                .map_err(|_| VaultError::CounterOutOfRange)
        })
    }

    /// Lends an opened TOTP secret, with the first and the last step of a window. With what is found in it comes the
    /// step of `now`.
    fn open_window(
        &self,
        owner: &Owner<'_>,
        record: &[u8],
        now: u64,
        behind: u64,
        ahead: u64,
        find: impl FnOnce(Parameters, &[u8], u64, u64) -> Result<Option<u64>, VaultError>,
    ) -> Result<(u64, Option<u64>), VaultError> {
        if behind > MAX_WINDOW {
            return Err(VaultError::Window);
        }
        self.open_otp(owner, record, |parameters, secret| {
            let Kind::Totp { period } = parameters.kind else {
                return Err(VaultError::WrongKind(key_id(record)?));
            };
            let step = totp::time_step(now, period.into()).map_err(|_| VaultError::Malformed)?;
            Ok((step, find(parameters, secret, step.saturating_sub(behind), last(step, ahead)?)?))
        })
    }

    /// Lends an opened secret.
    fn open_otp<R>(
        &self,
        owner: &Owner<'_>,
        record: &[u8],
        use_secret: impl FnOnce(Parameters, &[u8]) -> Result<R, VaultError>,
    ) -> Result<R, VaultError> {
        with_wiped_stack(|| {
            let plain = self.open(owner, Purpose::Otp, record)?;
            let (parameters, secret) = read(&plain)?;
            use_secret(parameters, secret)
        })
    }
}

/// The counter of a window whose code is `code`: exactly so many ASCII digits.
fn find(
    parameters: Parameters,
    secret: &[u8],
    code: &str,
    first: u64,
    last: u64,
    accepted: Option<u64>,
) -> Option<u64> {
    let digits = parameters.digits;
    let number = hotp::number(code.as_bytes(), digits)?;
    let key = HmacKey::new(parameters.algorithm, secret);
    window::find(&key, first, last, accepted, |truncated| u64::from(digits.reduce(truncated)).ct_eq(&number))
}
