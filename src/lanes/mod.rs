//! Several codes of one key side by side.
//!
//! A single SHA-1 leaves most of the CPU's hash unit idle, since each step waits for the one before it. The kernels here
//! hash several counters in step. They also keep the inner hash in registers on its way into the outer one, which is
//! worth 20 ns of 105 even for a single code. What a CPU has is asked for at run time; without it, the plain path of
//! [`HmacKey`](crate::HmacKey) hashes one counter after the other.

#[cfg(target_arch = "x86_64")]
mod sha_ni;

/// SHA-1 states after the inner and the outer key block.
pub(crate) type Midstates = [[u32; 5]; 2];

/// The SHA-1 tags of some counters, if this CPU has a kernel.
#[inline]
pub(crate) fn sha1<const N: usize>(midstates: &Midstates, counters: [u64; N]) -> Option<[[u32; 5]; N]> {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("sha")
        && std::is_x86_feature_detected!("sse4.1")
        && std::is_x86_feature_detected!("ssse3")
    {
        // SAFETY: the CPU has what the kernel is compiled for.
        return Some(unsafe { sha_ni::tags(midstates, counters) });
    }
    let _ = (midstates, counters);
    None
}
