//! SHA-1 and SHA-256 by ARMv8's instructions for them, `N` lanes in step.
//!
//! The "Arm Architecture Reference Manual" describes the instructions (SHA1C to SHA256SU1). A vector holds four words,
//! the first in its lowest lane. Everything is inlined into the functions called from outside, and nothing here is
//! unsafe but to call it on another CPU.

use core::arch::aarch64::*;

use super::group::{self, Group, LANES};
use super::wide::k32;

/// Lane by lane.
type Lanes<const N: usize> = [uint32x4_t; N];

/// The words of a block, four to a vector.
type Block<const N: usize> = [Lanes<N>; 4];

/// Lanes in step: enough to fill a pipeline that is four instructions deep.
const STEP: usize = 4;

#[inline]
#[target_feature(enable = "neon,sha2")]
fn vector([a, b, c, d]: [u32; 4]) -> uint32x4_t {
    let pair = |low, high| vcreate_u32(u64::from(high) << 32 | u64::from(low));
    vcombine_u32(pair(a, b), pair(c, d))
}

#[inline]
#[target_feature(enable = "neon,sha2")]
fn array(vector: uint32x4_t) -> [u32; 4] {
    [
        vgetq_lane_u32::<0>(vector),
        vgetq_lane_u32::<1>(vector),
        vgetq_lane_u32::<2>(vector),
        vgetq_lane_u32::<3>(vector),
    ]
}

/// The second block of an eight-byte message after a key block: the counter, the bit that ends it, and how many bits
/// there were.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn counter_blocks<const N: usize>(counters: [u64; N]) -> Block<N> {
    let zero = vdupq_n_u32(0);
    let first = counters.map(|counter| vector([(counter >> 32) as u32, counter as u32, 1 << 31, 0]));
    [first, [zero; N], [zero; N], [vector([0, 0, 0, (64 + 8) * 8]); N]]
}

/// Whole blocks.
#[inline]
#[target_feature(enable = "neon,sha2")]
#[allow(clippy::indexing_slicing, reason = "zeros for a part that is not there would become a key")]
fn blocks<const N: usize>(blocks: [&[u32; 16]; N]) -> Block<N> {
    [0, 1, 2, 3].map(|place| blocks.map(|block| vector(block.as_chunks().0[place])))
}

/// Adds words lane by lane.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn add<const N: usize>(mut a: Lanes<N>, b: Lanes<N>) -> Lanes<N> {
    for (a, b) in a.iter_mut().zip(b) {
        *a = vaddq_u32(*a, b);
    }
    a
}

/// Writes the functions for a group, [`STEP`] lanes at a time, over a hash's `tags`.
macro_rules! group {
    ($words:literal, $truncate:ident) => {
        /// The truncated tags of a group's counters.
        #[target_feature(enable = "neon,sha2")]
        pub(in crate::lanes) fn truncated(
            keys: &Group<u32, $words>,
            counters: &[u64; LANES],
        ) -> [u32; LANES] {
            let keys: [[[u32; $words]; 2]; LANES] = core::array::from_fn(|lane| group::lane(keys, lane));
            let mut words = [[0; LANES]; $words];
            let steps = keys.as_chunks::<STEP>().0.iter().zip(counters.as_chunks::<STEP>().0);
            for (step, (keys, counters)) in steps.enumerate() {
                for (lane, tag) in tags(keys.each_ref(), *counters).iter().enumerate() {
                    group::set_lane(&mut words, step.wrapping_mul(STEP).wrapping_add(lane), tag);
                }
            }
            group::$truncate(words)
        }
    };
}

pub(super) mod sha1 {
    use super::*;

    /// What is hashed into: the words a to d, and e.
    #[derive(Clone, Copy)]
    struct State<const N: usize> {
        abcd: Lanes<N>,
        e: [u32; N],
    }

    group!(5, truncate_sha1);

    /// HMAC tags of `N` eight-byte counters, each under its own key.
    #[target_feature(enable = "neon,sha2")]
    pub(in crate::lanes) fn tags<const N: usize>(
        keys: [&[[u32; 5]; 2]; N],
        counters: [u64; N],
    ) -> [[u32; 5]; N] {
        let inner = compress(load(keys.map(|[inner, _]| inner)), counter_blocks(counters));
        // The inner hash is the outer message, as it stands.
        let end = inner.e.map(|e| vector([e, 1 << 31, 0, 0]));
        let bits = [vector([0, 0, 0, (64 + 20) * 8]); N];
        words(compress(load(keys.map(|[_, outer]| outer)), [inner.abcd, end, [vdupq_n_u32(0); N], bits]))
    }

    /// The states after one block each.
    #[target_feature(enable = "neon,sha2")]
    pub(in crate::lanes) fn start(initial: &[u32; 5], blocks: &[[u32; LANES]; 16]) -> [[u32; LANES]; 5] {
        let blocks: [[u32; 16]; LANES] = core::array::from_fn(|lane| group::state(blocks, lane));
        let mut states = [[0; LANES]; 5];
        for (step, blocks) in blocks.as_chunks::<STEP>().0.iter().enumerate() {
            let started = words(compress(load([initial; STEP]), super::blocks(blocks.each_ref())));
            for (lane, state) in started.iter().enumerate() {
                group::set_lane(&mut states, step.wrapping_mul(STEP).wrapping_add(lane), state);
            }
        }
        states
    }

    #[inline]
    #[target_feature(enable = "neon,sha2")]
    fn load<const N: usize>(states: [&[u32; 5]; N]) -> State<N> {
        State { abcd: states.map(|[a, b, c, d, _]| vector([*a, *b, *c, *d])), e: states.map(|[.., e]| *e) }
    }

    #[inline]
    #[target_feature(enable = "neon,sha2")]
    fn words<const N: usize>(state: State<N>) -> [[u32; 5]; N] {
        let mut words = [[0; 5]; N];
        for ((words, abcd), e) in words.iter_mut().zip(state.abcd).zip(state.e) {
            let [a, b, c, d] = array(abcd);
            *words = [a, b, c, d, e];
        }
        words
    }

    /// One block into each lane's state (FIPS 180-4, section 6.1.2): twenty times four rounds, five times for each
    /// function.
    #[inline]
    #[target_feature(enable = "neon,sha2")]
    fn compress<const N: usize>(state: State<N>, [mut w0, mut w1, mut w2, mut w3]: Block<N>) -> State<N> {
        let State { mut abcd, mut e } = state;
        macro_rules! four_rounds {
            ($w:ident, $function:ident, $k:literal) => {{
                let words = add($w, [vdupq_n_u32($k); N]);
                for ((abcd, e), words) in abcd.iter_mut().zip(&mut e).zip(words) {
                    // e after four rounds is a before them, rotated.
                    let next = vsha1h_u32(vgetq_lane_u32::<0>(*abcd));
                    *abcd = $function(*abcd, *e, words);
                    *e = next;
                }
            }};
        }
        // The four words that come next, from the sixteen before them; then the rounds on the oldest four.
        macro_rules! four_next {
            ($function:ident, $k:literal) => {{
                four_rounds!(w0, $function, $k);
                let mut next = w0;
                for (((next, w1), w2), w3) in next.iter_mut().zip(w1).zip(w2).zip(w3) {
                    *next = vsha1su1q_u32(vsha1su0q_u32(*next, w1, w2), w3);
                }
                (w0, w1, w2, w3) = (w1, w2, w3, next);
            }};
        }
        four_next!(vsha1cq_u32, 0x5a82_7999);
        four_next!(vsha1cq_u32, 0x5a82_7999);
        four_next!(vsha1cq_u32, 0x5a82_7999);
        four_next!(vsha1cq_u32, 0x5a82_7999);
        four_next!(vsha1cq_u32, 0x5a82_7999);
        four_next!(vsha1pq_u32, 0x6ed9_eba1);
        four_next!(vsha1pq_u32, 0x6ed9_eba1);
        four_next!(vsha1pq_u32, 0x6ed9_eba1);
        four_next!(vsha1pq_u32, 0x6ed9_eba1);
        four_next!(vsha1pq_u32, 0x6ed9_eba1);
        four_next!(vsha1mq_u32, 0x8f1b_bcdc);
        four_next!(vsha1mq_u32, 0x8f1b_bcdc);
        four_next!(vsha1mq_u32, 0x8f1b_bcdc);
        four_next!(vsha1mq_u32, 0x8f1b_bcdc);
        four_next!(vsha1mq_u32, 0x8f1b_bcdc);
        four_next!(vsha1pq_u32, 0xca62_c1d6);
        // What is left was made already.
        four_rounds!(w0, vsha1pq_u32, 0xca62_c1d6);
        four_rounds!(w1, vsha1pq_u32, 0xca62_c1d6);
        four_rounds!(w2, vsha1pq_u32, 0xca62_c1d6);
        four_rounds!(w3, vsha1pq_u32, 0xca62_c1d6);
        for (e, old) in e.iter_mut().zip(state.e) {
            *e = e.wrapping_add(old);
        }
        State { abcd: add(abcd, state.abcd), e }
    }
}

pub(super) mod sha256 {
    use super::*;

    /// What is hashed into: the words a to d, and e to h.
    #[derive(Clone, Copy)]
    struct State<const N: usize> {
        abcd: Lanes<N>,
        efgh: Lanes<N>,
    }

    group!(8, truncate_sha256);

    /// HMAC tags of `N` eight-byte counters, each under its own key.
    #[target_feature(enable = "neon,sha2")]
    fn tags<const N: usize>(keys: [&[[u32; 8]; 2]; N], counters: [u64; N]) -> [[u32; 8]; N] {
        let inner = compress(load(keys.map(|[inner, _]| inner)), counter_blocks(counters));
        // The inner hash is the outer message, as it stands.
        let end = [vector([1 << 31, 0, 0, 0]); N];
        let bits = [vector([0, 0, 0, (64 + 32) * 8]); N];
        let tag = compress(load(keys.map(|[_, outer]| outer)), [inner.abcd, inner.efgh, end, bits]);
        let mut words = [[0; 8]; N];
        for ((words, abcd), efgh) in words.iter_mut().zip(tag.abcd).zip(tag.efgh) {
            let ([a, b, c, d], [e, f, g, h]) = (array(abcd), array(efgh));
            *words = [a, b, c, d, e, f, g, h];
        }
        words
    }

    #[inline]
    #[target_feature(enable = "neon,sha2")]
    fn load<const N: usize>(states: [&[u32; 8]; N]) -> State<N> {
        State {
            abcd: states.map(|[a, b, c, d, ..]| vector([*a, *b, *c, *d])),
            efgh: states.map(|[.., e, f, g, h]| vector([*e, *f, *g, *h])),
        }
    }

    /// One block into each lane's state (FIPS 180-4, section 6.2.2): sixteen times four rounds.
    #[inline]
    #[target_feature(enable = "neon,sha2")]
    fn compress<const N: usize>(state: State<N>, [mut w0, mut w1, mut w2, mut w3]: Block<N>) -> State<N> {
        let State { mut abcd, mut efgh } = state;
        macro_rules! four_rounds {
            ($w:ident, $t:literal) => {{
                let words = add($w, [vector(const { [k32($t), k32($t + 1), k32($t + 2), k32($t + 3)] }); N]);
                for ((abcd, efgh), words) in abcd.iter_mut().zip(&mut efgh).zip(words) {
                    let before = *abcd;
                    *abcd = vsha256hq_u32(before, *efgh, words);
                    *efgh = vsha256h2q_u32(*efgh, before, words);
                }
            }};
        }
        // The four words that come next, from the sixteen before them; then the rounds on the oldest four.
        macro_rules! four_next {
            ($t:literal) => {{
                four_rounds!(w0, $t);
                let mut next = w0;
                for (((next, w1), w2), w3) in next.iter_mut().zip(w1).zip(w2).zip(w3) {
                    *next = vsha256su1q_u32(vsha256su0q_u32(*next, w1), w2, w3);
                }
                (w0, w1, w2, w3) = (w1, w2, w3, next);
            }};
        }
        four_next!(0);
        four_next!(4);
        four_next!(8);
        four_next!(12);
        four_next!(16);
        four_next!(20);
        four_next!(24);
        four_next!(28);
        four_next!(32);
        four_next!(36);
        four_next!(40);
        four_next!(44);
        // What is left was made already.
        four_rounds!(w0, 48);
        four_rounds!(w1, 52);
        four_rounds!(w2, 56);
        four_rounds!(w3, 60);
        State { abcd: add(abcd, state.abcd), efgh: add(efgh, state.efgh) }
    }
}
