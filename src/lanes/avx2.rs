//! Eight lanes of 32 bits, four of 64, by AVX2.

mod w32 {
    use core::arch::x86_64::*;

    use crate::lanes::group::{self, LANES};

    pub(super) type Vector = __m256i;
    pub(super) const WIDTH: usize = 8;

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn load(words: &[u32; LANES], part: usize) -> Vector {
        let words: &[u32; WIDTH] = group::part(words, part);
        // SAFETY: the array is as long as the vector, and may stand at any address.
        unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn store(words: &mut [u32; LANES], part: usize, vector: Vector) {
        let words: &mut [u32; WIDTH] = group::part_mut(words, part);
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn splat(word: u32) -> Vector {
        _mm256_set1_epi32(word as i32)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn add(a: Vector, b: Vector) -> Vector {
        _mm256_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn xor(a: Vector, b: Vector) -> Vector {
        _mm256_xor_si256(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
        xor(xor(a, b), c)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
        xor(c, _mm256_and_si256(a, xor(b, c)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
        _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn rotate_right<const N: i32>(a: Vector) -> Vector {
        _mm256_or_si256(shift_right::<N>(a), _mm256_sllv_epi32(a, splat(const { 32 - N as u32 })))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn shift_right<const N: i32>(a: Vector) -> Vector {
        _mm256_srli_epi32::<N>(a)
    }
}

mod w64 {
    use core::arch::x86_64::*;

    use crate::lanes::group::{self, LANES};

    pub(super) type Vector = __m256i;
    pub(super) const WIDTH: usize = 4;

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn load(words: &[u64; LANES], part: usize) -> Vector {
        let words: &[u64; WIDTH] = group::part(words, part);
        // SAFETY: the array is as long as the vector, and may stand at any address.
        unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn store(words: &mut [u64; LANES], part: usize, vector: Vector) {
        let words: &mut [u64; WIDTH] = group::part_mut(words, part);
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn splat(word: u64) -> Vector {
        _mm256_set1_epi64x(word as i64)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn add(a: Vector, b: Vector) -> Vector {
        _mm256_add_epi64(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn xor(a: Vector, b: Vector) -> Vector {
        _mm256_xor_si256(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
        xor(xor(a, b), c)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
        xor(c, _mm256_and_si256(a, xor(b, c)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
        _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn rotate_right<const N: i32>(a: Vector) -> Vector {
        _mm256_or_si256(shift_right::<N>(a), _mm256_sllv_epi64(a, splat(const { 64 - N as u64 })))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn shift_right<const N: i32>(a: Vector) -> Vector {
        _mm256_srli_epi64::<N>(a)
    }
}

super::wide::kernels_of_32!("avx2");
super::wide::kernels_of_64!("avx2");
