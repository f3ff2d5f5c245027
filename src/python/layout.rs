//! The memory of an object of an OTP class, and what is read and written there.

use core::ptr::{addr_of_mut, null_mut};

use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use super::locked::Locked;
use super::state::{Field, MadeKey, Ordinary, Ready, State, UriFields, Value, bound};

/// The memory of an object. Subclasses in Python add nothing in front of it.
#[repr(C)]
pub(super) struct Layout {
    head: ffi::PyObject,
    /// Null until the instance gets a name that is not an attribute here.
    pub(super) dict: *mut ffi::PyObject,
    pub(super) weakrefs: *mut ffi::PyObject,
    pub(super) state: Locked<State>,
}

/// Attributes by name.
type Attributes<'py> = Vec<(&'static str, Bound<'py, PyAny>)>;

/// `OTPBase`. There is one in a process, as there is one of each type that PyO3 makes: objects of an import that was
/// purged and made anew are laid out alike.
static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// `OTPBase`, made by `make` at first.
pub(super) fn base_type_or<'py>(
    py: Python<'py>,
    make: impl FnOnce() -> PyResult<Py<PyType>>,
) -> PyResult<&'py Bound<'py, PyType>> {
    Ok(TYPE.get_or_try_init(py, make)?.bind(py))
}

/// Whether objects of this class are laid out as `OTPBase`'s.
pub(super) fn is_base_type(class: &Bound<'_, PyType>) -> bool {
    // SAFETY: both are live type objects.
    TYPE.get(class.py()).is_some_and(|base| unsafe {
        ffi::PyType_IsSubtype(class.as_ptr().cast(), base.as_ptr().cast()) != 0
    })
}

/// The dict that Python itself keeps for an object, whatever its class answers for `__dict__`.
pub(super) fn generic_dict<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    // SAFETY: a plain C API call on a live object; it returns a new reference, or null with an exception set.
    let dict = unsafe {
        let pointer = ffi::PyObject_GenericGetDict(object.as_ptr(), null_mut());
        Bound::from_owned_ptr_or_err(object.py(), pointer)
    }?;
    Ok(dict.cast_into()?)
}

/// An object that is known to derive from `OTPBase`.
#[derive(Clone, Copy)]
pub(super) struct Base<'a, 'py>(&'a Bound<'py, PyAny>);

impl<'a, 'py> Base<'a, 'py> {
    /// Checks the type.
    pub(super) fn of(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        if is_base_type(&object.get_type()) {
            Ok(Self(object))
        } else {
            Err(PyTypeError::new_err("not an object of an OTP class"))
        }
    }

    /// # Safety
    /// The object's type derives from `OTPBase`.
    pub(super) unsafe fn of_unchecked(object: &'a Bound<'py, PyAny>) -> Self {
        Self(object)
    }

    pub(super) fn py(self) -> Python<'py> {
        self.0.py()
    }

    fn layout(self) -> *mut Layout {
        self.0.as_ptr().cast()
    }

    #[inline]
    pub(super) fn state(self) -> &'a Locked<State> {
        // SAFETY: the type derives from OTPBase, so the memory is a Layout, whose state was written by `new` and lives
        // as long as the object, which `'a` borrows.
        unsafe { &(*self.layout()).state }
    }

    /// Runs `use_ready` on the key, or returns `None` where the attributes are not ordinary.
    #[inline(always)]
    pub(super) fn with_ready<R>(
        self,
        legacy: bool,
        mut use_ready: impl FnMut(Ready<'_>) -> Option<R> + Send,
    ) -> Option<R> {
        // As often as the secret is replaced while it is read; to lose each time is odd, and left to the plain rules.
        for _ in 0..4 {
            let used = self.state().with(|state| state.has_key().then(|| use_ready(state.ready(legacy)?)));
            match used {
                Some(result) => return result,
                None => self.make_key()?,
            }
        }
        None
    }

    /// Makes the key, unless the secret is replaced meanwhile. `None` if it is not ordinary.
    #[cold]
    #[inline(never)]
    fn make_key(self) -> Option<()> {
        let (secret, algorithm) = self.state().with(|state| state.key_material())?;
        // To encode a secret may run Python code, so it is done while the state is open.
        let secret = bound(self.py(), secret);
        let mut key = MadeKey::of(&secret, algorithm)?;
        self.state().with(|state| state.take_key(&mut key));
        Some(())
    }

    /// What a URI says.
    pub(super) fn uri_fields(self) -> Option<UriFields<Bound<'py, PyAny>>> {
        let fields = self.state().with(|state| state.uri_fields())?;
        Some(fields.map(|value| bound(self.py(), value)))
    }

    #[inline]
    pub(super) fn has_dict(self) -> bool {
        // SAFETY: as in `state`.
        unsafe { !(*self.layout()).dict.is_null() }
    }

    /// The instance's dict, if it has one.
    pub(super) fn dict(self) -> Option<Bound<'py, PyDict>> {
        // SAFETY: as in `state`. The GIL, which the module asks for, is held from the read until the reference is taken,
        // so nobody drops the dict between them. The pointer is null or the object's own reference.
        unsafe { Bound::from_borrowed_ptr_or_opt(self.py(), (*self.layout()).dict) }?.cast_into().ok()
    }

    /// The instance's dict, made if it has none.
    pub(super) fn make_dict(self) -> PyResult<Bound<'py, PyDict>> {
        generic_dict(self.0)
    }

    pub(super) fn get(self, field: Field) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py();
        let (value, ordinary) = self.state().with(|state| (state.value(field), state.ordinary));
        if let Some(value) = value {
            return Ok(bound(py, value));
        }
        if let Some(value) = ordinary.value(py, field)? {
            return Ok(value);
        }
        // Moved there, or set while a class attribute of this name stood in the way.
        if let Some(dict) = self.dict()
            && let Some(value) = dict.get_item(field.name())?
        {
            return Ok(value);
        }
        let class = self.0.get_type().name()?;
        Err(PyAttributeError::new_err(format!("'{class}' object has no attribute '{}'", field.name())))
    }

    /// Sets an attribute, or deletes it. Whether the value was an ordinary one.
    pub(super) fn set(self, field: Field, value: Option<Bound<'py, PyAny>>) -> PyResult<bool> {
        let meaning = match &value {
            Some(value) => Ordinary::of(field, value)?,
            None => {
                self.get(field)?; // raises AttributeError where there is nothing to delete
                Ordinary::default()
            }
        };
        let new = value.map(Bound::unbind);
        let ordinary = meaning.has(field);
        let replaced = self.state().with(|state| match state.in_dict {
            true => Err(new),
            false => Ok(state.replace(field, new, meaning)),
        });
        match replaced {
            Ok(old) => drop(old.map(|old| bound(self.py(), old))),
            Err(value) => {
                let dict = self.make_dict()?;
                match value.map(|value| bound(self.py(), value)) {
                    Some(value) => dict.set_item(field.name(), value)?,
                    None => dict.del_item(field.name())?,
                }
            }
        }
        Ok(ordinary)
    }

    /// The attributes that are set, as name and value, and the number of writes so far.
    pub(super) fn attributes(self) -> PyResult<(Attributes<'py>, u16)> {
        let py = self.py();
        let (values, ordinary, writes) = self
            .state()
            .with(|state| (Field::ALL.map(|(field, _)| state.value(field)), state.ordinary, state.writes));
        let values = values.map(|value| value.map(|value| bound(py, value)));
        let mut set = Vec::new();
        for ((field, name), value) in Field::ALL.into_iter().zip(values) {
            let value = match value {
                Some(value) => Some(value),
                None => ordinary.value(py, field)?,
            };
            set.extend(value.map(|value| (name, value)));
        }
        Ok((set, writes))
    }

    /// Moves the attributes to the instance's dict, where they stay.
    pub(super) fn move_to_dict(self) -> PyResult<Bound<'py, PyDict>> {
        let dict = self.make_dict()?;
        while !self.state().with(|state| state.in_dict) {
            let (values, writes) = self.attributes()?;
            let further = dict.copy()?; // set since, so they come after
            dict.clear();
            for (name, value) in values {
                dict.set_item(name, value)?;
            }
            dict.update(further.as_mapping())?;
            let moved = self.state().with(|state| {
                (state.writes == writes).then(|| {
                    state.in_dict = true;
                    state.empty()
                })
            });
            release(self.py(), moved.unwrap_or_default());
        }
        Ok(dict)
    }

    /// Makes another dict the instance's.
    pub(super) fn replace_dict(self, dict: &Bound<'py, PyDict>) -> PyResult<()> {
        self.move_to_dict()?;
        // SAFETY: a plain C API call on live objects; -1 means that an exception is set.
        let result = unsafe { ffi::PyObject_GenericSetDict(self.0.as_ptr(), dict.as_ptr(), null_mut()) };
        if result < 0 { Err(PyErr::fetch(self.py())) } else { Ok(()) }
    }
}

/// Writes the state of a new object, and what was there before is not dropped.
///
/// # Safety
/// The memory is a Layout's that nobody reads yet.
pub(super) unsafe fn write_state(object: *mut ffi::PyObject) {
    // SAFETY: the caller's promise.
    unsafe { addr_of_mut!((*object.cast::<Layout>()).state).write(Locked::default()) }
}

/// Drops references while the thread is attached, so that they are released at once.
pub(super) fn release<const N: usize>(py: Python<'_>, values: [Option<Value>; N]) {
    for value in values {
        drop(value.map(|value| bound(py, value)));
    }
}
