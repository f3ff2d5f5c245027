//! The lock of an object's state.

use std::sync::{Mutex, PoisonError, TryLockError};

/// A value that is lent under a lock, to functions that cannot call Python.
///
/// Whatever may run Python code under the lock, an attribute look-up, an allocation that collects, the last reference to
/// an object, may come back to the same lock, and then the thread waits for itself, with the GIL. So a function that is
/// lent the value must be `Send`. PyO3's token and everything that carries it, `Python`, `Bound`, `Borrowed`, is not: it
/// cannot be brought in, and without it no safe call of Python is possible. This is how PyO3 keeps Python out of
/// `Python::detach`. (`Python::attach`, the other way to a token, is refused by `clippy.toml`.)
#[derive(Default)]
pub(super) struct Locked<T>(Mutex<T>);

impl<T> Locked<T> {
    /// Lends the value.
    #[inline]
    pub(super) fn with<R>(&self, function: impl FnOnce(&mut T) -> R + Send) -> R {
        // Were it poisoned by a panic, the value would still be whole.
        function(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The value of a lock that nobody else has.
    pub(super) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends the value, unless it is lent: for the collector, which must not wait.
    pub(super) fn try_with<R>(&self, function: impl FnOnce(&mut T) -> R + Send) -> Option<R> {
        match self.0.try_lock() {
            Ok(mut value) => Some(function(&mut value)),
            Err(TryLockError::Poisoned(poisoned)) => Some(function(&mut poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
