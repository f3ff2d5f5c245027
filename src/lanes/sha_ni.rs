//! SHA-1 by the x86 SHA extensions, `N` lanes in step.
//!
//! Intel's "SHA Extensions" paper (2013) describes the instructions. A vector holds four words, the first in its
//! highest lane. Everything is inlined into [`tags`], and nothing here is unsafe but to call it on another CPU.

use core::arch::x86_64::*;

use super::group::Midstates;

/// Lane by lane.
type Lanes<const N: usize> = [__m128i; N];

/// What is hashed into: the words a to d, and e in the highest lane.
#[derive(Clone, Copy)]
struct State<const N: usize> {
    abcd: Lanes<N>,
    e: Lanes<N>,
}

/// HMAC tags of `N` eight-byte counters, each under its own key.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
pub(super) fn tags<const N: usize>(keys: [&Midstates; N], counters: [u64; N]) -> [[u32; 5]; N] {
    let zero = _mm_setzero_si128();
    // The counter, the bit that ends the message, and the lengths in bits of a block and what follows it.
    let counters = counters.map(|counter| _mm_set_epi32((counter >> 32) as i32, counter as i32, i32::MIN, 0));
    let inner = compress(
        load(keys.map(|[inner, _]| inner)),
        [counters, [zero; N], [zero; N], [_mm_set_epi32(0, 0, 0, (64 + 8) * 8); N]],
    );

    // The inner hash is the outer message, as it stands.
    let end = _mm_set_epi32(0, i32::MIN, 0, 0);
    let e = inner.e.map(|e| _mm_or_si128(e, end));
    words(compress(
        load(keys.map(|[_, outer]| outer)),
        [inner.abcd, e, [zero; N], [_mm_set_epi32(0, 0, 0, (64 + 20) * 8); N]],
    ))
}

/// The states after one block each.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
pub(super) fn start<const N: usize>(initial: &[u32; 5], blocks: [&[u32; 16]; N]) -> [[u32; 5]; N] {
    let words_of = |[a, b, c, d]: [u32; 4]| _mm_set_epi32(a as i32, b as i32, c as i32, d as i32);
    let quarters = blocks.map(|block| {
        let [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15] = *block;
        [[w0, w1, w2, w3], [w4, w5, w6, w7], [w8, w9, w10, w11], [w12, w13, w14, w15]].map(words_of)
    });
    let lanes = [
        quarters.map(|[quarter, _, _, _]| quarter),
        quarters.map(|[_, quarter, _, _]| quarter),
        quarters.map(|[_, _, quarter, _]| quarter),
        quarters.map(|[_, _, _, quarter]| quarter),
    ];
    words(compress(load([initial; N]), lanes))
}

#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn words<const N: usize>(state: State<N>) -> [[u32; 5]; N] {
    let mut words = [[0; 5]; N];
    for ((words, abcd), e) in words.iter_mut().zip(state.abcd).zip(state.e) {
        *words = [
            _mm_extract_epi32::<3>(abcd) as u32,
            _mm_extract_epi32::<2>(abcd) as u32,
            _mm_extract_epi32::<1>(abcd) as u32,
            _mm_extract_epi32::<0>(abcd) as u32,
            _mm_extract_epi32::<3>(e) as u32,
        ];
    }
    words
}

#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn load<const N: usize>(states: [&[u32; 5]; N]) -> State<N> {
    State {
        abcd: states.map(|[a, b, c, d, _]| _mm_set_epi32(*a as i32, *b as i32, *c as i32, *d as i32)),
        e: states.map(|[.., e]| _mm_set_epi32(*e as i32, 0, 0, 0)),
    }
}

/// One block into each lane's state (FIPS 180-4, section 6.1.2): twenty times four rounds, five times for each function.
#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn compress<const N: usize>(state: State<N>, [w0, mut w1, mut w2, mut w3]: [Lanes<N>; 4]) -> State<N> {
    // e of four rounds is a of the four before them, rotated: `sha1nexte` makes it from the older state.
    let mut older = state.abcd;
    let mut newer = zip(state.abcd, zip(state.e, w0, |e, w| _mm_add_epi32(e, w)), |abcd, e| {
        _mm_sha1rnds4_epu32::<0>(abcd, e)
    });
    macro_rules! four_rounds {
        ($function:literal, $words:expr) => {{
            let e = zip($words, older, |w, older| _mm_sha1nexte_epu32(older, w));
            older = newer;
            newer = zip(older, e, |abcd, e| _mm_sha1rnds4_epu32::<$function>(abcd, e));
        }};
    }
    four_rounds!(0, w1);
    four_rounds!(0, w2);
    four_rounds!(0, w3);
    // From here on, each four words come from the sixteen before them.
    let mut w0 = w0;
    macro_rules! four_next {
        ($function:literal) => {{
            let mut next = zip(w0, w1, |w0, w1| _mm_sha1msg1_epu32(w0, w1));
            next = zip(next, w2, |next, w2| _mm_xor_si128(next, w2));
            next = zip(next, w3, |next, w3| _mm_sha1msg2_epu32(next, w3));
            (w0, w1, w2, w3) = (w1, w2, w3, next);
            four_rounds!($function, w3);
        }};
    }
    four_next!(0);
    four_next!(1);
    four_next!(1);
    four_next!(1);
    four_next!(1);
    four_next!(1);
    four_next!(2);
    four_next!(2);
    four_next!(2);
    four_next!(2);
    four_next!(2);
    four_next!(3);
    four_next!(3);
    four_next!(3);
    four_next!(3);
    four_next!(3);
    let _ = (w0, w1, w2);
    State {
        abcd: zip(newer, state.abcd, |new, old| _mm_add_epi32(new, old)),
        e: zip(older, state.e, |older, e| _mm_sha1nexte_epu32(older, e)),
    }
}

/// Joins two vectors lane by lane.
#[inline(always)]
fn zip<const N: usize>(mut a: Lanes<N>, b: Lanes<N>, join: impl Fn(__m128i, __m128i) -> __m128i) -> Lanes<N> {
    for (a, b) in a.iter_mut().zip(b) {
        *a = join(*a, b);
    }
    a
}
