//! Accounts in and out. A fault is an answer here, too: a tuple of its kind, message, place and account's label, from
//! which `ferrotp.transfer` makes its exception.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::transfer::migration::{self, Hash, Part};
use crate::transfer::pskc::{self, Credential};
use crate::transfer::{TransferError, TransferErrorKind};
use crate::{Algorithm, Secret};

fn fault<'py>(py: Python<'py>, error: &TransferError) -> PyResult<Bound<'py, PyTuple>> {
    let kind = match error.kind {
        TransferErrorKind::Malformed => "malformed",
        TransferErrorKind::Unsupported => "unsupported",
        TransferErrorKind::Limit => "limit",
        TransferErrorKind::Encrypted => "encrypted",
        TransferErrorKind::WrongKey => "wrong key",
    };
    (kind, error.message, error.place.as_str(), error.account.as_deref()).into_pyobject(py)
}

/// `([account or fault, ...], batch, index, size)`, or a fault. An account is `(secret, name, issuer, algorithm,
/// digits, counter or None for TOTP)`.
#[pyfunction]
#[pyo3(signature = (uri, /))]
pub(super) fn migration_decode<'py>(py: Python<'py>, uri: &str) -> PyResult<Bound<'py, PyTuple>> {
    let payload = match migration::decode(uri) {
        Ok(payload) => payload,
        Err(error) => return fault(py, &error),
    };
    let accounts = PyList::empty(py);
    for account in &payload.accounts {
        accounts.append(match account {
            Ok(account) => (
                PyBytes::new(py, account.secret.as_bytes()),
                account.name.as_str(),
                account.issuer.as_str(),
                account.hash.uri_name(),
                if account.eight_digits { 8 } else { 6 },
                match account.moving {
                    migration::Moving::Totp => None,
                    migration::Moving::Hotp(counter) => Some(counter),
                },
            )
                .into_pyobject(py)?,
            Err(error) => fault(py, error)?,
        })?;
    }
    let Part { batch, index, size } = payload.part;
    (accounts, batch, index, size).into_pyobject(py)
}

type Fields<'a> = (&'a [u8], &'a str, &'a str, &'a str, u8, Option<u64>);

/// The URI, or `None` for what the format cannot say; `ferrotp.transfer.google` finds that earlier, and says why.
#[pyfunction]
#[pyo3(signature = (accounts, batch, index, size, /))]
pub(super) fn migration_encode(
    accounts: &Bound<'_, PyList>,
    batch: i32,
    index: u32,
    size: u32,
) -> PyResult<Option<String>> {
    let mut list = Vec::with_capacity(accounts.len());
    for account in accounts {
        let (secret, name, issuer, algorithm, digits, counter): Fields<'_> = account.extract()?;
        let hash = if algorithm == "MD5" {
            Hash::Md5
        } else {
            let Some(known) = Algorithm::ALL.iter().find(|known| known.uri_name() == algorithm) else {
                return Ok(None);
            };
            Hash::Otp(*known)
        };
        list.push(migration::Account {
            secret: Secret::from_bytes(secret),
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            hash,
            eight_digits: match digits {
                6 => false,
                8 => true,
                _ => return Ok(None),
            },
            moving: counter.map_or(migration::Moving::Totp, migration::Moving::Hotp),
        });
    }
    Ok(migration::encode(&list, Part { batch, index, size }))
}

/// `[key or fault, ...]`, or a fault. A key is `(secret, id, serial, manufacturer, issuer, user, algorithm, digits,
/// "totp" or "hotp", period or counter)`.
#[pyfunction]
#[pyo3(signature = (xml, key, password, /))]
pub(super) fn pskc_read<'py>(
    py: Python<'py>,
    xml: &str,
    key: Option<&[u8]>,
    password: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let credential = key
        .map(Credential::Key)
        .or_else(|| password.map(|password| Credential::Password(password.as_bytes())));
    let keys = match py.detach(|| pskc::read(xml, credential)) {
        Ok(keys) => keys,
        Err(error) => return Ok(fault(py, &error)?.into_any()),
    };
    let list = PyList::empty(py);
    for key in &keys {
        list.append(match key {
            Ok(key) => {
                let (kind, moving) = match key.moving {
                    pskc::Moving::Totp(period) => ("totp", period),
                    pskc::Moving::Hotp(counter) => ("hotp", counter),
                };
                (
                    PyBytes::new(py, key.secret.as_bytes()),
                    key.id.as_str(),
                    key.serial.as_deref(),
                    key.manufacturer.as_deref(),
                    key.issuer.as_deref(),
                    key.user.as_deref(),
                    key.algorithm.uri_name(),
                    key.digits,
                    kind,
                    moving,
                )
                    .into_pyobject(py)?
            }
            Err(error) => fault(py, error)?,
        })?;
    }
    Ok(list.into_any())
}
