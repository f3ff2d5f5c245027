//! Sixteen lanes of 32 bits, eight of 64, by AVX-512.

mod w32 {
    use core::arch::x86_64::*;

    use crate::lanes::group::{self, LANES};

    pub(super) type Vector = __m512i;
    pub(super) const WIDTH: usize = 16;

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn load(words: &[u32; LANES], part: usize) -> Vector {
        let words: &[u32; WIDTH] = group::part(words, part);
        // SAFETY: the array is as long as the vector, and may stand at any address.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn store(words: &mut [u32; LANES], part: usize, vector: Vector) {
        let words: &mut [u32; WIDTH] = group::part_mut(words, part);
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn splat(word: u32) -> Vector {
        _mm512_set1_epi32(word as i32)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn add(a: Vector, b: Vector) -> Vector {
        _mm512_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn xor(a: Vector, b: Vector) -> Vector {
        _mm512_xor_si512(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
        _mm512_ternarylogic_epi32::<0x96>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
        _mm512_ternarylogic_epi32::<0xca>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
        _mm512_ternarylogic_epi32::<0xe8>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn rotate_right<const N: i32>(a: Vector) -> Vector {
        _mm512_ror_epi32::<N>(a)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn shift_right<const N: i32>(a: Vector) -> Vector {
        _mm512_srlv_epi32(a, splat(const { N as u32 }))
    }
}

mod w64 {
    use core::arch::x86_64::*;

    use crate::lanes::group::{self, LANES};

    pub(super) type Vector = __m512i;
    pub(super) const WIDTH: usize = 8;

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn load(words: &[u64; LANES], part: usize) -> Vector {
        let words: &[u64; WIDTH] = group::part(words, part);
        // SAFETY: the array is as long as the vector, and may stand at any address.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn store(words: &mut [u64; LANES], part: usize, vector: Vector) {
        let words: &mut [u64; WIDTH] = group::part_mut(words, part);
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn splat(word: u64) -> Vector {
        _mm512_set1_epi64(word as i64)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn add(a: Vector, b: Vector) -> Vector {
        _mm512_add_epi64(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
        _mm512_ternarylogic_epi64::<0x96>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
        _mm512_ternarylogic_epi64::<0xca>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
        _mm512_ternarylogic_epi64::<0xe8>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn rotate_right<const N: i32>(a: Vector) -> Vector {
        _mm512_ror_epi64::<N>(a)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn shift_right<const N: i32>(a: Vector) -> Vector {
        _mm512_srlv_epi64(a, splat(const { N as u64 }))
    }
}

super::wide::kernels_of_32!("avx512f");
super::wide::kernels_of_64!("avx512f");
