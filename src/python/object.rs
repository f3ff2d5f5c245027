//! `OTPBase`: the type under all OTP classes.
//!
//! It is written to the C API and not as a `#[pyclass]`, for two measured reasons. CPython 3.11 and 3.12 give each
//! object that PyO3 makes a `__dict__` at once, which nearly no OTP object needs: 80 bytes of 264, against pyotp's 128.
//! And PyO3's constructor and initializer read their arguments into new tuples and dicts: 130 ns of 360, against a
//! fifth of which pyotp is measured. Seven attributes with one getter and one setter come with it.

use core::ffi::{CStr, c_int, c_void};
use core::mem::{ManuallyDrop, offset_of};
use core::ptr::{self, addr_of_mut, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::fastcall::drop_pending;
use super::init::init_totp;
use super::state::{Field, Ordinary, Ready, State, hashlib_function};

/// The memory of an object. Subclasses in Python add nothing in front of it.
#[repr(C)]
struct Layout {
    head: ffi::PyObject,
    /// Null until the instance gets a name that is not an attribute here.
    dict: *mut ffi::PyObject,
    weakrefs: *mut ffi::PyObject,
    // No Python code runs while it is held: no attribute look-up, no reference dropped.
    state: Mutex<State>,
}

/// Attributes by name.
type Attributes<'py> = Vec<(&'static str, Bound<'py, PyAny>)>;

/// The type, once it is made. It is never freed.
static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(null_mut());

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

    fn layout(self) -> *mut Layout {
        self.0.as_ptr().cast()
    }

    pub(super) fn py(self) -> Python<'py> {
        self.0.py()
    }

    /// Locks the attributes.
    #[inline]
    pub(super) fn lock(self) -> MutexGuard<'a, State> {
        // SAFETY: the type derives from OTPBase, so the memory is a Layout, whose state was written by `new` and lives
        // as long as the object, which `'a` borrows.
        let state: &'a Mutex<State> = unsafe { &(*self.layout()).state };
        // Nothing panics while it is held; were it poisoned, the state would still be whole.
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `use_ready` on the key, or returns `None` where the attributes are not ordinary.
    #[inline]
    pub(super) fn with_ready<R>(
        self,
        legacy: bool,
        use_ready: impl FnOnce(Ready<'_>) -> Option<R>,
    ) -> Option<R> {
        use_ready(self.lock().ready(self.py(), legacy)?)
    }

    /// The instance's dict, if it has one.
    #[inline]
    pub(super) fn dict(self) -> Option<Bound<'py, PyDict>> {
        // SAFETY: as in `lock`. The load is atomic, since a free-threaded interpreter may be setting the pointer.
        let dict =
            unsafe { AtomicPtr::from_ptr(addr_of_mut!((*self.layout()).dict)) }.load(Ordering::Acquire);
        if dict.is_null() {
            return None;
        }
        // SAFETY: the pointer is the object's own reference to its dict.
        unsafe { Bound::from_borrowed_ptr(self.py(), dict) }.cast_into().ok()
    }

    /// The instance's dict, made if it has none.
    pub(super) fn make_dict(self) -> PyResult<Bound<'py, PyDict>> {
        generic_dict(self.0)
    }

    fn get(self, field: Field) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py();
        let state = self.lock();
        if let Some(value) = state.field(field) {
            return Ok(value.bind(py).clone());
        }
        let algorithm = state.ordinary.algorithm;
        drop(state);
        if let Some(algorithm) = algorithm.filter(|_| field == Field::Digest) {
            return hashlib_function(py, algorithm);
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

    fn set(self, field: Field, value: Option<Bound<'py, PyAny>>) -> PyResult<()> {
        let meaning = match &value {
            Some(value) => Ordinary::of(field, value)?,
            None => {
                self.get(field)?; // raises AttributeError where there is nothing to delete
                Ordinary::default()
            }
        };
        let mut state = self.lock();
        if state.in_dict {
            drop(state);
            let dict = self.make_dict()?;
            return match value {
                Some(value) => dict.set_item(field.name(), value),
                None => dict.del_item(field.name()),
            };
        }
        let old = state.replace(self.py(), field, value, meaning);
        drop(state);
        drop(old);
        Ok(())
    }

    /// The attributes that are set, as name and value, and the number of writes so far.
    pub(super) fn attributes(self) -> PyResult<(Attributes<'py>, u16)> {
        let py = self.py();
        let state = self.lock();
        let (writes, algorithm) = (state.writes, state.ordinary.algorithm);
        let values = Field::ALL.map(|(field, _)| state.field(field).map(|value| value.bind(py).clone()));
        drop(state);
        let mut set = Vec::new();
        for ((field, name), value) in Field::ALL.into_iter().zip(values) {
            match (field, value, algorithm) {
                (_, Some(value), _) => set.push((name, value)),
                (Field::Digest, None, Some(algorithm)) => set.push((name, hashlib_function(py, algorithm)?)),
                _ => {}
            }
        }
        Ok((set, writes))
    }

    /// Moves the attributes to the instance's dict, where they stay.
    pub(super) fn move_to_dict(self) -> PyResult<Bound<'py, PyDict>> {
        let dict = self.make_dict()?;
        while !self.lock().in_dict {
            let (values, writes) = self.attributes()?;
            let further = dict.copy()?; // set since, so they come after
            dict.clear();
            for (name, value) in values {
                dict.set_item(name, value)?;
            }
            dict.update(further.as_mapping())?;
            let mut state = self.lock();
            if state.writes == writes {
                let moved = core::mem::replace(&mut *state, State::in_dict());
                drop(state);
                release(self.py(), moved);
            }
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

/// Whether objects of this class are laid out as `OTPBase`'s.
pub(super) fn is_base_type(class: &Bound<'_, PyType>) -> bool {
    // SAFETY: both are live type objects; TYPE is set before any function of the module can be called.
    unsafe { ffi::PyType_IsSubtype(class.as_ptr().cast(), TYPE.load(Ordering::Acquire)) != 0 }
}

/// Drops a state's references while the thread is attached, so that they are released at once.
fn release(py: Python<'_>, mut state: State) {
    for value in &mut state.fields {
        drop(value.take().map(|value| value.into_bound(py)));
    }
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

/// Makes the type. Called once, when the module is loaded.
pub(super) fn make_type(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    const fn offset(name: &'static CStr, offset: usize) -> ffi::PyMemberDef {
        ffi::PyMemberDef {
            name: name.as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: offset as ffi::Py_ssize_t,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        }
    }
    const fn attribute(name: &'static CStr, field: Field) -> ffi::PyGetSetDef {
        ffi::PyGetSetDef {
            name: name.as_ptr(),
            get: Some(get),
            set: Some(set),
            doc: ptr::null(),
            closure: ptr::without_provenance_mut(field as usize),
        }
    }
    // The tables live for ever: the type keeps pointers into them. Each ends with a zeroed entry.
    let members = Box::leak(Box::new([
        offset(c"__dictoffset__", offset_of!(Layout, dict)),
        offset(c"__weaklistoffset__", offset_of!(Layout, weakrefs)),
        // SAFETY: null pointers and zeros are a valid entry, and the one that ends the table.
        unsafe { core::mem::zeroed() },
    ]));
    let attributes = Box::leak(Box::new([
        // The first two are lent, under their plain names, to the classes that have them: an HOTP has no interval.
        attribute(c"_interval", Field::Interval),
        attribute(c"_initial_count", Field::InitialCount),
        attribute(c"digits", Field::Digits),
        attribute(c"digest", Field::Digest),
        attribute(c"secret", Field::Secret),
        attribute(c"name", Field::Name),
        attribute(c"issuer", Field::Issuer),
        // SAFETY: as above.
        unsafe { core::mem::zeroed() },
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, c"The native floor of the OTP classes.".as_ptr().cast_mut().cast()),
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_init, init as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, attributes.as_mut_ptr().cast()),
        slot(0, null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE | ffi::Py_TPFLAGS_HAVE_GC;
    let mut spec = ffi::PyType_Spec {
        name: c"ferrotp._native.OTPBase".as_ptr(),
        basicsize: size_of::<Layout>() as c_int,
        itemsize: 0,
        flags: flags as core::ffi::c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the spec describes the functions and tables above; the interpreter copies it.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec)) }?;
    TYPE.store(class.clone().into_ptr().cast(), Ordering::Release);
    Ok(class.cast_into()?)
}

/// A new object of a class that derives from `OTPBase`, without attributes.
pub(super) fn new_object<'py>(class: &Bound<'py, PyType>) -> Option<Bound<'py, PyAny>> {
    if !is_base_type(class) {
        return None;
    }
    // SAFETY: `new` gets a class of its own; it returns a new reference, or null with an exception set.
    let object = unsafe {
        Bound::from_owned_ptr_or_err(class.py(), new(class.as_ptr().cast(), null_mut(), null_mut()))
    };
    object.ok()
}

/// Takes any arguments: subclasses have signatures of their own, and some never call `__init__`.
unsafe extern "C" fn new(
    class: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    const IS_ABSTRACT: core::ffi::c_ulong = 1 << 20; // Py_TPFLAGS_IS_ABSTRACT
    // SAFETY: the interpreter gives the class to make an object of. What `tp_alloc` returns is zeroed memory of that
    // class, hence a Layout in front, or null with an exception set; nothing reads it before the state is written.
    unsafe {
        if ffi::PyType_GetFlags(class) & IS_ABSTRACT != 0 {
            // `object` knows how to refuse it, and by what names.
            let object = &raw mut ffi::PyBaseObject_Type;
            let refuse: ffi::newfunc = core::mem::transmute(ffi::PyType_GetSlot(object, ffi::Py_tp_new));
            let args = ffi::PyTuple_New(0);
            let refused = refuse(class, args, null_mut());
            ffi::Py_DECREF(args);
            return refused;
        }
        let object = ffi::PyType_GenericAlloc(class, 0);
        if !object.is_null() {
            addr_of_mut!((*object.cast::<Layout>()).state).write(Mutex::new(State::default()));
        }
        object
    }
}

/// `TOTP.__init__`, and by name that of no other class: those have Python functions.
unsafe extern "C" fn init(
    object: *mut ffi::PyObject,
    args: *mut ffi::PyObject,
    kwargs: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: the interpreter calls with an attached thread state, an object of this type, a tuple, and a dict or null.
    let (py, object, args, kwargs) = unsafe {
        let py = Python::assume_attached();
        (
            py,
            Bound::ref_from_ptr(py, &object),
            Bound::ref_from_ptr(py, &args).cast_unchecked(),
            Bound::from_borrowed_ptr_or_opt(py, kwargs).map(|kwargs| kwargs.cast_into_unchecked::<PyDict>()),
        )
    };
    if init_totp(object, args, kwargs.as_ref()).is_some() {
        return 0;
    }
    drop_pending();
    match object.call_method(intern!(py, "_init_by_rules"), args, kwargs.as_ref()) {
        Ok(_) => 0,
        Err(error) => {
            error.set_traceback(py, None); // the frames of the rules hold the secret
            error.restore(py);
            -1
        }
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: called once for an object of this type, without references to it. What it holds is released before its
    // memory, and its type last.
    unsafe {
        let py = Python::assume_attached();
        let layout = object.cast::<Layout>();
        let class = ffi::Py_TYPE(object);
        ffi::PyObject_GC_UnTrack(object.cast());
        if !(*layout).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        ffi::Py_CLEAR(addr_of_mut!((*layout).dict));
        let state = ptr::read(addr_of_mut!((*layout).state));
        release(py, state.into_inner().unwrap_or_else(PoisonError::into_inner));
        let free: ffi::freefunc = core::mem::transmute(ffi::PyType_GetSlot(class, ffi::Py_tp_free));
        free(object.cast());
        ffi::Py_DECREF(class.cast());
    }
}

unsafe extern "C" fn traverse(object: *mut ffi::PyObject, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the collector gives a live object of this type; `visit` takes borrowed references. The collector must
    // not wait for a lock, and a state that is locked is in use, and so is what it holds.
    unsafe {
        let layout = object.cast::<Layout>();
        let mut held = [null_mut(); 2 + Field::ALL.len()];
        let [class, dict, fields @ ..] = &mut held;
        *class = ffi::Py_TYPE(object).cast();
        *dict = (*layout).dict;
        if let Ok(state) = (*layout).state.try_lock() {
            for (slot, value) in fields.iter_mut().zip(&state.fields) {
                *slot = value.as_ref().map_or(null_mut(), Py::as_ptr);
            }
        }
        for held in held {
            if !held.is_null() {
                let result = visit(held, arg);
                if result != 0 {
                    return result;
                }
            }
        }
    }
    0
}

unsafe extern "C" fn clear(object: *mut ffi::PyObject) -> c_int {
    // SAFETY: the collector gives a live object of this type, with an attached thread state.
    unsafe {
        let py = Python::assume_attached();
        let layout = object.cast::<Layout>();
        ffi::Py_CLEAR(addr_of_mut!((*layout).dict));
        let base = ManuallyDrop::new(Bound::from_borrowed_ptr(py, object));
        let state = core::mem::take(&mut *Base::of_unchecked(&base).lock());
        release(py, state);
        ffi::Py_DECREF(object); // the reference that `base` took, which must not be dropped where it might be the last
    }
    0
}

fn field(closure: *mut c_void) -> Field {
    Field::ALL.get(closure.addr()).map_or(Field::Issuer, |(field, _)| *field)
}

unsafe extern "C" fn get(object: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: the descriptor checked the object's type; the thread is attached.
    let (py, base) = unsafe {
        let py = Python::assume_attached();
        (py, Base::of_unchecked(Bound::ref_from_ptr(py, &object)))
    };
    match base.get(field(closure)) {
        Ok(value) => value.into_ptr(),
        Err(error) => {
            error.restore(py);
            null_mut()
        }
    }
}

unsafe extern "C" fn set(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    closure: *mut c_void,
) -> c_int {
    // SAFETY: as in `get`; the value is borrowed, or null to delete the attribute.
    let (py, base, value) = unsafe {
        let py = Python::assume_attached();
        (py, Base::of_unchecked(Bound::ref_from_ptr(py, &object)), Bound::from_borrowed_ptr_or_opt(py, value))
    };
    match base.set(field(closure), value) {
        Ok(()) => 0,
        Err(error) => {
            error.restore(py);
            -1
        }
    }
}

/// The object's `__dict__`, live, with its attributes in it, as in pyotp. From then on the plain rules serve it.
#[pyfunction]
pub(super) fn instance_dict<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    Base::of(slf)?.move_to_dict()
}

/// Replaces the object's `__dict__`.
#[pyfunction]
pub(super) fn set_instance_dict<'py>(slf: &Bound<'py, PyAny>, value: &Bound<'py, PyDict>) -> PyResult<()> {
    Base::of(slf)?.replace_dict(value)
}

/// The attributes and whatever else the instance carries, in a new dict: what is pickled.
#[pyfunction]
pub(super) fn getstate<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let base = Base::of(slf)?;
    let state = PyDict::new(slf.py());
    for (name, value) in base.attributes()?.0 {
        state.set_item(name, value)?;
    }
    if let Some(dict) = base.dict() {
        state.update(dict.as_mapping())?;
    }
    Ok(state)
}

/// Takes attributes as unpickling gives them: past a subclass's properties and `__setattr__`, as into pyotp's `__dict__`.
#[pyfunction]
pub(super) fn setstate<'py>(slf: &Bound<'py, PyAny>, state: &Bound<'py, PyDict>) -> PyResult<()> {
    let base = Base::of(slf)?;
    let (class, own) = (slf.get_type(), base_type(slf.py()));
    for (name, value) in state {
        let field = match name.extract::<&str>() {
            Ok(name) => Field::ALL.into_iter().find(|(_, known)| *known == name).map(|(field, _)| field),
            Err(_) => None,
        };
        match field {
            // Where the class has our descriptor. Another attribute of that name, or none, lets `__dict__`'s be seen.
            Some(field)
                if class.getattr(field.name()).is_ok_and(|found| is_descriptor(&own, field, &found)) =>
            {
                base.set(field, Some(value))?;
            }
            _ => base.make_dict()?.set_item(name, value)?,
        }
    }
    Ok(())
}

/// `OTPBase` itself.
fn base_type(py: Python<'_>) -> Bound<'_, PyAny> {
    // SAFETY: TYPE holds a reference of its own since the module was loaded, and never gives it up.
    unsafe { Bound::from_borrowed_ptr(py, TYPE.load(Ordering::Acquire).cast()) }
}

fn is_descriptor(own: &Bound<'_, PyAny>, field: Field, found: &Bound<'_, PyAny>) -> bool {
    let name = match field {
        Field::Interval => "_interval",
        Field::InitialCount => "_initial_count",
        _ => field.name(),
    };
    own.getattr(name).is_ok_and(|descriptor| descriptor.is(found))
}
