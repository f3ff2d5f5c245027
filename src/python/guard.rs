//! The pristine guard: whether the fast path may answer for an object.
//!
//! It may while nothing that it stands for has been replaced: no method on the class or the instance, no function in
//! `utils`. Comparing methods one by one costs more than making the code. So all methods live in hidden bases, and
//! replacing one on a public class *adds* a name to it. Of its own it has two, which Python lets nobody delete, so
//! that a class of two names is as it was; what further names Python adds are known by name.

use std::sync::OnceLock;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use super::object::{Base, generic_dict, is_base_type};

/// Names and what they stood for when their module was loaded.
type Names = Box<[(Py<PyString>, Py<PyAny>)]>;

/// What kind of code an object of a public class makes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Otp,
    Hotp,
    Totp,
    Steam,
}

/// A class of the public surface, as it was when its module was loaded.
pub(super) struct PublicClass {
    class: Py<PyType>,
    pub(super) kind: Kind,
    /// pyotp 2.10's rules: no minimum length of the key, none of the time step, any number of digits up to ten.
    pub(super) legacy: bool,
    /// This class and the public ones above it: their names, and how many there are in one that nobody has changed.
    watched: Box<[(Py<PyDict>, usize)]>,
    /// What `generate_otp` calls and reads, as found on the class; a subclass must have the same.
    genuine: Names,
}

/// Functions of a module that tests replace, as they were when it was loaded.
struct WatchedModule {
    names: Py<PyDict>,
    genuine: Names,
    legacy: bool,
}

/// Four classes of each surface, and room for modules that are loaded again.
static CLASSES: [OnceLock<PublicClass>; 32] = [const { OnceLock::new() }; 32];
/// `utils` of each surface; absent until it is imported, and what is not imported is not patched.
static MODULES: [OnceLock<WatchedModule>; 8] = [const { OnceLock::new() }; 8];

/// Fills the first empty slot. Where there is none, `value` comes back.
fn fill<T>(slots: &'static [OnceLock<T>], mut value: T) -> Result<(), T> {
    for slot in slots {
        match slot.set(value) {
            Ok(()) => return Ok(()),
            Err(returned) => value = returned,
        }
    }
    Err(value)
}

/// Names that change a code when an instance has them.
const OVERRIDES: [&str; 6] =
    ["generate_otp", "timecode", "byte_secret", "int_to_bytestring", "at", "min_secret_length_bits"];
/// What the default `generate_otp` calls and reads.
const GENUINE: [&str; 7] = [
    "byte_secret",
    "int_to_bytestring",
    "min_secret_length_bits",
    "secret",
    "digits",
    "digest",
    "__getattribute__",
];
/// The names in a public class that cannot be deleted: `__module__` and `__doc__`.
const LASTING: usize = 2;

/// Makes the fast path answer for a public class. Called once for each, when its module has defined it.
///
/// `watched` holds the class and the public classes above it.
#[pyfunction]
pub(super) fn register(
    class: Bound<'_, PyType>,
    kind: &str,
    legacy: bool,
    watched: Bound<'_, PyTuple>,
) -> PyResult<()> {
    let py = class.py();
    if !is_base_type(&class) {
        return Err(PyTypeError::new_err("not a class of OTP objects"));
    }
    let kind = match kind {
        "hotp" => Kind::Hotp,
        "totp" => Kind::Totp,
        "steam" => Kind::Steam,
        _ => Kind::Otp,
    };
    name_rules(&class)?;
    let watched = watched
        .iter()
        .map(|class| {
            // The dict itself: to ask the proxy that `__dict__` gives for its size costs twice as much.
            let names = generic_dict(&class)?;
            if has_only_python_s_names(&names) {
                return Ok((names.unbind(), LASTING));
            }
            Err(PyTypeError::new_err("the methods of a public class belong into its hidden base"))
        })
        .collect::<PyResult<_>>()?;
    let genuine = genuine(py, &GENUINE, |name| class.getattr(name))?;

    // Without room the class is simply not known, and the plain rules serve it.
    let _ = fill(&CLASSES, PublicClass { class: class.unbind(), kind, legacy, watched, genuine });
    Ok(())
}

/// Gives the functions of the hidden bases the public class's name, which Python's messages then say, as pyotp's do.
fn name_rules(class: &Bound<'_, PyType>) -> PyResult<()> {
    let py = class.py();
    let public = class.name()?;
    for base in class.mro().iter().skip(1) {
        if !base.cast::<PyType>()?.name()?.to_str()?.starts_with('_') {
            break;
        }
        for (name, value) in generic_dict(&base)? {
            let function = value.getattr(intern!(py, "__func__")).unwrap_or(value); // of a static method
            let Ok(qualified) = function.getattr(intern!(py, "__qualname__")) else { continue };
            if qualified.extract::<&str>().is_ok_and(|qualified| qualified.starts_with('_')) {
                let name =
                    if name.eq("_init_by_rules")? { "__init__".into() } else { name.extract::<String>()? };
                function.setattr(intern!(py, "__qualname__"), format!("{public}.{name}"))?;
            }
        }
    }
    Ok(())
}

/// Whether a public class has no names but those that Python itself gives it, which change no code.
#[cold]
#[inline(never)]
fn has_only_python_s_names(names: &Bound<'_, PyDict>) -> bool {
    names.iter().all(|(name, _)| {
        let name = name.cast_exact::<PyString>().ok().and_then(|name| name.to_str().ok());
        matches!(
            name,
            Some(
                "__module__"
                | "__doc__"
                // From 3.13 on; a write to `__module__` deletes the first.
                | "__firstlineno__"
                | "__static_attributes__"
                // When somebody asks for them.
                | "__annotations__"
                | "__annotate__"
                | "__annotate_func__"
                | "__annotations_cache__"
                | "__slotnames__"
            )
        )
    })
}

/// Lets the guard see when one of a module's functions is replaced.
#[pyfunction]
pub(super) fn watch(names: Bound<'_, PyDict>, functions: Vec<String>, legacy: bool) -> PyResult<()> {
    let py = names.py();
    let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
    let genuine = genuine(py, &functions, |name| names.as_any().get_item(name))?;
    let module = WatchedModule { names: names.unbind(), genuine, legacy };
    fill(&MODULES, module).map_err(|_| PyRuntimeError::new_err("ferrotp's utils was loaded too many times"))
}

fn genuine<'py>(
    py: Python<'py>,
    names: &[&str],
    find: impl Fn(&Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Names> {
    names
        .iter()
        .map(|name| {
            let name = PyString::intern(py, name);
            Ok((name.clone().unbind(), find(&name)?.unbind()))
        })
        .collect()
}

/// An object that the fast path may answer for.
pub(super) struct Pristine<'a, 'py> {
    pub(super) base: Base<'a, 'py>,
    pub(super) class: &'static PublicClass,
}

/// Lets an object of a public class pass while its class, its instance and `utils` are as they were.
#[inline]
pub(super) fn pristine<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<Pristine<'a, 'py>> {
    let py = object.py();
    let class_pointer = object.get_type_ptr();
    let class = CLASSES
        .iter()
        .map_while(OnceLock::get)
        .find(|public| public.class.as_ptr().cast() == class_pointer)?;
    for (names, size) in &class.watched {
        let names = names.bind(py);
        if names.len() != *size && !has_only_python_s_names(names) {
            return None;
        }
    }
    // SAFETY: the object's class is a registered one, and `register` takes only classes that derive from OTPBase.
    let base = unsafe { Base::of_unchecked(object) };
    if has_override(base) || module_is_patched(py, class.legacy) {
        return None;
    }
    Some(Pristine { base, class })
}

/// Lets an object of any class pass if what `generate_otp` calls and reads is genuine: for subclasses.
pub(super) fn generates_plainly<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<Pristine<'a, 'py>> {
    let py = object.py();
    let base = Base::of(object).ok()?;
    if has_override(base) {
        return None;
    }
    let class = object.get_type();
    let known = CLASSES.iter().map_while(OnceLock::get).find(|public| {
        public
            .genuine
            .iter()
            .all(|(name, genuine)| class.getattr(name.bind(py)).is_ok_and(|found| found.is(genuine)))
    })?;
    Some(Pristine { base, class: known })
}

/// Whether the instance itself carries a name that changes its codes.
#[inline]
fn has_override(base: Base<'_, '_>) -> bool {
    match base.dict() {
        None => false,
        Some(dict) => {
            !dict.is_empty()
                && OVERRIDES
                    .iter()
                    .any(|name| dict.contains(PyString::intern(base.py(), name)).unwrap_or(true))
        }
    }
}

#[inline]
fn module_is_patched(py: Python<'_>, legacy: bool) -> bool {
    MODULES.iter().map_while(OnceLock::get).filter(|module| module.legacy == legacy).any(|module| {
        let names = module.names.bind(py);
        !module.genuine.iter().all(
            |(name, genuine)| matches!(names.get_item(name.bind(py)), Ok(Some(found)) if found.is(genuine)),
        )
    })
}
