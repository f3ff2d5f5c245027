//! Many objects and secrets in one call. `ferrotp.batch` is what is public; here is a chunk of its work.
//!
//! What is not ordinary gets no answer, as everywhere in these bindings, and the plain rules decide it item by item.

use core::ops::Range;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use super::codes::{WIDEST_WINDOW, is_over, is_totp, plain_text};
use super::guard::{Kind, Registry, Use};
use super::state::MODERN_KEY_BYTES;
use crate::batch::{KeySet, Numbers, Refused, in_parts};
use crate::{Digits, Error, HmacKey};

/// A string stands for `TOTP(string)`.
const OF_A_STRING: Numbers = Numbers { digits: Digits::SIX, period: 30, steam: false };
/// The longest code.
const WIDTH: usize = Digits::MAX.get() as usize;
/// How many items are held at a time while a set is made.
const CHUNK: usize = 8192;

/// Lends an ordinary TOTP object's key and its numbers, unless `seconds` is a time that it does not know.
fn with_key<R>(
    registry: Option<&Registry>,
    otp: &Bound<'_, PyAny>,
    seconds: u64,
    mut use_key: impl FnMut(&HmacKey, Numbers) -> R + Send,
) -> Option<R> {
    let pristine = registry?.pristine_for(Use::Comparing, otp).filter(is_totp)?;
    let class = pristine.class;
    if pristine.base.dict().is_some_and(|names| !names.is_empty()) {
        return None; // a verb of its own, perhaps
    }
    pristine.base.with_ready(class.legacy, |ready| {
        if ready.interval == 0 || is_over(seconds, class.legacy) {
            return None;
        }
        let steam = class.kind == Kind::Steam;
        Some(use_key(ready.key, Numbers { digits: ready.digits, period: ready.interval, steam }))
    })
}

/// A string's characters, while a `TOTP` made of it would be ordinary.
fn base32<'a>(item: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    Some(item.cast_exact::<PyString>().ok()?.to_str().ok()?.as_bytes())
}

fn is_pristine(registry: Option<&Registry>, otp: &Bound<'_, PyAny>) -> bool {
    registry.is_some_and(|registry| registry.pristine_for(Use::Comparing, otp).is_some())
}

/// A fault of ours: sizes and keys were right when the call began.
fn failed(error: Error) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// The items of a chunk, apart: keys of objects, and strings. An item that is neither has no answer here.
struct Chunk<'a> {
    objects: KeySet,
    strings: Vec<Option<&'a [u8]>>,
}

impl<'a> Chunk<'a> {
    /// `wanted` leaves out what it is false for.
    fn of(
        items: &'a [Bound<'_, PyAny>],
        probe: &Bound<'_, PyAny>,
        seconds: u64,
        wanted: impl Fn(usize) -> bool,
    ) -> Self {
        let mut chunk = Self { objects: KeySet::default(), strings: Vec::with_capacity(items.len()) };
        let registry = Registry::of_object(probe);
        let registry = registry.as_ref().map(Bound::get);
        let strings_are_ordinary = is_pristine(registry, probe) && !is_over(seconds, false);
        for (place, item) in items.iter().enumerate() {
            let string = base32(item).filter(|_| strings_are_ordinary && wanted(place));
            let pushed = string.is_none()
                && wanted(place)
                && with_key(registry, item, seconds, |key, numbers| chunk.objects.push(key, numbers))
                    .is_some();
            if !pushed {
                chunk.objects.push_empty();
            }
            chunk.strings.push(string);
        }
        chunk
    }

    /// The keys of some of the strings, in the order of their places.
    fn keys(&self, places: &Range<usize>) -> KeySet {
        let mut keys = KeySet::default();
        let strings = self.strings.get(places.clone()).unwrap_or_default();
        if strings.iter().any(Option::is_some) {
            keys.push_base32(strings.iter().copied(), OF_A_STRING, MODERN_KEY_BYTES, |_, _| {});
        }
        keys
    }
}

/// The code of each item at a time, or None where the plain rules must decide; and those places.
///
/// `items` is the caller's own, so that nothing in it goes while other threads run.
#[pyfunction]
pub(super) fn batch_codes<'py>(
    py: Python<'py>,
    items: Vec<Bound<'py, PyAny>>,
    probe: &Bound<'py, PyAny>,
    seconds: u64,
    threads: usize,
) -> PyResult<(Bound<'py, PyList>, Vec<usize>)> {
    let chunk = Chunk::of(&items, probe, seconds, |_| true);
    let mut codes = vec![0; items.len().saturating_mul(WIDTH)];
    let count = items.len();
    py.detach(|| {
        in_parts(count, threads, &mut codes, WIDTH, |places, codes| {
            chunk.objects.codes(places.clone(), seconds, WIDTH, codes)?;
            let keys = chunk.keys(&places);
            keys.codes(0..keys.len(), seconds, WIDTH, codes)
        })
    })
    .map_err(failed)?;
    texts(py, &codes, WIDTH, count)
}

/// Whether the code of each item is one of its window's, or None where the plain rules must decide; and those places.
#[pyfunction]
pub(super) fn batch_verify<'py>(
    py: Python<'py>,
    items: Vec<Bound<'py, PyAny>>,
    codes: Vec<Bound<'py, PyAny>>,
    probe: &Bound<'py, PyAny>,
    seconds: u64,
    window: u64,
    threads: usize,
) -> PyResult<(Vec<Option<bool>>, Vec<usize>)> {
    let mut right = vec![None; items.len()];
    if window > WIDEST_WINDOW {
        return Ok((right, (0..items.len()).collect()));
    }
    let typed: Vec<Option<&str>> = codes.iter().map(plain_text).collect();
    let chunk = Chunk::of(&items, probe, seconds, |place| typed.get(place).is_some_and(Option::is_some));
    let typed: Vec<&[u8]> = typed.into_iter().map(|text| text.unwrap_or_default().as_bytes()).collect();
    let count = items.len();
    py.detach(|| {
        in_parts(count, threads, &mut right, 1, |places, right| {
            let typed = typed.get(places.clone()).unwrap_or_default();
            chunk.objects.verify(places.clone(), seconds, window, typed, right)?;
            let keys = chunk.keys(&places);
            keys.verify(0..keys.len(), seconds, window, typed, right)
        })
    })
    .map_err(failed)?;
    Ok(with_odd(right))
}

/// Results, and the places that have none.
fn with_odd(results: Vec<Option<bool>>) -> (Vec<Option<bool>>, Vec<usize>) {
    let odd =
        results.iter().enumerate().filter(|(_, result)| result.is_none()).map(|(place, _)| place).collect();
    (results, odd)
}

/// Codes of up to `width` characters as `str`, and None for zero bytes; and the places of those.
fn texts<'py>(
    py: Python<'py>,
    codes: &[u8],
    width: usize,
    count: usize,
) -> PyResult<(Bound<'py, PyList>, Vec<usize>)> {
    let (list, mut empty) = (PyList::empty(py), Vec::new());
    if width == 0 {
        // Every place is empty.
        for _ in 0..count {
            list.append(py.None())?;
        }
    }
    for (place, code) in codes.chunks_exact(width.max(1)).enumerate() {
        let length = code.iter().position(|byte| *byte == 0).unwrap_or(code.len());
        match code.get(..length) {
            Some(code) if !code.is_empty() => list.append(PyString::from_bytes(py, code)?)?,
            _ => {
                list.append(py.None())?;
                empty.push(place);
            }
        }
    }
    Ok((list, empty))
}

/// The native floor of `ferrotp.batch.KeySet`, which documents it.
#[pyclass(subclass, frozen, module = "ferrotp._native")]
pub(super) struct KeySetBase {
    keys: KeySet,
    /// The places that stayed empty, and why.
    refused: Vec<(usize, &'static str)>,
}

impl KeySetBase {
    /// Takes strings and objects to the next places.
    fn extend(&mut self, items: &[Bound<'_, PyAny>], probe: &Bound<'_, PyAny>) {
        let registry = Registry::of_object(probe);
        let registry = registry.as_ref().map(Bound::get);
        let strings_are_ordinary = is_pristine(registry, probe);
        let mut rest = items;
        while let Some((first, others)) = rest.split_first() {
            if base32(first).is_some() && strings_are_ordinary {
                let count = rest.iter().position(|item| base32(item).is_none()).unwrap_or(rest.len());
                let (strings, others) = rest.split_at_checked(count).unwrap_or_default();
                rest = others;
                let Self { keys, refused } = self;
                keys.push_base32(strings.iter().map(base32), OF_A_STRING, MODERN_KEY_BYTES, |place, why| {
                    refused.push((
                        place,
                        match why {
                            Refused::NotBase32 => "not base32",
                            Refused::TooShort => "too short",
                        },
                    ));
                });
                continue;
            }
            rest = others;
            if with_key(registry, first, 0, |key, numbers| self.keys.push(key, numbers)).is_none() {
                self.refused.push((self.keys.len(), "not ordinary"));
                self.keys.push_empty();
            }
        }
    }
}

#[pymethods]
impl KeySetBase {
    #[new]
    fn new(py: Python<'_>, otps: &Bound<'_, PyAny>, probe: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut set = Self { keys: KeySet::default(), refused: Vec::new() };
        let mut items = Vec::new();
        for item in otps.try_iter()? {
            items.push(item?);
            if items.len() == CHUNK {
                set.extend(&items, probe);
                items.clear();
                py.check_signals()?;
            }
        }
        set.extend(&items, probe);
        Ok(set)
    }

    fn __len__(&self) -> usize {
        self.keys.len()
    }

    #[getter]
    fn width(&self) -> usize {
        self.keys.width()
    }

    #[getter]
    fn _refused(&self) -> Vec<(usize, &'static str)> {
        self.refused.clone()
    }

    /// The codes of places from `start` to before `end`, `width` bytes each.
    fn _codes<'py>(
        &self,
        py: Python<'py>,
        start: usize,
        end: usize,
        seconds: u64,
        threads: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        PyBytes::new_with(py, self.size(start, end), |codes| {
            self.codes(py, start, end, seconds, threads, codes)
        })
    }

    /// The same as strings; None at an empty place.
    fn _texts<'py>(
        &self,
        py: Python<'py>,
        start: usize,
        end: usize,
        seconds: u64,
        threads: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let mut codes = vec![0; self.size(start, end)];
        self.codes(py, start, end, seconds, threads, &mut codes)?;
        Ok(texts(py, &codes, self.keys.width(), self.count(start, end))?.0)
    }

    /// Whether codes are those of the places from `start` on; None at an empty place, and those places.
    fn _verify(
        &self,
        py: Python<'_>,
        start: usize,
        codes: Vec<Bound<'_, PyString>>,
        seconds: u64,
        window: u64,
        threads: usize,
    ) -> PyResult<(Vec<Option<bool>>, Vec<usize>)> {
        let typed = codes.iter().map(|code| Ok(code.to_str()?.as_bytes())).collect::<PyResult<Vec<_>>>()?;
        let mut right = vec![None; typed.len()];
        py.detach(|| {
            in_parts(typed.len(), threads, &mut right, 1, |part, right| {
                let typed = typed.get(part.clone()).unwrap_or_default();
                let places = start.saturating_add(part.start)..start.saturating_add(part.end);
                self.keys.verify(places, seconds, window, typed, right)
            })
        })
        .map_err(failed)?;
        Ok(with_odd(right))
    }

    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err("a KeySet holds keys: it is neither pickled nor copied"))
    }
}

impl KeySetBase {
    fn count(&self, start: usize, end: usize) -> usize {
        end.min(self.keys.len()).saturating_sub(start)
    }

    fn size(&self, start: usize, end: usize) -> usize {
        self.count(start, end).saturating_mul(self.keys.width())
    }

    fn codes(
        &self,
        py: Python<'_>,
        start: usize,
        end: usize,
        seconds: u64,
        threads: usize,
        codes: &mut [u8],
    ) -> PyResult<()> {
        let (count, width) = (self.count(start, end), self.keys.width());
        py.detach(|| {
            in_parts(count, threads, codes, width, |part, codes| {
                let places = start.saturating_add(part.start)..start.saturating_add(part.end);
                self.keys.codes(places, seconds, width, codes)
            })
        })
        .map_err(failed)
    }
}
