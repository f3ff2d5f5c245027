//! `OTPBase`: the type under all OTP classes.
//!
//! It is written to the C API and not as a `#[pyclass]`, for two measured reasons. CPython 3.11 and 3.12 give each
//! object that PyO3 makes a `__dict__` at once, which nearly no OTP object needs: 80 bytes of 264, against pyotp's 128.
//! And PyO3's constructor and initializer read their arguments into new tuples and dicts: 130 ns of 360, against a
//! fifth of which pyotp is measured. Seven attributes with one getter and one setter come with it.

use core::ffi::{CStr, c_int, c_void};
use core::mem::offset_of;
use core::ptr::{self, addr_of_mut, null_mut};

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::boundary::{End, enter, enter_quietly};
use super::init::init_totp;
use super::layout::{Base, Layout, base_type_or, is_base_type, release, write_state};
use super::state::{Field, State};

/// The type.
pub(super) fn base_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    base_type_or(py, || make_type(py))
}

fn make_type(py: Python<'_>) -> PyResult<Py<PyType>> {
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
    Ok(class.cast_into::<PyType>()?.unbind())
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
    enter_quietly(null_mut(), || unsafe {
        if ffi::PyType_GetFlags(class) & IS_ABSTRACT != 0 {
            // `object` knows how to refuse it, and by what names.
            let object = &raw mut ffi::PyBaseObject_Type;
            let refuse: ffi::newfunc = core::mem::transmute(ffi::PyType_GetSlot(object, ffi::Py_tp_new));
            let args = ffi::PyTuple_New(0);
            if args.is_null() {
                return null_mut();
            }
            let refused = refuse(class, args, null_mut());
            ffi::Py_DECREF(args);
            return refused;
        }
        let object = ffi::PyType_GenericAlloc(class, 0);
        if !object.is_null() {
            write_state(object);
        }
        object
    })
}

/// `TOTP.__init__`, and by name that of no other class: those have Python functions.
unsafe extern "C" fn init(
    object: *mut ffi::PyObject,
    args: *mut ffi::PyObject,
    kwargs: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: the interpreter calls with an attached thread state, an object of this type, a tuple, and a dict or null.
    unsafe {
        enter(|py| {
            let object = Bound::ref_from_ptr(py, &object);
            let args = Bound::ref_from_ptr(py, &args).cast_unchecked::<PyTuple>();
            let kwargs = Bound::from_borrowed_ptr_or_opt(py, kwargs)
                .map(|kwargs| kwargs.cast_into_unchecked::<PyDict>());
            if init_totp(object, args, kwargs.as_ref()).is_some() {
                return Ok(End::Ordinary(0));
            }
            match object.call_method(intern!(py, "_init_by_rules"), args, kwargs.as_ref()) {
                Ok(_) => Ok(End::Odd(0)),
                Err(error) => {
                    error.set_traceback(py, None); // the frames of the rules hold the secret
                    Err(error)
                }
            }
        })
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: called once for an object of this type, without references to it, by an attached thread. What it holds is
    // released before its memory, and its type last. The state is dropped where it is: moved, it would leave its key.
    enter_quietly((), || unsafe {
        let layout = object.cast::<Layout>();
        let class = ffi::Py_TYPE(object);
        ffi::PyObject_GC_UnTrack(object.cast());
        if !(*layout).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        ffi::Py_CLEAR(addr_of_mut!((*layout).dict));
        let state = addr_of_mut!((*layout).state);
        release(Python::assume_attached(), (*state).get_mut().empty());
        state.drop_in_place();
        let free: ffi::freefunc = core::mem::transmute(ffi::PyType_GetSlot(class, ffi::Py_tp_free));
        free(object.cast());
        ffi::Py_DECREF(class.cast());
    });
}

unsafe extern "C" fn traverse(object: *mut ffi::PyObject, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the collector gives a live object of this type; `visit` takes borrowed references. The collector must
    // not wait for a lock, and a state that is locked is in use, and so is what it holds.
    enter_quietly(0, || unsafe {
        let layout = object.cast::<Layout>();
        let own = [ffi::Py_TYPE(object).cast(), (*layout).dict];
        let fields = (*layout).state.try_with(|state| state.pointers()).unwrap_or([null_mut(); _]);
        for held in own.into_iter().chain(fields) {
            if !held.is_null() {
                let result = visit(held, arg);
                if result != 0 {
                    return result;
                }
            }
        }
        0
    })
}

unsafe extern "C" fn clear(object: *mut ffi::PyObject) -> c_int {
    // SAFETY: the collector gives a live object of this type, with an attached thread state, and holds a reference.
    enter_quietly(0, || unsafe {
        let layout = object.cast::<Layout>();
        ffi::Py_CLEAR(addr_of_mut!((*layout).dict));
        release(Python::assume_attached(), (*layout).state.with(State::empty));
        0
    })
}

fn field(closure: *mut c_void) -> Field {
    Field::ALL.get(closure.addr()).map_or(Field::Issuer, |(field, _)| *field)
}

unsafe extern "C" fn get(object: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: the descriptor checked the object's type; the thread is attached.
    unsafe {
        enter(|py| {
            let base = Base::of_unchecked(Bound::ref_from_ptr(py, &object));
            Ok(End::Ordinary(base.get(field(closure))?.into_ptr()))
        })
    }
}

unsafe extern "C" fn set(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    closure: *mut c_void,
) -> c_int {
    // SAFETY: as in `get`; the value is borrowed, or null to delete the attribute.
    unsafe {
        enter(|py| {
            let base = Base::of_unchecked(Bound::ref_from_ptr(py, &object));
            match base.set(field(closure), Bound::from_borrowed_ptr_or_opt(py, value))? {
                true => Ok(End::Ordinary(0)),
                false => Ok(End::Odd(0)),
            }
        })
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
    let (class, own) = (slf.get_type(), base_type(slf.py())?);
    // A list of them: to look at the class may run code that changes the dict.
    for item in state.items() {
        let (name, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item.extract()?;
        let field = match name.extract::<&str>() {
            Ok(name) => Field::ALL.into_iter().find(|(_, known)| *known == name).map(|(field, _)| field),
            Err(_) => None,
        };
        match field {
            // Where the class has our descriptor. Another attribute of that name, or none, lets `__dict__`'s be seen.
            Some(field)
                if class.getattr(field.name()).is_ok_and(|found| is_descriptor(own, field, &found)) =>
            {
                base.set(field, Some(value))?;
            }
            _ => base.make_dict()?.set_item(name, value)?,
        }
    }
    Ok(())
}

fn is_descriptor(own: &Bound<'_, PyType>, field: Field, found: &Bound<'_, PyAny>) -> bool {
    let name = match field {
        Field::Interval => "_interval",
        Field::InitialCount => "_initial_count",
        _ => field.name(),
    };
    own.getattr(name).is_ok_and(|descriptor| descriptor.is(found))
}
