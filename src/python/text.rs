//! Text in and out: secrets and URIs. `None` where the plain rules must decide.

use std::borrow::Cow;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};

use super::fastcall::{add, verb};
use super::guard::{Kind, Use};
use super::init::{Arguments, init};
use super::object::new_object;
use super::state::{DEFAULT_NAME, UriFields, hashlib_function, with_key_bytes};
use crate::uri::{Moving, OtpAuth};
use crate::{Algorithm, Digits, random};

/// The bytes of a base32 secret, decoded as pyotp's `byte_secret` does.
#[pyfunction]
#[pyo3(signature = (secret, /))]
pub(super) fn decode_base32<'py>(secret: &Bound<'py, PyAny>) -> Option<Bound<'py, PyBytes>> {
    with_key_bytes(secret, |key| PyBytes::new(secret.py(), key))
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
    fields: &UriFields<Bound<'py, PyAny>>,
    name: &Bound<'py, PyAny>,
    issuer_name: &Bound<'py, PyAny>,
    moving: Moving,
) -> Option<Bound<'py, PyAny>> {
    let secret = fields.secret.cast_exact::<PyString>().ok()?.to_str().ok()?;
    let account = match argument(name)? {
        Some(name) => name,
        None => match &fields.name {
            Some(name) => name.cast_exact::<PyString>().ok()?.to_str().ok()?,
            None => DEFAULT_NAME,
        },
    };
    let issuer = match (argument(issuer_name)?, &fields.issuer) {
        (Some(issuer), _) => Some(issuer),
        (None, Some(issuer)) if !issuer.is_none() => {
            Some(issuer.cast_exact::<PyString>().ok()?.to_str().ok()?)
        }
        (None, _) => None,
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
    registry,
    |slf, name, issuer_name| {
        let pristine =
            registry.pristine_for(Use::Uris, slf).filter(|pristine| pristine.class.kind != Kind::Hotp)?;
        let fields = pristine.base.uri_fields()?;
        let period = Some(fields.interval).filter(|interval| *interval != 0)?;
        uri(&fields, name, issuer_name, Moving::Period(period.into()))
    }
);

verb!(
    HotpUri,
    c"hotp_uri",
    c"What HOTP.provisioning_uri returns without further parameters.",
    registry,
    |slf, name, initial_count, issuer_name| {
        let pristine =
            registry.pristine_for(Use::Uris, slf).filter(|pristine| pristine.class.kind == Kind::Hotp)?;
        let fields = pristine.base.uri_fields()?;
        let given = match initial_count.is_none() {
            true => None,
            false => {
                Some(u64::try_from(initial_count.cast_exact::<PyInt>().ok()?.extract::<i64>().ok()?).ok()?)
            }
        };
        // pyotp 2.10 takes 0 for no argument.
        let counter = match given.filter(|count| !pristine.class.legacy || *count != 0) {
            Some(count) => count,
            None => fields.initial_count?.into(),
        };
        uri(&fields, name, issuer_name, Moving::Counter(counter))
    }
);

verb!(
    RandomBase32,
    c"random_base32",
    c"A new secret of so many base32 characters, from the operating system's generator.",
    _,
    |length| {
        const SHORTEST: usize = 32;
        const LONGEST: usize = 1 << 20;
        match length.cast_exact::<PyInt>().ok()?.extract::<i64>().ok()?.try_into().ok()? {
            // Where the generator fails, the plain rules ask Python's, which says why.
            characters @ SHORTEST..=LONGEST => {
                let text = random::base32(characters).ok()?;
                PyString::from_bytes(length.py(), text.as_bytes()).ok().map(Bound::into_any)
            }
            _ => None,
        }
    }
);

verb!(
    ParseUri,
    c"parse_uri",
    c"The object for an ordinary URI, if its class is among the names, is pristine, and takes what the URI says.",
    registry, |uri, names| {
        let py = uri.py();
        let fields = OtpAuth::parse(uri.cast_exact::<PyString>().ok()?.to_str().ok()?).ok()?;
        let (class, kind, moving) = match fields.moving {
            Moving::Period(period) => (intern!(py, "TOTP"), Kind::Totp, period),
            Moving::Counter(counter) => (intern!(py, "HOTP"), Kind::Hotp, counter),
        };
        let class = names.cast::<PyDict>().ok()?.get_item(class).ok()??;
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
        init(registry.pristine(&object)?, kind, Digits::SIX, &arguments)?;
        Some(object)
    }
);

/// Adds the verbs to the module.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add::<TotpUri, _>(module)?;
    add::<HotpUri, _>(module)?;
    add::<ParseUri, _>(module)?;
    add::<RandomBase32, _>(module)
}
