//! Sixteen keys in the layout of the vector kernels.

/// Keys in a group.
pub(crate) const LANES: usize = 16;

/// SHA-1 states of one key after the inner and the outer key block.
pub(crate) type Midstates = [[u32; 5]; 2];

/// The states after the inner and the outer key block of [`LANES`] keys, word by word.
pub(crate) type Group<W, const WORDS: usize> = [[[W; LANES]; WORDS]; 2];

/// Dynamic truncation (RFC 4226, section 5.3): the low bits of a tag's last word say where, in its first five words, the
/// 31 bits begin. No address depends on the tag, and no tag is too short.
#[inline(always)]
pub(crate) fn truncate([w0, w1, w2, w3, w4]: [u32; 5], last: u32) -> u32 {
    let (low, high) = if last & 8 == 0 {
        if last & 4 == 0 { (w1, w0) } else { (w2, w1) }
    } else {
        if last & 4 == 0 { (w3, w2) } else { (w4, w3) }
    };
    let pair = u64::from(high) << 32 | u64::from(low);
    (pair.wrapping_shl((last & 3) << 3) >> 32) as u32 & 0x7fff_ffff
}

/// The same of [`LANES`] tags.
#[inline(always)]
pub(super) fn truncate_all([w0, w1, w2, w3, w4]: [[u32; LANES]; 5], last: [u32; LANES]) -> [u32; LANES] {
    let mut truncated = [0; LANES];
    let lanes = truncated.iter_mut().zip(last).zip(w0).zip(w1).zip(w2).zip(w3).zip(w4);
    for ((((((to, last), w0), w1), w2), w3), w4) in lanes {
        *to = truncate([w0, w1, w2, w3, w4], last);
    }
    truncated
}

/// Counters as two words each.
#[inline(always)]
pub(super) fn halves(counters: &[u64; LANES]) -> [[u32; LANES]; 2] {
    [counters.map(|counter| (counter >> 32) as u32), counters.map(|counter| counter as u32)]
}

/// Counters as one word each.
#[inline(always)]
pub(super) fn whole(counters: &[u64; LANES]) -> [[u64; LANES]; 1] {
    [*counters]
}

/// The truncated tags of SHA-1.
#[inline(always)]
pub(super) fn truncate_sha1(tags: [[u32; LANES]; 5]) -> [u32; LANES] {
    let [.., last] = tags;
    truncate_all(tags, last)
}

/// The truncated tags of SHA-256.
#[inline(always)]
pub(super) fn truncate_sha256([w0, w1, w2, w3, w4, .., last]: [[u32; LANES]; 8]) -> [u32; LANES] {
    truncate_all([w0, w1, w2, w3, w4], last)
}

/// The truncated tags of SHA-512, whose words are twice as long.
#[inline(always)]
pub(super) fn truncate_sha512([w0, w1, w2, .., last]: [[u64; LANES]; 8]) -> [u32; LANES] {
    let upper = |words: [u64; LANES]| words.map(|word| (word >> 32) as u32);
    let lower = |words: [u64; LANES]| words.map(|word| word as u32);
    truncate_all([upper(w0), lower(w0), upper(w1), lower(w1), upper(w2)], lower(last))
}

/// Some words of a group, those that one vector holds.
#[inline(always)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(clippy::indexing_slicing, reason = "zeros for a part that is not there would become a code")]
pub(super) fn part<W, const WIDTH: usize>(words: &[W; LANES], part: usize) -> &[W; WIDTH] {
    &words.as_chunks().0[part]
}

/// [`part`], to be written.
#[inline(always)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(clippy::indexing_slicing, reason = "as in `part`")]
pub(super) fn part_mut<W, const WIDTH: usize>(words: &mut [W; LANES], part: usize) -> &mut [W; WIDTH] {
    &mut words.as_chunks_mut().0[part]
}

/// One lane's words.
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "zeros for a lane that is not there would become a key")]
pub(crate) fn state<W: Copy, const WORDS: usize>(words: &[[W; LANES]; WORDS], lane: usize) -> [W; WORDS] {
    words.each_ref().map(|lanes| lanes[lane])
}

/// Sets one lane's words.
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "as in `state`: a lane that is left out stays zeros")]
pub(crate) fn set_lane<W: Copy, const WORDS: usize>(
    words: &mut [[W; LANES]; WORDS],
    lane: usize,
    state: &[W; WORDS],
) {
    for (lanes, word) in words.iter_mut().zip(state) {
        lanes[lane] = *word;
    }
}

/// One lane's states.
#[inline(always)]
pub(crate) fn lane<W: Copy, const WORDS: usize>(group: &Group<W, WORDS>, lane: usize) -> [[W; WORDS]; 2] {
    group.each_ref().map(|words| state(words, lane))
}

/// One key in every lane.
#[inline]
pub(crate) fn splat<W: Copy, const WORDS: usize>(states: &[[W; WORDS]; 2]) -> Group<W, WORDS> {
    states.map(|state| state.map(|word| [word; LANES]))
}
