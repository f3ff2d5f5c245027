//! Text in and out: secrets and URIs. `None` where the plain rules must decide.

use std::borrow::Cow;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

use super::fastcall::{add, verb};
use super::guard::{Kind, pristine};
use super::init::{Arguments, init};
use super::object::new_object;
use super::state::{UriFields, hashlib_function, with_key_bytes};
use crate::uri::{Moving, OtpAuth};
use crate::{Algorithm, Digits, random};

/// The bytes of a base32 secret, decoded as pyotp's `byte_secret` does.
#[pyfunction]
#[pyo3(signature = (secret, /))]
pub(super) fn decode_base32<'py>(secret: &Bound<'py, PyAny>) -> Option<Bound<'py, PyBytes>> {
    with_key_bytes(secret, |key| PyBytes::new(secret.py(), key))
}

/// A new secret of so many base32 characters, from the operating system's generator.
#[pyfunction]
#[pyo3(signature = (length, /))]
pub(super) fn random_base32<'py>(length: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyString>>> {
    const SHORTEST: usize = 32;
    const LONGEST: usize = 1 << 20;
    match length.cast_exact::<PyInt>().ok().and_then(|length| length.extract().ok()) {
        Some(characters @ SHORTEST..=LONGEST) => {
            let text = random::base32(characters).map_err(|error| PyOSError::new_err(error.to_string()))?;
            Ok(Some(PyString::new(length.py(), &text)))
        }
        _ => Ok(None),
    }
}

/// A `str` argument: `Ok(None)` for `None` or an empty one, which pyotp replaces by the object's own.
fn argument<'a>(value: &'a Bound<'_, PyAny>) -> Option<Option<&'a str>> {
    if value.is_none() {
        return Some(None);
    }
    let text = value.cast_exact::<PyString>().ok()?.to_str().ok()?;
    Some((!text.is_empty()).then_some(text))
}

fn uri<'py>(
    fields: &UriFields<'py>,
    name: &Bound<'py, PyAny>,
    issuer_name: &Bound<'py, PyAny>,
    moving: Moving,
) -> Option<Bound<'py, PyAny>> {
    let secret = fields.secret.cast_exact::<PyString>().ok()?.to_str().ok()?;
    let account = match argument(name)? {
        Some(name) => name,
        None => fields.name.cast_exact::<PyString>().ok()?.to_str().ok()?,
    };
    let issuer = match argument(issuer_name)? {
        Some(issuer) => Some(issuer),
        None if fields.issuer.is_none() => None,
        None => Some(fields.issuer.cast_exact::<PyString>().ok()?.to_str().ok()?),
    };
    let uri = OtpAuth {
        secret: Cow::Borrowed(secret),
        issuer: issuer.map(Cow::Borrowed),
        account: Cow::Borrowed(account),
        algorithm: fields.algorithm,
        digits: fields.digits.get(),
        moving,
    };
    PyString::from_bytes(name.py(), &uri.to_ascii()).ok().map(Bound::into_any)
}

verb!(
    TotpUri,
    c"totp_uri",
    c"What TOTP.provisioning_uri returns without further parameters.",
    |slf, name, issuer_name| {
        let pristine = pristine(slf).filter(|pristine| pristine.class.kind != Kind::Hotp)?;
        let fields = pristine.base.lock().uri_fields(slf.py())?;
        let period = Some(fields.interval).filter(|interval| *interval != 0)?;
        uri(&fields, name, issuer_name, Moving::Period(period.into()))
    }
);

verb!(
    HotpUri,
    c"hotp_uri",
    c"What HOTP.provisioning_uri returns without further parameters, for the count that the URI will say.",
    |slf, name, initial_count, issuer_name| {
        let pristine = pristine(slf).filter(|pristine| pristine.class.kind == Kind::Hotp)?;
        let counter = initial_count.cast_exact::<PyInt>().ok()?.extract().ok()?;
        let fields = pristine.base.lock().uri_fields(slf.py())?;
        uri(&fields, name, issuer_name, Moving::Counter(counter))
    }
);

verb!(
    ParseUri,
    c"parse_uri",
    c"The object for an ordinary URI, of one of the two classes, if that is pristine and takes what the URI says.",
    |uri, totp, hotp| {
        let py = uri.py();
        let fields = OtpAuth::parse(uri.cast_exact::<PyString>().ok()?.to_str().ok()?).ok()?;
        let (class, kind, moving) = match fields.moving {
            Moving::Period(period) => (totp, Kind::Totp, period),
            Moving::Counter(counter) => (hotp, Kind::Hotp, counter),
        };
        let object = new_object(class.cast().ok()?)?;
        let digest = match fields.algorithm {
            Algorithm::Sha1 => None,
            algorithm => Some(hashlib_function(py, algorithm).ok()?),
        };
        let text = |text: &str| PyString::new(py, text).into_any();
        let issuer = fields.issuer.as_deref().map(text);
        let arguments = Arguments {
            secret: Some(&text(&fields.secret)),
            digits: Some(&fields.digits.into_pyobject(py).ok()?.into_any()),
            digest: digest.as_ref(),
            name: Some(&text(&fields.account)),
            issuer: issuer.as_ref(),
            moving: Some(&moving.into_pyobject(py).ok()?.into_any()),
        };
        init(&object, kind, Digits::SIX, &arguments)?;
        Some(object)
    }
);

/// Adds the verbs to the module.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add::<TotpUri, _>(module)?;
    add::<HotpUri, _>(module)?;
    add::<ParseUri, _>(module)
}
