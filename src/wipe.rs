//! Bytes on the stack that are wiped when they go.

use core::ops::{Deref, DerefMut};

/// Wipes all bytes at once. `Zeroizing` goes byte by byte, which for three blocks takes as long as a compression.
pub(crate) struct Wiped<const N: usize>([u8; N]);

/// Wipes values at once, where `zeroize` goes one by one.
pub(crate) fn wipe<T: Copy + Default>(values: &mut [T]) {
    values.fill(T::default());
    // Without it the compiler may leave out a write that is not read.
    zeroize::optimization_barrier(values);
}

/// How much stack an operation uses at most. In a build without optimisation, frames are some times as large.
const STACK: usize = if cfg!(debug_assertions) { 48 << 10 } else { 12 << 10 };

/// How much stack it takes to make a key.
#[cfg(feature = "python")]
const KEY_STACK: usize = if cfg!(debug_assertions) { 16 << 10 } else { 2 << 10 };

/// Calls `operation`, and then wipes the stack that it used: where values were moved from, and what other crates keep in
/// locals. Deeper frames than [`STACK`] bytes are not reached.
pub(crate) fn with_wiped_stack<R>(operation: impl FnOnce() -> R) -> R {
    with_wiped::<STACK, R>(operation)
}

/// The same for what makes a key, and no more.
#[cfg(feature = "python")]
pub(crate) fn with_wiped_key_stack<R>(operation: impl FnOnce() -> R) -> R {
    with_wiped::<KEY_STACK, R>(operation)
}

#[inline(never)]
fn with_wiped<const SIZE: usize, R>(operation: impl FnOnce() -> R) -> R {
    #[inline(never)]
    fn call<R>(operation: impl FnOnce() -> R) -> R {
        operation()
    }
    #[inline(never)]
    fn wipe<const SIZE: usize>() {
        // Not in the call itself: it would be a constant then, which lies elsewhere.
        let stack = [0u8; SIZE];
        zeroize::optimization_barrier(&stack);
    }
    let result = call(operation);
    wipe::<SIZE>();
    result
}

impl<const N: usize> Wiped<N> {
    pub(crate) fn zeros() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Deref for Wiped<N> {
    type Target = [u8; N];
    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Wiped<N> {
    fn deref_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for Wiped<N> {
    fn drop(&mut self) {
        self.0 = [0; N];
        // Without it the compiler may leave out a write that is not read.
        zeroize::optimization_barrier(&self.0);
    }
}
