//! Where the interpreter calls into Rust.
//!
//! PyO3 wraps its own functions. Those that are written to the C API, for speed, have the wrapper of this module, which
//! does the same work: a panic becomes an exception, and no reference that was dropped on the way is left behind.
//!
//! PyO3 does not know that a thread is attached while it runs such a function. So an exception that comes to nothing
//! there is not dropped, but put aside until PyO3 is next entered, which may be never. And what PyO3 offers for entering
//! it, `Python::attach`, is no way: in a second interpreter of the process it waits for the GIL that its own thread
//! holds, and while the interpreter shuts down it panics. A call of one of PyO3's own functions does it everywhere.

use core::ptr::null_mut;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::exceptions::{PyImportError, PySystemError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;

/// How the body of a function ended.
pub(super) enum End<R> {
    /// The ordinary way, on which nothing fails.
    Ordinary(R),
    /// Something failed on the way and was dropped.
    Odd(R),
}

/// What a function returns beside an exception.
pub(super) trait Answer {
    const FAILED: Self;
}

impl Answer for *mut ffi::PyObject {
    const FAILED: Self = null_mut();
}

impl Answer for core::ffi::c_int {
    const FAILED: Self = -1;
}

/// Runs the body of a function that the interpreter calls, and sets the exception that it ends with.
///
/// # Safety
/// The thread is attached, as it is in whatever the interpreter calls.
#[inline(always)]
pub(super) unsafe fn enter<'py, R: Answer>(body: impl FnOnce(Python<'py>) -> PyResult<End<R>>) -> R {
    // SAFETY: the caller's promise.
    let py = unsafe { Python::assume_attached() };
    // What a panic leaves half done is not used again: a function keeps nothing but the state, which is whole whenever
    // its lock is open.
    match catch_unwind(AssertUnwindSafe(|| body(py))) {
        Ok(Ok(End::Ordinary(answer))) => answer,
        Ok(Ok(End::Odd(answer))) => {
            drop_pending(py);
            answer
        }
        Ok(Err(error)) => fail(py, error),
        Err(panic) => {
            core::mem::forget(panic); // to drop it may panic again
            fail(py, PySystemError::new_err("ferrotp failed where it should not: please report it"))
        }
    }
}

/// The same for what the collector calls, where nothing can be raised. `answer` is the one of a panic.
#[inline(always)]
pub(super) fn enter_quietly<R>(answer: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        core::mem::forget(panic);
        answer
    })
}

#[cold]
fn fail<R: Answer>(py: Python<'_>, error: PyErr) -> R {
    drop_pending(py); // before the exception is set: what is dropped may run Python code
    error.restore(py);
    R::FAILED
}

/// A function of PyO3's.
static NOTHING: PyOnceLock<Py<PyCFunction>> = PyOnceLock::new();

/// Does nothing; PyO3 drops what waits for it when the function is entered.
#[pyfunction]
fn nothing() {}

/// Lets PyO3 drop the references that wait for it.
#[cold]
fn drop_pending(py: Python<'_>) {
    if let Some(nothing) = NOTHING.get(py) {
        // SAFETY: a call of a live object, on an attached thread without an exception set. It returns a new reference,
        // or null with an exception set, which nobody waits for.
        unsafe {
            match ffi::PyObject_CallNoArgs(nothing.as_ptr()) {
                none if !none.is_null() => ffi::Py_DECREF(none),
                _ => ffi::PyErr_Clear(),
            }
        }
    }
}

/// The interpreter that the process's types and interned names belong to; their objects cannot be shared.
static INTERPRETER: AtomicI64 = AtomicI64::new(-1);

/// Refuses every interpreter of the process but the first.
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    // SAFETY: the thread is attached, so there is an interpreter.
    let this = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    match INTERPRETER.compare_exchange(-1, this, Ordering::AcqRel, Ordering::Acquire) {
        Err(first) if first != this => {
            return Err(PyImportError::new_err(
                "ferrotp works in one interpreter of a process, and another one has it: with mod_wsgi, give each \
                 application a WSGIDaemonProcess of its own and set WSGIApplicationGroup %{GLOBAL}",
            ));
        }
        _ => {}
    }
    NOTHING.get_or_try_init(py, || wrap_pyfunction!(nothing, py).map(Bound::unbind))?;
    Ok(())
}
