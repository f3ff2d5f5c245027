//! An object's attributes, and the key made from them.
//!
//! What is done to a [`State`] is done under its lock, so nothing here that takes one has a way to call Python.

use core::mem::ManuallyDrop;
use core::num::NonZeroU32;
use core::ptr::null_mut;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyInt, PyString};

use crate::wipe::with_wiped_key_stack;
use crate::{Algorithm, Digits, HmacKey, secret};

/// The attributes of pyotp's objects, in the order in which pyotp sets them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Interval,
    InitialCount,
    Digits,
    Digest,
    Secret,
    Name,
    Issuer,
}

impl Field {
    pub(super) const ALL: [(Self, &'static str); 7] = [
        (Self::Interval, "interval"),
        (Self::InitialCount, "initial_count"),
        (Self::Digits, "digits"),
        (Self::Digest, "digest"),
        (Self::Secret, "secret"),
        (Self::Name, "name"),
        (Self::Issuer, "issuer"),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(field, _)| *field == self).map_or("", |(_, name)| name)
    }
}

/// What the fast path needs, read off the attributes when they are set. `None` or 0: not ordinary.
///
/// Every byte counts, in an object that is to take no more than half as much again as pyotp's.
#[derive(Clone, Copy, Default)]
pub(super) struct Ordinary {
    pub(super) digits: Option<Digits>,
    pub(super) algorithm: Option<Algorithm>,
    /// Seconds.
    pub(super) interval: u32,
    initial_count_and_one: Option<NonZeroU32>,
    /// The name is [`DEFAULT_NAME`], and not held.
    pub(super) default_name: bool,
    /// The issuer is None, and not held.
    pub(super) no_issuer: bool,
}

/// The name of an object that was given none.
pub(super) const DEFAULT_NAME: &str = "Secret";

impl Ordinary {
    pub(super) fn initial_count(self) -> Option<u32> {
        self.initial_count_and_one.map(|count| count.get().wrapping_sub(1))
    }

    /// The largest count means nothing: there is no room for one more.
    pub(super) fn set_initial_count(&mut self, count: Option<u32>) {
        self.initial_count_and_one = count.and_then(|count| NonZeroU32::new(count.wrapping_add(1)));
    }

    /// What a value means to the fast path. It is asked before the state is locked, since it may import hashlib.
    pub(super) fn of(field: Field, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut ordinary = Self::default();
        match field {
            Field::Digits => ordinary.digits = ordinary_digits(value),
            Field::Digest => ordinary.algorithm = recognised(value)?,
            Field::Interval => ordinary.interval = small_number(value).unwrap_or(0),
            Field::InitialCount => ordinary.set_initial_count(small_number(value)),
            Field::Secret | Field::Name | Field::Issuer => {}
        }
        Ok(ordinary)
    }

    /// The value of a field that is not held, made for somebody who asks: a default, or a number that a constructor was
    /// given.
    pub(super) fn value<'py>(self, py: Python<'py>, field: Field) -> PyResult<Option<Bound<'py, PyAny>>> {
        let number = |number: u32| Ok(number.into_pyobject(py)?.into_any());
        match field {
            Field::Digits => self.digits.map(|digits| number(digits.get().into())).transpose(),
            Field::Digest => self.algorithm.map(|algorithm| hashlib_function(py, algorithm)).transpose(),
            Field::Interval => (self.interval != 0).then(|| number(self.interval)).transpose(),
            Field::InitialCount => self.initial_count().map(number).transpose(),
            Field::Name => Ok(self.default_name.then(|| intern!(py, DEFAULT_NAME).clone().into_any())),
            Field::Issuer => Ok(self.no_issuer.then(|| py.None().into_bound(py))),
            Field::Secret => Ok(None),
        }
    }

    /// Whether a field's value means something.
    pub(super) fn has(self, field: Field) -> bool {
        match field {
            Field::Digits => self.digits.is_some(),
            Field::Digest => self.algorithm.is_some(),
            Field::Interval => self.interval != 0,
            Field::InitialCount => self.initial_count_and_one.is_some(),
            Field::Secret | Field::Name | Field::Issuer => true,
        }
    }
}

/// A reference as the state holds it.
pub(super) type Value = Py<PyAny>;

/// A reference that has left the state. It must become this before it is dropped: see `boundary`.
pub(super) fn bound(py: Python<'_>, value: Value) -> Bound<'_, PyAny> {
    value.into_bound(py)
}

/// A further reference to what the state holds.
fn shared(value: &Value) -> Value {
    // SAFETY: an object's state is reached through a `Bound` of the object alone, so the thread is attached. To take a
    // reference runs nothing; the token goes no further.
    value.clone_ref(unsafe { Python::assume_attached() })
}

/// A key and its numbers, lent while the state is locked.
pub(super) struct Ready<'a> {
    pub(super) key: &'a HmacKey,
    pub(super) digits: Digits,
    pub(super) interval: u32,
    pub(super) initial_count: Option<u32>,
}

/// Attributes as a URI needs them; a name or an issuer that is the default is `None`, and the interval 0 where the object
/// has none.
pub(super) struct UriFields<V> {
    pub(super) secret: V,
    pub(super) name: Option<V>,
    pub(super) issuer: Option<V>,
    pub(super) algorithm: Algorithm,
    pub(super) digits: Digits,
    pub(super) interval: u32,
    pub(super) initial_count: Option<u32>,
}

impl<V> UriFields<V> {
    #[inline]
    pub(super) fn map<W>(self, to: impl Fn(V) -> W) -> UriFields<W> {
        UriFields {
            secret: to(self.secret),
            name: self.name.map(&to),
            issuer: self.issuer.map(&to),
            algorithm: self.algorithm,
            digits: self.digits,
            interval: self.interval,
            initial_count: self.initial_count,
        }
    }
}

/// A key that was made of a secret while the state was open, and goes in if the secret is still there.
pub(super) struct MadeKey {
    key: Option<HmacKey>,
    is_long: bool,
    algorithm: Algorithm,
    /// The secret's address. The maker of the key holds a reference to it, so that no other object has the address.
    secret: usize,
}

impl MadeKey {
    /// `None` if the secret is not ordinary.
    pub(super) fn of(secret: &Bound<'_, PyAny>, algorithm: Algorithm) -> Option<Self> {
        let text = base32_text(secret)?;
        let mut made = Self { key: None, is_long: false, algorithm, secret: secret.as_ptr().addr() };
        with_wiped_key_stack(|| {
            secret::with_decoded(text, |key| {
                made.is_long = key.len() >= MODERN_KEY_BYTES;
                made.key = Some(HmacKey::new(algorithm, key));
            })
        })
        .ok()?;
        Some(made)
    }

    /// The key, if it has the 112 bits that pyotp 2.12 asks for.
    pub(super) fn long_key(&self) -> Option<&HmacKey> {
        self.key.as_ref().filter(|_| self.is_long)
    }
}

// 64-bit pointers; see `Ordinary`.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<State>() <= 120);

/// The attributes of one object.
#[derive(Default)]
pub(super) struct State {
    // They leave the state before they are dropped, since that may run Python code: it drops none itself.
    fields: ManuallyDrop<[Option<Value>; Field::ALL.len()]>,
    pub(super) ordinary: Ordinary,
    /// Made at first use, dropped when `secret` or `digest` is set. In place always: a key that is moved leaves a copy.
    key: Option<HmacKey>,
    /// Whether the key has the 112 bits that pyotp 2.12 asks for.
    key_is_long: bool,
    /// Since somebody asked for `__dict__`, the attributes live there, as they do in pyotp.
    pub(super) in_dict: bool,
    /// Counts writes, so that a move to `__dict__` sees one that came between.
    pub(super) writes: u16,
}

impl State {
    fn field(&self, field: Field) -> Option<&Value> {
        self.fields.get(field as usize)?.as_ref()
    }

    /// A reference to a field's value.
    pub(super) fn value(&self, field: Field) -> Option<Value> {
        self.field(field).map(shared)
    }

    /// What the collector follows.
    pub(super) fn pointers(&self) -> [*mut ffi::PyObject; Field::ALL.len()] {
        self.fields.each_ref().map(|value| value.as_ref().map_or(null_mut(), Py::as_ptr))
    }

    /// Puts a value in place, with what it means, and gives back the old one.
    #[must_use = "it must be dropped when the state is open again"]
    pub(super) fn replace(&mut self, field: Field, value: Option<Value>, meaning: Ordinary) -> Option<Value> {
        self.writes = self.writes.wrapping_add(1);
        match field {
            Field::Digits => self.ordinary.digits = meaning.digits,
            Field::Digest => self.ordinary.algorithm = meaning.algorithm,
            Field::Interval => self.ordinary.interval = meaning.interval,
            Field::InitialCount => self.ordinary.initial_count_and_one = meaning.initial_count_and_one,
            Field::Name => self.ordinary.default_name = meaning.default_name,
            Field::Issuer => self.ordinary.no_issuer = meaning.no_issuer,
            Field::Secret => {}
        }
        if matches!(field, Field::Secret | Field::Digest) {
            self.key = None;
        }
        core::mem::replace(self.fields.get_mut(field as usize)?, value)
    }

    /// Puts several values in place, with what all of the fields mean, and gives back the old ones.
    pub(super) fn swap<const N: usize>(
        &mut self,
        values: &mut [(Field, Option<Value>); N],
        meaning: Ordinary,
    ) -> bool {
        self.writes = self.writes.wrapping_add(1);
        self.ordinary = meaning;
        self.key = None;
        for (field, value) in values {
            if let Some(slot) = self.fields.get_mut(*field as usize) {
                core::mem::swap(slot, value);
            }
        }
        true
    }

    /// Takes everything out, and wipes the key.
    #[must_use = "it must be dropped when the state is open again"]
    pub(super) fn empty(&mut self) -> [Option<Value>; Field::ALL.len()] {
        self.key = None;
        self.ordinary = Ordinary::default();
        core::mem::take(&mut *self.fields)
    }

    #[inline]
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// What a key is made of. `None` if it is not ordinary.
    pub(super) fn key_material(&self) -> Option<(Value, Algorithm)> {
        let algorithm = self.ordinary.algorithm?;
        Some((self.value(Field::Secret)?, algorithm))
    }

    /// Takes a key, unless it is another secret's by now.
    pub(super) fn take_key(&mut self, made: &mut MadeKey) {
        let same_secret =
            self.field(Field::Secret).is_some_and(|secret| secret.as_ptr().addr() == made.secret);
        if !same_secret || self.ordinary.algorithm != Some(made.algorithm) {
            return;
        }
        core::mem::swap(&mut self.key, &mut made.key);
        self.key_is_long = made.is_long;
    }

    /// The key for these attributes. `None` if there is none, or they are not ordinary.
    #[inline]
    pub(super) fn ready(&self, legacy: bool) -> Option<Ready<'_>> {
        if !legacy && !self.key_is_long {
            return None;
        }
        Some(Ready {
            key: self.key.as_ref()?,
            digits: self.ordinary.digits?,
            interval: self.ordinary.interval,
            initial_count: self.ordinary.initial_count(),
        })
    }

    pub(super) fn uri_fields(&self) -> Option<UriFields<Value>> {
        // `None` inside is the default, and outside an attribute that was deleted.
        let held = |field, is_default: bool| match self.field(field) {
            None => is_default.then_some(None),
            value => Some(value),
        };
        let fields = UriFields {
            secret: self.field(Field::Secret)?,
            name: held(Field::Name, self.ordinary.default_name)?,
            issuer: held(Field::Issuer, self.ordinary.no_issuer)?,
            algorithm: self.ordinary.algorithm?,
            digits: self.ordinary.digits?,
            interval: self.ordinary.interval,
            initial_count: self.ordinary.initial_count(),
        };
        Some(fields.map(shared))
    }
}

/// pyotp 2.12 refuses shorter keys: 112 bits (NIST SP 800-63B-4, section 3.1.4.1).
pub(super) const MODERN_KEY_BYTES: usize = 14;

/// The base32 of a `str` or `bytes` secret, as pyotp's `byte_secret` would take it.
fn base32_text<'a>(secret: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    if let Ok(text) = secret.cast_exact::<PyString>() {
        return text.to_str().ok().map(str::as_bytes);
    }
    // To a `str` pyotp adds missing padding; to `bytes` it cannot.
    let bytes = secret.cast_exact::<PyBytes>().ok()?.as_bytes();
    bytes.len().is_multiple_of(8).then_some(bytes)
}

/// Lends the decoded key.
pub(super) fn with_key_bytes<R>(secret: &Bound<'_, PyAny>, use_key: impl FnOnce(&[u8]) -> R) -> Option<R> {
    secret::with_decoded(base32_text(secret)?, use_key).ok()
}

/// The length of the decoded key, without decoding it.
pub(super) fn key_length(secret: &Bound<'_, PyAny>) -> Option<usize> {
    secret::decoded_len(base32_text(secret)?).ok()
}

/// An exact `int` that is small and not negative.
pub(super) fn small_number(value: &Bound<'_, PyAny>) -> Option<u32> {
    value.cast_exact::<PyInt>().ok()?.extract::<i64>().ok()?.try_into().ok()
}

pub(super) fn ordinary_digits(value: &Bound<'_, PyAny>) -> Option<Digits> {
    Digits::new(u8::try_from(small_number(value)?).ok()?).ok()
}

/// `hashlib.sha1`, `sha256` and `sha512`, in the order of [`Algorithm::ALL`].
fn hashlib_functions(py: Python<'_>) -> PyResult<&'static [Py<PyAny>; 3]> {
    static FUNCTIONS: PyOnceLock<[Py<PyAny>; 3]> = PyOnceLock::new();
    FUNCTIONS.get_or_try_init(py, || {
        let hashlib = py.import(intern!(py, "hashlib"))?;
        Ok([
            hashlib.getattr(intern!(py, "sha1"))?.unbind(),
            hashlib.getattr(intern!(py, "sha256"))?.unbind(),
            hashlib.getattr(intern!(py, "sha512"))?.unbind(),
        ])
    })
}

/// hashlib's function for an algorithm.
pub(super) fn hashlib_function(py: Python<'_>, algorithm: Algorithm) -> PyResult<Bound<'_, PyAny>> {
    let [sha1, sha256, sha512] = hashlib_functions(py)?;
    let function = match algorithm {
        Algorithm::Sha1 => sha1,
        Algorithm::Sha256 => sha256,
        Algorithm::Sha512 => sha512,
    };
    Ok(function.bind(py).clone())
}

/// The algorithm of a digest that is one of `hashlib`'s own functions, by identity: nothing is called.
pub(super) fn recognised(digest: &Bound<'_, PyAny>) -> PyResult<Option<Algorithm>> {
    let functions = hashlib_functions(digest.py())?;
    let known = Algorithm::ALL.into_iter().zip(functions).find(|(_, function)| digest.is(*function));
    Ok(known.map(|(algorithm, _)| algorithm))
}
