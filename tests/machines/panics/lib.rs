//! What the module's boundary relies on: a panic comes as far as `catch_unwind`, and drops what lies on its way.

use std::hint::black_box;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicI32, Ordering};

static DROPPED: AtomicI32 = AtomicI32::new(0);

struct Counts;

impl Drop for Counts {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

#[inline(never)]
fn deep(levels: u32) -> u32 {
    let _counts = Counts;
    assert!(black_box(levels) != 0, "thrown on purpose");
    black_box(deep(levels.wrapping_sub(1))).wrapping_add(1)
}

/// How many values the panic dropped on its way, or -1 where there was none.
#[unsafe(no_mangle)]
pub extern "C" fn panic_and_catch() -> i32 {
    match catch_unwind(|| deep(9)) {
        Ok(_) => -1,
        Err(_) => DROPPED.swap(0, Ordering::Relaxed),
    }
}
