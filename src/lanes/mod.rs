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

/// The kernel of this CPU for SHA-1 by its name, if it has one.
#[inline]
pub fn sha1_kernel() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("sha")
        && std::is_x86_feature_detected!("sse4.1")
        && std::is_x86_feature_detected!("ssse3")
    {
        return Some("SHA-NI");
    }
    None
}

/// The SHA-1 tags of some counters, if this CPU has a kernel.
#[inline]
pub(crate) fn sha1<const N: usize>(midstates: &Midstates, counters: [u64; N]) -> Option<[[u32; 5]; N]> {
    #[cfg(target_arch = "x86_64")]
    if sha1_kernel().is_some() {
        // SAFETY: the CPU has what the kernel is compiled for.
        return Some(unsafe { sha_ni::tags(midstates, counters) });
    }
    let _ = (midstates, counters);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// HMAC from midstates by the plain compression function.
    fn plain([inner, outer]: &Midstates, counter: u64) -> [u32; 5] {
        let hash = |state: &[u32; 5], message: &[u8]| {
            let mut block = [0; 64];
            block[..message.len()].copy_from_slice(message);
            block[message.len()] = 0x80;
            block[56..].copy_from_slice(&((64 + message.len() as u64) * 8).to_be_bytes());
            let mut state = *state;
            sha1::block_api::compress(&mut state, &[block]);
            state
        };
        let inner = hash(inner, &counter.to_be_bytes());
        hash(outer, inner.map(u32::to_be_bytes).as_flattened())
    }

    fn lanes_are_plain<const N: usize>(midstates: &Midstates, counters: [u64; N]) {
        if let Some(tags) = sha1(midstates, counters) {
            assert_eq!(tags, counters.map(|counter| plain(midstates, counter)));
        }
    }

    proptest! {
        // States are random words, not only those that a key can lead to.
        #[test]
        fn every_number_of_lanes_equals_the_sha1_crate(midstates: Midstates, counters: [u64; 8]) {
            let [a, b, c, d, ..] = counters;
            lanes_are_plain(&midstates, [a]);
            lanes_are_plain(&midstates, [a, b]);
            lanes_are_plain(&midstates, [a, b, c]);
            lanes_are_plain(&midstates, [a, b, c, d]);
            lanes_are_plain(&midstates, counters);
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_kernel_is_used_where_the_cpu_has_it() {
        let detected = std::is_x86_feature_detected!("sha") && std::is_x86_feature_detected!("sse4.1");
        assert_eq!(sha1(&[[0; 5]; 2], [0]).is_some(), detected);
        assert_eq!(sha1_kernel(), detected.then_some("SHA-NI"));
    }
}
