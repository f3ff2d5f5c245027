//! `otpauth-migration://` URIs: Google Authenticator's export, as one QR code or several.
//!
//! A protocol buffer in base64 in the parameter `data`. Google publishes no schema; this is the one that every other
//! reader uses. An entry is decoded by itself, so that a fault in one is told with its number and name.

use base64ct::{Base64Unpadded, Encoding};
use prost::Message;
use zeroize::{Zeroize, Zeroizing};

use super::{TransferError, TransferErrorKind as Kind};
use crate::{Algorithm, Secret};

/// What every URI of this kind begins with.
pub const PREFIX: &str = "otpauth-migration://offline?";
/// The longest URI that is read. The largest QR code holds 4,296 characters; a text may be longer.
pub const MAX_URI: usize = 1 << 20;
/// How many accounts one URI may hold.
pub const MAX_ACCOUNTS: usize = 10_000;
/// How many URIs one batch may have.
pub const MAX_PARTS: u32 = 10_000;

/// The hash of an account. MD5 has no codes here: it can be carried along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// One that RFC 6238 allows.
    Otp(Algorithm),
    /// In the schema, and in no known export.
    Md5,
}

impl Hash {
    /// The name in an `otpauth` URI.
    pub const fn uri_name(self) -> &'static str {
        match self {
            Self::Otp(algorithm) => algorithm.uri_name(),
            Self::Md5 => "MD5",
        }
    }
}

/// The kind of the code. A TOTP's time step has 30 seconds: the format has no field for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    /// By the clock.
    Totp,
    /// By this counter.
    Hotp(u64),
}

/// One account. `Debug` leaves the secret out.
#[derive(Clone, Debug)]
pub struct Account {
    /// The key.
    pub secret: Secret,
    /// As written, often `issuer:account`.
    pub name: String,
    /// Who asks for the code. Empty if not said.
    pub issuer: String,
    /// The hash under HMAC.
    pub hash: Hash,
    /// 8 digits, or else 6.
    pub eight_digits: bool,
    /// The kind of the code.
    pub moving: Moving,
}

/// Which part of which batch a URI is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The same in all parts.
    pub batch: i32,
    /// From 0.
    pub index: u32,
    /// How many parts there are, at least 1.
    pub size: u32,
}

/// The contents of one URI.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Each account, or what is wrong with it.
    pub accounts: Vec<Result<Account, TransferError>>,
    /// Its place in the batch.
    pub part: Part,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)] // it would print secrets
struct PayloadFields {
    #[prost(bytes = "vec", repeated, tag = "1")]
    accounts: Vec<Vec<u8>>, // of AccountFields
    #[prost(int32, tag = "2")]
    version: i32,
    #[prost(int32, tag = "3")]
    batch_size: i32,
    #[prost(int32, tag = "4")]
    batch_index: i32,
    #[prost(int32, tag = "5")]
    batch_id: i32,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)] // it would print the secret
struct AccountFields {
    #[prost(bytes = "vec", tag = "1")]
    secret: Vec<u8>,
    // As bytes: a name that is not UTF-8 is our error to word.
    #[prost(bytes = "vec", tag = "2")]
    name: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    issuer: Vec<u8>,
    #[prost(int32, tag = "4")]
    algorithm: i32,
    #[prost(int32, tag = "5")]
    digits: i32,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(int64, tag = "7")]
    counter: i64,
}

impl Drop for PayloadFields {
    fn drop(&mut self) {
        self.accounts.zeroize();
    }
}

impl Drop for AccountFields {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Reads a URI.
///
/// # Errors
/// A [`TransferError`] where the URI as a whole is none, or too large. A fault of one account stands in its place.
pub fn decode(uri: &str) -> Result<Payload, TransferError> {
    let malformed = |message| TransferError::new(Kind::Malformed, message, "");
    if uri.len() > MAX_URI {
        return Err(TransferError::new(Kind::Limit, "the URI is too long", ""));
    }
    let bytes = payload_bytes(uri)?;
    let mut fields =
        PayloadFields::decode(bytes.as_slice()).map_err(|_| malformed("the data is no protocol buffer"))?;
    // Version 2 came with Google Authenticator 7; it adds an identifier to each account. Where none is said, as other
    // apps write it, the fields are those of version 1.
    if !matches!(fields.version, 0..=2) {
        return Err(TransferError::new(Kind::Unsupported, "the export has a version other than 1 and 2", ""));
    }
    if fields.accounts.len() > MAX_ACCOUNTS {
        return Err(TransferError::new(Kind::Limit, "the URI holds too many accounts", ""));
    }
    // A single part may leave out its numbers.
    let size = u32::try_from(fields.batch_size).map(|size| size.max(1));
    let part = match (u32::try_from(fields.batch_index), size) {
        (Ok(index), Ok(size)) if index < size && size <= MAX_PARTS => {
            Part { batch: fields.batch_id, index, size }
        }
        _ => return Err(malformed("the batch's numbers contradict each other")),
    };
    let accounts = core::mem::take(&mut fields.accounts)
        .into_iter()
        .enumerate()
        .map(|(place, bytes)| account(place, &Zeroizing::new(bytes)))
        .collect();
    Ok(Payload { accounts, part })
}

/// Writes a URI of version 1. `None` if a counter is over 2^63 - 1, or the part's numbers contradict each other.
pub fn encode(accounts: &[Account], part: Part) -> Option<String> {
    let mut fields = PayloadFields::default();
    fields.version = 1;
    fields.batch_id = part.batch;
    fields.batch_size = part.size.try_into().ok()?;
    fields.batch_index = part.index.try_into().ok().filter(|_| part.index < part.size)?;
    for account in accounts {
        let mut written = AccountFields {
            secret: account.secret.as_bytes().to_vec(),
            name: account.name.clone().into_bytes(),
            issuer: account.issuer.clone().into_bytes(),
            algorithm: match account.hash {
                Hash::Otp(Algorithm::Sha1) => 1,
                Hash::Otp(Algorithm::Sha256) => 2,
                Hash::Otp(Algorithm::Sha512) => 3,
                Hash::Md5 => 4,
            },
            digits: if account.eight_digits { 2 } else { 1 },
            kind: 2,
            counter: 0,
        };
        if let Moving::Hotp(counter) = account.moving {
            written.kind = 1;
            written.counter = counter.try_into().ok()?;
        }
        fields.accounts.push(written.encode_to_vec());
    }
    let bytes = Zeroizing::new(fields.encode_to_vec());
    let text = Zeroizing::new(base64ct::Base64::encode_string(&bytes));
    let mut uri = format!("{PREFIX}data=");
    for character in text.chars() {
        match character {
            '+' => uri.push_str("%2B"),
            '/' => uri.push_str("%2F"),
            '=' => uri.push_str("%3D"),
            plain => uri.push(plain),
        }
    }
    Some(uri)
}

/// The bytes in the parameter `data`: either alphabet of base64, with or without padding, percent-encoded or not.
fn payload_bytes(uri: &str) -> Result<Zeroizing<Vec<u8>>, TransferError> {
    let malformed = |message| TransferError::new(Kind::Malformed, message, "");
    let query = uri.strip_prefix(PREFIX).ok_or_else(|| malformed("not an otpauth-migration URI"))?;
    let mut values = query.split('&').filter_map(|parameter| parameter.strip_prefix("data="));
    let value = values.next().ok_or_else(|| malformed("the URI has no data"))?;
    if values.next().is_some() {
        return Err(malformed("the URI has data twice"));
    }
    let broken = || malformed("the data is not base64");
    let mut text = Zeroizing::new(String::with_capacity(value.len()));
    let mut rest = value.chars();
    while let Some(character) = rest.next() {
        let character = if character == '%' {
            let mut digit = || rest.next().and_then(|digit| digit.to_digit(16)).ok_or_else(broken);
            let (high, low) = (digit()?, digit()?);
            char::from_u32((high << 4) | low).ok_or_else(broken)?
        } else {
            character
        };
        text.push(match character {
            '-' => '+',
            '_' => '/',
            ' ' => '+', // what reading a form makes of a plus
            other => other,
        });
    }
    let unpadded = text.trim_end_matches('=');
    if text.len().saturating_sub(unpadded.len()) > 2 {
        return Err(broken());
    }
    Base64Unpadded::decode_vec(unpadded).map(Zeroizing::new).map_err(|_| broken())
}

fn account(place: usize, bytes: &[u8]) -> Result<Account, TransferError> {
    let place = || format!("account {}", place.saturating_add(1));
    let fields = AccountFields::decode(bytes)
        .map_err(|_| TransferError::new(Kind::Malformed, "the account is no protocol buffer", place()))?;
    let label = String::from_utf8_lossy(if fields.name.is_empty() { &fields.issuer } else { &fields.name });
    let fault = |kind, message| TransferError {
        account: (!label.is_empty()).then(|| label.to_string()),
        ..TransferError::new(kind, message, place())
    };
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|_| fault(Kind::Malformed, "a name is not UTF-8"))
    };
    if fields.secret.is_empty() {
        return Err(fault(Kind::Malformed, "the account has no secret"));
    }
    // 0 stands for a field that is not there: the default of the Key Uri Format, as other readers take it.
    let hash = match fields.algorithm {
        0 | 1 => Hash::Otp(Algorithm::Sha1),
        2 => Hash::Otp(Algorithm::Sha256),
        3 => Hash::Otp(Algorithm::Sha512),
        4 => Hash::Md5,
        _ => return Err(fault(Kind::Unsupported, "the algorithm is unknown")),
    };
    let eight_digits = match fields.digits {
        0 | 1 => false,
        2 => true,
        _ => return Err(fault(Kind::Unsupported, "the number of digits is unknown")),
    };
    let moving = match fields.kind {
        0 | 2 => Moving::Totp,
        1 => Moving::Hotp(
            fields.counter.try_into().map_err(|_| fault(Kind::Malformed, "the counter is negative"))?,
        ),
        _ => return Err(fault(Kind::Unsupported, "the kind of the code is neither HOTP nor TOTP")),
    };
    let (name, issuer) = (text(&fields.name)?, text(&fields.issuer)?);
    Ok(Account { secret: Secret::from_bytes(&fields.secret), name, issuer, hash, eight_digits, moving })
}
