//! Making and checking codes. Every function returns `None` where the plain rules must decide.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use super::fastcall::{add, verb};
use super::guard::{Kind, Pristine, Registry, Use};
use super::state::{MadeKey, Ready};
use crate::{Algorithm, Code, Digits, HmacKey, hotp, steam, totp};

/// 10000-01-01 00:00:00 UTC: pyotp's end of time, exclusive.
const END_OF_TIME: u64 = 253_402_300_800;
/// pyotp 2.10 went through local time, whose year 9999 may end a day earlier.
const LEGACY_END_OF_TIME: u64 = END_OF_TIME - 86_400;
/// A verification over more steps than this is left to the plain rules, which Python can interrupt.
pub(super) const WIDEST_WINDOW: u64 = 10_000;

fn code(kind: Kind, ready: &Ready<'_>, counter: u64) -> Code {
    if kind == Kind::Steam {
        steam::reduced_code(ready.key, counter, ready.digits)
    } else {
        hotp::code(ready.key, counter, ready.digits)
    }
}

fn to_str<'py>(py: Python<'py>, code: &Code) -> Option<Bound<'py, PyAny>> {
    PyString::from_bytes(py, code.as_bytes()).ok().map(Bound::into_any)
}

fn to_bool(py: Python<'_>, value: bool) -> Option<Bound<'_, PyAny>> {
    Some(PyBool::new(py, value).to_owned().into_any())
}

/// Whether a time is over for objects that are otherwise ordinary.
pub(super) fn is_over(seconds: u64, legacy: bool) -> bool {
    seconds >= if legacy { LEGACY_END_OF_TIME } else { END_OF_TIME }
}

/// Whole seconds of an ordinary time: an exact `int` or `float` in pyotp's range.
#[inline(always)]
fn seconds(time: &Bound<'_, PyAny>, legacy: bool) -> Option<u64> {
    let end = if legacy { LEGACY_END_OF_TIME } else { END_OF_TIME };
    // A cast that fails says of which type the value is not, which costs more than to ask.
    let seconds = if time.is_exact_instance_of::<PyFloat>() {
        let time = time.cast_exact::<PyFloat>().ok()?.value();
        // Not for NaN: it compares with nothing.
        if !(0.0..end as f64).contains(&time) {
            return None;
        }
        time as u64
    } else {
        counter(time)?
    };
    (seconds < end).then_some(seconds)
}

/// An exact, non-negative `int` of at most 63 bits: to read a signed number costs CPython half of an unsigned one.
#[inline(always)]
fn counter(value: &Bound<'_, PyAny>) -> Option<u64> {
    value.cast_exact::<PyInt>().ok()?.extract::<i64>().ok()?.try_into().ok()
}

pub(super) fn is_totp(pristine: &Pristine<'_, '_>) -> bool {
    matches!(pristine.class.kind, Kind::Totp | Kind::Steam)
}

#[inline(always)]
fn totp_code<'py>(
    registry: &Registry,
    slf: &Bound<'py, PyAny>,
    time: &Bound<'py, PyAny>,
    offset: i64,
) -> Option<Bound<'py, PyAny>> {
    let py = slf.py();
    let pristine = registry.pristine(slf).filter(is_totp)?;
    let class = pristine.class;
    let seconds = seconds(time, class.legacy)?;
    let code = pristine.base.with_ready(class.legacy, |ready| {
        let step = totp::time_step(seconds, ready.interval.into()).ok()?;
        Some(code(class.kind, &ready, step.checked_add_signed(offset)?))
    })?;
    to_str(py, &code)
}

/// The first matching step of the window; the outer `None` leaves it to the plain rules.
#[inline(always)]
fn find(
    registry: &Registry,
    slf: &Bound<'_, PyAny>,
    otp: &Bound<'_, PyAny>,
    for_time: &Bound<'_, PyAny>,
    valid_window: &Bound<'_, PyAny>,
) -> Option<Option<u64>> {
    let pristine = registry.pristine_for(Use::Comparing, slf).filter(is_totp)?;
    let class = pristine.class;
    let text = plain_text(otp)?;
    let window = counter(valid_window).filter(|window| *window <= WIDEST_WINDOW)?;
    let seconds = seconds(for_time, class.legacy)?;
    pristine.base.with_ready(class.legacy, |ready| {
        let step = totp::time_step(seconds, ready.interval.into()).ok()?;
        if class.kind == Kind::Steam {
            steam::find(ready.key, step, window, ready.digits, text).ok()
        } else {
            totp::find(ready.key, step, window, ready.digits, text).ok()
        }
    })
}

/// ASCII text, which Unicode normalization leaves as it is. What else can stand for digits is left to the plain rules.
#[inline]
pub(super) fn plain_text<'a>(otp: &'a Bound<'_, PyAny>) -> Option<&'a str> {
    let text = otp.cast_exact::<PyString>().ok()?.to_str().ok()?;
    text.is_ascii().then_some(text)
}

/// Runs `make` on an HOTP object's key at its initial count plus `count`.
#[inline(always)]
fn with_hotp<R>(
    pristine: Option<Pristine<'_, '_>>,
    count: &Bound<'_, PyAny>,
    mut make: impl FnMut(&HmacKey, u64, Digits) -> R + Send,
) -> Option<R> {
    let pristine = pristine.filter(|pristine| pristine.class.kind == Kind::Hotp)?;
    let count = counter(count)?;
    pristine.base.with_ready(pristine.class.legacy, |ready| {
        let counter = count.checked_add(ready.initial_count?.into())?;
        Some(make(ready.key, counter, ready.digits))
    })
}

verb!(
    TotpNow,
    c"totp_now",
    c"The code at a time that the caller read off the clock.",
    registry,
    |slf, time| totp_code(registry, slf, time, 0)
);

verb!(
    TotpAt,
    c"totp_at",
    c"The code at a time, some steps before or after.",
    registry,
    |slf, for_time, counter_offset| {
        totp_code(registry, slf, for_time, counter_offset.cast_exact::<PyInt>().ok()?.extract().ok()?)
    }
);

verb!(
    TotpVerify,
    c"totp_verify",
    c"Whether a code is one of the window's.",
    registry,
    |slf, otp, for_time, valid_window| to_bool(
        slf.py(),
        find(registry, slf, otp, for_time, valid_window)?.is_some()
    )
);

verb!(
    TotpFind,
    c"totp_find",
    c"The first step of the window that the code belongs to, or False.",
    registry,
    |slf, otp, for_time, valid_window| {
        match find(registry, slf, otp, for_time, valid_window)? {
            None => to_bool(slf.py(), false),
            Some(step) => step.into_pyobject(slf.py()).ok().map(Bound::into_any),
        }
    }
);

verb!(
    Generate,
    c"generate",
    c"What the default generate_otp returns for a counter: decimal digits, for Steam objects as well.",
    registry,
    |slf, counter| {
        let counter = self::counter(counter)?;
        let Pristine { base, class } = registry.pristine(slf).or_else(|| registry.generates_plainly(slf))?;
        let code =
            base.with_ready(class.legacy, |ready| Some(hotp::code(ready.key, counter, ready.digits)))?;
        to_str(slf.py(), &code)
    }
);

verb!(HotpAt, c"hotp_at", c"The code of a count.", registry, |slf, count| {
    to_str(slf.py(), &with_hotp(registry.pristine(slf), count, hotp::code)?)
});

verb!(HotpVerify, c"hotp_verify", c"Whether a code is that of a count.", registry, |slf, otp, count| {
    let text = plain_text(otp)?;
    let pristine = registry.pristine_for(Use::Comparing, slf);
    to_bool(
        slf.py(),
        with_hotp(pristine, count, |key, counter, digits| hotp::verify(key, counter, digits, text))?,
    )
});

verb!(
    HotpResync,
    c"hotp_resync",
    c"The lowest count of a window whose code is the second, and the count's before it the first; or False.",
    registry,
    |slf, otp, next_otp, counter, window| {
        let (text, next_text) = (plain_text(otp)?, plain_text(next_otp)?);
        let more = self::counter(window).filter(|window| *window <= WIDEST_WINDOW)?;
        let first = self::counter(counter)?;
        let found = with_hotp(registry.pristine_for(Use::Comparing, slf), counter, |key, start, digits| {
            let last = start.checked_add(more)?;
            let found = hotp::resync(key, start, last, digits, text, next_text).ok()?;
            // In counts, which begin at the object's initial count.
            Some(found.map(|found| found.wrapping_sub(start).wrapping_add(first)))
        })??;
        match found {
            None => to_bool(slf.py(), false),
            Some(count) => count.into_pyobject(slf.py()).ok().map(Bound::into_any),
        }
    }
);

verb!(
    VerifyOne,
    c"verify_one",
    c"Whether a code is that of a base32 secret, by the ordinary rules. The probe stands for what a string does.",
    registry,
    |probe, secret, otp, for_time, valid_window| {
        registry.pristine_for(Use::Comparing, probe).filter(is_totp)?;
        let text = plain_text(otp)?;
        let window = counter(valid_window).filter(|window| *window <= WIDEST_WINDOW)?;
        let seconds = seconds(for_time, false)?;
        let step = totp::time_step(seconds, 30).ok()?;
        let made = MadeKey::of(secret, Algorithm::Sha1)?;
        let found = totp::find(made.long_key()?, step, window, Digits::SIX, text).ok()?;
        to_bool(probe.py(), found.is_some())
    }
);

/// The kernels in use, by their names.
#[pyfunction]
pub(super) fn kernels() -> Vec<&'static str> {
    crate::kernels().collect()
}

/// Adds the verbs to the module.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add::<TotpNow, _>(module)?;
    add::<TotpAt, _>(module)?;
    add::<TotpVerify, _>(module)?;
    add::<TotpFind, _>(module)?;
    add::<Generate, _>(module)?;
    add::<HotpAt, _>(module)?;
    add::<HotpVerify, _>(module)?;
    add::<HotpResync, _>(module)?;
    add::<VerifyOne, _>(module)
}
