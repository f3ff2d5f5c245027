//! The pristine guard: whether the fast path may answer for an object.
//!
//! It may while nothing that it stands for has been replaced: no method on the class or the instance, and where a code is
//! compared or a URI built, no function in `utils`. Comparing methods one by one costs more than making the code. So all methods live in hidden bases, and
//! replacing one on a public class *adds* a name to it. Of its own it has two, which Python lets nobody delete, so
//! that a class of two names is as it was; what further names Python adds are known by name.
//!
//! What it compares with belongs to one import of the module, its [`Registry`]: a package that is purged from
//! `sys.modules` and imported again has classes, functions and a registry of its own, and the older ones go on.

use core::ptr::{self, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use super::layout::{Base, generic_dict, is_base_type};

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

/// What is to be known of a public class.
#[derive(Clone, Copy)]
pub(super) struct Class {
    pub(super) kind: Kind,
    /// pyotp 2.10's rules: no minimum length of the key, none of the time step, any number of digits up to ten.
    pub(super) legacy: bool,
}

/// A class of the public surface, as it was when its module was loaded.
struct PublicClass {
    class: Py<PyType>,
    facts: Class,
    /// The names of this class and of the public ones above it.
    watched: Box<[Py<PyDict>]>,
    /// The one name of theirs that can be deleted, where Python gives it: since 3.13 a write to `__module__` does.
    line: Option<Py<PyString>>,
    /// What `generate_otp` calls and reads, as found on the class; a subclass must have the same.
    genuine: Names,
    /// The class that was registered after this one: also when its module was loaded again.
    next: OnceLock<Box<Self>>,
}

impl PublicClass {
    /// Whether nobody has put a name into the class or one above it: each has the two that cannot be deleted, and the
    /// line if that is among what is left.
    #[inline(always)]
    fn is_untouched(&self, py: Python<'_>) -> bool {
        match &self.line {
            None => self.watched.iter().all(|names| names.bind(py).len() == LASTING),
            Some(line) => self.watched.iter().all(|names| {
                let names = names.bind(py);
                names.len() == LASTING + 1 && names.contains(line.bind(py)).unwrap_or(false)
            }),
        }
    }

    #[cold]
    #[inline(never)]
    fn has_only_python_s_names(&self, py: Python<'_>) -> bool {
        self.watched.iter().all(|names| has_only_python_s_names(names.bind(py)))
    }
}

/// Functions of a module that tests replace, as they were when it was loaded.
struct WatchedModule {
    names: Py<PyDict>,
    genuine: Names,
}

impl WatchedModule {
    #[inline(never)]
    fn is_patched(&self, py: Python<'_>) -> bool {
        let names = self.names.bind(py);
        !self.genuine.iter().all(
            |(name, genuine)| matches!(names.get_item(name.bind(py)), Ok(Some(found)) if found.is(genuine)),
        )
    }
}

/// What the functions of `utils` are for. A verb looks at those that its plain rules would call.
#[derive(Clone, Copy)]
pub(super) enum Use {
    /// Comparing codes: `strings_equal` and what it calls, here and in `unicodedata`.
    Comparing,
    /// Writing URIs: `build_uri`.
    Uris,
}

/// The watched functions of one surface. A module that is loaded again takes the place of its predecessor, which is
/// kept for a call that may be looking at it.
#[derive(Default)]
struct Watched {
    /// By their use. Null until `utils` is imported: what is not imported is not patched.
    comparing: [AtomicPtr<WatchedModule>; 2],
    uris: [AtomicPtr<WatchedModule>; 1],
    earlier: Mutex<Vec<AtomicPtr<WatchedModule>>>,
}

impl Watched {
    #[inline(always)]
    fn current(&self, by: Use) -> &[AtomicPtr<WatchedModule>] {
        match by {
            Use::Comparing => &self.comparing,
            Use::Uris => &self.uris,
        }
    }

    /// Takes the place of the module with the same names, or an empty one. False if there is none.
    fn put(&self, module: WatchedModule, by: Use) -> bool {
        let place = self.current(by).iter().find(|place| {
            Self::at(place).is_none_or(|old| {
                let (old, new) = (old.genuine.iter(), module.genuine.iter());
                old.map(|(name, _)| name.as_ptr()).eq(new.map(|(name, _)| name.as_ptr()))
            })
        });
        let Some(place) = place else { return false };
        let old = place.swap(Box::into_raw(Box::new(module)), Ordering::AcqRel);
        if !old.is_null() {
            self.earlier.lock().unwrap_or_else(PoisonError::into_inner).push(AtomicPtr::new(old));
        }
        true
    }

    #[inline]
    fn at(place: &AtomicPtr<WatchedModule>) -> Option<&WatchedModule> {
        // SAFETY: null, or a box that lives as long as the `Watched` that the place is borrowed from: see `drop`.
        unsafe { place.load(Ordering::Acquire).as_ref() }
    }

    #[inline(always)]
    fn is_patched(&self, by: Use, py: Python<'_>) -> bool {
        self.current(by).iter().filter_map(Self::at).any(|module| module.is_patched(py))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let earlier = self.earlier.get_mut().unwrap_or_else(PoisonError::into_inner);
        for place in self.comparing.iter_mut().chain(&mut self.uris).chain(earlier) {
            let module = core::mem::replace(place.get_mut(), null_mut());
            if !module.is_null() {
                // SAFETY: made by `Box::into_raw` in `put`, and in one place alone.
                drop(unsafe { Box::from_raw(module) });
            }
        }
    }
}

/// What one import of the module knows. It goes when the import's classes and functions go, which hold each other.
#[pyclass(frozen, name = "_Registry", module = "ferrotp._native")]
#[derive(Default)]
pub(super) struct Registry {
    classes: OnceLock<Box<PublicClass>>,
    /// Of the two surfaces: pyotp's newest rules, and the older ones.
    modern: Watched,
    legacy: Watched,
}

/// The name under which a module keeps its registry.
const REGISTRY: &str = "_registry";

/// The registries of this process, the newest last: by their address, and the objects that they are in.
static LIVE: Mutex<Vec<(usize, AtomicPtr<ffi::PyObject>)>> = Mutex::new(Vec::new());
/// The object of the newest, or null: nearly always there is one, and it is asked for at each construction.
static NEWEST: AtomicPtr<ffi::PyObject> = AtomicPtr::new(null_mut());

#[pymethods]
impl Registry {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        fn visit_names(names: &Names, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
            names.iter().try_for_each(|(_, value)| visit.call(value))
        }
        for public in self.classes() {
            visit.call(&public.class)?;
            public.watched.iter().try_for_each(|names| visit.call(names))?;
            visit_names(&public.genuine, &visit)?;
        }
        for watched in [&self.modern, &self.legacy] {
            let earlier = watched.earlier.try_lock();
            let current = watched.comparing.iter().chain(&watched.uris);
            for place in current.chain(earlier.iter().flat_map(|earlier| earlier.iter())) {
                if let Some(module) = Watched::at(place) {
                    visit.call(&module.names)?;
                    visit_names(&module.genuine, &visit)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let this = ptr::from_ref(self).addr();
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|(address, _)| *address != this);
        let newest = live.last().map_or(null_mut(), |(_, object)| object.load(Ordering::Relaxed));
        NEWEST.store(newest, Ordering::Release);
    }
}

impl Registry {
    /// A module's registry, made if it has none.
    pub(super) fn of_module<'py>(module: &Bound<'py, PyModule>) -> PyResult<Bound<'py, Self>> {
        if let Ok(registry) = module.getattr(REGISTRY) {
            return Ok(registry.cast_into()?);
        }
        let registry = Bound::new(module.py(), Self::default())?;
        module.add(REGISTRY, &registry)?;
        let address = ptr::from_ref(registry.get()).addr();
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        live.push((address, AtomicPtr::new(registry.as_ptr())));
        NEWEST.store(registry.as_ptr(), Ordering::Release);
        Ok(registry)
    }

    /// What [`pristine`](Self::pristine) says, of the registry that knows the object's class.
    #[inline]
    pub(super) fn pristine_object<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<Pristine<'a, 'py>> {
        let newest = Self::held(object.py(), NEWEST.load(Ordering::Acquire))?;
        newest.get().pristine(object).or_else(|| Self::of_older(object)?.get().pristine(object))
    }

    /// The registry that knows an object's class.
    pub(super) fn of_object<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, Self>> {
        let newest = Self::held(object.py(), NEWEST.load(Ordering::Acquire))?;
        match newest.get().class(object.get_type_ptr()) {
            Some(_) => Some(newest),
            None => Self::of_older(object),
        }
    }

    #[cold]
    fn of_older<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, Self>> {
        let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, older) = live.split_last()?;
        // References to all before one is dropped, which may be the last.
        let held =
            |(_, registry): &(usize, AtomicPtr<_>)| Self::held(object.py(), registry.load(Ordering::Relaxed));
        let older: Vec<_> = older.iter().rev().filter_map(held).collect();
        drop(live);
        older.iter().find(|registry| registry.get().class(object.get_type_ptr()).is_some()).cloned()
    }

    /// A reference to a registry, unless it is about to go.
    #[inline]
    fn held(py: Python<'_>, object: *mut ffi::PyObject) -> Option<Bound<'_, Self>> {
        // SAFETY: null, or the object of a registry whose `drop` has not run: that would have taken it off the list, under
        // the GIL, which the module asks for. One whose last reference is gone must not be given another.
        unsafe {
            if object.is_null() || ffi::Py_REFCNT(object) == 0 {
                return None;
            }
            Some(Bound::from_borrowed_ptr(py, object).cast_into_unchecked())
        }
    }

    #[inline]
    fn classes(&self) -> impl Iterator<Item = &PublicClass> {
        core::iter::successors(self.classes.get(), |public| public.next.get()).map(|public| &**public)
    }

    #[inline(always)]
    fn class(&self, class: *mut ffi::PyTypeObject) -> Option<&PublicClass> {
        let mut public = self.classes.get()?;
        while public.class.as_ptr().cast() != class {
            public = public.next.get()?;
        }
        Some(public)
    }

    /// Lets an object of a public class pass while its class, its instance and what `utils` has for this use are as they
    /// were.
    #[inline(always)]
    pub(super) fn pristine_for<'a, 'py>(
        &self,
        by: Use,
        object: &'a Bound<'py, PyAny>,
    ) -> Option<Pristine<'a, 'py>> {
        let pristine = self.pristine(object)?;
        (!self.watched(pristine.class.legacy).is_patched(by, object.py())).then_some(pristine)
    }

    /// Lets an object of a public class pass while its class and its instance are as they were.
    #[inline(always)]
    pub(super) fn pristine<'a, 'py>(&self, object: &'a Bound<'py, PyAny>) -> Option<Pristine<'a, 'py>> {
        let py = object.py();
        let public = self.class(object.get_type_ptr())?;
        if !public.is_untouched(py) && !public.has_only_python_s_names(py) {
            return None;
        }
        // SAFETY: the object's class is a registered one, and `register` takes only classes that derive from OTPBase.
        let base = unsafe { Base::of_unchecked(object) };
        if has_override(base) {
            return None;
        }
        Some(Pristine { base, class: public.facts })
    }

    /// Lets an object of any class pass if what `generate_otp` calls and reads is genuine: for subclasses.
    pub(super) fn generates_plainly<'a, 'py>(
        &self,
        object: &'a Bound<'py, PyAny>,
    ) -> Option<Pristine<'a, 'py>> {
        let py = object.py();
        let base = Base::of(object).ok()?;
        if has_override(base) {
            return None;
        }
        let class = object.get_type();
        for public in self.classes() {
            let mut all = true;
            for (name, genuine) in &public.genuine {
                all = all && class.getattr(name.bind(py)).ok()?.is(genuine);
            }
            if all {
                return Some(Pristine { base, class: public.facts });
            }
        }
        None
    }

    fn watched(&self, legacy: bool) -> &Watched {
        if legacy { &self.legacy } else { &self.modern }
    }

    fn add(&self, public: PublicClass) {
        let mut public = Box::new(public);
        let mut place = &self.classes;
        loop {
            match place.set(public) {
                Ok(()) => return,
                Err(returned) => public = returned,
            }
            match place.get() {
                Some(taken) => place = &taken.next,
                None => return, // it was set: that is why it failed
            }
        }
    }
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
#[pyo3(pass_module)]
pub(super) fn register(
    module: &Bound<'_, PyModule>,
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
    let (unused, line) = (intern!(py, "__static_attributes__"), intern!(py, "__firstlineno__"));
    let mut has_line = true;
    let mut names = Vec::new();
    for class in watched {
        // The dict itself: to ask the proxy that `__dict__` gives for its size costs twice as much.
        let of_class = generic_dict(&class)?;
        if of_class.contains(unused)? {
            class.delattr(unused)?; // a name the less to look for at each code
        }
        if !has_only_python_s_names(&of_class) {
            return Err(PyTypeError::new_err("the methods of a public class belong into its hidden base"));
        }
        has_line = has_line && of_class.contains(line)?;
        names.push(of_class.unbind());
    }
    let (watched, line) = (names.into(), has_line.then(|| line.clone().unbind()));
    let genuine = genuine(py, &GENUINE, |name| class.getattr(name))?;
    let (class, facts) = (class.unbind(), Class { kind, legacy });
    let public = PublicClass { class, facts, watched, line, genuine, next: OnceLock::new() };
    Registry::of_module(module)?.get().add(public);
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
        for item in generic_dict(&base)?.items() {
            let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
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
fn has_only_python_s_names(names: &Bound<'_, PyDict>) -> bool {
    names.iter().all(|(name, _)| {
        let name = name.cast_exact::<PyString>().ok().and_then(|name| name.to_str().ok());
        matches!(
            name,
            Some(
                "__module__"
                | "__doc__"
                // From 3.13 on.
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

/// Lets the guard see when one of a module's functions is replaced, of those for comparing codes or for URIs.
#[pyfunction]
#[pyo3(pass_module)]
pub(super) fn watch(
    module: &Bound<'_, PyModule>,
    names: Bound<'_, PyDict>,
    functions: Vec<String>,
    by: &str,
    legacy: bool,
) -> PyResult<()> {
    let by = if by == "uris" { Use::Uris } else { Use::Comparing };
    let py = names.py();
    let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
    let genuine = genuine(py, &functions, |name| names.as_any().get_item(name))?;
    let watched = WatchedModule { names: names.unbind(), genuine };
    match Registry::of_module(module)?.get().watched(legacy).put(watched, by) {
        true => Ok(()),
        false => Err(PyRuntimeError::new_err("there is no room to watch another module's functions")),
    }
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
    pub(super) class: Class,
}

/// Whether the instance itself carries a name that changes its codes.
#[inline(always)]
fn has_override(base: Base<'_, '_>) -> bool {
    #[inline(never)]
    fn in_dict(dict: &Bound<'_, PyDict>) -> bool {
        let has = |name| dict.contains(PyString::intern(dict.py(), name)).unwrap_or(true);
        !dict.is_empty() && OVERRIDES.iter().any(|name| has(name))
    }
    base.has_dict() && base.dict().is_some_and(|dict| in_dict(&dict))
}
