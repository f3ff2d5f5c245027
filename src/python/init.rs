//! The constructors, for ordinary arguments.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple};

use super::fastcall::{add, verb};
use super::guard::{Kind, Pristine, Registry};
use super::layout::release;
use super::state::{
    Field, MODERN_KEY_BYTES, Ordinary, key_length, ordinary_digits, recognised, small_number,
};
use crate::{Algorithm, Digits};

/// A constructor's arguments; an absent one has its default value.
#[derive(Default)]
pub(super) struct Arguments<'a, 'py> {
    pub(super) secret: Option<&'a Bound<'py, PyAny>>,
    pub(super) digits: Option<&'a Bound<'py, PyAny>>,
    pub(super) digest: Option<&'a Bound<'py, PyAny>>,
    pub(super) name: Option<&'a Bound<'py, PyAny>>,
    pub(super) issuer: Option<&'a Bound<'py, PyAny>>,
    /// The interval or the initial count.
    pub(super) moving: Option<&'a Bound<'py, PyAny>>,
}

/// Sets all attributes of an object, if it is of this kind and they are ordinary. `None`: the plain rules must.
pub(super) fn init(
    Pristine { base, class }: Pristine<'_, '_>,
    kind: Kind,
    default_digits: Digits,
    arguments: &Arguments<'_, '_>,
) -> Option<()> {
    if class.kind != kind {
        return None;
    }
    let legacy = class.legacy;
    let mut ordinary = Ordinary::default();

    let digits = match arguments.digits {
        None => default_digits,
        Some(value) => ordinary_digits(value)?,
    };
    if !legacy && digits.get() < 6 {
        return None;
    }
    ordinary.digits = Some(digits);

    let (moving, default) = if kind == Kind::Hotp { (Field::InitialCount, 0) } else { (Field::Interval, 30) };
    let moving_number = match arguments.moving {
        None => default,
        Some(value) => small_number(value)?,
    };
    if moving == Field::InitialCount {
        ordinary.set_initial_count(Some(moving_number));
    } else {
        if !legacy && moving_number > 120 {
            return None;
        }
        ordinary.interval = moving_number;
    }
    if !ordinary.has(moving) {
        return None; // an interval of 0, or the largest count: it would be held nowhere
    }

    let digest = arguments.digest.filter(|digest| !digest.is_none());
    ordinary.algorithm = match digest {
        None => Some(Algorithm::Sha1),
        Some(digest) => Some(recognised(digest).ok()??),
    };

    let secret = arguments.secret?;
    // pyotp 2.12 decodes the secret at once; before 2.12 it did at first use, and a bad one failed there, if at all.
    if !legacy && key_length(secret)? < MODERN_KEY_BYTES {
        return None;
    }

    let name = match arguments.name.filter(|name| !name.is_none()) {
        Some(name) if !name.cast_exact::<PyString>().ok()?.is_empty().ok()? => Some(name),
        _ => None,
    };
    let issuer = arguments.issuer.filter(|issuer| !issuer.is_none());
    (ordinary.default_name, ordinary.no_issuer) = (name.is_none(), issuer.is_none());

    // What `ordinary` says whole is not held: see `Ordinary::value`.
    let held = |value: Option<&Bound<'_, PyAny>>| value.map(|value| value.clone().unbind());
    let mut values = [
        (moving, None),
        (Field::Digits, None),
        (Field::Digest, held(digest)),
        (Field::Secret, held(Some(secret))),
        (Field::Name, held(name)),
        (Field::Issuer, held(issuer)),
    ];
    let set = base.state().with(|state| !state.in_dict && state.swap(&mut values, ordinary));
    release(base.py(), values.map(|(_, value)| value));
    set.then_some(())
}

/// `TOTP.__init__`, with its arguments as they come.
pub(super) fn init_totp(
    object: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> Option<()> {
    let py = object.py();
    if args.len() == 1 && kwargs.is_none() {
        // The secret alone, as nearly everybody calls it.
        let secret = args.get_borrowed_item(0).ok()?;
        let arguments = Arguments { secret: Some(&secret), ..Arguments::default() };
        return init(Registry::pristine_object(object)?, Kind::Totp, Digits::SIX, &arguments);
    }
    let mut given: [Option<Bound<'_, PyAny>>; 6] = Default::default();
    if args.len() > given.len() {
        return None;
    }
    for (place, value) in given.iter_mut().zip(args) {
        *place = Some(value);
    }
    if let Some(kwargs) = kwargs {
        let names = [
            intern!(py, "s"),
            intern!(py, "digits"),
            intern!(py, "digest"),
            intern!(py, "name"),
            intern!(py, "issuer"),
            intern!(py, "interval"),
        ];
        for (name, value) in kwargs {
            // Names in a call are interned: they are compared as pointers.
            let (_, place) = names.iter().zip(&mut given).find(|(known, _)| name.is(**known))?;
            if place.replace(value).is_some() {
                return None;
            }
        }
    }
    let [secret, digits, digest, name, issuer, moving] = given.each_ref().map(Option::as_ref);
    let arguments = Arguments { secret, digits, digest, name, issuer, moving };
    init(Registry::pristine_object(object)?, Kind::Totp, Digits::SIX, &arguments)
}

verb!(
    InitHotp,
    c"init_hotp",
    c"Does what HOTP.__init__ would, and says so.",
    registry,
    |slf, secret, digits, digest, name, issuer, initial_count| {
        let arguments = Arguments {
            secret: Some(secret),
            digits: Some(digits),
            digest: Some(digest),
            name: Some(name),
            issuer: Some(issuer),
            moving: Some(initial_count),
        };
        init(registry.pristine(slf)?, Kind::Hotp, Digits::SIX, &arguments)?;
        Some(PyBool::new(slf.py(), true).to_owned().into_any())
    }
);

// There is no interval among the arguments: pyotp checks the one it is given, and then sets 30.
verb!(
    InitSteam,
    c"init_steam",
    c"Does what Steam.__init__ would, and says so.",
    registry,
    |slf, secret, name, issuer| {
        let arguments = Arguments {
            secret: Some(secret),
            name: Some(name),
            issuer: Some(issuer),
            ..Arguments::default()
        };
        init(registry.pristine(slf)?, Kind::Steam, Digits::MAX, &arguments)?;
        Some(PyBool::new(slf.py(), true).to_owned().into_any())
    }
);

/// Adds the verbs to the module.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add::<InitHotp, _>(module)?;
    add::<InitSteam, _>(module)
}
