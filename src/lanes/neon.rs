//! Four lanes of 32 bits by NEON, which every 64-bit ARM has. Two lanes of 64 gain nothing on the plain path: it rotates
//! by one instruction where NEON takes two.

mod w32 {
    use core::arch::aarch64::*;

    use crate::lanes::group::{self, LANES};

    pub(super) type Vector = uint32x4_t;
    pub(super) const WIDTH: usize = 4;

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn load(words: &[u32; LANES], part: usize) -> Vector {
        let words: &[u32; WIDTH] = group::part(words, part);
        // SAFETY: the array is as long as the vector, and may stand at any address.
        unsafe { vld1q_u32(words.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn store(words: &mut [u32; LANES], part: usize, vector: Vector) {
        let words: &mut [u32; WIDTH] = group::part_mut(words, part);
        // SAFETY: as above.
        unsafe { vst1q_u32(words.as_mut_ptr(), vector) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn splat(word: u32) -> Vector {
        vdupq_n_u32(word)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn add(a: Vector, b: Vector) -> Vector {
        vaddq_u32(a, b)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn xor(a: Vector, b: Vector) -> Vector {
        veorq_u32(a, b)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
        xor(xor(a, b), c)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
        vbslq_u32(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
        // Where a and b differ, c decides.
        vbslq_u32(xor(a, b), c, b)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn rotate_right<const N: i32>(a: Vector) -> Vector {
        vsriq_n_u32::<N>(vshlq_u32(a, vdupq_n_s32(const { 32 - N })), a)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn shift_right<const N: i32>(a: Vector) -> Vector {
        vshrq_n_u32::<N>(a)
    }
}

super::wide::kernels_of_32!("neon");
